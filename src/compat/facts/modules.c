// SPDX-License-Identifier: GPL-2.0-only
/* A module that is loaded has its tracepoints and its parameters where they were. */
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/tracepoint.h>

#include "../check.h"

member_is(struct tp_module, mod, struct module *);
member_is(struct module, tracepoints_ptrs, tracepoint_ptr_t *);
member_is(struct module, num_tracepoints, unsigned int);
member_is(struct tracepoint, name, const char *);
#ifdef CONFIG_BPF_EVENTS
member_is(struct module, bpf_raw_events, struct bpf_raw_event_map *);
member_is(struct module, num_bpf_raw_events, unsigned int);
member_is(struct bpf_raw_event_map, tp, struct tracepoint *);
member_is(struct bpf_raw_event_map, num_args, u32);
#endif
member_is(struct module, mkobj, struct module_kobject);
member_is(struct module_kobject, mod, struct module *);
member_is(struct module, kp, struct kernel_param *);
member_is(struct module, num_kp, unsigned int);
member_is(struct kernel_param, name, const char *);
member_is(struct kernel_param, ops, const struct kernel_param_ops *);
member_is(struct kernel_param, arg, void *);
