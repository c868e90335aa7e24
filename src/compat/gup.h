/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_COMPAT_GUP_H
#define _KTDP_COMPAT_GUP_H

#include <linux/mm.h>

#include "facts.h"

/* 6.5 took the VMAs away. */
#ifndef KTDP_HAS_GUP_NO_VMAS
#define get_user_pages_remote(mm, start, nr, flags, pages, locked) \
	get_user_pages_remote(mm, start, nr, flags, pages, NULL, locked)
#endif

#endif /* _KTDP_COMPAT_GUP_H */
