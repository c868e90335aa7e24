/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_HOOKS_H
#define _KTDP_HOOKS_H

#include <linux/types.h>

int ktdp_hooks_init(void);
void ktdp_hooks_exit(void);
int ktdp_hooks_get(void);
void ktdp_hooks_put(void);
u32 ktdp_hooks_eager(void);
bool ktdp_hooks_look(void);

/* As ktdp_hooks_look() found it last. */
extern bool ktdp_hooks_lost;

#endif /* _KTDP_HOOKS_H */
