// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm_tdp: a running KVM guest's second-stage address space for other parts of
 * the kernel.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include "chardev.h"
#include "eager.h"
#include "export.h"
#include "hooks.h"
#include "host.h"
#include "shrink.h"
#include "slot_hooks.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static const struct ktdp_hook_handlers ktdp_handlers = {
	.slot_flushed = ktdp_slot_flushed,
	.slot_committed = ktdp_slot_committed,
	.log_harvested = ktdp_log_harvested,
	.gmem_unmapped = ktdp_gmem_unmapped,
	.spte_set = ktdp_eager_probe,
	.lost = ktdp_exports_stop,
};

static int __init ktdp_init(void)
{
	int ret;

	ktdp_host_init();
	ret = ktdp_hooks_init(&ktdp_handlers);
	if (ret)
		return ret;
	ret = ktdp_shrink_init();
	if (ret)
		goto err_hooks_exit;
	ret = ktdp_chardev_init();
	if (ret)
		goto err_shrink_exit;
	pr_info("version " KTDP_VERSION "\n");
	return 0;

err_shrink_exit:
	ktdp_shrink_exit();
err_hooks_exit:
	ktdp_hooks_exit();
	return ret;
}

static void __exit ktdp_exit(void)
{
	ktdp_chardev_exit();
	ktdp_shrink_exit();
	ktdp_hooks_exit();
}

module_init(ktdp_init);
module_exit(ktdp_exit);
MODULE_DESCRIPTION("Export of KVM second-stage page tables (TDP) to importers");
MODULE_LICENSE("GPL");
MODULE_VERSION(KTDP_VERSION);
/* Opening their nodes cannot load them: the minors are dynamic. */
MODULE_SOFTDEP("post: kvm_tdp_mem kvm_tdp_dma");
