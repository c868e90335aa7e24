/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_FMT_H
#define _KTDP_FMT_H

/*
 * Entries of the table.  The formats differ in what their bits mean, not in
 * their geometry: 512 entries of 64 bits a page, the address in bits 12..51,
 * bit 7 for a leaf above level 1, bit 0 for present.  So a format is a set of
 * masks, built once by its header (fmt_ept.h, fmt_npt.h; fmt_host.h for the table
 * that is only read), and all code here is pure.
 *
 * In our own table what is not present is all zero, read and execute are granted
 * by every present entry, and what comes and goes is write.
 */

#include "env.h"

#define KTDP_LEVEL_4K		1
#define KTDP_LEVEL_2M		2
#define KTDP_LEVEL_1G		3
#define KTDP_MAX_LEAF_LEVEL	3
#define KTDP_MAX_LEVEL		5

#define KTDP_ENTRIES		512
#define KTDP_ENTRY_PRESENT	BIT_ULL(0)
#define KTDP_ENTRY_HUGE		BIT_ULL(7)
#define KTDP_ENTRY_BIT11	BIT_ULL(11)	/* reserved by contract */

#define KTDP_READ		BIT(0)
#define KTDP_WRITE		BIT(1)
#define KTDP_EXEC		BIT(2)
#define KTDP_ACCESS_ALL		(KTDP_READ | KTDP_WRITE | KTDP_EXEC)

enum ktdp_entry_kind {
	KTDP_ENTRY_EMPTY,
	KTDP_ENTRY_TABLE,
	KTDP_ENTRY_LEAF,
};

struct ktdp_fmt {
	u32 type;		/* enum kvm_exported_tdp_type */
	int level;		/* of the root: 4 or 5 */
	u64 gfn_end;		/* first gfn beyond the reach */
	int max_leaf_level;
	u64 addr;		/* address bits, without an encryption bit */
	u64 table;		/* set in every table entry */
	u64 leaf;		/* set in every leaf */
	u64 leaf_writable;	/* set in every writable leaf */
	u64 read;		/* all set where reads are allowed */
	u64 write;		/* write permission, leaf and table */
	u64 dirty;		/* goes with write in a leaf */
	u64 exec;		/* set where execution is allowed */
	u64 noexec;		/* set where it is not */
	u64 rsvd[2][KTDP_MAX_LEVEL];
};

/* Span of an entry at @level, in 4K pages. */
static inline u64 ktdp_level_pages(int level)
{
	return 1ULL << (9 * (level - 1));
}

static inline u64 ktdp_level_mask(int level)
{
	return ktdp_level_pages(level) - 1;
}

static inline unsigned int ktdp_level_index(u64 gfn, int level)
{
	return (gfn >> (9 * (level - 1))) & (KTDP_ENTRIES - 1);
}

/* First gfn beyond the reach of a table with its root at @level. */
static inline u64 ktdp_gfn_end(int level)
{
	return ktdp_level_pages(level + 1);
}

/*
 * An index is masked, so a gfn beyond the reach would be taken for a lower one.
 * KVM has memslots there: guests may have more physical address bits than a
 * table of 4 levels translates.
 */
static inline bool ktdp_fmt_reaches(const struct ktdp_fmt *fmt, u64 gfn)
{
	return gfn < fmt->gfn_end;
}

static inline enum ktdp_entry_kind ktdp_entry_kind(u64 entry, int level)
{
	if (!(entry & KTDP_ENTRY_PRESENT))
		return KTDP_ENTRY_EMPTY;
	if (level == KTDP_LEVEL_4K || (entry & KTDP_ENTRY_HUGE))
		return KTDP_ENTRY_LEAF;
	return KTDP_ENTRY_TABLE;
}

static inline bool ktdp_entry_is_leaf(u64 entry, int level)
{
	return ktdp_entry_kind(entry, level) == KTDP_ENTRY_LEAF;
}

static inline bool ktdp_entry_is_table(u64 entry, int level)
{
	return ktdp_entry_kind(entry, level) == KTDP_ENTRY_TABLE;
}

static inline u64 ktdp_entry_hpa(const struct ktdp_fmt *fmt, u64 entry)
{
	return entry & fmt->addr;
}

static inline u64 ktdp_entry_pfn(const struct ktdp_fmt *fmt, u64 entry)
{
	return ktdp_entry_hpa(fmt, entry) >> 12;
}

/* Access of a path: @all has the bits common to its entries, @any those of any. */
static inline unsigned int ktdp_path_access(const struct ktdp_fmt *fmt, u64 all,
					    u64 any)
{
	unsigned int access = 0;

	if ((all & fmt->read) == fmt->read)
		access |= KTDP_READ;
	if (all & fmt->write)
		access |= KTDP_WRITE;
	if ((all & fmt->exec) == fmt->exec && !(any & fmt->noexec))
		access |= KTDP_EXEC;
	return access;
}

static inline unsigned int ktdp_entry_access(const struct ktdp_fmt *fmt,
					     u64 entry)
{
	return entry ? ktdp_path_access(fmt, entry, entry) : 0;
}

static inline u64 ktdp_make_leaf(const struct ktdp_fmt *fmt, int level, u64 pfn,
				 bool writable)
{
	u64 entry = (writable ? fmt->leaf_writable : fmt->leaf) | (pfn << 12);

	if (level > KTDP_LEVEL_4K)
		entry |= KTDP_ENTRY_HUGE;
	return entry;
}

static inline u64 ktdp_make_table(const struct ktdp_fmt *fmt, u64 hpa)
{
	return fmt->table | fmt->write | hpa;
}

static inline u64 ktdp_entry_wrprot(const struct ktdp_fmt *fmt, u64 entry,
				    int level)
{
	if (ktdp_entry_is_leaf(entry, level))
		entry &= ~fmt->dirty;
	return entry & ~fmt->write;
}

static inline bool ktdp_entry_is_rsvd(const struct ktdp_fmt *fmt, u64 entry,
				      int level)
{
	/* At level 1 bit 7 chooses nothing. */
	bool huge = level > KTDP_LEVEL_4K && (entry & KTDP_ENTRY_HUGE);

	return entry & fmt->rsvd[huge][level - 1];
}

/*
 * The masks that follow from the others.  A reserved bit is one that no entry
 * of that kind ever has.  Where no entry has bit 7 (level 1, and above the
 * largest leaf), row 1 says so in bit 7.
 */
static inline void ktdp_fmt_finish(struct ktdp_fmt *fmt)
{
	u64 leaf = fmt->leaf | fmt->write | fmt->dirty;
	int level;

	fmt->leaf_writable = leaf;
	for (level = 1; level <= KTDP_MAX_LEVEL; level++) {
		u64 low = ktdp_level_mask(level) << 12;
		u64 row0 = (level == KTDP_LEVEL_4K ? leaf :
			    fmt->table | fmt->write) | fmt->addr;
		u64 row1 = row0;

		if (level > KTDP_LEVEL_4K && level <= fmt->max_leaf_level)
			row1 = leaf | KTDP_ENTRY_HUGE | (fmt->addr & ~low);
		fmt->rsvd[0][level - 1] = ~row0;
		fmt->rsvd[1][level - 1] = ~row1;
	}
}

#endif /* _KTDP_FMT_H */
