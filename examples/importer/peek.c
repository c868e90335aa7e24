// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small importer: /dev/ktdp_peek reads a guest's memory. It keeps no translation, so
 * all that an invalidate has to do is to wait for the access that runs. The rules are in
 * linux/kvm_tdp_fd.h; kvm_tdp_dma (src/importers) is one that caches, and writes.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/kvm_tdp_fd.h>
#include <linux/kvm_tdp_walk.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

#include "peek.h"

/* The host may take a page back as fast as it is brought. */
#define TRIES	64

struct peek {
	struct kvm_tdp_importer_ops ops;	/* one for each that registers */
	struct mutex mutex;			/* the next three */
	struct kvm_tdp_fd *tdp_fd;		/* NULL: not attached */
	struct kvm_tdp_table table;
	u8 buf[PAGE_SIZE];
	raw_spinlock_t lock;	/* over a look at the table and the use of what is found */
};

/* Atomic: no lock that sleeps, no allocation. */
static void peek_invalidate(void *data, unsigned long start, unsigned long size)
{
	struct peek *peek = data;

	raw_spin_lock(&peek->lock);
	/* What is cached of the range would be dropped here. */
	raw_spin_unlock(&peek->lock);
}

static int peek_attach(struct peek *peek, int fd)
{
	struct kvm_tdp_fd *tdp_fd;
	int ret;

	if (peek->tdp_fd)
		return -EBUSY;
	tdp_fd = kvm_tdp_fd_get(fd);
	if (IS_ERR(tdp_fd))
		return PTR_ERR(tdp_fd);
	ret = kvm_tdp_table_init(&peek->table, tdp_fd->ops->get_metadata(tdp_fd));
	/* Before the first look at the table, or a change may be missed. */
	if (!ret)
		ret = tdp_fd->ops->register_importer(tdp_fd, &peek->ops, peek);
	if (ret)
		kvm_tdp_fd_put(tdp_fd);
	else
		peek->tdp_fd = tdp_fd;
	return ret;
}

/* Copy what is in one page, if it is mapped: 0, -ENXIO, -EIO, -EHWPOISON. */
static int peek_copy(struct peek *peek, u64 gpa, size_t length)
{
	struct kvm_tdp_leaf leaf;
	int ret;

	raw_spin_lock(&peek->lock);
	rcu_read_lock();
	ret = kvm_tdp_walk(&peek->table, gpa, &leaf);
	rcu_read_unlock();
	if (!ret && !(leaf.access & KVM_TDP_ACCESS_READ))
		ret = -ENXIO;
	if (!ret && copy_mc_to_kernel(peek->buf, phys_to_virt(leaf.hpa + gpa - leaf.gpa),
				      length))
		ret = -EHWPOISON;
	raw_spin_unlock(&peek->lock);
	return ret;
}

static int peek_page(struct peek *peek, u64 gpa, size_t length)
{
	const struct kvm_tdp_fault_type type = { .read = 1 };
	struct kvm_tdp_fd *tdp_fd = peek->tdp_fd;
	int ret, tries;

	for (tries = 0; tries < TRIES; tries++) {
		ret = peek_copy(peek, gpa, length);
		if (ret != -ENXIO || !tdp_fd->ops->fault)
			return ret;
		/* Mapped at some instant: look again. */
		ret = tdp_fd->ops->fault(tdp_fd, NULL, gpa >> PAGE_SHIFT, type);
		if (ret)
			return ret;
	}
	return -EAGAIN;
}

/* As much as can be had from @ppos on; the error of the first byte. */
static ssize_t peek_read(struct file *file, char __user *to, size_t length, loff_t *ppos)
{
	struct peek *peek = file->private_data;
	size_t done = 0, some;
	int ret;

	ret = mutex_lock_killable(&peek->mutex);
	if (ret)
		return ret;
	ret = peek->tdp_fd ? 0 : -ENOTCONN;
	while (!ret && done < length && !fatal_signal_pending(current)) {
		some = min(length - done, PAGE_SIZE - offset_in_page(*ppos));
		ret = peek_page(peek, *ppos, some);
		if (!ret && copy_to_user(to + done, peek->buf, some))
			ret = -EFAULT;
		if (ret)
			break;
		done += some;
		*ppos += some;
		cond_resched();
	}
	mutex_unlock(&peek->mutex);
	return done ?: ret;
}

static long peek_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct peek *peek = file->private_data;
	long ret;

	if (cmd != PEEK_ATTACH)
		return -ENOTTY;
	ret = mutex_lock_killable(&peek->mutex);
	if (ret)
		return ret;
	ret = peek_attach(peek, arg);
	mutex_unlock(&peek->mutex);
	return ret;
}

static int peek_open(struct inode *inode, struct file *file)
{
	struct peek *peek;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	peek = kzalloc(sizeof(*peek), GFP_KERNEL_ACCOUNT);
	if (!peek)
		return -ENOMEM;
	peek->ops.invalidate = peek_invalidate;
	peek->ops.name = KBUILD_MODNAME;
	mutex_init(&peek->mutex);
	raw_spin_lock_init(&peek->lock);
	file->private_data = peek;
	return 0;
}

/* Unregister, which waits for callbacks; then put. */
static int peek_release(struct inode *inode, struct file *file)
{
	struct peek *peek = file->private_data;

	if (peek->tdp_fd) {
		peek->tdp_fd->ops->unregister_importer(peek->tdp_fd, &peek->ops);
		kvm_tdp_fd_put(peek->tdp_fd);
	}
	kfree(peek);
	return 0;
}

static const struct file_operations peek_fops = {
	.owner = THIS_MODULE,
	.open = peek_open,
	.release = peek_release,
	.read = peek_read,
	.unlocked_ioctl = peek_ioctl,
	.llseek = default_llseek,
};

static struct miscdevice peek_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ktdp_peek",
	.fops = &peek_fops,
	.mode = 0600,
};

module_misc_device(peek_device);
MODULE_DESCRIPTION("An importer of kvm_tdp to copy from: reads guest memory");
MODULE_LICENSE("GPL");
