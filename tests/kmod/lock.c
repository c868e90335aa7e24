// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long kvm_tdp holds its locks, in TSC ticks.  They nest (a table's, its regions',
 * that of its reserve), so a hold is from the first that is taken to the last that is
 * let go.  All that is needed is to see the calls.  What that costs is taken off: of a
 * hold of all regions' locks it is the greater part.
 *
 * One CPU only: there an entry of the lock function is as good as the lock.
 */

#include <linux/cpumask.h>
#include <linux/ftrace.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/string.h>

#include <asm/msr.h>

#include "helper.h"
#include "../../src/compat/ftrace.h"

/*
 * Written in the handlers with preemption off, on one CPU, and in no interrupt:
 * none takes these locks.
 */
static struct {
	const struct module *mod;	/* whose locks; NULL: nothing is watched */
	u64 cost[2];			/* of seeing the first lock, and another one */
	unsigned int depth;		/* locks held now */
	unsigned int locks;		/* taken in this hold */
	bool interrupted;		/* it does not count */
	u64 begin;
	u64 holds;
	u64 longest;
	unsigned long holder;		/* of the longest: who let go */
} watched;

static const struct test_file *watcher;	/* lock_mutex */
static DEFINE_MUTEX(lock_mutex);
static DEFINE_RAW_SPINLOCK(lock_outer);
static DEFINE_RAW_SPINLOCK(lock_inner);

static void lock_taken(unsigned long ip, unsigned long parent_ip,
		       struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	const struct module *mod = READ_ONCE(watched.mod);

	if (!mod || !within_module(parent_ip, mod))
		return;
	if (watched.depth++) {
		watched.locks++;
		return;
	}
	watched.locks = 1;
	watched.interrupted = false;
	watched.begin = rdtsc_ordered();
}

static void lock_released(unsigned long ip, unsigned long parent_ip,
			  struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	u64 ticks = rdtsc_ordered() - watched.begin;
	const struct module *mod = READ_ONCE(watched.mod);
	u64 cost;

	if (!mod || !within_module(parent_ip, mod) || !watched.depth ||
	    --watched.depth || watched.interrupted)
		return;
	cost = watched.cost[0] + (watched.locks - 1) * watched.cost[1];
	ticks -= min(ticks, cost);
	watched.holds++;
	if (ticks > watched.longest) {
		watched.longest = ticks;
		watched.holder = parent_ip;
	}
}

/* The interrupt's time is not the lock's: that hold does not count. */
static void lock_interrupted(unsigned long ip, unsigned long parent_ip,
			     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	watched.interrupted = true;
}

static struct ftrace_ops lock_ops = { .func = lock_taken };
static struct ftrace_ops irq_ops = { .func = lock_interrupted };
static struct ftrace_ops unlock_ops = { .func = lock_released };

static void lock_start(const struct module *mod)
{
	WRITE_ONCE(watched.mod, NULL);
	watched.depth = 0;
	watched.holds = 0;
	watched.longest = 0;
	watched.holder = 0;
	WRITE_ONCE(watched.mod, mod);
}

/* Each with what it is called at; what lets go is seen before what takes. */
static const struct lock_hook {
	struct ftrace_ops *ops;
	const char *function;
} lock_hooks[] = {
	{ &unlock_ops, "_raw_spin_unlock" },
	{ &irq_ops, "irq_enter_rcu" },
	{ &lock_ops, "_raw_spin_lock" },
};

static void lock_unhook(size_t nr)
{
	while (nr--) {
		unregister_ftrace_function(lock_hooks[nr].ops);
		ftrace_free_filter(lock_hooks[nr].ops);
	}
}

static int lock_hook_one(const struct lock_hook *hook)
{
	char name[KTDP_TEST_SYMBOL];
	int ret;

	/* The parser writes to what it is given. */
	strscpy(name, hook->function, sizeof(name));
	ret = ftrace_set_filter(hook->ops, name, strlen(name), 0);
	if (!ret)
		ret = register_ftrace_function(hook->ops);
	if (ret)
		ftrace_free_filter(hook->ops);
	return ret;
}

static int lock_hook(void)
{
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(lock_hooks); i++) {
		ret = lock_hook_one(&lock_hooks[i]);
		if (ret) {
			lock_unhook(i);
			return ret;
		}
	}
	return 0;
}

static u64 lock_measure(bool two)
{
	lock_start(THIS_MODULE);
	raw_spin_lock(&lock_outer);
	if (two) {
		raw_spin_lock(&lock_inner);
		raw_spin_unlock(&lock_inner);
	}
	raw_spin_unlock(&lock_outer);
	return watched.longest;
}

/* What seeing holds of nothing costs. */
static void lock_calibrate(void)
{
	memset(watched.cost, 0, sizeof(watched.cost));
	watched.cost[0] = lock_measure(false);
	watched.cost[1] = lock_measure(true);
}

static int lock_begin(struct test_file *tf)
{
	int ret;

	if (num_online_cpus() > 1)
		return -EOPNOTSUPP;
	if (watcher)
		return -EBUSY;
	ret = lock_hook();
	if (ret)
		return ret;
	watcher = tf;
	lock_calibrate();
	return 0;
}

static void lock_end(const struct test_file *tf)
{
	if (watcher != tf)
		return;
	lock_unhook(ARRAY_SIZE(lock_hooks));
	watcher = NULL;
}

static int lock_watch(struct test_file *tf, struct ktdp_test_lock *arg)
{
	struct kvm_tdp_fd *tdp_fd = test_handle(tf, arg->handle);

	if (watcher != tf)
		return -EINVAL;
	if (!tdp_fd)
		return -ENOENT;
	lock_start(tdp_fd->file->f_op->owner);
	return 0;
}

static int lock_act(struct test_file *tf, struct ktdp_test_lock *arg)
{
	switch (arg->action) {
	case KTDP_TEST_LOCK_BEGIN:
		return lock_begin(tf);
	case KTDP_TEST_LOCK_WATCH:
		return lock_watch(tf, arg);
	case KTDP_TEST_LOCK_LOOK:
		return 0;
	default:
		return -EINVAL;
	}
}

int test_lock(struct test_file *tf, struct ktdp_test_lock *arg)
{
	int ret;

	mutex_lock(&lock_mutex);
	ret = lock_act(tf, arg);
	arg->holds = watched.holds;
	arg->longest = watched.longest;
	snprintf(arg->holder, sizeof(arg->holder), "%ps", (void *)watched.holder);
	mutex_unlock(&lock_mutex);
	return ret;
}

void test_lock_exit(struct test_file *tf)
{
	mutex_lock(&lock_mutex);
	lock_end(tf);
	mutex_unlock(&lock_mutex);
}
