/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_HOOKS_H
#define _KTDP_HOOKS_H

#include <linux/kvm_host.h>

/* All but @lost run in KVM's context, and must not sleep. */
struct ktdp_hook_handlers {
	void (*slot_flushed)(struct kvm *kvm, const struct kvm_memory_slot *slot);
	void (*slot_committed)(struct kvm *kvm, const struct kvm_memory_slot *new,
			       enum kvm_mr_change change);
	void (*log_harvested)(struct kvm *kvm, const struct kvm_memory_slot *slot,
			      u64 gfn_offset, unsigned long mask);
	void (*gmem_unmapped)(struct kvm *kvm, const struct kvm_gfn_range *range);
	void (*spte_set)(void *unused, int level, gfn_t gfn, u64 *sptep);
	void (*lost)(void);	/* ktdp_hooks_lost is true; may be called again */
};

int ktdp_hooks_init(const struct ktdp_hook_handlers *handlers);
void ktdp_hooks_exit(void);
int ktdp_hooks_get(void);
void ktdp_hooks_put(void);
u32 ktdp_hooks_eager(void);
bool ktdp_hooks_look(void);

/* As ktdp_hooks_look() found it last. */
extern bool ktdp_hooks_lost;

#endif /* _KTDP_HOOKS_H */
