// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hooks into KVM: the only user of ftrace and of tracepoints.
 *
 * What correctness rests on are ftrace hooks on the entry of functions that are
 * global and have had one prototype since 6.1.  FTRACE_OPS_FL_PERMANENT keeps
 * root from switching them off with kernel.ftrace_enabled while a table depends
 * on them (kprobes can be switched off through debugfs, and a table would go
 * stale unnoticed).  What is optional is a probe on a tracepoint.
 *
 * All are armed while there is an exported TDP, and some seconds longer; otherwise
 * they cost nothing.  To arm one takes ftrace millions of instructions, and to
 * disarm it waits, with a lock held, for all tasks to have scheduled (RCU Tasks):
 * seconds on a busy machine, and the next creation would wait as long.  So where
 * creations follow each other neither is done for each.
 *
 * Handlers run in KVM's context, possibly with preemption off: they do not sleep.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/workqueue.h>

#include "compat/ftrace.h"
#include "compat/workqueue.h"
#include "eager.h"
#include "hooks.h"
#include "kvm.h"

static bool ktdp_eager = true;
module_param_named(eager, ktdp_eager, bool, 0644);
MODULE_PARM_DESC(eager, "copy vCPUs' faults into the table (takes effect when there is no TDP fd)");

/* A function of kvm.ko, required, or a tracepoint of it, optional. */
struct ktdp_hook {
	const char *name;
	struct ftrace_ops ops;
	void *probe;			/* of a tracepoint */
	struct tracepoint *tracepoint;	/* NULL: there is none of that name */
	const bool *wanted;		/* NULL: always */
	bool armed;			/* ktdp_hooks_lock */
	bool refused;			/* ktdp_hooks_lock: wanted, not armed */
};

static DEFINE_MUTEX(ktdp_hooks_lock);
static unsigned int ktdp_hooks_users;	/* ktdp_hooks_lock */
static bool ktdp_hooks_pinned;		/* the module stays: ftrace is dead */

/* How long they stay armed without a user. */
#define KTDP_HOOKS_LINGER	(10 * HZ)

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

#define KTDP_TRACEPOINT(_name, _probe, _wanted) {		\
	.name = _name,						\
	.probe = _probe,					\
	.wanted = _wanted,					\
}

enum {
	KTDP_HOOK_FLUSH_SLOT,
	KTDP_HOOK_COMMIT_REGION,
	KTDP_HOOK_LOG_HARVESTED,
	KTDP_HOOK_EAGER,
};

static struct ktdp_hook ktdp_hooks[] = {
	/* Without one of these a table could go stale. */
	[KTDP_HOOK_FLUSH_SLOT] =
		KTDP_HOOK("kvm_arch_flush_shadow_memslot", ktdp_hook_flush_slot),
	[KTDP_HOOK_COMMIT_REGION] =
		KTDP_HOOK("kvm_arch_commit_memory_region",
			  ktdp_hook_commit_region),
	[KTDP_HOOK_LOG_HARVESTED] =
		KTDP_HOOK("kvm_arch_mmu_enable_log_dirty_pt_masked",
			  ktdp_hook_log_harvested),
	/* Without this one it is filled by faults only. */
	[KTDP_HOOK_EAGER] =
		KTDP_TRACEPOINT("kvm_mmu_set_spte", ktdp_eager_probe,
				&ktdp_eager),
};

#define KTDP_HOOKS_END	(ktdp_hooks + ARRAY_SIZE(ktdp_hooks))

bool ktdp_hooks_lost __read_mostly;

/**
 * ktdp_hooks_look() - has ftrace shut itself down?
 *
 * It does so, for good, when it finds its records in disorder (ftrace_kill()).
 * Call sites stay as they are then, and mostly go on to call; but nobody knows
 * which do, so the module stays.  Nobody is told either, so it is asked: before a
 * TDP fd is made, once a second while there is one, and when the last is closed.
 *
 * Context: process context.
 * Return: whether it has; once true, always true.
 */
