/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_ENV_H
#define _KTDP_ENV_H

/*
 * What the pure code (fmt*.h, walk.h, mirror.c) needs from its surroundings:
 * the kernel, or a user-space program that tests it.
 */

#ifdef __KERNEL__

#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/llist.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <asm/io.h>

#include "trace.h"

struct ktdp_table;

/* The page of a table points back to its struct. */
static inline u64 *ktdp_hpa_to_entries(u64 hpa)
{
	return phys_to_virt(hpa);
}

static inline struct ktdp_table *ktdp_hpa_to_table(u64 hpa)
{
	return (struct ktdp_table *)page_private(pfn_to_page(PHYS_PFN(hpa)));
}

/* pool.c */
u64 ktdp_table_hpa(const struct ktdp_table *table);
void ktdp_table_free(struct ktdp_table *table);

#else

#include "env_user.h"	/* tests/unit */

#endif

#endif /* _KTDP_ENV_H */
