// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exported TDPs: one per (VM, address space), found or created, shared by all
 * TDP fds of that pair, gone with the last of them.
 *
 * A TDP is on the list, and its notifier and the hooks are armed, before any
 * fault can fill it, and until nothing can any more.
 */

#include <linux/hashtable.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "eager.h"
#include "hooks.h"
#include "kvm.h"

static DEFINE_MUTEX(ktdp_exports_lock);
static DEFINE_HASHTABLE(ktdp_exports, 6);	/* ktdp_exports_lock; readers: RCU */

/* Context: RCU read section, or ktdp_exports_lock held. */
struct kvm_exported_tdp *ktdp_export_find_rcu(struct kvm *kvm, u32 as_id)
{
	struct kvm_exported_tdp *tdp;

	hash_for_each_possible_rcu(ktdp_exports, tdp, node, (unsigned long)kvm,
				   lockdep_is_held(&ktdp_exports_lock)) {
		if (tdp->kvm == kvm && tdp->as_id == as_id)
			return tdp;
	}
	return NULL;
}

/**
 * ktdp_exports_try_each() - call a function for all exported TDPs
 * @fn: returns how much it found or did, and is told how much is left to do
 * @nr: stop when that much is done
 *
 * Context: any that may take a mutex if it is free, reclaim too.
 * Return: the sum; 0 if the list is being changed.
 */
unsigned long ktdp_exports_try_each(ktdp_export_fn fn, unsigned long nr)
{
	struct kvm_exported_tdp *tdp;
	unsigned long done = 0;
	int i;

	if (!mutex_trylock(&ktdp_exports_lock))
		return 0;
	hash_for_each(ktdp_exports, i, tdp, node) {
		if (done < nr)
			done += fn(tdp, nr - done);
	}
	mutex_unlock(&ktdp_exports_lock);
	return done;
}

/*
 * ktdp_hooks_lost has been set: nothing is mapped any more, and nothing will be.
 * No TDP is added to the list after this.
 */
void ktdp_exports_stop(void)
{
	struct kvm_exported_tdp *tdp;
	int i;

	mutex_lock(&ktdp_exports_lock);
	hash_for_each(ktdp_exports, i, tdp, node)
		ktdp_notifier_stop(tdp);
	mutex_unlock(&ktdp_exports_lock);
}

typedef void (*ktdp_mirror_op)(struct ktdp_mirror *mirror, u64 start, u64 end,
			       struct ktdp_zap *zap);

/*
 * Take access away from [@start, @end), piece by piece lest the lock be held for
 * long.  Refaults in between are legal, see notifier.c.
 *
 * Clearing is announced in the hold of the lock in which the first entry goes.
 * Return: whether others had cleared something and not yet told, when this was
 * done.
 */
static bool ktdp_export_clear(struct kvm_exported_tdp *tdp, u64 start, u64 end,
			      ktdp_mirror_op op, struct ktdp_zap *zap)
{
	bool announced = false;
	int others = 0;
	u64 next;

	for (; start < end; start = next) {
		next = ktdp_mirror_piece_end(start, end);
		raw_spin_lock(&tdp->mirror.lock);
		op(&tdp->mirror, start, next, zap);
		if (zap->end && !announced) {
			atomic_inc(&tdp->notifying);
			announced = true;
		}
		/* Acquire: none means that the callbacks have returned, see below. */
		others = atomic_read_acquire(&tdp->notifying) - announced;
		raw_spin_unlock(&tdp->mirror.lock);
	}
	return others;
}

/*
 * Take access away, and return when every importer knows.  Entries of the range
 * that another CPU has cleared, and is about to tell of, are told here too: they
 * may have been larger than the range, so whole leaves of the largest size are.
 */
static void ktdp_export_revoke(struct kvm_exported_tdp *tdp, u64 start, u64 end,
			       ktdp_mirror_op op)
{
	u64 limit = ktdp_gfn_end(tdp->mirror.fmt.level);
	u64 mask = ktdp_level_mask(tdp->mirror.fmt.max_leaf_level);
	struct ktdp_zap zap = {};

	end = min(end, limit);
	if (ktdp_export_clear(tdp, start, end, op, &zap)) {
		start &= ~mask;
		end = (end + mask) & ~mask;
	} else if (!zap.end) {
		return;
	}
	if (zap.end) {
		start = min(start, zap.start);
		end = max(end, zap.end);
	}
	if (end >= limit)
		ktdp_importers_invalidate(tdp, 0, -1UL);
	else
		ktdp_importers_invalidate(tdp, start << PAGE_SHIFT,
					  (end - start) << PAGE_SHIFT);
	if (!zap.end)
		return;
	/* The callbacks have returned; pairs with the acquire above. */
	smp_mb__before_atomic();
	atomic_dec(&tdp->notifying);
	ktdp_pool_free_zapped(tdp, &zap);
}

