// SPDX-License-Identifier: GPL-2.0-only
/*
 * Break what no test can break from outside: memory, ftrace, and the hooks into KVM.
 * Functions for that are called by an address that was found by name.
 */

#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/ptrace.h>
#include <linux/set_memory.h>

#include "helper.h"

/* NULL if there is no such function. */
static void *break_find(const char *symbol)
{
	struct kprobe kp = { .symbol_name = symbol };

	if (register_kprobe(&kp))
		return NULL;
	unregister_kprobe(&kp);
	return kp.addr;
}

static int break_page(u64 hva, bool mend)
{
	typeof(set_mce_nospec) *set_nospec = break_find("set_mce_nospec");
	struct page *page;
	int ret;

	if (!set_nospec)
		return -EOPNOTSUPP;
	ret = get_user_pages_fast(hva, 1, 0, &page);
	if (ret != 1)
		return ret < 0 ? ret : -EFAULT;
	ret = mend ? clear_mce_nospec(page_to_pfn(page)) :
		     set_nospec(page_to_pfn(page));
	put_page(page);
	return ret;
}

static int break_ftrace(void)
{
	typeof(ftrace_kill) *kill = break_find("ftrace_kill");

	if (!kill)
		return -EOPNOTSUPP;
	kill();
	return 0;
}

/* As if a function called that kvm_tdp has not hooked. */
static int break_hook(void)
{
	ftrace_func_t hook = break_find("kvm_tdp:ktdp_hook_called");
	struct pt_regs regs = {};

	if (!hook)
		return -EOPNOTSUPP;
	/* The warning that comes of it is excused: scripts/kernel-log.awk. */
	pr_warn("ktdp_test: calls a hook of kvm_tdp for nothing\n");
	preempt_disable();
	hook((unsigned long)break_hook, 0, NULL, (struct ftrace_regs *)&regs);
	preempt_enable();
	return 0;
}

int test_break(struct ktdp_test_break *arg)
{
	switch (arg->what) {
	case KTDP_TEST_BREAK_PAGE:
	case KTDP_TEST_MEND_PAGE:
		return break_page(arg->hva, arg->what == KTDP_TEST_MEND_PAGE);
	case KTDP_TEST_BREAK_FTRACE:
		return break_ftrace();
	case KTDP_TEST_BREAK_HOOK:
		return break_hook();
	default:
		return -EINVAL;
	}
}
