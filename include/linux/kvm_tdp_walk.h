/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_KVM_TDP_WALK_H
#define _LINUX_KVM_TDP_WALK_H

/**
 * DOC: How an importer looks a guest physical address up
 *
 * What a device's page walk unit does, in software, for both formats.  It knows nothing
 * of the exporter but the metadata (asm/kvm_exported_tdp.h) and the processor vendors'
 * manuals::
 *
 *	err = kvm_tdp_table_init(&table, tdp_fd->ops->get_metadata(tdp_fd));
 *	...
 *	spin_lock(&lock);		// invalidate takes it, too
 *	rcu_read_lock();
 *	err = kvm_tdp_walk(&table, gpa, &leaf);
 *	rcu_read_unlock();
 *	if (!err)
 *		...			// use it, or put it where invalidate finds it
 *	spin_unlock(&lock);
 *
 * A translation that was found is good until an invalidate that covers it returns, so the walk
 * and the use of what it found are in one section of a lock that invalidate takes.
 */

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

#include <asm/kvm_exported_tdp.h>
#include <uapi/linux/kvm_tdp.h>

/* Levels are KVM's: 1 = 4K, 2 = 2M, 3 = 1G. */
#define KVM_TDP_LEAF_LEVELS	3
#define KVM_TDP_TABLE_LEVELS	5

/* The logarithm of the bytes that an entry at @level maps. */
static inline unsigned int kvm_tdp_level_shift(int level)
{
	return 12 + 9 * (level - 1);
}

/**
 * struct kvm_tdp_table - how to walk an exported table; constant
 * @root_hpa: host physical address of the root page
 * @level: levels of the table
 * @max_leaf_level: a leaf above this level is an error
 * @rsvd: [bit 7 of the entry][level - 1]: bits that must be zero
 * @present: an entry with any of these bits is present
 * @read: readable if all of these bits are set
 * @write: likewise writable
 * @exec: likewise executable
 * @no_exec: not executable if any of these bits is set
 */
struct kvm_tdp_table {
	u64 root_hpa;
	int level;
	int max_leaf_level;
	u64 rsvd[2][KVM_TDP_TABLE_LEVELS];
	u64 present;
	u64 read;
	u64 write;
	u64 exec;
	u64 no_exec;
};

/**
 * struct kvm_tdp_leaf - a translation
 * @gpa: first guest physical address that it covers, aligned to its level
 * @hpa: the host physical address of @gpa
 * @entry: the leaf itself; or, of a walk that returned -EIO, the bad entry
 * @access: KVM_TDP_ACCESS_*: what all levels of the walk grant
 * @level: of the leaf, or of the bad entry
 */
struct kvm_tdp_leaf {
	u64 gpa;
	u64 hpa;
	u64 entry;
	u8 access;
	u8 level;
};

#define KVM_TDP_ENTRY_HPA	GENMASK_ULL(51, 12)
#define KVM_TDP_ENTRY_LEAF	BIT_ULL(7)	/* above level 1 */
/* In every mask of reserved bits: some IOMMUs give it a meaning. */
#define KVM_TDP_ENTRY_RSVD	BIT_ULL(11)

/* Refuse, before the root is used, what kvm_tdp_walk() could not walk. */
static inline int kvm_tdp_table_check(const struct kvm_tdp_table *table)
{
	int bit7, level;

	if (table->level != 4 && table->level != 5)
		return -EOPNOTSUPP;
	if (table->max_leaf_level < 1 ||
	    table->max_leaf_level > KVM_TDP_LEAF_LEVELS)
		return -EOPNOTSUPP;
	if (!table->root_hpa || table->root_hpa & ~KVM_TDP_ENTRY_HPA ||
	    !pfn_valid(PHYS_PFN(table->root_hpa)))
		return -EOPNOTSUPP;
	for (bit7 = 0; bit7 < 2; bit7++) {
		for (level = 1; level <= table->level; level++) {
			if (!(table->rsvd[bit7][level - 1] & KVM_TDP_ENTRY_RSVD))
				return -EOPNOTSUPP;
		}
	}
	return 0;
}

/**
 * kvm_tdp_table_init() - learn how to walk an exported table
 * @table: is filled in; good until the last put of the TDP fd
 * @metadata: what get_metadata answered, an ERR_PTR too
 *
 * Context: any.
 * Return: 0; the error that @metadata is; -EOPNOTSUPP a table that kvm_tdp_walk()
 * cannot walk.
 */
static inline int kvm_tdp_table_init(struct kvm_tdp_table *table,
				     const void *metadata)
{
	/* The type is the first member of both, and says which it is. */
	const enum kvm_exported_tdp_type *type = metadata;
	const struct kvm_exported_tdp_meta_vmx *vmx = metadata;
	const struct kvm_exported_tdp_meta_svm *svm = metadata;

	BUILD_BUG_ON(offsetof(struct kvm_exported_tdp_meta_vmx, type) ||
		     offsetof(struct kvm_exported_tdp_meta_svm, type));

	if (IS_ERR(metadata))
		return PTR_ERR(metadata);
	switch (*type) {
	case KVM_TDP_TYPE_EPT:
		*table = (struct kvm_tdp_table){
			.root_hpa = vmx->root_hpa,
			.level = vmx->level,
			.max_leaf_level = vmx->max_huge_page_level,
			.present = GENMASK_ULL(2, 0),
			.read = BIT_ULL(0),
			.write = BIT_ULL(0) | BIT_ULL(1),
			.exec = BIT_ULL(2),
		};
		memcpy(table->rsvd, vmx->rsvd_bits_mask, sizeof(table->rsvd));
		break;
	case KVM_TDP_TYPE_NPT:
		/* A nested walk is a user access: without bit 2 nothing is granted. */
		*table = (struct kvm_tdp_table){
			.root_hpa = svm->root_hpa,
			.level = svm->level,
			.max_leaf_level = svm->max_huge_page_level,
			.present = BIT_ULL(0),
			.read = BIT_ULL(0) | BIT_ULL(2),
			.write = BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2),
			.exec = BIT_ULL(0) | BIT_ULL(2),
			.no_exec = BIT_ULL(63),
		};
		memcpy(table->rsvd, svm->rsvd_bits_mask, sizeof(table->rsvd));
		break;
	default:
		return -EOPNOTSUPP;
	}
	return kvm_tdp_table_check(table);
}

