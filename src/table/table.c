// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table: linking, write access above a leaf, revoking, and chains of pages.
 * Pure: compiles in user space, where the unit tests hold it against a flat array.
 *
 * Invariants:
 *  - every change of an entry is made by ktdp_table_set(), under the lock that
 *    table.h says;
 *  - a present leaf never becomes a leaf of another pfn, a table never becomes
 *    anything but empty; to replace is to revoke, tell the importers, and map;
 *  - an entry above leaves gets write access back only in a hold in which none below
 *    it has it: no leaf gains access by that (tests/model/grant.pml);
 *  - a table that is unlinked keeps its entries until readers are gone: no cursor
 *    and no way from the root leads to it, so it is not changed any more;
 *  - nothing is allocated, and nothing is freed, under a lock.
 */

#include "table.h"

void ktdp_table_init(struct ktdp_table *table)
{
	int i;

	raw_spin_lock_init(&table->all);
	raw_spin_lock_init(&table->pool_lock);
	table->leaf_level = KTDP_LEVEL_4K;
	for (i = 0; i < KTDP_REGIONS; i++) {
		raw_spin_lock_init(&table->regions[i].lock);
		table->regions[i].window = KTDP_NO_WINDOW;
	}
}

/* sparse counts locks by their number on a way through a function: this is one. */
void ktdp_table_lock_all(struct ktdp_table *table)
	__acquires(&table->all)
{
	int i;

	raw_spin_lock(&table->all);
	for (i = 0; i < KTDP_REGIONS; i++) {
		raw_spin_lock_nest_lock(&table->regions[i].lock, &table->all);
		__release(&table->regions[i].lock);
	}
}

void ktdp_table_unlock_all(struct ktdp_table *table)
	__releases(&table->all)
{
	int i;

	for (i = KTDP_REGIONS - 1; i >= 0; i--) {
		__acquire(&table->regions[i].lock);
		raw_spin_unlock(&table->regions[i].lock);
	}
	raw_spin_unlock(&table->all);
}

void ktdp_chain_add(struct ktdp_chain *chain, u64 hpa, int level)
{
	*ktdp_page_link(hpa) = chain->first;
	chain->first = hpa | level;
	if (!chain->last)
		chain->last = hpa;
}

/* Put @from before @chain, and leave it empty. */
void ktdp_chain_splice(struct ktdp_chain *chain, struct ktdp_chain *from)
{
	if (!from->first)
		return;
	*ktdp_page_link(from->last) = chain->first;
	chain->first = from->first;
	if (!chain->last)
		chain->last = from->last;
	*from = (struct ktdp_chain){};
}

#define KTDP_CHAIN_LEVEL	7ULL

u64 *ktdp_chain_pop(struct ktdp_chain *chain)
{
	u64 hpa = chain->first & ~KTDP_CHAIN_LEVEL;

	if (!hpa)
		return NULL;
	chain->first = *ktdp_page_link(hpa);
	if (!chain->first)
		chain->last = 0;
	return ktdp_hpa_to_entries(hpa);
}

/**
 * ktdp_chain_flatten() - add all pages below those in a chain to it
 * @fmt: their format
 * @chain: tables that are unlinked
 * @leaves: is added what leaves there are, by level
 *
 * Each page is followed by its children, so the chain may be changed while it is
 * gone through.
 *
 * Context: may sleep.
 */
