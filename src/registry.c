// SPDX-License-Identifier: GPL-2.0-only
/* Which exported TDPs there are: of a (VM, address space) one at most. */

#include <linux/hashtable.h>

#include "registry.h"

/* Protects the registry, and the number of users of each entry. */
DEFINE_MUTEX(ktdp_registry_lock);

static DEFINE_HASHTABLE(registry, 6);	/* ktdp_registry_lock; readers: RCU */

/* Context: RCU read section, or ktdp_registry_lock held. */
struct kvm_exported_tdp *ktdp_registry_find(struct kvm *kvm, u32 as_id)
{
	struct kvm_exported_tdp *tdp;

	hash_for_each_possible_rcu(registry, tdp, node, (unsigned long)kvm,
				   lockdep_is_held(&ktdp_registry_lock)) {
		if (tdp->kvm == kvm && tdp->as_id == as_id)
			return tdp;
	}
	return NULL;
}

void ktdp_registry_add(struct kvm_exported_tdp *tdp)
{
	lockdep_assert_held(&ktdp_registry_lock);
	hash_add_rcu(registry, &tdp->node, (unsigned long)tdp->kvm);
}

/* Readers may find it for an RCU grace period more. */
void ktdp_registry_del(struct kvm_exported_tdp *tdp)
{
	lockdep_assert_held(&ktdp_registry_lock);
	hash_del_rcu(&tdp->node);
}

void ktdp_registry_each(void (*fn)(struct kvm_exported_tdp *tdp))
{
	struct kvm_exported_tdp *tdp;
	int i;

	mutex_lock(&ktdp_registry_lock);
	hash_for_each(registry, i, tdp, node)
		fn(tdp);
	mutex_unlock(&ktdp_registry_lock);
}

/**
 * ktdp_registry_try_each() - call a function for all exported TDPs
 * @fn: returns how much it found or did, and is told how much is left to do
 * @nr: stop when that much is done
 *
 * Context: any that may take a mutex if it is free, reclaim too.
 * Return: the sum; 0 if the list is being changed.
 */
unsigned long ktdp_registry_try_each(ktdp_registry_fn fn, unsigned long nr)
{
	struct kvm_exported_tdp *tdp;
	unsigned long done = 0;
	int i;

	if (!mutex_trylock(&ktdp_registry_lock))
		return 0;
	hash_for_each(registry, i, tdp, node) {
		if (done < nr)
			done += fn(tdp, nr - done);
	}
	mutex_unlock(&ktdp_registry_lock);
	return done;
}
