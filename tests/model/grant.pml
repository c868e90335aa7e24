/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Write access is taken from a range at once, by clearing W in the highest entries
 * that the range covers, and given back a leaf at a time.
 *
 * An upper entry, two below it, and two leaves below each of those.  Who fills for
 * write and finds an entry above without W drops the lock, grants, and starts over.
 * To grant, W is taken from the children of the entry, some (here: one) in each hold,
 * and given to the entry in a hold that finds it in none of them: no leaf below gets
 * write access by that, and none had any.  What excludes others is here one lock, so
 * that a hold is a step: those of regions are the matter of table.pml.
 *
 * What is proven, after each hold: a leaf has write access, which is W in it and in
 * all above, if and only if a fill has given it and nobody has taken it since.
 *
 * The rules, each of which M_RULE breaks:
 *
 * UPPER_LAST		the entry gets W when the last child has lost it
 * GRANT_RECHECKS	each hold looks at the entry again, and stops if it is gone or
 *			has W by now: who got W below that keeps it
 * GRANT_LOOKS_AT_ALL	a hold goes on where the last one stopped, but that in which the
 *			entry gets W looks at all children.  Another may have granted since
 *			the first one, so that one of the first children has W again, and W
 *			been taken from the entry once more: it looks as it did before
 */

#ifndef NFILL
#define NFILL	2
#endif
#ifndef NPROTECT
#define NPROTECT	1
#endif
#ifndef NZAP
#define NZAP	0
#endif
#ifndef NREAD
#define NREAD	0
#endif
#define TRIES	3

#define R	1
#define RW	2

/* Entries: 0 or R or RW.  0: the upper one, 1 and 2: below it, 3 to 6: leaves. */
byte entry[7];
#define PARENT(e)	((e) > 0 -> ((e) - 1) / 2 : 0)
#define CHILD(e, i)	(2 * (e) + 1 + (i))
#define LEAF		3

/* For the check alone. */
bool given[7];

#define CAN_WRITE(e)	\
	(entry[e] == RW && entry[PARENT(e)] == RW && entry[0] == RW)

/* At the end of each hold. */
inline check()
{
	assert(CAN_WRITE(3) == given[3] && CAN_WRITE(4) == given[4]);
	assert(CAN_WRITE(5) == given[5] && CAN_WRITE(6) == given[6])
}

/* A new table is empty: its entry has W. */
inline link(leaf)
{
	if
	:: !entry[0] -> entry[0] = RW
	:: else
	fi;
	if
	:: !entry[PARENT(leaf)] -> entry[PARENT(leaf)] = RW
	:: else
	fi
}

#define HAS_W(e, i)	(entry[CHILD(e, i)] == RW)

/* Give W to an entry above leaves. */
inline grant(e)
{
	do
	:: atomic {
		if
#ifndef M_GRANT_RECHECKS
		:: entry[e] != R -> break
#endif
		:: else
		fi;
#ifdef M_UPPER_LAST
		entry[e] = RW;
#endif
		if
#ifdef M_GRANT_LOOKS_AT_ALL
		:: i < 2 ->
			if
			:: HAS_W(e, i) -> entry[CHILD(e, i)] = R
			:: else
			fi;
			i++
#else
		:: !i && HAS_W(e, 0) -> entry[CHILD(e, 0)] = R; i = 1
		:: (i || !HAS_W(e, 0)) && HAS_W(e, 1) -> entry[CHILD(e, 1)] = R; i = 0
		:: i && !HAS_W(e, 1) -> i = 0
#endif
		:: else ->
			assert(entry[e]);
			entry[e] = RW
		fi;
		check();
		if
		:: entry[e] == RW -> break
		:: else
		fi
	   }
	od;
	i = 0
}

proctype fill_for_write()
{
	byte leaf, tries, i, above;

#if NFILL < 3
	if :: leaf = 3 :: leaf = 4 :: leaf = 5 fi;
#else
	if :: leaf = 3 :: leaf = 4 fi;
#endif
	do
	:: tries < TRIES ->
		atomic {
			link(leaf);
			if
			:: entry[0] != RW -> above = 0
			:: else -> above = PARENT(leaf)
			fi;
			if
			:: entry[above] == RW ->
				entry[leaf] = RW;
				given[leaf] = true;
				check();
				break
			:: else -> check()
			fi
		};
		tries++;
		grant(above)
	:: else -> break
	od
}

proctype fill_for_read()
{
	byte leaf;

	if :: leaf = 3 :: leaf = 6 fi;
	atomic {
		link(leaf);
		if
		:: !entry[leaf] -> entry[leaf] = R
		:: else
		fi;
		check()
	}
}

inline not_given(e)
{
	if
	:: e == 0 || e == 1 || e == 3 -> given[3] = false
	:: else
	fi;
	if
	:: e == 0 || e == 1 || e == 4 -> given[4] = false
	:: else
	fi;
	if
	:: e == 0 || e == 2 || e == 5 -> given[5] = false
	:: else
	fi;
	if
	:: e == 0 || e == 2 -> given[6] = false
	:: else
	fi
}

/* A range whose highest entry is any of these. */
inline choose()
{
	if :: e = 0 :: e = 1 :: e = 3 fi
}

proctype write_protect()
{
	byte e;

	choose();
	atomic {
		if
#ifdef STOPS_AT_R
		:: entry[e] == RW && entry[PARENT(e)] == RW && entry[0] == RW ->
#else
		:: entry[e] == RW ->
#endif
			entry[e] = R
		:: else
		fi;
		not_given(e);
		check();
		e = 0
	}
}

proctype zap()
{
	byte e, i;

	choose();
	atomic {
		entry[e] = 0;
		if
		:: e == 0 ->
			for (i : 1 .. 6) {
				entry[i] = 0
			}
		:: e == 1 ->
			entry[3] = 0;
			entry[4] = 0
		:: else
		fi;
		not_given(e);
		check();
		e = 0;
		i = 0
	}
}

init {
	byte c;

	atomic {
		/* What was there, W and all, when W was taken from the top. */
		entry[0] = R;
		entry[1] = RW;
		entry[2] = RW;
		if :: entry[3] = RW :: entry[3] = R fi;
		if :: entry[4] = RW :: skip fi;
		for (c : 1 .. NFILL) {
			run fill_for_write()
		}
#if NPROTECT
		for (c : 1 .. NPROTECT) {
			run write_protect()
		}
#endif
#if NZAP
		run zap();
#endif
#if NREAD
		run fill_for_read();
#endif
		c = 0
	}
}
