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
#include "compat/workqueue.h"
#include "container.h"
#include "pid_mm.h"

static bool allow_unsafe_interrupts;
module_param(allow_unsafe_interrupts, bool, 0644);
MODULE_PARM_DESC(allow_unsafe_interrupts,
		 "Take devices whose interrupts are not remapped (default: N)");

/* Whoever waits is woken out of atomic context, and once for many transfers. */
static void hit_work(struct work_struct *work)
{
	struct container *container = container_of(work, struct container, hit_work);

	spin_lock_irq(&container->lock);
	if (container->eventfd)
		ktdp_eventfd_signal(container->eventfd);
	spin_unlock_irq(&container->lock);
}

struct container *container_alloc(void)
{
	struct container *container = kvzalloc(sizeof(*container), GFP_KERNEL_ACCOUNT);
	u32 id;

	if (!container)
		return NULL;
	kref_init(&container->kref);
	init_rwsem(&container->sem);
	mutex_init(&container->attach_mutex);
	mutex_init(&container->own_mutex);
	INIT_LIST_HEAD(&container->own);
	spin_lock_init(&container->lock);
	INIT_WORK(&container->hit_work, hit_work);
	container->mm = current->mm;
	mmgrab(container->mm);
	for (id = 0; id < KVM_TDP_VFIO_MAX_IOS; id++) {
		container->ios[id].container = container;
		container->ios[id].next_free = id + 1;
	}
	return container;
}

