/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_MIRROR_H
#define _KTDP_MIRROR_H

#include "fmt.h"
#include "walk.h"

/* One table page.  Members are protected by mirror->lock while it is linked. */
struct ktdp_table {
	u64 *entries;		/* the page; its entries are read without lock */
	struct ktdp_mirror *mirror;	/* constant */
	struct ktdp_table *parent;	/* NULL for the root */
	int level;
	unsigned int nr_present;	/* entries that are not empty */
	u64 leaves[KTDP_MAX_LEAF_LEVEL];	/* below, from level 2 up */
	union {
		struct ktdp_table *next;	/* in the pool, in a zap */
		struct rcu_head rcu;		/* waiting for readers */
		struct llist_node free;		/* waiting for the free worker */
	};
};

/*
 * The table of one address space.  All changes go through one function,
 * ktdp_mirror_set_entry(), under @lock.  @fmt and @root never change.
 */
struct ktdp_mirror {
	struct ktdp_fmt fmt;
	struct ktdp_table *root;

	raw_spinlock_t lock;	/* innermost; see the lock order in ktdp.h */
	struct ktdp_table *pool;	/* @lock: zeroed tables in reserve */
	unsigned int nr_pool;		/* @lock, read without it as a hint */
	struct ktdp_table *hint;	/* @lock: level 1, all above it writable; or NULL */
	u64 hint_window;		/* @lock: gfn >> 9 of @hint */
	unsigned int hint_counted;	/* @lock: leaves of @hint that the tables
					 * above it know of
					 */
	u64 hint_open;			/* @lock: @hint_window, if one memslot is known
					 * to have all of it; or KTDP_NO_WINDOW
					 */
	u64 nr_linked;			/* @lock, read without it as a hint: tables ever
					 * taken into use
					 */
	u64 entries_set;		/* @lock: leaves written */
	u64 entries_zapped;		/* @lock: leaves removed */
	u64 replaced;			/* @lock: removed for another level */
};

#define KTDP_NO_WINDOW	(~0ULL)

/*
 * What a zap or write-protect changed.  The caller tells the importers of
 * [start, end), then hands @detached to RCU.  Several may be gathered in one.
 */
struct ktdp_zap {
	u64 start;		/* gfns, half open; nothing changed if !end */
	u64 end;
	struct ktdp_table *detached;
};

/* A host page for ktdp_mirror_map_pages(): its pfn, and whether to grant write. */
static inline unsigned long ktdp_page(u64 pfn, bool writable)
{
	return pfn << 12 | writable;
}

static inline u64 ktdp_page_pfn(unsigned long page)
{
	return page >> 12;
}

static inline bool ktdp_page_is_writable(unsigned long page)
{
	return page & 1;
}

/* Tables that one map may take from the pool. */
static inline unsigned int ktdp_mirror_need(const struct ktdp_mirror *mirror)
{
	return mirror->fmt.level - 1;
}

/* Entries that a zap or write-protect changes under one hold of the lock. */
#define KTDP_PIECE_ENTRIES	64

/*
 * Where to stop in [@start, @end): the largest entries that fit at @start, as
 * many as may be, all in one table.
 */
static inline u64 ktdp_mirror_piece_end(u64 start, u64 end)
{
	int level = KTDP_LEVEL_4K;

	while (level < KTDP_MAX_LEVEL && !(start & ktdp_level_mask(level + 1)) &&
	       end - start >= ktdp_level_pages(level + 1))
		level++;
	end = min(end & ~ktdp_level_mask(level),
		  (start | ktdp_level_mask(level + 1)) + 1);
	return min(end, start + KTDP_PIECE_ENTRIES * ktdp_level_pages(level));
}

void ktdp_mirror_account(struct ktdp_table *table, int level, u64 old, u64 new);
int ktdp_mirror_map(struct ktdp_mirror *mirror, u64 gfn, int level, u64 pfn,
		    bool writable);
int ktdp_mirror_map_pages(struct ktdp_mirror *mirror, u64 gfn,
			  const unsigned long *pages, unsigned long nr,
			  unsigned long *done);
void ktdp_mirror_zap(struct ktdp_mirror *mirror, u64 start, u64 end,
		     struct ktdp_zap *zap);
void ktdp_mirror_wrprot(struct ktdp_mirror *mirror, u64 start, u64 end,
			struct ktdp_zap *zap);
void ktdp_mirror_settle(struct ktdp_mirror *mirror);
void ktdp_mirror_pool_add(struct ktdp_mirror *mirror, struct ktdp_table *table);
struct ktdp_table *ktdp_mirror_pool_get(struct ktdp_mirror *mirror);
unsigned long ktdp_table_free_tree(const struct ktdp_fmt *fmt,
				   struct ktdp_table *table);

