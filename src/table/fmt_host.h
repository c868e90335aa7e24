/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_FMT_HOST_H
#define _KTDP_FMT_HOST_H

#include "fmt.h"

#define KTDP_HOST_PRESENT	BIT_ULL(0)
#define KTDP_HOST_WRITE		BIT_ULL(1)
#define KTDP_HOST_USER		BIT_ULL(2)
#define KTDP_HOST_SPECIAL	BIT_ULL(9)	/* no page of the host's mm behind it */
#define KTDP_HOST_UFFD_WP	BIT_ULL(10)	/* may come with WRITE, which does not count */
#define KTDP_HOST_NX		BIT_ULL(63)

/*
 * The host's own page table, for reading only: it is walked like one of ours, with
 * frames of host virtual addresses in place of gfns.  What is swapped out, PROT_NONE,
 * a NUMA hint or a migration has no present bit, and its other bits mean something
 * else.  Bit 7 of a 4K entry, and bit 12 of a larger one, belong to the memory type.
 */
static inline void ktdp_fmt_host_init(struct ktdp_fmt *fmt, int level, u64 addr)
{
	*fmt = (struct ktdp_fmt) {
		.level = level,
		.gfn_end = ktdp_gfn_end(level),
		.max_leaf_level = KTDP_LEVEL_1G,
		.addr = addr,
		.read = KTDP_HOST_PRESENT | KTDP_HOST_USER,
		.write = KTDP_HOST_WRITE,
		.noexec = KTDP_HOST_NX,
	};
}

#endif /* _KTDP_FMT_HOST_H */