void ktdp_chain_flatten(const struct ktdp_fmt *fmt, struct ktdp_chain *chain,
			u64 *leaves)
{
	u64 at, hpa, entry, child;
	const u64 *entries;
	unsigned int i;
	int level;

	for (at = chain->first; at; at = *ktdp_page_link(hpa)) {
		hpa = at & ~KTDP_CHAIN_LEVEL;
		level = at & KTDP_CHAIN_LEVEL;
		entries = ktdp_hpa_to_entries(hpa);
		cond_resched();
		if (level == KTDP_LEVEL_4K) {
			/* Most are of this level, and have nothing below them. */
			for (i = 0; i < KTDP_ENTRIES; i++)
				leaves[0] += !!entries[i];
			continue;
		}
		for (i = 0; i < KTDP_ENTRIES; i++) {
			entry = entries[i];
			if (!entry)
				continue;
			if (ktdp_entry_is_leaf(entry, level)) {
				leaves[level - 1]++;
				continue;
			}
			child = ktdp_entry_hpa(fmt, entry);
			*ktdp_page_link(child) = *ktdp_page_link(hpa);
			*ktdp_page_link(hpa) = child | (level - 1);
			if (chain->last == hpa)
				chain->last = child;
		}
	}
}

void ktdp_table_pool_put(struct ktdp_table *table, u64 *page)
{
	u64 hpa = ktdp_entries_to_hpa(page);

	raw_spin_lock(&table->pool_lock);
	*ktdp_page_link(hpa) = table->pool;
	table->pool = hpa;
	WRITE_ONCE(table->nr_pool, table->nr_pool + 1);
	raw_spin_unlock(&table->pool_lock);
}

u64 *ktdp_table_pool_get(struct ktdp_table *table)
{
	u64 hpa;

	raw_spin_lock(&table->pool_lock);
	hpa = table->pool;
	if (hpa) {
		table->pool = *ktdp_page_link(hpa);
		WRITE_ONCE(table->nr_pool, table->nr_pool - 1);
	}
	raw_spin_unlock(&table->pool_lock);
	return hpa ? ktdp_hpa_to_entries(hpa) : NULL;
}

/*
 * The entry on @gfn's way that is at @level, or above if the way ends there.  It is
 * not beyond the table's reach.
 */
static u64 *ktdp_table_find(struct ktdp_table *table, u64 gfn, int *level)
{
	u64 *entries = table->root, *entryp, entry;
	int l = table->fmt.level;

	for (;; l--) {
		entryp = &entries[ktdp_level_index(gfn, l)];
		entry = READ_ONCE(*entryp);
		if (l == *level || !ktdp_entry_is_table(entry, l))
			break;
		entries = ktdp_hpa_to_entries(ktdp_entry_hpa(&table->fmt, entry));
	}
	*level = l;
	return entryp;
}

/* Link a new table in place of an empty entry.  Return: what is there now, or 0. */
static u64 ktdp_table_link(struct ktdp_table *table, u64 *entryp, u64 gfn,
			   int level)
{
	u64 *child = ktdp_table_pool_get(table), new;

	if (!child)
		return 0;
	new = ktdp_make_table(&table->fmt, ktdp_entries_to_hpa(child));
	if (ktdp_table_set(table, entryp, gfn, level, 0, new)) {
		atomic_long_inc(&table->nr_linked);
		return new;
	}
	ktdp_table_pool_put(table, child);
	return READ_ONCE(*entryp);
}

/*
 * Where the leaf @new is to be, at @level, there is @old.  Return: KTDP_FILL_DONE if
 * that may become @new.
 */
static enum ktdp_fill ktdp_table_compare(const struct ktdp_fmt *fmt, u64 old,
					 u64 new, int level)
{
	if (ktdp_entry_is_table(old, level))
		return KTDP_FILL_IN_THE_WAY;
	/* The host changed its mind and we were not told: a bug, not a race. */
	if (WARN_ON_ONCE(ktdp_entry_hpa(fmt, old) != ktdp_entry_hpa(fmt, new)))
		return KTDP_FILL_IN_THE_WAY;
	if ((old & fmt->write) || !(new & fmt->write))
		return KTDP_FILL_PRESENT;
	return KTDP_FILL_DONE;
}

