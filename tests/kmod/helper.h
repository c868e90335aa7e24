/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_TEST_HELPER_H
#define _KTDP_TEST_HELPER_H

#include <linux/atomic.h>
#include <linux/kprobes.h>
#include <linux/kvm_tdp_fd.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "ktdp_test.h"

/*
 * How long something is held at most: ten seconds, in steps of which each makes this
 * CPU run.  The clock alone goes on while the emulator of a busy machine does not, and
 * udelay() may be far too short there.
 */
#define TEST_HOLD_STEPS	1000000
#define TEST_STEP_NS	10000

static inline void test_hold_step(void)
{
	u64 end = ktime_get_ns() + TEST_STEP_NS;

	while (ktime_get_ns() < end)
		cpu_relax();
}

/**
 * struct test_importer - an ops table and what was called through it
 * @ops: constant
 * @index: in test_file.importers; constant
 * @name: of the importer; constant
 * @registered: bit per handle that it is registered with; test_file.lock
 * @leaked: registrations left behind by a put; test_file.lock
 * @running: callbacks that run now
 * @hold: the next one spins
 * @release_ns: until this time, of ktime_get_ns()
 * @finals: leaked registrations that have been ended; @lock
 * @gone: how often it was told that the VM is gone; @lock
 * @gone_flags: the context of the last of these; @lock
 * @total: callbacks since the log was read; @lock
 * @lock: raw, as callbacks take it
 * @records: the first of them; @lock
 */
struct test_importer {
	struct kvm_tdp_importer_ops ops;
	char name[16];
	unsigned int index;
	unsigned long registered;
	unsigned int leaked;
	atomic_t running;
	atomic_t hold;
	atomic64_t release_ns;

	raw_spinlock_t lock;
	unsigned int finals;
	u32 gone;
	u32 gone_flags;
	u64 total;
	struct ktdp_test_record *records;
};

/**
 * struct test_stop - a function at which a thread is held
 * @probe: its @kp alone serves for a stop at the entry
 * @symbol: function; constant while armed, as the next six
 * @at_return: not at the entry
 * @by_us: only when kvm_tdp calls it
 * @tid: thread meant, 0: any
 * @skip: that thread's first hits do not count
 * @arg_nr: of the argument that has to be @arg, from 1 on; 0: any will do
 * @arg: see @arg_nr
 * @armed: test_file.lock
 * @released: nobody is held from now on
 * @hits: of the thread meant
 * @state: KTDP_TEST_AWAITED...
 */
struct test_stop {
	struct kretprobe probe;
	char symbol[KTDP_TEST_SYMBOL];
	bool at_return;
	bool by_us;
	pid_t tid;
	int skip;
	u32 arg_nr;
	u64 arg;
	bool armed;
	bool released;
	atomic_t hits;
	atomic_t state;
};

/**
 * struct test_file - an open /dev/ktdp_test
 * @lock: protects the members below
 * @handles: objects that KTDP_TEST_GET found
 * @held_mm: mm_count reference, or NULL
 * @page: what mmap maps; constant
 * @importers: see there
 * @stops: see there
 * @watch: see watch.c; NULL: not armed
 */
struct test_file {
	struct mutex lock;	/* not held while fault runs */
	struct kvm_tdp_fd *handles[KTDP_TEST_HANDLES];
	struct mm_struct *held_mm;
	struct page *page;
	struct test_importer importers[KTDP_TEST_IMPORTERS];
	struct test_stop stops[KTDP_TEST_STOPS];
	struct test_watch *watch;
};

static inline struct kvm_tdp_fault_type test_access(u32 access)
{
	struct kvm_tdp_fault_type type;

	memset(&type, access & KTDP_TEST_STRAY ? 0xff : 0, sizeof(type));
	type.read = !!(access & KTDP_TEST_READ);
	type.write = !!(access & KTDP_TEST_WRITE);
	type.exec = !!(access & KTDP_TEST_EXEC);
	return type;
}

struct kvm_tdp_fd *test_handle(struct test_file *tf, u32 handle);
struct kvm_tdp_fd *test_object(struct kvm_tdp_fd *tdp_fd, u32 flags);

/* importer.c */
int test_importers_init(struct test_file *tf);
bool test_importers_exit(struct test_file *tf);
int test_register(struct test_file *tf, struct ktdp_test_call *call);
int test_unregister(struct test_file *tf, struct ktdp_test_call *call);
void test_importers_put(struct test_file *tf, u32 handle);
int test_log(struct test_file *tf, struct ktdp_test_log *log);
int test_control(struct test_file *tf, struct ktdp_test_control *control);

/* fault.c */
int test_fault(struct test_file *tf, struct ktdp_test_call *call);
int test_hold_mm(struct test_file *tf, struct ktdp_test_call *call);

/* poke.c */
int test_metadata(struct test_file *tf, struct ktdp_test_metadata *md);
int test_poke(struct test_file *tf, struct ktdp_test_poke *poke);

/* kvmwalk.c */
int test_kvm_map(struct ktdp_test_kvm_map *map);
int test_encrypt(const struct ktdp_test_encrypt *encrypt);
int test_unlog(const struct ktdp_test_unlog *unlog);
struct file *test_vm_file(int fd);

/* bench.c */
int test_bench(struct test_file *tf, struct ktdp_test_bench *bench);

/* stop.c */
int test_stop(struct test_file *tf, struct ktdp_test_stop *arg);
void test_stops_exit(struct test_file *tf);

/* lock.c */
int test_lock(struct test_file *tf, struct ktdp_test_lock *arg);
void test_lock_exit(struct test_file *tf);

/* span.c */
int test_span(struct test_file *tf, struct ktdp_test_span *arg);
void test_span_exit(struct test_file *tf);

/* break.c */
int test_break(struct ktdp_test_break *arg);

/* iova.c */
int test_iova(struct ktdp_test_iova *arg);

/* watch.c */
int test_watch(struct test_file *tf, struct ktdp_test_watch *arg);
void test_watch_exit(struct test_file *tf);

#endif /* _KTDP_TEST_HELPER_H */
