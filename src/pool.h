/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_POOL_H
#define _KTDP_POOL_H

#include "tdp.h"

int ktdp_pool_init(struct kvm_exported_tdp *tdp);
void ktdp_pool_exit(struct kvm_exported_tdp *tdp);
int __ktdp_pool_topup(struct kvm_exported_tdp *tdp, unsigned int nr);
void ktdp_pool_trim(struct kvm_exported_tdp *tdp);
unsigned long ktdp_pool_drain(struct kvm_exported_tdp *tdp, unsigned long nr);
void ktdp_pool_free_detached(struct kvm_exported_tdp *tdp,
			     struct ktdp_chain *chain);
void ktdp_pool_count_leaves(struct kvm_exported_tdp *tdp, u64 *leaves,
			    u64 *cleared);

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
	int ret;

	if (likely(ktdp_pool_is_enough(tdp)))
		return 0;
	ret = __ktdp_pool_topup(tdp, KTDP_POOL_TARGET);
	return ktdp_pool_is_enough(tdp) ? 0 : ret;
}

#endif /* _KTDP_POOL_H */
