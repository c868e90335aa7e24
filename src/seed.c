// SPDX-License-Identifier: GPL-2.0-only
/*
 * Seed: what KVM has mapped before there was an exported TDP is copied from
 * KVM's own table, where that is of the TDP MMU: its pages are freed through
 * RCU, so they can be read without KVM's mmu_lock.
 *
 * Why an entry of KVM's is good though mmu_lock is not held: it is read under the
 * region's lock, after it was seen that no invalidation of the page is in progress.  Of an
 * invalidation, on that page, let S and E be the callbacks of this module and
 * Sk, Ek those of KVM.  All S and Sk come before all E and Ek, S takes the
 * region's lock, Sk removes KVM's entry, and KVM writes no new one before Ek.
 *
 *	read before S		S removes what was copied
 *	between S and E		the window is busy: nothing is copied
 *	after E			Sk has removed the entry; what is there now is
 *				of after Ek
 *
 * Of a slot that is backed by a guest_memfd not all that takes pages is told to the
 * notifier, but KVM is: there mmu_lock is held for read, and KVM counts no invalidation as
 * in progress.  Either it has not begun, and then our hook will remove what is copied; or
 * it has ended, and KVM's entries went before that.  To hold mmu_lock alone would not do:
 * KVM lets go of it in the midst of a large one, after the hook
 * (tests/model/gmem.pml: SEED_CHECKS_PROGRESS).
 *
 * Slots: the read section of kvm->srcu spans the look at the slot and the copy.
 * A slot that is there and valid has its entries in KVM's table, and none of an
 * earlier slot: those were removed before KVM let go of that one.  A slot that
 * goes is zapped by the hook, after the section.
 *
 * Dirty log: between the harvest of a page's bit, when the hook takes write
 * access away here, and KVM doing the same there, KVM's entry is writable and
 * the bit is clear.  So in a slot that logs pages are copied read-only.
 */

#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "eager.h"
#include "fill.h"
#include "notifier.h"
#include "pool.h"
#include "seed.h"

/* Copied in one hold: what a page of a file is asked costs as much as all else. */
#define KTDP_SEED_ENTRIES	(KTDP_HOLD_ENTRIES / 2)

/* For one look at KVM's root: steps, and pages in reserve, one for a window. */
#define KTDP_SEED_STEPS	512
#define KTDP_SEED_POOL	64

/*
 * Up to *@nr 4K pages from @gfn on.  Return: whether *@nr is set to how many of them
 * were copied; otherwise none of them can be.
 */
static bool ktdp_seed_pages(struct kvm_exported_tdp *tdp,
			    const struct kvm_memory_slot *slot, u64 gfn,
			    const struct ktdp_kvm_root *root, const u64 *sptep,
			    unsigned int *nr)
{
	const struct ktdp_source source = {
		.look = KTDP_SPTE_PRESENT,
		.want = KTDP_SPTE_PRESENT,
		.write = ktdp_slot_is_logged(slot) ? 0 : KTDP_SPTE_WRITABLE,
		.any_memory = true,
	};
	unsigned long hva = ktdp_slot_hva(slot, gfn);
	u64 sptes[KTDP_SEED_ENTRIES];
	unsigned int i;

	if (ktdp_notifier_is_busy(tdp, hva, hva + *nr * PAGE_SIZE))
		return false;
	for (i = 0; i < *nr; i++)
		sptes[i] = READ_ONCE(sptep[i]);
	if (ktdp_kvm_root_has_aliases(tdp, root))
		return false;
	ktdp_fill_run(tdp, slot, gfn, sptes, nr, &source);
	return true;
}

static bool ktdp_seed_hold(struct kvm_exported_tdp *tdp,
			   const struct kvm_memory_slot *slot, u64 gfn,
			   const struct ktdp_kvm_root *root, const u64 *sptep,
			   unsigned int *nr)
{
	bool ran;

	ktdp_table_lock(&tdp->table, gfn, KTDP_LEVEL_4K);
	ran = ktdp_seed_pages(tdp, slot, gfn, root, sptep, nr);
	ktdp_table_unlock(&tdp->table, gfn, KTDP_LEVEL_4K);
	return ran;
}

static bool ktdp_seed_hold_gmem(struct kvm_exported_tdp *tdp,
				const struct kvm_memory_slot *slot, u64 gfn,
				const struct ktdp_kvm_root *root, const u64 *sptep,
				unsigned int *nr)
{
	bool ran;

	read_lock(&tdp->kvm->mmu_lock);
	ran = !tdp->kvm->mmu_invalidate_in_progress &&
	      ktdp_seed_hold(tdp, slot, gfn, root, sptep, nr);
	read_unlock(&tdp->kvm->mmu_lock);
	return ran;
}

