// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM changes memslots, harvests a dirty log, or loses pages of a guest_memfd: what is
 * mapped of them goes, or its write access.  Called through hooks.c, in KVM's context:
 * nothing here sleeps.
 */

#include "kvm.h"
#include "registry.h"
#include "revoke.h"
#include "slot_hooks.h"

/*
 * kvm_arch_flush_shadow_memslot(kvm, slot): the slot is invalid, all SRCU
 * readers that saw it valid are gone, and so are their commits.  When this
 * returns nothing of it is mapped; KVM removes or moves the slot afterwards.
 */
void ktdp_slot_flushed(struct kvm *kvm, const struct kvm_memory_slot *slot)
{
	struct kvm_exported_tdp *tdp;

	rcu_read_lock();
	tdp = ktdp_registry_find(kvm, slot->as_id);
	if (tdp) {
		trace_kvm_tdp_slot(tdp, slot, KVM_MR_DELETE);
		atomic64_inc(&tdp->stat.slot_zaps);
		ktdp_revoke(tdp, slot->base_gfn,
			    slot->base_gfn + slot->npages, 0);
	}
	rcu_read_unlock();
}

/* KVM has no @new of a slot that it has deleted. */
static void trace_committed(struct kvm *kvm, const struct kvm_memory_slot *new,
			    enum kvm_mr_change change)
{
	struct kvm_exported_tdp *tdp;

	if (!trace_kvm_tdp_slot_enabled() || change == KVM_MR_DELETE)
		return;
	rcu_read_lock();
	tdp = ktdp_registry_find(kvm, new->as_id);
	if (tdp)
		trace_kvm_tdp_slot(tdp, new, change);
	rcu_read_unlock();
}

static void write_protect(struct kvm *kvm, u32 as_id, u64 start, u64 end)
{
	struct kvm_exported_tdp *tdp;

	rcu_read_lock();
	tdp = ktdp_registry_find(kvm, as_id);
	if (tdp)
		ktdp_revoke(tdp, start, end, KTDP_REVOKE_WRITE);
	rcu_read_unlock();
}

/*
 * kvm_arch_commit_memory_region(kvm, old, new, change): the new flags are in
 * force for all SRCU readers.  If dirty logging is on now, no page is writable
 * that is not in the log.
 */
void ktdp_slot_committed(struct kvm *kvm, const struct kvm_memory_slot *new,
			 enum kvm_mr_change change)
{
	trace_committed(kvm, new, change);
	if (change == KVM_MR_FLAGS_ONLY && (new->flags & KVM_MEM_LOG_DIRTY_PAGES))
		write_protect(kvm, new->as_id, new->base_gfn,
			      new->base_gfn + new->npages);
}

/*
 * kvm_arch_mmu_enable_log_dirty_pt_masked(kvm, slot, gfn_offset, mask): the
 * bits of the mask have been taken out of the log.  What was written up to the
 * return of this is in the harvest; what is written later has to be logged
 * anew.  Pages between two of the mask may lose write access for nothing.
 *
 * KVM's mmu_lock is held.
 */
void ktdp_log_harvested(struct kvm *kvm, const struct kvm_memory_slot *slot,
			u64 gfn_offset, unsigned long mask)
{
	u64 gfn = slot->base_gfn + gfn_offset;

	if (mask)
		write_protect(kvm, slot->as_id, gfn + __ffs(mask),
			      gfn + __fls(mask) + 1);
}

/*
 * kvm_mmu_unmap_gfn_range(kvm, range): pages of a guest_memfd are about to go, as a hole
 * is made, one is poisoned, or the file is closed for good.  The host tells of those only
 * that it maps itself.  Some kernels call this for each invalidation of any memory.
 *
 * KVM's mmu_lock is held for write, not for all of the time until the pages are gone; but
 * for that KVM counts an invalidation as in progress.  So what is copied from KVM is copied
 * before this, or is of after that.
 */
void ktdp_gmem_unmapped(struct kvm *kvm, const struct kvm_gfn_range *range)
{
	struct kvm_exported_tdp *tdp;

	if (!ktdp_slot_is_gmem(range->slot))
		return;
	lockdep_assert_held_write(&kvm->mmu_lock);
	rcu_read_lock();
	tdp = ktdp_registry_find(kvm, range->slot->as_id);
	if (tdp) {
		atomic64_inc(&tdp->stat.invalidations);
		ktdp_revoke(tdp, range->start, range->end, 0);
	}
	rcu_read_unlock();
}
