// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/kvm_tdp: VM fd in, TDP fd out.
 */

#include <linux/file.h>
#include <linux/kvm_tdp.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "chardev.h"
#include "export.h"
#include "ioctl.h"
#include "kvm.h"
#include "tdp_fd.h"

static struct kvm_exported_tdp *
ktdp_chardev_export(const struct kvm_create_tdp_fd *arg)
{
	struct kvm *kvm = ktdp_kvm_get(arg->vm_fd);
	struct kvm_exported_tdp *tdp = ERR_PTR(-EINVAL);

	if (IS_ERR(kvm))
		return ERR_CAST(kvm);
	if (ktdp_kvm_as_id_ok(kvm, arg->as_id))
		tdp = ktdp_export_get(kvm, arg->as_id);
	kvm_put_kvm(kvm);
	return tdp;
}

static int ktdp_chardev_create(struct ktdp_ioctl_call *call)
{
	struct kvm_create_tdp_fd *arg = call->arg;
	struct kvm_exported_tdp *tdp;
	struct file *file;
	int fd, ret;

	if (arg->mode || arg->flags || arg->pad[0] || arg->pad[1])
		return -EINVAL;
	tdp = ktdp_chardev_export(arg);
	if (IS_ERR(tdp))
		return PTR_ERR(tdp);
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		ret = fd;
		goto err_put_export;
	}
	ret = ktdp_fd_create(tdp, &file);
	if (ret)
		goto err_put_fd;
	arg->fd = fd;
	ret = ktdp_ioctl_reply(call);
	if (ret)
		goto err_put_file;
	fd_install(fd, file);
	return 0;

err_put_file:
	fput(file);	/* and with it the export */
	put_unused_fd(fd);
	return ret;
err_put_fd:
	put_unused_fd(fd);
err_put_export:
	ktdp_export_put(tdp);
	return ret;
}

static const struct ktdp_ioctl ktdp_chardev_ioctls[] = {
	KTDP_IOCTL(KVM_CREATE_TDP_FD, struct kvm_create_tdp_fd, pad,
		   ktdp_chardev_create),
};

static long ktdp_chardev_ioctl(struct file *file, unsigned int cmd,
			       unsigned long arg)
{
	return ktdp_ioctl(ktdp_chardev_ioctls, ARRAY_SIZE(ktdp_chardev_ioctls),
			  NULL, cmd, arg);
}

static const struct file_operations ktdp_chardev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = ktdp_chardev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice ktdp_chardev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kvm_tdp",
	.fops = &ktdp_chardev_fops,
	.mode = 0660,
};

int __init ktdp_chardev_init(void)
{
	return misc_register(&ktdp_chardev);
}

void ktdp_chardev_exit(void)
{
	misc_deregister(&ktdp_chardev);
}
