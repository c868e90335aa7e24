/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Leaves of 1G, which are of many regions and behind many windows of hva.
 *
 * One upper entry, two windows w under it, each a region and an hva window.  The entry is
 * empty, or leads to a table with a small leaf for each window, or is a leaf itself.  The
 * host has both windows' pages in one large one, or apart.  It takes back one window, of
 * the large page, too, or both, which count in the small counters or in the large.
 * What turns out to need the locks of all regions lets go of the one it has, and
 * starts over.  A batch of pages that is behind two windows of hva is as a large leaf
 * here; one of 2M is behind one.  Barriers are the matter of fill.pml.
 *
 * What is proven: as in fill.pml; and no leaf is lost below an entry that leads
 * elsewhere.
 *
 * The rules, each of which M_RULE breaks:
 *
 * LEAF_ALL_LOCKS	a leaf is written under the locks of all regions in it
 * CHECK_WHOLE_LEAF	the counters of all its windows are looked at
 * CHECK_BOTH_SIZES	and those of both sizes: a range counts in one of them
 * CHECK_BEFORE_WALK	before the walk.  It is the walk that tells how large the leaf
 *			may be: when more had to be looked at, it is done again
 * AGAIN_BUSY		with other locks the counters are looked at again
 * AGAIN_HOST		the host's entry
 * AGAIN_SLOT		the slot, if the SRCU section was left
 * AGAIN_TABLE		and what stands in the table, by who fills
 * AGAIN_REVOKE		and by who revokes
 */

#ifndef NINV
#define NINV	1
#endif
#ifndef NFILL
#define NFILL	1
#endif
#ifndef NSLOT
#define NSLOT	0
#endif
#define NCPU	(NINV + NFILL + NSLOT)

#define NVARS	2	/* locks of regions */

inline SEEN(v, x)	{ skip }

#include "mem.pml"

#define NONE	0
#define VALID	1
#define INVALID	2	/* KVM_MEMSLOT_INVALID */

/* Ours. */
#define EMPTY	0
#define TABLE	1
#define LARGE	2
byte upper;
byte leaf[2];		/* in the table */
byte large[2];		/* what a large leaf maps in each window */
byte busy[2], busy_large;
byte slot = VALID;

/* The host's. */
byte host[2];
bool together;		/* the pages are one */

/* For the checks alone. */
byte covered[2];
byte freed;		/* bit: page */
bool deleted;
byte fresh = 3;

#define MAY_HAVE(w, page) \
	(!(page) || (!covered[w] && !(freed & (1 << (page))) && !deleted))

inline check()
{
	assert(upper != LARGE || (MAY_HAVE(0, large[0]) && MAY_HAVE(1, large[1])));
	assert(upper != TABLE || (MAY_HAVE(0, leaf[0]) && MAY_HAVE(1, leaf[1])));
	assert(upper == TABLE || (!leaf[0] && !leaf[1]))
}

inline lock_all()	{ LOCK(0); LOCK(1) }
inline unlock_all()	{ UNLOCK(1); UNLOCK(0) }

/* Under all locks.  A table that goes is told of and freed: telling.pml, table.pml. */
inline clear_all()
{
	atomic {
		upper = EMPTY;
		leaf[0] = 0;
		leaf[1] = 0;
		large[0] = 0;
		large[1] = 0
	}
}

inline revoke_window(w)
{
	LOCK(w);
	seen = upper;
	if
	:: seen == TABLE -> leaf[w] = 0
	:: else
	fi;
	UNLOCK(w);
	if
	:: seen == LARGE ->
		lock_all();
#ifndef M_AGAIN_REVOKE
		seen = upper;
#endif
		if
		:: seen == LARGE -> atomic { upper = EMPTY; large[0] = 0; large[1] = 0; check() }
		:: seen == TABLE -> leaf[w] = 0
		:: else
		fi;
		unlock_all()
	:: else
	fi;
	seen = 0
}

inline revoke_all()
{
	lock_all();
	clear_all();
	unlock_all()
}

#define ONE(w)		(w)
#define BOTH		2
#define BOTH_LARGE	3

inline count(n)
{
	if
	:: range == BOTH_LARGE -> busy_large = busy_large + n
	:: range == BOTH ->
		busy[0] = busy[0] + n;
		busy[1] = busy[1] + n
	:: else -> busy[range] = busy[range] + n
	fi
}

inline cover(n)
{
	atomic {
		if
		:: range != ONE(1) -> covered[0] = covered[0] + n
		:: else
		fi;
		if
		:: range != ONE(0) -> covered[1] = covered[1] + n
		:: else
		fi;
		check()
	}
}

inline take(w)
{
	freed = (freed | (1 << host[w])) & ~1;
	if
	:: host[w] = 0
	:: fresh < 7 -> host[w] = fresh; fresh++
	fi
}

