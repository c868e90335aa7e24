// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool module_loaded(const char *module)
{
	char name[80];

	snprintf(name, sizeof(name), "/sys/module/%s", module);
	return machine_has(name);
}

/* "Y" or "N", or as the file has it; "" if there is none. */
void module_param(const char *module, const char *param, char line[FILE_LINE])
{
	char name[120];

	snprintf(name, sizeof(name), "/sys/module/%s/parameters/%s", module,
		 param);
	machine_line(name, line);
}

void found(struct doctor *d, enum verdict state, const char *fmt, ...)
{
	static const char * const names[] = {
		[GOOD] = "ok", [NOTE] = "note", [WRONG] = "wrong",
		[SKIPPED] = "-",
	};
	struct json_object *obj = json_object_new_object();
	char *text, *todo;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		die("%s", strerror(errno));
	va_end(args);
	todo = strchr(text, '\n');
	if (todo)
		*todo++ = 0;

	if (!d->array.json)
		printf("%-5s  %-12s  %s%s%s\n", names[state], d->check, text,
		       todo ? "; " : "", todo ? todo : "");
	json_add_str(obj, "check", d->check);
	json_add_str(obj, "state", state == SKIPPED ? "skipped" : names[state]);
	json_add_str(obj, "found", text);
	json_add_str(obj, "todo", todo ? todo : "");
	json_array_add(&d->array, obj);
	d->wrong += state == WRONG;
	free(text);
}

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
	{ "hooks", check_hooks },
	{ KVM_NODE, check_node },
	{ TDP_NODE, check_node },
	{ "tdp-fd", check_tdp_fd },
};

enum {
	KEY_ROOT = 0x200,
};

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "Print JSON", 0 },
	/* For tests: what to take for "/". */
	{ "root", KEY_ROOT, "DIR", OPTION_HIDDEN, NULL, 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct doctor *d = state->input;

	switch (key) {
	case 'j':
		d->array.json = true;
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
	"wrong, or - if it cannot be told. The last makes a VM and a TDP fd of "
	"its own. Run it as the user who needs the TDP fd; some of what it "
	"proposes takes root.\n\n"
	"Exit status: 0 nothing is wrong, 1 something is.",
	NULL, NULL, NULL
};

int cmd_doctor(int argc, char **argv)
{
	struct doctor d = { 0 };
	size_t i;

	argp_parse(&argp, argc, argv, 0, NULL, &d);

	machine_line("/proc/sys/kernel/osrelease", d.release);
	snprintf(d.modules, sizeof(d.modules), "/lib/modules/%.255s", d.release);
	d.vendor = find_vendor();
	d.loaded = module_loaded("kvm_tdp");
	if (!machine_find_module(d.modules, "kvm_tdp", d.file))
		*d.file = 0;

	json_array_begin(&d.array);
	for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		d.check = checks[i].name;
		checks[i].run(&d);
	}
	json_array_end(&d.array);
	return d.wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
