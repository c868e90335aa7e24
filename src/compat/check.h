/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_COMPAT_CHECK_H
#define _KTDP_COMPAT_CHECK_H

#include <linux/compiler.h>
#include <linux/kernel.h>

/* For facts: of what type a member, and a function, has to be. */
#define member_is(type, member, want) \
	static_assert(__same_type(typeof_member(type, member), want))
#define function_is(fn, want) \
	static_assert(__same_type(fn, want))

#endif /* _KTDP_COMPAT_CHECK_H */
