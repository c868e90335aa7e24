/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_TABLE_H
#define _KTDP_TABLE_H

/*
 * The table of one address space: pages of 512 entries, see fmt.h.
 *
 * A window is a naturally aligned 2M of guest memory, which is what an entry at
 * level 2 spans.  Windows with the same number modulo KTDP_REGIONS are a region,
 * which has a lock: under it are all entries of its windows at levels 1 and 2.  An
 * entry above level 2 is linked, from empty to a table, under the lock of any region
 * below it, by cmpxchg; it changes otherwise under the locks of all of them.  So with
 * one lock held, a table that was found can neither go, nor can it turn out that another
 * access is granted above it.
 *
 * An entry that is read without a lock was valid at some instant: pages are freed an
 * RCU grace period after they were unlinked.
 */

#include "fmt.h"
#include "walk.h"

#define KTDP_REGIONS		64

/* Entries that are changed in one hold of a lock, at most. */
#define KTDP_HOLD_ENTRIES	32

#define KTDP_NO_WINDOW		(~0ULL)

struct ktdp_region {
	raw_spinlock_t lock;	/* see the lock order in ../tdp.h */
	u64 *cursor;		/* @lock: a table at level 1; all above it grant write */
	u64 window;		/* @lock: whose that is, or KTDP_NO_WINDOW */
	/* @lock; read without it for statistics */
	u64 leaves[KTDP_MAX_LEAF_LEVEL];	/* set, less those cleared singly */
	u64 cleared;		/* singly */
} ____cacheline_aligned_in_smp;

/*
 * Pages of tables in a row: the first one's address, with its level in the low bits;
 * each has the next in ktdp_page_link().
 */
struct ktdp_chain {
	u64 first;		/* 0: none */
	u64 last;
};

struct ktdp_table {
	struct ktdp_fmt fmt;	/* constant */
	u64 *root;		/* constant */
	atomic_t notifying;	/* revokes whose importers may not know of it yet */
	int leaf_level;		/* of the largest leaf there ever was; locks of the leaf */
	atomic_long_t nr_linked;	/* pages ever linked below the root */

	raw_spinlock_t all;	/* taken before the locks of all regions */
	struct ktdp_region regions[KTDP_REGIONS];

	raw_spinlock_t pool_lock;	/* innermost */
	u64 pool;		/* @pool_lock: zeroed pages in reserve, as a chain */
	unsigned int nr_pool;	/* @pool_lock, read without it as a hint */
};

/* Outcomes of writing a leaf, and of the look at its source before that. */
enum ktdp_fill {
	/* by the table */
	KTDP_FILL_DONE,
	KTDP_FILL_PRESENT,	/* there was one that grants the access */
	KTDP_FILL_NO_TABLE,	/* none in reserve */
	KTDP_FILL_IN_THE_WAY,	/* a leaf, or a table, that has to go first */
	KTDP_FILL_READ_ONLY_ABOVE,	/* ktdp_table_grant() first, or map it read-only */
	/* by its callers */
	KTDP_FILL_BUSY,		/* the host, or KVM, is changing it */
	KTDP_FILL_NO_SLOT,
	KTDP_FILL_NOT_RAM,	/* nothing that importers may reach */
	KTDP_FILL_ABSENT,	/* the host does not have it, or not with that access */
	KTDP_FILL_FAILED,	/* for good, with an error */
	KTDP_FILL_NR
};

/* A revoke, and what it has changed up to now. */
struct ktdp_revoke {
	bool write_only;	/* takes write access, not the leaf */
	u64 start;		/* gfns, half open; nothing changed if !end */
	u64 end;
	struct ktdp_chain detached;	/* to be freed after the importers were told */
};

void ktdp_table_init(struct ktdp_table *table);
enum ktdp_fill ktdp_table_map(struct ktdp_table *table, u64 gfn, int level,
			      u64 pfn, bool writable);
enum ktdp_fill ktdp_table_window(struct ktdp_table *table, u64 gfn, u64 pfn,
				 bool writable, u64 **entries);
enum ktdp_fill ktdp_table_raise(struct ktdp_table *table, u64 *entryp, u64 gfn,
				int level, u64 new);
void ktdp_table_grant(struct ktdp_table *table, u64 gfn, int level);
bool ktdp_table_revoke(struct ktdp_table *table, u64 start, u64 end,
		       struct ktdp_revoke *revoke);
void ktdp_table_lock_all(struct ktdp_table *table) __acquires(&table->all);
void ktdp_table_unlock_all(struct ktdp_table *table) __releases(&table->all);

/* Pages that one map may take from the reserve. */
static inline unsigned int ktdp_table_need(const struct ktdp_table *table)
{
	return table->fmt.level - 1;
}

void ktdp_table_pool_put(struct ktdp_table *table, u64 *page);
u64 *ktdp_table_pool_get(struct ktdp_table *table);

