/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_COMPAT_KVM_H
#define _KTDP_COMPAT_KVM_H

#include <linux/kvm_host.h>

#include "facts.h"

/*
 * Does a VM use the TDP MMU?  @param: does KVM by its parameter?  Up to 6.2 that
 * could change, and held for VMs created later.
 */
#ifdef KTDP_HAS_TDP_MMU_OF_VM
#define ktdp_vm_has_tdp_mmu(kvm, param)	((kvm)->arch.tdp_mmu_enabled)
#else
#define ktdp_vm_has_tdp_mmu(kvm, param)	(param)
#endif

/* Is a VM one whose memory and state are its own?  Types came with 6.8. */
#ifdef KTDP_HAS_VM_TYPE
#define ktdp_vm_has_type(kvm)	((kvm)->arch.vm_type != KVM_X86_DEFAULT_VM)
#else
#define ktdp_vm_has_type(kvm)	false
#endif

/*
 * A slot of which all memory is pages of a guest_memfd, which user space may map, too
 * (6.18): its flags, the file, and the index of its first page there.
 */
#ifdef KTDP_HAS_GMEM_ONLY
#define KTDP_SLOT_GMEM	(KVM_MEM_GUEST_MEMFD | KVM_MEMSLOT_GMEM_ONLY)
#define ktdp_slot_gmem_file(slot)	READ_ONCE((slot)->gmem.file)
#define ktdp_slot_gmem_pgoff(slot)	((slot)->gmem.pgoff)
#else
#define KTDP_SLOT_GMEM	0
#define ktdp_slot_gmem_file(slot)	((struct file *)NULL)
#define ktdp_slot_gmem_pgoff(slot)	0
#endif

#endif /* _KTDP_COMPAT_KVM_H */
