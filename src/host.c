// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's page table, read without its locks, as GUP-fast does.
 *
 * With interrupts off its pages stay: they are freed through RCU, for which that is
 * a read section, or, up to 6.14, after an interrupt to each CPU that has the mm
 * loaded.  There a thread of another mm is not waited for, so it takes mmap_lock for
 * read and looks for the VMA: tables that belong to a VMA are not freed meanwhile,
 * for that takes the VMA away first, with mmap_lock held for write.
 *
 * The mm keeps its tables as long as it has users: the thread itself, or, if it is
 * one of another mm, the reference that it takes.
 */

#include "compat/host.h"
#include "host.h"
#include "table/fmt_host.h"

struct ktdp_fmt ktdp_host_fmt __ro_after_init;

void __init ktdp_host_init(void)
{
	ktdp_fmt_host_init(&ktdp_host_fmt, pgtable_l5_enabled() ? 5 : 4,
			   PTE_PFN_MASK);
	/* Nothing beyond follows the rules of user space's tables (6.4 to 6.11 let it by). */
	ktdp_host_fmt.gfn_end = TASK_SIZE_MAX >> PAGE_SHIFT;
}

/* Return: 0 or -EINTR. */
int ktdp_host_lock(struct ktdp_host *host)
{
	if (KTDP_HOST_HAS_RCU_TABLES || !host->foreign)
		return 0;
	if (!mmap_read_trylock(host->mm) && mmap_read_lock_killable(host->mm))
		return -EINTR;
	host->locked = true;
	return 0;
}

unsigned long ktdp_host_room_locked(const struct ktdp_host *host, unsigned long hva)
{
	struct vm_area_struct *vma = vma_lookup(host->mm, hva);

	return vma ? (vma->vm_end - hva) >> PAGE_SHIFT : 0;
}

/*
 * Is there a struct page for it, and is that what the entry says it is?  A special
 * entry may map anything, as may, up to 6.11, a larger one of a driver's.
 */
static bool ktdp_host_is_ram(u64 entry, int level, u64 pfn)
{
	if (entry & KTDP_HOST_DEVMAP)
		return true;
	if (entry & KTDP_HOST_SPECIAL)
		return level == KTDP_LEVEL_4K && is_zero_pfn(pfn);
	return level == KTDP_LEVEL_4K || ktdp_pfn_is_ram(pfn);
}

/* The host maps a driver's pages as it likes; those of a folio belong together. */
static int ktdp_host_folio_level(u64 pfn, int level)
{
	unsigned int order = folio_order(page_folio(pfn_to_page(pfn)));

	while (level > KTDP_LEVEL_4K && order < 9 * (level - 1))
		level--;
	return level;
}

/**
 * ktdp_host_read() - what may importers have of a leaf of the host's?
 * @walk: which ktdp_host_walk() has found
 * @vouched: a page that GUP has returned for this address, and that is held; or NULL
 * @leaf: is filled in
 *
 * GUP refuses what is no memory of the mm's own, which an entry does not always tell:
 * that of the huge zero page looks like a driver's.
 *
 * Writable is what the processor may write: soft-dirty tracking, write-protection of
 * userfaultfd and shadow stacks have the bit off, but for userfaultfd's on older
 * kernels.
 *
 * Context: as for ktdp_host_walk().
 */
void ktdp_host_read(const struct ktdp_walk *walk, const struct page *vouched,
		    struct ktdp_host_leaf *leaf)
{
	u64 pfn = ktdp_walk_pfn(&ktdp_host_fmt, walk);

	leaf->pfn = pfn;
	leaf->level = walk->level;
	leaf->readable = walk->access & KTDP_READ;
	leaf->writable = (walk->access & KTDP_WRITE) &&
			 !(walk->entry & KTDP_HOST_UFFD_WP);
	leaf->is_ram = (vouched && page_to_pfn(vouched) == pfn) ||
		       ktdp_host_is_ram(walk->entry, walk->level, pfn);
	if (leaf->is_ram && !(walk->entry & KTDP_HOST_DEVMAP))
		leaf->level = ktdp_host_folio_level(pfn, walk->level);
}
