// SPDX-License-Identifier: GPL-2.0-only
/*
 * Seed: what KVM has mapped before there was an exported TDP is copied from
 * KVM's own table, where that is of the TDP MMU: its pages are freed through
 * RCU, so they can be read without KVM's mmu_lock.
 *
 * Why an entry of KVM's is good though mmu_lock is not held: it is read under
 * mirror.lock, with no invalidation of the page in progress.  Of an
 * invalidation, on that page, let S and E be the callbacks of this module and
 * Sk, Ek those of KVM.  All S and Sk come before all E and Ek, S and E take
 * mirror.lock, Sk removes KVM's entry, and KVM writes no new one before Ek.
 *
 *	read before S		S removes what was copied
 *	between S and E		the window is busy: nothing is copied
 *	after E			Sk has removed the entry; what is there now is
 *				of after Ek
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
#include "kvm.h"
#include "pfn.h"

/* Entries under one hold of the lock. */
#define KTDP_SEED_BATCH	64

/* For one look at KVM's root: steps, and tables in reserve, one for a window. */
#define KTDP_SEED_STEPS	512
#define KTDP_SEED_POOL	64

/*
 * The common case: writable, anonymous pages of the open window that have no
 * leaf yet.  Return: how many there are from the first of @sptes on, now copied.
 */
static unsigned int ktdp_seed_run(struct ktdp_mirror *mirror, u64 gfn,
				  const u64 *sptes, unsigned int nr)
{
	const u64 want = KTDP_SPTE_PRESENT | KTDP_SPTE_WRITABLE;
	struct ktdp_table *table = mirror->hint;
	unsigned int i;

	if (!ktdp_mirror_is_open(mirror, gfn) || !ktdp_mirror_can_fill())
		return 0;
	for (i = 0; i < nr; i++) {
		u64 spte = sptes[i];
		u64 hpa = ktdp_entry_hpa(&mirror->fmt, spte);

		if (unlikely((spte & want) != want) ||
		    unlikely(!ktdp_pfn_prepare_fast(hpa)) ||
		    unlikely(!ktdp_mirror_fill(table, gfn + i,
					       mirror->fmt.leaf_writable | hpa)))
			break;
	}
	return i;
}

/*
 * Entries of KVM's for 4K pages of one window and memslot, read-only if the
 * slot logs.  Return: how many were copied.
 */
static noinline __noclone unsigned int
ktdp_seed_commit(struct kvm_exported_tdp *tdp, u64 gfn,
		 const struct ktdp_kvm_root *root, const u64 *sptep,
		 unsigned int nr, u64 mask)
{
	struct ktdp_mirror *mirror = &tdp->mirror;
	unsigned int i, copied = 0, run;
	u64 sptes[KTDP_SEED_BATCH];

	raw_spin_lock(&mirror->lock);
	for (i = 0; i < nr; i++)
		sptes[i] = READ_ONCE(sptep[i]) & mask;
	if (ktdp_kvm_root_has_aliases(tdp, root))
		nr = 0;
	for (i = 0; i < nr; i++) {
		run = 0;
		if (mask & KTDP_SPTE_WRITABLE)
			run = ktdp_seed_run(mirror, gfn + i, sptes + i, nr - i);
		copied += run;
		i += run;
		if (i < nr && (sptes[i] & KTDP_SPTE_PRESENT) &&
		    ktdp_eager_copy(tdp, gfn + i, KTDP_LEVEL_4K, sptes[i]) ==
		    KTDP_EAGER_FILLED)
			copied++;
	}
	raw_spin_unlock(&mirror->lock);
	return copied;
}

/* What of KVM's entries is to be copied. */
static u64 ktdp_seed_mask(const struct ktdp_slot *slot)
{
	return ktdp_slot_is_logged(slot) ? ~KTDP_SPTE_WRITABLE : ~0ULL;
}

/* From @gfn on to the end of the table of 4K pages that has *@sptep. */
static void ktdp_seed_window(struct kvm_exported_tdp *tdp, u64 gfn,
			     const struct ktdp_kvm_root *root, const u64 *sptep)
{
	u64 end = (gfn | ktdp_level_mask(KTDP_LEVEL_2M)) + 1, nr, copied = 0;
	struct ktdp_slot slot;

	for (; gfn < end; gfn += nr, sptep += nr) {
		nr = 1;
		if (ktdp_kvm_slot_locked(tdp, gfn, &slot))
			continue;
		nr = min3(end - gfn, slot.base_gfn + slot.npages - gfn,
			  (u64)KTDP_SEED_BATCH);
		copied += ktdp_seed_commit(tdp, gfn, root, sptep, nr,
					   ktdp_seed_mask(&slot));
	}
	atomic64_add(copied, &tdp->stat.seeded);
}

static void ktdp_seed_huge(struct kvm_exported_tdp *tdp, u64 gfn, int level,
			   const struct ktdp_kvm_root *root, const u64 *sptep)
{
	enum ktdp_eager result = KTDP_EAGER_BUSY;
	struct ktdp_slot slot;
	u64 spte;

	if (ktdp_kvm_slot_locked(tdp, gfn, &slot))
		return;
	raw_spin_lock(&tdp->mirror.lock);
	spte = READ_ONCE(*sptep) & ktdp_seed_mask(&slot);
	if (!ktdp_kvm_root_has_aliases(tdp, root))
		result = ktdp_eager_copy(tdp, gfn & ~ktdp_level_mask(level),
					 level, spte);
	raw_spin_unlock(&tdp->mirror.lock);
	if (result == KTDP_EAGER_FILLED)
		atomic64_add(ktdp_level_pages(level), &tdp->stat.seeded);
}

/*
 * What KVM's table has at @gfn: a window of 4K pages, a larger leaf, or nothing.
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
	} else if (walk.level <= tdp->mirror.fmt.max_leaf_level) {
		ktdp_seed_huge(tdp, gfn, walk.level, root, walk.sptep);
	}
	srcu_read_unlock(&tdp->kvm->srcu, idx);
	return (gfn | ktdp_level_mask(walk.level)) + 1;
}

/*
 * What can be done in one RCU read section, for which KVM's mmu_lock is taken
 * once, and with the tables in reserve.  Return: where to go on.
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
	u64 gfn = 0, end = ktdp_gfn_end(tdp->mirror.fmt.level);

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
 * What is not copied, for want of memory or because it is being changed, is
 * mapped by the first fault for it.
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
