// SPDX-License-Identifier: GPL-2.0-only
/* Memslots have the members that they had, and are in trees as they were. */
#include <linux/kvm_host.h>

#include "../check.h"

member_is(struct kvm, __memslots[0][0], struct kvm_memslots);
member_is(struct kvm_memslots, hva_tree, struct rb_root_cached);
member_is(struct kvm_memslots, gfn_tree, struct rb_root);
member_is(struct kvm_memslots, node_idx, int);
member_is(struct kvm_memory_slot, hva_node, struct interval_tree_node [2]);
member_is(struct kvm_memory_slot, gfn_node, struct rb_node [2]);
member_is(struct kvm_memory_slot, base_gfn, gfn_t);
member_is(struct kvm_memory_slot, npages, unsigned long);
member_is(struct kvm_memory_slot, dirty_bitmap, unsigned long *);
member_is(struct kvm_memory_slot, userspace_addr, unsigned long);
member_is(struct kvm_memory_slot, flags, u32);
member_is(struct kvm_memory_slot, id, short);
member_is(struct kvm_memory_slot, as_id, u16);
function_is(__kvm_memslots, struct kvm_memslots *(struct kvm *, int));
function_is(__gfn_to_memslot, struct kvm_memory_slot *(struct kvm_memslots *, gfn_t));

bool fact(struct kvm_memslots *slots)
{
	struct kvm_memslot_iter iter;

	kvm_for_each_memslot_in_gfn_range(&iter, slots, 0, 1)
		return iter.slot->id < KVM_USER_MEM_SLOTS &&
		       !(iter.slot->flags & KVM_MEMSLOT_INVALID);
	return false;
}
