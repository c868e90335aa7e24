/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_IOCTL_H
#define _KTDP_IOCTL_H

/*
 * Sized ioctls: what those of all our devices have in common.  Each takes a struct that
 * begins with its size, so that it may grow.
 */

#include <linux/build_bug.h>
#include <linux/mm.h>
#include <linux/stddef.h>
#include <linux/uaccess.h>

/* Bytes of the largest struct. */
#define KTDP_IOCTL_MAX	256

/**
 * struct ktdp_ioctl_call - one call
 * @data: what the ioctl is issued on
 * @user: the caller's struct
 * @user_size: its size
 * @size: that of ours
 * @arg: ours, taken in, and to be written back
 */
struct ktdp_ioctl_call {
	void *data;
	void __user *user;
	u32 user_size;
	u32 size;
	void *arg;
};

/**
 * struct ktdp_ioctl - one ioctl
 * @cmd: its number
 * @min_size: sizeof the first version of its struct
 * @size: sizeof the struct
 * @fn: does it
 */
struct ktdp_ioctl {
	unsigned int cmd;
	u32 min_size;
	u32 size;
	int (*fn)(struct ktdp_ioctl_call *call);
};

#define KTDP_IOCTL(_cmd, _type, _last, _fn) {				\
	.cmd = _cmd,							\
	.min_size = offsetofend(_type, _last),				\
	.size = sizeof(_type) +						\
		BUILD_BUG_ON_ZERO(sizeof(_type) > KTDP_IOCTL_MAX),	\
	.fn = _fn,							\
}

/**
 * ktdp_ioctl() - look up the number, take the struct in, do it
 * @table: the ioctls
 * @nr: entries of @table
 * @data: for @fn
 * @cmd: number
 * @arg: user pointer to a struct that begins with its size
 *
 * Return: as the function found, or -ENOTTY, -EFAULT, -EINVAL, -E2BIG.
 */
static inline long ktdp_ioctl(const struct ktdp_ioctl *table, size_t nr, void *data,
			      unsigned int cmd, unsigned long arg)
{
	const struct ktdp_ioctl *ioctl = table;
	u64 taken[KTDP_IOCTL_MAX / sizeof(u64)];
	struct ktdp_ioctl_call call = {
		.data = data,
		.user = (void __user *)arg,
		.arg = taken,
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
	ret = copy_struct_from_user(call.arg, call.size, call.user, call.user_size);
	if (ret)
		return ret;
	/* Read twice: what was checked is what counts. */
	*(u32 *)call.arg = call.user_size;
	return ioctl->fn(&call);
}

/**
 * ktdp_ioctl_reply() - write the struct back, as much of it as the caller knows
 * @call: the call
 *
 * Return: 0 or -EFAULT.
 */
static inline int ktdp_ioctl_reply(const struct ktdp_ioctl_call *call)
{
	u32 size = min(call->size, call->user_size);

	return copy_to_user(call->user, call->arg, size) ? -EFAULT : 0;
}

#endif /* _KTDP_IOCTL_H */
