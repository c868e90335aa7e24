// SPDX-License-Identifier: GPL-2.0-only
/*
 * A container: its groups, the guest that it follows, and its transfers.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/uaccess.h>

#include "compat/iommu.h"
#include "compat/vfio.h"
#include "compat/workqueue.h"
#include "container.h"

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
	xa_init(&container->own_tables);
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
	u8 *hits = rcu_dereference_protected(container->hits, true);

	cancel_work_sync(&container->hit_work);
	if (container->eventfd)
		eventfd_ctx_put(container->eventfd);
	if (hits)
		own_unpin_page(container, hits);
	mmdrop(container->mm);
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
		container->attached = false;
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
static u8 *swap_hits(struct container *container, u8 *hits)
{
	hits = rcu_replace_pointer(container->hits, hits,
				   lockdep_is_held(&container->attach_mutex));
	if (hits)
		synchronize_rcu();
	return hits;
}

/*
 * Nothing is followed, so what is in flight was hit.  What a BEGIN has may be taken for hit,
 * too, and is begun again.
 */
static void fill_hits(struct container *container, u8 *hits)
{
	u32 id;

	static_assert(KVM_TDP_VFIO_MAX_IOS <= PAGE_SIZE);
	spin_lock_irq(&container->lock);
	for (id = 0; id < KVM_TDP_VFIO_MAX_IOS; id++)
		hits[id] = container->ios[id].state != IO_FREE;
	spin_unlock_irq(&container->lock);
}

/* On return *eventfd and *hits are no longer needed, whether they are new or old. */
static int attach(struct container *container, const struct kvm_tdp_vfio_attach *arg,
		  struct mm_struct *mm, struct eventfd_ctx **eventfd, u8 **hits)
{
	int ret;

	ret = mutex_lock_killable(&container->attach_mutex);
	if (ret)
		return ret;
	ret = -EBUSY;
	if (container->attached)
		goto out_unlock;
	if (*hits)
		fill_hits(container, *hits);
	/* They are there before the first transfer can be hit. */
	*eventfd = swap_eventfd(container, *eventfd);
	*hits = swap_hits(container, *hits);
	ret = kvm_tdp_iommu_attach(container->iommu, arg->tdp_fd, mm);
	if (ret) {
		*eventfd = swap_eventfd(container, *eventfd);
		*hits = swap_hits(container, *hits);
	}
	container->attached = !ret;

out_unlock:
	mutex_unlock(&container->attach_mutex);
	return ret;
}

/*
 * The mm of a process, for mmdrop(); 0: of the caller.  It only names a VM to fault():
 * a reference on mm_count keeps the name from being reused, and lets the VMM's memory
 * go when the VMM exits.
 */
static struct mm_struct *grab_mm_of_pid(pid_t nr)
{
	struct task_struct *task;
	struct mm_struct *mm;
	struct pid *pid;

	if (!nr) {
		mmgrab(current->mm);
		return current->mm;
	}
	pid = find_get_pid(nr);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return ERR_PTR(-ESRCH);
	mm = get_task_mm(task);
	put_task_struct(task);
	if (!mm)
		return ERR_PTR(-ESRCH);
	mmgrab(mm);
	mmput(mm);
	return mm;
}

