// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lets an allocation in the init of kvm_tdp fail: the task that loads it gets a
 * fail-nth as late as that.  What loading itself allocates is the kernel's, and so
 * is what shows a slab cache in sysfs, where a failure loses the cache's name.
 */

#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>

static unsigned int ktdp_nth;
module_param_named(nth, ktdp_nth, uint, 0600);
MODULE_PARM_DESC(nth, "which allocation fails, from 1; 0: none");

/* do_one_initcall(fn) */
static int ktdp_nth_see_init(struct kprobe *kp, struct pt_regs *regs)
{
	char name[KSYM_SYMBOL_LEN];

	sprint_symbol(name, regs_get_kernel_argument(regs, 0));
	if (strstr(name, " [kvm_tdp]"))
		current->fail_nth = READ_ONCE(ktdp_nth);
	return 0;
}

static struct kprobe ktdp_nth_probe = {
	.symbol_name = "do_one_initcall",
	.pre_handler = ktdp_nth_see_init,
};

static unsigned int *ktdp_nth_saved(struct kretprobe_instance *ri)
{
	return (unsigned int *)ri->data;
}

static int ktdp_nth_pause(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	*ktdp_nth_saved(ri) = current->fail_nth;
	current->fail_nth = 0;
	return 0;
}

static int ktdp_nth_resume(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	current->fail_nth = *ktdp_nth_saved(ri);
	return 0;
}

static struct kretprobe ktdp_nth_sysfs = {
	.kp.symbol_name = "sysfs_slab_add",
	.entry_handler = ktdp_nth_pause,
	.handler = ktdp_nth_resume,
	.data_size = sizeof(unsigned int),
};

static int __init ktdp_nth_init(void)
{
	int ret = register_kretprobe(&ktdp_nth_sysfs);

	if (ret)
		return ret;
	ret = register_kprobe(&ktdp_nth_probe);
	if (ret)
		unregister_kretprobe(&ktdp_nth_sysfs);
	return ret;
}

static void __exit ktdp_nth_exit(void)
{
	unregister_kprobe(&ktdp_nth_probe);
	unregister_kretprobe(&ktdp_nth_sysfs);
}

module_init(ktdp_nth_init);
module_exit(ktdp_nth_exit);
MODULE_DESCRIPTION("Lets allocations in the init of kvm_tdp fail");
MODULE_LICENSE("GPL");
