// SPDX-License-Identifier: GPL-2.0-only
/*
 * How often this process calls a function of the kernel, and how long that takes, from
 * its entry to its return, in TSC ticks, without what seeing it costs.  Interrupts that
 * come meanwhile count.
 */

#include <linux/kprobes.h>
#include <linux/sched.h>
#include <linux/string.h>

#include <asm/msr.h>

#include "marks.h"
#include "helper.h"

#define SPAN_CALLS	8	/* at once */
#define SPAN_TRIES	5

static struct {
	struct kretprobe probe;
	char symbol[KTDP_TEST_SYMBOL];
	pid_t tgid;
	u64 cost;		/* of seeing a call */
	atomic64_t calls;
	atomic64_t ticks;
} span;

static const struct test_file *span_owner;	/* span_mutex */
static DEFINE_MUTEX(span_mutex);

static int span_entered(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	u64 *begin = (u64 *)ri->data;

	if (current->tgid != span.tgid)
		return 1;
	profile_on();
	*begin = rdtsc_ordered();
	return 0;
}

static int span_left(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	u64 ticks = rdtsc_ordered() - *(u64 *)ri->data;

	profile_off();
	atomic64_inc(&span.calls);
	atomic64_add(ticks - min(ticks, span.cost), &span.ticks);
	return 0;
}

static int span_arm(const char *symbol)
{
	memset(&span.probe, 0, sizeof(span.probe));
	if (strscpy(span.symbol, symbol, sizeof(span.symbol)) <= 0)
		return -EINVAL;
	span.probe.kp.symbol_name = span.symbol;
	span.probe.entry_handler = span_entered;
	span.probe.handler = span_left;
	span.probe.data_size = sizeof(u64);
	span.probe.maxactive = SPAN_CALLS;
	return register_kretprobe(&span.probe);
}

/* Calls, and their ticks, since the last look. */
static u64 span_look(u64 *calls)
{
	*calls = atomic64_xchg(&span.calls, 0);
	return atomic64_xchg(&span.ticks, 0);
}

static noinline void span_nothing(void)
{
	barrier();
}

/* What seeing a call costs: a call of nothing, into which no interrupt comes. */
static int span_calibrate(void)
{
	u64 calls, least = U64_MAX;
	int i, ret;

	span.cost = 0;
	ret = span_arm("span_nothing");
	if (ret)
		return ret;
	for (i = 0; i < SPAN_TRIES; i++) {
		span_look(&calls);
		span_nothing();
		least = min(least, span_look(&calls));
	}
	unregister_kretprobe(&span.probe);
	span.cost = least;
	return calls ? 0 : -EOPNOTSUPP;
}

static int span_begin(struct test_file *tf, const char *symbol)
{
	u64 calls;
	int ret;

	if (span_owner)
		return -EBUSY;
	span.tgid = current->tgid;
	ret = span_calibrate() ?: span_arm(symbol);
	if (ret)
		return ret;
	span_owner = tf;
	span_look(&calls);
	return 0;
}

static int span_act(struct test_file *tf, struct ktdp_test_span *arg)
{
	switch (arg->action) {
	case KTDP_TEST_SPAN_BEGIN:
		return span_begin(tf, arg->symbol);
	case KTDP_TEST_SPAN_LOOK:
		if (span_owner != tf)
			return -EINVAL;
		arg->ticks = span_look(&arg->calls);
		return 0;
	default:
		return -EINVAL;
	}
}

int test_span(struct test_file *tf, struct ktdp_test_span *arg)
{
	int ret;

	mutex_lock(&span_mutex);
	ret = span_act(tf, arg);
	mutex_unlock(&span_mutex);
	return ret;
}

void test_span_exit(struct test_file *tf)
{
	mutex_lock(&span_mutex);
	if (span_owner == tf) {
		unregister_kretprobe(&span.probe);
		span_owner = NULL;
	}
	mutex_unlock(&span_mutex);
}
