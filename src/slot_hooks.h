/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_SLOT_HOOKS_H
#define _KTDP_SLOT_HOOKS_H

#include <linux/kvm_host.h>

void ktdp_slot_flushed(struct kvm *kvm, const struct kvm_memory_slot *slot);
void ktdp_slot_committed(struct kvm *kvm, const struct kvm_memory_slot *new,
			 enum kvm_mr_change change);
void ktdp_log_harvested(struct kvm *kvm, const struct kvm_memory_slot *slot,
			u64 gfn_offset, unsigned long mask);
void ktdp_gmem_unmapped(struct kvm *kvm, const struct kvm_gfn_range *range);

#endif /* _KTDP_SLOT_HOOKS_H */