void ktdp_chain_add(struct ktdp_chain *chain, u64 hpa, int level);
void ktdp_chain_splice(struct ktdp_chain *chain, struct ktdp_chain *from);
u64 *ktdp_chain_pop(struct ktdp_chain *chain);
void ktdp_chain_flatten(const struct ktdp_fmt *fmt, struct ktdp_chain *chain,
			u64 *leaves);

static inline struct ktdp_region *ktdp_table_region(struct ktdp_table *table,
						    u64 gfn)
{
	return &table->regions[(gfn >> 9) % KTDP_REGIONS];
}

/* Take the lock, or locks, that guard @gfn's entry at @level. */
static __always_inline void ktdp_table_lock(struct ktdp_table *table, u64 gfn,
					    int level)
	__acquires(&table->all)
{
	if (level > KTDP_LEVEL_2M)
		ktdp_table_lock_all(table);
	else
		raw_spin_lock(&ktdp_table_region(table, gfn)->lock);
}

static __always_inline void ktdp_table_unlock(struct ktdp_table *table, u64 gfn,
					      int level)
	__releases(&table->all)
{
	if (level > KTDP_LEVEL_2M)
		ktdp_table_unlock_all(table);
	else
		raw_spin_unlock(&ktdp_table_region(table, gfn)->lock);
}

static inline void ktdp_table_assert_locked(struct ktdp_table *table, u64 gfn,
					    int level)
{
	lockdep_assert_held(&ktdp_table_region(table, gfn)->lock);
	if (level > KTDP_LEVEL_2M)
		lockdep_assert_held(&table->all);
}

/* Return: whether there is a leaf at @gfn; see ktdp_walk(). */
static inline bool ktdp_table_walk(const struct ktdp_table *table, u64 gfn,
				   struct ktdp_walk *walk)
{
	return ktdp_walk(&table->fmt, table->root, gfn, walk);
}

static inline bool ktdp_entry_change_ok(const struct ktdp_fmt *fmt, u64 old,
					u64 new, int level)
{
	return ktdp_entry_kind(old, level) == ktdp_entry_kind(new, level) &&
	       ktdp_entry_hpa(fmt, old) == ktdp_entry_hpa(fmt, new);
}

/*
 * The one function that changes an entry: that of @gfn at @level, from @old, which the
 * caller has just read.  What must never be is refused, and leaves the entry as it was.
 * Inline, so that the loop over 4K leaves is a short one.
 *
 * Return: whether it was done.  Without a WARN it is not if another region's was
 * faster to link a table.
 */
static __always_inline bool ktdp_table_set(struct ktdp_table *table, u64 *entryp,
					   u64 gfn, int level, u64 old, u64 new)
{
	bool links = !old && level > KTDP_LEVEL_2M &&
		     ktdp_entry_is_table(new, level);

	ktdp_table_assert_locked(table, gfn, links ? KTDP_LEVEL_2M : level);
	if (WARN_ON_ONCE(!ktdp_fmt_reaches(&table->fmt, gfn)) ||
	    WARN_ON_ONCE(ktdp_entry_is_rsvd(&table->fmt, new, level)) ||
	    (old && new &&
	     WARN_ON_ONCE(!ktdp_entry_change_ok(&table->fmt, old, new, level))))
		return false;

	trace_kvm_tdp_set_entry(table, gfn, level, old, new);
	if (links)
		return !cmpxchg(entryp, 0, new);
	/* Release: the content of a table, or page, is visible before the link to it. */
	smp_store_release(entryp, new);
	return true;
}

/**
 * ktdp_table_set_page() - write one 4K leaf, or raise its access
 * @table: the table
 * @entries: of the window, as ktdp_table_window() gave them in this hold
 * @gfn: guest frame in that window
 * @pfn: host frame
 * @writable: grant write access; only if that was asked of ktdp_table_window()
 *
 * Context: the region's lock held.
 * Return: as ktdp_table_map().
 */
static __always_inline enum ktdp_fill
ktdp_table_set_page(struct ktdp_table *table, u64 *entries, u64 gfn, u64 pfn,
		    bool writable)
{
	u64 new = ktdp_make_leaf(&table->fmt, KTDP_LEVEL_4K, pfn, writable);
	u64 *entryp = &entries[ktdp_level_index(gfn, KTDP_LEVEL_4K)];

	if (unlikely(*entryp))
		return ktdp_table_raise(table, entryp, gfn, KTDP_LEVEL_4K, new);
	if (!ktdp_table_set(table, entryp, gfn, KTDP_LEVEL_4K, 0, new))
		return KTDP_FILL_NOT_RAM;
	ktdp_table_region(table, gfn)->leaves[0]++;
	return KTDP_FILL_DONE;
}

#endif /* _KTDP_TABLE_H */
