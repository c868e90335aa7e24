/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_IOCTL_H
#define _KTDP_IOCTL_H

#include <linux/fs.h>
#include <linux/kvm_tdp.h>

/* One call: the user's struct, taken in and to be written back. */
struct ktdp_ioctl_call {
	struct file *file;
	void __user *user;
	u32 user_size;		/* of the caller's struct */
	u32 size;		/* of ours */
	union {
		struct kvm_create_tdp_fd create;
		struct kvm_tdp_info info;
		struct kvm_tdp_prefault prefault;
		struct kvm_tdp_map map;
		struct kvm_tdp_stats stats;
		struct kvm_tdp_verify verify;
	} arg;
};

/* A number, the struct's first and present size, and what does it. */
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
		BUILD_BUG_ON_ZERO(sizeof(_type) >			\
			sizeof_field(struct ktdp_ioctl_call, arg)),	\
	.fn = _fn,							\
}

long ktdp_ioctl(const struct ktdp_ioctl *table, size_t nr, struct file *file,
		unsigned int cmd, unsigned long arg);
int ktdp_ioctl_reply(const struct ktdp_ioctl_call *call);

#endif /* _KTDP_IOCTL_H */
