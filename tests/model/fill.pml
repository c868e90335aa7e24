/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fill and revoke, against the host, memslots and an importer.
 *
 * Two pages, g = 0 and 1, each behind an hva window and in a region of its own.
 * Slot 0 is there, and may be deleted meanwhile; slot 1 may be added.
 *
 * What is proven: between the return of start and end nothing of the range is in
 * the table or with the importer; nor is a page of the host that was freed, nor
 * anything of a slot when the ioctl that deletes it returns.
 *
 * The rules, each of which M_RULE breaks:
 *
 * CHECK_UNDER_LOCK	fill looks at the counters in the hold that writes the leaf
 * WALK_AFTER_CHECK	and reads the host's entry after that
 * REVOKE_LOCKS		revoke clears under the region's lock
 * REVOKE_LOCKS_EMPTY	and takes it even if the region looks empty: a fill may
 *			have passed its check
 * COUNT_BEFORE_SLOTS	start looks the slots up when it is counted
 * BARRIER		and a full barrier is between the two
 * INVALID_SLOTS_TOO	and revokes those that KVM has marked invalid, too: fills that
 *			saw them valid may still run
 * SLOT_BEFORE_CHECK	fill looks up the slot before it looks at the counters
 * WAIT_FOR_FILLS	KVM waits for SRCU between taking the slot away and the hook
 * HOOK_CLEARS		the hook clears and tells before it returns: later no
 *			start finds the slot
 * END_LAST		end comes when the host is done
 */

#ifndef NINV
#define NINV	1
#endif
#ifndef NFILL
#define NFILL	1
#endif
#ifndef NIMP
#define NIMP	0
#endif
#ifndef NSLOT
#define NSLOT	0
#endif
#define NCPU	(NINV + NFILL + NIMP + NSLOT)

#define REGION	0	/* + g: lock */
#define LEAF	2	/* + g: page of the host, or 0 */
#define CACHED	4	/* + g: the importer's translation */
#define HOST	6	/* + g: the host's entry */
#define SLOT	8	/* + g */
#define IMP	10	/* the importer's lock */
#define BUSY	11	/* + 2 * cpu + g */
#define NVARS	(11 + 2 * NINV)

#define NONE	0
#define VALID	1
#define INVALID	2	/* KVM_MEMSLOT_INVALID */

/* For the checks alone. */
byte covered[2];	/* by so many invalidations, whose start has returned */
byte freed;		/* bit: page */
bool deleted;		/* slot 0, and the ioctl has returned */
byte fresh = 3;		/* the host's next page */

#define MAY_HAVE(g, page) \
	(!(page) || (!covered[g] && !(freed & (1 << (page))) && !(deleted && (g) == 0)))

inline SEEN(v, x)
{
	assert(!(v >= LEAF && v < CACHED + 2) || MAY_HAVE((v - LEAF) % 2, x))
}

#include "mem.pml"

/*
 * Counters are taken apart: each start has a flag for each window, the sum is the
 * counter.  A flag is a plain store, so a counter may be weaker than x86's.
 */
#if NINV == 1
#define IS_BUSY(g)	(mem[BUSY + g])
#else
#define IS_BUSY(g)	(mem[BUSY + g] || mem[BUSY + 2 + g])
#endif

inline tell(from, to)
{
#if NIMP
	LOCK(IMP);
	if :: from == 0 -> STORE(CACHED, 0) :: else fi;
	if :: to == 2 -> STORE(CACHED + 1, 0) :: else fi;
	UNLOCK(IMP)
#else
	skip
#endif
}

inline clear(g)
{
#ifndef M_REVOKE_LOCKS
	LOCK(REGION + g);
#endif
	LOAD(LEAF + g, page);
	if
	:: page -> STORE(LEAF + g, 0)
	:: else
	fi;
#ifndef M_REVOKE_LOCKS
	UNLOCK(REGION + g);
#endif
	page = 0
}

inline revoke(from, to)
{
	g = from;
	do
	:: g < to ->
#ifdef M_REVOKE_LOCKS_EMPTY
		LOAD(LEAF + g, page);
		if
		:: page -> clear(g)
		:: else
		fi;
#else
		clear(g);
#endif
		g++
	:: else -> break
	od;
	tell(from, to);
	g = 0
}

inline count(n)
{
	if :: from == 0 -> STORE(BUSY + 2 * cpu, n) :: else fi;
	if :: to == 2 -> STORE(BUSY + 2 * cpu + 1, n) :: else fi
}

inline look_up_slots()
{
	SRCU_ENTER();
	LOAD(SLOT, slot[0]);
	LOAD(SLOT + 1, slot[1]);
#ifdef M_INVALID_SLOTS_TOO
	atomic {
		slot[0] = slot[0] % INVALID;
		slot[1] = slot[1] % INVALID
	}
#endif
}

/* The host takes a page away, or puts another in its place; then it is free. */
inline change_host()
{
	g = from;
	do
	:: g < to ->
		atomic {
			DRAINED ->
			page = mem[HOST + g];
			if
			:: mem[HOST + g] = 0
			:: fresh < 7 -> mem[HOST + g] = fresh; fresh++
			fi
		};
		atomic {
			freed = freed | (1 << page);
			freed = freed & ~1;
			assert(MAY_HAVE(g, mem[LEAF + g]) && MAY_HAVE(g, mem[CACHED + g]));
			page = 0;
			g++
		}
	:: else -> break
	od;
	g = 0
}

