// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

enum { KEY_RAW = 0x200, KEY_PREFAULT };

struct map_opts {
	struct vm_opts vm;
	struct range_opts range;
	bool raw;
	bool prefault;
	struct json_array array;
	uint64_t runs;
	uint64_t mapped;
};

static const struct argp_option options[] = {
	{ "prefault", KEY_PREFAULT, NULL, 0,
	  "Map the guest's RAM in the range for reading first", -3 },
	{ "raw", KEY_RAW, NULL, 0,
	  "Print tab-separated gpa, length, level, access, hpa; no head line",
	  -1 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct map_opts *opts = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		*opts = (struct map_opts){ 0 };
		state->child_inputs[0] = &opts->vm;
		state->child_inputs[1] = &opts->range;
		return 0;
	case KEY_RAW:
		opts->raw = true;
		return 0;
	case KEY_PREFAULT:
		opts->prefault = true;
		return 0;
	case ARGP_KEY_END:
		range_need_pages(&opts->range, state);
		if (opts->raw && opts->vm.json)
			argp_error(state, "--raw and --json exclude each other");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse, NULL,
	"Print what the exported table of a VM maps now, as runs of like pages.\n"
	"\vThe default range is everything. Without CAP_SYS_ADMIN host physical "
	"addresses (hpa) are hidden and runs are joined without regard to them.\n\n"
	"The table lives as long as any TDP fd of the VM is open: with no driver "
	"or other command attached, each call of this program begins with a new "
	"one, which has what KVM has mapped for the guest. --prefault fills it "
	"further; 'kvm-tdp attach --pid PID -- sleep inf' keeps it.",
	vm_range_children, NULL, NULL
};

static int print_run(const struct kvm_tdp_run *run, void *data)
{
	struct map_opts *opts = data;
	char text[RUN_TEXT], access[ACCESS_TEXT];
	struct json_object *obj;

	opts->mapped += run->length;
	if (opts->vm.json) {
		obj = json_object_new_object();
		json_add_hex(obj, "gpa", run->gpa);
		json_add_num(obj, "length", run->length);
		json_add_str(obj, "level", level_name(run->level));
		json_add_str(obj, "access",
			     access_format(run->access, access));
		if (run->hpa)
			json_add_hex(obj, "hpa", run->hpa);
		else
			json_object_object_add(obj, "hpa", NULL);
		json_array_add(&opts->array, obj);
		return 0;
	}

	if (opts->raw) {
		run_format_raw(run, text);
	} else {
		if (!opts->runs)
			printf("%-29s %9s  %-5s  %-6s  %s\n", "GPA", "SIZE",
			       "LEVEL", "ACCESS", "HPA");
		run_format(run, text);
	}
	puts(text);
	opts->runs++;
	return 0;
}

int cmd_map(int argc, char **argv)
{
	struct map_opts opts;
	char size[SIZE_TEXT];
	int tdp_fd;

	argp_parse(&argp, argc, argv, 0, NULL, &opts);
	tdp_fd = vm_create_tdp_fd(&opts.vm);
	if (!opts.raw)
		vm_tell_new(&opts.vm, tdp_fd);
	if (opts.prefault)
		prefault_ram(tdp_fd, &opts.range, KVM_TDP_ACCESS_READ);

	if (!opts.range.has_length)
		opts.range.length = GPA_END - opts.range.gpa;
	opts.array.json = opts.vm.json;
	json_array_begin(&opts.array);
	tdp_read_runs(tdp_fd, &opts.range, print_run, &opts);
	json_array_end(&opts.array);

	if (opts.vm.json || opts.raw)
		return 0;
	if (!opts.mapped)
		printf("nothing is mapped there: the table fills as it is used, or by 'kvm-tdp map --prefault'\n");
	else
		printf("%llu runs, %s mapped\n", (unsigned long long)opts.runs,
		       size_format(opts.mapped, size));
	return 0;
}