proctype invalidation(byte cpu)
{
	byte range, seen, have;

	if :: range = ONE(0) :: range = ONE(1) :: range = BOTH :: range = BOTH_LARGE fi;
	count(1);
	SRCU_ENTER();
	have = slot;
	if
	:: have && range == ONE(0) -> revoke_window(0)
	:: have && range == ONE(1) -> revoke_window(1)
	:: have && range >= BOTH -> revoke_all()
	:: have && range == BOTH -> revoke_window(0); revoke_window(1)
	:: else
	fi;
	atomic { SRCU_EXIT(); have = 0 };
	cover(1);
	/* A part goes: what was together is not. */
	atomic {
		together = false;
		if
		:: range != ONE(1) -> take(0)
		:: else
		fi;
		if
		:: range != ONE(0) -> take(1)
		:: else
		fi;
		if
		:: range >= BOTH && host[0] && host[1] -> together = true
		:: true
		fi;
		check()
	};
	cover(-1);
	count(-1)
}

#define BUSY_SMALL(w)	(busy[w])
#ifdef M_CHECK_BOTH_SIZES
#define BUSY_LARGE	false
#else
#define BUSY_LARGE	busy_large
#endif
#ifdef M_CHECK_WHOLE_LEAF
#define BUSY_WHOLE	(BUSY_SMALL(w) || BUSY_LARGE)
#else
#define BUSY_WHOLE	(BUSY_SMALL(0) || BUSY_SMALL(1) || BUSY_LARGE)
#endif

/* Eager fill finds smaller pages than the host has. */
inline walk()
{
	atomic {
		page[0] = host[0];
		page[1] = host[1];
		if
		:: whole = together
		:: together -> whole = false
		fi
	}
}

/* Under the lock of w. */
inline write_small()
{
	atomic {
		if
		:: upper == EMPTY -> upper = TABLE		/* cmpxchg */
		:: else
		fi
	};
	atomic {
		if
		:: upper == TABLE -> leaf[w] = page[w]
		:: else -> assert(large[w] == page[w])
		fi;
		check()
	}
}

/* Under all locks. */
inline write_large()
{
	if
	:: seen == TABLE -> clear_all()
	:: else
	fi;
	atomic {
		upper = LARGE;
		large[0] = page[0];
		large[1] = page[1];
		check()
	}
}

proctype fill(byte cpu)
{
	byte w, page[2], seen, have;
	bool whole, stop;

	if :: w = 0 :: w = 1 fi;
	SRCU_ENTER();
	have = slot;
	if
	:: have != VALID -> goto out
	:: else
	fi;
	LOCK(w);
	stop = BUSY_SMALL(w) || BUSY_LARGE;
	if
	:: stop -> UNLOCK(w); goto out
	:: else
	fi;
	walk();
	seen = upper;
	if
	:: whole && seen != LARGE
	:: !whole && page[w] -> write_small(); UNLOCK(w); goto out
	:: else -> UNLOCK(w); goto out
	fi;

	/* It may be large. */
#ifdef M_LEAF_ALL_LOCKS
	if
	:: BUSY_WHOLE -> UNLOCK(w); goto out
	:: else
	fi;
	walk();
	if
	:: whole -> seen = upper; write_large()
	:: else
	fi;
	UNLOCK(w);
	goto out;
#endif
#ifdef M_AGAIN_BUSY
	stop = BUSY_WHOLE;
#endif
	UNLOCK(w);
	SRCU_EXIT();
	SRCU_ENTER();
#ifndef M_AGAIN_SLOT
	have = slot;
#endif
	if
	:: have != VALID -> goto out
	:: else
	fi;
	lock_all();
#ifdef M_CHECK_BEFORE_WALK
	stop = BUSY_SMALL(w) || BUSY_LARGE;
	walk();
	stop = stop || BUSY_WHOLE;
#else
#ifndef M_AGAIN_BUSY
	stop = BUSY_WHOLE;
#endif
#ifndef M_AGAIN_HOST
	walk();
#endif
#endif
#ifndef M_AGAIN_TABLE
	seen = upper;
#endif
	if
	:: stop
	:: !stop && whole && seen != LARGE -> write_large()
	:: !stop && !whole && page[w] -> write_small()
	:: else
	fi;
	unlock_all();
out:	SRCU_EXIT()
}

proctype set_slot(byte cpu)
{
	slot = INVALID;
	SRCU_WAIT();
	revoke_all();
	slot = NONE;
	SRCU_WAIT();
	atomic { deleted = true; check() }
}

init {
	byte c;

	atomic {
		host[0] = 1;
		host[1] = 2;
		together = true;
		if
		:: skip
		:: upper = TABLE; leaf[0] = 1
		:: upper = LARGE; large[0] = 1; large[1] = 2
		fi;
		do
		:: c < NINV -> run invalidation(c); c++
		:: else -> break
		od;
		do
		:: c < NINV + NFILL -> run fill(c); c++
		:: else -> break
		od;
#if NSLOT
		run set_slot(c);
#endif
		c = 0
	}
}
