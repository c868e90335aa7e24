/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_UNIT_CFG_H
#define _KTDP_UNIT_CFG_H

/*
 * The formats under test, and an oracle of what their entries may look like:
 * written from the processor manuals' bit numbers, using nothing of src/fmt*.
 */

#include <asm/kvm_exported_tdp.h>

#include "fmt.h"

struct cfg {
	bool npt;
	int level;		/* of the root */
	int max_leaf_level;
	int phys_bits;
	u64 encryption;
};

#define CFG_FORMATS	3	/* EPT, NPT, NPT with an encryption bit */
#define CFG_SHAPES	(CFG_FORMATS * 2 * 3)	/* root and leaf levels */
#define CFG_PHYS_BITS	5

struct cfg_entry {
	enum ktdp_entry_kind kind;
	u64 hpa;
	bool write;
};

/* @shape: 0..CFG_SHAPES - 1; @bits: 0..CFG_PHYS_BITS - 1 */
struct cfg cfg_get(unsigned int shape, unsigned int bits);
const char *cfg_name(const struct cfg *cfg);	/* static buffer */
void cfg_fmt_init(const struct cfg *cfg, struct ktdp_fmt *fmt);

u64 cfg_addr(const struct cfg *cfg);
u64 cfg_illegal_bits(const struct cfg *cfg, u64 entry, int level);
const char *cfg_entry_wrong(const struct cfg *cfg, u64 entry, int level);
struct cfg_entry cfg_decode(const struct cfg *cfg, u64 entry, int level);

#endif /* _KTDP_UNIT_CFG_H */
