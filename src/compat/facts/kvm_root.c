// SPDX-License-Identifier: GPL-2.0-only
/* A vCPU says where KVM's own table for L1 begins, and of what kind that is. */
#include <linux/kvm_host.h>

#include "../check.h"

member_is(struct kvm_vcpu_arch, root_mmu, struct kvm_mmu);
member_is(struct kvm_mmu, root.hpa, hpa_t);
member_is(struct kvm_mmu, root_role, union kvm_mmu_page_role);
member_is(union kvm_mmu_page_role, word, u32);
/* It is read in one piece. */
static_assert(sizeof(union kvm_mmu_page_role) == sizeof(u32));

bool fact(union kvm_mmu_page_role role)
{
	return role.direct && role.smm && role.level >= PG_LEVEL_512G;
}
