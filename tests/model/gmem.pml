/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A slot whose memory is the pages of a guest_memfd.  Of a page that goes KVM is told, for
 * whom the file does it, with mmu_lock held; the mmu_notifier only if user space has
 * mapped it.  There our hook is, and with it KVM's entry may be copied.
 *
 * One gfn.  Holes are made there, vCPUs and faults by importers bring new pages.
 *
 * What is proven: no page is in the table that has left the file.
 *
 * The rules, each of which M_RULE breaks.  The last three are KVM's and the host's:
 *
 * HOOK			the hook revokes: the notifier alone is not enough
 * COPY_UNDER_MMU_LOCK	eager fill copies before KVM lets go of mmu_lock
 * SEED_UNDER_MMU_LOCK	seed takes it for that
 * SEED_CHECKS_PROGRESS	and copies nothing while KVM invalidates: KVM lets go of mmu_lock
 *			in the midst of that
 * FAULT_CHECKS_BUSY	a fill from the host's table looks at the notifier's counters
 * HOOK_UNDER_MMU_LOCK	the hook runs with mmu_lock held
 * KVM_RETRIES		KVM maps nothing that was found before the hole was there
 * UNMAP_BEFORE_REMOVE	the host unmaps a page before that leaves the file
 */

#ifndef NTAKE
#define NTAKE	1
#endif
#ifndef NVCPU
#define NVCPU	1
#endif
#ifndef NSEED
#define NSEED	0
#endif
#ifndef NFAULT
#define NFAULT	0
#endif
#define NCPU	(NTAKE + NVCPU + NSEED + NFAULT)

#define REGION	0
#define LEAF	1
#define SPTE	2	/* KVM's entry */
#define KVM_SEQ	3
#define KVM_INV	4	/* invalidations in progress */
#define FILE	5	/* the page that the file has; 0: a hole */
#define HOST	6	/* the host's entry */
#define BUSY	7	/* + cpu: the notifier's counters */
#define NVARS	(7 + NTAKE)

byte mmu_readers;
bool mmu_writer;
bool invalidate_lock;	/* of the file: one hole at a time */
bool page_locked;	/* nobody maps it in user space then */

/* For the checks alone. */
byte freed;		/* bit: page */
byte fresh = 2;

#define MAY_HAVE(page)	(!(page) || !(freed & (1 << (page))))

inline SEEN(v, x)	{ assert(v != LEAF || MAY_HAVE(x)) }

#include "mem.pml"

#if NTAKE == 1
#define IS_BUSY		(mem[BUSY])
#else
#define IS_BUSY		(mem[BUSY] || mem[BUSY + 1])
#endif

inline MMU_READ()	{ atomic { DRAINED && !mmu_writer -> mmu_readers++ } }
inline MMU_READ_END()	{ atomic { DRAINED -> mmu_readers-- } }
inline MMU_WRITE()
{
	atomic { DRAINED && !mmu_writer && !mmu_readers -> mmu_writer = true }
}
inline MMU_WRITE_END()	{ atomic { DRAINED -> mmu_writer = false } }

inline revoke()
{
	LOCK(REGION);
	STORE(LEAF, 0);
	UNLOCK(REGION)
}

inline kvm_begin()
{
#ifdef M_HOOK_UNDER_MMU_LOCK
	revoke();
#endif
	MMU_WRITE();
	ADD(KVM_INV, 1);
#ifndef M_HOOK
#ifndef M_HOOK_UNDER_MMU_LOCK
	revoke();
#endif
#endif
	MMU_WRITE_END();	/* somebody waits for it */
	MMU_WRITE();
	STORE(SPTE, 0);
	MMU_WRITE_END()
}

inline kvm_end()
{
	MMU_WRITE();
	ADD(KVM_SEQ, 1);
	ADD(KVM_INV, -1);
	MMU_WRITE_END()
}

