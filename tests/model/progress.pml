/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fill gets its turn although the host invalidates something else all the time.
 *
 * Two windows of hva.  One invalidation covers both, once; two more cover the second
 * again and again, each for a finite time, overlapping as they like.  The fill is of the
 * first.  All CPUs are given time (weak fairness).
 *
 * The rule, which M_RULE breaks:
 *
 * COUNT_BY_WINDOW	each window has a counter.  The hull of all that is invalidated,
 *			reset when nothing is, would never be reset
 */

byte busy[2];
byte in_progress, hull_start, hull_end;
bool filled;

inline start(from)
{
	atomic {
		if
		:: from == 0 -> busy[0]++
		:: else
		fi;
		busy[1]++;
		if
		:: in_progress == 0 || from < hull_start -> hull_start = from
		:: else
		fi;
		in_progress++
	}
}

inline end(from)
{
	atomic {
		if
		:: from == 0 -> busy[0]--
		:: else
		fi;
		busy[1]--;
		in_progress--
	}
}

#ifdef M_COUNT_BY_WINDOW
#define IS_BUSY	(in_progress && hull_start == 0)
#else
#define IS_BUSY	(busy[0])
#endif

active proctype of_both()
{
	start(0);
	end(0)
}

active [2] proctype of_the_other()
{
	do
	:: start(1); end(1)
	od
}

active proctype fill()
{
	do
	:: IS_BUSY
	:: else -> break
	od;
	filled = true
}

ltl gets_there { <> filled }
