/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_PFN_H
#define _KTDP_PFN_H

/* What the host has to know of a page before importers may reach it. */

#include <linux/mm.h>

bool ktdp_pfn_prepare_file(struct folio *folio, bool writable);
bool ktdp_pfn_is_file(struct folio *folio);

/**
 * ktdp_pfn_prepare() - may a host page be mapped?  Then say that it is dirty
 * @pfn: host frame of a page that is mapped in the VM's mm, and stays so until
 *	it is in the table, or until an invalidation that the table awaits
 * @writable: it is going to be mapped writable
 *
 * The host believes a page clean that is not dirty in its own page tables, and
 * a device's store leaves no mark there.  So a page is dirty from when it is
 * mapped writable; to clean it the host has to invalidate it first.
 *
 * That holds for pages that are swapped (anonymous, shmem) or kept (hugetlb).
 * A page that is written back to a file is writable in the host's tables only
 * while it is dirty there, and its flag is not ours to set: the filesystem
 * accounts for it.
 *
 * Context: any.
 * Return: whether the page may be mapped.
 */
static __always_inline bool ktdp_pfn_prepare(u64 pfn, bool writable)
{
	struct folio *folio = page_folio(pfn_to_page(pfn));

	if (!folio_test_anon(folio))
		return ktdp_pfn_prepare_file(folio, writable);
	if (writable && !folio_test_dirty(folio))
		folio_set_dirty(folio);
	return true;
}

/* The largest run of memory that has its struct pages, in bytes; see pfn.c. */
struct ktdp_ram {
	u64 start;
	u64 size;
};

extern struct ktdp_ram ktdp_ram;

int ktdp_pfn_init(void);
void ktdp_pfn_exit(void);

/**
 * ktdp_pfn_is_ram() - is a host frame memory that the host's mm manages?
 * @pfn: host frame that KVM maps, whatever it is
 *
 * KVM maps device memory as well; of that there may be no struct page, or one
 * whose members mean something else.
 *
 * Context: any.
 * Return: whether ktdp_pfn_prepare() may look at it.
 */
static __always_inline bool ktdp_pfn_is_ram(u64 pfn)
{
	struct folio *folio;

	if (unlikely(!pfn_valid(pfn)))
		return false;
	folio = page_folio(pfn_to_page(pfn));
	return folio_test_anon(folio) || is_zero_pfn(pfn) ||
	       ktdp_pfn_is_file(folio);
}

/*
 * Both of them for a writable page, in short, and only for anonymous memory,
 * which is what most is.  Return: false if it takes a longer look.
 *
 * Context: preemption off.
 */
static __always_inline bool ktdp_pfn_prepare_fast(u64 hpa)
{
	struct folio *folio;
	struct page *page;

	/* data_race: as ktdp_ram_update() says; READ_ONCE() costs more here. */
	if (unlikely(hpa - data_race(ktdp_ram.start) >= data_race(ktdp_ram.size)))
		return false;
	page = pfn_to_page(PHYS_PFN(hpa));
	if (unlikely(PageTail(page)))
		return false;
	folio = (struct folio *)page;
	if (unlikely(!folio_test_anon(folio)))
		return false;
	if (!folio_test_dirty(folio))
		folio_set_dirty(folio);
	return true;
}

#endif /* _KTDP_PFN_H */
