/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_DOCTOR_H
#define KVM_TDP_DOCTOR_H

/* Shared by the checks of `kvm-tdp doctor`. */

#include "kvm-tdp.h"
#include "machine.h"

#define KVM_NODE	"/dev/kvm"
#define TDP_NODE	"/dev/kvm_tdp"

/* The names of a vendor's KVM module, and of two-dimensional paging. */
struct vendor {
	const char *module;
	const char *param;
	const char *cpu;	/* flags of /proc/cpuinfo: virtualization, */
	const char *cpu_tdp;	/* and this */
};

enum verdict {
	GOOD,
	NOTE,		/* good enough */
	WRONG,
	SKIPPED,	/* something else is wrong, so it cannot be told */
};

struct doctor {
	struct json_array array;
	const char *check;		/* the one at work */
	const char *wrong[16];		/* names of the checks that found so */
	unsigned int nr_wrong;
	char release[FILE_LINE];
	char modules[PATH_MAX];		/* directory of this kernel's */
	const struct vendor *vendor;	/* NULL: cannot be told */
	bool signed_only;		/* no other modules are loaded */
	bool loaded;
	char file[PATH_MAX];		/* the module, or "" */
};

/* Report a finding, and in a second line, if there is one, what to do about it. */
void __attribute__((format(printf, 3, 4)))
found(struct doctor *d, enum verdict state, const char *fmt, ...);

/*
 * If @check has found something wrong: report that this is why @what, which is then not a
 * finding of its own.
 */
bool follows(struct doctor *d, const char *what, const char *check);

/* doctor_kernel.c */
const struct vendor *find_vendor(void);
void check_kernel(struct doctor *d);
void check_config(struct doctor *d);
void check_kvm(struct doctor *d);
void check_tdp(struct doctor *d);
void check_hooks(struct doctor *d);

/* doctor_module.c */
void check_lockdown(struct doctor *d);
void check_module(struct doctor *d);
void check_signature(struct doctor *d);
void check_mem(struct doctor *d);

/* doctor_node.c */
void check_node(struct doctor *d);
void check_tdp_fd(struct doctor *d);

#endif /* KVM_TDP_DOCTOR_H */
