// SPDX-License-Identifier: GPL-2.0-only
/*
 * The importer interface, as the series it comes from declares it: a driver
 * written for that builds against ours, or this file does not.
 */

#include <linux/build_bug.h>
#include <linux/container_of.h>
#include <linux/kvm_tdp_fd.h>
#include <asm/kvm_exported_tdp.h>

#define IS_TYPE(a, b) static_assert(__same_type(a, b))
#define MEMBER(type, member) typeof_member(type, member)

IS_TYPE(&kvm_tdp_fd_get, struct kvm_tdp_fd *(*)(int));
IS_TYPE(&kvm_tdp_fd_put, void (*)(struct kvm_tdp_fd *));

IS_TYPE(MEMBER(struct kvm_tdp_fd, file), struct file *);
IS_TYPE(MEMBER(struct kvm_tdp_fd, ops), const struct kvm_exported_tdp_ops *);
IS_TYPE(MEMBER(struct kvm_tdp_fd, priv), struct kvm_exported_tdp *);

IS_TYPE(MEMBER(struct kvm_exported_tdp_ops, register_importer),
	int (*)(struct kvm_tdp_fd *, struct kvm_tdp_importer_ops *, void *));
IS_TYPE(MEMBER(struct kvm_exported_tdp_ops, unregister_importer),
	void (*)(struct kvm_tdp_fd *, struct kvm_tdp_importer_ops *));
IS_TYPE(MEMBER(struct kvm_exported_tdp_ops, fault),
	int (*)(struct kvm_tdp_fd *, struct mm_struct *, unsigned long,
		struct kvm_tdp_fault_type));
IS_TYPE(MEMBER(struct kvm_exported_tdp_ops, get_metadata),
	void *(*)(struct kvm_tdp_fd *));
IS_TYPE(MEMBER(struct kvm_exported_tdp_ops, fault_range),
	int (*)(struct kvm_tdp_fd *, struct mm_struct *, unsigned long *, unsigned long *,
		struct kvm_tdp_fault_type));
IS_TYPE(MEMBER(struct kvm_tdp_importer_ops, invalidate),
	void (*)(void *, unsigned long, unsigned long));
IS_TYPE(MEMBER(struct kvm_tdp_importer_ops, name), const char *);
IS_TYPE(MEMBER(struct kvm_tdp_importer_ops, gone), void (*)(void *));
IS_TYPE(MEMBER(struct kvm_tdp_importer_ops, revoke),
	void (*)(void *, unsigned long, unsigned long));

static_assert(sizeof(struct kvm_tdp_fault_type) == sizeof(u32));
static_assert(KVM_TDP_TYPE_EPT == 1 && KVM_TDP_TYPE_NPT == 2);
static_assert(!offsetof(struct kvm_exported_tdp_meta_vmx, type));
static_assert(!offsetof(struct kvm_exported_tdp_meta_svm, type));
IS_TYPE(MEMBER(struct kvm_exported_tdp_meta_vmx, level), int);
IS_TYPE(MEMBER(struct kvm_exported_tdp_meta_vmx, root_hpa), __u64);
IS_TYPE(MEMBER(struct kvm_exported_tdp_meta_vmx, max_huge_page_level), int);
IS_TYPE(MEMBER(struct kvm_exported_tdp_meta_vmx, rsvd_bits_mask[1]), __u64[5]);
IS_TYPE(MEMBER(struct kvm_exported_tdp_meta_svm, rsvd_bits_mask[1]), __u64[5]);