int container_attach(struct container *container, const struct kvm_tdp_vfio_attach *arg)
{
	struct eventfd_ctx *eventfd = NULL;
	struct mm_struct *mm;
	u8 *hits = NULL;
	int ret = 0;

	if (arg->pid && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	mm = grab_mm_of_pid(arg->pid);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	if (arg->eventfd != -1)
		eventfd = eventfd_ctx_fdget(arg->eventfd);
	if (IS_ERR(eventfd)) {
		ret = PTR_ERR(eventfd);
		eventfd = NULL;
	}
	if (!ret && arg->hits)
		ret = own_pin_page(container, arg->hits, &hits);
	if (!ret)
		ret = attach(container, arg, mm, &eventfd, &hits);
	if (hits)
		own_unpin_page(container, hits);
	if (eventfd)
		eventfd_ctx_put(eventfd);
	mmdrop(mm);
	return ret;
}

int container_detach(struct container *container)
{
	u8 *hits;
	int ret;

	mutex_lock(&container->attach_mutex);
	ret = kvm_tdp_iommu_detach(container->iommu);
	container->attached = false;
	/* All was hit, and is marked. */
	hits = swap_hits(container, NULL);
	mutex_unlock(&container->attach_mutex);
	if (hits)
		own_unpin_page(container, hits);
	return ret;
}

/* In the page of the process's, if it has given one. */
static void io_set_hit(const struct container_io *io, u8 value)
{
	u8 *hits;

	rcu_read_lock();
	hits = rcu_dereference(io->container->hits);
	if (hits)
		WRITE_ONCE(hits[io - io->container->ios], value);
	rcu_read_unlock();
}

/* Under the library's lock, and so in atomic context. */
static void io_hit(struct kvm_tdp_io *io)
{
	struct container_io *hit = container_of(io, struct container_io, io);

	io_set_hit(hit, 1);
	queue_work(system_dfl_wq, &hit->container->hit_work);
}

/* Take some, IO_BUSY from here on.  Return: how many. */
static u32 ios_get(struct container *container, struct container_io **ios, u32 wanted)
{
	u32 nr;

	spin_lock_irq(&container->lock);
	for (nr = 0; nr < wanted && container->first_free < KVM_TDP_VFIO_MAX_IOS; nr++) {
		ios[nr] = &container->ios[container->first_free];
		ios[nr]->state = IO_BUSY;
		container->first_free = ios[nr]->next_free;
	}
	spin_unlock_irq(&container->lock);
	return nr;
}

/* Likewise those of @args, as long as they are IO_IN_FLIGHT. */
static u32 ios_find(struct container *container, struct container_io **ios,
		    const struct kvm_tdp_vfio_io *args, u32 wanted)
{
	u32 nr;

	spin_lock_irq(&container->lock);
	for (nr = 0; nr < wanted && args[nr].id < KVM_TDP_VFIO_MAX_IOS; nr++) {
		ios[nr] = &container->ios[array_index_nospec(args[nr].id, KVM_TDP_VFIO_MAX_IOS)];
		if (ios[nr]->state != IO_IN_FLIGHT)
			break;
		ios[nr]->state = IO_BUSY;
	}
	spin_unlock_irq(&container->lock);
	return nr;
}

static void ios_set(struct container *container, struct container_io **ios, u32 nr,
		    enum io_state state)
{
	spin_lock_irq(&container->lock);
	for (; nr--; ios++) {
		(*ios)->state = state;
		if (state == IO_FREE) {
			(*ios)->next_free = container->first_free;
			container->first_free = *ios - container->ios;
		}
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

static int io_begin(struct container *container, struct container_io *io,
		    struct kvm_tdp_vfio_io *arg)
{
	int ret;

	/* So that one that was hit can be begun again as it is. */
	arg->flags &= ~KVM_TDP_VFIO_HIT;
	arg->id = io - container->ios;
	io->range.gpa = arg->gpa;
	io->range.length = arg->length;
	io->io.ranges = &io->range;
	io->io.nr_ranges = 1;
	io->io.hit = io_hit;
	ret = io_direction(arg->flags, &io->io.direction);
	if (ret)
		return ret;
	io_set_hit(io, 0);
	return kvm_tdp_iommu_begin(container->iommu, &io->io);
}

/*
 * As many as go in one copy; @nr: how many have begun.  They are IO_BUSY until the caller
 * knows their ids.
 */
static int begin_batch(struct container *container, struct kvm_tdp_vfio_io __user *user,
		       u32 *nr)
{
	struct container_io *ios[BATCH];
	struct kvm_tdp_vfio_io args[BATCH];
	u32 wanted = *nr, got, i;
	int ret = 0;

	*nr = 0;
	if (copy_from_user(args, user, wanted * sizeof(*args)))
		return -EFAULT;
	got = ios_get(container, ios, wanted);
	for (i = 0; i < got; i++) {
		ret = io_begin(container, ios[i], &args[i]);
		if (ret)
			break;
	}
	if (i < got)
		ios_set(container, ios + i, got - i, IO_FREE);
	else if (got < wanted)
		ret = -ENOSPC;
	if (!copy_to_user(user, args, i * sizeof(*args))) {
		*nr = i;
		ios_set(container, ios, i, IO_IN_FLIGHT);
		return ret;
	}
	for (got = 0; got < i; got++)
		kvm_tdp_iommu_done(container->iommu, &ios[got]->io);
	ios_set(container, ios, i, IO_FREE);
	return -EFAULT;
}

/* Those whose flags could not be written are ended as well. */
static int done_batch(struct container *container, struct kvm_tdp_vfio_io __user *user,
		      u32 *nr)
{
	struct container_io *ios[BATCH];
	struct kvm_tdp_vfio_io args[BATCH];
	u32 wanted = *nr, found, i;

	*nr = 0;
	if (copy_from_user(args, user, wanted * sizeof(*args)))
		return -EFAULT;
	found = ios_find(container, ios, args, wanted);
	for (i = 0; i < found; i++) {
		args[i].flags &= ~KVM_TDP_VFIO_HIT;
		if (kvm_tdp_iommu_done(container->iommu, &ios[i]->io))
			args[i].flags |= KVM_TDP_VFIO_HIT;
	}
	ios_set(container, ios, found, IO_FREE);
	*nr = found;
	if (copy_to_user(user, args, found * sizeof(*args)))
		return -EFAULT;
	return found < wanted ? -ENOENT : 0;
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
