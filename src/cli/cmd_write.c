// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE	(1UL << 20)

enum { KEY_GPA = 0x200 };

struct write_opts {
	struct vm_opts vm;
	uint64_t gpa;
	bool has_gpa;
	const char *text;
	const char *file;
};

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "Guest memory:", -3 },
	{ "gpa", KEY_GPA, "GPA", 0,
	  "Guest physical address to write to; required", 0 },
	{ "file", 'f', "FILE", 0,
	  "Write the contents of FILE; '-' is standard input", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct write_opts *opts = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		*opts = (struct write_opts){ 0 };
		state->child_inputs[0] = &opts->vm;
		return 0;
	case KEY_GPA:
		opts->gpa = arg_size(arg, "--gpa", state);
		opts->has_gpa = true;
		return 0;
	case 'f':
		opts->file = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (opts->text)
			argp_error(state, "one TEXT only; quote it if it has blanks");
		opts->text = arg;
		return 0;
	case ARGP_KEY_END:
		if (!opts->has_gpa)
			argp_error(state, "--gpa GPA is required");
		if (!opts->text == !opts->file)
			argp_error(state, "give either TEXT or --file FILE");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &vm_argp, 0, NULL, 0 }, { 0 } };

static const struct argp argp = {
	options, parse, "[TEXT]",
	"Write TEXT, or the contents of a file, into guest memory.\n"
	"\vThe bytes go in as they are, with nothing after TEXT. The guest is not "
	"stopped meanwhile and sees them as it would those of a device.",
	children, NULL, NULL
};

static uint64_t write_piece(int mem, uint64_t gpa, const void *buf,
			    size_t length)
{
	size_t done;
	int err = tdp_mem_write(mem, gpa, buf, length, &done);

	if (err)
		die("writing at 0x%llx: %s", (unsigned long long)(gpa + done),
		    kvm_tdp_fault_strerror(-err));
	return done;
}

static uint64_t write_file(int mem, uint64_t gpa, const char *name)
{
	FILE *file = strcmp(name, "-") ? fopen(name, "rb") : stdin;
	void *buf = malloc(PIECE);
	uint64_t total = 0;
	size_t n;

	if (!file || !buf)
		die("%s: %s", name, strerror(errno));

	while ((n = fread(buf, 1, PIECE, file)))
		total += write_piece(mem, gpa + total, buf, n);
	if (ferror(file))
		die("%s: %s", name, strerror(errno));

	if (file != stdin)
		fclose(file);
	free(buf);
	return total;
}

int cmd_write(int argc, char **argv)
{
	struct write_opts opts;
	struct json_object *obj;
	uint64_t done;
	int mem;

	argp_parse(&argp, argc, argv, 0, NULL, &opts);

	mem = tdp_open_mem(vm_create_tdp_fd(&opts.vm), opts.vm.pid, O_RDWR);
	if (opts.file)
		done = write_file(mem, opts.gpa, opts.file);
	else
		done = write_piece(mem, opts.gpa, opts.text,
				   strlen(opts.text));
	close(mem);

	if (!opts.vm.json) {
		printf("0x%llx: %llu bytes written\n",
		       (unsigned long long)opts.gpa,
		       (unsigned long long)done);
		return 0;
	}
	obj = json_object_new_object();
	json_add_hex(obj, "gpa", opts.gpa);
	json_add_num(obj, "written", done);
	json_out(obj);
	return 0;
}
