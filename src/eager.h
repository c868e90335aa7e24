/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_EAGER_H
#define _KTDP_EAGER_H

#include "kvm.h"

/* Outcomes of vCPUs' faults, counted on each CPU. */
struct ktdp_eager_counts {
	u64 nr[KTDP_FILL_NR];
};

void ktdp_eager_probe(void *unused, int level, gfn_t gfn, u64 *sptep);
enum ktdp_fill ktdp_eager_copy(struct kvm_exported_tdp *tdp, u64 gfn, int level,
			       const u64 *sptep, const struct ktdp_kvm_root *root);
int ktdp_eager_init(struct kvm_exported_tdp *tdp);
void ktdp_eager_exit(struct kvm_exported_tdp *tdp);
void ktdp_eager_forget(struct kvm_exported_tdp *tdp);
void ktdp_eager_stats(struct kvm_exported_tdp *tdp, struct kvm_tdp_stats *st);

#endif /* _KTDP_EAGER_H */
