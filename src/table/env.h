/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_ENV_H
#define _KTDP_ENV_H

/*
 * Surroundings of the pure code (fmt*.h, walk.h, table.c):
 * the kernel, or a user-space program that tests it.
 */

#ifdef __KERNEL__

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/cache.h>
#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <asm/io.h>

#include "../trace.h"

static inline u64 *ktdp_hpa_to_entries(u64 hpa)
{
	return phys_to_virt(hpa);
}

static inline u64 ktdp_entries_to_hpa(const u64 *entries)
{
	return virt_to_phys((void *)entries);
}

/* A word that goes with the page of a table, and is not one of its entries. */
static inline unsigned long *ktdp_page_link(u64 hpa)
{
	return &pfn_to_page(PHYS_PFN(hpa))->private;
}

#else

#include "env_user.h"	/* tests/unit */

#endif

#endif /* _KTDP_ENV_H */
