// SPDX-License-Identifier: GPL-2.0-only
/*
 * A backend of VFIO containers: what VFIO calls, and the ioctls that it passes on.
 *
 * VFIO holds nothing over a call of ours: the last group may leave, and the container
 * go, while an ioctl of another thread is on its way to us.  So what VFIO keeps of us is
 * no pointer but a handle, which is looked up in each call.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/module.h>
#include <linux/xarray.h>

#include "compat/vfio.h"
#include "container.h"
#include "ioctl.h"

/*
 * struct container by handle, each with a reference.  No handle is used again: a call that
 * is late would find another's container.
 */
static DEFINE_XARRAY(containers);
static atomic_long_t handles;
static atomic_t nr_containers;

static void container_release(struct kref *kref)
{
	container_free(container_of(kref, struct container, kref));
	if (atomic_dec_and_test(&nr_containers))
		wake_up_var(&nr_containers);
}

static struct container *container_get(void *data)
{
	struct container *container;

	xa_lock(&containers);
	container = xa_load(&containers, (unsigned long)data);
	if (container)
		kref_get(&container->kref);
	xa_unlock(&containers);
	return container;
}

static void container_put(struct container *container)
{
	kref_put(&container->kref, container_release);
}

static void *vfio_open(unsigned long arg)
{
	struct container *container = container_alloc();
	int ret;

	if (!container)
		return ERR_PTR(-ENOMEM);
	atomic_inc(&nr_containers);
	container->handle = atomic_long_inc_return(&handles);
	ret = xa_insert(&containers, container->handle, container, GFP_KERNEL_ACCOUNT);
	if (ret) {
		container_put(container);
		return ERR_PTR(ret);
	}
	return (void *)container->handle;
}

static void vfio_release(void *data)
{
	container_put(xa_erase(&containers, (unsigned long)data));
}

static int vfio_attach_group(void *data, struct iommu_group *group,
			     enum vfio_group_type type)
{
	struct container *container = container_get(data);
	int ret = -EINVAL;

	if (type == VFIO_IOMMU)
		ret = container_add(container, group);
	container_put(container);
	return ret;
}

static void vfio_detach_group(void *data, struct iommu_group *group)
{
	struct container *container = container_get(data);

	container_remove(container, group);
	container_put(container);
}

static int ioctl_attach(struct ktdp_ioctl_call *call)
{
	struct kvm_tdp_vfio_attach *attach = call->arg;

	if (attach->flags || attach->pad)
		return -EINVAL;
	return container_attach(call->data, attach);
}

static int ioctl_detach(struct ktdp_ioctl_call *call)
{
	struct kvm_tdp_vfio_detach *detach = call->arg;

	if (detach->flags)
		return -EINVAL;
	return container_detach(call->data);
}

static int ioctl_begin(struct ktdp_ioctl_call *call)
{
	int ret = container_begin(call->data, call->arg);

	return ktdp_ioctl_reply(call) ?: ret;
}

static int ioctl_done(struct ktdp_ioctl_call *call)
{
	int ret = container_done(call->data, call->arg);

	return ktdp_ioctl_reply(call) ?: ret;
}

static int ioctl_map(struct ktdp_ioctl_call *call)
{
	return own_map(call->data, call->arg);
}

static int ioctl_unmap(struct ktdp_ioctl_call *call)
{
	struct kvm_tdp_vfio_unmap *unmap = call->arg;

	if (unmap->flags)
		return -EINVAL;
	return own_unmap(call->data, unmap->iova);
}

static int ioctl_info(struct ktdp_ioctl_call *call)
{
	struct container *container = call->data;
	struct kvm_tdp_vfio_info *arg = call->arg;
	struct kvm_tdp_iommu_info info;

	if (arg->flags)
		return -EINVAL;
	kvm_tdp_iommu_get_info(container->iommu, &info);
	arg->gpa_last = info.gpa_last;
	arg->own_first = info.own_first;
	arg->own_last = info.own_last;
	arg->own_bytes = READ_ONCE(container->own_bytes);
	arg->mapped = info.mapped;
	arg->begun = info.begun;
	arg->hits = info.hits;
	arg->faults = info.faults;
	arg->invalidations = info.invalidations;
	return ktdp_ioctl_reply(call);
}