inline cover(n)
{
	atomic {
		DRAINED ->
		if :: from == 0 -> covered[0] = covered[0] + n :: else fi;
		if :: to == 2 -> covered[1] = covered[1] + n :: else fi;
		assert(MAY_HAVE(0, mem[LEAF]) && MAY_HAVE(0, mem[CACHED]));
		assert(MAY_HAVE(1, mem[LEAF + 1]) && MAY_HAVE(1, mem[CACHED + 1]))
	}
}

proctype invalidation(byte cpu)
{
	byte from, to, g, page, slot[2];
	CPU_LOCALS;

	atomic { if :: from = 0; to = 1 :: from = 1; to = 2 :: from = 0; to = 2 fi };
#ifdef M_COUNT_BEFORE_SLOTS
	look_up_slots();
	count(1);
#else
	count(1);
#ifndef M_BARRIER
	MB();
#endif
	look_up_slots();
#endif
	if
	:: from == 0 && slot[0] && to == 2 && slot[1] -> revoke(0, 2)
	:: from == 0 && slot[0] && !(to == 2 && slot[1]) -> revoke(0, 1)
	:: !(from == 0 && slot[0]) && to == 2 && slot[1] -> revoke(1, 2)
	:: else
	fi;
	atomic { SRCU_EXIT(); slot[0] = 0; slot[1] = 0 };
	cover(1);
#ifdef M_END_LAST
	cover(-1);
	count(0);
	change_host()
#else
	change_host();
	cover(-1);
	count(0)
#endif
}

proctype fill(byte cpu)
{
	byte g, slot, page;
	bool busy, faulted_in;
	CPU_LOCALS;

	if :: g = 0 :: g = 1 fi;
again:
	SRCU_ENTER();
#ifdef M_SLOT_BEFORE_CHECK
	LOCK(REGION + g);
	busy = IS_BUSY(g);
	LOAD(SLOT + g, slot);
	if
	:: slot != VALID -> UNLOCK(REGION + g); goto out
	:: else
	fi;
#else
	LOAD(SLOT + g, slot);
	if
	:: slot != VALID -> goto out
	:: else
	fi;
#ifdef M_CHECK_UNDER_LOCK
	busy = IS_BUSY(g);
	LOCK(REGION + g);
#else
	LOCK(REGION + g);
#ifdef M_WALK_AFTER_CHECK
	LOAD(HOST + g, page);
#endif
	busy = IS_BUSY(g);
#endif
#endif
	if
	:: busy
	:: else ->
#ifndef M_WALK_AFTER_CHECK
		LOAD(HOST + g, page);
#endif
		if
		:: page -> STORE(LEAF + g, page)
		:: else
		fi
	fi;
	UNLOCK(REGION + g);
	SRCU_EXIT();
	/* What is missing is faulted in, which no notifier tells; then once more. */
	if
	:: !busy && !page && !faulted_in ->
		atomic {
			DRAINED ->
			faulted_in = true;
			slot = 0;
			if
			:: !mem[HOST + g] && fresh < 7 -> mem[HOST + g] = fresh; fresh++
			:: else
			fi
		};
		goto again
	:: else -> goto done
	fi;
out:	SRCU_EXIT();
done:	skip
}

/* Walks and caches under a lock of its own, which its callback takes, too. */
proctype importer(byte cpu)
{
	byte g, page;
	CPU_LOCALS;

	if :: g = 0 :: g = 1 fi;
	LOCK(IMP);
	LOAD(LEAF + g, page);
	if
	:: page -> STORE(CACHED + g, page)
	:: else
	fi;
	UNLOCK(IMP)
}

/* KVM_SET_USER_MEMORY_REGION */
proctype set_slot(byte cpu)
{
	byte g, page;
	CPU_LOCALS;

	if
	:: STORE(SLOT + 1, VALID)
	:: STORE(SLOT, INVALID);
#ifndef M_WAIT_FOR_FILLS
	   SRCU_WAIT();
#endif
#ifdef M_HOOK_CLEARS
	   STORE(SLOT, NONE);
	   MB();
	   revoke(0, 1);
#else
	   revoke(0, 1);
	   STORE(SLOT, NONE);
	   SRCU_WAIT();
#endif
	   atomic {
		DRAINED ->
		deleted = true;
		assert(MAY_HAVE(0, mem[LEAF]) && MAY_HAVE(0, mem[CACHED]))
	   }
	fi
}

init {
	byte c;

	atomic {
		mem[HOST] = 1;
		mem[HOST + 1] = 2;
		mem[SLOT] = VALID;
		mem[SLOT + 1] = (NSLOT -> NONE : VALID);
		do
		:: c < NINV -> run invalidation(c); c++
		:: else -> break
		od;
		do
		:: c < NINV + NFILL -> run fill(c); c++
		:: else -> break
		od;
#if NIMP
		run importer(c);
		c++;
#endif
#if NSLOT
		run set_slot(c);
#endif
		c = 0
	}
}
