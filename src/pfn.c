// SPDX-License-Identifier: GPL-2.0-only
/*
 * Host pages: which may be mapped, which are to be marked dirty, where they
 * are.
 */

#include <linux/backing-dev.h>
#include <linux/magic.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/memremap.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>

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
	if (writable && mapping && !mapping_can_writeback(mapping) &&
	    !folio_test_reserved(folio) && !folio_is_zone_device(folio))
		folio_set_dirty(folio);
	return true;
}

/*
 * A page of a file that user space maps as such: it counts who maps it.  What a
 * driver hands out with remap_pfn_range() is not counted.
 */
noinline bool ktdp_pfn_is_file(struct folio *folio)
{
	return !folio_test_slab(folio) && !folio_test_reserved(folio) &&
	       folio_mapped(folio) && folio_mapping(folio);
}

/*
 * The sections of an online block of memory have all their struct pages, and
 * keep them until the block is offline again.  So for frames in the largest run
 * of such sections, which on most hosts is where nearly all guest memory is,
 * pfn_valid() is not needed.
 */
struct ktdp_ram ktdp_ram __read_mostly;	/* changed under ktdp_ram_lock */

static DEFINE_MUTEX(ktdp_ram_lock);
static bool ktdp_ram_shrinks;		/* ktdp_ram_lock */

static struct ktdp_ram ktdp_ram_scan(void)
{
	struct ktdp_ram best = {}, run = {};
	unsigned long pfn, end = 0;
	int nid;

	for_each_online_node(nid)
		end = max(end, node_end_pfn(nid));
	for (pfn = 0; pfn < end; pfn += PAGES_PER_SECTION) {
		if (!pfn_to_online_page(pfn)) {
			run.size = 0;
			continue;
		}
		if (!run.size)
			run.start = PFN_PHYS(pfn);
		run.size += PFN_PHYS(PAGES_PER_SECTION);
		if (run.size > best.size)
			best = run;
		cond_resched();
	}
	return best;
}

/* Nobody sees the start of one run with the size of another. */
static void ktdp_ram_update(void)
{
	struct ktdp_ram ram = {};

	lockdep_assert_held(&ktdp_ram_lock);
	WRITE_ONCE(ktdp_ram.size, 0);
	synchronize_rcu();
	if (ktdp_ram_shrinks)
		return;
	ram = ktdp_ram_scan();
	WRITE_ONCE(ktdp_ram.start, ram.start);
	synchronize_rcu();
	WRITE_ONCE(ktdp_ram.size, ram.size);
}

static int ktdp_ram_notify(struct notifier_block *nb, unsigned long action,
			   void *data)
{
	mutex_lock(&ktdp_ram_lock);
	switch (action) {
	case MEM_GOING_OFFLINE:
		ktdp_ram_shrinks = true;
		ktdp_ram_update();
		break;
	case MEM_OFFLINE:
	case MEM_CANCEL_OFFLINE:
	case MEM_ONLINE:
		ktdp_ram_shrinks = false;
		ktdp_ram_update();
		break;
	}
	mutex_unlock(&ktdp_ram_lock);
	return NOTIFY_OK;
}

static struct notifier_block ktdp_ram_nb = {
	.notifier_call = ktdp_ram_notify,
};

int __init ktdp_pfn_init(void)
{
	int ret = register_memory_notifier(&ktdp_ram_nb);

	if (ret)
		return ret;
	mutex_lock(&ktdp_ram_lock);
	ktdp_ram_update();
	mutex_unlock(&ktdp_ram_lock);
	return 0;
}

void ktdp_pfn_exit(void)
{
	unregister_memory_notifier(&ktdp_ram_nb);
}
