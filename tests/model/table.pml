/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The locks of regions, and the levels above them.
 *
 * One upper entry leads to a table whose entry r is of region r.  Fills of either region
 * link a table if there is none; of those who revoke, -DBY_WINDOW goes through the
 * windows, each under its lock, and -DAT_ONCE unlinks the table under all locks, tells
 * and frees.  Beside them may be an importer that walks in software (-DWALKER), a
 * reader that has RCU alone (-DREADER), and hardware that knows neither, and caches the
 * upper entry until it is told (-DHARDWARE).
 *
 * What is proven: nobody reads a table that was freed; a leaf is written where a walk finds
 * it; when a start has returned nothing is left of its range, in the table, with the
 * importer, or where the hardware walks.
 *
 * The rules, each of which M_RULE breaks:
 *
 * LINK_BY_CMPXCHG	a table is linked by cmpxchg: the lock held is one of many
 * EMPTY_FOR_ONE	an empty upper entry is believed for the region that is locked,
 *			not for the next
 * UNLINK_ALL_LOCKS	a table is unlinked under the locks of all regions in it
 * UNLINK_CURSORS	and their cursors go with it
 * FREE_AFTER_TELL	it is freed when the importers were told
 * FREE_AFTER_RCU	and after a grace period
 */

#define TABLES	4	/* 1 is there from the start, or not; the others are spare */

/* What the hardware sees. */
byte upper;
byte leaves[TABLES];	/* bit: region */

/* Ours. */
bool region[2];		/* lock */
byte cursor[2];
byte busy;

/* The importers'. */
bool imp;		/* lock */
byte cached;		/* bit: region */
byte walk_cache;	/* of the hardware: upper */

bool rcu_in, rcu_old;	/* one reader; as SRCU in mem.pml */

/* For the checks alone. */
byte spare = 2;
byte freed;		/* bit: table */
byte covered;

inline touch(table)	{ assert(!(freed & (1 << (table)))) }
inline free(table)	{ freed = (freed | (1 << (table))) & ~1 }
inline lock(r)		{ atomic { !region[r] -> region[r] = true } }

proctype fill(byte r)
{
	byte table, new;

	lock(r);
	if
	:: busy -> goto out
	:: else
	fi;
	if
	:: cursor[r] -> table = cursor[r]
	:: else -> table = upper
	fi;
	if
	:: !table ->
		atomic { new = spare; spare++ };
#ifdef M_LINK_BY_CMPXCHG
		upper = new;
		table = new
#else
		atomic {
			if
			:: !upper -> upper = new
			:: else
			fi;
			table = upper
		}
#endif
	:: else
	fi;
	cursor[r] = table;
	atomic {
		touch(table);
		assert(table == upper && !covered);
		leaves[table] = leaves[table] | (1 << r)
	};
out:	region[r] = false
}

inline tell()
{
	atomic { !imp -> imp = true };
	cached = 0;
	atomic { walk_cache = 0; imp = false }
}

inline started()
{
	atomic {
		covered++;
		assert(!cached);
		assert(!upper || !leaves[upper]);
		assert(!walk_cache || !leaves[walk_cache])
	}
}

inline end()
{
	atomic { covered--; busy-- }
}

proctype revoke_by_window()
{
	byte r, table;

	busy++;
	do
	:: r < 2 ->
		lock(r);
		table = upper;
		if
		:: table ->
			atomic {
				touch(table);
				leaves[table] = leaves[table] & ~(1 << r)
			};
			region[r] = false;
			r++
		:: else ->
			region[r] = false;
#ifdef M_EMPTY_FOR_ONE
			r = 2
#else
			r++
#endif
		fi
	:: else -> break
	od;
	tell();
	started();
	end()
}

proctype revoke_at_once()
{
	byte table;

	busy++;
	lock(0);
#ifndef M_UNLINK_ALL_LOCKS
	lock(1);
#endif
	table = upper;
	upper = 0;
#ifndef M_UNLINK_CURSORS
	atomic { cursor[0] = 0; cursor[1] = 0 };
#endif
#ifndef M_UNLINK_ALL_LOCKS
	region[1] = false;
#endif
	region[0] = false;
#ifdef M_FREE_AFTER_TELL
	rcu_old = rcu_in;
	atomic { !rcu_old -> free(table) };
#endif
	tell();
	started();
	end();
#ifndef M_FREE_AFTER_TELL
#ifndef M_FREE_AFTER_RCU
	rcu_old = rcu_in;
#endif
	atomic { !rcu_old -> free(table) }
#endif
}

inline rcu_read_unlock()	{ atomic { rcu_in = false; rcu_old = false } }

proctype walker()
{
	byte r, table;

	if :: r = 0 :: r = 1 fi;
	atomic { !imp -> imp = true };
	rcu_in = true;
	table = upper;
	if
	:: table -> atomic { touch(table); cached = leaves[table] & (1 << r) }
	:: else
	fi;
	rcu_read_unlock();
	imp = false
}

proctype reader()
{
	byte table;

	rcu_in = true;
	table = upper;
	if
	:: table -> touch(table)
	:: else
	fi;
	rcu_read_unlock()
}

/* Caches twice, and walks as it likes; to tell is to wait for a walk, too. */
proctype hardware()
{
	byte times;

	do
	:: times < 2 -> walk_cache = upper; times++
	:: atomic { walk_cache -> touch(walk_cache) }
	:: times == 2 -> break
	od
}

init {
	atomic {
		if
		:: upper = 1;
		   if :: cursor[1] = 1 :: skip fi;
		   if :: leaves[1] = 1 :: skip fi
		:: skip
		fi;
		run fill(0);
		run fill(1);
#ifdef BY_WINDOW
		run revoke_by_window();
#endif
#ifdef AT_ONCE
		run revoke_at_once();
#endif
#ifdef WALKER
		run walker();
#endif
#ifdef READER
		run reader();
#endif
#ifdef HARDWARE
		run hardware()
#endif
	}
}
