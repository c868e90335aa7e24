// SPDX-License-Identifier: GPL-2.0-only
/* What a fault holds is given up by release_fault_lock() (6.4), or is mmap_lock. */
#include <linux/mm.h>

#ifndef KTDP_OTHERWISE
void fact(struct vm_fault *vmf)
{
	release_fault_lock(vmf);
}
#else
void fact(struct vm_fault *vmf)
{
	mmap_read_unlock(vmf->vma->vm_mm);
}
#endif
