// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table: entries and the one function that changes them, zap,
 * write-protect.  Pure: compiles in user space, where the unit tests hold it
 * against a flat array.
 *
 * What holds here:
 *  - every change of an entry is made by ktdp_mirror_set_entry(), under the
 *    mirror's lock;
 *  - a present leaf never becomes a leaf of another pfn, a table never becomes
 *    anything but empty; to replace is to zap, tell the importers, and map;
 *  - a table that is unlinked keeps its entries until readers are gone: nobody
 *    who holds the lock can reach it, so nobody changes it;
 *  - nothing is allocated and nothing is freed here under the lock.
 */

#include "mirror.h"

static void ktdp_zap_widen(struct ktdp_zap *zap, u64 start, u64 end)
{
	if (!zap->end) {
		zap->start = start;
		zap->end = end;
		return;
	}
	zap->start = min(zap->start, start);
	zap->end = max(zap->end, end);
}

/*
 * @delta leaves came or went in or below @table.  Tables at level 1 have no
 * counter but nr_present; what changed in one is counted above it when it is
 * left, once for all.
 */
static void ktdp_mirror_count(struct ktdp_table *table, int leaf_level,
			      long delta)
{
	struct ktdp_mirror *mirror = table->mirror;

	if (delta > 0)
		mirror->entries_set += delta;
	else
		mirror->entries_zapped -= delta;
	for (; table; table = table->parent)
		table->leaves[leaf_level - 1] += delta;
}

/* @table, at level 1, had @before present entries when it was entered. */
static void ktdp_mirror_count_pages(struct ktdp_table *table,
				    unsigned int before)
{
	if (table->nr_present != before)
		ktdp_mirror_count(table->parent, KTDP_LEVEL_4K,
				  (long)table->nr_present - before);
}

/**
 * ktdp_mirror_settle() - make the counters right
 * @mirror: the mirror
 *
 * Leaves that came in the table of the hint are counted above it when another
 * becomes the hint, or here.
 *
 * Context: mirror->lock held.
 */
void ktdp_mirror_settle(struct ktdp_mirror *mirror)
{
	lockdep_assert_held(&mirror->lock);
	if (!mirror->hint)
		return;
	ktdp_mirror_count_pages(mirror->hint, mirror->hint_counted);
	mirror->hint_counted = mirror->hint->nr_present;
}

/* Before leaves or access go. */
static void ktdp_mirror_drop_hint(struct ktdp_mirror *mirror)
{
	ktdp_mirror_settle(mirror);
	mirror->hint = NULL;
	mirror->hint_open = KTDP_NO_WINDOW;
}

static void ktdp_mirror_count_detach(struct ktdp_table *table,
				     const struct ktdp_table *child)
{
	int i;

	if (child->level == KTDP_LEVEL_4K) {
		ktdp_mirror_count(table, KTDP_LEVEL_4K, -(long)child->nr_present);
		return;
	}
	for (i = 1; i <= KTDP_MAX_LEAF_LEVEL; i++)
		ktdp_mirror_count(table, i, -(long)child->leaves[i - 1]);
}

/*
 * For ktdp_mirror_set_entry(): counters above level 1 of a leaf that comes or
 * goes, or a table that goes.
 */
void ktdp_mirror_account(struct ktdp_table *table, int level, u64 old, u64 new)
{
	u64 hpa;

	if (ktdp_entry_is_leaf(new, level)) {
		ktdp_mirror_count(table, level, 1);
	} else if (ktdp_entry_is_leaf(old, level)) {
		ktdp_mirror_count(table, level, -1);
	} else if (old) {
		hpa = ktdp_entry_hpa(&table->mirror->fmt, old);
		ktdp_mirror_count_detach(table, ktdp_hpa_to_table(hpa));
	}
}

struct ktdp_table *ktdp_mirror_pool_get(struct ktdp_mirror *mirror)
{
	struct ktdp_table *table = mirror->pool;

	lockdep_assert_held(&mirror->lock);
	if (table) {
		mirror->pool = table->next;
		WRITE_ONCE(mirror->nr_pool, mirror->nr_pool - 1);
	}
	return table;
}

