/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_COMPAT_HOST_H
#define _KTDP_COMPAT_HOST_H

#include <linux/mm.h>
#include <linux/pgtable.h>

#include "facts.h"

/* Up to 6.15 file systems on memory (DAX) mark their pages, some of them as special. */
#ifdef _PAGE_DEVMAP
#define KTDP_HOST_DEVMAP	_PAGE_DEVMAP
#else
#define KTDP_HOST_DEVMAP	0ULL
#endif

/* Are tables freed through RCU alone, not after interrupts to the mm's CPUs? */
#ifdef KTDP_HAS_RCU_TABLES
#define KTDP_HOST_HAS_RCU_TABLES	true
#else
#define KTDP_HOST_HAS_RCU_TABLES	false
#endif

/*
 * Does user space have a page of @folio's, this one at least?  For that folio_mapped() of
 * 6.1 looks at all of them.
 */
static inline bool ktdp_folio_is_mapped(const struct folio *folio, u64 pfn)
{
#ifdef KTDP_HAS_PAGE_MAPCOUNT
	return page_mapcount(pfn_to_page(pfn)) > 0;
#else
	return folio_mapped(folio);
#endif
}

#endif /* _KTDP_COMPAT_HOST_H */
