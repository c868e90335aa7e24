// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of the driver's own, pinned: what its device has to reach beside the guest's.
 */

#include <linux/io.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "container.h"

/**
 * struct own_memory - what one KVM_TDP_VFIO_MAP mapped
 * @list: in container.own
 * @write: the device may write to it
 * @iova: first address
 * @length: bytes
 * @nr_pinned: of @pages
 * @mapped: bytes of @length that are
 * @pages: of the caller
 */
struct own_memory {
	struct list_head list;
	bool write;
	u64 iova;
	u64 length;
	unsigned long nr_pinned;
	u64 mapped;
	struct page *pages[];
};

/* Pages that are pinned, and unpinned, at a time. */
#define OWN_BATCH	512UL

static void own_unpin(struct own_memory *own)
{
	unsigned long at, nr;

	for (at = 0; at < own->nr_pinned; at += nr) {
		nr = min(own->nr_pinned - at, OWN_BATCH);
		unpin_user_pages_dirty_lock(own->pages + at, nr, own->write);
		cond_resched();
	}
}

static void own_free(struct container *container, struct own_memory *own)
{
	/* What the device may still reach stays pinned, for good. */
	if (!own->mapped || !kvm_tdp_iommu_unmap(container->iommu, own->iova, own->mapped))
		own_unpin(own);
	account_locked_vm(container->mm, own->length >> PAGE_SHIFT, false);
	kvfree(own);
}

static int own_pin(struct own_memory *own, u64 vaddr)
{
	unsigned int gup = FOLL_LONGTERM | (own->write ? FOLL_WRITE : 0);
	unsigned long nr = own->length >> PAGE_SHIFT;
	int ret;

	while (own->nr_pinned < nr) {
		ret = pin_user_pages_fast(vaddr + (own->nr_pinned << PAGE_SHIFT),
					  min(nr - own->nr_pinned, OWN_BATCH), gup,
					  own->pages + own->nr_pinned);
		if (ret <= 0)
			return ret ?: -EFAULT;
		own->nr_pinned += ret;
		cond_resched();
	}
	return 0;
}

/* One call for each run of pages that follow each other. */
static int own_map_pages(struct container *container, struct own_memory *own,
			 enum dma_data_direction direction)
{
	unsigned long at, run;
	int ret;

