/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_COMPAT_LOCK_H
#define _KTDP_COMPAT_LOCK_H

#include <linux/spinlock.h>

/* For sparse, which from 7.0 on is not asked to look at locks. */
#ifndef __cond_lock
#define __cond_lock(lock, taken)	(taken)
#endif

#endif /* _KTDP_COMPAT_LOCK_H */
