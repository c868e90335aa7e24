/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_GMEM_H
#define TESTS_VM_GMEM_H

/* Guest memory that is a file of the VM's (guest_memfd), by its offset, not its hva. */

#include "vm.h"

#ifndef GUEST_MEMFD_FLAG_MMAP	/* newer than Debian 12's headers */
#define GUEST_MEMFD_FLAG_MMAP		(1U << 0)
#define GUEST_MEMFD_FLAG_INIT_SHARED	(1U << 1)
#endif

/*
 * A file of the VM's; -EOPNOTSUPP where a usual VM can have none with @flags
 * (GUEST_MEMFD_FLAG_*): up to 6.17.
 */
int gmem_create(struct vm *vm, size_t size, uint64_t flags);

/*
 * As vm_slot(), of the pages of the file @mem->fd from @offset on.  KVM reads nothing at
 * the slot's hva, which is that of @mem.
 */
int gmem_slot(struct vm *vm, int id, uint64_t gpa, const struct mem *mem, size_t offset,
	      size_t size, uint32_t flags);

#endif /* TESTS_VM_GMEM_H */
