// SPDX-License-Identifier: GPL-2.0-only
/* Flags of a vma are changed by vm_flags_mod() (6.3), or directly. */
#include <linux/mm.h>

#ifndef KTDP_OTHERWISE
void fact(struct vm_area_struct *vma)
{
	vm_flags_mod(vma, VM_IO, VM_MAYWRITE);
}
#else
void fact(struct vm_area_struct *vma)
{
	vma->vm_flags |= VM_IO;
}
#endif
