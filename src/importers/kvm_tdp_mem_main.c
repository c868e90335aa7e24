// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm_tdp_mem: a guest's physical memory as a file, by read() and write(); what is
 * mapped of it is in window.c.
 *
 * No translation outlives the section of mem->lock in which it was looked up and used,
 * on 4K at most.  So invalidate has nothing to void: it takes the lock once, which waits
 * for the access in flight, and whoever comes later finds the entry gone.
 *
 * A read copies to the caller right out of the guest's page.  User memory may have to be
 * faulted in, for which nobody can wait under the lock: then a bounce page is used, as it
 * is if the guest's page may be bad (_copy_mc_to_iter() does not say why it stopped).
 *
 * Who may: whoever the kernel lets open /proc/PID/mem of the VM's process, that is with
 * PTRACE_MODE_ATTACH_FSCREDS.  There is no other way for a module to have that checked,
 * security modules included.  The descriptor is the proof; see mem_is_permitted().
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dcache.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/kvm_tdp_fd.h>
#include <linux/kvm_tdp_mem.h>
#include <linux/kvm_tdp_walk.h>
#include <linux/magic.h>
#include <linux/minmax.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "ioctl.h"
#include "kvm_tdp_mem.h"

/* How often to ask for a page that is gone again by the time we look. */
#define MEM_MAX_TRIES	64
/* Pages that are asked for at once, if so many are wanted. */
#define MEM_FAULT_PAGES	512UL
/* Taken in at once by KVM_TDP_MEM_READV. */
#define MEM_VECS	16

/**
 * struct mem_call - a system call that moves bytes
 * @mem: where
 * @tdp_fd: of it
 * @bounce: a page, or NULL as long as none was needed
 * @nowait: do not ask the exporter to map what is missing
 */
struct mem_call {
	struct mem *mem;
	struct kvm_tdp_fd *tdp_fd;
	void *bounce;
	bool nowait;
};

/* How bytes go between the guest and the caller. */
enum mem_way {
	MEM_READ_DIRECT,	/* to the iterator */
	MEM_READ_BOUNCE,	/* to the bounce page */
	MEM_WRITE_BOUNCE,	/* from the bounce page */
};

static int mem_call_begin(struct mem_call *call, struct file *file, bool nowait)
{
	struct mem *mem = file->private_data;

	*call = (struct mem_call){
		.mem = mem,
		/* pairs with attach */
		.tdp_fd = smp_load_acquire(&mem->tdp_fd),
		.nowait = nowait,
	};
	return call->tdp_fd ? 0 : -ENOTCONN;
}

static int mem_call_need_bounce(struct mem_call *call)
{
	if (!call->bounce)
		call->bounce = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	return call->bounce ? 0 : -ENOMEM;
}

static void mem_call_end(struct mem_call *call)
{
	free_page((unsigned long)call->bounce);
}

/*
 * Bytes moved; of MEM_READ_DIRECT 0 or fewer than @len if it needs the bounce page.
 * Not inlined or cloned, for a test to hold a thread in the midst of it (test_mem in_flight).
 */
static noinline __noclone ssize_t
mem_move(struct mem_call *call, const struct kvm_tdp_leaf *leaf, u64 gpa, size_t len,
	 enum mem_way way, struct iov_iter *iter)
{
	u64 hpa = leaf->hpa + (gpa - leaf->gpa);
	ssize_t moved = len;
	void *page, *guest;

	lockdep_assert_held(&call->mem->lock);
	page = kmap_local_pfn(PHYS_PFN(hpa));
	guest = page + offset_in_page(hpa);
	switch (way) {
	case MEM_READ_DIRECT:
		pagefault_disable();
		moved = _copy_mc_to_iter(guest, len, iter);
		pagefault_enable();
		break;
	case MEM_READ_BOUNCE:
		if (copy_mc_to_kernel(call->bounce, guest, len))
			moved = -EHWPOISON;
		break;
	case MEM_WRITE_BOUNCE:
		memcpy(guest, call->bounce, len);
		break;
	}
	kunmap_local(page);
	return moved;
}

/* As mem_move(); -ENXIO not mapped with this access, -EIO a bad entry. */
static ssize_t mem_try(struct mem_call *call, u64 gpa, size_t len, enum mem_way way,
		       struct iov_iter *iter)
{
	u8 need = way == MEM_WRITE_BOUNCE ? KVM_TDP_ACCESS_WRITE : KVM_TDP_ACCESS_READ;
	struct mem *mem = call->mem;
	struct kvm_tdp_leaf leaf;
	ssize_t ret;

