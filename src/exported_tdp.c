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

static void ktdp_export_init_meta(struct kvm_exported_tdp *tdp)
{
	const struct ktdp_fmt *fmt = &tdp->table.fmt;
	u64 root_hpa = ktdp_entries_to_hpa(tdp->table.root);

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

	tdp = kvzalloc(sizeof(*tdp), GFP_KERNEL_ACCOUNT);
	if (!tdp)
		return ERR_PTR(-ENOMEM);
	kvm_get_kvm(kvm);
	tdp->kvm = kvm;
	tdp->as_id = as_id;
	tdp->hmm.mm = kvm->mm;
	tdp->eager_state = ktdp_hooks_eager();
	ktdp_importers_init(tdp);
	ret = ktdp_kvm_init_fmt(kvm, &tdp->table.fmt);
	if (ret)
		goto err_free;
	ret = ktdp_eager_init(tdp);
	if (ret)
		goto err_free;
	ret = init_srcu_struct(&tdp->importers_srcu);
	if (ret)
		goto err_eager_exit;
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
err_eager_exit:
	ktdp_eager_exit(tdp);
err_free:
	kvm_put_kvm(kvm);
	kvfree(tdp);
	return ERR_PTR(ret);
}

static void ktdp_export_destroy(struct kvm_exported_tdp *tdp)
{
	/* Revokes all, if the exit of the mm has not. */
	ktdp_notifier_unregister(tdp);
	ktdp_eager_exit(tdp);
	ktdp_pool_exit(tdp);
	WARN_ON_ONCE(!list_empty(&tdp->importers));
	cleanup_srcu_struct(&tdp->importers_srcu);
	kvm_put_kvm(tdp->kvm);
	kvfree(tdp);
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
	/* A vCPU may know it for longer than the hooks find it: nothing is filled then. */
	ktdp_notifier_stop(tdp);
	hash_del_rcu(&tdp->node);
	mutex_unlock(&ktdp_exports_lock);

	/* Handlers of hooks that found it have returned. */
	synchronize_rcu();
	ktdp_eager_forget(tdp);
	ktdp_export_destroy(tdp);
}

/**
 * ktdp_export_leaves() - count leaves
 * @tdp: the exported TDP
 * @leaves: is set to how many there are, by level
 * @cleared: is set to how many there were and are no more
 *
 * Those of tables that were unlinked as a whole are counted by a worker, which is
 * waited for.  No lock is taken, lest vCPUs wait: if the table is being changed, the
 * numbers need not fit together.
 *
 * Context: process context, may sleep.
 */
void ktdp_export_leaves(struct kvm_exported_tdp *tdp, u64 *leaves, u64 *cleared)
{
	struct ktdp_region *region;
	u64 detached;
	int i;

	flush_work(&tdp->count_work);
	memset(leaves, 0, KTDP_MAX_LEAF_LEVEL * sizeof(*leaves));
	*cleared = 0;
	for (region = tdp->table.regions;
	     region < tdp->table.regions + KTDP_REGIONS; region++) {
		for (i = 0; i < KTDP_MAX_LEAF_LEVEL; i++)
			leaves[i] += READ_ONCE(region->leaves[i]);
		*cleared += READ_ONCE(region->cleared);
	}
	for (i = 0; i < KTDP_MAX_LEAF_LEVEL; i++) {
		detached = atomic64_read(&tdp->leaves_detached[i]);
		leaves[i] -= detached;
		*cleared += detached;
	}
}

void ktdp_export_stats(struct kvm_exported_tdp *tdp, struct kvm_tdp_stats *st)
{
	struct ktdp_table *table = &tdp->table;
	int i;

	ktdp_export_leaves(tdp, st->leaves, &st->entries_zapped);
	st->entries_set = st->entries_zapped;
	for (i = 0; i < KTDP_MAX_LEAF_LEVEL; i++)
		st->entries_set += st->leaves[i];
	st->table_pages = 1 + atomic_long_read(&table->nr_linked) -
			  atomic_long_read(&tdp->nr_freed);
	st->pool_pages = READ_ONCE(table->nr_pool);
	st->replaced = atomic64_read(&tdp->stat.replaced);
	ktdp_eager_stats(tdp, st);

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
