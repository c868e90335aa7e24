// SPDX-License-Identifier: GPL-2.0-only
/*
 * ktdp_tsc: says that the TSC is constant, without which KVM does not load on
 * PREEMPT_RT; the emulator cannot say so.  To be loaded before KVM.
 */

#include <linux/module.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>

static int __init ktdp_tsc_init(void)
{
	set_cpu_cap(&boot_cpu_data, X86_FEATURE_CONSTANT_TSC);
	return 0;
}

/* It stays said. */
static void __exit ktdp_tsc_exit(void)
{
}

module_init(ktdp_tsc_init);
module_exit(ktdp_tsc_exit);
MODULE_DESCRIPTION("Constant TSC for emulators");
MODULE_LICENSE("GPL");