bool ktdp_hooks_look(void)
{
	struct ftrace_ops *ops = &ktdp_hooks[KTDP_HOOK_FLUSH_SLOT].ops;

	/*
	 * Take address 0 out of a filter, which is in none: -EINVAL, and nothing is
	 * changed.  -ENODEV, which is looked at first, means that ftrace is off.
	 */
	if (!READ_ONCE(ktdp_hooks_lost) &&
	    ftrace_set_filter_ip(ops, 0, 1, 0) == -ENODEV &&
	    !xchg(&ktdp_hooks_lost, true)) {
		pr_err("ftrace has shut itself down: TDP fds are of no use until the next boot\n");
		/* Not if it is on its way out. */
		WRITE_ONCE(ktdp_hooks_pinned, try_module_get(THIS_MODULE));
	}
	return READ_ONCE(ktdp_hooks_lost);
}

static void ktdp_hooks_watch(struct work_struct *work)
{
	if (ktdp_hooks_look())
		ktdp_exports_stop();
	else
		queue_delayed_work(system_dfl_wq, to_delayed_work(work), HZ);
}

static DECLARE_DELAYED_WORK(ktdp_hooks_watcher, ktdp_hooks_watch);

static void ktdp_hook_disarm(struct ktdp_hook *hook)
{
	int ret;

	if (!hook->armed)
		return;
	if (hook->probe)
		ret = tracepoint_probe_unregister(hook->tracepoint, hook->probe,
						  NULL);
	else
		ret = unregister_ftrace_function(&hook->ops);
	/* The call sites stay. */
	if (ret)
		WARN_ON_ONCE(!ktdp_hooks_look());
	hook->armed = false;
}

/*
 * Without users.  One that comes meanwhile waits for one of them to be disarmed,
 * and arms again what was.
 */
static void ktdp_hooks_idle(struct work_struct *work)
{
	struct ktdp_hook *hook;

	for (hook = ktdp_hooks; hook < KTDP_HOOKS_END; hook++) {
		mutex_lock(&ktdp_hooks_lock);
		if (!ktdp_hooks_users)
			ktdp_hook_disarm(hook);
		mutex_unlock(&ktdp_hooks_lock);
	}
}

static DECLARE_DELAYED_WORK(ktdp_hooks_idle_work, ktdp_hooks_idle);

static void ktdp_hooks_disarm_later(void)
{
	mod_delayed_work(system_dfl_wq, &ktdp_hooks_idle_work, KTDP_HOOKS_LINGER);
}

static int ktdp_hook_arm(struct ktdp_hook *hook)
{
	int ret;

	hook->refused = false;
	if (hook->wanted && !READ_ONCE(*hook->wanted)) {
		ktdp_hook_disarm(hook);
		return 0;
	}
	if (hook->armed)
		return 0;
	if (!hook->probe)
		ret = register_ftrace_function(&hook->ops);
	else if (hook->tracepoint)
		ret = tracepoint_probe_register(hook->tracepoint, hook->probe,
						NULL);
	else
		ret = -ENOENT;
	hook->armed = !ret;
	hook->refused = ret;
	if (hook->probe)
		return ret == -ENOMEM ? ret : 0;
	if (ret)
		pr_warn_ratelimited("cannot hook %s: error %d%s\n", hook->name,
				    ret, ret == -EBUSY ?
				    "; is kernel.ftrace_enabled 0?" : "");
	return ret && ret != -ENOMEM ? -EBUSY : ret;
}

/* Some may be armed still. */
static int ktdp_hooks_arm(void)
{
	struct ktdp_hook *hook;
	int ret;

	lockdep_assert_held(&ktdp_hooks_lock);
	for (hook = ktdp_hooks; hook < KTDP_HOOKS_END; hook++) {
		ret = ktdp_hook_arm(hook);
		if (ret) {
			ktdp_hooks_disarm_later();
			return ret;
		}
	}
	return 0;
}

/**
 * ktdp_hooks_get() - arm the hooks for one more user
 *
 * Context: process context.
 * Return: 0; -EBUSY a hook cannot be armed; -ENOMEM; -EINTR fatal signal.
 */