/**
 * ktdp_export_zap() - remove all leaves that touch a range of guest frames
 * @tdp: the exported TDP
 * @start: first gfn
 * @end: gfn behind the last one
 *
 * Context: atomic or not; no lock of ours held.
 */
void ktdp_export_zap(struct kvm_exported_tdp *tdp, u64 start, u64 end)
{
	ktdp_export_revoke(tdp, start, end, ktdp_mirror_zap);
}

/* As ktdp_export_zap(), but only write access goes. */
void ktdp_export_wrprot(struct kvm_exported_tdp *tdp, u64 start, u64 end)
{
	ktdp_export_revoke(tdp, start, end, ktdp_mirror_wrprot);
}

void ktdp_export_zap_all(struct kvm_exported_tdp *tdp)
{
	ktdp_export_zap(tdp, 0, ktdp_gfn_end(tdp->mirror.fmt.level));
}

static void ktdp_export_init_meta(struct kvm_exported_tdp *tdp)
{
	const struct ktdp_fmt *fmt = &tdp->mirror.fmt;
	u64 root_hpa = ktdp_table_hpa(tdp->mirror.root);

	if (fmt->type == KVM_TDP_TYPE_EPT) {
		struct kvm_exported_tdp_meta_vmx *vmx = &tdp->meta.vmx;

		BUILD_BUG_ON(sizeof(vmx->rsvd_bits_mask) != sizeof(fmt->rsvd));
		vmx->type = fmt->type;
		vmx->level = fmt->level;
		vmx->root_hpa = root_hpa;
		vmx->max_huge_page_level = fmt->max_leaf_level;
		memcpy(vmx->rsvd_bits_mask, fmt->rsvd, sizeof(fmt->rsvd));
	} else {
		struct kvm_exported_tdp_meta_svm *svm = &tdp->meta.svm;

		BUILD_BUG_ON(sizeof(svm->rsvd_bits_mask) != sizeof(fmt->rsvd));
		svm->type = fmt->type;
		svm->level = fmt->level;
		svm->root_hpa = root_hpa;
		svm->max_huge_page_level = fmt->max_leaf_level;
		memcpy(svm->rsvd_bits_mask, fmt->rsvd, sizeof(fmt->rsvd));
	}
}

static struct kvm_exported_tdp *ktdp_export_alloc(struct kvm *kvm, u32 as_id)
{
	struct kvm_exported_tdp *tdp;
	int ret;

	tdp = kzalloc(sizeof(*tdp), GFP_KERNEL_ACCOUNT);
	if (!tdp)
		return ERR_PTR(-ENOMEM);
	kvm_get_kvm(kvm);
	tdp->kvm = kvm;
	tdp->as_id = as_id;
	tdp->hmm.mm = kvm->mm;
	tdp->eager_state = ktdp_hooks_eager();
	ktdp_importers_init(tdp);
	ktdp_eager_init(tdp);
	ret = ktdp_kvm_init_fmt(kvm, &tdp->mirror.fmt);
	if (ret)
		goto err_free;
	ret = init_srcu_struct(&tdp->importers_srcu);
	if (ret)
		goto err_free;
	ret = ktdp_pool_init(tdp);
	if (ret)
		goto err_cleanup_srcu;
	ktdp_export_init_meta(tdp);
	ret = ktdp_notifier_register(tdp);
	if (ret)
		goto err_pool_exit;
	return tdp;

err_pool_exit:
	ktdp_pool_exit(tdp);
err_cleanup_srcu:
	cleanup_srcu_struct(&tdp->importers_srcu);
err_free:
	kvm_put_kvm(kvm);
	kfree(tdp);
	return ERR_PTR(ret);
}

static void ktdp_export_destroy(struct kvm_exported_tdp *tdp)
{
	ktdp_eager_exit(tdp);
	/* Zaps all, if the exit of the mm has not. */
	ktdp_notifier_unregister(tdp);
	ktdp_pool_exit(tdp);
	WARN_ON_ONCE(!list_empty(&tdp->importers));
	cleanup_srcu_struct(&tdp->importers_srcu);
	kvm_put_kvm(tdp->kvm);
	kfree(tdp);
	ktdp_hooks_put();
}

static struct kvm_exported_tdp *ktdp_export_create(struct kvm *kvm, u32 as_id)
{
	struct kvm_exported_tdp *tdp;
	int ret;

