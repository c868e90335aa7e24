// SPDX-License-Identifier: GPL-2.0-only
/* A VM says whether it uses the TDP MMU (up to 6.2), or all do alike. */
#include <linux/kvm_host.h>

#ifndef KTDP_OTHERWISE
bool fact(const struct kvm *kvm)
{
	return kvm->arch.tdp_mmu_enabled;
}
#endif
