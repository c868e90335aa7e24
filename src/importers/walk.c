// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table walker: what a device's page walk unit does, in software.
 *
 * It knows nothing of the exporter but the metadata: the root, and a format
 * that the processor vendor's manual describes.
 */

#include <linux/errno.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>

#include <asm/kvm_exported_tdp.h>

#include "kvm_tdp_dma.h"

#define ENTRIES_PER_PAGE	512
#define ENTRY_HPA		GENMASK_ULL(51, 12)
#define ENTRY_LEAF		BIT_ULL(7)

/* An importer must not find this bit set: some IOMMUs give it a meaning. */
#define ENTRY_ALWAYS_RSVD	BIT_ULL(11)

/**
 * struct dma_format - how entries of one vendor are decoded
 * @present: an entry with any of these bits is present
 * @read: readable if all of these bits are set
 * @write: likewise writable
 * @exec: likewise executable
 * @no_exec: not executable if any of these bits is set
 */
struct dma_format {
	u64 present;
	u64 read;
	u64 write;
	u64 exec;
	u64 no_exec;
};

static const struct dma_format format_ept = {
	.present = GENMASK_ULL(2, 0),
	.read = BIT_ULL(0),
	.write = BIT_ULL(0) | BIT_ULL(1),
	.exec = BIT_ULL(2),
};

/* A nested walk is a user access: without bit 2 an entry grants nothing. */
static const struct dma_format format_npt = {
	.present = BIT_ULL(0),
	.read = BIT_ULL(0) | BIT_ULL(2),
	.write = BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2),
	.exec = BIT_ULL(0) | BIT_ULL(2),
	.no_exec = BIT_ULL(63),
};

static u8 entry_access(const struct dma_format *format, u64 entry)
{
	u8 access = 0;

	if ((entry & format->read) == format->read)
		access |= DMA_READ;
	if ((entry & format->write) == format->write)
		access |= DMA_WRITE;
	if ((entry & format->exec) == format->exec &&
	    !(entry & format->no_exec))
		access |= DMA_EXEC;
	return access;
}

/* Refuse, before the root is used, what this walker could not walk. */
static int table_check(const struct dma_table *table)
{
	int bit7, level;

	if (table->level != 4 && table->level != 5)
		return -EOPNOTSUPP;
	if (table->max_leaf_level < 1 ||
	    table->max_leaf_level > DMA_LEAF_LEVELS)
		return -EOPNOTSUPP;
	if (!table->root_hpa || table->root_hpa & ~ENTRY_HPA ||
	    !pfn_valid(PHYS_PFN(table->root_hpa)))
		return -EOPNOTSUPP;

	for (bit7 = 0; bit7 < 2; bit7++) {
		for (level = 1; level <= table->level; level++) {
			if (!(table->rsvd[bit7][level - 1] & ENTRY_ALWAYS_RSVD))
				return -EOPNOTSUPP;
		}
	}
	return 0;
}

/*
 * The metadata is constant until the last put of the TDP fd, so a copy of it
 * serves.  Its type comes first and says which struct it is.
 */
int dma_table_init(struct dma_table *table, const void *metadata)
{
	const enum kvm_exported_tdp_type *type = metadata;

	BUILD_BUG_ON(offsetof(struct kvm_exported_tdp_meta_vmx, type) ||
		     offsetof(struct kvm_exported_tdp_meta_svm, type));

	switch (*type) {
	case KVM_TDP_TYPE_EPT: {
		const struct kvm_exported_tdp_meta_vmx *vmx = metadata;

		table->format = &format_ept;
		table->level = vmx->level;
		table->root_hpa = vmx->root_hpa;
		table->max_leaf_level = vmx->max_huge_page_level;
		memcpy(table->rsvd, vmx->rsvd_bits_mask, sizeof(table->rsvd));
		break;
	}
	case KVM_TDP_TYPE_NPT: {
		const struct kvm_exported_tdp_meta_svm *svm = metadata;

		table->format = &format_npt;
		table->level = svm->level;
		table->root_hpa = svm->root_hpa;
		table->max_leaf_level = svm->max_huge_page_level;
		memcpy(table->rsvd, svm->rsvd_bits_mask, sizeof(table->rsvd));
		break;
	}
	default:
		return -EOPNOTSUPP;
	}
	return table_check(table);
}

static bool entry_is_leaf(u64 entry, int level)
{
	return level == 1 || entry & ENTRY_LEAF;
}

/* Would hardware raise a misconfiguration or reserved-bit fault here? */
static bool entry_is_bad(const struct dma_table *table, u64 entry, int level)
{
	if (entry & table->rsvd[!!(entry & ENTRY_LEAF)][level - 1])
		return true;
	return entry_is_leaf(entry, level) && level > table->max_leaf_level;
}

/* Table pages and guest RAM are in the direct map; a key bit is no address. */
static u64 entry_hpa(u64 entry)
{
	return __sme_clr(entry) & ENTRY_HPA;
}

/**
 * dma_table_walk() - look a guest physical address up in the exported table
 * @table: the table, from dma_table_init()
 * @gpa: any guest physical address
 * @xlate: out: the leaf that covers @gpa; valid only if 0 is returned
 * @fault: out: the offending entry if -EIO is returned
 *
 * The table changes under the walk: each entry is read once, and pages that are
 * taken out of the table stay readable until an RCU grace period has passed
 * (and until every importer's invalidate has returned).
 *
 * Context: RCU read section.
 * Return: 0; -ENXIO nothing is mapped there; -EIO a reserved bit is set.
 */
int dma_table_walk(const struct dma_table *table, u64 gpa,
		   struct dma_xlate *xlate, struct dma_walk_fault *fault)
{
	u64 hpa = table->root_hpa;
	u8 access = DMA_READ | DMA_WRITE | DMA_EXEC;
	int level;

	RCU_LOCKDEP_WARN(!rcu_read_lock_held(), "table walk without RCU");

	if (gpa >> dma_level_shift(table->level + 1))
		return -ENXIO;

	/* ends at level 1 at the latest, where an entry is a leaf or absent */
	for (level = table->level; ; level--) {
		unsigned int shift = dma_level_shift(level);
		const u64 *entries = phys_to_virt(hpa);
		u64 entry;

		entry = READ_ONCE(entries[(gpa >> shift) % ENTRIES_PER_PAGE]);
		if (!(entry & table->format->present))
			return -ENXIO;
		if (entry_is_bad(table, entry, level)) {
			*fault = (struct dma_walk_fault){ entry, level };
			return -EIO;
		}

		access &= entry_access(table->format, entry);
		hpa = entry_hpa(entry);
		if (entry_is_leaf(entry, level)) {
			/* low address bits of a large leaf may be flags */
			xlate->gpa = gpa & ~(BIT_ULL(shift) - 1);
			xlate->hpa = hpa & ~(BIT_ULL(shift) - 1);
			xlate->access = access;
			xlate->level = level;
			return 0;
		}
	}
}
