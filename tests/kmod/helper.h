/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_TEST_HELPER_H
#define _KTDP_TEST_HELPER_H

#include <linux/atomic.h>
#include <linux/kvm_tdp_fd.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>

#include "ktdp_test.h"

/**
 * struct test_importer - an ops table and what was called through it
 * @ops: constant
 * @index: in test_file.importers; constant
 * @registered: bit per handle that it is registered with; test_file.lock
 * @leaked: registrations left behind by a put; test_file.lock
 * @running: callbacks that run now
 * @hold: the next one spins
 * @release_ns: until this time, of ktime_get_ns()
 * @finals: invalidate(0, -1) received since the first leak; @lock
 * @total: callbacks since the log was read; @lock
 * @lock: raw, as callbacks take it
 * @records: the first of them; @lock
 */
struct test_importer {
	struct kvm_tdp_importer_ops ops;
	unsigned int index;
	unsigned long registered;
	unsigned int leaked;
	atomic_t running;
	atomic_t hold;
	atomic64_t release_ns;

	raw_spinlock_t lock;
	unsigned int finals;
	u64 total;
	struct ktdp_test_record *records;
};

/**
 * struct test_file - an open /dev/ktdp_test
 * @lock: protects the members below
 * @handles: objects that KTDP_TEST_GET found
 * @held_mm: mm_count reference, or NULL
 * @importers: see there
 */
struct test_file {
	struct mutex lock;	/* not held while fault runs */
	struct kvm_tdp_fd *handles[KTDP_TEST_HANDLES];
	struct mm_struct *held_mm;
	struct test_importer importers[KTDP_TEST_IMPORTERS];
};

static inline struct kvm_tdp_fault_type test_access(u32 access)
{
	return (struct kvm_tdp_fault_type) {
		.read = !!(access & KTDP_TEST_READ),
		.write = !!(access & KTDP_TEST_WRITE),
		.exec = !!(access & KTDP_TEST_EXEC),
	};
}

struct kvm_tdp_fd *test_handle(struct test_file *tf, u32 handle);

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

/* bench.c */
int test_bench(struct test_file *tf, struct ktdp_test_bench *bench);

#endif /* _KTDP_TEST_HELPER_H */
