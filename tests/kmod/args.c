// SPDX-License-Identifier: GPL-2.0-only
/*
 * ktdp_args: while it is loaded KVM's tracepoint for a vCPU's fault is said to have an
 * argument more, as one with another prototype might.
 */

#include <linux/module.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

static u32 *args_nr;

static int args_see_module(struct notifier_block *nb, unsigned long action, void *data)
{
	struct module *mod = ((struct tp_module *)data)->mod;
	unsigned int i;

	if (action != MODULE_STATE_COMING || strcmp(mod->name, "kvm"))
		return NOTIFY_OK;
	for (i = 0; i < mod->num_bpf_raw_events; i++)
		if (!strcmp(mod->bpf_raw_events[i].tp->name, "kvm_mmu_set_spte"))
			args_nr = &mod->bpf_raw_events[i].num_args;
	return NOTIFY_OK;
}

static int __init args_init(void)
{
	struct notifier_block nb = { .notifier_call = args_see_module };
	int ret = register_tracepoint_module_notifier(&nb);

	if (ret)
		return ret;
	unregister_tracepoint_module_notifier(&nb);
	if (!args_nr)
		return -ENOENT;
	++*args_nr;
	return 0;
}

/* KVM is still there: the test has a VM. */
static void __exit args_exit(void)
{
	--*args_nr;
}

module_init(args_init);
module_exit(args_exit);
MODULE_DESCRIPTION("Another prototype of a tracepoint of KVM's");
MODULE_LICENSE("GPL");