	ret = ktdp_kvm_check_vm(kvm);
	if (ret)
		return ERR_PTR(ret);
	ret = ktdp_hooks_get();
	if (ret)
		return ERR_PTR(ret);
	ret = -ENODEV;
	if (!mmget_not_zero(kvm->mm))
		goto err_put_hooks;
	tdp = ktdp_export_alloc(kvm, as_id);
	mmput_async(kvm->mm);
	ret = PTR_ERR_OR_ZERO(tdp);
	if (ret)
		goto err_put_hooks;
	tdp->users = 1;
	return tdp;

err_put_hooks:
	ktdp_hooks_put();
	return ERR_PTR(ret);
}

/* One user more of what is there; NULL if nothing is. */
static struct kvm_exported_tdp *ktdp_export_share(struct kvm *kvm, u32 as_id)
{
	struct kvm_exported_tdp *tdp;

	lockdep_assert_held(&ktdp_exports_lock);
	if (READ_ONCE(ktdp_hooks_lost))
		return ERR_PTR(-ENOTRECOVERABLE);
	tdp = ktdp_export_find_rcu(kvm, as_id);
	if (!tdp)
		return NULL;
	/* What exists is of no use to anybody once the mm is gone. */
	if (!mmget_not_zero(kvm->mm))
		return ERR_PTR(-ENODEV);
	mmput_async(kvm->mm);
	tdp->users++;
	return tdp;
}

/**
 * ktdp_export_get() - find or create the exported TDP of a VM
 * @kvm: the VM; a new TDP takes a reference of its own
 * @as_id: address space, in range
 *
 * A new one is made without the lock, for that waits for the VM's mmap_lock;
 * of two made at once one is thrown away, before anybody has seen it.
 *
 * Context: process context, may sleep.
 * Return: the TDP with one user more, or ERR_PTR: -ENOMEM, -ENODEV the mm is
 * exiting, -EOPNOTSUPP, -EBUSY as ktdp_hooks_get(), -ENOTRECOVERABLE if
 * ktdp_hooks_look(), -EINTR and -ERESTARTNOINTR as ktdp_notifier_register().
 */
struct kvm_exported_tdp *ktdp_export_get(struct kvm *kvm, u32 as_id)
{
	struct kvm_exported_tdp *tdp, *new;

	ktdp_hooks_look();
	mutex_lock(&ktdp_exports_lock);
	tdp = ktdp_export_share(kvm, as_id);
	mutex_unlock(&ktdp_exports_lock);
	if (tdp)
		return tdp;

	new = ktdp_export_create(kvm, as_id);
	if (IS_ERR(new))
		return new;
	mutex_lock(&ktdp_exports_lock);
	tdp = ktdp_export_share(kvm, as_id);
	if (!tdp)
		hash_add_rcu(ktdp_exports, &new->node, (unsigned long)kvm);
	mutex_unlock(&ktdp_exports_lock);
	if (tdp) {
		ktdp_export_destroy(new);
		return tdp;
	}
	ktdp_seed(new);
	return new;
}

void ktdp_export_put(struct kvm_exported_tdp *tdp)
{
	might_sleep();
	mutex_lock(&ktdp_exports_lock);
	if (--tdp->users) {
		mutex_unlock(&ktdp_exports_lock);
		return;
	}
	hash_del_rcu(&tdp->node);
	mutex_unlock(&ktdp_exports_lock);

	/* Handlers of hooks that found it have returned. */
	synchronize_rcu();
	ktdp_eager_forget(tdp);
	ktdp_export_destroy(tdp);
}

void ktdp_export_stats(struct kvm_exported_tdp *tdp, struct kvm_tdp_stats *st)
{
	struct ktdp_mirror *mirror = &tdp->mirror;
	int i;

	raw_spin_lock(&mirror->lock);
	ktdp_mirror_settle(mirror);
	for (i = 0; i < KTDP_MAX_LEAF_LEVEL; i++)
		st->leaves[i] = mirror->root->leaves[i];
	st->table_pages = 1 + mirror->nr_linked -
			  atomic_long_read(&tdp->nr_freed);
	st->pool_pages = mirror->nr_pool;
	st->entries_set = mirror->entries_set;
	st->entries_zapped = mirror->entries_zapped;
	st->replaced = mirror->replaced;
	ktdp_eager_stats(tdp, st);
	raw_spin_unlock(&mirror->lock);

	st->importers = atomic64_read(&tdp->stat.importers);
	st->faults = atomic64_read(&tdp->stat.faults);
	st->faults_spurious = atomic64_read(&tdp->stat.faults_spurious);
	st->faults_failed = atomic64_read(&tdp->stat.faults_failed);
	st->retries = atomic64_read(&tdp->stat.retries);
	st->invalidations = atomic64_read(&tdp->stat.invalidations);
	st->invalidations_sent = atomic64_read(&tdp->stat.invalidations_sent);
	st->slot_zaps = atomic64_read(&tdp->stat.slot_zaps);
	st->seeded = atomic64_read(&tdp->stat.seeded);
}