	raw_spin_lock(&mem->lock);
	rcu_read_lock();
	ret = kvm_tdp_walk(&mem->table, gpa, &leaf);
	rcu_read_unlock();
	if (!ret)
		ret = leaf.access & need ? mem_move(call, &leaf, gpa, len, way, iter) : -ENXIO;
	raw_spin_unlock(&mem->lock);
	return ret;
}

/* Have pages mapped, of which the first is needed and the others will be. */
static int mem_fault(struct mem_call *call, u64 gpa, size_t left, bool write)
{
	unsigned long gfn = PHYS_PFN(gpa);
	unsigned long nr = min(PFN_UP(offset_in_page(gpa) + left), MEM_FAULT_PAGES);
	struct kvm_tdp_fault_type type = { .read = !write, .write = write };
	int ret = call->tdp_fd->ops->fault_range(call->tdp_fd, NULL, &gfn, &nr, type);

	/* To the exporter an address is bad, to our caller a buffer. */
	return ret == -EFAULT ? -ENXIO : ret;
}

/*
 * As mem_move(), or why it cannot be.  Success of fault means that the page was mapped
 * at some instant, and may be gone again: look and ask by turns.
 */
static ssize_t mem_access(struct mem_call *call, u64 gpa, size_t len, size_t left,
			  enum mem_way way, struct iov_iter *iter)
{
	ssize_t ret;
	int try;

	for (try = 0; try < MEM_MAX_TRIES; try++) {
		ret = mem_try(call, gpa, len, way, iter);
		if (ret != -ENXIO)
			return ret;
		if (call->nowait)
			return -EAGAIN;
		ret = mem_fault(call, gpa, left, way == MEM_WRITE_BOUNCE);
		if (ret)
			return ret;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return -EAGAIN;
}

static ssize_t mem_read_piece(struct mem_call *call, u64 gpa, size_t len,
			      struct iov_iter *iter)
{
	size_t left = iov_iter_count(iter);
	ssize_t ret;

	ret = mem_access(call, gpa, len, left, MEM_READ_DIRECT, iter);
	if (ret)
		return ret;
	ret = mem_call_need_bounce(call);
	if (ret)
		return ret;
	ret = mem_access(call, gpa, len, left, MEM_READ_BOUNCE, NULL);
	if (ret < 0)
		return ret;
	/* Bytes that do not fit now are tried as a piece of their own next. */
	return copy_to_iter(call->bounce, ret, iter) ?: -EFAULT;
}

static ssize_t mem_write_piece(struct mem_call *call, u64 gpa, size_t len,
			       struct iov_iter *iter)
{
	size_t left = iov_iter_count(iter);
	ssize_t ret;

