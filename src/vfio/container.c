// SPDX-License-Identifier: GPL-2.0-only
/*
 * A container: its groups, the guest that it follows, and its transfers.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "compat/iommu.h"
#include "compat/vfio.h"
#include "container.h"
#include "pid_mm.h"

/* Transfers that are copied from and to the caller at a time. */
#define BATCH	32

static bool allow_unsafe_interrupts;
module_param(allow_unsafe_interrupts, bool, 0644);
MODULE_PARM_DESC(allow_unsafe_interrupts,
		 "Take devices whose interrupts are not remapped (default: N)");

struct container *container_alloc(void)
{
	struct container *container = kvzalloc(sizeof(*container), GFP_KERNEL_ACCOUNT);
	u32 id;

	if (!container)
		return NULL;
	kref_init(&container->kref);
	init_rwsem(&container->sem);
	mutex_init(&container->own_mutex);
	INIT_LIST_HEAD(&container->own);
	spin_lock_init(&container->lock);
	for (id = 0; id < KVM_TDP_VFIO_MAX_IOS; id++) {
		container->ios[id].container = container;
		container->ios[id].next_free = id + 1;
	}
	return container;
}

void container_free(struct container *container)
{
	if (container->eventfd)
		eventfd_ctx_put(container->eventfd);
	kvfree(container);
}

int container_add(struct container *container, struct iommu_group *group)
{
	struct kvm_tdp_iommu *iommu;
	int ret = 0;

	/* Else a write of the device to the wrong address is an interrupt of its choice. */
	if (!iommu_group_has_isolated_msi(group) && !allow_unsafe_interrupts) {
		pr_err("interrupts are not remapped: see the parameter allow_unsafe_interrupts\n");
		return -EPERM;
	}
	down_write(&container->sem);
	if (container->iommu) {
		ret = kvm_tdp_iommu_add_group(container->iommu, group);
	} else {
		iommu = kvm_tdp_iommu_open_group(group);
		if (IS_ERR(iommu))
			ret = PTR_ERR(iommu);
		else
			container->iommu = iommu;
	}
	container->nr_groups += !ret;
	up_write(&container->sem);
	return ret;
}

static void io_end_all(struct container *container)
{
	struct container_io *io;

	for (io = container->ios; io < container->ios + KVM_TDP_VFIO_MAX_IOS; io++) {
		if (io->state == IO_IN_FLIGHT)
			kvm_tdp_iommu_done(container->iommu, &io->io);
	}
}

/* VFIO has closed the group's devices. */
void container_remove(struct container *container, struct iommu_group *group)
{
	down_write(&container->sem);
	if (--container->nr_groups) {
		kvm_tdp_iommu_remove_group(container->iommu, group);
	} else {
		kvm_tdp_iommu_detach(container->iommu);
		io_end_all(container);
		own_unmap_all(container);
		kvm_tdp_iommu_close(container->iommu);
		container->iommu = NULL;
	}
	up_write(&container->sem);
}

static void set_eventfd(struct container *container, struct eventfd_ctx *eventfd)
{
	spin_lock_irq(&container->lock);
	swap(container->eventfd, eventfd);
	spin_unlock_irq(&container->lock);
	if (eventfd)
		eventfd_ctx_put(eventfd);
}

