// SPDX-License-Identifier: GPL-2.0-only
/*
 * An importer outside the tree. A TDP fd whose number is written to its parameter
 * is used and put back.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/module.h>

#include <asm/kvm_exported_tdp.h>
#include <linux/kvm_tdp_fd.h>

static void invalidate(void *data, unsigned long start, unsigned long size)
{
}

static struct kvm_tdp_importer_ops ops = { .invalidate = invalidate };

static int use(struct kvm_tdp_fd *tdp_fd)
{
	void *meta = tdp_fd->ops->get_metadata(tdp_fd);
	int ret;

	if (IS_ERR(meta))
		return PTR_ERR(meta);
	ret = tdp_fd->ops->register_importer(tdp_fd, &ops, NULL);
	if (ret)
		return ret;
	tdp_fd->ops->unregister_importer(tdp_fd, &ops);
	return 0;
}

static int set_fd(const char *value, const struct kernel_param *param)
{
	struct kvm_tdp_fd *tdp_fd;
	int fd, ret;

	ret = kstrtoint(value, 0, &fd);
	if (ret)
		return ret;
	tdp_fd = kvm_tdp_fd_get(fd);
	if (IS_ERR(tdp_fd))
		return PTR_ERR(tdp_fd);
	ret = use(tdp_fd);
	kvm_tdp_fd_put(tdp_fd);
	return ret;
}

static const struct kernel_param_ops fd_ops = { .set = set_fd };

module_param_cb(fd, &fd_ops, NULL, 0200);
MODULE_PARM_DESC(fd, "TDP fd of the writer, to be used once");
MODULE_DESCRIPTION("An importer built against an installed kvm_tdp");
MODULE_LICENSE("GPL");
