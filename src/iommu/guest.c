// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which guest is followed, from attach to detach, and when not, in a pause.
 */

#include <linux/export.h>
#include <linux/sched/mm.h>

#include "iommu.h"

/*
 * The exporter looks at the mm before all else, and nothing is behind the last gfn.
 * Without that check a caller with another mm could use what is mapped already.
 */
static int check_mm(struct kvm_tdp_fd *tdp_fd, struct mm_struct *mm)
{
	struct kvm_tdp_fault_type type = { .read = 1 };

	if (!mm)
		return -EPERM;
	if (!tdp_fd->ops->fault)
		return -EOPNOTSUPP;
	switch (tdp_fd->ops->fault(tdp_fd, mm, ULONG_MAX >> PAGE_SHIFT, type)) {
	case -EINVAL:
	case -EPERM:
		return -EPERM;
	case -EINTR:
		return -EINTR;
	default:
		return 0;
	}
}

/* For people: the process may be gone, or be another of those that share the mm. */
static pid_t pid_of_mm(struct mm_struct *mm)
{
	pid_t pid = 0;
#ifdef CONFIG_MEMCG
	struct task_struct *owner;

	rcu_read_lock();
	owner = rcu_dereference(mm->owner);
	if (owner)
		pid = task_tgid_nr(owner);
	rcu_read_unlock();
#endif
	return pid;
}

static int attach(struct kvm_tdp_iommu *iommu, int fd, struct mm_struct *mm)
{
	struct kvm_tdp_fd *tdp_fd;
	int ret;

	lockdep_assert_held_write(&iommu->sem);
	if (iommu->tdp_fd)
		return -EBUSY;
	tdp_fd = kvm_tdp_fd_get(fd);
	if (IS_ERR(tdp_fd))
		return PTR_ERR(tdp_fd);
	ret = check_mm(tdp_fd, mm);
	if (!ret)
		ret = kvm_tdp_table_init(&iommu->table, tdp_fd->ops->get_metadata(tdp_fd));
	/* Before the first look at the table, or a change of it may be missed. */
	if (!ret)
		ret = tdp_fd->ops->register_importer(tdp_fd, &iommu->importer_ops, iommu);
	if (ret) {
		kvm_tdp_fd_put(tdp_fd);
		return ret;
	}
	mmgrab(mm);
	iommu->mm = mm;
	iommu->tdp_fd = tdp_fd;
	spin_lock_irq(&iommu->lock);
	iommu->info.pid = pid_of_mm(mm);
	spin_unlock_irq(&iommu->lock);
	ktdp_guest_resume(iommu);
	return 0;
}

int kvm_tdp_iommu_attach(struct kvm_tdp_iommu *iommu, int tdp_fd, struct mm_struct *mm)
{
	int ret;

	ret = mutex_lock_killable(&iommu->attach_mutex);
	if (ret)
		return ret;
	ret = down_write_killable(&iommu->sem);
	if (!ret) {
		ret = attach(iommu, tdp_fd, mm);
		up_write(&iommu->sem);
	}
	mutex_unlock(&iommu->attach_mutex);
	return ret;
}
EXPORT_SYMBOL_GPL(kvm_tdp_iommu_attach);

void ktdp_guest_pause(struct kvm_tdp_iommu *iommu)
{
	spin_lock_irq(&iommu->lock);
	iommu->following = false;
	spin_unlock_irq(&iommu->lock);
	iommu->importer_ops.invalidate(iommu, 0, ULONG_MAX);
}

void ktdp_guest_resume(struct kvm_tdp_iommu *iommu)
{
	lockdep_assert_held_write(&iommu->sem);
	spin_lock_irq(&iommu->lock);
	iommu->following = iommu->tdp_fd;
	spin_unlock_irq(&iommu->lock);
}

static int detach(struct kvm_tdp_iommu *iommu)
{
	lockdep_assert_held_write(&iommu->sem);
	if (!iommu->tdp_fd)
		return -ENOTCONN;
	/* Again: a removal of a group may have resumed since, and a begin mapped pages. */
	ktdp_guest_pause(iommu);
	iommu->tdp_fd->ops->unregister_importer(iommu->tdp_fd, &iommu->importer_ops);
	kvm_tdp_fd_put(iommu->tdp_fd);
	iommu->tdp_fd = NULL;
	mmdrop(iommu->mm);
	iommu->mm = NULL;
	spin_lock_irq(&iommu->lock);
	iommu->info.pid = 0;
	spin_unlock_irq(&iommu->lock);
	return 0;
}

int kvm_tdp_iommu_detach(struct kvm_tdp_iommu *iommu)
{
	int ret;

	mutex_lock(&iommu->attach_mutex);
	/* The device loses its access now, however long a begin takes to give up. */
	ktdp_guest_pause(iommu);
	down_write(&iommu->sem);
	ret = detach(iommu);
	up_write(&iommu->sem);
	mutex_unlock(&iommu->attach_mutex);
	return ret;
}
EXPORT_SYMBOL_GPL(kvm_tdp_iommu_detach);