	for (at = 0; at < own->nr_pinned; at += run) {
		phys_addr_t hpa = page_to_phys(own->pages[at]);

		for (run = 1; at + run < own->nr_pinned &&
		     page_to_phys(own->pages[at + run]) == hpa + (run << PAGE_SHIFT); run++)
			;
		ret = kvm_tdp_iommu_map(container->iommu, own->iova + (at << PAGE_SHIFT), hpa,
					run << PAGE_SHIFT, direction);
		/* On -EIO some of the run may still be mapped. */
		if (!ret || ret == -EIO)
			own->mapped += run << PAGE_SHIFT;
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

/*
 * The IOMMU's driver gives back no table of 4K leaves before the address space is closed.
 * Each counts once, whatever was mapped through it: who maps and unmaps at ever new addresses
 * would have ever more of them.
 */
static int own_charge_tables(struct container *container, u64 first, u64 last)
{
	unsigned long at;
	int ret;

	lockdep_assert_held(&container->own_mutex);
	for (at = first / SZ_2M; at <= last / SZ_2M; at++) {
		cond_resched();
		ret = xa_insert(&container->own_tables, at, xa_mk_value(0), GFP_KERNEL_ACCOUNT);
		if (ret == -EBUSY)
			continue;
		if (ret)
			return ret;
		ret = account_locked_vm(container->mm, 1, true);
		if (ret) {
			xa_erase(&container->own_tables, at);
			return ret;
		}
	}
	return 0;
}

/* A page that the kernel writes to: where it is.  Return: 0, -EPERM, -EINVAL, -EFAULT, -ENOMEM. */
int own_pin_page(struct container *container, u64 vaddr, u8 **bytes)
{
	struct page *page;
	int ret;

	if (current->mm != container->mm)
		return -EPERM;
	if (vaddr & ~PAGE_MASK)
		return -EINVAL;
	ret = account_locked_vm(container->mm, 1, true);
	if (ret)
		return ret;
	ret = pin_user_pages_fast(vaddr, 1, FOLL_LONGTERM | FOLL_WRITE, &page);
	if (ret == 1) {
		*bytes = page_address(page);
		return 0;
	}
	account_locked_vm(container->mm, 1, false);
	return ret ?: -EFAULT;
}

void own_unpin_page(struct container *container, u8 *bytes)
{
	struct page *page = virt_to_page(bytes);

	unpin_user_pages_dirty_lock(&page, 1, true);
	account_locked_vm(container->mm, 1, false);
}

static struct own_memory *own_find(struct container *container, u64 first, u64 last)
{
	struct own_memory *own;

	lockdep_assert_held(&container->own_mutex);
	list_for_each_entry(own, &container->own, list) {
		if (first <= own->iova + own->length - 1 && last >= own->iova)
			return own;
	}
	return NULL;
}

/* What is not own, or not aligned, the library refuses. */
int own_map(struct container *container, const struct kvm_tdp_vfio_map *arg)
{
	u64 last = arg->iova + arg->length - 1;
	enum dma_data_direction direction;
	struct kvm_tdp_iommu_info info;
	struct own_memory *own;
	bool write;
	int ret;

	/* Against its limit it counts; a child's end with the child. */
	if (current->mm != container->mm)
		return -EPERM;
	if (!arg->flags || arg->flags & ~(KVM_TDP_VFIO_READ | KVM_TDP_VFIO_WRITE))
		return -EINVAL;
	if (!arg->length || (arg->iova | arg->vaddr | arg->length) & ~PAGE_MASK ||
	    last < arg->iova || arg->vaddr + arg->length - 1 < arg->vaddr)
		return -EINVAL;
	kvm_tdp_iommu_get_info(container->iommu, &info);
	if (arg->iova < info.own_first || last > info.own_last)
		return -ERANGE;
	write = arg->flags & KVM_TDP_VFIO_WRITE;
	direction = !write ? DMA_TO_DEVICE :
		    arg->flags & KVM_TDP_VFIO_READ ? DMA_BIDIRECTIONAL : DMA_FROM_DEVICE;

	/* Before there is memory for it: the limit bounds that, too. */
	ret = account_locked_vm(current->mm, arg->length >> PAGE_SHIFT, true);
	if (ret)
		return ret;
	own = kvzalloc(struct_size(own, pages, arg->length >> PAGE_SHIFT),
		       GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!own) {
		account_locked_vm(current->mm, arg->length >> PAGE_SHIFT, false);
		return -ENOMEM;
	}
	own->write = write;
	own->iova = arg->iova;
	own->length = arg->length;
	ret = own_pin(own, arg->vaddr);

	mutex_lock(&container->own_mutex);
	if (!ret && own_find(container, arg->iova, last))
		ret = -EEXIST;
	if (!ret)
		ret = own_charge_tables(container, arg->iova, last);
	if (!ret)
		ret = own_map_pages(container, own, direction);
	if (ret) {
		own_free(container, own);
	} else {
		list_add(&own->list, &container->own);
		WRITE_ONCE(container->own_bytes, container->own_bytes + own->length);
	}
	mutex_unlock(&container->own_mutex);
	return ret;
}

static void own_remove(struct container *container, struct own_memory *own)
{
	lockdep_assert_held(&container->own_mutex);
	list_del(&own->list);
	WRITE_ONCE(container->own_bytes, container->own_bytes - own->length);
	own_free(container, own);
}

int own_unmap(struct container *container, u64 iova)
{
	struct own_memory *own;
	int ret = -ENOENT;

	mutex_lock(&container->own_mutex);
	own = own_find(container, iova, iova);
	if (own && own->iova == iova) {
		own_remove(container, own);
		ret = 0;
	}
	mutex_unlock(&container->own_mutex);
	return ret;
}

/* The address space is to be closed. */
void own_unmap_all(struct container *container)
{
	struct own_memory *own, *next;
	unsigned long at, nr_tables = 0;
	void *table;

	mutex_lock(&container->own_mutex);
	list_for_each_entry_safe(own, next, &container->own, list)
		own_remove(container, own);
	xa_for_each(&container->own_tables, at, table)
		nr_tables++;
	xa_destroy(&container->own_tables);
	account_locked_vm(container->mm, nr_tables, false);
	mutex_unlock(&container->own_mutex);
}
