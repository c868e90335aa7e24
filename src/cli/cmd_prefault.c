// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

enum { KEY_WRITE = 0x200, KEY_EXEC };

struct prefault_opts {
	struct vm_opts vm;
	struct range_opts range;
	unsigned int access;
};

static const struct argp_option options[] = {
	{ "write", KEY_WRITE, NULL, 0, "Map for writing", -3 },
	{ "exec", KEY_EXEC, NULL, 0, "Map for execution", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct prefault_opts *opts = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		*opts = (struct prefault_opts){ .access = KVM_TDP_ACCESS_READ };
		state->child_inputs[0] = &opts->vm;
		state->child_inputs[1] = &opts->range;
		return 0;
	case KEY_WRITE:
		opts->access |= KVM_TDP_ACCESS_WRITE;
		return 0;
	case KEY_EXEC:
		opts->access |= KVM_TDP_ACCESS_EXEC;
		return 0;
	case ARGP_KEY_END:
		range_need_pages(&opts->range, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse, NULL,
	"Map guest memory into the exported table of a VM: all RAM, or what of it is in a range.\n"
	"\vPages that cannot be mapped (poisoned, unmapped in the VMM, with --write "
	"read-only) are skipped and counted. Without other users of the table, what "
	"is mapped here is lost when this command ends: 'kvm-tdp attach --pid PID -- "
	"sleep inf' keeps it.",
	vm_range_children, NULL, NULL
};

static void prefault(int tdp, uint64_t gpa, uint64_t length, unsigned int access,
		     struct prefaulted *done)
{
	uint64_t before;
	int err;

	while (length) {
		before = length;
		err = tdp_prefault(tdp, &gpa, &length, access);
		done->mapped += before - length;
		if (!err)
			continue;
		if (!tdp_is_gap(err) && err != -EACCES)
			die("prefault at 0x%llx: %s", (unsigned long long)gpa,
			    kvm_tdp_fault_strerror(-err));
		done->skipped += 4096;
		gpa += 4096;
		length -= 4096;
	}
}

struct prefaulted prefault_ram(int tdp, const struct range_opts *range,
			       unsigned int access)
{
	struct prefaulted done = { 0 };
	struct ram ram;
	size_t i;

	tdp_read_ram(tdp, range, access & KVM_TDP_ACCESS_WRITE ?
				 KVM_TDP_SLOT_READONLY : 0, &ram);
	for (i = 0; i < ram.nr; i++)
		prefault(tdp, ram.pieces[i].gpa, ram.pieces[i].length, access, &done);
	ram_free(&ram);
	return done;
}

int cmd_prefault(int argc, char **argv)
{
	char text[SIZE_TEXT], more[SIZE_TEXT];
	struct prefault_opts opts;
	struct prefaulted done;
	struct json_object *obj;
	int tdp;

	argp_parse(&argp, argc, argv, 0, NULL, &opts);

	tdp = vm_create_tdp_fd(&opts.vm);
	vm_tell_new(&opts.vm, tdp);
	done = prefault_ram(tdp, &opts.range, opts.access);
	if (!opts.vm.json) {
		printf("%s mapped, %s skipped\n", size_format(done.mapped, text),
		       size_format(done.skipped, more));
	} else {
		obj = json_object_new_object();
		json_add_num(obj, "mapped", done.mapped);
		json_add_num(obj, "skipped", done.skipped);
		json_out(obj);
	}
	if (!done.mapped)
		die("none of it could be mapped");
	return 0;
}
