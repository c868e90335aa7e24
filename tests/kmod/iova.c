// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an IOMMU translates for a device, asked of the IOMMU's driver: nothing of
 * kvm_tdp is in it.
 */

#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/pci.h>

#include "helper.h"

int test_iova(struct ktdp_test_iova *arg)
{
	struct iommu_domain *domain;
	struct device *dev;

	arg->device[sizeof(arg->device) - 1] = '\0';
	dev = bus_find_device_by_name(&pci_bus_type, NULL, arg->device);
	if (!dev)
		return -ENODEV;
	domain = iommu_get_domain_for_dev(dev);
	arg->hpa = domain ? iommu_iova_to_phys(domain, arg->iova) : 0;
	put_device(dev);
	return 0;
}
