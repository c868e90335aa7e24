// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hooks into KVM: the only user of ftrace and of tracepoints.
 *
 * Correctness rests on ftrace hooks on the entry of functions that are global and
 * have had one prototype since 6.1.  FTRACE_OPS_FL_PERMANENT keeps
 * root from switching them off with kernel.ftrace_enabled while a table depends
 * on them (kprobes can be switched off through debugfs, and a table would go
 * stale unnoticed).  The optional hook is a probe on a tracepoint.
 *
 * All are armed while there is an exported TDP, and some seconds longer; otherwise
 * they cost nothing.  To arm an ftrace_ops takes millions of instructions, a few
 * passes over all of ftrace's records, so all functions share one.  To disarm
 * waits, with a lock held, for all tasks to have scheduled (RCU Tasks): seconds on a
 * busy machine, in which the next creation would wait too.  So hooks stay armed for a
 * while after the last use.
 *
 * Handlers run in KVM's context, possibly with preemption off: they do not sleep.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kprobes.h>
#include <linux/kvm_tdp.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/workqueue.h>

#include "compat/ftrace.h"
#include "compat/kvm.h"
#include "compat/tracepoint.h"
#include "compat/workqueue.h"
#include "hooks.h"

static bool ktdp_eager = true;
module_param_named(eager, ktdp_eager, bool, 0644);
MODULE_PARM_DESC(eager, "copy vCPUs' faults into the table (takes effect when there is no TDP fd)");

/* How often the hooks are looked after, and how long they stay without a user. */
#define WATCH_PERIOD	HZ
#define LINGER		(10 * HZ)

static void watch(struct work_struct *work);
static DECLARE_DELAYED_WORK(watcher, watch);

/* Protects the four below; held while hooks are armed and disarmed. */
static DEFINE_MUTEX(ktdp_hooks_lock);
static unsigned int users;
static unsigned long unused_since;	/* jiffies */
static bool functions_armed;		/* or may be, for ftrace is dead */
static u32 eager_state;			/* KVM_TDP_EAGER_* */

static const struct ktdp_hook_handlers *handlers __ro_after_init;
static struct tracepoint *set_spte;	/* NULL: this KVM has none */
static bool ftrace_dead;
bool ktdp_hooks_lost __read_mostly;

enum {
	FLUSH_SLOT,
	COMMIT_REGION,
	LOG_HARVESTED,
	GMEM_UNMAPPED,
	NR_FUNCTIONS,
	/* Before there were slots of a guest_memfd's pages the last had no such caller. */
	NR_HOOKED = KTDP_SLOT_GMEM ? NR_FUNCTIONS : GMEM_UNMAPPED,
};

/* Without one of these a table could go stale. */
static const char *const function_names[NR_FUNCTIONS] __initconst = {
	[FLUSH_SLOT] = "kvm_arch_flush_shadow_memslot",
	[COMMIT_REGION] = "kvm_arch_commit_memory_region",
	[LOG_HARVESTED] = "kvm_arch_mmu_enable_log_dirty_pt_masked",
	[GMEM_UNMAPPED] = "kvm_mmu_unmap_gfn_range",
};

/* The addresses of ftrace's records of them, which it calls the hook with. */
static unsigned long function_ips[NR_FUNCTIONS] __ro_after_init;

/*
 * Cannot be, for ftrace filters by function_ips.  If it is, one of them may
 * go unseen and a table be stale: they are stopped, in a context that may sleep.
 */
static void unknown_called(unsigned long ip)
{
	if (xchg(&ktdp_hooks_lost, true))
		return;
	WARN(1, "%pS has called a hook that is not its own: TDP fds are of no use any more\n",
	     (void *)ip);
	mod_delayed_work(system_dfl_wq, &watcher, 0);
}

/* kvm-tdp doctor sees by this prefix of the name whether hooks are armed. */
static void ktdp_hook_called(unsigned long ip, unsigned long parent_ip,
			     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct kvm *kvm = (void *)ftrace_regs_get_argument(fregs, 0);
	unsigned long second = ftrace_regs_get_argument(fregs, 1);
	unsigned long third = ftrace_regs_get_argument(fregs, 2);
	unsigned long fourth = ftrace_regs_get_argument(fregs, 3);

	if (ip == function_ips[FLUSH_SLOT])
		handlers->slot_flushed(kvm, (void *)second);
	else if (ip == function_ips[COMMIT_REGION])
		handlers->slot_committed(kvm, (void *)third, fourth);
	else if (ip == function_ips[LOG_HARVESTED])
		handlers->log_harvested(kvm, (void *)second, third, fourth);
	else if (ip == function_ips[GMEM_UNMAPPED])
		handlers->gmem_unmapped(kvm, (void *)second);
	else
		unknown_called(ip);
}

