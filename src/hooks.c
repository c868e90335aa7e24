// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hooks into KVM: the only user of ftrace.
 *
 * They are ftrace hooks on the entry of functions that are global and have had
 * one prototype since 6.1.  FTRACE_OPS_FL_PERMANENT keeps root from switching
 * them off with kernel.ftrace_enabled while a table depends on them (kprobes
 * can be switched off through debugfs, and a table would go stale unnoticed).
 *
 * Handlers run in KVM's context at the entry of the function, possibly with
 * preemption off: they do not sleep.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/string.h>

#include "compat/ftrace.h"
#include "hooks.h"
#include "kvm.h"

struct ktdp_hook {
	const char *name;	/* function in kvm.ko */
	struct ftrace_ops ops;
	bool armed;		/* ktdp_hooks_lock */
};

static DEFINE_MUTEX(ktdp_hooks_lock);
static unsigned int ktdp_hooks_users;	/* ktdp_hooks_lock */

/*
 * kvm_arch_flush_shadow_memslot(kvm, slot): the slot is invalid, all SRCU
 * readers that saw it valid are gone, and so are their commits.  When this
 * returns nothing of it is mapped; KVM removes or moves the slot afterwards.
 */
static void ktdp_hook_flush_slot(unsigned long ip, unsigned long parent_ip,
				 struct ftrace_ops *ops,
				 struct ftrace_regs *fregs)
{
	struct kvm *kvm = (void *)ftrace_regs_get_argument(fregs, 0);
	struct kvm_memory_slot *slot = (void *)ftrace_regs_get_argument(fregs, 1);
	struct kvm_exported_tdp *tdp;

	rcu_read_lock();
	tdp = ktdp_export_find_rcu(kvm, slot->as_id);
	if (tdp) {
		atomic64_inc(&tdp->stat.slot_zaps);
		ktdp_export_zap(tdp, slot->base_gfn,
				slot->base_gfn + slot->npages);
	}
	rcu_read_unlock();
}

static void ktdp_hook_wrprot(struct kvm *kvm, u32 as_id, u64 start, u64 end)
{
	struct kvm_exported_tdp *tdp;

	rcu_read_lock();
	tdp = ktdp_export_find_rcu(kvm, as_id);
	if (tdp)
		ktdp_export_wrprot(tdp, start, end);
	rcu_read_unlock();
}

/*
 * kvm_arch_commit_memory_region(kvm, old, new, change): the new flags are in
 * force for all SRCU readers.  If dirty logging is on now, no page is writable
 * that is not in the log.
 */
static void ktdp_hook_commit_region(unsigned long ip, unsigned long parent_ip,
				    struct ftrace_ops *ops,
				    struct ftrace_regs *fregs)
{
	struct kvm *kvm = (void *)ftrace_regs_get_argument(fregs, 0);
	struct kvm_memory_slot *new = (void *)ftrace_regs_get_argument(fregs, 2);
	enum kvm_mr_change change = ftrace_regs_get_argument(fregs, 3);

	if (change == KVM_MR_FLAGS_ONLY && (new->flags & KVM_MEM_LOG_DIRTY_PAGES))
		ktdp_hook_wrprot(kvm, new->as_id, new->base_gfn,
				 new->base_gfn + new->npages);
}

/*
 * kvm_arch_mmu_enable_log_dirty_pt_masked(kvm, slot, gfn_offset, mask): the
 * bits of the mask have been taken out of the log.  What was written up to the
 * return of this is in the harvest; what is written later has to be logged
 * anew.  Pages between two of the mask may lose write access for nothing.
 *
 * KVM's mmu_lock is held.
 */
static void ktdp_hook_log_harvested(unsigned long ip, unsigned long parent_ip,
				    struct ftrace_ops *ops,
				    struct ftrace_regs *fregs)
{
	struct kvm *kvm = (void *)ftrace_regs_get_argument(fregs, 0);
	struct kvm_memory_slot *slot = (void *)ftrace_regs_get_argument(fregs, 1);
	u64 gfn = slot->base_gfn + ftrace_regs_get_argument(fregs, 2);
	unsigned long mask = ftrace_regs_get_argument(fregs, 3);

