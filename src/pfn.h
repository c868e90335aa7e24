/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_PFN_H
#define _KTDP_PFN_H

/* Host pages: whether importers may reach one, and marking it dirty before they do. */

#include <linux/mm.h>

bool ktdp_pfn_prepare_file(struct folio *folio, bool writable);
bool ktdp_folio_is_ram(struct folio *folio, u64 pfn);

static __always_inline bool ktdp_folio_prepare(struct folio *folio, bool writable)
{
	if (!folio_test_anon(folio))
		return ktdp_pfn_prepare_file(folio, writable);
	if (writable && !folio_test_dirty(folio))
		folio_set_dirty(folio);
	return true;
}

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
	return ktdp_folio_prepare(page_folio(pfn_to_page(pfn)), writable);
}

/**
 * ktdp_pfn_is_ram() - is a host frame memory that the host's mm manages?
 * @pfn: host frame that something maps, whatever it is
 *
 * Device memory may have no struct page, or one whose members mean something else.
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
	return folio_test_anon(folio) || ktdp_folio_is_ram(folio, pfn);
}

/* ktdp_pfn_prepare() for what KVM maps: that may be device memory as well. */
static __always_inline bool ktdp_pfn_prepare_any(u64 pfn, bool writable)
{
	struct folio *folio;

	if (unlikely(!pfn_valid(pfn)))
		return false;
	folio = page_folio(pfn_to_page(pfn));
	return (folio_test_anon(folio) || ktdp_folio_is_ram(folio, pfn)) &&
	       ktdp_folio_prepare(folio, writable);
}

#endif /* _KTDP_PFN_H */