static struct ftrace_ops hooks_ops = {
	.func = ktdp_hook_called,
	.flags = FTRACE_OPS_FL_PERMANENT,
};

/**
 * ktdp_hooks_look() - has ftrace shut itself down?
 *
 * It does so, for good, when it finds its records in disorder (ftrace_kill()).
 * Call sites stay as they are then, and mostly go on to call; but nobody knows
 * which do, so the module stays.  Nobody is told either, so it is asked: before a
 * TDP fd is made, once a second while hooks are armed, and when the last is closed.
 *
 * Context: process context.
 * Return: ktdp_hooks_lost, of which that is one reason; once true, always true.
 */
bool ktdp_hooks_look(void)
{
	/*
	 * Take address 0 out of a filter, which is in none: -EINVAL, and nothing is
	 * changed.  -ENODEV, which is looked at first, means that ftrace is off.
	 */
	if (!READ_ONCE(ftrace_dead) &&
	    ftrace_set_filter_ip(&hooks_ops, 0, 1, 0) == -ENODEV) {
		WRITE_ONCE(ktdp_hooks_lost, true);
		if (!xchg(&ftrace_dead, true)) {
			pr_err("ftrace has shut itself down: TDP fds are of no use until the next boot\n");
			/* Fails if the module is on its way out: ktdp_hooks_exit() waits. */
			try_module_get(THIS_MODULE);
		}
	}
	return READ_ONCE(ktdp_hooks_lost);
}

/* It may die of a change that it is asked for, which is then made in part. */
static bool ftrace_is_dead(void)
{
	ktdp_hooks_look();
	return READ_ONCE(ftrace_dead);
}

static void disarm_eager(void)
{
	if (eager_state == KVM_TDP_EAGER_ON)
		WARN_ON_ONCE(tracepoint_probe_unregister(set_spte, handlers->spte_set,
							 NULL));
	WRITE_ONCE(eager_state, KVM_TDP_EAGER_OFF);
}

/* Optional: without it the table is filled by faults only. */
static int arm_eager(void)
{
	int ret = -ENOENT;

	if (!READ_ONCE(ktdp_eager)) {
		disarm_eager();
		return 0;
	}
	if (eager_state == KVM_TDP_EAGER_ON)
		return 0;
	if (set_spte)
		ret = tracepoint_probe_register(set_spte, handlers->spte_set, NULL);
	eager_state = ret ? KVM_TDP_EAGER_NONE : KVM_TDP_EAGER_ON;
	return ret == -ENOMEM ? ret : 0;
}

static void disarm(void)
{
	int ret;

	lockdep_assert_held(&ktdp_hooks_lock);
	disarm_eager();
	if (!functions_armed)
		return;
	ret = unregister_ftrace_function(&hooks_ops);
	functions_armed = ftrace_is_dead();
	WARN_ON_ONCE(ret && !functions_armed);
}

/* Some may be armed still. */
static int arm(void)
{
	int ret;

	lockdep_assert_held(&ktdp_hooks_lock);
	if (!functions_armed) {
		ret = register_ftrace_function(&hooks_ops);
		functions_armed = !ret || ftrace_is_dead();
		if (ret) {
			pr_warn_ratelimited("cannot hook KVM: error %d%s\n", ret,
					    ret == -EBUSY ?
					    "; is kernel.ftrace_enabled 0?" : "");
			return ret == -ENOMEM ? ret : -EBUSY;
		}
	}
	return arm_eager();
}

/*
 * Once a second as long as anything is armed: disarm it if nobody has used it for a
 * while, or if it is of no use.  ktdp_hooks_get() waits meanwhile, and arms it again.
 */
