/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dirty log of one page: who makes it writable, and who clears its bit.
 *
 * harvest is KVM's: with mmu_lock held for write it clears the bit, calls our hook, which
 * takes W from our leaf, and takes W from KVM's entry.  fast_page_fault is KVM's,
 * too: without a lock, W first and the bit after.  Eager fill copies KVM's entry in
 * a hold of mmu_lock for read, in one of these ways: -DEAGER=SETS_BIT, if the entry has
 * W, sets the bit as fill does; READ_ONLY, with a dirty ring, copies without W.
 *
 * What is proven: outside the hook the leaf has W with the page's bit set alone.
 *
 * The rules, each of which M_RULE breaks:
 *
 * BIT_FIRST		the bit is set before W
 * BIT_IN_HOLD		in the hold that writes W
 * BIT_AGAIN		and once more if the lock was dropped in between
 * HOOK_LOCKS		the hook takes the region's lock
 * EAGER_SETS_BIT	eager fill sets the bit although KVM's entry has W
 */

#define NO		0
#define SETS_BIT	1
#define READ_ONLY	2
#ifndef EAGER
#define EAGER	NO
#endif
#define NCPU	4

#define REGION	0
#define LEAF	1
#define BIT	2
#define SPTE	3
#define NVARS	4

#define R	1
#define RW	2

byte mmu_readers;
bool mmu_writer;
bool in_hook;		/* for the check alone: the ioctl has not returned */

inline SEEN(v, x)	{ assert(!(v == LEAF && x == RW) || mem[BIT] || in_hook) }

#include "mem.pml"

/* A bitmap's, in KVM: test_and_set_bit(), a locked instruction. */
inline set_bit()	{ atomic { DRAINED -> mem[BIT] = 1 } }

/* Twice: the bit may be cleared in between. */
proctype fill(byte cpu)
{
	byte times;
	CPU_LOCALS;

	do
	:: times < 2 ->
#ifdef M_BIT_IN_HOLD
		set_bit();
		LOCK(REGION);
#else
		LOCK(REGION);
#ifndef M_BIT_FIRST
		set_bit();
#endif
#endif
#ifdef M_BIT_AGAIN
		UNLOCK(REGION);		/* to take more locks */
		LOCK(REGION);
#endif
		STORE(LEAF, RW);
#ifdef M_BIT_FIRST
		set_bit();
#endif
		UNLOCK(REGION);
		times++
	:: else -> break
	od
}

inline write_protect(v)
{
	LOAD(v, x);
	if
	:: x == RW -> STORE(v, R)
	:: else
	fi;
	x = 0
}

proctype harvest(byte cpu)
{
	byte times, x;
	CPU_LOCALS;

	do
	:: times < 2 ->
		atomic { DRAINED && !mmu_readers && !mmu_writer -> mmu_writer = true };
		LOAD(BIT, x);
		if
		:: x ->
			atomic { DRAINED -> mem[BIT] = 0; in_hook = true };
#ifdef M_HOOK_LOCKS
			write_protect(LEAF);
#else
			LOCK(REGION);
			write_protect(LEAF);
			UNLOCK(REGION);
#endif
			write_protect(SPTE)
		:: else
		fi;
		atomic {
			DRAINED ->
			in_hook = false;
			assert(mem[LEAF] != RW || mem[BIT]);
			mmu_writer = false;
			x = 0;
			times++
		}
	:: else -> break
	od
}

/* A fault for a write, for which KVM sets the bit first, or one that KVM finds good. */
proctype eager(byte cpu)
{
	byte x;
	CPU_LOCALS;

	atomic { DRAINED && !mmu_writer -> mmu_readers++ };
	if
	:: set_bit(); STORE(SPTE, RW)
	:: skip
	fi;
	LOAD(SPTE, x);
	LOCK(REGION);
#if EAGER == SETS_BIT
	if
	:: x == RW ->
#ifndef M_EAGER_SETS_BIT
		set_bit();
#endif
		STORE(LEAF, RW)
	:: else
	fi;
#else
	LOAD(LEAF, x);
	if
	:: !x -> STORE(LEAF, R)
	:: else
	fi;
#endif
	UNLOCK(REGION);
	atomic { DRAINED -> mmu_readers-- }
}

proctype fast_page_fault(byte cpu)
{
	if
	:: atomic { DRAINED && mem[SPTE] == R -> mem[SPTE] = RW };
	   set_bit()
	:: skip
	fi
}

init {
	atomic {
		mem[SPTE] = R;
		run fill(0);
		run harvest(1);
#if EAGER != NO
		run eager(2);
#endif
		run fast_page_fault(3)
	}
}
