// SPDX-License-Identifier: GPL-2.0-only
/*
 * The importers of one exported TDP, and how they are told.
 *
 * Delivery runs under SRCU: callbacks hold no lock of ours, run in atomic
 * context or not as the caller does, and unregister waits for them.
 */

#include <linux/pid.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "importer.h"

/* Each is told of each invalidation, for which the host waits. */
#define KTDP_IMPORTERS_MAX	256

struct ktdp_importer {
	struct list_head node;		/* importers_lock; readers: SRCU */
	struct kvm_tdp_fd *tdp_fd;	/* registered through */
	struct kvm_tdp_importer_ops *ops;
	void *data;
	struct pid *pid;		/* of the process that registered it */
	atomic64_t sent;		/* invalidations */
	atomic_t told_gone;
};

void ktdp_importers_init(struct kvm_exported_tdp *tdp)
{
	mutex_init(&tdp->importers_lock);
	INIT_LIST_HEAD(&tdp->importers);
}

/* Any importer of @tdp_fd if @ops is NULL. */
static struct ktdp_importer *
ktdp_importer_find(struct kvm_tdp_fd *tdp_fd, struct kvm_tdp_importer_ops *ops)
{
	struct kvm_exported_tdp *tdp = tdp_fd->priv;
	struct ktdp_importer *importer;

	lockdep_assert_held(&tdp->importers_lock);
	list_for_each_entry(importer, &tdp->importers, node) {
		if (importer->tdp_fd == tdp_fd && (!ops || importer->ops == ops))
			return importer;
	}
	return NULL;
}

static void ktdp_importer_tell_gone(struct ktdp_importer *importer)
{
	if (importer->ops->gone && !atomic_xchg(&importer->told_gone, true))
		importer->ops->gone(importer->data);
}

int ktdp_importer_register(struct kvm_tdp_fd *tdp_fd,
			   struct kvm_tdp_importer_ops *ops, void *data)
{
	struct kvm_exported_tdp *tdp = tdp_fd->priv;
	struct ktdp_importer *importer;
	int idx, ret = 0;

	might_sleep();
	importer = kzalloc(sizeof(*importer), GFP_KERNEL_ACCOUNT);
	if (!importer)
		return -ENOMEM;
	importer->tdp_fd = tdp_fd;
	importer->ops = ops;
	importer->data = data;
	importer->pid = get_task_pid(current, PIDTYPE_TGID);

	/* Once it is on the list it may be unregistered. */
	idx = srcu_read_lock(&tdp->importers_srcu);
	mutex_lock(&tdp->importers_lock);
	if (ktdp_importer_find(tdp_fd, ops))
		ret = -EBUSY;
	else if (atomic64_read(&tdp->stat.importers) >= KTDP_IMPORTERS_MAX)
		ret = -ENOSPC;
	if (ret) {
		mutex_unlock(&tdp->importers_lock);
		srcu_read_unlock(&tdp->importers_srcu, idx);
		put_pid(importer->pid);
		kfree(importer);
		return ret;
	}
	list_add_tail_rcu(&importer->node, &tdp->importers);
	atomic64_inc(&tdp->stat.importers);
	mutex_unlock(&tdp->importers_lock);
	/*
	 * On the list before the importer reads the table.  Pairs with the
	 * barrier in srcu_read_lock() of ktdp_importers_invalidate(): either
	 * that sees the importer, or the importer sees the entry cleared.
	 * Likewise of ktdp_importers_gone().
	 */
	smp_mb();
	if (READ_ONCE(tdp->mm_gone))
		ktdp_importer_tell_gone(importer);
	srcu_read_unlock(&tdp->importers_srcu, idx);
	return 0;
}

static void ktdp_importer_free(struct kvm_exported_tdp *tdp,
			       struct ktdp_importer *importer)
{
	synchronize_srcu(&tdp->importers_srcu);
	put_pid(importer->pid);
	kfree(importer);
}

static void ktdp_importer_del(struct kvm_exported_tdp *tdp,
			      struct ktdp_importer *importer)
{
	lockdep_assert_held(&tdp->importers_lock);
	list_del_rcu(&importer->node);
	atomic64_dec(&tdp->stat.importers);
	/* Callbacks that still run are not counted. */
	atomic64_add(atomic64_read(&importer->sent), &tdp->stat.invalidations_sent);
}

void ktdp_importer_unregister(struct kvm_tdp_fd *tdp_fd,
			      struct kvm_tdp_importer_ops *ops)
{
	struct kvm_exported_tdp *tdp = tdp_fd->priv;
	struct ktdp_importer *importer;

	might_sleep();
	mutex_lock(&tdp->importers_lock);
	importer = ktdp_importer_find(tdp_fd, ops);
	if (importer)
		ktdp_importer_del(tdp, importer);
	mutex_unlock(&tdp->importers_lock);
	if (importer)
		ktdp_importer_free(tdp, importer);
}

