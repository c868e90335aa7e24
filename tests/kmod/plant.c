// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mistakes, one of each kind that a debug kernel looks for: what judges its log
 * has to find them all.  Loading the module makes them; tests/judge says which
 * words they leave.
 */

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>

static bool nesting;
module_param(nesting, bool, 0400);
MODULE_PARM_DESC(nesting, "the mistake in locks: not their order, but their kinds");

static DEFINE_MUTEX(plant_first);
static DEFINE_MUTEX(plant_second);
static DEFINE_SPINLOCK(plant_spinlock);
static DEFINE_RAW_SPINLOCK(plant_raw);

static void plant_rcu(void)
{
	static int __rcu *nothing;

	WARN_ON(rcu_dereference(nothing));
}

static void plant_sleep(void)
{
	raw_spin_lock(&plant_raw);
	might_sleep();
	raw_spin_unlock(&plant_raw);
}

static void plant_order(void)
{
	mutex_lock(&plant_first);
	mutex_lock(&plant_second);
	mutex_unlock(&plant_second);
	mutex_unlock(&plant_first);

	mutex_lock(&plant_second);
	mutex_lock(&plant_first);
	mutex_unlock(&plant_first);
	mutex_unlock(&plant_second);
}

/* Wrong on PREEMPT_RT alone. */
static void plant_nesting(void)
{
	raw_spin_lock(&plant_raw);
	spin_lock(&plant_spinlock);
	spin_unlock(&plant_spinlock);
	raw_spin_unlock(&plant_raw);
}

static void plant_timeout(struct timer_list *timer)
{
}

static void plant_active_timer(void)
{
	struct timer_list *timer = kmalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return;
	timer_setup(timer, plant_timeout, 0);
	mod_timer(timer, jiffies + 3600 * HZ);
	kfree(timer);
}

static void plant_refcount(void)
{
	refcount_t count = REFCOUNT_INIT(0);

	refcount_inc(&count);
}

static void plant_shift(void)
{
	unsigned int by = 32, shifted;

	OPTIMIZER_HIDE_VAR(by);
	shifted = 1U << by;
	OPTIMIZER_HIDE_VAR(shifted);
}

static void plant_use_after_free(void)
{
	char *byte = kmalloc(64, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(byte);
	if (!byte)
		return;
	kfree(byte);
	WRITE_ONCE(*byte, 1);
}

/* So many that no stale word on a stack points to all of them. */
static void plant_leak(void)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		WARN_ON(!kmalloc(192, GFP_KERNEL));
}

static int plant_raced;

static int plant_racer(void *unused)
{
	while (!kthread_should_stop()) {
		plant_raced++;
		cond_resched();
	}
	return 0;
}

static void plant_race(void)
{
	struct task_struct *racer = kthread_run(plant_racer, NULL, "plant");
	unsigned int i;

	if (WARN_ON(IS_ERR(racer)))
		return;
	for (i = 0; i < 200; i++) {
		plant_raced++;
		usleep_range(5000, 10000);
	}
	kthread_stop(racer);
}

/* After its first find lockdep looks no further, nor after one of KASAN's. */
static int __init plant_init(void)
{
	plant_rcu();
	plant_sleep();
	if (nesting)
		plant_nesting();
	else
		plant_order();
	plant_active_timer();
	plant_refcount();
	plant_shift();
	if (IS_ENABLED(CONFIG_KCSAN))
		plant_race();
	else
		plant_use_after_free();
	plant_leak();
	return 0;
}

static void __exit plant_exit(void)
{
}

module_init(plant_init);
module_exit(plant_exit);
MODULE_DESCRIPTION("One mistake of each kind that a debug kernel looks for");
MODULE_LICENSE("GPL");
