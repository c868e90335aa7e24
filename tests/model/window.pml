/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A window, what is mapped of guest memory (src/importers/window.c): one gfn, a reader
 * that faults, a task of the host's that gives the page up, another that takes something
 * beside it, a hook of KVM's, which must not sleep, and the worker.  No reader has an
 * entry of a page that has been given up, unless the window holds it.
 *
 * Rules: COPY a look at the table and the copy in one hold of the lock; VOID what was
 * copied anew is void no more; LAST of overlapping zaps the last removes; ZAPPED what is
 * marked as void is zapped before the zap ends; HOLD invalidate holds what is left.
 */

#ifndef NFAULT
#define NFAULT	3
#endif
#ifndef NFILL
#define NFILL	2
#endif
#ifndef MAYSLEEP
#define MAYSLEEP	true
#endif

/* The host's pages 1 and 2, the one it has there; 0 is none. */
byte current = 1, table = 1, pte;
bool given_up[3];
byte busy, notifying;

/* The note, all of it under the lock. */
byte note;
bool isvoid, held;
byte zaps;			/* a bit for each that runs */
bool queued;
byte running = 4;

#define ALIVE(p)	(!given_up[p] || (held && note == p))
#define CHECK()		assert(!pte || ALIVE(pte))

active proctype reader()
{
	byte n, seen;

	do
	:: n < NFAULT ->
		n++;
#ifdef M_COPY
		seen = table;
#endif
		atomic {
#ifndef M_COPY
			seen = table;
#endif
			if
			:: !pte && seen && (!note || note == seen) && !held ->
				note = seen;
#ifndef M_VOID
				isvoid = false;
#endif
				pte = seen;
				CHECK()
			:: else
			fi;
			seen = 0
		}
	:: n == NFAULT -> break
	od;
	running--
}

/* What filling does, at any time the host is not busy. */
active proctype filler()
{
	byte n;

	do
	:: atomic { n < NFILL && !busy -> n++; table = current }
	:: n == NFILL -> break
	:: busy && n < NFILL -> n++
	od
}

/* The table has the page of the note: that is told of when it goes. */
#define SAME	(table == note)

#ifdef M_LAST
#define IS_LAST	true
#else
#define IS_LAST	(zaps == 0)
#endif

#ifdef M_HOLD
#define HOLDS	false
#else
#define HOLDS	true
#endif

inline unmark()
{
	atomic {
		if
		:: note && isvoid && IS_LAST ->
			note = 0;
			isvoid = false;
			held = false;
			CHECK()
		:: else
		fi
	}
}

inline revoke()
{
	atomic { zaps = zaps | me };
	marked = false;
	atomic {
		if
		:: note && (held || !SAME) -> isvoid = true; marked = true
		:: else
		fi
	}
	if
	:: marked -> pte = 0
#ifdef M_ZAPPED
	/* The try for i_mmap_rwsem comes after the mark, and may fail. */
	:: marked -> marked = false
#endif
	:: !marked
	fi;
	atomic { zaps = zaps & ~me };
	if
	:: marked -> unmark()
	:: !marked
	fi
}

inline invalidate()
{
	atomic {
		if
		:: note && !held && !SAME && HOLDS -> held = true; queued = true
		:: else
		fi
	}
}

/*
 * As ktdp_revoke(): who has nothing to clear tells, too, if others have yet to.  If the
 * range is not @mine, that is because it is rounded out to a large leaf.
 */
inline take(mine, sleeps)
{
	atomic {
		cleared = (mine && table);
		table = (mine -> 0 : table);
		notifying = notifying + cleared
	}
	if
	:: notifying ->
		if
		:: sleeps -> revoke()
		:: true
		fi;
		invalidate();
		atomic { notifying = notifying - cleared }
	:: !notifying
	fi
}

/* Gives the page up. */
active proctype host()
{
	byte me = 1;
	bool cleared, marked;

	busy++;
	take(true, MAYSLEEP);
	atomic {
		given_up[current] = true;
		CHECK();
		current = 3 - current
	}
	busy--;
	running--
}

/* Takes other memory of the same large leaf: fills of this one are free to go on. */
active proctype neighbour()
{
	byte me = 2;
	bool cleared, marked;

	take(false, true);
	running--
}

active proctype hook()
{
	byte me = 4;
	bool cleared, marked;

	take(true, false);
	running--
}

active proctype worker()
{
	byte me = 8;
	bool marked;

end:	do
	:: atomic { queued -> queued = false };
		atomic { zaps = zaps | me };
		marked = false;
		atomic {
			if
			:: note && held -> isvoid = true; marked = true
			:: else
			fi
		}
		if
		:: marked -> pte = 0
		:: !marked
		fi;
		atomic { zaps = zaps & ~me };
		if
		:: marked ->
			unmark();
			/* Left to another zap, which may have ended: again. */
			atomic {
				if
				:: held -> queued = true
				:: else
				fi
			}
		:: !marked
		fi
	od
}

/* Nothing is held for ever. */
active proctype last()
{
	timeout;
	assert(!held && !zaps && !running)
}
