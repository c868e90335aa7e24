/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Eager fill and seed copy KVM's entry instead of walking the host's table: against
 * KVM's own protocol with the mmu_notifier.
 *
 * One gfn, whose slot is at hva 0.  With -DNSLOT=1 the slot is deleted, and another,
 * at hva 1, put in its place.  The callbacks of an invalidation, ours and KVM's, come in
 * either order, all starts before all ends.  KVM keeps the slots as they are between
 * its start and its end, and is not held to that here.
 *
 * What is proven: as in fill.pml; and no page of the old slot is in the table when its
 * gfn is elsewhere.
 *
 * The rules, each of which M_RULE breaks.  The last two are KVM's and the host's:
 *
 * COPY_CHECKS_BUSY	who copies looks at the counters under the region's lock
 * ENTRY_UNDER_LOCK	and reads KVM's entry after that
 * COPY_UNDER_MMU_LOCK	eager fill copies before KVM lets go of mmu_lock
 * KVM_RETRIES		KVM maps nothing that was found before an end
 * STARTS_BEFORE_ENDS	of one invalidation
 */

#ifndef NINV
#define NINV	1
#endif
#ifndef NVCPU
#define NVCPU	1
#endif
#ifndef NSEED
#define NSEED	0
#endif
#ifndef NSLOT
#define NSLOT	0
#endif
#define NCPU	(NINV + NVCPU + NSEED + NSLOT)

#define REGION	0
#define LEAF	1
#define SPTE	2	/* KVM's entry */
#define KVM_SEQ	3
#define KVM_INV	4	/* invalidations in progress, of hva 0 */
#define SLOT	5
#define HOST	6	/* + hva */
#define BUSY	8	/* + cpu: as in fill.pml, of hva 0 */
#define NVARS	(8 + NINV)

#define NONE	0
#define INVALID	1
#define AT(hva)	(2 + (hva))

#define PAGE_OF_1	2	/* the host's page at hva 1, all others are of hva 0 */

byte mmu_readers;
bool mmu_writer;

/* For the checks alone. */
byte covered;		/* hva 0, by so many invalidations whose start has returned */
byte freed;		/* bit: page */
bool deleted;		/* the slot at hva 0 */
byte fresh = 3;

#define OF_0(page)	((page) && (page) != PAGE_OF_1)
#define MAY_HAVE(page) \
	(!OF_0(page) || (!covered && !(freed & (1 << (page))) && !deleted))

inline SEEN(v, x)	{ assert(v != LEAF || MAY_HAVE(x)) }

#include "mem.pml"

#if NINV == 1
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

inline start()
{
	STORE(BUSY + cpu, 1);
	MB();
	SRCU_ENTER();
	LOAD(SLOT, slot);
	if
	:: slot == AT(0) || slot == INVALID -> revoke()
	:: else
	fi;
	SRCU_EXIT();
	atomic {
		DRAINED ->
		slot = 0;
		covered++;
		assert(MAY_HAVE(mem[LEAF]))
	}
}

inline end()
{
	covered--;
	STORE(BUSY + cpu, 0)
}

inline kvm_start()
{
	MMU_WRITE();
	ADD(KVM_INV, 1);
	LOAD(SLOT, slot);
	if
	:: slot == AT(0) || slot == INVALID -> STORE(SPTE, 0)
	:: else
	fi;
	slot = 0;
	MMU_WRITE_END()
}

inline kvm_end()
{
	MMU_WRITE();
	ADD(KVM_SEQ, 1);
	ADD(KVM_INV, -1);
	MMU_WRITE_END()
}