/* KVM_TDP_ACCESS_* of a path; @all: the and of its entries, @any: their or. */
static inline u8 kvm_tdp_access(const struct kvm_tdp_table *table, u64 all, u64 any)
{
	u8 access = 0;

	if ((all & table->read) == table->read)
		access |= KVM_TDP_ACCESS_READ;
	if ((all & table->write) == table->write)
		access |= KVM_TDP_ACCESS_WRITE;
	if ((all & table->exec) == table->exec && !(any & table->no_exec))
		access |= KVM_TDP_ACCESS_EXEC;
	return access;
}

static inline bool kvm_tdp_entry_is_leaf(u64 entry, int level)
{
	return level == 1 || entry & KVM_TDP_ENTRY_LEAF;
}

/* Would hardware raise a misconfiguration or reserved-bit fault here? */
static inline bool kvm_tdp_entry_is_bad(const struct kvm_tdp_table *table, u64 entry,
					int level)
{
	if (entry & table->rsvd[!!(entry & KVM_TDP_ENTRY_LEAF)][level - 1])
		return true;
	return kvm_tdp_entry_is_leaf(entry, level) && level > table->max_leaf_level;
}

/**
 * struct kvm_tdp_cursor - where a walk has come by; zeroed before the first
 * @hpa: a table of 4K leaves, or 0
 * @window: number of the 2M of GPA space that it covers
 * @all: the and of the entries above it
 * @any: their or
 */
struct kvm_tdp_cursor {
	u64 hpa;
	u64 window;
	u64 all;
	u64 any;
};

/**
 * kvm_tdp_walk_from() - look up many addresses, one after the other
 * @table: from kvm_tdp_table_init()
 * @cursor: spares the walk from the root where the last one was in the same 2M; NULL:
 *	there is none
 * @gpa: any guest physical address
 * @leaf: the leaf that covers @gpa; of an error only what is said below
 *
 * The table changes under the walk: each entry is read once, and pages that are taken
 * out of the table stay readable until an RCU grace period has passed (and until every
 * importer's invalidate has returned).  With a cursor an entry may be found of a page that
 * has been taken out since: as with all that was looked up, that is good until the
 * invalidate has returned.  So a cursor must not outlive the RCU section, nor the hold of
 * the lock that the importer's invalidate takes.
 *
 * Context: RCU read section.
 * Return: 0; -ENXIO nothing is mapped there; -EIO a reserved bit is set, in @leaf->entry
 * at @leaf->level.
 */
static inline int kvm_tdp_walk_from(const struct kvm_tdp_table *table,
				    struct kvm_tdp_cursor *cursor, u64 gpa,
				    struct kvm_tdp_leaf *leaf)
{
	u64 window = gpa >> kvm_tdp_level_shift(2);
	u64 hpa = table->root_hpa, all = ~0ULL, any = 0, entry, mask;
	int level = table->level;

	RCU_LOCKDEP_WARN(!rcu_read_lock_held(), "table walk without RCU");
	if (gpa >> kvm_tdp_level_shift(table->level + 1))
		return -ENXIO;
	if (cursor && cursor->hpa && cursor->window == window) {
		hpa = cursor->hpa;
		all = cursor->all;
		any = cursor->any;
		level = 1;
	}

	/* Ends at level 1 at the latest, where an entry is a leaf or absent. */
	for (; ; level--) {
		/* Table pages are in the direct map. */
		const u64 *entries = phys_to_virt(hpa);

		if (cursor && level == 1)
			*cursor = (struct kvm_tdp_cursor){ hpa, window, all, any };
		entry = READ_ONCE(entries[(gpa >> kvm_tdp_level_shift(level)) % 512]);
		if (!(entry & table->present))
			return -ENXIO;
		if (kvm_tdp_entry_is_bad(table, entry, level)) {
			leaf->entry = entry;
			leaf->level = level;
			return -EIO;
		}
		all &= entry;
		any |= entry;
		/* The key's bit of memory encryption is no address. */
		hpa = __sme_clr(entry) & KVM_TDP_ENTRY_HPA;
		if (kvm_tdp_entry_is_leaf(entry, level))
			break;
	}
	/* Low address bits of a large leaf may be flags. */
	mask = BIT_ULL(kvm_tdp_level_shift(level)) - 1;
	*leaf = (struct kvm_tdp_leaf){
		.gpa = gpa & ~mask,
		.hpa = hpa & ~mask,
		.entry = entry,
		.access = kvm_tdp_access(table, all, any),
		.level = level,
	};
	return 0;
}

/* The same for one. */
static inline int kvm_tdp_walk(const struct kvm_tdp_table *table, u64 gpa,
			       struct kvm_tdp_leaf *leaf)
{
	return kvm_tdp_walk_from(table, NULL, gpa, leaf);
}

#endif /* _LINUX_KVM_TDP_WALK_H */