/* Find, or make, the table that has @gfn's entry at @level. */
static enum ktdp_fill ktdp_table_descend(struct ktdp_table *table, u64 gfn,
					 int level, u64 pfn, bool writable,
					 u64 **entriesp)
{
	const struct ktdp_fmt *fmt = &table->fmt;
	u64 *entries = table->root, *entryp, entry;
	int l;

	if (WARN_ON_ONCE(!ktdp_fmt_reaches(fmt, gfn)))
		return KTDP_FILL_NO_SLOT;
	for (l = fmt->level; l > level; l--) {
		entryp = &entries[ktdp_level_index(gfn, l)];
		entry = READ_ONCE(*entryp) ?:
			ktdp_table_link(table, entryp, gfn, l);
		if (!entry)
			return KTDP_FILL_NO_TABLE;
		if (ktdp_entry_is_leaf(entry, l)) {
			pfn -= gfn & ktdp_level_mask(l);
			if (ktdp_table_compare(fmt, entry,
					       ktdp_make_leaf(fmt, l, pfn, writable),
					       l) == KTDP_FILL_PRESENT)
				return KTDP_FILL_PRESENT;
			return KTDP_FILL_IN_THE_WAY;
		}
		if (writable && !(entry & fmt->write))
			return KTDP_FILL_READ_ONLY_ABOVE;
		entries = ktdp_hpa_to_entries(ktdp_entry_hpa(fmt, entry));
	}
	*entriesp = entries;
	return KTDP_FILL_DONE;
}

/* Raising the access of the same leaf needs no revoke. */
enum ktdp_fill ktdp_table_raise(struct ktdp_table *table, u64 *entryp, u64 gfn,
				int level, u64 new)
{
	enum ktdp_fill result = ktdp_table_compare(&table->fmt, *entryp, new, level);

	if (result == KTDP_FILL_DONE &&
	    !ktdp_table_set(table, entryp, gfn, level, *entryp, new))
		return KTDP_FILL_NOT_RAM;
	return result;
}

/**
 * ktdp_table_window() - find, or make, the table of 4K leaves of a gfn
 * @table: the table
 * @gfn: guest frame
 * @pfn: host frame that is to be mapped there
 * @writable: it is to be mapped writable
 * @entries: is set to the entries of the table
 *
 * Context: the region's lock held.
 * Return: KTDP_FILL_DONE, or as ktdp_table_map().
 */
enum ktdp_fill ktdp_table_window(struct ktdp_table *table, u64 gfn, u64 pfn,
				 bool writable, u64 **entries)
{
	struct ktdp_region *region = ktdp_table_region(table, gfn);
	enum ktdp_fill result;

	lockdep_assert_held(&region->lock);
	if (region->window == gfn >> 9) {
		*entries = region->cursor;
		return KTDP_FILL_DONE;
	}
	result = ktdp_table_descend(table, gfn, KTDP_LEVEL_4K, pfn, writable,
				    entries);
	if (result == KTDP_FILL_DONE && writable) {
		region->window = gfn >> 9;
		region->cursor = *entries;
	}
	return result;
}

static enum ktdp_fill ktdp_table_map_large(struct ktdp_table *table, u64 gfn,
					   int level, u64 pfn, bool writable)
{
	u64 new = ktdp_make_leaf(&table->fmt, level, pfn, writable);
	enum ktdp_fill result;
	u64 *entries, *entryp;

	result = ktdp_table_descend(table, gfn, level, pfn, writable, &entries);
	if (result != KTDP_FILL_DONE)
		return result;
	entryp = &entries[ktdp_level_index(gfn, level)];
	if (*entryp)
		return ktdp_table_raise(table, entryp, gfn, level, new);
	if (!ktdp_table_set(table, entryp, gfn, level, 0, new))
		return KTDP_FILL_NOT_RAM;
	/* Who clears a part of the leaf takes one of the locks later. */
	if (table->leaf_level < level)
		WRITE_ONCE(table->leaf_level, level);
	ktdp_table_region(table, gfn)->leaves[level - 1]++;
	return KTDP_FILL_DONE;
}

