// SPDX-License-Identifier: GPL-2.0-only
/*
 * Table pages: allocated and charged before the mirror's lock is taken, kept
 * in a small per-mirror reserve, freed in process context an RCU grace period
 * after the importers were told.
 */

#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "compat/workqueue.h"
#include "ktdp.h"

/*
 * A table can be done without: rather than have the OOM killer look for a victim,
 * in the VM's memcg that would be the VM, a fault fails.
 */
#define KTDP_GFP	(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_RETRY_MAYFAIL | \
			 __GFP_NOWARN)

static struct kmem_cache *ktdp_table_cache;

u64 ktdp_table_hpa(const struct ktdp_table *table)
{
	return virt_to_phys(table->entries);
}

void ktdp_table_free(struct ktdp_table *table)
{
	struct page *page = virt_to_page(table->entries);

	set_page_private(page, 0);
	__free_page(page);
	kmem_cache_free(ktdp_table_cache, table);
}

static struct ktdp_table *ktdp_table_alloc(struct ktdp_mirror *mirror)
{
	struct ktdp_table *table;
	struct page *page;

	table = kmem_cache_alloc(ktdp_table_cache, KTDP_GFP);
	if (!table)
		return NULL;
	page = alloc_page(KTDP_GFP);
	if (!page) {
		kmem_cache_free(ktdp_table_cache, table);
		return NULL;
	}
	set_page_private(page, (unsigned long)table);
	table->entries = page_address(page);
	table->mirror = mirror;
	return table;
}

static int ktdp_pool_fill(struct ktdp_mirror *mirror, unsigned int nr)
{
	while (READ_ONCE(mirror->nr_pool) < nr) {
		struct ktdp_table *table = ktdp_table_alloc(mirror);

		if (!table)
			return -ENOMEM;
		raw_spin_lock(&mirror->lock);
		ktdp_mirror_pool_add(mirror, table);
		raw_spin_unlock(&mirror->lock);
	}
	return 0;
}

/**
 * __ktdp_pool_topup() - refill the reserve
 * @tdp: the exported TDP
 * @nr: up to so many tables
 *
 * Charged to the memcg of the VM's process, whoever calls.
 *
 * Context: process context, may sleep; the caller holds a reference on the mm.
 * Return: 0 or -ENOMEM.
 */
int __ktdp_pool_topup(struct kvm_exported_tdp *tdp, unsigned int nr)
{
	struct ktdp_mirror *mirror = &tdp->mirror;
	struct mem_cgroup *memcg, *old;
	int ret;

	might_sleep();
	memcg = get_mem_cgroup_from_mm(ktdp_mm(tdp));
	old = set_active_memcg(memcg);
	ret = ktdp_pool_fill(mirror, nr);
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	/* Enough is enough, even if it is less than wanted. */
	return ktdp_pool_is_enough(tdp) ? 0 : ret;
}

static void ktdp_pool_free_work(struct work_struct *work)
{
	struct kvm_exported_tdp *tdp =
		container_of(work, struct kvm_exported_tdp, free_work);
	struct llist_node *list = llist_del_all(&tdp->free_list);
	struct ktdp_table *table, *next;

	llist_for_each_entry_safe(table, next, list, free)
		atomic_long_add(ktdp_table_free_tree(&tdp->mirror.fmt, table),
				&tdp->nr_freed);
}

static void ktdp_pool_free_rcu(struct rcu_head *rcu)
{
	struct ktdp_table *table = container_of(rcu, struct ktdp_table, rcu);
	struct kvm_exported_tdp *tdp =
		container_of(table->mirror, struct kvm_exported_tdp, mirror);

	/* Large subtrees take long to free: not here, in softirq context. */
	if (llist_add(&table->free, &tdp->free_list))
		queue_work(system_dfl_wq, &tdp->free_work);
}

/**
 * ktdp_pool_free_zapped() - free the tables that a zap unlinked
 * @tdp: the exported TDP
 * @zap: the importers have been told of it
 *
 * Context: any but NMI.
 */
void ktdp_pool_free_zapped(struct kvm_exported_tdp *tdp, struct ktdp_zap *zap)
{
	struct ktdp_table *table;

	while ((table = zap->detached)) {
		zap->detached = table->next;
		call_rcu(&table->rcu, ktdp_pool_free_rcu);
	}
}

int ktdp_pool_init(struct kvm_exported_tdp *tdp)
{
	struct ktdp_mirror *mirror = &tdp->mirror;
	int ret;

	raw_spin_lock_init(&mirror->lock);
	mirror->hint_open = KTDP_NO_WINDOW;
	init_llist_head(&tdp->free_list);
	INIT_WORK(&tdp->free_work, ktdp_pool_free_work);
	ret = ktdp_pool_topup(tdp);
	if (ret) {
		ktdp_pool_exit(tdp);
		return ret;
	}
	raw_spin_lock(&mirror->lock);
	mirror->root = ktdp_mirror_pool_get(mirror);
	raw_spin_unlock(&mirror->lock);
	mirror->root->level = mirror->fmt.level;
	/* The root came out of the reserve: refill it, as far as memory allows. */
	__ktdp_pool_topup(tdp, KTDP_POOL_TARGET);
	return 0;
}

/* Free what is in reserve, @nr tables at most.  Return: how many. */
unsigned long ktdp_pool_drain(struct kvm_exported_tdp *tdp, unsigned long nr)
{
	struct ktdp_mirror *mirror = &tdp->mirror;
	struct ktdp_table *table;
	unsigned long freed;

	for (freed = 0; freed < nr; freed++) {
		raw_spin_lock(&mirror->lock);
		table = ktdp_mirror_pool_get(mirror);
		raw_spin_unlock(&mirror->lock);
		if (!table)
			break;
		ktdp_table_free(table);
	}
	return freed;
}

/* Free what is in reserve beyond the usual. */
void ktdp_pool_trim(struct kvm_exported_tdp *tdp)
{
	unsigned int nr = READ_ONCE(tdp->mirror.nr_pool);

	if (nr > KTDP_POOL_TARGET)
		ktdp_pool_drain(tdp, nr - KTDP_POOL_TARGET);
}

/* The mirror is empty, and nobody can fill it any more. */
void ktdp_pool_exit(struct kvm_exported_tdp *tdp)
{
	struct ktdp_mirror *mirror = &tdp->mirror;

	rcu_barrier();
	flush_work(&tdp->free_work);
	WARN_ON_ONCE(mirror->nr_linked != atomic_long_read(&tdp->nr_freed));

	ktdp_pool_drain(tdp, ULONG_MAX);
	if (mirror->root) {
		WARN_ON_ONCE(mirror->root->nr_present);
		ktdp_table_free(mirror->root);
	}
}

int __init ktdp_pool_module_init(void)
{
	ktdp_table_cache = kmem_cache_create("ktdp_table",
					     sizeof(struct ktdp_table), 0,
					     SLAB_ACCOUNT, NULL);
	return ktdp_table_cache ? 0 : -ENOMEM;
}

void ktdp_pool_module_exit(void)
{
	/* Callbacks of the last mirror were waited for when it went. */
	kmem_cache_destroy(ktdp_table_cache);
}
