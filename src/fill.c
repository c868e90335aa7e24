// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writing leaves, whatever they are made of: the page is prepared, then logged, then
 * mapped, in one hold of the lock in which the caller has made sure that its source
 * is valid (notifier.c, eager.c, seed.c).
 */

#include "fill.h"
#include "pfn.h"

/**
 * ktdp_fill_run() - write 4K leaves
 * @tdp: the exported TDP
 * @slot: the memslot, which has all of them
 * @gfn: first guest frame
 * @from: entries of another table to copy, which may change meanwhile
 * @nr: how many, all in one window and no more than a hold allows; is set to how many
 *	were copied, or had been
 * @source: what such entries look like
 *
 * Context: kvm->srcu and the region's lock held.
 * Return: KTDP_FILL_DONE, or what became of the one that was not copied.
 */
enum ktdp_fill ktdp_fill_run(struct kvm_exported_tdp *tdp,
			     const struct kvm_memory_slot *slot, u64 gfn,
			     const u64 *from, unsigned int *nr,
			     const struct ktdp_source *source)
{
	const u64 look = source->look, want = source->want, write = source->write;
	struct ktdp_table *table = &tdp->table;
	const bool logged = ktdp_slot_is_logged(slot);
	const bool any_memory = source->any_memory;
	unsigned int i = 0, end = *nr;
	enum ktdp_fill result;
	u64 *entries, entry;

	*nr = 0;
	entry = READ_ONCE(*from);
	if ((entry & look) != want)
		return KTDP_FILL_ABSENT;
	result = ktdp_table_window(table, gfn, ktdp_entry_pfn(&table->fmt, entry),
				   write, &entries);
	if (result != KTDP_FILL_DONE)
		return result;
	for (i = 0; i < end; i++) {
		bool writable;
		u64 pfn;

		entry = READ_ONCE(from[i]);
		pfn = ktdp_entry_pfn(&table->fmt, entry);
		writable = entry & write;
		result = KTDP_FILL_ABSENT;
		if (unlikely((entry & look) != want))
			break;
		result = KTDP_FILL_NOT_RAM;
		if (!(any_memory ? ktdp_pfn_prepare_any(pfn, writable) :
				   ktdp_pfn_prepare(pfn, writable)) ||
		    !ktdp_slot_has_pages(slot, gfn + i, pfn, 1))
			break;
		if (unlikely(logged) && writable)
			ktdp_slot_log_dirty(slot, gfn + i, 1);
		result = ktdp_table_set_page(table, entries, gfn + i, pfn, writable);
		if (unlikely(result > KTDP_FILL_PRESENT))
			break;
		result = KTDP_FILL_DONE;
	}
	*nr = i;
	return result;
}
