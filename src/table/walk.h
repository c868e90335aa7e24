/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_WALK_H
#define _KTDP_WALK_H

#include "fmt.h"

/*
 * A walk from the root for one gfn, without a lock: table pages are
 * freed an RCU grace period after they were unlinked, so an RCU read section
 * (or the lock) is enough.  What it finds was true at some instant.
 */
struct ktdp_walk {
	u64 gfn;
	int level;		/* where the walk ended */
	u64 entry;		/* what it found there: a leaf, or what is not present */
	const u64 *entryp;	/* where that stands; NULL: beyond the table's reach */
	unsigned int access;	/* granted by all levels together, 0 if no leaf */
};

/* First gfn that the entry found does not span. */
static inline u64 ktdp_walk_next(const struct ktdp_walk *walk)
{
	return (walk->gfn | ktdp_level_mask(walk->level)) + 1;
}

/* The pfn behind walk->gfn, of a leaf of any level. */
static inline u64 ktdp_walk_pfn(const struct ktdp_fmt *fmt,
				const struct ktdp_walk *walk)
{
	u64 mask = ktdp_level_mask(walk->level);

	return (ktdp_entry_pfn(fmt, walk->entry) & ~mask) + (walk->gfn & mask);
}

/* Return: whether there is a leaf at @gfn. */
static inline bool ktdp_walk(const struct ktdp_fmt *fmt, const u64 *entries,
			     u64 gfn, struct ktdp_walk *walk)
{
	int level = fmt->level, shift = 9 * (level - 1);
	u64 entry, all = ~0ULL, any = 0;
	bool present;

	if (!ktdp_fmt_reaches(fmt, gfn)) {
		*walk = (struct ktdp_walk){ .gfn = gfn, .level = level };
		return false;
	}
	for (;;) {
		walk->entryp = &entries[(gfn >> shift) & (KTDP_ENTRIES - 1)];
		entry = READ_ONCE(*walk->entryp);
		all &= entry;
		any |= entry;
		if (!ktdp_entry_is_table(entry, level))
			break;
		entries = ktdp_hpa_to_entries(ktdp_entry_hpa(fmt, entry));
		shift -= 9;
		level--;
	}
	walk->gfn = gfn;
	walk->level = level;
	walk->entry = entry;
	present = entry & KTDP_ENTRY_PRESENT;
	walk->access = present ? ktdp_path_access(fmt, all, any) : 0;
	return present;
}

#endif /* _KTDP_WALK_H */