static inline bool ktdp_entry_change_ok(const struct ktdp_fmt *fmt, u64 old,
					u64 new, int level)
{
	return ktdp_entry_kind(old, level) == ktdp_entry_kind(new, level) &&
	       ktdp_entry_hpa(fmt, old) == ktdp_entry_hpa(fmt, new);
}

/* Nobody but the two functions below. */
static __always_inline void __ktdp_mirror_set_entry(struct ktdp_table *table,
						    u64 *entry, int nr, u64 new)
{
	table->nr_present += nr;
	/* A table's (or page's) content is visible before the link to it. */
	smp_store_release(entry, new);
}

/*
 * The one function that changes an entry: that of @gfn in @table, at @level,
 * from @old, which the caller has just read.  What must never be is refused,
 * and leaves the entry as it was.  Inline, so that the loop over 4K leaves is a
 * short one.
 */
static __always_inline int ktdp_mirror_set_entry(struct ktdp_mirror *mirror,
						 struct ktdp_table *table,
						 u64 gfn, int level, u64 old,
						 u64 new)
{
	lockdep_assert_held(&mirror->lock);
	if (WARN_ON_ONCE(!ktdp_fmt_reaches(&mirror->fmt, gfn)) ||
	    WARN_ON_ONCE(ktdp_entry_is_rsvd(&mirror->fmt, new, level)) ||
	    (old && new &&
	     WARN_ON_ONCE(!ktdp_entry_change_ok(&mirror->fmt, old, new, level))))
		return -EINVAL;

	trace_kvm_tdp_set_entry(mirror, gfn, level, old, new);
	if (level > KTDP_LEVEL_4K && !old != !new)
		ktdp_mirror_account(table, level, old, new);
	__ktdp_mirror_set_entry(table,
				&table->entries[ktdp_level_index(gfn, level)],
				!!new - !!old, new);
	return 0;
}

/*
 * The same for new 4K leaves in the open window, in as few instructions as can
 * be.  If the window is open, its table is the hint's, and each entry that is
 * empty can be written.  @new is made of what the format has for a leaf, so no bit of it is
 * reserved.  What cannot be done so is left to ktdp_mirror_map(), and so are
 * changes that are traced.
 */
static __always_inline bool ktdp_mirror_is_open(const struct ktdp_mirror *mirror,
						u64 gfn)
{
	lockdep_assert_held(&mirror->lock);
	return likely(mirror->hint_open == gfn >> 9);
}

static __always_inline bool ktdp_mirror_fill(struct ktdp_table *table, u64 gfn,
					     u64 new)
{
	u64 *entry = &table->entries[ktdp_level_index(gfn, KTDP_LEVEL_4K)];

	lockdep_assert_held(&table->mirror->lock);
	if (unlikely(*entry))
		return false;
	__ktdp_mirror_set_entry(table, entry, 1, new);
	return true;
}

static __always_inline bool ktdp_mirror_can_fill(void)
{
	return !trace_kvm_tdp_set_entry_enabled();
}

/* Return: whether there is a leaf at @gfn; see ktdp_walk(). */
static inline bool ktdp_mirror_walk(const struct ktdp_mirror *mirror, u64 gfn,
				    struct ktdp_walk *walk)
{
	return ktdp_walk(&mirror->fmt, mirror->root->entries, gfn, walk);
}

/* The table of @gfn's window, if it was the last one mapped in; or NULL. */
static inline struct ktdp_table *
ktdp_mirror_hint(const struct ktdp_mirror *mirror, u64 gfn)
{
	lockdep_assert_held(&mirror->lock);
	return mirror->hint_window == gfn >> 9 ? mirror->hint : NULL;
}

/*
 * The memslot of @gfn's window has all of it, and does not log, and no page of it
 * is being invalidated.  Good until the next zap or write-protect: the slot does
 * not go, and does not begin to log, without one, and no invalidation of a page
 * of it is begun without one.
 */
static inline void ktdp_mirror_open_window(struct ktdp_mirror *mirror, u64 gfn)
{
	if (ktdp_mirror_hint(mirror, gfn))
		mirror->hint_open = gfn >> 9;
}

/* Return: whether the table grants @access (one bit) at @gfn; lock held. */
static inline bool ktdp_mirror_grants(const struct ktdp_mirror *mirror, u64 gfn,
				      unsigned int access)
{
	const struct ktdp_table *table = ktdp_mirror_hint(mirror, gfn);
	struct ktdp_walk walk;

	if (table)
		return access & ktdp_entry_access(&mirror->fmt,
				table->entries[ktdp_level_index(gfn, 1)]);
	ktdp_mirror_walk(mirror, gfn, &walk);
	return access & walk.access;
}

#endif /* _KTDP_MIRROR_H */
