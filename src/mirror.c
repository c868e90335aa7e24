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

/* Leaves counted at @level and all levels above it. */
static void ktdp_mirror_count(struct ktdp_cursor *cur, int level,
			      int leaf_level, u64 delta)
{
	for (; level <= cur->mirror->fmt.level; level++)
		cur->path[level]->leaves[leaf_level - 1] += delta;
}

static void ktdp_mirror_count_detach(struct ktdp_cursor *cur, int level,
				     const struct ktdp_table *child)
{
	int i;

	for (i = 1; i <= KTDP_MAX_LEAF_LEVEL; i++) {
		u64 n = child->leaves[i - 1];

		if (!n)
			continue;
		ktdp_mirror_count(cur, level, i, -n);
		cur->mirror->entries_zapped += n;
	}
}

static bool ktdp_entry_change_ok(const struct ktdp_fmt *fmt, u64 old, u64 new,
				 int level)
{
	if (!old || !new)
		return true;
	return ktdp_entry_kind(old, level) == ktdp_entry_kind(new, level) &&
	       ktdp_entry_hpa(fmt, old) == ktdp_entry_hpa(fmt, new);
}

/* Counters of a leaf that comes or goes, or of a table that goes. */
static void ktdp_mirror_account(struct ktdp_cursor *cur, int level, u64 old,
				u64 new)
{
	struct ktdp_mirror *mirror = cur->mirror;

	if (!!old == !!new)
		return;
	cur->path[level]->nr_present += new ? 1 : -1;
	if (ktdp_entry_is_leaf(new, level)) {
		ktdp_mirror_count(cur, level, level, 1);
		mirror->entries_set++;
	} else if (ktdp_entry_is_leaf(old, level)) {
		ktdp_mirror_count(cur, level, level, -1ULL);
		mirror->entries_zapped++;
	} else if (old) {
		u64 hpa = ktdp_entry_hpa(&mirror->fmt, old);

		ktdp_mirror_count_detach(cur, level, ktdp_hpa_to_table(hpa));
	}
}

/*
 * The one function that changes an entry.  @cur has the path from the root to
 * the table at @level.  What must never be is refused, and leaves the entry as
 * it was.
 */
static int ktdp_mirror_set_entry(struct ktdp_cursor *cur, u64 gfn, int level,
				 u64 new)
{
	struct ktdp_mirror *mirror = cur->mirror;
	u64 *entryp = &cur->path[level]->entries[ktdp_level_index(gfn, level)];
	u64 old = *entryp;

	lockdep_assert_held(&mirror->lock);
	if (WARN_ON_ONCE(ktdp_entry_is_rsvd(&mirror->fmt, new, level)) ||
	    WARN_ON_ONCE(!ktdp_entry_change_ok(&mirror->fmt, old, new, level)))
		return -EINVAL;

	trace_kvm_tdp_set_entry(mirror, gfn, level, old, new);
	ktdp_mirror_account(cur, level, old, new);
	/* A table's (or page's) content is visible before the link to it. */
	smp_store_release(entryp, new);
	return 0;
}

struct ktdp_table *ktdp_mirror_pool_get(struct ktdp_mirror *mirror)
{
	struct ktdp_table *table = mirror->pool;

	lockdep_assert_held(&mirror->lock);
	if (table) {
		mirror->pool = table->next;
		mirror->nr_pool--;
	}
	return table;
}

void ktdp_mirror_pool_add(struct ktdp_mirror *mirror, struct ktdp_table *table)
{
	lockdep_assert_held(&mirror->lock);
	table->next = mirror->pool;
	mirror->pool = table;
	mirror->nr_pool++;
}

/* Link a new table in place of the empty entry at @level. */
static int ktdp_mirror_link(struct ktdp_cursor *cur, u64 gfn, int level)
{
	struct ktdp_mirror *mirror = cur->mirror;
	struct ktdp_table *table = ktdp_mirror_pool_get(mirror);

	if (!table)
		return -ENOMEM;
	table->level = level - 1;
	cur->path[level - 1] = table;
	mirror->nr_linked++;
	return ktdp_mirror_set_entry(cur, gfn, level,
				     ktdp_make_table(&mirror->fmt,
						     ktdp_table_hpa(table)));
}

