// SPDX-License-Identifier: GPL-2.0-only
/*
 * Table pages: allocated and charged before a lock is taken, kept in a small reserve;
 * counted, and freed an RCU grace period later, by workers, after the importers were
 * told that they are unlinked.
 */

#include <linux/memcontrol.h>
#include <linux/sched/mm.h>

#include "compat/workqueue.h"
#include "pool.h"

/*
 * Fail the fault rather than invoke the OOM killer, which would likely pick the VM:
 * all can go on without a table.
 */
#define KTDP_GFP	(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_RETRY_MAYFAIL | \
			 __GFP_NOWARN)

static void ktdp_page_free(u64 *entries)
{
	struct page *page = virt_to_page(entries);

	set_page_private(page, 0);
	__free_page(page);
}

static int ktdp_pool_fill(struct ktdp_table *table, unsigned int nr)
{
	struct page *page;
	unsigned int i;

	/* Reclaim may take from the reserve meanwhile: no more than that many. */
	for (i = 0; i < nr && READ_ONCE(table->nr_pool) < nr; i++) {
		page = alloc_page(KTDP_GFP);
		if (!page)
			return -ENOMEM;
		ktdp_table_pool_put(table, page_address(page));
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
 * Context: process context, may sleep.
 * Return: 0, or -ENOMEM if it holds fewer: they may be enough for the next map.
 */
int __ktdp_pool_topup(struct kvm_exported_tdp *tdp, unsigned int nr)
{
	struct mem_cgroup *memcg, *old;
	int ret;

	might_sleep();
	memcg = get_mem_cgroup_from_mm(ktdp_mm(tdp));
	old = set_active_memcg(memcg);
	ret = ktdp_pool_fill(&tdp->table, nr);
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	return ret;
}

/* Unlinked tables are not changed any more, so their leaves can be counted. */
static void ktdp_pool_count_work(struct work_struct *work)
{
	struct kvm_exported_tdp *tdp =
		container_of(work, struct kvm_exported_tdp, count_work);
	u64 leaves[KTDP_MAX_LEAF_LEVEL] = {};
	struct ktdp_chain chain = {};
	int i;

	raw_spin_lock(&tdp->detached_lock);
	ktdp_chain_splice(&chain, &tdp->detached);
	raw_spin_unlock(&tdp->detached_lock);

	ktdp_chain_flatten(&tdp->table.fmt, &chain, leaves);
	for (i = 0; i < KTDP_MAX_LEAF_LEVEL; i++)
		atomic64_add(leaves[i], &tdp->leaves_detached[i]);

	raw_spin_lock(&tdp->detached_lock);
	ktdp_chain_splice(&tdp->counted, &chain);
	raw_spin_unlock(&tdp->detached_lock);
	queue_work(system_dfl_wq, &tdp->free_work);
}

/**
 * ktdp_pool_count_leaves() - count leaves
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
void ktdp_pool_count_leaves(struct kvm_exported_tdp *tdp, u64 *leaves,
			    u64 *cleared)
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

static void ktdp_pool_free_work(struct work_struct *work)
{
	struct kvm_exported_tdp *tdp =
		container_of(work, struct kvm_exported_tdp, free_work);
	struct ktdp_chain chain = {};
	unsigned long nr = 0;
	u64 *entries;

	raw_spin_lock(&tdp->detached_lock);
	ktdp_chain_splice(&chain, &tdp->counted);
	raw_spin_unlock(&tdp->detached_lock);

	if (chain.first)
		synchronize_rcu();
	while ((entries = ktdp_chain_pop(&chain))) {
		ktdp_page_free(entries);
		nr++;
		cond_resched();
	}
	atomic_long_add(nr, &tdp->nr_freed);
}

/**
 * ktdp_pool_free_detached() - free the tables that a revoke has unlinked
 * @tdp: the exported TDP
 * @chain: the importers have been told of them
 *
 * Context: any but interrupts.
 */
void ktdp_pool_free_detached(struct kvm_exported_tdp *tdp,
			     struct ktdp_chain *chain)
{
	if (!chain->first)
		return;
	raw_spin_lock(&tdp->detached_lock);
	ktdp_chain_splice(&tdp->detached, chain);
	raw_spin_unlock(&tdp->detached_lock);
	queue_work(system_dfl_wq, &tdp->count_work);
}

int ktdp_pool_init(struct kvm_exported_tdp *tdp)
{
	int ret;

	ktdp_table_init(&tdp->table);
	raw_spin_lock_init(&tdp->detached_lock);
	INIT_WORK(&tdp->count_work, ktdp_pool_count_work);
	INIT_WORK(&tdp->free_work, ktdp_pool_free_work);
	ret = ktdp_pool_topup(tdp);
	if (ret) {
		ktdp_pool_exit(tdp);
		return ret;
	}
	tdp->table.root = ktdp_table_pool_get(&tdp->table);
	/* The root came out of the reserve: refill it, as far as memory allows. */
	__ktdp_pool_topup(tdp, KTDP_POOL_TARGET);
	return 0;
}

/* Free what is in reserve, @nr tables at most.  Return: how many. */
unsigned long ktdp_pool_drain(struct kvm_exported_tdp *tdp, unsigned long nr)
{
	unsigned long freed;
	u64 *entries;

	for (freed = 0; freed < nr; freed++) {
		entries = ktdp_table_pool_get(&tdp->table);
		if (!entries)
			break;
		ktdp_page_free(entries);
	}
	return freed;
}

/* Free what is in reserve beyond the usual. */
void ktdp_pool_trim(struct kvm_exported_tdp *tdp)
{
	unsigned int nr = READ_ONCE(tdp->table.nr_pool);

	if (nr > KTDP_POOL_TARGET)
		ktdp_pool_drain(tdp, nr - KTDP_POOL_TARGET);
}

/* All was revoked, and nobody can fill it any more. */
void ktdp_pool_exit(struct kvm_exported_tdp *tdp)
{
	struct ktdp_table *table = &tdp->table;

	flush_work(&tdp->count_work);
	flush_work(&tdp->free_work);
	WARN_ON_ONCE(atomic_long_read(&table->nr_linked) !=
		     atomic_long_read(&tdp->nr_freed));
	ktdp_pool_drain(tdp, ULONG_MAX);
	if (table->root)
		ktdp_page_free(table->root);
}
