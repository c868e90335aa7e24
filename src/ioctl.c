// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sized ioctls: what all ioctls of /dev/kvm_tdp and of TDP fds have in common.
 */

#include <linux/mm.h>
#include <linux/uaccess.h>

#include "ioctl.h"

/**
 * ktdp_ioctl() - look up the number, take the struct in, do it
 * @table: the ioctls of this file
 * @nr: entries of @table
 * @file: the file
 * @cmd: number
 * @arg: user pointer to a struct that begins with its size
 *
 * Return: as the function found, or -ENOTTY, -EFAULT, -EINVAL, -E2BIG.
 */
long ktdp_ioctl(const struct ktdp_ioctl *table, size_t nr, struct file *file,
		unsigned int cmd, unsigned long arg)
{
	const struct ktdp_ioctl *ioctl = table;
	struct ktdp_ioctl_call call = {
		.file = file,
		.user = (void __user *)arg,
	};
	int ret;

	while (ioctl->cmd != cmd) {
		if (++ioctl == table + nr)
			return -ENOTTY;
	}
	if (get_user(call.user_size, (u32 __user *)call.user))
		return -EFAULT;
	if (call.user_size < ioctl->min_size)
		return -EINVAL;
	if (call.user_size > PAGE_SIZE)
		return -E2BIG;
	call.size = ioctl->size;
	ret = copy_struct_from_user(&call.arg, call.size, call.user,
				    call.user_size);
	if (ret)
		return ret;
	return ioctl->fn(&call);
}

/**
 * ktdp_ioctl_reply() - write the struct back, as much of it as the caller knows
 * @call: the call
 *
 * Return: 0 or -EFAULT.
 */
int ktdp_ioctl_reply(const struct ktdp_ioctl_call *call)
{
	u32 size = min(call->size, call->user_size);

	return copy_to_user(call->user, &call->arg, size) ? -EFAULT : 0;
}