int container_attach(struct container *container, const struct kvm_tdp_vfio_attach *arg)
{
	struct eventfd_ctx *eventfd = NULL;
	struct mm_struct *mm;
	int ret;

	if (arg->pid && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (arg->eventfd != -1) {
		eventfd = eventfd_ctx_fdget(arg->eventfd);
		if (IS_ERR(eventfd))
			return PTR_ERR(eventfd);
	}
	mm = ktdp_grab_mm_of_pid(arg->pid);
	if (IS_ERR(mm)) {
		ret = PTR_ERR(mm);
		goto out_put_eventfd;
	}
	ret = kvm_tdp_iommu_attach(container->iommu, arg->tdp_fd, mm);
	mmdrop(mm);
	if (!ret) {
		set_eventfd(container, eventfd);
		return 0;
	}

out_put_eventfd:
	if (eventfd)
		eventfd_ctx_put(eventfd);
	return ret;
}

int container_detach(struct container *container)
{
	return kvm_tdp_iommu_detach(container->iommu);
}

/* Under the library's lock, and so in atomic context. */
static void io_hit(struct kvm_tdp_io *io)
{
	struct container *container =
		container_of(io, struct container_io, io)->container;
	unsigned long flags;

	spin_lock_irqsave(&container->lock, flags);
	if (container->eventfd)
		ktdp_eventfd_signal(container->eventfd);
	spin_unlock_irqrestore(&container->lock, flags);
}

/* Return: one that is IO_BUSY from here on, or NULL. */
static struct container_io *io_get(struct container *container)
{
	struct container_io *io = NULL;

	spin_lock_irq(&container->lock);
	if (container->first_free < KVM_TDP_VFIO_MAX_IOS) {
		io = &container->ios[container->first_free];
		io->state = IO_BUSY;
		container->first_free = io->next_free;
	}
	spin_unlock_irq(&container->lock);
	return io;
}

/* Likewise, of those that are IO_IN_FLIGHT. */
static struct container_io *io_find(struct container *container, u32 id)
{
	struct container_io *io = NULL;

	if (id >= KVM_TDP_VFIO_MAX_IOS)
		return NULL;
	spin_lock_irq(&container->lock);
	if (container->ios[id].state == IO_IN_FLIGHT) {
		io = &container->ios[id];
		io->state = IO_BUSY;
	}
	spin_unlock_irq(&container->lock);
	return io;
}

static void io_set(struct container_io *io, enum io_state state)
{
	struct container *container = io->container;

	spin_lock_irq(&container->lock);
	io->state = state;
	if (state == IO_FREE) {
		io->next_free = container->first_free;
		container->first_free = io - container->ios;
	}
	spin_unlock_irq(&container->lock);
}

static int io_direction(u32 flags, enum dma_data_direction *direction)
{
	switch (flags) {
	case KVM_TDP_VFIO_READ:
		*direction = DMA_TO_DEVICE;
		return 0;
	case KVM_TDP_VFIO_WRITE:
		*direction = DMA_FROM_DEVICE;
		return 0;
	case KVM_TDP_VFIO_READ | KVM_TDP_VFIO_WRITE:
		*direction = DMA_BIDIRECTIONAL;
		return 0;
	default:
		return -EINVAL;
	}
}

static int io_begin(struct container *container, struct kvm_tdp_vfio_io *arg)
{
	enum dma_data_direction direction;
	struct container_io *io;
	int ret;

	/* So that one that was hit can be begun again as it is. */
	arg->flags &= ~KVM_TDP_VFIO_HIT;
	ret = io_direction(arg->flags, &direction);
	if (ret)
		return ret;
	io = io_get(container);
	if (!io)
		return -ENOSPC;
	io->range.gpa = arg->gpa;
	io->range.length = arg->length;
	io->io = (struct kvm_tdp_io){
		.ranges = &io->range,
		.nr_ranges = 1,
		.direction = direction,
		.hit = io_hit,
	};
	ret = kvm_tdp_iommu_begin(container->iommu, &io->io);
	io_set(io, ret ? IO_FREE : IO_IN_FLIGHT);
	arg->id = io - container->ios;
	return ret;
}

static int io_done(struct container *container, struct kvm_tdp_vfio_io *arg)
{
	struct container_io *io = io_find(container, arg->id);

	if (!io)
		return -ENOENT;
	arg->flags &= ~KVM_TDP_VFIO_HIT;
	if (kvm_tdp_iommu_done(container->iommu, &io->io))
		arg->flags |= KVM_TDP_VFIO_HIT;
	io_set(io, IO_FREE);
	return 0;
}

/* Begin or end each, until one fails; undo what could not be told to the caller. */
static int begin_or_end(struct container *container, struct kvm_tdp_vfio_ios *arg, bool begin)
{
	struct kvm_tdp_vfio_io __user *user = u64_to_user_ptr(arg->ios);
	struct kvm_tdp_vfio_io ios[BATCH];
	u32 nr, i;
	int ret = 0;

	arg->done = 0;
	if (arg->flags)
		return -EINVAL;
	while (arg->done < arg->nr && !ret) {
		nr = min_t(u32, arg->nr - arg->done, BATCH);
		if (copy_from_user(ios, user + arg->done, nr * sizeof(*ios)))
			return -EFAULT;
		for (i = 0; i < nr && !ret; i++)
			ret = begin ? io_begin(container, &ios[i]) :
				      io_done(container, &ios[i]);
		nr = i - !!ret;
		if (copy_to_user(user + arg->done, ios, nr * sizeof(*ios))) {
			while (begin && nr--)
				io_done(container, &ios[nr]);
			return -EFAULT;
		}
		arg->done += nr;
	}
	return ret;
}

int container_begin(struct container *container, struct kvm_tdp_vfio_ios *arg)
{
	return begin_or_end(container, arg, true);
}

int container_done(struct container *container, struct kvm_tdp_vfio_ios *arg)
{
	return begin_or_end(container, arg, false);
}
