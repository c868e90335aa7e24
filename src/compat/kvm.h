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

#endif /* _KTDP_COMPAT_KVM_H */
