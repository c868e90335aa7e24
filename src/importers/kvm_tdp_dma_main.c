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

#include "ioctl.h"
#include "kvm_tdp_dma.h"

/**
 * DOC: How a driver imports a guest's second-stage address space
 *
 * 1. Take the TDP fd that user space passes by number: kvm_tdp_fd_get().  It
 *    answers with an ERR_PTR, never with NULL, and 0 is a valid number.
 * 2. Read the metadata, its type before all else, and refuse a table that the
 *    device cannot walk: format, levels, size of leaves, reserved bits.
 * 3. Register the importer, with an ops struct of its own for each user of the
 *    table: ops registered twice on one TDP fd are -EBUSY.  Only then let the
 *    device read the table; it may cache what it finds.
 * 4. On a miss, or if an access is not granted, call fault() from a context
 *    that may sleep and then let the device look again.  Success means that
 *    the page was mapped at some instant: bound the number of turns.
 * 5. In invalidate(), void every cached translation of the range, the larger
 *    leaves that overlap it and the paging-structure caches included, and wait
 *    for every access in flight through one.  Do not sleep, do not allocate,
 *    use raw spinlocks only.
 * 6. To stop: quiesce the device, then unregister_importer(), which waits for
 *    running callbacks; then void all that is cached.
 * 7. Last, kvm_tdp_fd_put().
 *
 * Steps 1 to 3 are engine_attach_locked(), 4 is engine_access(), 5 is
 * engine_invalidate(), 6 and 7 are engine_detach_locked().
 */

static int ioctl_attach(struct ktdp_ioctl_call *call)
{
	struct kvm_tdp_dma_attach *attach = call->arg;

	if (attach->flags)
		return -EINVAL;
	return dma_engine_attach(call->data, attach->tdp_fd);
}

static int ioctl_detach(struct ktdp_ioctl_call *call)
{
	struct kvm_tdp_dma_detach *detach = call->arg;

	if (detach->flags)
		return -EINVAL;
	return dma_engine_detach(call->data);
}

/* Reply on errors too: @done counts the bytes moved before. */
static int ioctl_read(struct ktdp_ioctl_call *call)
{
	int ret = dma_engine_rw(call->data, call->arg, false);

	return ktdp_ioctl_reply(call) ?: ret;
}

static int ioctl_write(struct ktdp_ioctl_call *call)
{
	int ret = dma_engine_rw(call->data, call->arg, true);

	return ktdp_ioctl_reply(call) ?: ret;
}

static int ioctl_copy(struct ktdp_ioctl_call *call)
{
	int ret = dma_engine_copy(call->data, call->arg);

	return ktdp_ioctl_reply(call) ?: ret;
}

static int ioctl_stats(struct ktdp_ioctl_call *call)
{
	struct kvm_tdp_dma_stats *stats = call->arg;

	if (stats->flags)
		return -EINVAL;
	dma_engine_get_stats(call->data, stats);
	return ktdp_ioctl_reply(call);
}

static const struct ktdp_ioctl dma_ioctls[] = {
	KTDP_IOCTL(KVM_TDP_DMA_ATTACH, struct kvm_tdp_dma_attach, pid, ioctl_attach),
	KTDP_IOCTL(KVM_TDP_DMA_DETACH, struct kvm_tdp_dma_detach, flags, ioctl_detach),
	KTDP_IOCTL(KVM_TDP_DMA_READ, struct kvm_tdp_dma_rw, done, ioctl_read),
	KTDP_IOCTL(KVM_TDP_DMA_WRITE, struct kvm_tdp_dma_rw, done, ioctl_write),
	KTDP_IOCTL(KVM_TDP_DMA_COPY, struct kvm_tdp_dma_copy, done, ioctl_copy),
	KTDP_IOCTL(KVM_TDP_DMA_STATS, struct kvm_tdp_dma_stats, bytes_written, ioctl_stats),
};

static long dma_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return ktdp_ioctl(dma_ioctls, ARRAY_SIZE(dma_ioctls), file->private_data, cmd, arg);
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