	if (mask)
		ktdp_hook_wrprot(kvm, slot->as_id, gfn + __ffs(mask),
				 gfn + __fls(mask) + 1);
}

#define KTDP_HOOK(_name, _func) {				\
	.name = _name,						\
	.ops = {						\
		.func = _func,					\
		.flags = FTRACE_OPS_FL_PERMANENT,		\
	},							\
}

/* All are required: without one of them a table could go stale. */
static struct ktdp_hook ktdp_hooks[] = {
	KTDP_HOOK("kvm_arch_flush_shadow_memslot", ktdp_hook_flush_slot),
	KTDP_HOOK("kvm_arch_commit_memory_region", ktdp_hook_commit_region),
	KTDP_HOOK("kvm_arch_mmu_enable_log_dirty_pt_masked",
		  ktdp_hook_log_harvested),
};

static void ktdp_hooks_disarm(void)
{
	struct ktdp_hook *hook;

	lockdep_assert_held(&ktdp_hooks_lock);
	for (hook = ktdp_hooks; hook < ktdp_hooks + ARRAY_SIZE(ktdp_hooks); hook++) {
		if (!hook->armed)
			continue;
		/* If ftrace has shut itself down, the call sites stay. */
		if (WARN_ON_ONCE(unregister_ftrace_function(&hook->ops)))
			__module_get(THIS_MODULE);
		hook->armed = false;
	}
}

static int ktdp_hooks_arm(void)
{
	struct ktdp_hook *hook;
	int ret;

	lockdep_assert_held(&ktdp_hooks_lock);
	for (hook = ktdp_hooks; hook < ktdp_hooks + ARRAY_SIZE(ktdp_hooks); hook++) {
		ret = register_ftrace_function(&hook->ops);
		if (ret) {
			pr_warn_ratelimited("cannot hook %s: error %d%s\n",
					    hook->name, ret, ret == -EBUSY ?
					    "; is kernel.ftrace_enabled 0?" : "");
			ktdp_hooks_disarm();
			return ret == -ENOMEM ? ret : -EBUSY;
		}
		hook->armed = true;
	}
	return 0;
}

/**
 * ktdp_hooks_get() - arm the hooks for one more user
 *
 * Context: process context.
 * Return: 0; -EBUSY a hook cannot be armed; -ENOMEM.
 */
int ktdp_hooks_get(void)
{
	int ret = 0;

	mutex_lock(&ktdp_hooks_lock);
	if (!ktdp_hooks_users)
		ret = ktdp_hooks_arm();
	if (!ret)
		ktdp_hooks_users++;
	mutex_unlock(&ktdp_hooks_lock);
	return ret;
}

/* When this returns to the last user, no handler runs. */
void ktdp_hooks_put(void)
{
	mutex_lock(&ktdp_hooks_lock);
	if (!--ktdp_hooks_users)
		ktdp_hooks_disarm();
	mutex_unlock(&ktdp_hooks_lock);
}

void ktdp_hooks_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ktdp_hooks); i++)
		ftrace_free_filter(&ktdp_hooks[i].ops);
}

/* Find every function, arm none. */
int __init ktdp_hooks_init(void)
{
	struct ktdp_hook *hook;
	char name[KSYM_NAME_LEN];
	int ret;

	for (hook = ktdp_hooks; hook < ktdp_hooks + ARRAY_SIZE(ktdp_hooks); hook++) {
		/* The parser writes to what it is given. */
		strscpy(name, hook->name, sizeof(name));
		ret = ftrace_set_filter(&hook->ops, name, strlen(name), 1);
		if (ret) {
			pr_err("this kernel's kvm has no function %s to hook: error %d\n",
			       hook->name, ret);
			ktdp_hooks_exit();
			return -ENOENT;
		}
	}
	return 0;
}
