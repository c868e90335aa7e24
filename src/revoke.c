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

/**
 * ktdp_revoke() - take access away, and return when every importer knows
 * @tdp: the exported TDP
 * @start: first gfn
 * @end: gfn behind the last one
 * @flags: KTDP_REVOKE_*
 *
 * Importers are told of whole leaves: of those that were cleared here, and, if others
 * are about to tell of theirs, of the largest there may have been.
 *
 * Context: as @flags say; no interrupt, no lock of ours held.
 */
void ktdp_revoke(struct kvm_exported_tdp *tdp, u64 start, u64 end, unsigned int flags)
{
	struct ktdp_revoke revoke = { .write_only = flags & KTDP_REVOKE_WRITE };
	bool may_sleep = flags & KTDP_REVOKE_MAY_SLEEP;
	u64 limit = tdp->table.fmt.gfn_end;
	u64 mask;

	end = min(end, limit);
	if (start >= end)
		return;
	if (ktdp_table_revoke(&tdp->table, start, end, &revoke)) {
		mask = ktdp_level_mask(READ_ONCE(tdp->table.leaf_level));
		start &= ~mask;
		end = (end + mask) & ~mask;
	} else if (!revoke.end) {
		return;
	}
	if (revoke.end) {
		start = min(start, revoke.start);
		end = max(end, revoke.end);
	}
	if (end >= limit)
		ktdp_importers_invalidate(tdp, 0, -1UL, may_sleep);
	else
		ktdp_importers_invalidate(tdp, start << PAGE_SHIFT,
					  (end - start) << PAGE_SHIFT, may_sleep);
	if (!revoke.end)
		return;
	/* The callbacks have returned; pairs with ktdp_table_revoke()'s acquire. */
	smp_mb__before_atomic();
	atomic_dec(&tdp->table.notifying);
	ktdp_pool_free_detached(tdp, &revoke.detached);
}

void ktdp_revoke_all(struct kvm_exported_tdp *tdp, unsigned int flags)
{
	ktdp_revoke(tdp, 0, tdp->table.fmt.gfn_end, flags);
}
