// SPDX-License-Identifier: GPL-2.0-only
#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>

/* In this order: what is found early is used later. */
static const struct {
	const char *name;
	void (*run)(struct doctor *d);
} checks[] = {
	{ "kernel", check_kernel },
	{ "config", check_config },
	{ "kvm", check_kvm },
	{ "tdp", check_tdp },
	{ "lockdown", check_lockdown },
	{ "module", check_module },
	{ "signature", check_signature },
	{ "mem", check_mem },
	{ "hooks", check_hooks },
	{ KVM_NODE, check_node },
	{ TDP_NODE, check_node },
	{ "tdp-fd", check_tdp_fd },
};

enum {
	KEY_ROOT = 0x200,
};

static const struct argp_option options[] = {
	/* For tests: what to take for "/". */
	{ "root", KEY_ROOT, "DIR", OPTION_HIDDEN, NULL, 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct doctor *d = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &d->array.json;
		return 0;
	case KEY_ROOT:
		machine_root = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse, NULL,
	"Tell what stands between you and a TDP fd, and what to do about it.\n"
	"\vOne line for each check: ok, note (good enough, but worth knowing), "
	"wrong, or - if it cannot be told, or follows from what is wrong elsewhere. The last makes a VM and a TDP fd of "
	"its own. Run it as the user who needs the TDP fd; some of what it "
	"proposes takes root.\n\n"
	"Exit status: 0 nothing is wrong, 1 something is.",
	json_children, NULL, NULL
};

int cmd_doctor(int argc, char **argv)
{
	struct doctor d = { 0 };
	size_t i;

	argp_parse(&argp, argc, argv, 0, NULL, &d);

	machine_line("/proc/sys/kernel/osrelease", d.release);
	snprintf(d.modules, sizeof(d.modules), "/lib/modules/%.255s", d.release);
	d.vendor = find_vendor();
	d.loaded = machine_module_loaded("kvm_tdp");
	if (!machine_find_module(d.modules, "kvm_tdp", d.file))
		*d.file = 0;

	json_array_begin(&d.array);
	for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		d.check = checks[i].name;
		checks[i].run(&d);
	}
	json_array_end(&d.array);
	return d.nr_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
