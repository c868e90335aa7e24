// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A multiple of the 16 bytes of a line of the dump. */
#define PIECE	(1UL << 20)

struct read_opts {
	struct vm_opts vm;
	struct range_opts range;
	bool hex;
};

static const struct argp_option options[] = {
	{ "hex", 'x', NULL, 0, "Print a hex dump instead of the bytes", -1 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct read_opts *opts = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		opts->hex = false;
		state->child_inputs[0] = &opts->vm;
		state->child_inputs[1] = &opts->range;
		return 0;
	case 'x':
		opts->hex = true;
		return 0;
	case ARGP_KEY_END:
		range_need_gpa(&opts->range, state);
		if (!opts->range.has_length)
			argp_error(state, "--length BYTES is required");
		if (opts->hex && opts->vm.json)
			argp_error(state, "--hex and --json exclude each other");
		if (opts->vm.json && opts->range.length > PIECE)
			argp_error(state, "--json: at most 1M at a time");
		/* Guest memory may have what a terminal obeys. */
		if (!opts->hex && !opts->vm.json && isatty(STDOUT_FILENO))
			argp_error(state, "bytes are not for a terminal: add -x for a hex dump, or > FILE");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse, NULL,
	"Read guest memory and write the bytes to standard output, which must be no terminal.\n"
	"\vThe guest need not have touched the memory. If part of the range is "
	"no RAM, what comes before it is still printed, and the exit status is 1.",
	vm_range_children, NULL, NULL
};

static void print_json(uint64_t gpa, const void *buf, size_t length)
{
	struct json_object *obj = json_object_new_object();

	json_add_hex(obj, "gpa", gpa);
	json_add_num(obj, "length", length);
	json_add_bytes(obj, "hex", buf, length);
	json_out(obj);
}

static void print_piece(const struct read_opts *opts, uint64_t gpa,
			const void *buf, size_t length)
{
	if (opts->hex)
		out_hexdump(gpa, buf, length);
	else if (!opts->vm.json)
		out_bytes(buf, length);
	else
		print_json(gpa, buf, length);
}

int cmd_read(int argc, char **argv)
{
	struct read_opts opts;
	uint64_t gpa, left;
	size_t want, done;
	int mem, err;
	void *buf;

	argp_parse(&argp, argc, argv, 0, NULL, &opts);

	mem = tdp_open_mem(vm_create_tdp_fd(&opts.vm), opts.vm.pid, O_RDONLY);
	buf = malloc(PIECE);
	if (!buf)
		die("%s", strerror(errno));

	gpa = opts.range.gpa;
	for (left = opts.range.length; left; left -= done) {
		want = left < PIECE ? left : PIECE;
		err = tdp_mem_read(mem, gpa, buf, want, &done);
		if (done)
			print_piece(&opts, gpa, buf, done);
		gpa += done;
		if (err)
			die("reading at 0x%llx: %s", (unsigned long long)gpa,
			    kvm_tdp_fault_strerror(-err));
	}

	free(buf);
	close(mem);
	return 0;
}
