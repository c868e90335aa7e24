/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_COMPAT_GUP_H
#define _KTDP_COMPAT_GUP_H

#include <linux/mm.h>
#include <asm/cpufeature.h>

#include "facts.h"

/* 6.5 took the VMAs away. */
#ifndef KTDP_HAS_GUP_NO_VMAS
#define get_user_pages_remote(mm, start, nr, flags, pages, locked) \
	get_user_pages_remote(mm, start, nr, flags, pages, NULL, locked)
#endif

/* From 6.6 on GUP finds a page with a NUMA hint present, which HMM does not. */
#ifndef KTDP_HAS_GUP_NUMA
#define FOLL_HONOR_NUMA_FAULT	0
#endif

/* 6.6 brought shadow stacks. */
#ifdef CONFIG_X86_USER_SHADOW_STACK
static inline bool ktdp_has_shadow_stacks(void)
{
	return cpu_feature_enabled(X86_FEATURE_USER_SHSTK);
}

static inline bool ktdp_vma_is_shadow_stack(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_SHADOW_STACK;
}
#else
static inline bool ktdp_has_shadow_stacks(void)
{
	return false;
}

static inline bool ktdp_vma_is_shadow_stack(const struct vm_area_struct *vma)
{
	return false;
}
#endif

#endif /* _KTDP_COMPAT_GUP_H */
