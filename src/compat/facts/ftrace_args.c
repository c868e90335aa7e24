// SPDX-License-Identifier: GPL-2.0-only
/* ftrace calls a hook as it did, and tells it the arguments (6.2), or the registers. */
#include <linux/ftrace.h>
#include <linux/ptrace.h>

#include "../check.h"

static_assert(__same_type(ftrace_func_t,
			  void (*)(unsigned long, unsigned long, struct ftrace_ops *,
				   struct ftrace_regs *)));
member_is(struct ftrace_ops, func, ftrace_func_t);
function_is(ftrace_set_filter_ip, int (struct ftrace_ops *, unsigned long, int, int));

unsigned long fact(struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	ops->flags = FTRACE_OPS_FL_PERMANENT;
#ifndef KTDP_OTHERWISE
	return ftrace_regs_get_argument(fregs, 0);
#else
	return regs_get_kernel_argument(&fregs->regs, 0);
#endif
}
