// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm_tdp_dma: a DMA engine in software, the reference importer of kvm_tdp.
 *
 * This file is the char device: open, the table of ioctls, release.  See
 * engine.c for the importer proper, and iotlb.c for what hardware would do by
 * itself; the walker is linux/kvm_tdp_walk.h.
 */

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "kvm_tdp_dma.h"

/**
 * DOC: How a driver imports a guest's second-stage address space
 *
 * 1. Take the TDP fd that user space passes by number: kvm_tdp_fd_get().  It
 *    answers with an ERR_PTR, never with NULL, and 0 is a valid number.
 * 2. Take a reference on the VM's mm (mmgrab(), not mmget(): the VMM must be
 *    able to exit).  It only names the VM to fault().
 * 3. Read the metadata, its type before all else, and refuse a table that the
 *    device cannot walk: format, levels, size of leaves, reserved bits.
 * 4. Register the importer, with an ops struct of its own for each user of the
 *    table: ops registered twice on one TDP fd are -EBUSY.  Only then let the
 *    device read the table; it may cache what it finds.
 * 5. On a miss, or if an access is not granted, call fault() from a context
 *    that may sleep and then let the device look again.  Success means that
 *    the page was mapped at some instant: bound the number of turns.
 * 6. In invalidate(), void every cached translation of the range, the larger
 *    leaves that overlap it and the paging-structure caches included, and wait
 *    for every access in flight through one.  Do not sleep, do not allocate,
 *    use raw spinlocks only.
 * 7. To stop: quiesce the device, then unregister_importer(), which waits for
 *    running callbacks; then void all that is cached.
 * 8. Last, kvm_tdp_fd_put() and mmdrop().
 *
 * Steps 1 to 4 are engine_attach_locked(), 5 is engine_access(), 6 is
 * engine_invalidate(), 7 and 8 are engine_detach_locked().
 */

/* Every struct begins with its size. */
union dma_ioctl_arg {
	__u32 size;
	struct kvm_tdp_dma_attach attach;
	struct kvm_tdp_dma_detach detach;
	struct kvm_tdp_dma_rw rw;
	struct kvm_tdp_dma_copy copy;
	struct kvm_tdp_dma_stats stats;
};

static int ioctl_attach(struct dma_engine *engine, union dma_ioctl_arg *arg)
{
	if (arg->attach.flags)
		return -EINVAL;
	return dma_engine_attach(engine, arg->attach.tdp_fd, arg->attach.pid);
}

static int ioctl_detach(struct dma_engine *engine, union dma_ioctl_arg *arg)
{
	if (arg->detach.flags)
		return -EINVAL;
	return dma_engine_detach(engine);
}

static int ioctl_read(struct dma_engine *engine, union dma_ioctl_arg *arg)
{
	return dma_engine_rw(engine, &arg->rw, false);
}

static int ioctl_write(struct dma_engine *engine, union dma_ioctl_arg *arg)
{
	return dma_engine_rw(engine, &arg->rw, true);
}

static int ioctl_copy(struct dma_engine *engine, union dma_ioctl_arg *arg)
{
	return dma_engine_copy(engine, &arg->copy);
}

static int ioctl_stats(struct dma_engine *engine, union dma_ioctl_arg *arg)
{
	if (arg->stats.flags)
		return -EINVAL;
	dma_engine_get_stats(engine, &arg->stats);
	return 0;
}

/**
 * struct dma_ioctl - one ioctl
 * @cmd: its number
 * @size: sizeof of the struct it takes
 * @min_size: sizeof of the first version of that struct
 * @writes_back: the struct has members for results, of errors too
 * @execute: does it
 */
struct dma_ioctl {
	unsigned int cmd;
	size_t size;
	size_t min_size;
	bool writes_back;
	int (*execute)(struct dma_engine *engine, union dma_ioctl_arg *arg);
};

/* checkpatch: _struct is used twice, but is a type */
#define DMA_IOCTL(_cmd, _struct, _last, _writes_back, _execute) {	\
	.cmd = (_cmd),							\
	.size = sizeof(struct _struct),					\
	.min_size = offsetofend(struct _struct, _last),			\
	.writes_back = (_writes_back),					\
	.execute = (_execute),						\
}

static const struct dma_ioctl dma_ioctls[] = {
	DMA_IOCTL(KVM_TDP_DMA_ATTACH, kvm_tdp_dma_attach, pid, false,
		  ioctl_attach),
	DMA_IOCTL(KVM_TDP_DMA_DETACH, kvm_tdp_dma_detach, flags, false,
		  ioctl_detach),
	DMA_IOCTL(KVM_TDP_DMA_READ, kvm_tdp_dma_rw, done, true, ioctl_read),
	DMA_IOCTL(KVM_TDP_DMA_WRITE, kvm_tdp_dma_rw, done, true, ioctl_write),
	DMA_IOCTL(KVM_TDP_DMA_COPY, kvm_tdp_dma_copy, done, true, ioctl_copy),
	DMA_IOCTL(KVM_TDP_DMA_STATS, kvm_tdp_dma_stats, bytes_written, true,
		  ioctl_stats),
};

static const struct dma_ioctl *dma_ioctl_find(unsigned int cmd)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dma_ioctls); i++) {
		if (dma_ioctls[i].cmd == cmd)
			return &dma_ioctls[i];
	}
	return NULL;
}

static long dma_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct dma_ioctl *ioctl = dma_ioctl_find(cmd);
	void __user *user = (void __user *)arg;
	union dma_ioctl_arg kernel = {};
	u32 size;
	int ret;

	if (!ioctl)
		return -ENOTTY;
	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < ioctl->min_size)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;

	ret = copy_struct_from_user(&kernel, ioctl->size, user, size);
	if (ret)
		return ret;
	/* read twice: what was checked is what counts */
	kernel.size = size;

	ret = ioctl->execute(file->private_data, &kernel);
	if (ioctl->writes_back &&
	    copy_to_user(user, &kernel, min_t(size_t, size, ioctl->size)))
		return -EFAULT;
	return ret;
}

static int dma_open(struct inode *inode, struct file *file)
{
	struct dma_engine *engine;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;

	engine = kzalloc(sizeof(*engine), GFP_KERNEL_ACCOUNT);
	if (!engine)
		return -ENOMEM;

	dma_engine_init(engine);
	file->private_data = engine;
	return 0;
}

static int dma_release(struct inode *inode, struct file *file)
{
	struct dma_engine *engine = file->private_data;

	dma_engine_exit(engine);
	kfree(engine);
	return 0;
}

static const struct file_operations dma_fops = {
	.owner = THIS_MODULE,
	.open = dma_open,
	.release = dma_release,
	.unlocked_ioctl = dma_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice dma_miscdev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kvm_tdp_dma",
	.fops = &dma_fops,
	.mode = 0600,
};

module_misc_device(dma_miscdev);

MODULE_DESCRIPTION("DMA engine in software, reference importer of kvm_tdp");
MODULE_LICENSE("GPL");