int ktdp_hooks_get(void)
{
	int ret = 0;

	/* Held while hooks are disarmed, see above. */
	if (mutex_lock_killable(&ktdp_hooks_lock))
		return -EINTR;
	if (!ktdp_hooks_users)
		ret = ktdp_hooks_arm();
	if (!ret && !ktdp_hooks_users++)
		queue_delayed_work(system_dfl_wq, &ktdp_hooks_watcher, HZ);
	mutex_unlock(&ktdp_hooks_lock);
	return ret;
}

void ktdp_hooks_put(void)
{
	mutex_lock(&ktdp_hooks_lock);
	if (!--ktdp_hooks_users) {
		cancel_delayed_work_sync(&ktdp_hooks_watcher);
		ktdp_hooks_look();
		ktdp_hooks_disarm_later();
	}
	mutex_unlock(&ktdp_hooks_lock);
}

/* The caller is a user, so it stays that way: KVM_TDP_EAGER_*. */
u32 ktdp_hooks_eager(void)
{
	const struct ktdp_hook *hook = &ktdp_hooks[KTDP_HOOK_EAGER];

	if (hook->armed)
		return KVM_TDP_EAGER_ON;
	return hook->refused ? KVM_TDP_EAGER_NONE : KVM_TDP_EAGER_OFF;
}

/* Modules that are there are shown to a new notifier, with all they have. */
static int ktdp_hooks_see_module(struct notifier_block *nb,
				 unsigned long action, void *data)
{
	struct tp_module *tp_mod = data;
	struct module *mod = tp_mod->mod;
	struct ktdp_hook *hook;
	unsigned int i;

	if (action != MODULE_STATE_COMING || strcmp(mod->name, "kvm"))
		return NOTIFY_OK;
	for (i = 0; i < mod->num_tracepoints; i++) {
		struct tracepoint *tp =
			tracepoint_ptr_deref(&mod->tracepoints_ptrs[i]);

		for (hook = ktdp_hooks; hook < KTDP_HOOKS_END; hook++) {
			if (hook->probe && !strcmp(tp->name, hook->name))
				hook->tracepoint = tp;
		}
	}
	return NOTIFY_OK;
}

/* kvm.ko, to which this module is linked, does not go before it. */
static int __init ktdp_hooks_find_tracepoints(void)
{
	struct notifier_block nb = { .notifier_call = ktdp_hooks_see_module };
	int ret;

	ret = register_tracepoint_module_notifier(&nb);
	if (!ret)
		unregister_tracepoint_module_notifier(&nb);
	return ret;
}

static int __init ktdp_hook_find_function(struct ktdp_hook *hook)
{
	char name[KSYM_NAME_LEN];
	int ret;

	/* The parser writes to what it is given. */
	strscpy(name, hook->name, sizeof(name));
	ret = ftrace_set_filter(&hook->ops, name, strlen(name), 1);
	if (!ret || ret == -ENOMEM)
		return ret;
	pr_err("this kernel's kvm has no function %s to hook: error %d\n",
	       hook->name, ret);
	return -ENOENT;
}

static void ktdp_hooks_free(void)
{
	struct ktdp_hook *hook;

	for (hook = ktdp_hooks; hook < KTDP_HOOKS_END; hook++) {
		if (!hook->probe)
			ftrace_free_filter(&hook->ops);
	}
}

/* When this returns, no handler runs. */
void ktdp_hooks_exit(void)
{
	cancel_delayed_work_sync(&ktdp_hooks_idle_work);
	ktdp_hooks_idle(NULL);
	/* As unregister_ftrace_function() does for its own. */
	tracepoint_synchronize_unregister();
	/* It cannot refuse to go any more; but the text that is called must not. */
	while (ktdp_hooks_lost && !ktdp_hooks_pinned)
		ssleep(1);
	ktdp_hooks_free();
}

/* Find every function and tracepoint, arm none. */
int __init ktdp_hooks_init(void)
{
	struct ktdp_hook *hook;
	int ret;

	ret = ktdp_hooks_find_tracepoints();
	if (ret)
		return ret;
	for (hook = ktdp_hooks; hook < KTDP_HOOKS_END; hook++) {
		ret = hook->probe ? 0 : ktdp_hook_find_function(hook);
		if (ret) {
			ktdp_hooks_free();
			return ret;
		}
	}
	return 0;
}
