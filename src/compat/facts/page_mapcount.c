// SPDX-License-Identifier: GPL-2.0-only
/* page_mapcount() tells whether one page is mapped (until 6.10), or folio_mapped() at once. */
#include <linux/mm.h>

#ifndef KTDP_OTHERWISE
int fact(struct page *page)
{
	return page_mapcount(page);
}
#else
bool fact(const struct folio *folio)
{
	return folio_mapped(folio);
}
#endif
