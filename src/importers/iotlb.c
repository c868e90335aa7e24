// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine's IOTLB: translations by page size, direct-mapped, of fixed size.
 *
 * Nothing here allocates, fails or sleeps, so that invalidate can use it.  The
 * caller holds dma_engine.lock.
 */

#include <linux/minmax.h>
#include <linux/string.h>

#include "kvm_tdp_dma.h"

static struct kvm_tdp_leaf *iotlb_array(struct dma_iotlb *iotlb, int level,
					unsigned int *nr)
{
	switch (level) {
	case 1:
		*nr = DMA_IOTLB_4K;
		return iotlb->e4k;
	case 2:
		*nr = DMA_IOTLB_2M;
		return iotlb->e2m;
	default:
		*nr = DMA_IOTLB_1G;
		return iotlb->e1g;
	}
}

static struct kvm_tdp_leaf *iotlb_slot(struct dma_iotlb *iotlb, u64 gpa, int level)
{
	unsigned int nr;
	struct kvm_tdp_leaf *array = iotlb_array(iotlb, level, &nr);

	return &array[(gpa >> kvm_tdp_level_shift(level)) % nr];
}

static bool iotlb_match(const struct kvm_tdp_leaf *entry, u64 gpa, int level)
{
	return entry->level == level &&
	       !((entry->gpa ^ gpa) >> kvm_tdp_level_shift(level));
}

/*
 * An entry that grants less than is asked for is a miss: the exporter adds
 * permissions in place and without an invalidate, so the table has to be read
 * again before the access can be called denied.
 */
const struct kvm_tdp_leaf *dma_iotlb_lookup(struct dma_iotlb *iotlb, u64 gpa,
					    u8 access)
{
	int level;

	for (level = 1; level <= KVM_TDP_LEAF_LEVELS; level++) {
		const struct kvm_tdp_leaf *entry = iotlb_slot(iotlb, gpa, level);

		if (iotlb_match(entry, gpa, level) &&
		    (entry->access & access) == access)
			return entry;
	}
	return NULL;
}

const struct kvm_tdp_leaf *dma_iotlb_insert(struct dma_iotlb *iotlb,
					    const struct kvm_tdp_leaf *leaf)
{
	struct kvm_tdp_leaf *entry = iotlb_slot(iotlb, leaf->gpa, leaf->level);

	*entry = *leaf;
	return entry;
}

/*
 * Drop what overlaps [first, last].  A superpage goes as a whole when any part
 * of it does.  Page numbers that follow each other use slots that follow each
 * other, so min(pages of the range, slots) slots are all there is to look at.
 */
static void iotlb_invalidate_level(struct dma_iotlb *iotlb, int level,
				   u64 first, u64 last)
{
	unsigned int shift = kvm_tdp_level_shift(level);
	u64 first_nr = first >> shift, last_nr = last >> shift;
	unsigned int nr, i, visit;
	struct kvm_tdp_leaf *array = iotlb_array(iotlb, level, &nr);

	visit = min_t(u64, nr, last_nr - first_nr + 1);
	for (i = 0; i < visit; i++) {
		struct kvm_tdp_leaf *entry = &array[(first_nr + i) % nr];
		u64 entry_nr = entry->gpa >> shift;

		if (entry->level && entry_nr >= first_nr && entry_nr <= last_nr)
			entry->level = 0;
	}
}

void dma_iotlb_invalidate(struct dma_iotlb *iotlb, u64 first, u64 last)
{
	int level;

	for (level = 1; level <= KVM_TDP_LEAF_LEVELS; level++)
		iotlb_invalidate_level(iotlb, level, first, last);
}

void dma_iotlb_clear(struct dma_iotlb *iotlb)
{
	memset(iotlb, 0, sizeof(*iotlb));
}