/**
 * ktdp_importers_drop() - unregister what an fd left behind
 * @tdp_fd: the fd, on its last put
 *
 * Each gets a final invalidate of everything, while it is still told of all
 * others: at no time does it hold a translation that nobody would revoke.
 */
void ktdp_importers_drop(struct kvm_tdp_fd *tdp_fd)
{
	struct kvm_exported_tdp *tdp = tdp_fd->priv;
	struct ktdp_importer *importer;

	for (;;) {
		mutex_lock(&tdp->importers_lock);
		importer = ktdp_importer_find(tdp_fd, NULL);
		mutex_unlock(&tdp->importers_lock);
		if (!importer)
			return;
		/* Cannot be unregistered concurrently: this is the last reference. */
		importer->ops->invalidate(importer->data, 0, -1UL);
		atomic64_inc(&importer->sent);

		mutex_lock(&tdp->importers_lock);
		ktdp_importer_del(tdp, importer);
		mutex_unlock(&tdp->importers_lock);
		ktdp_importer_free(tdp, importer);
	}
}

/**
 * ktdp_importers_invalidate() - tell all importers, and return when they know
 * @tdp: the exported TDP
 * @start: first byte, a GPA
 * @size: bytes; (0, -1) is everything
 * @may_sleep: and they may
 *
 * Context: any but interrupts; no lock of the table's held.
 */
void ktdp_importers_invalidate(struct kvm_exported_tdp *tdp, unsigned long start,
			       unsigned long size, bool may_sleep)
{
	struct ktdp_importer *importer;
	int idx;

	might_sleep_if(may_sleep);
	lockdep_assert_not_held(&tdp->table.all);
	trace_kvm_tdp_invalidate(tdp, start, size);
	idx = srcu_read_lock(&tdp->importers_srcu);
	list_for_each_entry_srcu(importer, &tdp->importers, node,
				 srcu_read_lock_held(&tdp->importers_srcu)) {
		if (may_sleep && importer->ops->revoke)
			importer->ops->revoke(importer->data, start, size);
		importer->ops->invalidate(importer->data, start, size);
		atomic64_inc(&importer->sent);
	}
	srcu_read_unlock(&tdp->importers_srcu, idx);
}

/**
 * ktdp_importers_gone() - tell all importers that the VM's memory is gone for good
 * @tdp: the exported TDP, of which all has been invalidated
 *
 * Context: process context, may sleep.
 */
void ktdp_importers_gone(struct kvm_exported_tdp *tdp)
{
	struct ktdp_importer *importer;
	int idx;

	WRITE_ONCE(tdp->mm_gone, true);
	/* Its barrier: either this sees the importer, or that sees the VM gone. */
	idx = srcu_read_lock(&tdp->importers_srcu);
	list_for_each_entry_srcu(importer, &tdp->importers, node,
				 srcu_read_lock_held(&tdp->importers_srcu))
		ktdp_importer_tell_gone(importer);
	srcu_read_unlock(&tdp->importers_srcu, idx);
}

/* Invalidations sent, to those that have gone, too. */
u64 ktdp_importers_sent(struct kvm_exported_tdp *tdp)
{
	struct ktdp_importer *importer;
	u64 sent;

	mutex_lock(&tdp->importers_lock);
	sent = atomic64_read(&tdp->stat.invalidations_sent);
	list_for_each_entry(importer, &tdp->importers, node)
		sent += atomic64_read(&importer->sent);
	mutex_unlock(&tdp->importers_lock);
	return sent;
}

/**
 * ktdp_importers_read() - who has registered
 * @tdp: the exported TDP
 * @to: room for @room of them
 * @room: how many are wanted
 *
 * Context: process context, may sleep.
 * Return: how many there are.
 */
unsigned int ktdp_importers_read(struct kvm_exported_tdp *tdp,
				 struct kvm_tdp_importer *to, unsigned int room)
{
	struct ktdp_importer *importer;
	unsigned int nr = 0;

	mutex_lock(&tdp->importers_lock);
	list_for_each_entry(importer, &tdp->importers, node) {
		if (nr++ >= room)
			continue;
		memset(to, 0, sizeof(*to));
		strscpy(to->name, importer->ops->name ?: "unnamed", sizeof(to->name));
		to->invalidations = atomic64_read(&importer->sent);
		rcu_read_lock();
		/* The number of one that is gone may be another's. */
		if (pid_task(importer->pid, PIDTYPE_TGID))
			to->pid = pid_vnr(importer->pid);
		rcu_read_unlock();
		to++;
	}
	mutex_unlock(&tdp->importers_lock);
	return nr;
}
