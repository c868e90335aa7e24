// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>

#include "cfg.h"
#include "fmt_ept.h"
#include "fmt_npt.h"

static const int phys_bits[CFG_PHYS_BITS] = { 36, 40, 46, 48, 52 };

struct cfg cfg_get(unsigned int shape, unsigned int bits)
{
	struct cfg cfg = {
		.npt = shape % CFG_FORMATS > 0,
		.level = 4 + shape / CFG_FORMATS % 2,
		.max_leaf_level = 1 + shape / CFG_FORMATS / 2,
		.phys_bits = phys_bits[bits],
	};

	/* Above the address on some machines, within its reach on others. */
	if (shape % CFG_FORMATS == 2)
		cfg.encryption = cfg.phys_bits == 52 ? 1ULL << 51 : 1ULL << 47;
	return cfg;
}

const char *cfg_name(const struct cfg *cfg)
{
	static char name[48];

	snprintf(name, sizeof(name), "%s%s-%d-leaf%d-%dbit",
		 cfg->npt ? "npt" : "ept", cfg->encryption ? "c" : "",
		 cfg->level, cfg->max_leaf_level, cfg->phys_bits);
	return name;
}

void cfg_fmt_init(const struct cfg *cfg, struct ktdp_fmt *fmt)
{
	if (cfg->npt)
		ktdp_fmt_npt_init(fmt, KVM_TDP_TYPE_NPT, cfg->level,
				  cfg->max_leaf_level, cfg->phys_bits,
				  cfg->encryption);
	else
		ktdp_fmt_ept_init(fmt, KVM_TDP_TYPE_EPT, cfg->level,
				  cfg->max_leaf_level, cfg->phys_bits);
}

u64 cfg_addr(const struct cfg *cfg)
{
	u64 bits = ((1ULL << cfg->phys_bits) - 1) & ~0xfffULL;

	return bits & ~cfg->encryption;
}

static bool cfg_is_leaf(const struct cfg *cfg, u64 entry, int level)
{
	return level == 1 || (level <= cfg->max_leaf_level && (entry & 0x80));
}

/* Attribute bits, without bit 7, that an entry of this kind can have. */
static u64 cfg_attributes(const struct cfg *cfg, bool leaf)
{
	/* P, W, U, A; a leaf has D as well */
	if (cfg->npt)
		return cfg->encryption | (leaf ? 0x67 : 0x27);
	/* R, W, X, A; a leaf has memory type 6, ignore-PAT and D as well */
	return leaf ? 0x377 : 0x107;
}

/* Of these, the ones that come and go with the write permission. */
static u64 cfg_write_bits(const struct cfg *cfg, bool leaf)
{
	if (!leaf)
		return 0x2;
	return cfg->npt ? 0x42 : 0x202;
}

/* Bits of @entry that have to be clear. */
u64 cfg_illegal_bits(const struct cfg *cfg, u64 entry, int level)
{
	bool leaf = cfg_is_leaf(cfg, entry, level);
	u64 legal = cfg_attributes(cfg, leaf) | cfg_addr(cfg);

	if (leaf && level > 1) {
		legal &= ~((1ULL << (12 + 9 * (level - 1))) - 1) | 0xfff;
		legal |= 0x80;
	}
	return entry & ~legal;
}

/* Return: NULL if the entry is right in all its bits, else what is wrong. */
const char *cfg_entry_wrong(const struct cfg *cfg, u64 entry, int level)
{
	bool leaf = cfg_is_leaf(cfg, entry, level);
	u64 write = cfg_write_bits(cfg, leaf);
	u64 always = cfg_attributes(cfg, leaf) & ~write;

	if (!entry)
		return NULL;
	if (cfg_illegal_bits(cfg, entry, level))
		return "a reserved bit is set";
	if ((entry & always) != always)
		return "an attribute is missing";
	if ((entry & write) && (entry & write) != write)
		return "write and dirty do not agree";
	return NULL;
}

struct cfg_entry cfg_decode(const struct cfg *cfg, u64 entry, int level)
{
	struct cfg_entry e = { KTDP_ENTRY_EMPTY, 0, false };

	if (!entry)
		return e;
	e.kind = cfg_is_leaf(cfg, entry, level) ? KTDP_ENTRY_LEAF :
						  KTDP_ENTRY_TABLE;
	e.hpa = entry & cfg_addr(cfg);
	e.write = entry & 0x2;
	return e;
}
