// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O address space itself: a domain, the groups that are attached to it, and
 * which addresses there are.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/export.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat/iommu.h"
#include "iommu.h"

/*
 * Addresses beyond four levels would make some IOMMUs add a level to their table, and
 * to each walk.
 */
#define LAST_MAX	(BIT_ULL(48) - 1)
/* One of so many parts of the addresses is the driver's own. */
#define OWN_PART	8

static int first_device(struct device *dev, void *found)
{
	*(struct device **)found = get_device(dev);
	return 1;
}

/* One of them, to be put, or NULL. */
static struct device *group_device(struct iommu_group *group)
{
	struct device *dev = NULL;

	iommu_group_for_each_dev(group, &dev, first_device);
	return dev;
}

/*
 * VT-d's units are named dmarN, AMD's ivhdN.  Any other's driver may need memory to
 * unmap (virtio-iommu does), which an invalidate cannot wait for.
 */
static bool is_unit(struct device *dev, const char *name)
{
	struct dev_iommu *unit = dev->iommu;

	return unit && unit->iommu_dev && unit->iommu_dev->dev &&
	       str_has_prefix(dev_name(unit->iommu_dev->dev), name);
}

static int check_device(struct device *dev, void *unused)
{
	if (!is_unit(dev, "dmar") && !is_unit(dev, "ivhd")) {
		dev_err_ratelimited(dev, "kvm_tdp_iommu: its IOMMU is neither VT-d nor AMD-Vi\n");
		return -EOPNOTSUPP;
	}
	/* It would need flushes that nobody does. */
	if (!device_iommu_capable(dev, IOMMU_CAP_CACHE_COHERENCY)) {
		dev_err_ratelimited(dev, "kvm_tdp_iommu: its IOMMU is not coherent\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

/*
 * A device with ATS keeps translations of its own.  The drivers flush them in
 * iommu_iotlb_sync(), some of them without waiting as long as a device may take.
 */
static int check_ats(struct device *dev, void *unused)
{
#ifdef CONFIG_PCI_ATS
	if (dev_is_pci(dev) && to_pci_dev(dev)->ats_enabled) {
		dev_err_ratelimited(dev, "kvm_tdp_iommu: ATS is on, which is not supported\n");
		return -EOPNOTSUPP;
	}
#endif
	return 0;
}

/* Drivers set geometry and page sizes when the first device is attached. */
static int check_geometry(struct kvm_tdp_iommu *iommu)
{
	const struct iommu_domain *domain = iommu->domain;
	u64 last = min_t(u64, domain->geometry.aperture_end, LAST_MAX);

	if (domain->pgsize_bitmap & (SZ_4K - 1) || !(domain->pgsize_bitmap & SZ_4K) ||
	    domain->geometry.aperture_start || last < SZ_1G) {
		pr_err_ratelimited("pages of %#lx, addresses %#llx to %#llx: that will not do\n",
				   domain->pgsize_bitmap, (u64)domain->geometry.aperture_start,
				   (u64)domain->geometry.aperture_end);
		return -EOPNOTSUPP;
	}
	if (!iommu->last) {
		iommu->last = last;
		iommu->own_first = ALIGN_DOWN(last + 1 - (last + 1) / OWN_PART, SZ_2M);
		iommu->has_2m = domain->pgsize_bitmap & SZ_2M;
	}
	if (last < iommu->last || iommu->has_2m > !!(domain->pgsize_bitmap & SZ_2M))
		return -EINVAL;
	return 0;
}

static int add_reserved(struct kvm_tdp_iommu *iommu, struct iommu_group *group)
{
	struct iommu_resv_region *region, *next;
	struct reserved *reserved;
	LIST_HEAD(regions);
	int ret;

	ret = iommu_get_group_resv_regions(group, &regions);
	list_for_each_entry_safe(region, next, &regions, list) {
		reserved = NULL;
		if (!ret && region->length && region->type != IOMMU_RESV_DIRECT_RELAXABLE) {
			reserved = kmalloc(sizeof(*reserved), GFP_KERNEL_ACCOUNT);
			ret = reserved ? 0 : -ENOMEM;
		}
		if (reserved) {
			reserved->first = region->start;
			reserved->last = region->start + region->length - 1;
			list_add(&reserved->list, &iommu->reserved);
		}
		kfree(region);
	}
	return ret;
}

/*
 * Of own memory, in pieces that have no table of the IOMMU's to themselves: VT-d's driver up
 * to 6.18 gives one back before the IOMMU has forgotten it, where that goes as a whole, or a
 * leaf of 2M comes in its place.  So it is mapped 4K by 4K, too.
 *
 * Return: what was unmapped.
 */
static size_t unmap_own(struct kvm_tdp_iommu *iommu, u64 iova, size_t size)
{
	struct iommu_iotlb_gather gather;
	size_t at, piece, unmapped;

	for (at = 0; at < size; at += piece) {
		piece = min_t(size_t, size - at, SZ_1M - ((iova + at) & (SZ_1M - 1)));
		iommu_iotlb_gather_init(&gather);
		unmapped = iommu_unmap_fast(iommu->domain, iova + at, piece, &gather);
		ktdp_domain_sync(iommu, iova + at, piece, &gather);
		if (unmapped != piece)
			break;
		cond_resched();
	}
	return at;
}

/* All of it or nothing; -EIO: some of it could not be unmapped again. */
static int map_own(struct kvm_tdp_iommu *iommu, u64 iova, phys_addr_t hpa, size_t size,
		   int prot)
{
	int ret = 0;
	size_t at;

	for (at = 0; at < size; at += SZ_4K) {
		ret = fatal_signal_pending(current) ? -EINTR :
		      ktdp_iommu_map(iommu->domain, iova + at, hpa + at, SZ_4K,
				     prot | IOMMU_CACHE, GFP_KERNEL_ACCOUNT);
		if (ret)
			break;
		cond_resched();
	}
	if (ret && WARN_ON_ONCE(unmap_own(iommu, iova, at) != at))
		ret = -EIO;
	return ret;
}

/*
 * AMD's table grows in height when an address needs it, during which older kernels can
 * fail to find what is to be unmapped: it is as high as it will be before all else.
 */
static int grow_table(struct kvm_tdp_iommu *iommu)
{
	u64 iova = iommu->own_first;
	int ret;

	lockdep_assert_held(&iommu->sem);
	if (!ktdp_iommu_has(iommu, iova, iova + SZ_4K - 1, true))
		return 0;
	ret = map_own(iommu, iova, page_to_phys(ZERO_PAGE(0)), SZ_4K, IOMMU_READ);
	if (ret)
		return ret;
	return unmap_own(iommu, iova, SZ_4K) == SZ_4K ? 0 : -EIO;
}

/* Set up the domain, which is attached for the first time. */
static int first_group(struct kvm_tdp_iommu *iommu)
{
	const struct iommu_domain_ops *ops = iommu->domain->ops;

	/* Before anything is mapped, or a driver may refuse. */
	if (ops->enforce_cache_coherency)
		iommu->no_snoop_blocked = ops->enforce_cache_coherency(iommu->domain);
	return grow_table(iommu);
}

int kvm_tdp_iommu_add_group(struct kvm_tdp_iommu *iommu, struct iommu_group *group)
{
	struct ktdp_group *member;
	int ret;

	ret = iommu_group_for_each_dev(group, NULL, check_device);
	if (ret)
		return ret;
	member = kmalloc(sizeof(*member), GFP_KERNEL_ACCOUNT);
	if (!member)
		return -ENOMEM;

	down_write(&iommu->sem);
	/* Where it reserves addresses there may be guest memory. */
	ret = -EBUSY;
	if (iommu->tdp_fd)
		goto err_unlock;
	ret = iommu_attach_group(iommu->domain, group);
	if (ret)
		goto err_unlock;
	ret = iommu_group_for_each_dev(group, NULL, check_ats);
	if (!ret)
		ret = check_geometry(iommu);
	if (!ret)
		ret = add_reserved(iommu, group);
	if (!ret && list_empty(&iommu->groups))
		ret = first_group(iommu);
	if (ret)
		goto err_detach;
	member->group = group;
	list_add(&member->list, &iommu->groups);
	up_write(&iommu->sem);
	return 0;

err_detach:
	iommu_detach_group(iommu->domain, group);
err_unlock:
	up_write(&iommu->sem);
	kfree(member);
	return ret;
}
EXPORT_SYMBOL_GPL(kvm_tdp_iommu_add_group);

void kvm_tdp_iommu_remove_group(struct kvm_tdp_iommu *iommu, struct iommu_group *group)
{
	struct ktdp_group *member, *next;

	down_write(&iommu->sem);
	/* Before 6.10 VT-d's driver must not flush while it forgets one of the units. */
	ktdp_guest_pause(iommu);
	list_for_each_entry_safe(member, next, &iommu->groups, list) {
		if (member->group != group)
			continue;
		iommu_detach_group(iommu->domain, group);
		list_del(&member->list);
		kfree(member);
	}
	ktdp_guest_resume(iommu);
	up_write(&iommu->sem);
}
EXPORT_SYMBOL_GPL(kvm_tdp_iommu_remove_group);

static void iommu_free(struct kvm_tdp_iommu *iommu)
{
	struct reserved *reserved, *next;

	ktdp_follow_exit(iommu);
	if (iommu->domain)
		iommu_domain_free(iommu->domain);
	list_for_each_entry_safe(reserved, next, &iommu->reserved, list)
		kfree(reserved);
	ktdp_unshow(iommu);
}

struct kvm_tdp_iommu *kvm_tdp_iommu_open_group(struct iommu_group *group)
{
	struct kvm_tdp_iommu *iommu;
	struct device *dev;
	int ret;

	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		pr_err_ratelimited("not on PREEMPT_RT, where the IOMMU drivers' locks sleep\n");
		return ERR_PTR(-EOPNOTSUPP);
	}
	dev = group_device(group);
	if (!dev)
		return ERR_PTR(-ENODEV);
	iommu = kzalloc(sizeof(*iommu), GFP_KERNEL_ACCOUNT);
	if (!iommu) {
		put_device(dev);
		return ERR_PTR(-ENOMEM);
	}
	INIT_LIST_HEAD(&iommu->groups);
	INIT_LIST_HEAD(&iommu->reserved);
	ktdp_follow_init(iommu);
	iommu->sync_twice = is_unit(dev, "ivhd");

	ret = ktdp_show(iommu);
	if (ret)
		goto err_free;
	iommu->domain = iommu_paging_domain_alloc(dev);
	if (IS_ERR(iommu->domain)) {
		ret = PTR_ERR(iommu->domain);
		iommu->domain = NULL;
		goto err_free;
	}
	ret = kvm_tdp_iommu_add_group(iommu, group);
	if (ret)
		goto err_free;
	put_device(dev);
	return iommu;

err_free:
	put_device(dev);
	iommu_free(iommu);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(kvm_tdp_iommu_open_group);

struct kvm_tdp_iommu *kvm_tdp_iommu_open(struct device *dev)
{
	struct iommu_group *group = iommu_group_get(dev);
	struct kvm_tdp_iommu *iommu;
	int ret;

	if (!group)
		return ERR_PTR(-ENODEV);
	/* Fails as long as another driver of the group uses the DMA API. */
	ret = iommu_group_claim_dma_owner(group, THIS_MODULE);
	if (ret) {
		dev_err(dev, "kvm_tdp_iommu: cannot own the DMA of its group: has each driver driver_managed_dma?\n");
		iommu = ERR_PTR(ret == -ENOMEM ? -ENOMEM : -EBUSY);
		goto err_put;
	}
	iommu = kvm_tdp_iommu_open_group(group);
	if (IS_ERR(iommu))
		goto err_release;
	iommu->claimed = group;
	return iommu;

err_release:
	iommu_group_release_dma_owner(group);
err_put:
	iommu_group_put(group);
	return iommu;
}
EXPORT_SYMBOL_GPL(kvm_tdp_iommu_open);

void kvm_tdp_iommu_close(struct kvm_tdp_iommu *iommu)
{
	struct iommu_group *claimed = iommu->claimed;
	struct ktdp_group *member, *next;

	kvm_tdp_iommu_detach(iommu);
	WARN_ON_ONCE(!RB_EMPTY_ROOT(&iommu->ranges.rb_root));
	list_for_each_entry_safe(member, next, &iommu->groups, list)
		kvm_tdp_iommu_remove_group(iommu, member->group);
	iommu_free(iommu);
	if (claimed) {
		iommu_group_release_dma_owner(claimed);
		iommu_group_put(claimed);
	}
}
EXPORT_SYMBOL_GPL(kvm_tdp_iommu_close);

bool kvm_tdp_iommu_blocks_no_snoop(const struct kvm_tdp_iommu *iommu)
{
	return iommu->no_snoop_blocked;
}
EXPORT_SYMBOL_GPL(kvm_tdp_iommu_blocks_no_snoop);

static int direction_prot(enum dma_data_direction direction)
{
	switch (direction) {
	case DMA_TO_DEVICE:
		return IOMMU_READ;
	case DMA_FROM_DEVICE:
		return IOMMU_WRITE;
	case DMA_BIDIRECTIONAL:
		return IOMMU_READ | IOMMU_WRITE;
	default:
		return 0;
	}
}

int kvm_tdp_iommu_map(struct kvm_tdp_iommu *iommu, u64 iova, phys_addr_t hpa, size_t size,
		      enum dma_data_direction direction)
{
	int prot = direction_prot(direction);
	u64 last = iova + size - 1;
	int ret;

	might_sleep();
	if (!prot || !size || last < iova || (iova | hpa | size) & ~PAGE_MASK)
		return -EINVAL;
	/* Over the map, too: a group that is added may give the domain another root. */
	ret = down_read_killable(&iommu->sem);
	if (ret)
		return ret;
	ret = ktdp_iommu_has(iommu, iova, last, true) ?
	      map_own(iommu, iova, hpa, size, prot) : -ERANGE;
	up_read(&iommu->sem);
	return ret;
}
EXPORT_SYMBOL_GPL(kvm_tdp_iommu_map);

int kvm_tdp_iommu_unmap(struct kvm_tdp_iommu *iommu, u64 iova, size_t size)
{
	size_t unmapped = 0;

	might_sleep();
	/* The flush is not to meet a change of the groups: see kvm_tdp_iommu_remove_group(). */
	down_read(&iommu->sem);
	if (iova >= iommu->own_first)
		unmapped = unmap_own(iommu, iova, size);
	up_read(&iommu->sem);
	return WARN_ON_ONCE(unmapped != size) ? -EIO : 0;
}
EXPORT_SYMBOL_GPL(kvm_tdp_iommu_unmap);

MODULE_DESCRIPTION("DMA by guest physical address through an IOMMU, for drivers");
MODULE_LICENSE("GPL");
