/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KTDP_PEEK_H
#define KTDP_PEEK_H

#include <linux/ioctl.h>

/*
 * On /dev/ktdp_peek; the argument is a TDP fd. pread() reads guest memory then, with the
 * guest physical address as the offset.
 */
#define PEEK_ATTACH	_IO('p', 0xd0)

#endif /* KTDP_PEEK_H */
