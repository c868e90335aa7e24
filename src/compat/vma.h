/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_COMPAT_VMA_H
#define _KTDP_COMPAT_VMA_H

#include <linux/mm.h>

#include "facts.h"

/* From 6.3 on flags are changed by functions. */
#ifndef KTDP_HAS_VM_FLAGS_MOD
static inline void vm_flags_mod(struct vm_area_struct *vma, vm_flags_t set,
				vm_flags_t clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#endif

/* From 6.4 on a fault may hold the lock of the vma alone. */
#ifndef KTDP_HAS_FAULT_LOCK
static inline void release_fault_lock(struct vm_fault *vmf)
{
	mmap_read_unlock(vmf->vma->vm_mm);
}
#endif

/* 7.2 gave it a new name. */
#ifndef KTDP_HAS_ZAP_SPECIAL
#define zap_special_vma_range	zap_vma_ptes
#endif

#endif /* _KTDP_COMPAT_VMA_H */