/**
 * ktdp_table_map() - write one leaf, or raise its access
 * @table: the table
 * @gfn: guest frame, aligned to @level and within reach of the table
 * @level: 1..max_leaf_level
 * @pfn: host frame, aligned to @level
 * @writable: grant write access
 *
 * Context: ktdp_table_lock() for @level held.
 * Return: one of the first of enum ktdp_fill; KTDP_FILL_NOT_RAM for a frame that no
 * entry can have.
 */
enum ktdp_fill ktdp_table_map(struct ktdp_table *table, u64 gfn, int level,
			      u64 pfn, bool writable)
{
	enum ktdp_fill result;
	u64 *entries;

	ktdp_table_assert_locked(table, gfn, level);
	if (level > KTDP_LEVEL_4K)
		return ktdp_table_map_large(table, gfn, level, pfn, writable);
	result = ktdp_table_window(table, gfn, pfn, writable, &entries);
	if (result != KTDP_FILL_DONE)
		return result;
	return ktdp_table_set_page(table, entries, gfn, pfn, writable);
}

/*
 * Take write access from entries below @gfn's at @level, from the one @from on, as many
 * as one hold allows.  A hold that looked at all of them gives the entry itself its own:
 * since the hold before another grant may have finished, writable leaves been mapped, and
 * the entry been protected again.
 *
 * Return: where to go on, or KTDP_ENTRIES.
 */
static unsigned int ktdp_table_grant_some(struct ktdp_table *table, u64 gfn, int level,
					  unsigned int from)
{
	const struct ktdp_fmt *fmt = &table->fmt;
	u64 base = gfn & ~ktdp_level_mask(level), *entryp, *child, *entries, entry, old;
	const u64 write = fmt->write;
	unsigned int changes = 0;
	int l = level;

	entryp = ktdp_table_find(table, gfn, &l);
	entry = *entryp;
	if (l != level || !ktdp_entry_is_table(entry, level) || (entry & write))
		return KTDP_ENTRIES;
	entries = ktdp_hpa_to_entries(ktdp_entry_hpa(fmt, entry));
	for (child = entries + from; child < entries + KTDP_ENTRIES; child++) {
		old = *child;
		if (!(old & write))
			continue;
		/* The look at the others takes most of the hold. */
		if (++changes > KTDP_HOLD_ENTRIES / 2)
			return child - entries;
		if (!ktdp_table_set(table, child,
				    base + (child - entries) * ktdp_level_pages(level - 1),
				    level - 1, old, ktdp_entry_wrprot(fmt, old, level - 1)))
			return KTDP_ENTRIES;
	}
	if (from)
		return 0;
	ktdp_table_set(table, entryp, gfn, level, entry, entry | write);
	return KTDP_ENTRIES;
}

/*
 * Give the table at @gfn's entry at @level its write access back, after it was taken
 * from each entry below: no leaf gains or loses access by it.  Where others go on to link
 * writable ones it may come to nothing, after twice the holds that it takes alone.
 */
static void ktdp_table_grant_level(struct ktdp_table *table, u64 gfn, int level)
{
	unsigned int from = 0, holds = 4 * KTDP_ENTRIES / KTDP_HOLD_ENTRIES;

	do {
		ktdp_table_lock(table, gfn, level);
		from = ktdp_table_grant_some(table, gfn, level, from);
		ktdp_table_unlock(table, gfn, level);
	} while (from < KTDP_ENTRIES && --holds);
}

/**
 * ktdp_table_grant() - let a leaf have write access
 * @table: the table
 * @gfn: its guest frame
 * @level: its level
 *
 * A write-protected range has that in the highest entries it covers.  Move it down,
 * until all tables above the leaf grant write, or others keep it from being done.
 *
 * Context: any but interrupts, no lock held.
 */
