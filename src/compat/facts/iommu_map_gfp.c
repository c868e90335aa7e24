// SPDX-License-Identifier: GPL-2.0-only
/* iommu_map() is told how to allocate (6.3), or there is iommu_map_atomic(). */
#include <linux/iommu.h>

#ifndef KTDP_OTHERWISE
int fact(struct iommu_domain *domain)
{
	return iommu_map(domain, 0, 0, 4096, IOMMU_READ, GFP_ATOMIC);
}
#else
int fact(struct iommu_domain *domain)
{
	return iommu_map_atomic(domain, 0, 0, 4096, IOMMU_READ);
}
#endif
