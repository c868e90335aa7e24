// SPDX-License-Identifier: GPL-2.0-only
/* Special entries are zapped by zap_special_vma_range() (7.2), or zap_vma_ptes(). */
#include <linux/mm.h>

#ifndef KTDP_OTHERWISE
void fact(struct vm_area_struct *vma)
{
	zap_special_vma_range(vma, vma->vm_start, PAGE_SIZE);
}
#else
void fact(struct vm_area_struct *vma)
{
	zap_vma_ptes(vma, vma->vm_start, PAGE_SIZE);
}
#endif
