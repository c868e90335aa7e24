// SPDX-License-Identifier: GPL-2.0-only
/* KVM is a module, in which the functions to hook are looked for. */
#include <linux/kconfig.h>

#if !IS_MODULE(CONFIG_KVM)
#error "built in, or not at all"
#endif
