/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_KTDP_H
#define TESTS_VM_KTDP_H

/*
 * What tests want of libkvm_tdp beyond what it has.  Functions that return int answer 0
 * (or a descriptor) or -errno.
 */

#include <libkvm_tdp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ACC_R	KVM_TDP_ACCESS_READ
#define ACC_W	KVM_TDP_ACCESS_WRITE
#define ACC_X	KVM_TDP_ACCESS_EXEC

/* The test ends if there are none. */
struct kvm_tdp_stats ktdp_stats(int tdp);

/* All of the range; the error of the first page that could not be done. */
int ktdp_prefault(int tdp, uint64_t gpa, uint64_t size, unsigned int access);
/* The same, and how many bytes were done before the error. */
int ktdp_prefault_some(int tdp, uint64_t gpa, uint64_t size,
		       unsigned int access, uint64_t *some);

struct ktdp_map {
	struct kvm_tdp_run *runs;
	size_t nr;
};

/* The map of a range, in order; the test ends if it cannot be read. */
void ktdp_read_map(int tdp, uint64_t gpa, uint64_t size, struct ktdp_map *map);
void ktdp_free_map(struct ktdp_map *map);
const struct kvm_tdp_run *ktdp_lookup(const struct ktdp_map *map, uint64_t gpa);

/* Of the leaf at one gpa; 0 if there is none. */
unsigned int ktdp_level(int tdp, uint64_t gpa);
unsigned int ktdp_access(int tdp, uint64_t gpa);
uint64_t ktdp_hpa(int tdp, uint64_t gpa);

/* Of a range: nothing of it; all of it; no page of it with @access. */
bool ktdp_absent(int tdp, uint64_t gpa, uint64_t size);
bool ktdp_mapped(int tdp, uint64_t gpa, uint64_t size);
bool ktdp_grants_none(int tdp, uint64_t gpa, uint64_t size, unsigned int access);
/* Empty within @ms: who drops an mm last may leave the rest to a worker. */
bool ktdp_empties(int tdp, unsigned int ms);
/* Leaves of each level in the whole table agree with the counters. */
bool ktdp_counts_agree(int tdp);

/* How much it found wrong; what is undecided is not. */
uint64_t ktdp_verify_wrong(const struct kvm_tdp_verify *verify);

/* The test ends if there is none. */
int dma_open(void);
/* An engine on @tdp, of this process; the test ends if there is none. */
int dma_open_on(int tdp);
struct kvm_tdp_dma_stats dma_stats(int dma);

/* Success has to mean that all was done. */
int dma_read(int dma, uint64_t gpa, void *buf, size_t size, unsigned int flags);
int dma_write(int dma, uint64_t gpa, const void *buf, size_t size,
	      unsigned int flags);
int dma_copy(int dma, uint64_t src, uint64_t dst, size_t size,
	     unsigned int flags);

/* The guest's pattern (vm.h) through the engine: 0, -errno, 1 a wrong word. */
int dma_fill(int dma, uint64_t gpa, size_t size, uint64_t gen);
int dma_check(int dma, uint64_t gpa, size_t size, uint64_t gen);

/* Does the engine read nothing but @byte? */
bool dma_all(int dma, uint64_t gpa, size_t size, int byte);

/* No page of the range can be reached without a fault. */
bool dma_reaches_none(int dma, uint64_t gpa, size_t size);

/*
 * "The importer was told": what one operation did to an engine that held
 * translations of the range before.
 *
 *	told_begin(&told, dma);
 *	... operation ...
 *	ok(told_of(&told, gpa, size), ...);
 */
struct told {
	int dma;
	struct kvm_tdp_dma_stats before;
};

void told_begin(struct told *told, int dma);
/* Invalidations came, they cover the range, and the engine holds none of it. */
bool told_of(const struct told *told, uint64_t gpa, size_t size);
/* Invalidations came and cover the range; what is mapped since is not asked. */
bool told_covers(const struct told *told, uint64_t gpa, size_t size);
bool told_nothing(const struct told *told);

#endif /* TESTS_VM_KTDP_H */
