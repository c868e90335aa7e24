// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is known of an address space, in sysfs: /sys/devices/.../DEVICE/kvm_tdp/, of each
 * device in it.  A number a file; struct kvm_tdp_iommu_info says what they are.
 */

#include <linux/device.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "iommu.h"

static const struct {
	const char *name;
	size_t offset;		/* in struct kvm_tdp_iommu_info */
} shown[] = {
#define SHOW(name) { #name, offsetof(struct kvm_tdp_iommu_info, name) }
	SHOW(pid),
	SHOW(gpa_last),
	SHOW(own_first),
	SHOW(own_last),
	SHOW(mapped),
	SHOW(in_flight),
	SHOW(begun),
	SHOW(hits),
	SHOW(faults),
	SHOW(invalidations),
#undef SHOW
};

struct shown_attr {
	struct device_attribute attr;
	struct kvm_tdp_iommu *iommu;
	size_t offset;
};

/* In ktdp_group.shown. */
struct ktdp_shown {
	struct list_head list;
	struct device *dev;
	struct attribute_group files;
	struct attribute *attrs[ARRAY_SIZE(shown) + 1];
	struct shown_attr own[ARRAY_SIZE(shown)];
};

static ssize_t show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct shown_attr *own = container_of(attr, struct shown_attr, attr);
	struct kvm_tdp_iommu_info info;

	kvm_tdp_iommu_get_info(own->iommu, &info);
	return sysfs_emit(buf, "%llu\n", *(u64 *)((void *)&info + own->offset));
}

/* Of a device that cannot be shown, all else works. */
static int show_device(struct device *dev, void *data)
{
	struct ktdp_group *member = data;
	struct ktdp_shown *it = kzalloc(sizeof(*it), GFP_KERNEL_ACCOUNT);
	size_t i;

	if (!it)
		return 0;
	for (i = 0; i < ARRAY_SIZE(shown); i++) {
		struct shown_attr *own = &it->own[i];

		sysfs_attr_init(&own->attr.attr);
		own->attr.attr.name = shown[i].name;
		own->attr.attr.mode = 0444;
		own->attr.show = show;
		own->iommu = member->iommu;
		own->offset = shown[i].offset;
		it->attrs[i] = &own->attr.attr;
	}
	it->files.name = "kvm_tdp";
	it->files.attrs = it->attrs;
	if (sysfs_create_group(&dev->kobj, &it->files)) {
		kfree(it);
		return 0;
	}
	it->dev = get_device(dev);
	list_add(&it->list, &member->shown);
	return 0;
}

void ktdp_show(struct ktdp_group *member)
{
	INIT_LIST_HEAD(&member->shown);
	iommu_group_for_each_dev(member->group, member, show_device);
}

/* Waits for those who read. */
void ktdp_unshow(struct ktdp_group *member)
{
	struct ktdp_shown *it, *next;

	list_for_each_entry_safe(it, next, &member->shown, list) {
		sysfs_remove_group(&it->dev->kobj, &it->files);
		put_device(it->dev);
		kfree(it);
	}
}
