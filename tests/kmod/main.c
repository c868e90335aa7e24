// SPDX-License-Identifier: GPL-2.0-only
/*
 * ktdp_test: the char device through which tests drive the importer API.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "helper.h"

union test_arg {
	struct ktdp_test_call call;
	struct ktdp_test_metadata metadata;
	struct ktdp_test_log log;
	struct ktdp_test_control control;
	struct ktdp_test_poke poke;
	struct ktdp_test_bench bench;
	struct ktdp_test_stop stop;
	struct ktdp_test_kvm_map kvm_map;
	struct ktdp_test_encrypt encrypt;
	struct ktdp_test_unlog unlog;
	struct ktdp_test_watch watch;
	struct ktdp_test_lock lock;
	struct ktdp_test_span span;
	struct ktdp_test_break broken;
	struct ktdp_test_iova iova;
};

struct kvm_tdp_fd *test_handle(struct test_file *tf, u32 handle)
{
	return handle < KTDP_TEST_HANDLES ? READ_ONCE(tf->handles[handle]) :
					    NULL;
}

/* What is passed for @tdp_fd to one of its ops. */
struct kvm_tdp_fd *test_object(struct kvm_tdp_fd *tdp_fd, u32 flags)
{
	static struct kvm_tdp_fd empty;

	if (flags & KTDP_TEST_NULL_TDP_FD)
		return NULL;
	return flags & KTDP_TEST_EMPTY_TDP_FD ? &empty : tdp_fd;
}

static int test_get(struct test_file *tf, struct ktdp_test_call *call)
{
	struct kvm_tdp_fd *tdp_fd;
	u32 handle;

	for (handle = 0; tf->handles[handle]; handle++) {
		if (handle == KTDP_TEST_HANDLES - 1)
			return -ENOSPC;
	}

	tdp_fd = kvm_tdp_fd_get(call->fd);
	if (IS_ERR_OR_NULL(tdp_fd)) {
		call->ret = tdp_fd ? PTR_ERR(tdp_fd) : -EPROTO;
		return 0;
	}
	tf->handles[handle] = tdp_fd;
	call->handle = handle;
	call->ret = 0;
	return 0;
}

static int test_put(struct test_file *tf, struct ktdp_test_call *call)
{
	struct kvm_tdp_fd *tdp_fd = test_handle(tf, call->handle);

	if (!tdp_fd)
		return -ENOENT;
	test_importers_put(tf, call->handle);
	tf->handles[call->handle] = NULL;
	kvm_tdp_fd_put(tdp_fd);
	call->ret = 0;
	return 0;
}

static int test_locked(struct test_file *tf, unsigned int cmd,
		       union test_arg *arg)
{
	struct ktdp_test_call *call = &arg->call;

	switch (cmd) {
	case KTDP_TEST_WATCH:
		return test_watch(tf, &arg->watch);
	case KTDP_TEST_GET:
		return test_get(tf, call);
	case KTDP_TEST_PUT:
		return test_put(tf, call);
	case KTDP_TEST_REGISTER:
		return test_register(tf, call);
	case KTDP_TEST_UNREGISTER:
		return test_unregister(tf, call);
	case KTDP_TEST_HOLD_MM:
		return test_hold_mm(tf, call);
	default:
		return -ENOTTY;
	}
}

static int test_execute(struct test_file *tf, unsigned int cmd,
			union test_arg *arg)
{
	int ret;

	switch (cmd) {
	case KTDP_TEST_FAULT:
		return test_fault(tf, &arg->call);
	case KTDP_TEST_METADATA:
		return test_metadata(tf, &arg->metadata);
	case KTDP_TEST_LOG:
		return test_log(tf, &arg->log);
	case KTDP_TEST_CONTROL:
		return test_control(tf, &arg->control);
	case KTDP_TEST_POKE:
		return test_poke(tf, &arg->poke);
	case KTDP_TEST_BENCH:
		return test_bench(tf, &arg->bench);
	case KTDP_TEST_STOP:
		return test_stop(tf, &arg->stop);
	case KTDP_TEST_KVM_MAP:
		return test_kvm_map(&arg->kvm_map);
	case KTDP_TEST_ENCRYPT:
		return test_encrypt(&arg->encrypt);
	case KTDP_TEST_UNLOG:
		return test_unlog(&arg->unlog);
	case KTDP_TEST_LOCK:
		return test_lock(tf, &arg->lock);
	case KTDP_TEST_SPAN:
		return test_span(tf, &arg->span);
	case KTDP_TEST_BREAK:
		return test_break(&arg->broken);
	case KTDP_TEST_IOVA:
		return test_iova(&arg->iova);
	}

	mutex_lock(&tf->lock);
	ret = test_locked(tf, cmd, arg);
	mutex_unlock(&tf->lock);
	return ret;
}

static long test_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	void __user *user = (void __user *)uarg;
	union test_arg arg = {};
	int ret;

	if (_IOC_TYPE(cmd) != 'k' || _IOC_SIZE(cmd) > sizeof(arg))
		return -ENOTTY;
	if (copy_from_user(&arg, user, _IOC_SIZE(cmd)))
		return -EFAULT;
	ret = test_execute(file->private_data, cmd, &arg);
	if (!ret && copy_to_user(user, &arg, _IOC_SIZE(cmd)))
		return -EFAULT;
	return ret;
}

/* RAM that is not the mm's to manage, as drivers map their own. */
static int test_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct test_file *tf = file->private_data;

	if (vma_pages(vma) != 1)
		return -EINVAL;
	return remap_pfn_range(vma, vma->vm_start, page_to_pfn(tf->page),
			       PAGE_SIZE, vma->vm_page_prot);
}

static int test_open(struct inode *inode, struct file *file)
{
	struct test_file *tf;

	tf = kzalloc(sizeof(*tf), GFP_KERNEL);
	if (!tf)
		return -ENOMEM;
	mutex_init(&tf->lock);
	tf->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!tf->page)
		goto err_free;
	if (test_importers_init(tf))
		goto err_free_page;
	file->private_data = tf;
	return 0;

err_free_page:
	__free_page(tf->page);
err_free:
	kfree(tf);
	return -ENOMEM;
}

/* Unregister what was not leaked on purpose, then put. */
static void test_handle_close(struct test_file *tf, u32 handle)
{
	struct ktdp_test_call call = { .handle = handle };

	for (call.importer = 0; call.importer < KTDP_TEST_IMPORTERS;
	     call.importer++)
		test_unregister(tf, &call);
	test_put(tf, &call);
}

static int test_release(struct inode *inode, struct file *file)
{
	struct test_file *tf = file->private_data;
	u32 handle;

	mutex_lock(&tf->lock);
	test_stops_exit(tf);
	test_lock_exit(tf);
	test_span_exit(tf);
	test_watch_exit(tf);
	for (handle = 0; handle < KTDP_TEST_HANDLES; handle++) {
		if (tf->handles[handle])
			test_handle_close(tf, handle);
	}
	if (tf->held_mm)
		mmdrop(tf->held_mm);
	mutex_unlock(&tf->lock);
	__free_page(tf->page);

	if (WARN(!test_importers_exit(tf), "a leaked importer was not ended\n"))
		__module_get(THIS_MODULE);
	else
		kfree(tf);
	return 0;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.open = test_open,
	.release = test_release,
	.mmap = test_mmap,
	.unlocked_ioctl = test_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice test_miscdev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ktdp_test",
	.fops = &test_fops,
	.mode = 0600,
};

module_misc_device(test_miscdev);

MODULE_DESCRIPTION("Kernel side of the tests of kvm_tdp");
MODULE_LICENSE("GPL");
