// SPDX-License-Identifier: GPL-2.0-only
/* eventfd_signal() adds one (6.8), or what it is told. */
#include <linux/eventfd.h>

#ifndef KTDP_OTHERWISE
void fact(struct eventfd_ctx *ctx)
{
	eventfd_signal(ctx);
}
#else
void fact(struct eventfd_ctx *ctx)
{
	eventfd_signal(ctx, 1);
}
#endif
