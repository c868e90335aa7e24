/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_SHRINK_H
#define _KTDP_SHRINK_H

int ktdp_shrink_init(void);
void ktdp_shrink_exit(void);

#endif /* _KTDP_SHRINK_H */