	ret = mem_call_need_bounce(call);
	if (ret)
		return ret;
	len = copy_from_iter(call->bounce, len, iter);
	if (!len)
		return -EFAULT;
	ret = mem_access(call, gpa, len, left, MEM_WRITE_BOUNCE, NULL);
	if (ret < 0)
		iov_iter_revert(iter, len);
	return ret;
}

/* Move all of @iter, as far as it goes.  Return: 0, or why it is not empty. */
static int mem_transfer(struct mem_call *call, u64 gpa, struct iov_iter *iter, bool write)
{
	ssize_t moved;
	size_t len;

	while (iov_iter_count(iter)) {
		len = min_t(size_t, iov_iter_count(iter), PAGE_SIZE - offset_in_page(gpa));
		moved = write ? mem_write_piece(call, gpa, len, iter) :
				mem_read_piece(call, gpa, len, iter);
		if (moved < 0)
			return moved;
		gpa += moved;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static ssize_t mem_rw(struct kiocb *iocb, struct iov_iter *iter, bool write)
{
	size_t length = iov_iter_count(iter), done;
	struct mem_call call;
	int ret;

	ret = mem_call_begin(&call, iocb->ki_filp, iocb->ki_flags & IOCB_NOWAIT);
	if (ret)
		return ret;
	if (write && !call.mem->writable)
		return -EACCES;
	ret = mem_transfer(&call, iocb->ki_pos, iter, write);
	mem_call_end(&call);
	done = length - iov_iter_count(iter);
	iocb->ki_pos += done;
	return done ?: ret;
}

static ssize_t mem_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	return mem_rw(iocb, to, false);
}

static ssize_t mem_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	return mem_rw(iocb, from, true);
}

static int mem_read_vec(struct mem_call *call, const struct kvm_tdp_mem_vec *vec)
{
	struct iov_iter iter;

	if (vec->gpa + vec->length < vec->gpa || vec->length > MAX_RW_COUNT)
		return -EINVAL;
	iov_iter_ubuf(&iter, READ, u64_to_user_ptr(vec->buf), vec->length);
	return mem_transfer(call, vec->gpa, &iter, false);
}

static int mem_readv(struct mem_call *call, struct kvm_tdp_mem_readv *readv)
{
	const struct kvm_tdp_mem_vec __user *from = u64_to_user_ptr(readv->vecs);
	struct kvm_tdp_mem_vec vecs[MEM_VECS];
	u32 nr, i;
	int ret;

	for (; readv->done < readv->nr; from += nr) {
		nr = min_t(u32, readv->nr - readv->done, MEM_VECS);
		if (copy_from_user(vecs, from, nr * sizeof(*vecs)))
			return -EFAULT;
		for (i = 0; i < nr; i++) {
			ret = mem_read_vec(call, &vecs[i]);
			if (ret)
				return ret;
			readv->done++;
		}
		/* Reads of nothing look at neither. */
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* Reply on errors too: @done counts the reads before. */
static int ioctl_readv(struct ktdp_ioctl_call *ioctl)
{
	struct kvm_tdp_mem_readv *readv = ioctl->arg;
	bool nowait = readv->flags & KVM_TDP_MEM_NOWAIT;
	struct file *file = ioctl->data;
	struct mem_call call;
	int ret;

	readv->done = 0;
	if (readv->flags & ~KVM_TDP_MEM_NOWAIT)
		ret = -EINVAL;
	else if (!(file->f_mode & FMODE_READ))
		ret = -EBADF;
	else
		ret = mem_call_begin(&call, file, nowait);
	if (!ret) {
		ret = mem_readv(&call, readv);
		mem_call_end(&call);
	}
	return ktdp_ioctl_reply(ioctl) ?: ret;
}

static u64 mem_range_end(unsigned long start, unsigned long size)
{
	return PHYS_PFN(size == -1UL ? -1UL : start + size);
}

/* Wait for the access in flight.  Atomic context, preemption off on PREEMPT_RT too. */
static void mem_invalidate(void *data, unsigned long start, unsigned long size)
{
	struct mem *mem = data;

	raw_spin_lock(&mem->lock);
	raw_spin_unlock(&mem->lock);
	window_invalidate(mem, PHYS_PFN(start), mem_range_end(start, size));
}

static void mem_revoke(void *data, unsigned long start, unsigned long size)
{
	window_revoke(data, PHYS_PFN(start), mem_range_end(start, size));
}

/*
 * Is it /proc/PID/mem, or that of a thread?  Nothing else in procfs has this name and an
 * mm for its private data.
 */
static bool mem_is_proc_mem(const struct file *file)
{
	const struct dentry *dentry = file->f_path.dentry;

	return dentry->d_sb->s_magic == PROC_SUPER_MAGIC && d_is_reg(dentry) &&
	       dentry->d_name.len == 3 && !memcmp(dentry->d_name.name, "mem", 3) &&
	       file->private_data && file->f_mode & FMODE_READ;
}

/* Is @proc_mem the memory of the process whose VM it is? */
static bool mem_is_permitted(struct kvm_tdp_fd *tdp_fd, const struct file *proc_mem)
{
	struct kvm_tdp_fault_type type = { .read = true };

	/* The exporter knows, and looks at the mm first; there is no such gfn. */
	return tdp_fd->ops->fault(tdp_fd, proc_mem->private_data, PHYS_PFN(~0ULL),
				  type) != -EINVAL;
}

static int mem_attach_locked(struct mem *mem, struct kvm_tdp_fd *tdp_fd,
			     const struct file *proc_mem)
{
	int ret;

	lockdep_assert_held(&mem->attach_lock);
	if (mem->tdp_fd)
		return -EBUSY;
	if (!mem_is_permitted(tdp_fd, proc_mem))
		return -EACCES;
	ret = kvm_tdp_table_init(&mem->table, tdp_fd->ops->get_metadata(tdp_fd));
	if (ret)
		return ret;
	/* Before the first look at the table, or a change of it may be missed. */
	ret = tdp_fd->ops->register_importer(tdp_fd, &mem->importer_ops, mem);
	if (ret)
		return ret;
	mem->writable = proc_mem->f_mode & FMODE_WRITE;
	window_attach(mem);
	/* pairs with mem_call_begin() */
	smp_store_release(&mem->tdp_fd, tdp_fd);
	return 0;
}

static int ioctl_attach(struct ktdp_ioctl_call *call)
{
	struct kvm_tdp_mem_attach *attach = call->arg;
	struct mem *mem = ((struct file *)call->data)->private_data;
	struct kvm_tdp_fd *tdp_fd;
	struct file *proc_mem;
	int ret;

	if (attach->flags)
		return -EINVAL;
	tdp_fd = kvm_tdp_fd_get(attach->tdp_fd);
	if (IS_ERR(tdp_fd))
		return PTR_ERR(tdp_fd);
	ret = -EBADF;
	proc_mem = fget(attach->proc_mem_fd);
	if (!proc_mem)
		goto put_tdp_fd;
	ret = -EINVAL;
	if (!mem_is_proc_mem(proc_mem))
		goto put_proc_mem;
	ret = mutex_lock_killable(&mem->attach_lock);
	if (ret)
		goto put_proc_mem;
	ret = mem_attach_locked(mem, tdp_fd, proc_mem);
	mutex_unlock(&mem->attach_lock);
put_proc_mem:
	fput(proc_mem);
put_tdp_fd:
	if (ret)
		kvm_tdp_fd_put(tdp_fd);
	return ret;
}

static const struct ktdp_ioctl mem_ioctls[] = {
	KTDP_IOCTL(KVM_TDP_MEM_ATTACH, struct kvm_tdp_mem_attach, proc_mem_fd, ioctl_attach),
	KTDP_IOCTL(KVM_TDP_MEM_READV, struct kvm_tdp_mem_readv, done, ioctl_readv),
};

static long mem_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return ktdp_ioctl(mem_ioctls, ARRAY_SIZE(mem_ioctls), file, cmd, arg);
}

static int mem_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct mem *mem = file->private_data;

	/* pairs with attach */
	return smp_load_acquire(&mem->tdp_fd) ? window_mmap(mem, vma) : -ENOTCONN;
}

static void mem_show_fdinfo(struct seq_file *m, struct file *file)
{
	window_show(file->private_data, m);
}

static int mem_open(struct inode *inode, struct file *file)
{
	struct mem *mem = kzalloc(sizeof(*mem), GFP_KERNEL_ACCOUNT);

	if (!mem)
		return -ENOMEM;
	mutex_init(&mem->attach_lock);
	raw_spin_lock_init(&mem->lock);
	mem->importer_ops.invalidate = mem_invalidate;
	mem->importer_ops.revoke = mem_revoke;
	mem->importer_ops.name = KBUILD_MODNAME;
	window_init(mem, file);

	/* Tell lockdep before it happens: reclaim invalidates. */
	fs_reclaim_acquire(GFP_KERNEL);
	mem_invalidate(mem, 0, -1UL);
	fs_reclaim_release(GFP_KERNEL);

	file->private_data = mem;
	file->f_mode |= FMODE_NOWAIT;
	return 0;
}

static int mem_release(struct inode *inode, struct file *file)
{
	struct mem *mem = file->private_data;

	if (mem->tdp_fd)
		mem->tdp_fd->ops->unregister_importer(mem->tdp_fd, &mem->importer_ops);
	window_exit(mem);
	if (mem->tdp_fd)
		kvm_tdp_fd_put(mem->tdp_fd);
	kfree(mem);
	return 0;
}

static const struct file_operations mem_fops = {
	.owner = THIS_MODULE,
	.open = mem_open,
	.release = mem_release,
	.read_iter = mem_read_iter,
	.write_iter = mem_write_iter,
	.unlocked_ioctl = mem_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = no_seek_end_llseek,
	.mmap = mem_mmap,
	.show_fdinfo = mem_show_fdinfo,
};

static struct miscdevice mem_miscdev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kvm_tdp_mem",
	.fops = &mem_fops,
	.mode = 0660,
};

static int __init mem_module_init(void)
{
	int ret = windows_init();

	if (ret)
		return ret;
	ret = misc_register(&mem_miscdev);
	if (ret)
		windows_exit();
	return ret;
}

static void __exit mem_module_exit(void)
{
	misc_deregister(&mem_miscdev);
	windows_exit();
}

module_init(mem_module_init);
module_exit(mem_module_exit);

MODULE_DESCRIPTION("Guest physical memory of KVM guests as a file");
MODULE_LICENSE("GPL");