void ktdp_table_grant(struct ktdp_table *table, u64 gfn, int level)
{
	int l;

	for (l = table->fmt.level; l > level; l--)
		ktdp_table_grant_level(table, gfn, l);
}

static void ktdp_revoke_widen(struct ktdp_table *table, struct ktdp_revoke *revoke,
			      u64 start, u64 end)
{
	/* Announced in the hold in which the first entry goes, see revoke.c. */
	if (!revoke->end) {
		atomic_inc(&table->notifying);
		revoke->start = start;
		revoke->end = end;
	}
	revoke->start = min(revoke->start, start);
	revoke->end = max(revoke->end, end);
}

/* Take from @gfn's entry at @level what is to be taken. */
static void ktdp_revoke_entry(struct ktdp_table *table, u64 *entryp, u64 gfn,
			      int level, struct ktdp_revoke *revoke)
{
	struct ktdp_region *region = ktdp_table_region(table, gfn);
	const struct ktdp_fmt *fmt = &table->fmt;
	u64 old = *entryp, new = 0;

	if (revoke->write_only) {
		if (!(old & fmt->write))
			return;
		new = ktdp_entry_wrprot(fmt, old, level);
	}
	if (!old || !ktdp_table_set(table, entryp, gfn, level, old, new))
		return;
	ktdp_revoke_widen(table, revoke, gfn, gfn + ktdp_level_pages(level));
	/* Those of entries above go with ktdp_revoke_large(). */
	if (level == KTDP_LEVEL_2M && region->window == gfn >> 9)
		region->window = KTDP_NO_WINDOW;
	if (new)
		return;
	if (ktdp_entry_is_leaf(old, level)) {
		region->leaves[level - 1]--;
		region->cleared++;
	} else {
		ktdp_chain_add(&revoke->detached, ktdp_entry_hpa(fmt, old), level - 1);
	}
}

/*
 * From @start on, which is aligned to 1G or more: the largest entries that fit, as
 * many as one hold allows.  Return: where to go on.
 */
static u64 ktdp_revoke_large(struct ktdp_table *table, u64 start, u64 end,
			     struct ktdp_revoke *revoke)
{
	int i, want = KTDP_LEVEL_1G, level;
	u64 *entryp, pages;

	while (want < table->fmt.level && !(start & ktdp_level_mask(want + 1)) &&
	       end - start >= ktdp_level_pages(want + 1))
		want++;
	level = want;
	pages = ktdp_level_pages(want);

	ktdp_table_lock_all(table);
	for (i = 0; i < KTDP_REGIONS; i++)
		table->regions[i].window = KTDP_NO_WINDOW;
	entryp = ktdp_table_find(table, start, &level);
	if (level > want) {
		/* Nothing is below. */
		start = min(end, (start | ktdp_level_mask(level)) + 1);
	} else {
		for (i = 0; i < KTDP_HOLD_ENTRIES && end - start >= pages; i++) {
			ktdp_revoke_entry(table, entryp++, start, level, revoke);
			start += pages;
			if (!ktdp_level_index(start, level))
				break;
		}
	}
	ktdp_table_unlock_all(table);
	return start;
}

/* A leaf of 1G that stood there goes as a whole. */
static void ktdp_revoke_1g(struct ktdp_table *table, u64 gfn,
			   struct ktdp_revoke *revoke)
{
	int level = KTDP_LEVEL_1G;
	u64 *entryp;

	ktdp_table_lock_all(table);
	entryp = ktdp_table_find(table, gfn, &level);
	if (level == KTDP_LEVEL_1G && ktdp_entry_is_leaf(*entryp, level))
		ktdp_revoke_entry(table, entryp, gfn & ~ktdp_level_mask(level),
				  level, revoke);
	ktdp_table_unlock_all(table);
}

/*
 * Whole windows, all below one entry at level 3, region by region.  Those of a region
 * are as far from each other as there are regions.
 */
