// SPDX-License-Identifier: GPL-2.0-only
/* Host pages: which may be mapped, which are to be marked dirty. */

#include <linux/backing-dev.h>
#include <linux/magic.h>
#include <linux/memremap.h>
#include <linux/pagemap.h>

#include "compat/pfn.h"
#include "pfn.h"

/*
 * memfd_secret() pages are not in the direct map, where importers would look
 * for them, and nobody but their owner is meant to.
 */
static bool ktdp_pfn_is_secret(struct address_space *mapping)
{
	return mapping && mapping_unevictable(mapping) &&
	       mapping->host->i_sb->s_magic == SECRETMEM_MAGIC;
}

/* The page is mapped in the VM's mm, so its mapping stays. */
noinline bool ktdp_pfn_prepare_file(struct folio *folio, bool writable)
{
	struct address_space *mapping = READ_ONCE(folio->mapping);

	if (ktdp_pfn_is_secret(mapping))
		return false;
	/* Memory of a PCI device: it takes a driver to know who can reach it. */
	if (is_pci_p2pdma_page(&folio->page))
		return false;
	if (writable && !folio_test_dirty(folio) && mapping && !mapping_can_writeback(mapping) &&
	    !folio_test_reserved(folio) && !folio_is_zone_device(folio))
		folio_set_dirty(folio);
	return true;
}

/*
 * One that is not anonymous: the zero page, or of a file that user space maps as such,
 * for which it counts who maps it.  What a driver hands out with remap_pfn_range() is
 * not counted.
 */
noinline bool ktdp_folio_is_ram(struct folio *folio, u64 pfn)
{
	return is_zero_pfn(pfn) ||
	       (!folio_test_slab(folio) && !folio_test_reserved(folio) &&
		ktdp_folio_is_mapped(folio, pfn) && folio_mapping(folio));
}