/*
 * Give the table entry at @level its write permission back, and take it from
 * each entry of the table below: no leaf gains or loses access by it.
 */
static int ktdp_mirror_push_down(struct ktdp_cursor *cur, u64 gfn, int level,
				 u64 entry)
{
	const struct ktdp_fmt *fmt = &cur->mirror->fmt;
	struct ktdp_table *child = cur->path[level - 1];
	u64 base = gfn & ~ktdp_level_mask(level);
	unsigned int i;
	int ret;

	for (i = 0; i < KTDP_ENTRIES; i++) {
		u64 old = child->entries[i];

		if (!(old & fmt->write))
			continue;
		ret = ktdp_mirror_set_entry(cur,
					    base + i * ktdp_level_pages(level - 1),
					    level - 1,
					    ktdp_entry_wrprot(fmt, old, level - 1));
		if (ret)
			return ret;
	}
	return ktdp_mirror_set_entry(cur, gfn, level, entry | fmt->write);
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

/* Make cur->path[@level] the table that has @gfn's entry at @level. */
static int ktdp_mirror_descend(struct ktdp_cursor *cur, u64 gfn, int level,
			       u64 pfn, bool writable)
{
	const struct ktdp_fmt *fmt = &cur->mirror->fmt;
	int l, ret = 0;

	for (l = fmt->level; l > level && !ret; l--) {
		u64 entry = cur->path[l]->entries[ktdp_level_index(gfn, l)];

		switch (ktdp_entry_kind(entry, l)) {
		case KTDP_ENTRY_LEAF:
			return ktdp_mirror_found(fmt, entry, l, gfn, pfn,
						 writable);
		case KTDP_ENTRY_EMPTY:
			/* All or nothing: no empty table is left behind. */
			if (cur->mirror->nr_pool < l - level)
				return -ENOMEM;
			ret = ktdp_mirror_link(cur, gfn, l);
			break;
		case KTDP_ENTRY_TABLE:
			cur->path[l - 1] =
				ktdp_hpa_to_table(ktdp_entry_hpa(fmt, entry));
			if (writable && !(entry & fmt->write))
				ret = ktdp_mirror_push_down(cur, gfn, l, entry);
			break;
		}
	}
	return ret;
}

/**
 * ktdp_mirror_map() - write one leaf, or raise its access
 * @cur: cursor, see struct ktdp_cursor
 * @gfn: guest frame, aligned to @level
 * @level: 1..max_leaf_level
 * @pfn: host frame, aligned to @level
 * @writable: grant write access
 *
 * Context: mirror->lock held.
 * Return: 0 the leaf was written; -EEXIST what is there grants the access
 * already; -EBUSY a leaf or table is in the way (zap the span of the larger of
 * both, tell the importers, try again); -ENOMEM the pool has too few pages.
 */
int ktdp_mirror_map(struct ktdp_cursor *cur, u64 gfn, int level, u64 pfn,
		    bool writable)
{
	const struct ktdp_fmt *fmt = &cur->mirror->fmt;
	u64 old, new;
	int ret;

	lockdep_assert_held(&cur->mirror->lock);
	if (!cur->valid || level != KTDP_LEVEL_4K || cur->window != gfn >> 9 ||
	    (writable && !cur->writable)) {
		cur->valid = false;
		ret = ktdp_mirror_descend(cur, gfn, level, pfn, writable);
		if (ret)
			return ret;
		cur->valid = level == KTDP_LEVEL_4K;
		cur->window = gfn >> 9;
		cur->writable = writable;
	}

	new = ktdp_make_leaf(fmt, level, pfn, writable);
	old = cur->path[level]->entries[ktdp_level_index(gfn, level)];
	if (ktdp_entry_is_table(old, level))
		return -EBUSY;
	if (old) {
		ret = ktdp_mirror_found(fmt, old, level, gfn, pfn, writable);
		/* Raising the access of the same leaf needs no zap. */
		if (ret != -EBUSY || ktdp_entry_pfn(fmt, old) != pfn)
			return ret;
	}
	return ktdp_mirror_set_entry(cur, gfn, level, new);
}

static void ktdp_mirror_clear(struct ktdp_cursor *cur, u64 gfn, int level,
			      u64 entry, struct ktdp_zap *zap)
{
	struct ktdp_table *table;

	if (ktdp_mirror_set_entry(cur, gfn, level, 0))
		return;
	if (ktdp_entry_is_table(entry, level)) {
		table = ktdp_hpa_to_table(ktdp_entry_hpa(&cur->mirror->fmt, entry));
		table->next = zap->detached;
		zap->detached = table;
	}
}

static void ktdp_zap_level(struct ktdp_cursor *cur, int level, u64 start,
			   u64 end, struct ktdp_zap *zap);

/* Clear what the entry at @level has of [@start, @end). */
static void ktdp_zap_entry(struct ktdp_cursor *cur, int level, u64 start,
			   u64 end, u64 entry, struct ktdp_zap *zap)
{
	u64 base = start & ~ktdp_level_mask(level);
	u64 next = base + ktdp_level_pages(level);
	struct ktdp_table *child;

	if (ktdp_entry_is_table(entry, level) && (start > base || end < next)) {
		child = ktdp_hpa_to_table(ktdp_entry_hpa(&cur->mirror->fmt, entry));
		cur->path[level - 1] = child;
		ktdp_zap_level(cur, level - 1, start, end, zap);
		if (!child->nr_present)
			ktdp_mirror_clear(cur, base, level, entry, zap);
		return;
	}
	/* The whole of a leaf goes, even if a part of it was asked for. */
	ktdp_zap_widen(zap, base, next);
	ktdp_mirror_clear(cur, base, level, entry, zap);
}

/* Recursion is bounded by the levels of the table. */
static void ktdp_zap_level(struct ktdp_cursor *cur, int level, u64 start,
			   u64 end, struct ktdp_zap *zap)
{
	const struct ktdp_table *table = cur->path[level];
	u64 gfn, next;

	for (gfn = start; gfn < end; gfn = next) {
		u64 entry = table->entries[ktdp_level_index(gfn, level)];

		next = (gfn | ktdp_level_mask(level)) + 1;
		if (entry)
			ktdp_zap_entry(cur, level, gfn, min(next, end), entry,
				       zap);
	}
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
	struct ktdp_cursor cur;

	lockdep_assert_held(&mirror->lock);
	ktdp_cursor_init(&cur, mirror);
	end = min(end, ktdp_gfn_end(mirror->fmt.level));
	ktdp_zap_level(&cur, mirror->fmt.level, start, end, zap);
}

static void ktdp_wrprot_level(struct ktdp_cursor *cur, int level, u64 start,
			      u64 end, struct ktdp_zap *zap)
{
	const struct ktdp_fmt *fmt = &cur->mirror->fmt;
	const struct ktdp_table *table = cur->path[level];
	u64 gfn, next;

	for (gfn = start; gfn < end; gfn = next) {
		u64 entry = table->entries[ktdp_level_index(gfn, level)];
		u64 base = gfn & ~ktdp_level_mask(level);

		next = base + ktdp_level_pages(level);
		if (!(entry & fmt->write))
			continue;
		if (ktdp_entry_is_table(entry, level) &&
		    (gfn > base || end < next)) {
			cur->path[level - 1] =
				ktdp_hpa_to_table(ktdp_entry_hpa(fmt, entry));
			ktdp_wrprot_level(cur, level - 1, gfn, min(next, end),
					  zap);
			continue;
		}
		if (!ktdp_mirror_set_entry(cur, base, level,
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
	struct ktdp_cursor cur;

	lockdep_assert_held(&mirror->lock);
	ktdp_cursor_init(&cur, mirror);
	end = min(end, ktdp_gfn_end(mirror->fmt.level));
	ktdp_wrprot_level(&cur, mirror->fmt.level, start, end, zap);
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
