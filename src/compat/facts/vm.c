// SPDX-License-Identifier: GPL-2.0-only
/* A VM and its vCPUs have the members that are read, of the types that they had. */
#include <linux/kvm_host.h>

#include "../check.h"

member_is(struct kvm, mm, struct mm_struct *);
member_is(struct kvm, srcu, struct srcu_struct);
member_is(struct kvm, slots_lock, struct mutex);
member_is(struct kvm, mmu_lock, rwlock_t);
member_is(struct kvm, mmu_invalidate_in_progress, long);
member_is(struct kvm, online_vcpus, atomic_t);
member_is(struct kvm, userspace_pid, pid_t);
member_is(struct kvm, dirty_ring_size, u32);
member_is(struct kvm, vm_dead, bool);
member_is(struct kvm_vcpu, kvm, struct kvm *);
member_is(struct kvm_vcpu, preempt_notifier, struct preempt_notifier);
member_is(struct kvm_vcpu_arch, guest_state_protected, bool);
member_is(struct kvm_vcpu_arch, maxphyaddr, int);
member_is(struct kvm_vcpu_arch, cpuid_nent, int);
/* The vCPU that a thread runs is known by these. */
member_is(struct task_struct, preempt_notifiers, struct hlist_head);
member_is(struct preempt_notifier, ops, struct preempt_ops *);
static_assert(!offsetof(struct preempt_notifier, link));
function_is(kvm_get_kvm_safe, bool (struct kvm *));
function_is(kvm_put_kvm, void (struct kvm *));
