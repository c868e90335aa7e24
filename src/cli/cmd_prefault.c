// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "scan.h"
#include "text.h"

/* Small enough that a hole costs no long repetition, large enough to be quick. */
#define PIECE	(1ULL << 30)

enum { KEY_ALL = 0x200, KEY_WRITE, KEY_EXEC };

struct prefault_opts {
	struct vm_opts vm;
	struct range_opts range;
	unsigned int access;
	bool all;
};

static const struct argp_option options[] = {
	{ "all", KEY_ALL, NULL, 0,
	  "Step over what is no RAM; --gpa and --length are optional then", -3 },
	{ "write", KEY_WRITE, NULL, 0, "Map for writing", 0 },
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
	case KEY_ALL:
		opts->all = true;
		return 0;
	case KEY_WRITE:
		opts->access |= KVM_TDP_ACCESS_WRITE;
		return 0;
	case KEY_EXEC:
		opts->access |= KVM_TDP_ACCESS_EXEC;
		return 0;
	case ARGP_KEY_END:
		range_need_pages(&opts->range, state);
		if (!opts->all &&
		    !(opts->range.has_gpa && opts->range.has_length))
			argp_error(state, "give --gpa and --length, or --all");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse, NULL,
	"Map a range of guest memory in the exported table, for reading unless more is asked for.\n"
	"\vA range given without --all must be RAM throughout. With --all holes "
	"(and with --write what is read-only) are stepped over in units of 64K; "
	"without --length it ends at 5G, or 1G beyond the last RAM if that is "
	"further up.\n\n"
	"What is mapped here is lost when this program ends, unless another "
	"TDP fd of the VM is open (see 'kvm-tdp attach --help').",
	vm_range_children, NULL, NULL
};

/* Not RAM, or not of the wanted kind: no reason to stop a walk over all. */
static bool is_gap(int err)
{
	return err == -EFAULT || err == -EACCES || err == -EHWPOISON;
}

static void prefault_piece(int tdp_fd, const struct prefault_opts *opts,
			   struct scan *scan)
{
	uint64_t piece = scan_left(scan, PIECE);
	uint64_t gpa = scan->gpa, length = piece;
	int err = tdp_prefault(tdp_fd, &gpa, &length, opts->access);

	scan_found(scan, piece - length);
	if (!err)
		return;
	if (!opts->all || !is_gap(err))
		die("prefault at 0x%llx: %s", (unsigned long long)gpa,
		    fault_strerror(-err));
	scan_skip(scan, err == -EHWPOISON ? 4096 : SCAN_STEP);
}

static void print_result(const struct scan *scan, uint64_t start, bool json)
{
	char ram[SIZE_TEXT], skipped[SIZE_TEXT];
	struct json_object *obj;

	if (!json) {
		printf("0x%llx-0x%llx: %s mapped, %s skipped\n",
		       (unsigned long long)start,
		       (unsigned long long)(scan->gpa - 1),
		       size_format(scan->ram, ram),
		       size_format(scan->skipped, skipped));
		return;
	}

	obj = json_object_new_object();
	json_add_hex(obj, "gpa", start);
	json_add_num(obj, "length", scan->gpa - start);
	json_add_num(obj, "mapped", scan->ram);
	json_add_num(obj, "skipped", scan->skipped);
	json_out(obj);
}

int cmd_prefault(int argc, char **argv)
{
	struct prefault_opts opts;
	struct scan scan;
	int tdp_fd;

	argp_parse(&argp, argc, argv, 0, NULL, &opts);

	tdp_fd = vm_create_tdp_fd(&opts.vm);
	scan_init(&scan, opts.range.gpa, opts.range.length);
	while (scan_left(&scan, PIECE))
		prefault_piece(tdp_fd, &opts, &scan);

	print_result(&scan, opts.range.gpa, opts.vm.json);
	if (!scan.ram)
		die("no RAM found to map");
	return 0;
}
