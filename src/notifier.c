// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host takes memory back: the mmu_notifier of the VM's mm, and the retry
 * protocol that keeps a fault from mapping what is being taken.
 *
 *	start:	lock; begun++ for each hva window of the range; unlock
 *		for each slot: lock; zap; unlock; tell the importers
 *	end:	lock; ended++ for each hva window of the range; unlock
 *	fault:	s = ended of its hva windows; find pfns (may sleep);
 *		lock; if (begun != s) retry; write entries; unlock
 *
 * begun is never less than ended, and neither ever falls: if begun is s still,
 * nothing was being invalidated when the fault began, and nothing has begun since.
 *
 * A fault that found its pfn before start and commits before it is zapped by
 * start, which looks the slots up after it took the lock: it sees the slot
 * that the fault saw, or, if KVM has removed that since, the slot hook has
 * zapped it.  Between start and end, and if it began before the end, the commit
 * is refused.  A fault that begins after end finds the new page.
 *
 * The counters are kept by window so that a fault waits for no invalidation but
 * those of its own memory: a VMM may unmap something all the time.  A range of
 * many windows is counted in larger ones, and a fault looks at both sizes.
 */

#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "kvm.h"

/*
 * The sum of the counters of the windows that [@start, @end) is in, of 1 << @shift
 * bytes each; none is counted twice.
 *
 * Acquire: what is looked up later is not older.
 */
static __always_inline unsigned long ktdp_hva_sum(const unsigned long *counters,
						  unsigned int shift,
						  unsigned long start,
						  unsigned long end)
{
	unsigned long window = start >> shift;
	unsigned long last = min((end - 1) >> shift,
				 window + KTDP_HVA_WINDOWS - 1);
	unsigned long sum = 0;

	do {
		/* Acquire: see above. */
		sum += smp_load_acquire(&counters[window % KTDP_HVA_WINDOWS]);
	} while (window++ < last);
	return sum;
}

static unsigned long ktdp_hva_begun(const struct kvm_exported_tdp *tdp,
				    unsigned long start, unsigned long end)
{
	lockdep_assert_held(&tdp->mirror.lock);
	return ktdp_hva_sum(tdp->hva_begun[0], PMD_SHIFT, start, end) +
	       ktdp_hva_sum(tdp->hva_begun[1], PUD_SHIFT, start, end);
}

static unsigned long ktdp_hva_ended(const struct kvm_exported_tdp *tdp,
				    unsigned long start, unsigned long end)
{
	return ktdp_hva_sum(tdp->hva_ended[0], PMD_SHIFT, start, end) +
	       ktdp_hva_sum(tdp->hva_ended[1], PUD_SHIFT, start, end);
}

/* Is the host invalidating something in [@start, @end), or in a window of it? */
bool ktdp_notifier_is_busy(const struct kvm_exported_tdp *tdp,
			   unsigned long start, unsigned long end)
{
	return ktdp_hva_begun(tdp, start, end) != ktdp_hva_ended(tdp, start, end);
}

/* Begin to look for the pages of [@start, @end). */
void ktdp_notifier_snapshot(const struct kvm_exported_tdp *tdp,
			    unsigned long start, unsigned long end,
			    struct ktdp_snapshot *snapshot)
{
	snapshot->start = start;
	snapshot->end = end;
	/* Acquire: as for the others. */
	snapshot->ended_all = smp_load_acquire(&tdp->ended);
	snapshot->ended = ktdp_hva_ended(tdp, start, end);
}

/* May something that was found since the snapshot be void by now? */
bool ktdp_notifier_retry(const struct kvm_exported_tdp *tdp,
			 const struct ktdp_snapshot *snapshot)
{
	return ktdp_hva_begun(tdp, snapshot->start, snapshot->end) !=
	       snapshot->ended;
}

/* Count a range in the smallest windows of which few are enough. */
static void ktdp_hva_count(unsigned long (*counters)[KTDP_HVA_WINDOWS],
			   unsigned long start, unsigned long end)
{
	bool large = end - start > KTDP_HVA_WINDOWS / 2 * PMD_SIZE;
	unsigned int shift = large ? PUD_SHIFT : PMD_SHIFT;
	unsigned long window = start >> shift;
	unsigned long last = min((end - 1) >> shift,
				 window + KTDP_HVA_WINDOWS - 1);
	unsigned long *counter;

	for (; window <= last; window++) {
		counter = &counters[large][window % KTDP_HVA_WINDOWS];
		WRITE_ONCE(*counter, *counter + 1);
	}
}

static void ktdp_notifier_zap(struct kvm_exported_tdp *tdp, u64 start, u64 end)
{
	atomic64_inc(&tdp->stat.invalidations);
	ktdp_export_zap(tdp, start, end);
}

static void ktdp_notifier_begin(struct kvm_exported_tdp *tdp,
				unsigned long start, unsigned long end)
{
	raw_spin_lock(&tdp->mirror.lock);
	ktdp_hva_count(tdp->hva_begun, start, end);
	raw_spin_unlock(&tdp->mirror.lock);
}

static int ktdp_notifier_start(struct mmu_notifier *mn,
			       const struct mmu_notifier_range *range)
{
	struct kvm_exported_tdp *tdp =
		container_of(mn, struct kvm_exported_tdp, mn);

	ktdp_notifier_begin(tdp, range->start, range->end);
	ktdp_kvm_walk_hva_range(tdp, range->start, range->end,
				ktdp_notifier_zap);
	return 0;
}

static void ktdp_notifier_end(struct mmu_notifier *mn,
			      const struct mmu_notifier_range *range)
{
	struct kvm_exported_tdp *tdp =
		container_of(mn, struct kvm_exported_tdp, mn);

	raw_spin_lock(&tdp->mirror.lock);
	WRITE_ONCE(tdp->ended, tdp->ended + 1);
	ktdp_hva_count(tdp->hva_ended, range->start, range->end);
	WARN_ON_ONCE((long)(ktdp_hva_begun(tdp, range->start, range->end) -
			    ktdp_hva_ended(tdp, range->start, range->end)) < 0);
	raw_spin_unlock(&tdp->mirror.lock);
}

/* The mm goes: faults find no mm_users from here on. */
static void ktdp_notifier_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	ktdp_export_zap_all(container_of(mn, struct kvm_exported_tdp, mn));
}

/* As if the host took everything back and never came to the end of it. */
void ktdp_notifier_stop(struct kvm_exported_tdp *tdp)
{
	ktdp_notifier_begin(tdp, 0, ULONG_MAX);
	ktdp_export_zap_all(tdp);
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
	/* It gives way to any signal; nothing was done that cannot be again. */
	if (ret == -EINTR && !fatal_signal_pending(current))
		ret = -ERESTARTNOINTR;
	return ret;
}

void ktdp_notifier_unregister(struct kvm_exported_tdp *tdp)
{
	mmu_notifier_unregister(&tdp->mn, ktdp_mm(tdp));
}
