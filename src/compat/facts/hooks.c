// SPDX-License-Identifier: GPL-2.0-only
/* The functions of KVM that are hooked have the prototypes that they had. */
#include <linux/kvm_host.h>

#include "../check.h"

function_is(kvm_arch_flush_shadow_memslot,
	    void (struct kvm *, struct kvm_memory_slot *));
function_is(kvm_arch_commit_memory_region,
	    void (struct kvm *, struct kvm_memory_slot *,
		  const struct kvm_memory_slot *, enum kvm_mr_change));
function_is(kvm_arch_mmu_enable_log_dirty_pt_masked,
	    void (struct kvm *, struct kvm_memory_slot *, gfn_t, unsigned long));

/* The changes that kvm_arch_commit_memory_region() is called for. */
static const enum kvm_mr_change changes[] __maybe_unused = {
	KVM_MR_CREATE, KVM_MR_DELETE, KVM_MR_MOVE, KVM_MR_FLAGS_ONLY,
};
