// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host takes memory back: the mmu_notifier of the VM's mm, and the retry
 * protocol that keeps a fault from mapping what is being taken.
 *
 *	start:	lock; in_progress++, widen [lo, hi); unlock
 *		for each slot: lock; zap; unlock; tell the importers
 *	end:	lock; seq++; in_progress--; unlock
 *	fault:	s = seq; find pfns (may sleep);
 *		lock; if (seq != s or in_progress and hva in [lo, hi)) retry;
 *		write entries; unlock
 *
 * A fault that found its pfn before start and commits before it is zapped by
 * start, which looks the slots up after it took the lock: it sees the slot
 * that the fault saw, or, if KVM has removed that since, the slot hook has
 * zapped it.  Between start and end in_progress refuses the commit.  After end
 * a fault that began before it sees seq changed.  A fault that begins after
 * end finds the new page.
 */

#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "kvm.h"

/* Is the host invalidating something in [@start, @end)? */
bool ktdp_notifier_is_busy(const struct kvm_exported_tdp *tdp,
			   unsigned long start, unsigned long end)
{
	lockdep_assert_held(&tdp->mirror.lock);
	return tdp->in_progress && start < tdp->hva_hi && end > tdp->hva_lo;
}

bool ktdp_notifier_retry(const struct kvm_exported_tdp *tdp, unsigned long seq,
			 unsigned long start, unsigned long end)
{
	lockdep_assert_held(&tdp->mirror.lock);
	return tdp->seq.invalidate_seq != seq ||
	       ktdp_notifier_is_busy(tdp, start, end);
}

static void ktdp_notifier_zap(struct kvm_exported_tdp *tdp, u64 start, u64 end)
{
	atomic64_inc(&tdp->stat.invalidations);
	ktdp_export_zap(tdp, start, end);
}

static int ktdp_notifier_start(struct mmu_notifier *mn,
			       const struct mmu_notifier_range *range)
{
	struct kvm_exported_tdp *tdp =
		container_of(mn, struct kvm_exported_tdp, mn);

	raw_spin_lock(&tdp->mirror.lock);
	if (!tdp->in_progress++) {
		tdp->hva_lo = range->start;
		tdp->hva_hi = range->end;
	} else {
		tdp->hva_lo = min(tdp->hva_lo, range->start);
		tdp->hva_hi = max(tdp->hva_hi, range->end);
	}
	raw_spin_unlock(&tdp->mirror.lock);

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
	WRITE_ONCE(tdp->seq.invalidate_seq, tdp->seq.invalidate_seq + 1);
	if (!WARN_ON_ONCE(!tdp->in_progress))
		tdp->in_progress--;
	raw_spin_unlock(&tdp->mirror.lock);
}

/* The mm goes: faults find no mm_users from here on. */
static void ktdp_notifier_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	ktdp_export_zap_all(container_of(mn, struct kvm_exported_tdp, mn));
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