static void ktdp_revoke_windows(struct ktdp_table *table, u64 start, u64 end,
				struct ktdp_revoke *revoke)
{
	u64 gfn, last = min(end, start + KTDP_REGIONS * KTDP_ENTRIES), *entryp;
	bool is_1g = false;
	int level;

	for (; start < last; start += KTDP_ENTRIES) {
		level = KTDP_LEVEL_2M;
		ktdp_table_lock(table, start, KTDP_LEVEL_2M);
		entryp = ktdp_table_find(table, start, &level);
		is_1g |= ktdp_entry_is_leaf(*entryp, level) && level > KTDP_LEVEL_2M;
		for (gfn = start; gfn < end && level == KTDP_LEVEL_2M;
		     gfn += KTDP_REGIONS * KTDP_ENTRIES) {
			ktdp_revoke_entry(table, entryp, gfn, level, revoke);
			entryp += KTDP_REGIONS;
		}
		ktdp_table_unlock(table, start, KTDP_LEVEL_2M);
	}
	if (is_1g)
		ktdp_revoke_1g(table, start - KTDP_ENTRIES, revoke);
}

/* A part of one window, as much of it as one hold allows.  Return: where to go on. */
static u64 ktdp_revoke_pages(struct ktdp_table *table, u64 start, u64 end,
			     struct ktdp_revoke *revoke)
{
	int level = KTDP_LEVEL_4K;
	bool is_1g = false;
	u64 gfn, *entryp;

	ktdp_table_lock(table, start, KTDP_LEVEL_4K);
	entryp = ktdp_table_find(table, start, &level);
	switch (level) {
	case KTDP_LEVEL_4K:
		end = min(end, start + KTDP_HOLD_ENTRIES);
		for (gfn = start; gfn < end; gfn++)
			ktdp_revoke_entry(table, entryp++, gfn, level, revoke);
		break;
	case KTDP_LEVEL_2M:
		ktdp_revoke_entry(table, entryp, start & ~ktdp_level_mask(level),
				  level, revoke);
		break;
	default:
		is_1g = ktdp_entry_is_leaf(*entryp, level);
	}
	ktdp_table_unlock(table, start, KTDP_LEVEL_4K);
	if (is_1g)
		ktdp_revoke_1g(table, start, revoke);
	return end;
}

/**
 * ktdp_table_revoke() - take all leaves that touch a range, or write access to them
 * @table: the table
 * @start: first gfn
 * @end: gfn behind the last one; may lie beyond the reach of the table
 * @revoke: is added what has changed
 *
 * The lock of each region that the range is in is taken, whether or not there seems
 * to be anything: a fill may be about to link it.  Whole subtrees are unlinked at
 * their top, and write access is taken at the highest entries that the range covers,
 * so the cost is that of the range's edges.
 *
 * Context: any but interrupts; no lock of the table's held.
 * Return: whether others had taken something and not yet told, when this was done.
 */
bool ktdp_table_revoke(struct ktdp_table *table, u64 start, u64 end,
		       struct ktdp_revoke *revoke)
{
	const u64 mask_2m = ktdp_level_mask(KTDP_LEVEL_2M);
	const u64 mask_1g = ktdp_level_mask(KTDP_LEVEL_1G);
	u64 next;

	end = min(end, table->fmt.gfn_end);
	while (start < end) {
		if (!(start & mask_1g) && end - start > mask_1g) {
			start = ktdp_revoke_large(table, start, end, revoke);
			continue;
		}
		next = min(end, (start | mask_1g) + 1) & ~mask_2m;
		if (!(start & mask_2m) && next > start) {
			ktdp_revoke_windows(table, start, next, revoke);
			start = next;
		} else {
			next = min(end, (start | mask_2m) + 1);
			start = ktdp_revoke_pages(table, start, next, revoke);
		}
	}
	/* Acquire: none means that their callbacks have returned. */
	return atomic_read_acquire(&table->notifying) > !!revoke->end;
}