/* What user space has mapped goes, and the notifier is told, if it has. */
inline unmap()
{
	if
	:: mem[HOST] ->
		STORE(BUSY + cpu, 1);
		MB();
		revoke();
		atomic { DRAINED -> mem[HOST] = 0 };
		STORE(BUSY + cpu, 0)
	:: else
	fi
}

inline remove()
{
	atomic {
		DRAINED ->
		freed = (freed | (1 << mem[FILE])) & ~1;
		mem[FILE] = 0;
		assert(MAY_HAVE(mem[LEAF]))
	}
}

proctype take(byte cpu)
{
	CPU_LOCALS;

	atomic { !invalidate_lock -> invalidate_lock = true };
	kvm_begin();
	atomic { DRAINED && !page_locked -> page_locked = true };
#ifdef M_UNMAP_BEFORE_REMOVE
	remove();
	unmap();
#else
	unmap();
	remove();
#endif
	page_locked = false;
	kvm_end();
	invalidate_lock = false
}

inline copy()
{
	LOCK(REGION);
	LOAD(SPTE, page);
	if
	:: page -> STORE(LEAF, page)
	:: else
	fi;
	UNLOCK(REGION)
}

/* The file gets a page if there is room for one more in this model. */
inline bring()
{
	atomic {
		DRAINED && !page_locked ->
		if
		:: !mem[FILE] && fresh < 7 -> mem[FILE] = fresh; fresh++
		:: else
		fi;
		page = mem[FILE]
	}
}

/* A fault, which KVM tries twice. */
proctype vcpu(byte cpu)
{
	byte seq, page, now, inv;
	bool again;
	CPU_LOCALS;

retry:
	LOAD(KVM_SEQ, seq);
	bring();
	if
	:: !page -> goto out
	:: else
	fi;
	MMU_READ();
#ifndef M_KVM_RETRIES
	LOAD(KVM_INV, inv);
	LOAD(KVM_SEQ, now);
	if
	:: inv || now != seq ->
		MMU_READ_END();
		atomic { page = 0; inv = 0; now = 0; seq = 0 };
		if
		:: !again -> again = true; goto retry
		:: else -> goto out
		fi
	:: else
	fi;
#endif
	STORE(SPTE, page);
	atomic { page = 0; inv = 0; now = 0; seq = 0 };
#ifdef M_COPY_UNDER_MMU_LOCK
	MMU_READ_END();
	copy();
#else
	copy();
	MMU_READ_END();
#endif
out:	skip
}

proctype seed(byte cpu)
{
	byte page, inv;
	CPU_LOCALS;

#ifndef M_SEED_UNDER_MMU_LOCK
	MMU_READ();
#endif
#ifndef M_SEED_CHECKS_PROGRESS
	LOAD(KVM_INV, inv);
#endif
	if
	:: !inv -> copy()
	:: else
	fi;
	inv = 0;
#ifndef M_SEED_UNDER_MMU_LOCK
	MMU_READ_END()
#endif
}

/* An importer's: the host's entry is copied, after GUP has brought the page. */
proctype fault(byte cpu)
{
	byte page;
	bool busy;
	CPU_LOCALS;

	bring();
	atomic {
		DRAINED && !page_locked ->
		if
		:: page == mem[FILE] -> mem[HOST] = page
		:: else
		fi;
		page = 0
	};
	LOCK(REGION);
#ifndef M_FAULT_CHECKS_BUSY
	busy = IS_BUSY;
#endif
	LOAD(HOST, page);
	if
	:: !busy && page -> STORE(LEAF, page)
	:: else
	fi;
	UNLOCK(REGION)
}

init {
	byte c;

	atomic {
		mem[FILE] = 1;
		/* Mapped by KVM before there was a table of ours, or not. */
		if :: mem[SPTE] = 1 :: skip fi;
		do
		:: c < NTAKE -> run take(c); c++
		:: else -> break
		od;
		do
		:: c < NTAKE + NVCPU -> run vcpu(c); c++
		:: else -> break
		od;
#if NSEED
		run seed(c);
		c++;
#endif
#if NFAULT
		run fault(c);
		c++;
#endif
		c = 0
	}
}
