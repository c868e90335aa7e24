// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

struct verify_opts {
	struct vm_opts vm;
	struct range_opts range;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct verify_opts *opts = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		*opts = (struct verify_opts){ 0 };
		state->child_inputs[0] = &opts->vm;
		state->child_inputs[1] = &opts->range;
		return 0;
	case ARGP_KEY_END:
		range_need_pages(&opts->range, state);
		if (!opts->range.has_length)
			opts->range.length = GPA_END - opts->range.gpa;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	NULL, parse, NULL,
	"Hold a VM's exported table against the host's page tables, the memslots "
	"and KVM's own table.\n"
	"\vThe VM may run meanwhile. stale: pages of which the host has another "
	"page mapped, or none; excess: writable and must not be; no_slot: "
	"outside of the VM's memory; reserved: with reserved bits; kvm: not what "
	"KVM maps; counters: wrong counts. Whatever is found wrong is a bug in "
	"kvm_tdp, and drivers that use the table may have spoilt memory. "
	"It takes CAP_SYS_ADMIN.\n\n"
	"Exit status: 0 all is right, 1 something is wrong, or the check could "
	"not be made.",
	vm_range_children, NULL, NULL
};

static const struct {
	const char *name;
	size_t offset;
	bool bad;
} results[] = {
#define RESULT(member, bad) \
	{ #member, offsetof(struct kvm_tdp_verify, member), bad }
	RESULT(leaves, false),
	RESULT(pages, false),
	RESULT(retries, false),
	RESULT(undecided, false),
	RESULT(stale, true),
	RESULT(excess, true),
	RESULT(no_slot, true),
	RESULT(reserved, true),
	RESULT(kvm, true),
	RESULT(counters, true),
#undef RESULT
};

#define NR_RESULTS	(sizeof(results) / sizeof(results[0]))

static __u64 result(const struct kvm_tdp_verify *verify, size_t i)
{
	return *(const __u64 *)((const char *)verify + results[i].offset);
}

static void print_json(const struct kvm_tdp_verify *verify, bool bad)
{
	struct json_object *obj = json_object_new_object();
	size_t i;

	json_add_str(obj, "result", bad ? "wrong" : "right");
	for (i = 0; i < NR_RESULTS; i++)
		json_add_num(obj, results[i].name, result(verify, i));
	if (bad)
		json_add_hex(obj, "first_bad", verify->first_bad);
	json_out(obj);
}

static void print_text(const struct kvm_tdp_verify *verify, bool bad)
{
	size_t i;

	for (i = 0; i < NR_RESULTS; i++)
		printf("%-12s %llu\n", results[i].name,
		       (unsigned long long)result(verify, i));
	if (!bad)
		printf("the table is right\n");
	else
		printf("the table is WRONG; lowest gpa 0x%llx\n",
		       (unsigned long long)verify->first_bad);
}

int cmd_verify(int argc, char **argv)
{
	struct kvm_tdp_verify verify;
	struct verify_opts opts;
	bool bad = false;
	size_t i;
	int tdp;

	argp_parse(&argp, argc, argv, 0, NULL, &opts);
	tdp = vm_create_tdp_fd(&opts.vm);
	vm_tell_new(&opts.vm, tdp);
	tdp_verify(tdp, &opts.range, &verify);
	for (i = 0; i < NR_RESULTS; i++)
		bad |= results[i].bad && result(&verify, i);
	if (opts.vm.json)
		print_json(&verify, bad);
	else
		print_text(&verify, bad);
	return bad ? EXIT_FAILURE : 0;
}
