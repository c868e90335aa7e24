/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's page tables under a fill that reads them without a lock of the host's.
 *
 * An upper entry for hva 0, in the slot, and for hva 1, in none; one table with one
 * entry.  EVENT is what the host does: MUNMAP; MREMAP, which moves the table, and then
 * unmaps the new place, of which no slot hears; EXIT, which begins with the notifier's
 * release.  The host frees a table when the CPUs that have its mm loaded have answered
 * an interrupt, or with -DRCU after a grace period.  The fill runs on such a CPU, or with
 * -DFOREIGN on another; with -DMMAP_LOCK it holds mmap_lock for read and has found the
 * VMA, which is how a foreign one may read tables that are freed without RCU.
 *
 * What is proven: no entry is read in a table that was freed, and no page is mapped
 * between start and end, or when it was freed.
 *
 * The rules, each of which M_RULE breaks:
 *
 * IRQS_OFF		the walk is with interrupts off
 * WALK_IN_HOLD		it begins at the top in each hold, after the check
 * FOREIGN_READER	on a CPU without the mm it takes RCU or mmap_lock
 * FIND_VMA		with mmap_lock the VMA is looked up: munmap() frees tables with
 *			mmap_lock held for read, when it has taken the VMA away
 * RELEASE_LOCKS	release takes the locks of regions that look empty, too
 */

#ifndef EVENT
#define EVENT	MUNMAP
#endif
#define MUNMAP	1
#define MREMAP	2
#define EXIT	3

#ifdef M_FOREIGN_READER
#define FOREIGN
#endif

#define TABLE	1
#define PAGE	1

/* The host's. */
byte upper[2];
byte entry = PAGE;	/* of the table */
bool vma = true;	/* of hva 0 */
bool mmap_writer;
byte mmap_readers;
bool irqs_off, waited;	/* of the fill: a read section; and one that is waited for */

/* Ours. */
byte leaf;
bool region;		/* lock */
byte busy;

/* For the checks alone. */
bool table_freed, page_freed, covered;

inline mmap_write()	{ atomic { !mmap_writer && !mmap_readers -> mmap_writer = true } }
inline mmap_downgrade()	{ atomic { mmap_writer = false; mmap_readers++ } }

/* All read sections of now are over.  The fill has one alone. */
inline wait_for_reader()
{
	waited = irqs_off;
	!waited
}

inline flush()
{
#ifdef FOREIGN
	skip
#else
	wait_for_reader()
#endif
}

inline free_table()
{
#ifdef RCU
	wait_for_reader();
#else
	flush();
#endif
	table_freed = true
}

inline free_page()
{
	entry = 0;
	flush();
	atomic { page_freed = true; assert(!leaf) }
}

inline revoke()
{
	atomic { !region -> region = true };
	leaf = 0;
	region = false
}

inline start()
{
	busy++;
	revoke();
	atomic { covered = true; assert(!leaf) }
}

inline end()
{
	covered = false;
	busy--
}

proctype host()
{
	mmap_write();
#if EVENT == MUNMAP
	vma = false;
	mmap_downgrade();
	start();
	free_page();
	end();
	upper[0] = 0;
	free_table();
	mmap_readers--
#elif EVENT == MREMAP
	start();
	vma = false;
	upper[0] = 0;
	upper[1] = TABLE;
	flush();
	end();
	mmap_writer = false;
	mmap_write();
	mmap_downgrade();
	free_page();
	upper[1] = 0;
	free_table();
	mmap_readers--
#else
	mmap_writer = false;
	busy++;				/* for ever */
#ifdef M_RELEASE_LOCKS
	if
	:: leaf -> revoke()
	:: else
	fi;
#else
	revoke();
#endif
	atomic { covered = true; assert(!leaf) };
	free_page();
	mmap_write();
	upper[0] = 0;
	free_table();
	mmap_writer = false
#endif
}

proctype fill()
{
	byte table, page;

#ifdef MMAP_LOCK
	if
	:: atomic { !mmap_writer -> mmap_readers++ }
	:: atomic { mmap_writer -> goto done }
	fi;
#ifndef M_FIND_VMA
	if
	:: !vma -> goto unlock
	:: else
	fi;
#endif
#endif
#ifndef M_IRQS_OFF
	irqs_off = true;
#endif
#ifdef M_WALK_IN_HOLD
	table = upper[0];
#endif
	atomic { !region -> region = true };
	if
	:: busy -> goto out
	:: else
	fi;
#ifndef M_WALK_IN_HOLD
	table = upper[0];
#endif
	if
	:: !table -> goto out
	:: else
	fi;
	atomic { assert(!table_freed); page = entry };
	if
	:: page -> atomic { assert(!covered && !page_freed); leaf = page }
	:: else
	fi;
out:	region = false;
	atomic { irqs_off = false; waited = false };
unlock:
#ifdef MMAP_LOCK
	mmap_readers--;
#endif
done:	skip
}

init
{
	atomic {
		upper[0] = TABLE;
		run host();
		run fill()
	}
}
