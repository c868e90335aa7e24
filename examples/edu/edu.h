/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef EXAMPLES_EDU_H
#define EXAMPLES_EDU_H

/* /dev/kvm_tdp_edu, of the example driver. */

#include <linux/ioctl.h>
#include <linux/types.h>

/* Bytes that the device copies at a time. */
#define EDU_MAX		4088

/**
 * struct edu_copy - from guest memory to guest memory, through the device's buffer
 * @source: guest physical address
 * @target: guest physical address
 * @length: bytes, up to EDU_MAX
 * @again: out: transfers that were hit, and done again
 */
struct edu_copy {
	__u64 source;
	__u64 target;
	__u32 length;
	__u32 again;
};

#define EDU_ATTACH	_IOW('e', 0, int)	/* a TDP fd, of a VM of the caller's */
#define EDU_DETACH	_IO('e', 1)
#define EDU_COPY	_IOWR('e', 2, struct edu_copy)

#endif /* EXAMPLES_EDU_H */
