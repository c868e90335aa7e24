// SPDX-License-Identifier: GPL-2.0-only
/* This Linux is one that kvm_tdp is tested on, or a newer one. */
#include <linux/version.h>

#include "../range.h"

/* By version: when the host tells that it takes memory, docs/NOTIFIER.md, no header has. */
#if LINUX_VERSION_CODE < KTDP_LINUX_MIN
#error "older"
#endif
#if !defined(KTDP_OTHERWISE) && LINUX_VERSION_CODE > KTDP_LINUX_MAX
#error "newer"
#endif