/* Its last group is gone, and so is all that could be hit. */
void container_free(struct container *container)
{
	cancel_work_sync(&container->hit_work);
	mmdrop(container->mm);
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
		pr_err_ratelimited("interrupts are not remapped: see the parameter allow_unsafe_interrupts\n");
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

static struct eventfd_ctx *swap_eventfd(struct container *container,
					struct eventfd_ctx *eventfd)
{
	spin_lock_irq(&container->lock);
	swap(container->eventfd, eventfd);
	spin_unlock_irq(&container->lock);
	return eventfd;
}

/* The eventfd is there before the first transfer can be hit. */
static int attach(struct container *container, const struct kvm_tdp_vfio_attach *arg,
		  struct mm_struct *mm, struct eventfd_ctx *eventfd)
{
	struct eventfd_ctx *other;
	int ret;

	ret = mutex_lock_killable(&container->attach_mutex);
	if (ret) {
		other = eventfd;
		goto out_put;
	}
	other = swap_eventfd(container, eventfd);
	ret = kvm_tdp_iommu_attach(container->iommu, arg->tdp_fd, mm);
	if (ret)
		other = swap_eventfd(container, other);
	mutex_unlock(&container->attach_mutex);

out_put:
	if (other)
		eventfd_ctx_put(other);
	return ret;
}

int container_attach(struct container *container, const struct kvm_tdp_vfio_attach *arg)
{
	struct eventfd_ctx *eventfd = NULL;
	struct mm_struct *mm;
	int ret;

	if (arg->pid && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	mm = ktdp_grab_mm_of_pid(arg->pid);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	if (arg->eventfd != -1)
		eventfd = eventfd_ctx_fdget(arg->eventfd);
	ret = IS_ERR(eventfd) ? PTR_ERR(eventfd) : attach(container, arg, mm, eventfd);
	mmdrop(mm);
	return ret;
}

int container_detach(struct container *container)
{
	int ret;

	mutex_lock(&container->attach_mutex);
	ret = kvm_tdp_iommu_detach(container->iommu);
	mutex_unlock(&container->attach_mutex);
	return ret;
}

/* Under the library's lock, and so in atomic context. */
static void io_hit(struct kvm_tdp_io *io)
{
	queue_work(system_dfl_wq, &container_of(io, struct container_io, io)->container->hit_work);
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

/* One that is begun, and IO_BUSY until the caller knows its id; or ERR_PTR. */
static struct container_io *io_begin(struct container *container,
				     struct kvm_tdp_vfio_io *arg)
{
	enum dma_data_direction direction;
	struct container_io *io;
	int ret;

	/* So that one that was hit can be begun again as it is. */
	arg->flags &= ~KVM_TDP_VFIO_HIT;
	ret = io_direction(arg->flags, &direction);
	if (ret)
		return ERR_PTR(ret);
	io = io_get(container);
	if (!io)
		return ERR_PTR(-ENOSPC);
	io->range.gpa = arg->gpa;
	io->range.length = arg->length;
	io->io = (struct kvm_tdp_io){
		.ranges = &io->range,
		.nr_ranges = 1,
		.direction = direction,
		.hit = io_hit,
	};
	ret = kvm_tdp_iommu_begin(container->iommu, &io->io);
	if (ret) {
		io_set(io, IO_FREE);
		return ERR_PTR(ret);
	}
	arg->id = io - container->ios;
	return io;
}

/* As many as go in one copy; @nr: how many have begun. */
static int begin_batch(struct container *container, struct kvm_tdp_vfio_io __user *user,
		       u32 *nr)
{
	struct container_io *begun[BATCH];
	struct kvm_tdp_vfio_io ios[BATCH];
	u32 wanted = *nr, i;
	int ret = 0;

	*nr = 0;
	if (copy_from_user(ios, user, wanted * sizeof(*ios)))
		return -EFAULT;
	for (i = 0; i < wanted; i++) {
		begun[i] = io_begin(container, &ios[i]);
		if (IS_ERR(begun[i])) {
			ret = PTR_ERR(begun[i]);
			break;
		}
	}
	if (!copy_to_user(user, ios, i * sizeof(*ios))) {
		*nr = i;
		while (i--)
			io_set(begun[i], IO_IN_FLIGHT);
		return ret;
	}
	while (i--) {
		kvm_tdp_iommu_done(container->iommu, &begun[i]->io);
		io_set(begun[i], IO_FREE);
	}
	return -EFAULT;
}

/* Those whose flags could not be written are ended as well. */
static int done_batch(struct container *container, struct kvm_tdp_vfio_io __user *user,
		      u32 *nr)
{
	struct kvm_tdp_vfio_io ios[BATCH];
	struct container_io *io;
	u32 wanted = *nr, i;

	*nr = 0;
	if (copy_from_user(ios, user, wanted * sizeof(*ios)))
		return -EFAULT;
	for (i = 0; i < wanted; i++) {
		io = io_find(container, ios[i].id);
		if (!io)
			break;
		ios[i].flags &= ~KVM_TDP_VFIO_HIT;
		if (kvm_tdp_iommu_done(container->iommu, &io->io))
			ios[i].flags |= KVM_TDP_VFIO_HIT;
		io_set(io, IO_FREE);
	}
	*nr = i;
	if (copy_to_user(user, ios, i * sizeof(*ios)))
		return -EFAULT;
	return i < wanted ? -ENOENT : 0;
}

static int all_batches(struct container *container, struct kvm_tdp_vfio_ios *arg, bool begin)
{
	struct kvm_tdp_vfio_io __user *user = u64_to_user_ptr(arg->ios);
	u32 nr;
	int ret = 0;

	arg->done = 0;
	if (arg->flags)
		return -EINVAL;
	while (arg->done < arg->nr && !ret) {
		nr = min_t(u32, arg->nr - arg->done, BATCH);
		ret = begin ? begin_batch(container, user + arg->done, &nr) :
			      done_batch(container, user + arg->done, &nr);
		arg->done += nr;
	}
	return ret;
}

int container_begin(struct container *container, struct kvm_tdp_vfio_ios *arg)
{
	return all_batches(container, arg, true);
}

int container_done(struct container *container, struct kvm_tdp_vfio_ios *arg)
{
	return all_batches(container, arg, false);
}
