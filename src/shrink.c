// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory pressure: the table pages of idle TDPs are given back, those in reserve
 * too.  Idle is one that has no importer: its table is zapped, and what KVM has
 * mapped is copied anew when an importer comes.  One with importers is left
 * alone, for how much they use it does not show.
 */

#include "compat/shrinker.h"
#include "pool.h"
#include "registry.h"
#include "revoke.h"
#include "shrink.h"

static bool ktdp_shrink_is_idle(const struct kvm_exported_tdp *tdp)
{
	return !atomic64_read(&tdp->stat.importers);
}

static unsigned long ktdp_shrink_tables(const struct kvm_exported_tdp *tdp)
{
	return atomic_long_read(&tdp->table.nr_linked) - atomic_long_read(&tdp->nr_freed);
}

static unsigned long ktdp_shrink_count_one(struct kvm_exported_tdp *tdp,
					   unsigned long nr)
{
	if (!ktdp_shrink_is_idle(tdp))
		return 0;
	return READ_ONCE(tdp->table.nr_pool) + ktdp_shrink_tables(tdp);
}

/*
 * An importer that registers meanwhile is told like any other.  What is zapped
 * is free when RCU and a worker are done.
 */
static unsigned long ktdp_shrink_one(struct kvm_exported_tdp *tdp,
				     unsigned long nr)
{
	unsigned long freed, tables;

	if (!ktdp_shrink_is_idle(tdp))
		return 0;
	freed = ktdp_pool_drain(tdp, nr);
	tables = ktdp_shrink_tables(tdp);
	if (freed < nr && tables) {
		freed += tables;
		WRITE_ONCE(tdp->shrunk, true);
		ktdp_revoke_all(tdp, 0);
	}
	return freed;
}

static unsigned long ktdp_shrink_count(struct shrinker *shrinker,
				       struct shrink_control *sc)
{
	return ktdp_registry_try_each(ktdp_shrink_count_one, ULONG_MAX);
}

static unsigned long ktdp_shrink_scan(struct shrinker *shrinker,
				      struct shrink_control *sc)
{
	return ktdp_registry_try_each(ktdp_shrink_one, sc->nr_to_scan) ?:
	       SHRINK_STOP;
}

static struct shrinker *ktdp_shrinker;

int __init ktdp_shrink_init(void)
{
	ktdp_shrinker = shrinker_alloc(0, "kvm_tdp");
	if (!ktdp_shrinker)
		return -ENOMEM;
	ktdp_shrinker->count_objects = ktdp_shrink_count;
	ktdp_shrinker->scan_objects = ktdp_shrink_scan;
	shrinker_register(ktdp_shrinker);
	return 0;
}

void ktdp_shrink_exit(void)
{
	shrinker_free(ktdp_shrinker);
}
