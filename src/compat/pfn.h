/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_COMPAT_PFN_H
#define _KTDP_COMPAT_PFN_H

#include <linux/mm.h>

#include "facts.h"

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

#endif /* _KTDP_COMPAT_PFN_H */
