/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_TDP_H
#define _KTDP_TDP_H

/**
 * DOC: words, objects, locks
 *
 * gfn, gpa, hva, hpa and pfn are as in KVM; *level* is KVM's: 1 = 4K, 2 = 2M, 3 = 1G.
 * *Entry*: one word of a table; *leaf*: one that maps memory, *table*: one that points
 * to a lower page.  *Slot*: a memslot of KVM's.  *Window*: a naturally aligned 2M of
 * guest memory, what an entry at level 2 spans.  *Region*: all windows of the same number
 * modulo KTDP_REGIONS, what one lock guards.  *Revoke*: clear entries, tell importers,
 * free tables.  *Importer*: another driver that uses the table.
 *
 * struct kvm_tdp_fd (public) is an open TDP fd.  struct kvm_exported_tdp is what all TDP
 * fds of a (VM, address space) share: it holds the VM, the table, the notifier, the
 * importers.  The VM holds nothing of ours; a fd holds the module.
 *
 * fault.c, eager.c and seed.c fill the table, through fill.c; notifier.c and
 * slot_hooks.c take from it, through revoke.c: clear, tell, free, in this order.
 *
 * Lock order, outermost first:
 *
 *	ktdp_hooks_lock (alone)
 *	ktdp_registry_lock
 *	tdp->importers_lock (alone)
 *	kvm->slots_lock
 *	  mmap_lock of the VM's mm
 *	    kvm->srcu (read side; KVM takes it outside of mmap_lock too: no
 *	    reader waits for slots_lock)
 *	    KVM's mmu_lock
 *	      tdp->importers_srcu (read side) -> an importer's raw locks
 *	      tdp->table.all (raw)
 *		tdp->table.regions[].lock (raw), ascending if there is more than one
 *		  tdp->table.pool_lock (raw)
 *	      tdp->detached_lock (raw, alone)
 *
 * No callback runs under a lock of the table's, and under a region's lock interrupts
 * are off where the host's page table is read.  kvm->srcu is not held while a fault
 * may sleep for user space.
 */

#include <linux/capability.h>
#include <linux/kvm_host.h>
#include <linux/kvm_tdp.h>
#include <linux/kvm_tdp_fd.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/srcu.h>
#include <linux/user_namespace.h>
#include <linux/workqueue.h>
#include <asm/kvm_exported_tdp.h>

#include "table/table.h"

/* Pieces of 2M and 1G of the VMM's address space, by number modulo this. */
#define KTDP_HVA_SIZES		2
#define KTDP_HVA_WINDOWS	64

/* One (VM, address space); shared by all TDP fds of that pair. */
struct kvm_exported_tdp {
	struct kvm *kvm;		/* referenced */
	u64 id;				/* for tracing and fdinfo; no other has it, ever */
	u32 as_id;
	u32 eager_state;		/* KVM_TDP_EAGER_*, constant */
	unsigned int users;		/* ktdp_registry_lock: TDP fds; fdinfo: none */
	struct hlist_node node;		/* ktdp_registry_lock; readers: RCU */

	struct ktdp_table table;
	union {				/* constant */
		struct kvm_exported_tdp_meta_vmx vmx;
		struct kvm_exported_tdp_meta_svm svm;
	} meta;

	struct mmu_notifier mn;
	atomic64_t hva[KTDP_HVA_SIZES][KTDP_HVA_WINDOWS];	/* see notifier.c */
	struct mmu_interval_notifier hmm;	/* constant, never inserted: what
						 * look/verify.c's HMM takes the mm from
						 */

	struct mutex importers_lock;	/* changes of the list */
	struct list_head importers;	/* importers_lock; readers: SRCU */
	struct srcu_struct importers_srcu;
	bool mm_gone;			/* never comes back */

	struct ktdp_eager_counts __percpu *eager_counts;
	struct work_struct refill_work;

	raw_spinlock_t detached_lock;
	struct ktdp_chain detached;	/* @detached_lock: the importers have been told */
	struct ktdp_chain counted;	/* @detached_lock: then; all pages of those tables */
	atomic64_t leaves_detached[KTDP_MAX_LEAF_LEVEL];	/* counted there, ever */
	atomic_long_t nr_freed;		/* of table.nr_linked */
	struct work_struct count_work, free_work;
	bool shrunk;			/* zapped, see shrink.c */

	struct {
		atomic64_t importers;
		atomic64_t faults;
		atomic64_t faults_spurious;
		atomic64_t faults_failed;
		atomic64_t retries;
		atomic64_t invalidations;
		atomic64_t invalidations_sent;
		atomic64_t slot_zaps;
		atomic64_t seeded;
		atomic64_t replaced;
	} stat;
};

/* Is the caller shown addresses of the host?  If not, there is nothing to be audited. */
static inline bool ktdp_shows_host(void)
{
	return ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN);
}

static inline struct mm_struct *ktdp_mm(const struct kvm_exported_tdp *tdp)
{
	return tdp->kvm->mm;
}

#endif /* _KTDP_TDP_H */
