/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_COMPAT_RANGE_H
#define _KTDP_COMPAT_RANGE_H

/*
 * The kernels that all of this is tested on.  tests/kernels, dkms.conf and the documents say
 * the same, which scripts/check-static looks at.
 */
#define KTDP_LINUX_MIN	KERNEL_VERSION(6, 1, 0)
#define KTDP_LINUX_MAX	KERNEL_VERSION(7, 3, 255)

#endif /* _KTDP_COMPAT_RANGE_H */
