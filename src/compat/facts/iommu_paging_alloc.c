// SPDX-License-Identifier: GPL-2.0-only
/* An IOMMU domain is allocated for a device (6.11), or for a bus. */
#include <linux/iommu.h>

#ifndef KTDP_OTHERWISE
struct iommu_domain *fact(struct device *dev)
{
	return iommu_paging_domain_alloc(dev);
}
#else
struct iommu_domain *fact(struct device *dev)
{
	return iommu_domain_alloc(dev->bus);
}
#endif
