/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_KMOD_H
#define TESTS_VM_KMOD_H

/*
 * /dev/ktdp_test (tests/kmod): the importer API from within the kernel.
 * Functions that return int answer what the function under test answered; the
 * test ends if the helper could not call it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../kmod/ktdp_test.h"

#define KMOD_FULL	(~0ULL)		/* size of an invalidate of everything */

int kmod_open(void);
/* Any ioctl of the helper. */
void kmod_do(int kmod, unsigned long op, void *arg);

/* kvm_tdp_fd_get(); a handle or -errno. */
int kmod_get(int kmod, int fd);
void kmod_put(int kmod, int handle);
struct ktdp_test_metadata kmod_metadata(int kmod, int handle);

int kmod_register(int kmod, int handle, int importer);
/* Callbacks that still ran when unregister had returned. */
int kmod_unregister(int kmod, int handle, int importer);

/* fault() from this thread, with this mm. */
int kmod_fault(int kmod, int handle, uint64_t gfn, unsigned int access);
int kmod_fault_as(int kmod, int handle, uint64_t gfn, unsigned int access,
		  unsigned int context, int mm);

/* fault_range(); @gfn and @nr are advanced. */
int kmod_fault_range(int kmod, int handle, uint64_t *gfn, uint64_t *nr,
		     unsigned int access, int mm);

/* How often it was told, ever, that the VM is gone, and in which context last. */
struct kmod_gone {
	unsigned int times, flags;
};

struct kmod_gone kmod_gone(int kmod, int importer);

/* Callbacks since the last look; @records has room for KTDP_TEST_RECORDS. */
size_t kmod_log(int kmod, int importer, struct ktdp_test_record *records);
void kmod_forget(int kmod, int importer);

/* Since the last look: how many; any that covers; all of the right shape. */
struct kmod_told {
	size_t nr;
	bool covered;
	bool full;
	bool well_formed;
	uint64_t last_order;
};

struct kmod_told kmod_told(int kmod, int importer, uint64_t gpa, uint64_t size);
bool kmod_covered(int kmod, int importer, uint64_t gpa, uint64_t size);

/* The next callback spins until it is released; how many run now. */
void kmod_hold(int kmod, int importer);
void kmod_release(int kmod, int importer);
unsigned int kmod_running(int kmod, int importer);

/* What the IOMMU translates for a PCI device; 0: nothing. */
uint64_t kmod_iova(int kmod, const char *device, uint64_t iova);

/* Flip bits of the entry that maps @gfn; its level, 0 if there is none. */
int kmod_poke(int kmod, int handle, uint64_t gfn, uint64_t flip);

/* KVM's own table of a VM, in order; empty as long as no vCPU has run. */
struct kmod_kvm_map {
	struct ktdp_test_kvm_run *runs;
	size_t nr;
};

void kmod_read_kvm(int kmod, int vm_fd, unsigned int as_id,
		   struct kmod_kvm_map *map);
void kmod_free_kvm(struct kmod_kvm_map *map);

/*
 * Hold thread @tid (0: any) when it comes to a function of the kernel; the test
 * ends if that cannot be.  @stop: below KTDP_TEST_STOPS.
 */
struct kmod_point {
	const char *symbol;	/* "a|b": the first that there is */
	bool at_return;
	bool by_us;		/* only when kvm_tdp calls it, interrupts off or on */
	unsigned int skip;	/* so many times it passes */
	unsigned int arg_nr;	/* 0, or that argument, from 1 on, is @arg */
	uint64_t arg;
};

#define KMOD_COUNT_ONLY	(~0U >> 2)	/* kmod_point.skip */

void kmod_stop(int kmod, int stop, const struct kmod_point *at, pid_t tid);
/* It is held, within @ms. */
bool kmod_is_stopped(int kmod, int stop, unsigned int ms);
/* How often it has come by. */
unsigned int kmod_passes(int kmod, int stop);
/* It has come by at least @nr times, within @ms. */
bool kmod_has_passed(int kmod, int stop, unsigned int nr, unsigned int ms);
/* Let it go; false if that came too late, or nobody was held. */
bool kmod_go(int kmod, int stop);
void kmod_unstop(int kmod, int stop);

/*
 * See this process's calls of @symbol from now on, until @kmod is closed; those since the
 * last look.
 */
struct kmod_calls {
	uint64_t nr, ticks;
};

void kmod_span(int kmod, const char *symbol);
struct kmod_calls kmod_spanned(int kmod);

/* KTDP_TEST_BREAK_PAGE...; @hva of a page. */
void kmod_break(int kmod, unsigned int what, const void *hva);

#endif /* TESTS_VM_KMOD_H */

