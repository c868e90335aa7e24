// SPDX-License-Identifier: GPL-2.0-only
/*
 * Break what no test can break from outside: memory, and ftrace.  The kernel's
 * functions for that are called by an address that was found by name.
 */

#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
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

int test_break(struct ktdp_test_break *arg)
{
	switch (arg->what) {
	case KTDP_TEST_BREAK_PAGE:
	case KTDP_TEST_MEND_PAGE:
		return break_page(arg->hva, arg->what == KTDP_TEST_MEND_PAGE);
	case KTDP_TEST_BREAK_FTRACE:
		return break_ftrace();
	default:
		return -EINVAL;
	}
}
