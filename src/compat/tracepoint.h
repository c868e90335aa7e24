/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_COMPAT_TRACEPOINT_H
#define _KTDP_COMPAT_TRACEPOINT_H

#include <linux/module.h>
#include <linux/tracepoint.h>

/*
 * Has a module's tracepoint so many arguments?  Its prototype is in no header, but where
 * the kernel has BPF that is told how many there are.
 */
static inline bool ktdp_tracepoint_has(const struct module *mod,
				       const struct tracepoint *tp, u32 nr_args)
{
#ifdef CONFIG_BPF_EVENTS
	unsigned int i;

	for (i = 0; i < mod->num_bpf_raw_events; i++)
		if (mod->bpf_raw_events[i].tp == tp)
			return mod->bpf_raw_events[i].num_args == nr_args;
#endif
	return true;
}

#endif /* _KTDP_COMPAT_TRACEPOINT_H */
