/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_COMPAT_IOMMU_H
#define _KTDP_COMPAT_IOMMU_H

#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/irqdomain.h>

#include "facts.h"

/* 6.11 asks a device for its domain, and answers with an ERR_PTR. */
#ifndef KTDP_HAS_IOMMU_PAGING_ALLOC
static inline struct iommu_domain *iommu_paging_domain_alloc(struct device *dev)
{
	return iommu_domain_alloc(dev->bus) ?: ERR_PTR(-ENODEV);
}
#endif

/* 6.3 put the allocation flags in the place of a second function. */
static inline int ktdp_iommu_map(struct iommu_domain *domain, u64 iova, u64 hpa,
				 size_t size, int prot, gfp_t gfp)
{
#ifdef KTDP_HAS_IOMMU_MAP_GFP
	return iommu_map(domain, iova, hpa, size, prot, gfp);
#else
	if (gfpflags_allow_blocking(gfp))
		return iommu_map(domain, iova, hpa, size, prot);
	return iommu_map_atomic(domain, iova, hpa, size, prot);
#endif
}

/* 6.3 asks the group; before that, each device of it. */
#ifndef KTDP_HAS_ISOLATED_MSI
static inline int ktdp_has_no_intr_remap(struct device *dev, void *unused)
{
	return !device_iommu_capable(dev, IOMMU_CAP_INTR_REMAP);
}

static inline bool iommu_group_has_isolated_msi(struct iommu_group *group)
{
	return irq_domain_check_msi_remap() ||
	       !iommu_group_for_each_dev(group, NULL, ktdp_has_no_intr_remap);
}
#endif

#endif /* _KTDP_COMPAT_IOMMU_H */