static void watch(struct work_struct *work)
{
	bool lost = ktdp_hooks_look();

	if (lost)
		handlers->lost();
	mutex_lock(&ktdp_hooks_lock);
	if (lost || (!users && time_after_eq(jiffies, unused_since + LINGER)))
		disarm();
	else
		queue_delayed_work(system_dfl_wq, &watcher, WATCH_PERIOD);
	mutex_unlock(&ktdp_hooks_lock);
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

	if (mutex_lock_killable(&ktdp_hooks_lock))
		return -EINTR;
	if (!users) {
		ret = arm();
		unused_since = jiffies;
		queue_delayed_work(system_dfl_wq, &watcher, WATCH_PERIOD);
	}
	if (!ret)
		users++;
	mutex_unlock(&ktdp_hooks_lock);
	return ret;
}

void ktdp_hooks_put(void)
{
	mutex_lock(&ktdp_hooks_lock);
	if (!--users) {
		unused_since = jiffies;
		/* The module can go now, and be kept no more. */
		ktdp_hooks_look();
	}
	mutex_unlock(&ktdp_hooks_lock);
}

/* The caller is a user, so it stays that way, if hooks are not lost: KVM_TDP_EAGER_*. */
u32 ktdp_hooks_eager(void)
{
	return READ_ONCE(eager_state);
}

/* Modules that are there are shown to a new notifier, with all they have. */
static int see_module(struct notifier_block *nb, unsigned long action, void *data)
{
	struct tp_module *tp_mod = data;
	struct module *mod = tp_mod->mod;
	unsigned int i;

	if (action != MODULE_STATE_COMING || strcmp(mod->name, "kvm"))
		return NOTIFY_OK;
	for (i = 0; i < mod->num_tracepoints; i++) {
		struct tracepoint *tp =
			tracepoint_ptr_deref(&mod->tracepoints_ptrs[i]);

		if (strcmp(tp->name, "kvm_mmu_set_spte"))
			continue;
		if (ktdp_tracepoint_has(mod, tp, 3))	/* of ->spte_set */
			set_spte = tp;
		else
			pr_notice("this kernel's kvm has another %s: no eager fill\n",
				  tp->name);
	}
	return NOTIFY_OK;
}

/* kvm.ko, to which this module is linked, does not go before it. */
static int __init find_tracepoint(void)
{
	struct notifier_block nb = { .notifier_call = see_module };
	int ret;

	ret = register_tracepoint_module_notifier(&nb);
	if (!ret)
		unregister_tracepoint_module_notifier(&nb);
	return ret;
}

/*
 * A kprobe that is never armed finds the function by its name, and the address, past
 * an ENDBR, of which ftrace has the record.  (To have ftrace match the name against
 * all its records takes it a hundred times as long, and it may match more than one.)
 */
static int __init find_function(unsigned int nr)
{
	char name[KSYM_NAME_LEN];
	struct kprobe kp = { .symbol_name = name, .flags = KPROBE_FLAG_DISABLED };
	int ret;

	snprintf(name, sizeof(name), "kvm:%s", function_names[nr]);
	ret = register_kprobe(&kp);
	if (!ret) {
		unregister_kprobe(&kp);
		function_ips[nr] = (unsigned long)kp.addr;
		ret = kprobe_ftrace(&kp) ?
			ftrace_set_filter_ip(&hooks_ops, function_ips[nr], 0, 0) :
			-EINVAL;
	}
	if (!ret || ret == -ENOMEM)
		return ret;
	pr_err("this kernel's kvm has no function %s to hook: error %d\n",
	       function_names[nr], ret);
	return -ENOENT;
}

/* Find every function and tracepoint, arm none. */
int __init ktdp_hooks_init(const struct ktdp_hook_handlers *called)
{
	unsigned int nr;
	int ret;

	handlers = called;
	ret = find_tracepoint();
	for (nr = 0; nr < NR_HOOKED && !ret; nr++)
		ret = find_function(nr);
	if (ret)
		ftrace_free_filter(&hooks_ops);
	return ret;
}

/* When this returns, no handler runs. */
void ktdp_hooks_exit(void)
{
	mutex_lock(&ktdp_hooks_lock);
	disarm();
	mutex_unlock(&ktdp_hooks_lock);
	/* As unregister_ftrace_function() does for its own. */
	tracepoint_synchronize_unregister();
	cancel_delayed_work_sync(&watcher);
	/* It cannot refuse to go any more; but the text that is called must not. */
	while (functions_armed)
		ssleep(1);
	ftrace_free_filter(&hooks_ops);
}
