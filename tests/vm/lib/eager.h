/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_EAGER_H
#define TESTS_VM_EAGER_H

/* What the guest's own accesses brought into the table. */

#include "bed.h"

#define ALL_ACCESS	(ACC_R | ACC_W | ACC_X)

/* The counters of the table, all of them less what they were before. */
struct kvm_tdp_stats eager_since(struct bed *bed,
				 const struct kvm_tdp_stats *before);

/* A bed whose guest has run, so that its code and tables are mapped. */
void eager_open(struct bed *bed, struct kvm_tdp_stats *before);

/* All pages of a range are mapped by leaves of that level and access. */
bool eager_is(struct bed *bed, uint64_t gpa, size_t size, unsigned int level,
	      unsigned int access);

/* vCPU faults that were not copied, for whatever reason, up to now. */
uint64_t eager_dropped(struct bed *bed);

#endif /* TESTS_VM_EAGER_H */
