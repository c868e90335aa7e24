// SPDX-License-Identifier: GPL-2.0-only
/* A VM has a type (6.8), or there is but one. */
#include <linux/kvm_host.h>

#ifndef KTDP_OTHERWISE
bool fact(const struct kvm *kvm)
{
	return kvm->arch.vm_type == KVM_X86_DEFAULT_VM;
}
#elif defined(KVM_CAP_VM_TYPES)
#error "there are types, and a VM's is not where it was"
#endif
