/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_FILL_H
#define _KTDP_FILL_H

#include "kvm.h"

/* Where a run is copied from: which bits an entry must have, and which grant write. */
struct ktdp_source {
	u64 look;		/* these bits ... */
	u64 want;		/* ... are so */
	u64 write;		/* write access is granted, and to be copied */
	bool any_memory;	/* they may map device memory, too */
};

enum ktdp_fill ktdp_fill_run(struct kvm_exported_tdp *tdp,
			     const struct kvm_memory_slot *slot, u64 gfn,
			     const u64 *from, unsigned int *nr,
			     const struct ktdp_source *source);

/**
 * ktdp_fill_leaf() - write one leaf
 * @tdp: the exported TDP
 * @slot: the memslot, which has all of the leaf
 * @gfn: first guest frame of the leaf
 * @level: its level; 1 if @writable and the slot logs
 * @pfn: first host frame, prepared (pfn.h)
 * @writable: grant write access
 *
 * Context: kvm->srcu and ktdp_table_lock() for @level held.
 * Return: what became of it.
 */
static inline enum ktdp_fill ktdp_fill_leaf(struct kvm_exported_tdp *tdp,
					    const struct kvm_memory_slot *slot, u64 gfn,
					    int level, u64 pfn, bool writable)
{
	if (!ktdp_slot_has_pages(slot, gfn, pfn, ktdp_level_pages(level)))
		return KTDP_FILL_NOT_RAM;
	if (writable && ktdp_slot_is_logged(slot))
		ktdp_slot_log_dirty(slot, gfn, 1);
	return ktdp_table_map(&tdp->table, gfn, level, pfn, writable);
}

#endif /* _KTDP_FILL_H */
