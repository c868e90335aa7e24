/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Revokers whose ranges overlap: each returns knowing that the importers were told
 * of all that it, or another before it, has cleared in its range.
 *
 * Two pages in two regions; with -DLARGE they are one 2M leaf, in one region, which
 * the importer (an IOTLB) drops when it is told of all of it, and not before.  With
 * -DNFILL=1 a cleared entry may be filled again meanwhile, with another page.
 *
 * What is proven: when a revoker returns, the importer has nothing of what was there
 * in its range when it began.
 *
 * The rules, each of which M_RULE breaks:
 *
 * TELL_FOR_OTHERS	tell although nothing was cleared, if another has yet to tell
 * ANNOUNCE_IN_HOLD	"notifying" rises in the hold of the first clear
 * ANNOUNCE_UNTIL_TOLD	and falls when the importers were told
 * OTHERS_AFTER_HOLDS	it is read after the last hold
 * WHOLE_LEAF		of a leaf cleared in part, all is told
 * ROUND_OUT		so is that of a leaf which another may have cleared
 */

#ifndef NREV
#define NREV	3
#endif
#ifndef NFILL
#define NFILL	0
#endif
#define NCPU	(NREV + 1 + NFILL)

#define IMP		0	/* the importer's lock */
#define NOTIFYING	1
#define REGION		2	/* + entry: lock */
#define LEAF		4	/* + entry */
#define CACHED		6	/* + entry: with the importer */
#define NVARS		8

#define OLD	1
#define NEW	2

#ifdef LARGE
#define ENTRY(g)	0
#else
#define ENTRY(g)	(g)
#endif

inline SEEN(v, x)	{ skip }

#include "mem.pml"

inline tell(from, to)
{
	LOCK(IMP);
#ifdef LARGE
	if :: from == 0 && to == 2 -> STORE(CACHED, 0) :: else fi;
#else
	if :: from == 0 -> STORE(CACHED, 0) :: else fi;
	if :: to == 2 -> STORE(CACHED + 1, 0) :: else fi;
#endif
	UNLOCK(IMP)
}

proctype revoke(byte cpu; byte from; byte to)
{
	byte g, page, others, tell_from, tell_to;
	bool cleared;
	CPU_LOCALS;

	atomic { g = from; tell_from = from; tell_to = to };
#ifdef M_OTHERS_AFTER_HOLDS
	LOAD(NOTIFYING, others);
#endif
	do
	:: g < to ->
		LOCK(REGION + ENTRY(g));
		LOAD(LEAF + ENTRY(g), page);
		if
		:: page ->
			STORE(LEAF + ENTRY(g), 0);
#ifndef M_ANNOUNCE_IN_HOLD
			if
			:: !cleared -> ADD(NOTIFYING, 1)
			:: else
			fi;
#endif
			cleared = true
		:: else
		fi;
		UNLOCK(REGION + ENTRY(g));
		atomic { g++; page = 0 }
	:: else -> break
	od;
#ifdef M_ANNOUNCE_IN_HOLD
	if
	:: cleared -> ADD(NOTIFYING, 1)
	:: else
	fi;
#endif
#ifndef M_OTHERS_AFTER_HOLDS
	LOAD(NOTIFYING, others);
	others = others - cleared;
#endif
#ifdef M_TELL_FOR_OTHERS
	others = 0;
#endif
#ifdef M_ANNOUNCE_UNTIL_TOLD
	if
	:: cleared -> ADD(NOTIFYING, -1)
	:: else
	fi;
#endif
	atomic {
		if
#ifndef M_WHOLE_LEAF
		:: cleared -> tell_from = 0; tell_to = 2
#endif
#ifndef M_ROUND_OUT
		:: others -> tell_from = 0; tell_to = 2
#endif
		:: else
		fi
	};
	if
	:: cleared || others -> tell(tell_from, tell_to)
	:: else
	fi;
#ifndef M_ANNOUNCE_UNTIL_TOLD
	if
	:: cleared -> ADD(NOTIFYING, -1)
	:: else
	fi;
#endif
	atomic {
		DRAINED ->
		assert(!(from == 0 && mem[CACHED + ENTRY(0)] == OLD));
		assert(!(to == 2 && mem[CACHED + ENTRY(1)] == OLD))
	}
}

/* Twice: what was dropped may be cached anew. */
proctype importer(byte cpu)
{
	byte g, page, times;
	CPU_LOCALS;

	do
	:: times < 2 ->
		if :: g = 0 :: g = 1 fi;
		LOCK(IMP);
		LOAD(LEAF + ENTRY(g), page);
		if
		:: page -> STORE(CACHED + ENTRY(g), page)
		:: else
		fi;
		UNLOCK(IMP);
		atomic { times++; g = 0; page = 0 }
	:: else -> break
	od
}

proctype fill(byte cpu)
{
	byte g, page;
	CPU_LOCALS;

	if :: g = 0 :: g = 1 fi;
	LOCK(REGION + ENTRY(g));
	LOAD(LEAF + ENTRY(g), page);
	if
	:: !page -> STORE(LEAF + ENTRY(g), NEW)
	:: else
	fi;
	UNLOCK(REGION + ENTRY(g))
}

init {
	atomic {
		mem[LEAF + ENTRY(0)] = OLD;
		mem[LEAF + ENTRY(1)] = OLD;
		run revoke(0, 0, 2);
		run revoke(1, 0, 1);
#if NREV == 3
		if
		:: run revoke(2, 1, 2)
		:: run revoke(2, 0, 2)
		fi;
#endif
		run importer(NREV);
#if NFILL
		run fill(NREV + 1)
#endif
	}
}
