/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_X86_KVM_EXPORTED_TDP_H
#define _ASM_X86_KVM_EXPORTED_TDP_H

/**
 * DOC: Metadata of an exported TDP
 *
 * kvm_exported_tdp_ops.get_metadata() points to a struct of this header.  The first
 * member says which it is; look at nothing else before it.
 *
 * An entry that is not present is all zero.  Accessed is set in every present
 * entry and dirty in every writable leaf, so the consumer need not write to
 * the table.  Access is what all levels on the path grant.
 */

#include <linux/types.h>

enum kvm_exported_tdp_type {
	KVM_TDP_TYPE_EPT = 1,
	KVM_TDP_TYPE_NPT = 2,
};

/**
 * struct kvm_exported_tdp_meta_vmx - extended page tables (EPT)
 * @type: KVM_TDP_TYPE_EPT
 * @level: levels of the table, 4 or 5
 * @root_hpa: host physical address of the root page, 4K-aligned, in the direct
 *	map; the page is never moved or freed while the TDP fd is open
 * @max_huge_page_level: largest leaf, as a level: 1 = 4K, 2 = 2M, 3 = 1G
 * @rsvd_bits_mask: [bit 7 of the entry][level - 1]: bits that are never set in
 *	a present entry, not even for software use.  Bit 11 is in every mask.
 *
 * Bit 0 of an entry is read, 1 write, 2 execute; the memory type is WB.
 */
struct kvm_exported_tdp_meta_vmx {
	enum kvm_exported_tdp_type type;
	int level;
	__u64 root_hpa;
	int max_huge_page_level;
	__u64 rsvd_bits_mask[2][5];
};

/**
 * struct kvm_exported_tdp_meta_svm - nested page tables (NPT)
 * @type: KVM_TDP_TYPE_NPT
 * @level: as of struct kvm_exported_tdp_meta_vmx
 * @root_hpa: likewise
 * @max_huge_page_level: likewise
 * @rsvd_bits_mask: likewise
 *
 * The host's own format; present, writable, user, NX.  Addresses carry the SME
 * encryption bit where the host's do.
 */
struct kvm_exported_tdp_meta_svm {
	enum kvm_exported_tdp_type type;
	int level;
	__u64 root_hpa;
	int max_huge_page_level;
	__u64 rsvd_bits_mask[2][5];
};

#endif /* _ASM_X86_KVM_EXPORTED_TDP_H */
