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
	*(struct device **)found = dev;
	return 1;
}

static struct device *group_device(struct iommu_group *group)
{
	struct device *dev = NULL;

	iommu_group_for_each_dev(group, &dev, first_device);
	return dev;
}

/* A device that snoops no caches would need flushes that nobody does. */
static int check_coherent(struct device *dev, void *unused)
{
	if (device_iommu_capable(dev, IOMMU_CAP_CACHE_COHERENCY))
		return 0;
	dev_err(dev, "kvm_tdp_iommu: its IOMMU is not coherent\n");
	return -EOPNOTSUPP;
}

/*
 * A device with ATS keeps translations of its own.  The drivers flush them in
 * iommu_iotlb_sync(), some of them without waiting as long as a device may take.
 */
static int check_ats(struct device *dev, void *unused)
{
#ifdef CONFIG_PCI_ATS
	if (dev_is_pci(dev) && to_pci_dev(dev)->ats_enabled) {
		dev_err(dev, "kvm_tdp_iommu: ATS is on, which is not supported\n");
		return -EOPNOTSUPP;
	}
#endif
	return 0;
}

/* What is translated differs from IOMMU to IOMMU, and is known once it is attached. */
static int check_geometry(struct kvm_tdp_iommu *iommu)
{
	const struct iommu_domain *domain = iommu->domain;
	u64 last = min_t(u64, domain->geometry.aperture_end, LAST_MAX);

	if (!domain->pgsize_bitmap || domain->pgsize_bitmap & (SZ_4K - 1) ||
	    !(domain->pgsize_bitmap & SZ_4K) || domain->geometry.aperture_start)
		return -EOPNOTSUPP;
	if (!iommu->last) {
		iommu->last = last;
		iommu->own_first = last + 1 - (last + 1) / OWN_PART;
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

bool ktdp_iommu_has(const struct kvm_tdp_iommu *iommu, u64 first, u64 last, bool own)
{
	const struct reserved *reserved;

	lockdep_assert_held(&iommu->sem);
	if (own ? first < iommu->own_first || last > iommu->last : last >= iommu->own_first)
		return false;
	list_for_each_entry(reserved, &iommu->reserved, list) {
		if (first <= reserved->last && last >= reserved->first)
			return false;
	}
	return true;
}

int kvm_tdp_iommu_add_group(struct kvm_tdp_iommu *iommu, struct iommu_group *group)
{
	struct ktdp_group *member;
	int ret;

	ret = iommu_group_for_each_dev(group, NULL, check_coherent);
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
	if (ret)
		goto err_detach;
	member->iommu = iommu;
	member->group = group;
	list_add(&member->list, &iommu->groups);
	ktdp_show(member);
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
	list_for_each_entry_safe(member, next, &iommu->groups, list) {
		if (member->group != group)
			continue;
		ktdp_unshow(member);
		iommu_detach_group(iommu->domain, group);
		list_del(&member->list);
		kfree(member);
	}
	up_write(&iommu->sem);
}
EXPORT_SYMBOL_GPL(kvm_tdp_iommu_remove_group);

static void iommu_free(struct kvm_tdp_iommu *iommu)
{
	struct reserved *reserved, *next;

	if (iommu->domain)
		iommu_domain_free(iommu->domain);
	list_for_each_entry_safe(reserved, next, &iommu->reserved, list)
		kfree(reserved);
	kfree(iommu);
}

struct kvm_tdp_iommu *kvm_tdp_iommu_open_group(struct iommu_group *group)
{
	struct device *dev = group_device(group);
	struct kvm_tdp_iommu *iommu;
	int ret;

	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		pr_err("not on PREEMPT_RT, where the IOMMU drivers' locks sleep\n");
		return ERR_PTR(-EOPNOTSUPP);
	}
	if (!dev)
		return ERR_PTR(-ENODEV);
	iommu = kzalloc(sizeof(*iommu), GFP_KERNEL_ACCOUNT);
	if (!iommu)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&iommu->groups);
	INIT_LIST_HEAD(&iommu->reserved);
	ktdp_follow_init(iommu);

	iommu->domain = iommu_paging_domain_alloc(dev);
	if (IS_ERR(iommu->domain)) {
		ret = PTR_ERR(iommu->domain);
		iommu->domain = NULL;
		goto err_free;
	}
	ret = kvm_tdp_iommu_add_group(iommu, group);
	if (ret)
		goto err_free;
	return iommu;

err_free:
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
		iommu = ERR_PTR(-EBUSY);
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
	bool has;

	might_sleep();
	if (!prot || !size || last < iova || (iova | hpa | size) & ~PAGE_MASK)
		return -EINVAL;
	down_read(&iommu->sem);
	has = ktdp_iommu_has(iommu, iova, last, true);
	up_read(&iommu->sem);
	if (!has)
		return -ERANGE;
	return ktdp_iommu_map(iommu->domain, iova, hpa, size, prot | IOMMU_CACHE,
			      GFP_KERNEL_ACCOUNT);
}
EXPORT_SYMBOL_GPL(kvm_tdp_iommu_map);

void kvm_tdp_iommu_unmap(struct kvm_tdp_iommu *iommu, u64 iova, size_t size)
{
	might_sleep();
	WARN_ON_ONCE(iova < iommu->own_first ||
		     iommu_unmap(iommu->domain, iova, size) != size);
}
EXPORT_SYMBOL_GPL(kvm_tdp_iommu_unmap);

MODULE_DESCRIPTION("DMA by guest physical address through an IOMMU, for drivers");
MODULE_LICENSE("GPL");