proctype invalidation(byte cpu)
{
	byte slot, page;
	CPU_LOCALS;

#ifdef M_STARTS_BEFORE_ENDS
	start();
	end();
	kvm_start();
#else
	if
	:: start(); kvm_start()
	:: kvm_start(); start()
	fi;
#endif
	atomic {
		DRAINED ->
		page = mem[HOST];
		if
		:: mem[HOST] = 0
		:: fresh < 7 -> mem[HOST] = fresh; fresh++
		fi
	};
	atomic {
		freed = (freed | (1 << page)) & ~1;
		page = 0;
		assert(MAY_HAVE(mem[LEAF]))
	};
#ifdef M_STARTS_BEFORE_ENDS
	kvm_end()
#else
	if
	:: end(); kvm_end()
	:: kvm_end(); end()
	fi
#endif
}

/* In a read section of KVM's SRCU; eager fill: in KVM's hold of mmu_lock. */
inline copy()
{
	LOAD(SLOT, slot);
	if
	:: slot == AT(0) || slot == AT(1) ->
#ifdef M_ENTRY_UNDER_LOCK
		LOAD(SPTE, page);
#endif
		LOCK(REGION);
#ifndef M_COPY_CHECKS_BUSY
		busy = (slot == AT(0) && IS_BUSY);
#endif
#ifndef M_ENTRY_UNDER_LOCK
		LOAD(SPTE, page);
#endif
		if
		:: !busy && page -> STORE(LEAF, page)
		:: else
		fi;
		UNLOCK(REGION)
	:: else
	fi
}

/* A fault, which KVM tries twice. */
proctype vcpu(byte cpu)
{
	byte slot, seq, page, now, inv;
	bool again, busy;
	CPU_LOCALS;

	SRCU_ENTER();
retry:
	LOAD(SLOT, slot);
	if
	:: slot == NONE || slot == INVALID -> goto out
	:: else
	fi;
	LOAD(KVM_SEQ, seq);
	atomic {
		DRAINED ->
		if
		:: !mem[HOST + slot - AT(0)] && fresh < 7 ->
			mem[HOST + slot - AT(0)] = fresh;
			fresh++
		:: else
		fi;
		page = mem[HOST + slot - AT(0)]
	};
	if
	:: !page -> goto out
	:: else
	fi;
	MMU_READ();
#ifndef M_KVM_RETRIES
	LOAD(KVM_INV, inv);
	LOAD(KVM_SEQ, now);
	if
	:: (inv && slot == AT(0)) || now != seq ->
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
	LOAD(SPTE, page);
	MMU_READ_END();
	LOCK(REGION);
	busy = IS_BUSY;
	if
	:: !busy && page -> STORE(LEAF, page)
	:: else
	fi;
	UNLOCK(REGION);
#else
	copy();
	MMU_READ_END();
#endif
out:	SRCU_EXIT()
}

proctype seed(byte cpu)
{
	byte slot, page;
	bool busy;
	CPU_LOCALS;

	SRCU_ENTER();
	copy();
	SRCU_EXIT()
}

proctype set_slot(byte cpu)
{
	CPU_LOCALS;

	STORE(SLOT, INVALID);
	SRCU_WAIT();
	revoke();		/* our hook, before KVM does the same */
	MMU_WRITE();
	STORE(SPTE, 0);
	MMU_WRITE_END();
	STORE(SLOT, NONE);
	atomic {
		DRAINED ->
		deleted = true;
		assert(MAY_HAVE(mem[LEAF]))
	};
	SRCU_WAIT();
	STORE(SLOT, AT(1));
	SRCU_WAIT()
}

init {
	byte c;

	atomic {
		mem[SLOT] = AT(0);
		mem[HOST] = 1;
		mem[HOST + 1] = PAGE_OF_1;
		/* Mapped by KVM before there was a table of ours, or not. */
		if :: mem[SPTE] = 1 :: skip fi;
		do
		:: c < NINV -> run invalidation(c); c++
		:: else -> break
		od;
		do
		:: c < NINV + NVCPU -> run vcpu(c); c++
		:: else -> break
		od;
#if NSEED
		run seed(c);
		c++;
#endif
#if NSLOT
		run set_slot(c);
#endif
		c = 0
	}
}
