/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_FMT_NPT_H
#define _KTDP_FMT_NPT_H

#include "fmt.h"

#define KTDP_NPT_PRESENT	BIT_ULL(0)
#define KTDP_NPT_WRITE		BIT_ULL(1)
#define KTDP_NPT_USER		BIT_ULL(2)
#define KTDP_NPT_ACCESSED	BIT_ULL(5)
#define KTDP_NPT_DIRTY		BIT_ULL(6)
#define KTDP_NPT_NX		BIT_ULL(63)

/*
 * Nested walks are user accesses, so every entry has the user bit.  No cache
 * attribute bit is set: PAT entry 0, write-back.
 */
static inline void ktdp_fmt_npt_init(struct ktdp_fmt *fmt, u32 type, int level,
				     int max_leaf_level, int phys_bits,
				     u64 encryption)
{
	u64 common = KTDP_NPT_PRESENT | KTDP_NPT_USER | KTDP_NPT_ACCESSED |
		     encryption;

	*fmt = (struct ktdp_fmt) {
		.type = type,
		.level = level,
		.gfn_end = ktdp_gfn_end(level),
		.max_leaf_level = max_leaf_level,
		.addr = GENMASK_ULL(phys_bits - 1, 12) & ~encryption,
		.table = common,
		.leaf = common,
		.read = KTDP_NPT_PRESENT | KTDP_NPT_USER,
		.write = KTDP_NPT_WRITE,
		.dirty = KTDP_NPT_DIRTY,
		.noexec = KTDP_NPT_NX,
	};
	ktdp_fmt_finish(fmt);
}

#endif /* _KTDP_FMT_NPT_H */
