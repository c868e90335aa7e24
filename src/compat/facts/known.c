// SPDX-License-Identifier: GPL-2.0-only
/* This Linux is one that kvm_tdp is tested on, or a newer one. */
#include <linux/version.h>

#include "../range.h"

#if !defined(KTDP_OTHERWISE) && LINUX_VERSION_CODE > KTDP_LINUX_MAX
#error "newer"
#endif
