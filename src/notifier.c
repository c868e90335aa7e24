// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host takes memory back: the mmu_notifier of the VM's mm, and the rule that
 * keeps whatever fills the table from mapping what is being taken.
 *
 *	start:	count the range as busy; full barrier
 *		look up the slots; for each: lock; clear; unlock; tell the importers
 *	end:	count it as not busy
 *	fill:	look up the slot
 *		lock; stop if any of it is busy; read what the host has now; write;
 *		unlock
 *
 * A fill whose hold of the lock comes before start's is cleared by it: start sees the
 * slot that the fill saw, or, if KVM has removed that since, the slot hook has cleared
 * it.  One whose hold comes after start's, and before the end, finds it busy; the
 * host changes its tables in between.  One after the end reads what is there then.
 * A slot that start did not see was added after its barrier, so a fill that uses
 * it finds its memory busy.
 *
 * Why that is enough is checked by tests/model/fill.pml, and by large.pml for leaves that
 * many regions and windows have a part of.  No sequence number is needed: nothing that
 * was read before the lock was taken is used.  The look at the counters spans all of a
 * leaf, and comes before the walk: it would not see an invalidation that ended in between.
 *
 * The counters are kept by window, so that no fill waits for the invalidation of
 * memory that is not its own: a VMM may unmap something all the time.  A range of
 * many windows is counted in larger ones; with one counter for all of those, large
 * unmaps now and then would keep everybody from filling.
 */

#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "importer.h"
#include "kvm.h"
#include "notifier.h"
#include "revoke.h"

/*
 * Each counter has invalidations in progress in its low half, ended ones in its high
 * half.
 */
#define KTDP_HVA_BEGUN	1ULL
#define KTDP_HVA_ENDED	((1ULL << 32) - 1)

/* The windows of 1 << @shift bytes that [@start, @end) is in, each counter once. */
static unsigned long ktdp_hva_last(unsigned long start, unsigned long end,
				   unsigned int shift)
{
	return min((end - 1) >> shift, (start >> shift) + KTDP_HVA_WINDOWS - 1);
}

static __always_inline u64 ktdp_hva_sum(const atomic64_t *counters,
					unsigned long start, unsigned long end,
					unsigned int shift)
{
	unsigned long window = start >> shift;
	unsigned long last = ktdp_hva_last(start, end, shift);
	u64 sum = 0;

	do {
		sum += atomic64_read(&counters[window % KTDP_HVA_WINDOWS]);
	} while (window++ < last);
	return sum;
}

/*
 * Counters only grow, so a sum that is still the same says that none of them has
 * changed.
 */
static u64 ktdp_hva_state(const struct kvm_exported_tdp *tdp,
			  unsigned long start, unsigned long end)
{
	return ktdp_hva_sum(tdp->hva[0], start, end, PMD_SHIFT) +
	       ktdp_hva_sum(tdp->hva[1], start, end, PUD_SHIFT);
}

/**
 * ktdp_notifier_is_busy() - is the host invalidating something?
 * @tdp: the exported TDP
 * @start: first byte, an hva
 * @end: byte behind the last one
 *
 * Context: the lock of the region held, which orders this against start's hold.
 * Return: whether anything in the range, or in a window of it, is busy.
 */
bool ktdp_notifier_is_busy(const struct kvm_exported_tdp *tdp,
			   unsigned long start, unsigned long end)
{
	unsigned long small = start >> PMD_SHIFT, large = start >> PUD_SHIFT;

	/* Mostly it is in one window. */
	if ((end - 1) >> PMD_SHIFT != small)
		return (u32)ktdp_hva_state(tdp, start, end);
	return (u32)(atomic64_read(&tdp->hva[0][small % KTDP_HVA_WINDOWS]) +
		     atomic64_read(&tdp->hva[1][large % KTDP_HVA_WINDOWS]));
}

/* Taken before a look at the host without the lock; see ktdp_notifier_retry(). */
u64 ktdp_notifier_snapshot(const struct kvm_exported_tdp *tdp, unsigned long hva)
{
	u64 state = ktdp_hva_state(tdp, hva, hva + PAGE_SIZE);

	/* Counters first, the host's entries then. */
	smp_rmb();
	return state;
}

/* May something that was seen since the snapshot be void by now? */
bool ktdp_notifier_retry(const struct kvm_exported_tdp *tdp, unsigned long hva,
			 u64 snapshot)
{
	return (u32)snapshot ||
	       ktdp_hva_state(tdp, hva, hva + PAGE_SIZE) != snapshot;
}

