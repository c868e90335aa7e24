// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host takes memory back: the mmu_notifier of the VM's mm, and the retry
 * protocol that keeps a fault from mapping what is being taken.
 *
 *	start:	lock; busy++ for each hva window of the range; unlock
 *		for each slot: lock; zap; unlock; tell the importers
 *	end:	lock; seq++, busy-- for each hva window of the range; unlock
 *	fault:	s = seq of its hva windows; find pfns (may sleep);
 *		lock; if (seq != s or busy) retry; write entries; unlock
 *
 * A fault that found its pfn before start and commits before it is zapped by
 * start, which looks the slots up after it took the lock: it sees the slot
 * that the fault saw, or, if KVM has removed that since, the slot hook has
 * zapped it.  Between start and end busy refuses the commit.  After end a fault
 * that began before it sees seq changed.  A fault that begins after end finds
 * the new page.
 *
 * The counters are kept by window so that a fault waits for no invalidation but
 * those of its own memory: a VMM may unmap something all the time.  A range of
 * many windows is counted in larger ones, and a fault looks at all sizes.
 */

#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "kvm.h"

/* Windows of 2M, of 1G, and one that has all. */
static const unsigned int ktdp_hva_shifts[KTDP_HVA_SIZES] = {
	PMD_SHIFT, PUD_SHIFT, BITS_PER_LONG - 1,
};

/*
 * The window number @nr, from 0 on, of those that [@start, @end) is in; NULL
 * behind the last.  None comes twice.
 */
static struct ktdp_hva_window *ktdp_hva_window(struct kvm_exported_tdp *tdp,
					       unsigned int size,
					       unsigned long start,
					       unsigned long end, unsigned int nr)
{
	unsigned long window = (start >> ktdp_hva_shifts[size]) + nr;

	if (nr == KTDP_HVA_WINDOWS || window > (end - 1) >> ktdp_hva_shifts[size])
		return NULL;
	return &tdp->hva_windows[size][window % KTDP_HVA_WINDOWS];
}

/* The smallest windows of which few are enough. */
static unsigned int ktdp_hva_size(unsigned long start, unsigned long end)
{
	unsigned int size = 0;

	while (((end - 1) >> ktdp_hva_shifts[size]) -
	       (start >> ktdp_hva_shifts[size]) >= KTDP_HVA_WINDOWS)
		size++;
	return size;
}

/* Is the host invalidating something in [@start, @end), or in a window of it? */
bool ktdp_notifier_is_busy(struct kvm_exported_tdp *tdp, unsigned long start,
			   unsigned long end)
{
	struct ktdp_hva_window *window;
	unsigned int size, nr;

	lockdep_assert_held(&tdp->mirror.lock);
	for (size = 0; size < KTDP_HVA_SIZES; size++) {
		for (nr = 0; (window = ktdp_hva_window(tdp, size, start, end, nr)); nr++) {
			if (window->busy)
				return true;
		}
	}
	return false;
}

static unsigned long ktdp_notifier_seq(struct kvm_exported_tdp *tdp,
				       unsigned long start, unsigned long end)
{
	struct ktdp_hva_window *window;
	unsigned long seq = 0;
	unsigned int size, nr;

	for (size = 0; size < KTDP_HVA_SIZES; size++) {
		for (nr = 0; (window = ktdp_hva_window(tdp, size, start, end, nr)); nr++)
			/* Acquire: what is looked up later is not older. */
			seq += smp_load_acquire(&window->seq);
	}
	return seq;
}

/* Begin to look for the pages of [@start, @end). */
void ktdp_notifier_snapshot(struct kvm_exported_tdp *tdp,
			    unsigned long start, unsigned long end,
			    struct ktdp_snapshot *snapshot)
{
	snapshot->start = start;
	snapshot->end = end;
	/* Acquire: as for the others. */
	snapshot->seq_all = smp_load_acquire(&tdp->seq);
	snapshot->seq = ktdp_notifier_seq(tdp, start, end);
}

/* May something that was found since the snapshot be void by now? */
bool ktdp_notifier_retry(struct kvm_exported_tdp *tdp,
			 const struct ktdp_snapshot *snapshot)
{
	return ktdp_notifier_is_busy(tdp, snapshot->start, snapshot->end) ||
	       ktdp_notifier_seq(tdp, snapshot->start, snapshot->end) !=
	       snapshot->seq;
}

static void ktdp_notifier_zap(struct kvm_exported_tdp *tdp, u64 start, u64 end)
{
	atomic64_inc(&tdp->stat.invalidations);
	ktdp_export_zap(tdp, start, end);
}

static void ktdp_notifier_begin(struct kvm_exported_tdp *tdp,
				unsigned long start, unsigned long end)
{
	unsigned int size = ktdp_hva_size(start, end), nr;
	struct ktdp_hva_window *window;

	raw_spin_lock(&tdp->mirror.lock);
	for (nr = 0; (window = ktdp_hva_window(tdp, size, start, end, nr)); nr++)
		window->busy++;
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
	unsigned int size = ktdp_hva_size(range->start, range->end), nr;
	struct ktdp_hva_window *window;

	raw_spin_lock(&tdp->mirror.lock);
	WRITE_ONCE(tdp->seq, tdp->seq + 1);
	for (nr = 0; (window = ktdp_hva_window(tdp, size, range->start, range->end, nr)); nr++) {
		WRITE_ONCE(window->seq, window->seq + 1);
		if (!WARN_ON_ONCE(!window->busy))
			window->busy--;
	}
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
