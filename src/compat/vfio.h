/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_COMPAT_VFIO_H
#define _KTDP_COMPAT_VFIO_H

/*
 * The interface of backends of VFIO containers is in no header that is installed, so no
 * fact can ask for it: drivers/vfio/vfio.h, from 6.1 to 7.3.  tests/btf compares.
 */

#include <linux/eventfd.h>
#include <linux/types.h>
#include <linux/vfio.h>

#include "facts.h"

struct iommu_group;

/*
 * Of the first kind are groups of devices behind an IOMMU.  Kernels that check the type of a
 * function when it is called (kCFI, clang) go by the name, too.
 */
enum vfio_group_type { VFIO_IOMMU };

/* All functions that we have none for are optional. */
struct vfio_iommu_driver_ops {
	char *name;
	struct module *owner;
	void *(*open)(unsigned long arg);
	void (*release)(void *data);
	long (*ioctl)(void *data, unsigned int cmd, unsigned long arg);
	int (*attach_group)(void *data, struct iommu_group *group,
			    enum vfio_group_type type);
	void (*detach_group)(void *data, struct iommu_group *group);
	void *others[16];
};

int vfio_register_iommu_driver(const struct vfio_iommu_driver_ops *ops);
void vfio_unregister_iommu_driver(const struct vfio_iommu_driver_ops *ops);

/* 6.8 took the number away. */
#ifdef KTDP_HAS_EVENTFD_COUNT
#define ktdp_eventfd_signal(ctx)	eventfd_signal(ctx)
#else
#define ktdp_eventfd_signal(ctx)	eventfd_signal(ctx, 1)
#endif

#endif /* _KTDP_COMPAT_VFIO_H */
