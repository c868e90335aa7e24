// SPDX-License-Identifier: GPL-2.0-only
/* A slot that is all of a guest_memfd (6.18) has a flag, and its loss of pages a function. */
#include <linux/kvm_host.h>

#ifndef KTDP_OTHERWISE
static_assert(__same_type(kvm_mmu_unmap_gfn_range,
			  bool (struct kvm *, struct kvm_gfn_range *)));
static_assert(__same_type(typeof_member(struct kvm_gfn_range, slot),
			  struct kvm_memory_slot *));
static_assert(__same_type(typeof_member(struct kvm_gfn_range, start), gfn_t));
static_assert(__same_type(typeof_member(struct kvm_gfn_range, end), gfn_t));

bool fact(const struct kvm_memory_slot *slot)
{
	return (slot->flags & (KVM_MEM_GUEST_MEMFD | KVM_MEMSLOT_GMEM_ONLY)) &&
	       READ_ONCE(slot->gmem.file)->f_mapping && slot->gmem.pgoff;
}
#elif defined(KVM_MEMSLOT_GMEM_ONLY) && IS_ENABLED(CONFIG_KVM_GUEST_MEMFD)
#error "KVM has the flag, and the rest is not as it was"
#endif