void ktdp_mirror_pool_add(struct ktdp_mirror *mirror, struct ktdp_table *table)
{
	lockdep_assert_held(&mirror->lock);
	table->next = mirror->pool;
	mirror->pool = table;
	WRITE_ONCE(mirror->nr_pool, mirror->nr_pool + 1);
}

/* Link a new table in place of @table's empty entry. */
static int ktdp_mirror_link(struct ktdp_mirror *mirror,
			    struct ktdp_table *table, u64 gfn)
{
	struct ktdp_table *child = ktdp_mirror_pool_get(mirror);

	if (!child)
		return -ENOMEM;
	child->level = table->level - 1;
	child->parent = table;
	WRITE_ONCE(mirror->nr_linked, mirror->nr_linked + 1);
	return ktdp_mirror_set_entry(mirror, table, gfn, table->level, 0,
				     ktdp_make_table(&mirror->fmt,
						     ktdp_table_hpa(child)));
}

/*
 * Give @table's entry, a table, its write permission back, and take it from
 * each entry of the table below: no leaf gains or loses access by it.
 */
static int ktdp_mirror_push_down(struct ktdp_mirror *mirror,
				 struct ktdp_table *table, u64 gfn, u64 entry)
{
	const struct ktdp_fmt *fmt = &mirror->fmt;
	struct ktdp_table *child = ktdp_hpa_to_table(ktdp_entry_hpa(fmt, entry));
	u64 base = gfn & ~ktdp_level_mask(table->level);
	int i, level = child->level, ret;

	for (i = 0; i < KTDP_ENTRIES; i++) {
		u64 old = child->entries[i];

		if (!(old & fmt->write))
			continue;
		ret = ktdp_mirror_set_entry(mirror, child,
					    base + i * ktdp_level_pages(level),
					    level, old,
					    ktdp_entry_wrprot(fmt, old, level));
		if (ret)
			return ret;
	}
	return ktdp_mirror_set_entry(mirror, table, gfn, table->level, entry,
				     entry | fmt->write);
}

/*
 * A leaf is there already.  -EEXIST: it grants what is asked; -EBUSY: it has
 * to go first.
 */
static int ktdp_mirror_found(const struct ktdp_fmt *fmt, u64 entry, int level,
			     u64 gfn, u64 pfn, bool writable)
{
	u64 there = ktdp_entry_pfn(fmt, entry) + (gfn & ktdp_level_mask(level));

	/* The host changed its mind and we were not told: a bug, not a race. */
	if (WARN_ON_ONCE(there != pfn))
		return -EBUSY;
	if (writable && !(entry & fmt->write))
		return -EBUSY;
	return -EEXIST;
}

/*
 * On the way to @gfn's entry at @level, @table's entry is not a table that
 * grants what is asked: make it one, if nothing is in the way.
 */
static noinline int ktdp_mirror_step(struct ktdp_mirror *mirror,
				     struct ktdp_table *table, u64 gfn,
				     int level, u64 pfn, bool writable)
{
	const struct ktdp_fmt *fmt = &mirror->fmt;
	u64 entry = table->entries[ktdp_level_index(gfn, table->level)];

	if (ktdp_entry_is_table(entry, table->level))
		return ktdp_mirror_push_down(mirror, table, gfn, entry);
	if (entry)
		return ktdp_mirror_found(fmt, entry, table->level, gfn, pfn,
					 writable);
	/* No empty table is left behind: not if the pool is too short ... */
	if (mirror->nr_pool < table->level - level)
		return -ENOMEM;
	/* ... nor if the leaf would be refused. */
	entry = ktdp_make_leaf(fmt, level, pfn, writable);
	if (WARN_ON_ONCE(ktdp_entry_is_rsvd(fmt, entry, level)))
		return -EINVAL;
	return ktdp_mirror_link(mirror, table, gfn);
}

/* Find, or make, the table that has @gfn's entry at @level. */
static int ktdp_mirror_descend(struct ktdp_mirror *mirror, u64 gfn, int level,
			       u64 pfn, bool writable,
			       struct ktdp_table **tablep)
{
	const struct ktdp_fmt *fmt = &mirror->fmt;
	u64 want = fmt->table | (writable ? fmt->write : 0);
	struct ktdp_table *table = mirror->root;
	int l = fmt->level, shift = 9 * (l - 1), ret;

