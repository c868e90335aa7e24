/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_FMT_EPT_H
#define _KTDP_FMT_EPT_H

#include "fmt.h"

#define KTDP_EPT_READ		BIT_ULL(0)
#define KTDP_EPT_WRITE		BIT_ULL(1)
#define KTDP_EPT_EXEC		BIT_ULL(2)
#define KTDP_EPT_MT_WB		(6ULL << 3)
#define KTDP_EPT_IPAT		BIT_ULL(6)
#define KTDP_EPT_ACCESSED	BIT_ULL(8)
#define KTDP_EPT_DIRTY		BIT_ULL(9)

/*
 * Memory is WB whatever the guest's PAT says: what is mapped is host RAM, and
 * the consumer of the table is not the guest.
 */
static inline void ktdp_fmt_ept_init(struct ktdp_fmt *fmt, u32 type, int level,
				     int max_leaf_level, int phys_bits)
{
	*fmt = (struct ktdp_fmt) {
		.type = type,
		.level = level,
		.gfn_end = ktdp_gfn_end(level),
		.max_leaf_level = max_leaf_level,
		.addr = GENMASK_ULL(phys_bits - 1, 12),
		.table = KTDP_EPT_READ | KTDP_EPT_EXEC | KTDP_EPT_ACCESSED,
		.leaf = KTDP_EPT_READ | KTDP_EPT_EXEC | KTDP_EPT_ACCESSED |
			KTDP_EPT_MT_WB | KTDP_EPT_IPAT,
		.read = KTDP_EPT_READ,
		.write = KTDP_EPT_WRITE,
		.dirty = KTDP_EPT_DIRTY,
		.exec = KTDP_EPT_EXEC,
	};
	ktdp_fmt_finish(fmt);
}

#endif /* _KTDP_FMT_EPT_H */
