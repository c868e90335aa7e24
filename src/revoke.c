// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking away: clear, tell the importers, free.  All that is ever taken out of a
 * table goes this way.
 *
 * A revoke that clears increments table.notifying in the hold of its first clear, and
 * decrements it after its callbacks.  A later one for the same entries finds nothing to
 * clear, but must not return before the importers know: if the count says after its
 * last hold that others are about to notify, it notifies too (tests/model/telling.pml).
 */

#include "importer.h"
#include "pool.h"
#include "revoke.h"

static void ktdp_taken_widen(struct ktdp_taken *taken, u64 start, u64 end)
{
	taken->start = taken->end ? min(taken->start, start) : start;
	taken->end = max(taken->end, end);
}

/**
 * ktdp_revoke_take() - take access away, of which ktdp_revoke_tell() has to tell
 * @tdp: the exported TDP
 * @start: first gfn
 * @end: gfn behind the last one
 * @taken: is added it; its flags are KTDP_REVOKE_*
 *
 * Context: any but interrupts; no lock of ours held.
 */
void ktdp_revoke_take(struct kvm_exported_tdp *tdp, u64 start, u64 end,
		      struct ktdp_taken *taken)
{
	u64 mask;

	end = min(end, tdp->table.fmt.gfn_end);
	if (start >= end)
		return;
	taken->ours.write_only = taken->flags & KTDP_REVOKE_WRITE;
	if (!ktdp_table_revoke(&tdp->table, start, end, &taken->ours))
		return;
	mask = ktdp_level_mask(READ_ONCE(tdp->table.leaf_level));
	ktdp_taken_widen(taken, start & ~mask, (end + mask) & ~mask);
}

/**
 * ktdp_revoke_tell() - return when every importer knows
 * @tdp: the exported TDP
 * @taken: what was taken; not to be used again
 *
 * Importers are told of whole leaves: of those that were cleared here, and, where others
 * are about to tell of theirs, of the largest there may have been.  They are told once,
 * of all that lies between, too; of nothing else that was asked for.
 *
 * Context: as the flags say; no interrupt, no lock of ours held.
 */
void ktdp_revoke_tell(struct kvm_exported_tdp *tdp, struct ktdp_taken *taken)
{
	bool may_sleep = taken->flags & KTDP_REVOKE_MAY_SLEEP;
	struct ktdp_revoke *ours = &taken->ours;

	if (ours->end)
		ktdp_taken_widen(taken, ours->start, ours->end);
	if (!taken->end)
		return;
	if (taken->end >= tdp->table.fmt.gfn_end)
		ktdp_importers_invalidate(tdp, 0, -1UL, may_sleep);
	else
		ktdp_importers_invalidate(tdp, taken->start << PAGE_SHIFT,
					  (taken->end - taken->start) << PAGE_SHIFT,
					  may_sleep);
	if (ours->end) {
		ktdp_pool_free_detached(tdp, &ours->detached);
		/* The callbacks have returned; pairs with ktdp_table_revoke()'s acquire. */
		smp_mb__before_atomic();
		atomic_dec(&tdp->table.notifying);
	}
}

/* Both: what is taken away, every importer knows when this returns. */
void ktdp_revoke(struct kvm_exported_tdp *tdp, u64 start, u64 end, unsigned int flags)
{
	struct ktdp_taken taken = { .flags = flags };

	ktdp_revoke_take(tdp, start, end, &taken);
	ktdp_revoke_tell(tdp, &taken);
}

void ktdp_revoke_all(struct kvm_exported_tdp *tdp, unsigned int flags)
{
	ktdp_revoke(tdp, 0, tdp->table.fmt.gfn_end, flags);
}