	while (l > level) {
		u64 entry = table->entries[(gfn >> shift) & (KTDP_ENTRIES - 1)];

		if (unlikely((entry & (want | KTDP_ENTRY_HUGE)) != want)) {
			ret = ktdp_mirror_step(mirror, table, gfn, level, pfn,
					       writable);
			if (ret)
				return ret;
			continue;
		}
		table = ktdp_hpa_to_table(ktdp_entry_hpa(fmt, entry));
		shift -= 9;
		l--;
	}
	*tablep = table;
	return 0;
}

/* The table at @level is found: write the leaf. */
static __always_inline int ktdp_mirror_set_leaf(struct ktdp_mirror *mirror,
						struct ktdp_table *table,
						u64 gfn, int level, u64 pfn,
						bool writable)
{
	const struct ktdp_fmt *fmt = &mirror->fmt;
	u64 old = table->entries[ktdp_level_index(gfn, level)];
	u64 new = ktdp_make_leaf(fmt, level, pfn, writable);
	int ret;

	/* new is never 0; to say so spares the common path a test. */
	if (likely(!old && new))
		return ktdp_mirror_set_entry(mirror, table, gfn, level, 0, new);
	if (ktdp_entry_is_table(old, level))
		return -EBUSY;
	ret = ktdp_mirror_found(fmt, old, level, gfn, pfn, writable);
	/* Raising the access of the same leaf needs no zap. */
	if (ret != -EBUSY || ktdp_entry_pfn(fmt, old) != pfn)
		return ret;
	return ktdp_mirror_set_entry(mirror, table, gfn, level, old, new);
}

/* All levels above @table grant write. */
static void ktdp_mirror_set_hint(struct ktdp_mirror *mirror,
				 struct ktdp_table *table, u64 gfn)
{
	ktdp_mirror_settle(mirror);
	mirror->hint = table;
	mirror->hint_window = gfn >> 9;
	mirror->hint_counted = table->nr_present;
	mirror->hint_open = KTDP_NO_WINDOW;
}

/* The leaf's table is found, and is not the hint's. */
static int ktdp_mirror_map_cold(struct ktdp_mirror *mirror,
				struct ktdp_table *table, u64 gfn, int level,
				u64 pfn, bool writable)
{
	unsigned int before = table->nr_present;
	int ret;

	if (level > KTDP_LEVEL_4K)
		return ktdp_mirror_set_leaf(mirror, table, gfn, level, pfn,
					    writable);
	if (writable)
		ktdp_mirror_set_hint(mirror, table, gfn);
	ret = ktdp_mirror_set_leaf(mirror, table, gfn, KTDP_LEVEL_4K, pfn,
				   writable);
	if (!writable)
		ktdp_mirror_count_pages(table, before);
	return ret;
}

/**
 * ktdp_mirror_map() - write one leaf, or raise its access
 * @mirror: the mirror
 * @gfn: guest frame, aligned to @level and within reach of the table
 * @level: 1..max_leaf_level
 * @pfn: host frame, aligned to @level
 * @writable: grant write access
 *
 * Context: mirror->lock held.
 * Return: 0 the leaf was written; -EEXIST what is there grants the access
 * already; -EBUSY a leaf or table is in the way (zap the span of the larger of
 * both, tell the importers, try again); -ENOMEM the pool has too few pages.
 */
int ktdp_mirror_map(struct ktdp_mirror *mirror, u64 gfn, int level, u64 pfn,
		    bool writable)
{
	struct ktdp_table *table;
	int ret;

	lockdep_assert_held(&mirror->lock);
	if (level == KTDP_LEVEL_4K) {
		table = ktdp_mirror_hint(mirror, gfn);
		if (likely(table))
			return ktdp_mirror_set_leaf(mirror, table, gfn,
						    KTDP_LEVEL_4K, pfn, writable);
	}
	if (WARN_ON_ONCE(!ktdp_fmt_reaches(&mirror->fmt, gfn)))
		return -EINVAL;
	ret = ktdp_mirror_descend(mirror, gfn, level, pfn, writable, &table);
	if (ret)
		return ret;
	return ktdp_mirror_map_cold(mirror, table, gfn, level, pfn, writable);
}