static const struct ktdp_ioctl vfio_ioctls[] = {
	KTDP_IOCTL(KVM_TDP_VFIO_BEGIN, struct kvm_tdp_vfio_ios, done, ioctl_begin),
	KTDP_IOCTL(KVM_TDP_VFIO_DONE, struct kvm_tdp_vfio_ios, done, ioctl_done),
	KTDP_IOCTL(KVM_TDP_VFIO_ATTACH, struct kvm_tdp_vfio_attach, pad, ioctl_attach),
	KTDP_IOCTL(KVM_TDP_VFIO_DETACH, struct kvm_tdp_vfio_detach, flags, ioctl_detach),
	KTDP_IOCTL(KVM_TDP_VFIO_MAP, struct kvm_tdp_vfio_map, length, ioctl_map),
	KTDP_IOCTL(KVM_TDP_VFIO_UNMAP, struct kvm_tdp_vfio_unmap, iova, ioctl_unmap),
	KTDP_IOCTL(KVM_TDP_VFIO_INFO, struct kvm_tdp_vfio_info, invalidations, ioctl_info),
};

/* Also asked of no container. */
static long check_extension(struct container *container, unsigned long arg)
{
	switch (arg) {
	case VFIO_KVM_TDP_IOMMU:
		return 1;
	case VFIO_DMA_CC_IOMMU:
		return container && container->iommu &&
		       kvm_tdp_iommu_blocks_no_snoop(container->iommu);
	default:
		return 0;
	}
}

static long vfio_ioctl(void *data, unsigned int cmd, unsigned long arg)
{
	struct container *container;
	long ret;

	if (!data)
		return cmd == VFIO_CHECK_EXTENSION ? check_extension(NULL, arg) : -ENODEV;
	container = container_get(data);
	if (!container)
		return -ENODEV;
	ret = down_read_killable(&container->sem);
	if (ret)
		goto out_put;
	ret = -ENODEV;
	if (cmd == VFIO_CHECK_EXTENSION)
		ret = check_extension(container, arg);
	else if (container->iommu)
		ret = ktdp_ioctl(vfio_ioctls, ARRAY_SIZE(vfio_ioctls), container, cmd, arg);
	up_read(&container->sem);
out_put:
	container_put(container);
	return ret;
}

static const struct vfio_iommu_driver_ops vfio_ops = {
	.name = "kvm_tdp",
	.owner = THIS_MODULE,
	.open = vfio_open,
	.release = vfio_release,
	.ioctl = vfio_ioctl,
	.attach_group = vfio_attach_group,
	.detach_group = vfio_detach_group,
};

static typeof(vfio_unregister_iommu_driver) *vfio_unregister;

/* Neither is in a kernel whose VFIO has no containers; with them vfio.ko stays. */
static int __init vfio_init(void)
{
	typeof(vfio_register_iommu_driver) *vfio_register;
	int ret;

	vfio_register = symbol_request(vfio_register_iommu_driver);
	if (!vfio_register) {
		pr_err("the VFIO of this kernel has no containers\n");
		return -EOPNOTSUPP;
	}
	vfio_unregister = symbol_get(vfio_unregister_iommu_driver);
	ret = vfio_unregister ? vfio_register(&vfio_ops) : -EOPNOTSUPP;
	if (ret && vfio_unregister)
		symbol_put(vfio_unregister_iommu_driver);
	if (ret)
		symbol_put(vfio_register_iommu_driver);
	return ret;
}

/*
 * VFIO calls an ioctl with no lock and no reference on the module, and the close of the last
 * group puts that reference before it clears container->iommu_driver.  So wait, before what
 * that points to is freed, for closers that have yet to clear it, then for callers that have
 * read it: neither sleeps in between.  After that wait for calls that work on a container,
 * and for the last of them to have left this module's text.
 */
static void __exit vfio_exit(void)
{
	synchronize_rcu_tasks();
	synchronize_rcu_tasks();
	vfio_unregister(&vfio_ops);
	wait_var_event(&nr_containers, !atomic_read(&nr_containers));
	synchronize_rcu_tasks();
	symbol_put(vfio_unregister_iommu_driver);
	symbol_put(vfio_register_iommu_driver);
}

module_init(vfio_init);
module_exit(vfio_exit);

MODULE_DESCRIPTION("VFIO containers whose addresses are a KVM guest's");
MODULE_LICENSE("GPL");
