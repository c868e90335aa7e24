// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stops: a thread that comes by a chosen function is held there, so that a
 * window of a few instructions is as wide as a test wants it.
 */

#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "helper.h"

#define MAX_RETURNS	8	/* threads inside of a function at once */

/* Preemption is off. */
static void stop_hold(struct test_stop *stop)
{
	unsigned int steps = TEST_HOLD_STEPS;

	atomic_set(&stop->state, KTDP_TEST_HELD);
	while (!READ_ONCE(stop->released)) {
		if (!steps--) {
			atomic_set(&stop->state, KTDP_TEST_LAPSED);
			return;
		}
		test_hold_step();
	}
	atomic_set(&stop->state, KTDP_TEST_GONE);
}

/* @regs: at the entry, where the stack has the address to return to. */
static bool stop_is_called_by_us(struct pt_regs *regs)
{
	char name[KSYM_SYMBOL_LEN];

	sprint_symbol(name, regs_get_kernel_stack_nth(regs, 0));
	return strstr(name, " [kvm_tdp]");
}

/*
 * With interrupts off it is the scheduler's business, into which a thread may get
 * anywhere; but not if kvm_tdp calls.
 */
static bool stop_is_for_me(const struct test_stop *stop, struct pt_regs *regs)
{
	if (!in_task() || (stop->tid && stop->tid != current->pid))
		return false;
	if (stop->arg_nr &&
	    regs_get_kernel_argument(regs, stop->arg_nr - 1) != stop->arg)
		return false;
	if (stop->by_us)
		return stop_is_called_by_us(regs);
	return regs->flags & X86_EFLAGS_IF;
}

/* One thread is held, at one of its turns; all others pass. */
static void stop_hit(struct test_stop *stop)
{
	if (atomic_inc_return(&stop->hits) == stop->skip + 1)
		stop_hold(stop);
}

static int stop_at_entry(struct kprobe *kp, struct pt_regs *regs)
{
	struct test_stop *stop = container_of(kp, struct test_stop, probe.kp);

	if (stop_is_for_me(stop, regs))
		stop_hit(stop);
	return 0;
}

/* Other threads' returns are left alone. */
static int stop_before_return(struct kretprobe_instance *ri,
			      struct pt_regs *regs)
{
	struct test_stop *stop = container_of(get_kretprobe(ri),
					      struct test_stop, probe);

	return !stop_is_for_me(stop, regs);
}

static int stop_at_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct test_stop *stop = container_of(get_kretprobe(ri),
					      struct test_stop, probe);

	stop_hit(stop);
	return 0;
}

/*
 * A probe that is no hook of ftrace is a breakpoint, and holds the thread with
 * interrupts off: whoever sends it one would hang.
 */
static int stop_register_entry(struct test_stop *stop)
{
	int ret;

	stop->probe.kp.pre_handler = stop_at_entry;
	ret = register_kprobe(&stop->probe.kp);
	if (ret || kprobe_ftrace(&stop->probe.kp))
		return ret;
	unregister_kprobe(&stop->probe.kp);
	return -EOPNOTSUPP;
}

static int stop_register_return(struct test_stop *stop)
{
	stop->probe.entry_handler = stop_before_return;
	stop->probe.handler = stop_at_return;
	stop->probe.maxactive = MAX_RETURNS;
	return register_kretprobe(&stop->probe);
}

static void stop_release(struct test_stop *stop)
{
	WRITE_ONCE(stop->released, true);
}

static void stop_disarm(struct test_stop *stop)
{
	stop_release(stop);
	if (!stop->armed)
		return;
	if (stop->at_return)
		unregister_kretprobe(&stop->probe);
	else
		unregister_kprobe(&stop->probe.kp);
	stop->armed = false;
}

static int stop_arm(struct test_stop *stop, const struct ktdp_test_stop *arg)
{
	int ret;

	if (stop->armed)
		return -EBUSY;
	if ((arg->flags & ~(KTDP_TEST_AT_RETURN | KTDP_TEST_BY_US)) ||
	    arg->skip >= INT_MAX || arg->arg_nr > 6)
		return -EINVAL;
	memset(stop, 0, sizeof(*stop));
	if (strscpy(stop->symbol, arg->symbol, sizeof(stop->symbol)) <= 0)
		return -EINVAL;
	stop->probe.kp.symbol_name = stop->symbol;
	stop->tid = arg->tid;
	stop->skip = arg->skip;
	stop->arg_nr = arg->arg_nr;
	stop->arg = arg->arg;
	stop->at_return = arg->flags & KTDP_TEST_AT_RETURN;
	stop->by_us = arg->flags & KTDP_TEST_BY_US;
	ret = stop->at_return ? stop_register_return(stop) :
				stop_register_entry(stop);
	stop->armed = !ret;
	return ret;
}

static int stop_act(struct test_file *tf, struct test_stop *stop,
		    const struct ktdp_test_stop *arg)
{
	int ret = 0;

	switch (arg->action) {
	case KTDP_TEST_STOP_LOOK:
		return 0;
	case KTDP_TEST_STOP_RELEASE:
		stop_release(stop);
		return 0;
	case KTDP_TEST_STOP_ARM:
		mutex_lock(&tf->lock);
		ret = stop_arm(stop, arg);
		mutex_unlock(&tf->lock);
		return ret;
	case KTDP_TEST_STOP_DISARM:
		mutex_lock(&tf->lock);
		stop_disarm(stop);
		mutex_unlock(&tf->lock);
		return 0;
	default:
		return -EINVAL;
	}
}

int test_stop(struct test_file *tf, struct ktdp_test_stop *arg)
{
	struct test_stop *stop;
	int ret;

	if (arg->index >= KTDP_TEST_STOPS)
		return -ENOENT;
	stop = &tf->stops[arg->index];
	ret = stop_act(tf, stop, arg);
	arg->state = atomic_read(&stop->state);
	arg->hits = atomic_read(&stop->hits);
	return ret;
}

void test_stops_exit(struct test_file *tf)
{
	unsigned int i;

	/* All first: taking a probe away waits for whom another holds. */
	for (i = 0; i < KTDP_TEST_STOPS; i++)
		stop_release(&tf->stops[i]);
	for (i = 0; i < KTDP_TEST_STOPS; i++)
		stop_disarm(&tf->stops[i]);
}