/* What of @pages the table of their window can take; see below. */
static int ktdp_mirror_map_window(struct ktdp_mirror *mirror,
				  struct ktdp_table *table, u64 gfn,
				  const unsigned long *pages, unsigned long nr,
				  bool writable, unsigned long *done)
{
	unsigned int before;
	unsigned long i;
	int ret = 0;

	if (writable && table != mirror->hint)
		ktdp_mirror_set_hint(mirror, table, gfn);
	before = table->nr_present;
	for (i = *done; i < nr; i++) {
		unsigned long page = pages[i];

		if (!writable && ktdp_page_is_writable(page))
			break;
		ret = ktdp_mirror_set_leaf(mirror, table, gfn + i, KTDP_LEVEL_4K,
					   ktdp_page_pfn(page),
					   ktdp_page_is_writable(page));
		if (unlikely(ret && ret != -EEXIST))
			break;
	}
	if (table != mirror->hint)
		ktdp_mirror_count_pages(table, before);
	*done = i;
	return ret;
}

/**
 * ktdp_mirror_map_pages() - ktdp_mirror_map() for a run of 4K leaves
 * @mirror: the mirror
 * @gfn: first guest frame
 * @pages: host pages, see ktdp_page()
 * @nr: how many; all in one naturally aligned 2M piece of guest memory
 * @done: is set to the number of leaves that grant the access now
 *
 * Context: mirror->lock held.
 * Return: as ktdp_mirror_map() for the last leaf tried: 0 or -EEXIST when all
 * are done, else why the one after @done is not.
 */
int ktdp_mirror_map_pages(struct ktdp_mirror *mirror, u64 gfn,
			  const unsigned long *pages, unsigned long nr,
			  unsigned long *done)
{
	struct ktdp_table *table;
	int ret = 0;

	lockdep_assert_held(&mirror->lock);
	*done = 0;
	if (WARN_ON_ONCE(!ktdp_fmt_reaches(&mirror->fmt, gfn)))
		return -EINVAL;
	while (*done < nr) {
		unsigned long page = pages[*done];
		bool writable = ktdp_page_is_writable(page);

		table = ktdp_mirror_hint(mirror, gfn);
		ret = 0;
		if (!table)
			ret = ktdp_mirror_descend(mirror, gfn + *done,
						  KTDP_LEVEL_4K,
						  ktdp_page_pfn(page), writable,
						  &table);
		if (!ret)
			ret = ktdp_mirror_map_window(mirror, table, gfn, pages,
						     nr, writable, done);
		else if (ret == -EEXIST)
			++*done;
		if (ret && ret != -EEXIST)
			break;
	}
	return ret;
}

static void ktdp_mirror_clear(struct ktdp_mirror *mirror,
			      struct ktdp_table *table, u64 gfn, u64 entry,
			      struct ktdp_zap *zap)
{
	struct ktdp_table *child;

	if (ktdp_mirror_set_entry(mirror, table, gfn, table->level, entry, 0))
		return;
	if (ktdp_entry_is_table(entry, table->level)) {
		child = ktdp_hpa_to_table(ktdp_entry_hpa(&mirror->fmt, entry));
		child->next = zap->detached;
		zap->detached = child;
	}
}

static void ktdp_zap_table(struct ktdp_mirror *mirror, struct ktdp_table *table,
			   u64 start, u64 end, struct ktdp_zap *zap);

/* Clear what @table's entry has of [@start, @end). */
static void ktdp_zap_entry(struct ktdp_mirror *mirror, struct ktdp_table *table,
			   u64 start, u64 end, u64 entry, struct ktdp_zap *zap)
{
	int level = table->level;
	u64 base = start & ~ktdp_level_mask(level);
	u64 next = base + ktdp_level_pages(level);
	struct ktdp_table *child;

	if (ktdp_entry_is_table(entry, level) && (start > base || end < next)) {
		child = ktdp_hpa_to_table(ktdp_entry_hpa(&mirror->fmt, entry));
		ktdp_zap_table(mirror, child, start, end, zap);
		if (!child->nr_present)
			ktdp_mirror_clear(mirror, table, base, entry, zap);
		return;
	}
	/* The whole of a leaf goes, even if a part of it was asked for. */
	ktdp_zap_widen(zap, base, next);
	ktdp_mirror_clear(mirror, table, base, entry, zap);
}

