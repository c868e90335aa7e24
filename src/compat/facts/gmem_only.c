// SPDX-License-Identifier: GPL-2.0-only
/* A slot that is all of a guest_memfd (6.18) has a flag, and its loss of pages a function. */
#include <linux/fs.h>
#include <linux/kvm_host.h>

#include "../check.h"

#ifndef KTDP_OTHERWISE
function_is(kvm_mmu_unmap_gfn_range, bool (struct kvm *, struct kvm_gfn_range *));
member_is(struct kvm_gfn_range, slot, struct kvm_memory_slot *);
member_is(struct kvm_gfn_range, start, gfn_t);
member_is(struct kvm_gfn_range, end, gfn_t);
member_is(struct kvm_memory_slot, gmem.file, struct file *);
member_is(struct kvm_memory_slot, gmem.pgoff, pgoff_t);
member_is(struct file, f_mapping, struct address_space *);
member_is(struct address_space, i_pages, struct xarray);
member_is(struct folio, mapping, struct address_space *);
member_is(struct folio, index, pgoff_t);

bool fact(const struct kvm_memory_slot *slot)
{
	return (slot->flags & (KVM_MEM_GUEST_MEMFD | KVM_MEMSLOT_GMEM_ONLY)) &&
	       READ_ONCE(slot->gmem.file)->f_mapping && slot->gmem.pgoff;
}
#elif defined(KVM_MEMSLOT_GMEM_ONLY) && IS_ENABLED(CONFIG_KVM_GUEST_MEMFD)
#error "KVM has the flag, and the rest is not as it was"
#endif
