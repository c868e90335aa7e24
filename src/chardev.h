/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_CHARDEV_H
#define _KTDP_CHARDEV_H

int ktdp_chardev_init(void);
void ktdp_chardev_exit(void);

#endif /* _KTDP_CHARDEV_H */