/* Recursion is bounded by the levels of the table. */
static void ktdp_zap_table(struct ktdp_mirror *mirror, struct ktdp_table *table,
			   u64 start, u64 end, struct ktdp_zap *zap)
{
	unsigned int before = table->nr_present;
	int level = table->level;
	u64 gfn, next;

	for (gfn = start; gfn < end; gfn = next) {
		u64 entry = table->entries[ktdp_level_index(gfn, level)];

		next = (gfn | ktdp_level_mask(level)) + 1;
		if (entry)
			ktdp_zap_entry(mirror, table, gfn, min(next, end),
				       entry, zap);
	}
	if (level == KTDP_LEVEL_4K)
		ktdp_mirror_count_pages(table, before);
}

/**
 * ktdp_mirror_zap() - remove all leaves that touch a range
 * @mirror: the mirror
 * @start: first gfn
 * @end: gfn behind the last one; may lie beyond the reach of the table
 * @zap: is added what was removed
 *
 * Whole subtrees are unlinked at their top, so the cost is that of the range's
 * edges.
 *
 * Context: mirror->lock held.
 */
void ktdp_mirror_zap(struct ktdp_mirror *mirror, u64 start, u64 end,
		     struct ktdp_zap *zap)
{
	lockdep_assert_held(&mirror->lock);
	ktdp_mirror_drop_hint(mirror);
	end = min(end, ktdp_gfn_end(mirror->fmt.level));
	ktdp_zap_table(mirror, mirror->root, start, end, zap);
}

static void ktdp_wrprot_table(struct ktdp_mirror *mirror,
			      struct ktdp_table *table, u64 start, u64 end,
			      struct ktdp_zap *zap)
{
	const struct ktdp_fmt *fmt = &mirror->fmt;
	struct ktdp_table *child;
	int level = table->level;
	u64 gfn, next;

	for (gfn = start; gfn < end; gfn = next) {
		u64 entry = table->entries[ktdp_level_index(gfn, level)];
		u64 base = gfn & ~ktdp_level_mask(level);

		next = base + ktdp_level_pages(level);
		if (!(entry & fmt->write))
			continue;
		if (ktdp_entry_is_table(entry, level) &&
		    (gfn > base || end < next)) {
			child = ktdp_hpa_to_table(ktdp_entry_hpa(fmt, entry));
			ktdp_wrprot_table(mirror, child, gfn, min(next, end),
					  zap);
			continue;
		}
		if (!ktdp_mirror_set_entry(mirror, table, base, level, entry,
					   ktdp_entry_wrprot(fmt, entry, level)))
			ktdp_zap_widen(zap, base, next);
	}
}

/**
 * ktdp_mirror_wrprot() - take write access away in a range
 * @mirror: the mirror
 * @start: first gfn
 * @end: gfn behind the last one; may lie beyond the reach of the table
 * @zap: is added what lost access
 *
 * Done in the highest entries that the range covers, so the cost is that of
 * its edges; ktdp_mirror_map() moves the protection down again where a leaf
 * becomes writable.
 *
 * Context: mirror->lock held.
 */
void ktdp_mirror_wrprot(struct ktdp_mirror *mirror, u64 start, u64 end,
			struct ktdp_zap *zap)
{
	lockdep_assert_held(&mirror->lock);
	ktdp_mirror_drop_hint(mirror);
	end = min(end, ktdp_gfn_end(mirror->fmt.level));
	ktdp_wrprot_table(mirror, mirror->root, start, end, zap);
}

/**
 * ktdp_table_free_tree() - free a table and all tables below it
 * @fmt: its format
 * @table: a table that no reader can reach any more
 *
 * Context: may sleep.
 * Return: the number of tables freed.
 */
unsigned long ktdp_table_free_tree(const struct ktdp_fmt *fmt,
				   struct ktdp_table *table)
{
	unsigned long freed = 1;
	int level = table->level;
	unsigned int i;

	for (i = 0; i < KTDP_ENTRIES && level > KTDP_LEVEL_4K; i++) {
		u64 entry = table->entries[i];

		if (ktdp_entry_is_table(entry, level))
			freed += ktdp_table_free_tree(fmt,
				ktdp_hpa_to_table(ktdp_entry_hpa(fmt, entry)));
	}
	ktdp_table_free(table);
	cond_resched();
	return freed;
}
