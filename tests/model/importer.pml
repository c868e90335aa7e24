/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Importers come and go while a page is revoked.
 *
 * One page, one importer, an IOTLB: a walk, and what it caches, is one step.  It
 * registers, walks, and leaves: by unregistering or, with -DLAST_PUT, by nothing but
 * the last put of its fd, upon which it gets a final invalidate of everything.
 *
 * What is proven: when a revoke returns, the importer does not have the page; when it
 * has been taken off the list, and that returns, no callback runs or will run.
 *
 * The rules, each of which M_RULE breaks:
 *
 * REGISTER_BARRIER	a full barrier is between being on the list and the first walk
 * DELIVERY_BARRIER	and one between the clear and the look at the list
 * DELIVERY_IN_SRCU	the list is gone through in an SRCU read section
 * LEAVE_WAITS		who leaves it waits for those
 * FINAL_WHILE_TOLD	the final invalidate is delivered while the importer is on the
 *			list: until it returns all others have to be delivered, too
 *
 * And those of an importer:
 *
 * DROP_BEFORE_LEAVE	it drops what it has before it unregisters
 * NO_WALK_AFTER_PUT	it does not walk when it has put its fd: the final invalidate
 *			looks like any of everything
 */

#ifndef NREV
#define NREV	1
#endif
#define NCPU	(NREV + 1)

#define REGION	0
#define LEAF	1
#define LISTED	2	/* the importer */
#define CACHED	3	/* with it */
#define NVARS	4

#define PAGE	1

/* For the checks alone. */
bool gone;		/* the importer, and that has returned */

inline SEEN(v, x)	{ skip }

#include "mem.pml"

inline callback()
{
	assert(!gone);
	atomic { DRAINED -> mem[CACHED] = 0 };
	assert(!gone)
}

proctype revoke(byte cpu)
{
	bool page, listed;
	CPU_LOCALS;

	LOCK(REGION);
	LOAD(LEAF, page);
	if
	:: page -> STORE(LEAF, 0)
	:: else
	fi;
	UNLOCK(REGION);
	/* Which others have cleared is told too: telling.pml has when that is needed. */
#ifndef M_DELIVERY_IN_SRCU
	SRCU_ENTER();
#endif
#ifndef M_DELIVERY_BARRIER
	MB();
#endif
	LOAD(LISTED, listed);
	if
	:: listed -> callback()
	:: else
	fi;
#ifndef M_DELIVERY_IN_SRCU
	SRCU_EXIT();
#endif
	atomic {
		DRAINED ->
		assert(!mem[CACHED])
	}
}

inline walk()
{
	atomic {
		if
		:: mem[LEAF] -> mem[CACHED] = PAGE
		:: else
		fi
	}
}

inline leave()
{
	STORE(LISTED, 0);
#ifndef M_LEAVE_WAITS
	SRCU_WAIT();
#endif
}

proctype importer(byte cpu)
{
	CPU_LOCALS;

	STORE(LISTED, 1);
#ifndef M_REGISTER_BARRIER
	MB();
#endif
	walk();
	walk();
#ifdef LAST_PUT
#ifdef M_FINAL_WHILE_TOLD
	leave();
	callback();
	gone = true
#else
	callback();
#ifdef M_NO_WALK_AFTER_PUT
	walk();
#endif
	leave();
	gone = true
#endif
#else
#ifdef M_DROP_BEFORE_LEAVE
	leave();
	gone = true;
	atomic { DRAINED -> mem[CACHED] = 0 }
#else
	atomic { DRAINED -> mem[CACHED] = 0 };
	leave();
	gone = true
#endif
#endif
}

init {
	byte c;

	atomic {
		mem[LEAF] = PAGE;
		do
		:: c < NREV -> run revoke(c); c++
		:: else -> break
		od;
		run importer(c);
		c = 0
	}
}
