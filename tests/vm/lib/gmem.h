/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_GMEM_H
#define TESTS_VM_GMEM_H

/* Guest memory that is a file of the VM's (guest_memfd), by its offset, not its hva. */

#include "vm.h"

/*
 * A file of the VM's that KVM backs a slot with, whatever is at the slot's hva, and
 * that this process can map.  -errno where a usual VM cannot have one: up to 6.17.
 */
int gmem_create(struct vm *vm, size_t size);

/* As vm_slot(), with all of @fd. */
int gmem_slot(struct vm *vm, int id, uint64_t gpa, size_t size, void *hva, int fd);

#endif /* TESTS_VM_GMEM_H */