/* Count a range in the smallest windows of which few are enough. */
static void ktdp_hva_count(struct kvm_exported_tdp *tdp, unsigned long start,
			   unsigned long end, u64 what)
{
	bool large = end - start > KTDP_HVA_WINDOWS / 2 * PMD_SIZE;
	unsigned int shift = large ? PUD_SHIFT : PMD_SHIFT;
	unsigned long window = start >> shift;
	unsigned long last = ktdp_hva_last(start, end, shift);
	atomic64_t *counter;
	u64 old;

	for (; window <= last; window++) {
		counter = &tdp->hva[large][window % KTDP_HVA_WINDOWS];
		old = atomic64_fetch_add(what, counter);
		/* Each end has had its start. */
		WARN_ON_ONCE(what == KTDP_HVA_ENDED && !(u32)old);
	}
}

/* So many slots of one range are told of one by one, what lies between is left alone. */
#define KTDP_NOTIFIER_TELLS	4

struct ktdp_notifier_walk {
	struct ktdp_taken taken;
	unsigned int slots;
};

static void ktdp_notifier_revoke(struct kvm_exported_tdp *tdp, u64 start, u64 end,
				 void *data)
{
	struct ktdp_notifier_walk *walk = data;

	atomic64_inc(&tdp->stat.invalidations);
	if (walk->slots++ < KTDP_NOTIFIER_TELLS) {
		ktdp_revoke(tdp, start, end, walk->taken.flags);
		return;
	}
	ktdp_revoke_take(tdp, start, end, &walk->taken);
	if (walk->taken.flags & KTDP_REVOKE_MAY_SLEEP)
		cond_resched();
}

/*
 * A VMM may have a page in as many slots as KVM lets it, and importers be many: of the
 * most they are told in one.
 */
static int ktdp_notifier_start(struct mmu_notifier *mn,
			       const struct mmu_notifier_range *range)
{
	struct kvm_exported_tdp *tdp =
		container_of(mn, struct kvm_exported_tdp, mn);
	struct ktdp_notifier_walk walk = {
		.taken.flags = mmu_notifier_range_blockable(range) ?
			       KTDP_REVOKE_MAY_SLEEP : 0,
	};

	ktdp_hva_count(tdp, range->start, range->end, KTDP_HVA_BEGUN);
	/* Pairs with KVM's publishing of slots: counted first, looked up then. */
	smp_mb();
	ktdp_kvm_walk_hva_range(tdp, range->start, range->end, ktdp_notifier_revoke, &walk);
	if (unlikely(walk.slots > KTDP_NOTIFIER_TELLS))
		ktdp_revoke_tell(tdp, &walk.taken);
	return 0;
}

static void ktdp_notifier_end(struct mmu_notifier *mn,
			      const struct mmu_notifier_range *range)
{
	struct kvm_exported_tdp *tdp =
		container_of(mn, struct kvm_exported_tdp, mn);

	ktdp_hva_count(tdp, range->start, range->end, KTDP_HVA_ENDED);
}

/* Block all fills for good, as an invalidation of everything that never ends would. */
void ktdp_notifier_stop(struct kvm_exported_tdp *tdp)
{
	ktdp_hva_count(tdp, 0, ULONG_MAX, KTDP_HVA_BEGUN);
	ktdp_revoke_all(tdp, KTDP_REVOKE_MAY_SLEEP);
}

/*
 * The mm goes.  What is freed next is announced no more.  Or we unregister, with no
 * importer left.
 */
static void ktdp_notifier_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct kvm_exported_tdp *tdp =
		container_of(mn, struct kvm_exported_tdp, mn);

	ktdp_notifier_stop(tdp);
	ktdp_importers_gone(tdp);
}

static const struct mmu_notifier_ops ktdp_notifier_ops = {
	.invalidate_range_start = ktdp_notifier_start,
	.invalidate_range_end = ktdp_notifier_end,
	.release = ktdp_notifier_release,
};

/*
 * The caller holds a reference on the mm's users.
 *
 * Return: 0, -ENOMEM, -EINTR fatal signal, -ERESTARTNOINTR any other.
 */
int ktdp_notifier_register(struct kvm_exported_tdp *tdp)
{
	struct mm_struct *mm = ktdp_mm(tdp);
	int ret;

	tdp->mn.ops = &ktdp_notifier_ops;
	if (mmap_write_lock_killable(mm))
		return -EINTR;
	ret = __mmu_notifier_register(&tdp->mn, mm);
	mmap_write_unlock(mm);
	/* Nothing was registered; restart the syscall on signals that are not fatal. */
	if (ret == -EINTR && !fatal_signal_pending(current))
		ret = -ERESTARTNOINTR;
	return ret;
}

void ktdp_notifier_unregister(struct kvm_exported_tdp *tdp)
{
	mmu_notifier_unregister(&tdp->mn, ktdp_mm(tdp));
}
