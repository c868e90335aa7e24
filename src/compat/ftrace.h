/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_COMPAT_FTRACE_H
#define _KTDP_COMPAT_FTRACE_H

#include <linux/ftrace.h>
#include <linux/ptrace.h>

#include "facts.h"

/* 6.2 gave ftrace_regs its accessors. */
#ifndef KTDP_HAS_FTRACE_ARGS
#define ftrace_regs_get_argument(fregs, n) \
	regs_get_kernel_argument(&(fregs)->regs, n)
#endif

#endif /* _KTDP_COMPAT_FTRACE_H */
