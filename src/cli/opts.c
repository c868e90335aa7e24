// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <limits.h>

#include "text.h"

uint64_t arg_size(const char *arg, const char *option,
		  struct argp_state *state)
{
	uint64_t value;

	if (!size_parse(arg, &value))
		argp_error(state,
			   "%s: '%s' is no size: give a number (0x.. for hex), K, M, G or T may follow",
			   option, arg);
	return value;
}

unsigned int arg_number(const char *arg, unsigned int min, unsigned int max,
			const char *option, struct argp_state *state)
{
	uint64_t value;

	if (!size_parse(arg, &value) || value < min || value > max)
		argp_error(state, "%s: '%s' is not a number from %u to %u",
			   option, arg, min, max);
	return value;
}

error_t pass_input(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key != ARGP_KEY_INIT)
		return ARGP_ERR_UNKNOWN;
	state->child_inputs[0] = state->input;
	return 0;
}

enum {
	KEY_VM = 0x100,
	KEY_AS_ID,
	KEY_GPA,
	KEY_LENGTH,
};

/* argp has --help, and -? where others have -h. */
#define HELP_OPTION	{ NULL, 'h', NULL, OPTION_HIDDEN, NULL, 0 }

static const struct argp_option vm_options[] = {
	{ NULL, 0, NULL, 0, "Which VM:", -2 },
	{ "pid", 'p', "PID|NAME", 0,
	  "Process the VM belongs to (such as QEMU), or its name in 'kvm-tdp list'; required", 0 },
	{ "vm", KEY_VM, "N", 0,
	  "The Nth VM of the process, from 0 as in 'kvm-tdp list'; needed if it has several", 0 },
	{ "as-id", KEY_AS_ID, "ID", 0,
	  "Address space: 0 normal (default), 1 SMM", 0 },
	{ NULL, 0, NULL, 0, "Output:", -1 },
	{ "json", 'j', NULL, 0, "Print JSON", 0 },
	HELP_OPTION,
	{ 0 }
};

static error_t vm_parse(int key, char *arg, struct argp_state *state)
{
	struct vm_opts *opts = state->input;
	uint64_t number;

	switch (key) {
	case ARGP_KEY_INIT:
		*opts = (struct vm_opts){ .vm = -1 };
		return 0;
	case 'p':
		if (size_parse(arg, &number))
			opts->pid = arg_number(arg, 1, INT_MAX, "--pid", state);
		else
			opts->pid = vm_named(arg);
		return 0;
	case KEY_VM:
		opts->vm = arg_number(arg, 0, KVM_TDP_VMS_MAX - 1, "--vm", state);
		return 0;
	case KEY_AS_ID:
		opts->as_id = arg_number(arg, 0, 1, "--as-id", state);
		return 0;
	case 'j':
		opts->json = true;
		return 0;
	case 'h':
		argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
		return 0;
	case ARGP_KEY_END:
		if (!opts->pid)
			argp_error(state,
				   "--pid PID or NAME is required; 'kvm-tdp list' shows the processes that have VMs");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp vm_argp = { vm_options, vm_parse, NULL, NULL, NULL, NULL,
			      NULL };

static const struct argp_option json_options[] = {
	{ "json", 'j', NULL, 0, "Print JSON", 0 },
	HELP_OPTION,
	{ 0 }
};

static error_t json_parse(int key, char *arg, struct argp_state *state)
{
	bool *json = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		*json = false;
		return 0;
	case 'j':
		*json = true;
		return 0;
	case 'h':
		argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp json_argp = { json_options, json_parse, NULL, NULL, NULL,
				       NULL, NULL };

const struct argp_child json_children[] = { { &json_argp, 0, NULL, 0 }, { 0 } };

static const struct argp_option range_options[] = {
	{ NULL, 0, NULL, 0, "Guest memory:", -3 },
	{ "gpa", KEY_GPA, "GPA", 0, "Guest physical address to begin at", 0 },
	{ "length", KEY_LENGTH, "BYTES", 0,
	  "Bytes from there; both take 0x.. and the suffixes K, M, G, T", 0 },
	{ 0 }
};

static error_t range_parse(int key, char *arg, struct argp_state *state)
{
	struct range_opts *range = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		*range = (struct range_opts){ 0 };
		return 0;
	case KEY_GPA:
		range->gpa = arg_size(arg, "--gpa", state);
		range->has_gpa = true;
		return 0;
	case KEY_LENGTH:
		range->length = arg_size(arg, "--length", state);
		range->has_length = true;
		if (!range->length)
			argp_error(state, "--length: must not be 0");
		return 0;
	case ARGP_KEY_END:
		if (range->gpa >= GPA_END ||
		    range->length > GPA_END - range->gpa)
			argp_error(state,
				   "--gpa, --length: no page table reaches beyond 0x%llx",
				   GPA_END);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp range_argp = { range_options, range_parse, NULL, NULL, NULL,
				 NULL, NULL };

const struct argp_child vm_range_children[] = {
	{ &vm_argp, 0, NULL, 0 }, { &range_argp, 0, NULL, 0 }, { 0 }
};

void range_need_gpa(const struct range_opts *range, struct argp_state *state)
{
	if (!range->has_gpa)
		argp_error(state, "--gpa GPA is required");
}

void range_need_pages(const struct range_opts *range, struct argp_state *state)
{
	if (range->gpa % 4096 || range->length % 4096)
		argp_error(state,
			   "--gpa, --length: must be multiples of 4096");
}
