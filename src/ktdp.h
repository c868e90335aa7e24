/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_H
#define _KTDP_H

/*
 * What the files of kvm_tdp share.
 *
 * Lock order, outermost first:
 *
 *	ktdp_hooks_lock (alone)
 *	ktdp_exports_lock
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

#include <linux/kvm_host.h>
#include <linux/kvm_tdp.h>
#include <linux/kvm_tdp_fd.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/srcu.h>
#include <linux/workqueue.h>
#include <asm/kvm_exported_tdp.h>

#include "table/table.h"

/* Pieces of 2M and 1G of the VMM's address space, by number modulo this. */
#define KTDP_HVA_SIZES		2
#define KTDP_HVA_WINDOWS	64

/* One (VM, address space); shared by all TDP fds of that pair. */
struct kvm_exported_tdp {
	struct kvm *kvm;		/* referenced */
	u32 as_id;
	u32 eager_state;		/* KVM_TDP_EAGER_*, constant */
	unsigned int users;		/* ktdp_exports_lock: TDP fds */
	struct hlist_node node;		/* ktdp_exports_lock; readers: RCU */

	struct ktdp_table table;
	union {				/* constant */
		struct kvm_exported_tdp_meta_vmx vmx;
		struct kvm_exported_tdp_meta_svm svm;
	} meta;

	struct mmu_notifier mn;
	atomic64_t hva[KTDP_HVA_SIZES][KTDP_HVA_WINDOWS];	/* see notifier.c */
	struct mmu_interval_notifier hmm;	/* constant, never inserted: what
						 * verify.c's HMM takes the mm from
						 */

	struct mutex importers_lock;	/* changes of the list */
	struct list_head importers;	/* importers_lock; readers: SRCU */
	struct srcu_struct importers_srcu;

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

static inline struct mm_struct *ktdp_mm(const struct kvm_exported_tdp *tdp)
{
	return tdp->kvm->mm;
}

/* exported_tdp.c */
struct kvm_exported_tdp *ktdp_export_get(struct kvm *kvm, u32 as_id);
void ktdp_export_put(struct kvm_exported_tdp *tdp);
void ktdp_export_leaves(struct kvm_exported_tdp *tdp, u64 *leaves, u64 *cleared);
void ktdp_export_stats(struct kvm_exported_tdp *tdp, struct kvm_tdp_stats *st);
struct kvm_exported_tdp *ktdp_export_find_rcu(struct kvm *kvm, u32 as_id);

typedef unsigned long (*ktdp_export_fn)(struct kvm_exported_tdp *tdp,
					unsigned long nr);
unsigned long ktdp_exports_try_each(ktdp_export_fn fn, unsigned long nr);
void ktdp_exports_stop(void);

/* revoke.c */
void ktdp_revoke(struct kvm_exported_tdp *tdp, u64 start, u64 end, bool write_only);
void ktdp_revoke_all(struct kvm_exported_tdp *tdp);

/* shrink.c */
int ktdp_shrink_init(void);
void ktdp_shrink_exit(void);

/* pool.c */
int ktdp_pool_init(struct kvm_exported_tdp *tdp);
void ktdp_pool_exit(struct kvm_exported_tdp *tdp);
int __ktdp_pool_topup(struct kvm_exported_tdp *tdp, unsigned int nr);
void ktdp_pool_trim(struct kvm_exported_tdp *tdp);
unsigned long ktdp_pool_drain(struct kvm_exported_tdp *tdp, unsigned long nr);
void ktdp_pool_free_detached(struct kvm_exported_tdp *tdp,
			     struct ktdp_chain *chain);

/*
 * Pages that are usually in reserve; a fault takes at most KTDP_MAX_LEVEL - 1.  Each
 * vCPU may take one while the worker that refills it has not yet run.
 */
#define KTDP_POOL_TARGET	32

/* Does the next map find its table pages? */
static inline bool ktdp_pool_is_enough(const struct kvm_exported_tdp *tdp)
{
	return READ_ONCE(tdp->table.nr_pool) >= ktdp_table_need(&tdp->table);
}

/* Make sure that it does. */
static inline int ktdp_pool_topup(struct kvm_exported_tdp *tdp)
{
	if (likely(ktdp_pool_is_enough(tdp)))
		return 0;
	return __ktdp_pool_topup(tdp, KTDP_POOL_TARGET);
}

/* importer.c */
void ktdp_importers_init(struct kvm_exported_tdp *tdp);
int ktdp_importer_register(struct kvm_tdp_fd *tdp_fd,
			   struct kvm_tdp_importer_ops *ops, void *data);
void ktdp_importer_unregister(struct kvm_tdp_fd *tdp_fd,
			      struct kvm_tdp_importer_ops *ops);
void ktdp_importers_drop(struct kvm_tdp_fd *tdp_fd);
void ktdp_importers_invalidate(struct kvm_exported_tdp *tdp,
			       unsigned long start, unsigned long size);

/* fault.c */
int ktdp_fault(struct kvm_exported_tdp *tdp, u64 gfn, bool write);
int ktdp_prefault(struct kvm_exported_tdp *tdp, struct kvm_tdp_prefault *arg);

/* seed.c */
void ktdp_seed(struct kvm_exported_tdp *tdp);

/* verify.c */
int ktdp_verify(struct kvm_exported_tdp *tdp, struct kvm_tdp_verify *arg);

/* map.c */
int ktdp_map_read(struct kvm_exported_tdp *tdp, struct kvm_tdp_map *map);

/* notifier.c */
int ktdp_notifier_register(struct kvm_exported_tdp *tdp);
void ktdp_notifier_unregister(struct kvm_exported_tdp *tdp);
void ktdp_notifier_stop(struct kvm_exported_tdp *tdp);
bool ktdp_notifier_is_busy(const struct kvm_exported_tdp *tdp,
			   unsigned long start, unsigned long end);
u64 ktdp_notifier_snapshot(const struct kvm_exported_tdp *tdp, unsigned long hva);
bool ktdp_notifier_retry(const struct kvm_exported_tdp *tdp, unsigned long hva,
			 u64 snapshot);

/* tdp_fd.c */
int ktdp_fd_create(struct kvm_exported_tdp *tdp, struct file **filep);

/* chardev.c */
int ktdp_chardev_init(void);
void ktdp_chardev_exit(void);

#endif /* _KTDP_H */
