// SPDX-License-Identifier: GPL-2.0-only
/* A group is asked whether its interrupts are isolated (6.3), or a device. */
#include <linux/iommu.h>
#include <linux/irqdomain.h>

#ifndef KTDP_OTHERWISE
bool fact(struct iommu_group *group)
{
	return iommu_group_has_isolated_msi(group);
}
#else
bool fact(struct device *dev)
{
	return irq_domain_check_msi_remap() ||
	       device_iommu_capable(dev, IOMMU_CAP_INTR_REMAP);
}
#endif
