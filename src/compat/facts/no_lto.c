// SPDX-License-Identifier: GPL-2.0-only
/* KVM is built without LTO, which may inline the functions that are hooked. */
#include <linux/kconfig.h>

#if defined(CONFIG_LTO) || defined(CONFIG_LTO_CLANG)
#error "built with LTO"
#endif