/* From @gfn on to the end of the table of 4K pages that has *@sptep. */
static void ktdp_seed_window(struct kvm_exported_tdp *tdp, u64 gfn,
			     const struct ktdp_kvm_root *root, const u64 *sptep)
{
	unsigned int left = KTDP_ENTRIES - ktdp_level_index(gfn, KTDP_LEVEL_4K);
	const struct kvm_memory_slot *slot = NULL;
	unsigned int nr, done;
	bool ran;

	for (; left; left -= nr, gfn += nr, sptep += nr) {
		nr = 1;
		if (!(READ_ONCE(*sptep) & KTDP_SPTE_PRESENT))
			continue;
		/* Found in this read section, it is good to its end. */
		if ((!slot || gfn - slot->base_gfn >= slot->npages) &&
		    ktdp_kvm_slot(tdp, gfn, &slot))
			continue;
		nr = min3(left, (unsigned int)KTDP_SEED_ENTRIES,
			  (unsigned int)(slot->base_gfn + slot->npages - gfn));
		done = nr;
		ran = ktdp_slot_is_gmem(slot) ?
			ktdp_seed_hold_gmem(tdp, slot, gfn, root, sptep, &done) :
			ktdp_seed_hold(tdp, slot, gfn, root, sptep, &done);
		if (!ran)
			continue;
		atomic64_add(done, &tdp->stat.seeded);
		/* Leave out the entry that stopped it. */
		nr = min(nr, done + 1);
	}
}

static void ktdp_seed_huge(struct kvm_exported_tdp *tdp, u64 gfn, int level,
			   const struct ktdp_kvm_root *root, const u64 *sptep)
{
	enum ktdp_fill result;

	gfn &= ~ktdp_level_mask(level);
	ktdp_table_lock(&tdp->table, gfn, level);
	result = ktdp_eager_copy(tdp, gfn, level, sptep, root);
	ktdp_table_unlock(&tdp->table, gfn, level);
	if (result == KTDP_FILL_DONE)
		atomic64_add(ktdp_level_pages(level), &tdp->stat.seeded);
}

/*
 * Copy KVM's mapping at @gfn: a window of 4K pages, a larger leaf, or nothing.
 * Return: where to go on.
 */
static u64 ktdp_seed_step(struct kvm_exported_tdp *tdp,
			  const struct ktdp_kvm_root *root, u64 gfn)
{
	struct ktdp_spte_walk walk;
	int idx;

	idx = srcu_read_lock(&tdp->kvm->srcu);
	ktdp_kvm_walk(tdp, root, gfn, &walk);
	if (walk.level == KTDP_LEVEL_4K) {
		ktdp_seed_window(tdp, gfn, root, walk.sptep);
		walk.level = KTDP_LEVEL_2M;
	} else if (walk.level <= tdp->table.fmt.max_leaf_level) {
		ktdp_seed_huge(tdp, gfn, walk.level, root, walk.sptep);
	}
	srcu_read_unlock(&tdp->kvm->srcu, idx);
	return (gfn | ktdp_level_mask(walk.level)) + 1;
}

/*
 * Go on as far as one RCU read section, for which KVM's mmu_lock is taken once, and
 * the tables in reserve allow.  Return: where to go on.
 */
static u64 ktdp_seed_steps(struct kvm_exported_tdp *tdp, int vcpu, u64 gfn,
			   u64 end)
{
	struct ktdp_kvm_root root;
	unsigned int steps = 0;
	u64 reach = 0;

	rcu_read_lock();
	if (ktdp_kvm_read_root(tdp, vcpu, &root))
		reach = min(end, ktdp_gfn_end(root.level));
	while (gfn < reach && steps++ < KTDP_SEED_STEPS && !need_resched() &&
	       ktdp_pool_is_enough(tdp))
		gfn = ktdp_seed_step(tdp, &root, gfn);
	rcu_read_unlock();
	return gfn < reach ? gfn : end;
}

static void ktdp_seed_from(struct kvm_exported_tdp *tdp, int vcpu)
{
	u64 gfn = 0, end = tdp->table.fmt.gfn_end;

	while (gfn < end && !fatal_signal_pending(current) &&
	       !__ktdp_pool_topup(tdp, KTDP_SEED_POOL)) {
		gfn = ktdp_seed_steps(tdp, vcpu, gfn, end);
		cond_resched();
	}
}

/**
 * ktdp_seed() - copy what KVM has mapped already
 * @tdp: the exported TDP; hooks and notifier find it
 *
 * Pages that are left out, for want of memory or because they are being changed, are
 * mapped by the first fault for them.
 *
 * Context: process context, may sleep.
 */
void ktdp_seed(struct kvm_exported_tdp *tdp)
{
	int vcpu;

	might_sleep();
	if (!ktdp_kvm_has_tdp_mmu(tdp->kvm) || !mmget_not_zero(ktdp_mm(tdp)))
		return;
	for (vcpu = 0; vcpu < atomic_read(&tdp->kvm->online_vcpus); vcpu++) {
		if (ktdp_kvm_root_is_new(tdp, vcpu))
			ktdp_seed_from(tdp, vcpu);
	}
	ktdp_pool_trim(tdp);
	mmput_async(ktdp_mm(tdp));
}
