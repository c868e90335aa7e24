// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exported TDPs: one per (VM, address space), found or created, shared by all
 * TDP fds of that pair, gone with the last of them.
 *
 * A TDP is registered, and its notifier and the hooks are armed, before any
 * fault can fill it, and until nothing can any more.
 */

#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "eager.h"
#include "export.h"
#include "hooks.h"
#include "importer.h"
#include "kvm.h"
#include "notifier.h"
#include "pool.h"
#include "registry.h"
#include "seed.h"

/*
 * ktdp_hooks_lost has been set: nothing is mapped any more, and nothing will be.
 * No TDP is registered after this.
 */
void ktdp_exports_stop(void)
{
	ktdp_registry_each(ktdp_notifier_stop);
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
	static atomic64_t last_id;
	struct kvm_exported_tdp *tdp;
	int ret;

	tdp = kvzalloc(sizeof(*tdp), GFP_KERNEL_ACCOUNT);
	if (!tdp)
		return ERR_PTR(-ENOMEM);
	kvm_get_kvm(kvm);
	tdp->kvm = kvm;
	tdp->id = atomic64_inc_return(&last_id);
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

/* Add a user to the one that exists.  Return: NULL if there is none. */
static struct kvm_exported_tdp *ktdp_export_share(struct kvm *kvm, u32 as_id)
{
	struct kvm_exported_tdp *tdp;

	lockdep_assert_held(&ktdp_registry_lock);
	if (READ_ONCE(ktdp_hooks_lost))
		return ERR_PTR(-ENOTRECOVERABLE);
	tdp = ktdp_registry_find(kvm, as_id);
	if (!tdp)
		return NULL;
	/* An existing table is of no use once the mm is gone. */
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
	mutex_lock(&ktdp_registry_lock);
	tdp = ktdp_export_share(kvm, as_id);
	mutex_unlock(&ktdp_registry_lock);
	if (tdp)
		return tdp;

	new = ktdp_export_create(kvm, as_id);
	if (IS_ERR(new))
		return new;
	mutex_lock(&ktdp_registry_lock);
	tdp = ktdp_export_share(kvm, as_id);
	if (!tdp)
		ktdp_registry_add(new);
	mutex_unlock(&ktdp_registry_lock);
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
	mutex_lock(&ktdp_registry_lock);
	if (--tdp->users) {
		mutex_unlock(&ktdp_registry_lock);
		return;
	}
	/* A CPU may have it cached for longer than hooks find it: block its fills. */
	ktdp_notifier_stop(tdp);
	ktdp_registry_del(tdp);
	mutex_unlock(&ktdp_registry_lock);

	/* Handlers of hooks that found it have returned. */
	synchronize_rcu();
	ktdp_eager_forget(tdp);
	ktdp_export_destroy(tdp);
}

void ktdp_export_stats(struct kvm_exported_tdp *tdp, struct kvm_tdp_stats *st)
{
	struct ktdp_table *table = &tdp->table;
	int i;

	ktdp_pool_count_leaves(tdp, st->leaves, &st->entries_zapped);
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
	st->invalidations_sent = ktdp_importers_sent(tdp);
	st->slot_zaps = atomic64_read(&tdp->stat.slot_zaps);
	st->seeded = atomic64_read(&tdp->stat.seeded);
}
