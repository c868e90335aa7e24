/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_COMPAT_WORKQUEUE_H
#define _KTDP_COMPAT_WORKQUEUE_H

#include <linux/workqueue.h>

#include "facts.h"

/* 6.17 gave it a new name; from 7.3 on the kernel complains of the old one. */
#ifndef KTDP_HAS_DFL_WQ
#define system_dfl_wq	system_unbound_wq
#endif

#endif /* _KTDP_COMPAT_WORKQUEUE_H */
