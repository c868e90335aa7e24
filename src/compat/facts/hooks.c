// SPDX-License-Identifier: GPL-2.0-only
/* The functions of KVM that are hooked have the prototypes that they had. */
#include <linux/kvm_host.h>

static_assert(__same_type(kvm_arch_flush_shadow_memslot,
			  void (struct kvm *, struct kvm_memory_slot *)));
static_assert(__same_type(kvm_arch_commit_memory_region,
			  void (struct kvm *, struct kvm_memory_slot *,
				const struct kvm_memory_slot *,
				enum kvm_mr_change)));
static_assert(__same_type(kvm_arch_mmu_enable_log_dirty_pt_masked,
			  void (struct kvm *, struct kvm_memory_slot *, gfn_t,
				unsigned long)));
