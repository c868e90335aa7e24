/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_SMM_H
#define TESTS_VM_SMM_H

/*
 * A vCPU in system management mode, which runs in an address space of its own,
 * as_id 1: what is mapped there is the test's to choose, below 4G.
 */

#include "vm.h"

/* Slot @id of that address space, for vm_slot() and all that takes a slot. */
#define VM_SMM_SLOT(id)	(1 << 16 | (id))

struct smm {
	struct vm *vm;
	struct mem ram;		/* the handler, its arguments, saved state */
};

/* @vm has its vCPU; SMRAM takes the last slot of as_id 1. */
void smm_open(struct smm *smm, struct vm *vm);
/* @vm is closed. */
void smm_close(struct smm *smm);

/* As the guest's functions of vm.h, but done by the handler of an SMI. */
int smm_fill(struct smm *smm, uint64_t gpa, size_t size, uint64_t gen);
int smm_touch(struct smm *smm, uint64_t gpa, size_t size);

#endif /* TESTS_VM_SMM_H */
