// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is known of each address space: /sys/kernel/kvm_tdp_iommu/NUMBER/.  "devices" has
 * the names of those that are in it, the other files a number each; struct
 * kvm_tdp_iommu_info says what they are.
 */

#include <linux/atomic.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "iommu.h"

void kvm_tdp_iommu_get_info(struct kvm_tdp_iommu *iommu, struct kvm_tdp_iommu_info *info)
{
	unsigned long flags;

	spin_lock_irqsave(&iommu->lock, flags);
	*info = iommu->info;
	spin_unlock_irqrestore(&iommu->lock, flags);
	info->gpa_last = iommu->own_first - 1;
	info->own_first = iommu->own_first;
	info->own_last = iommu->last;
}
EXPORT_SYMBOL_GPL(kvm_tdp_iommu_get_info);

static struct kobject *spaces;
static atomic_t nr_spaces = ATOMIC_INIT(0);	/* ever; the next one's name */

struct number {
	struct kobj_attribute attr;
	size_t offset;		/* in struct kvm_tdp_iommu_info */
};

static struct kvm_tdp_iommu *iommu_of(struct kobject *kobj)
{
	return container_of(kobj, struct kvm_tdp_iommu, kobj);
}

static ssize_t show_number(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	const struct number *number = container_of(attr, struct number, attr);
	struct kvm_tdp_iommu_info info;

	kvm_tdp_iommu_get_info(iommu_of(kobj), &info);
	return sysfs_emit(buf, "%llu\n", *(u64 *)((void *)&info + number->offset));
}

#define NUMBER(_name) {							\
	.attr = __ATTR(_name, 0400, show_number, NULL),			\
	.offset = offsetof(struct kvm_tdp_iommu_info, _name),		\
}

static struct number shown[] = {
	NUMBER(pid),
	NUMBER(gpa_last),
	NUMBER(own_first),
	NUMBER(own_last),
	NUMBER(mapped),
	NUMBER(in_flight),
	NUMBER(begun),
	NUMBER(hits),
	NUMBER(faults),
	NUMBER(invalidations),
};

/* The page that is written to, and how much of it is. */
struct names {
	char *buf;
	int length;
};

static int add_name(struct device *dev, void *data)
{
	struct names *names = data;

	names->length += sysfs_emit_at(names->buf, names->length, "%s\n", dev_name(dev));
	return 0;
}

static ssize_t show_devices(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct kvm_tdp_iommu *iommu = iommu_of(kobj);
	struct names names = { .buf = buf };
	struct ktdp_group *member;
	int ret = down_read_killable(&iommu->sem);

	if (ret)
		return ret;
	list_for_each_entry(member, &iommu->groups, list)
		iommu_group_for_each_dev(member->group, &names, add_name);
	up_read(&iommu->sem);
	return names.length;
}

static struct kobj_attribute devices = __ATTR(devices, 0400, show_devices, NULL);

/* The devices, and what is shown; ends with NULL. */
static struct attribute *space_attrs[ARRAY_SIZE(shown) + 2];
ATTRIBUTE_GROUPS(space);

static void space_release(struct kobject *kobj)
{
	kfree(iommu_of(kobj));
}

static struct kobj_type space_type = {
	.release = space_release,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = space_groups,
};

/* From here on ktdp_unshow() frees @iommu, whether it succeeds or not. */
int ktdp_show(struct kvm_tdp_iommu *iommu)
{
	int nr = atomic_inc_return(&nr_spaces);

	snprintf(iommu->name, sizeof(iommu->name), KBUILD_MODNAME "/%d", nr);
	iommu->importer_ops.name = iommu->name;
	return kobject_init_and_add(&iommu->kobj, &space_type, spaces, "%d", nr);
}

/* Waits for those who read. */
void ktdp_unshow(struct kvm_tdp_iommu *iommu)
{
	kobject_put(&iommu->kobj);
}

static int __init ktdp_iommu_init(void)
{
	size_t i;

	space_attrs[0] = &devices.attr;
	for (i = 0; i < ARRAY_SIZE(shown); i++)
		space_attrs[i + 1] = &shown[i].attr.attr;
	spaces = kobject_create_and_add("kvm_tdp_iommu", kernel_kobj);
	return spaces ? 0 : -ENOMEM;
}

static void __exit ktdp_iommu_exit(void)
{
	kobject_put(spaces);
}

module_init(ktdp_iommu_init);
module_exit(ktdp_iommu_exit);
