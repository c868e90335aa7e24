// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <stdio.h>
#include <unistd.h>

#include "counters.h"
#include "text.h"

struct stat_opts {
	struct vm_opts vm;
	unsigned int interval;
};

static const struct argp_option options[] = {
	{ "interval", 'i', "SEC", 0,
	  "Print again every SEC seconds until interrupted", -1 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct stat_opts *opts = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		opts->interval = 0;
		state->child_inputs[0] = &opts->vm;
		return 0;
	case 'i':
		opts->interval = arg_number(arg, 1, 86400, "--interval", state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &vm_argp, 0, NULL, 0 }, { 0 } };

static const struct argp argp = {
	options, parse, NULL,
	"Print the counters of a VM's exported table.\n"
	"\vmapped, leaves_*, table_pages, pool_pages and importers tell what is now; the "
	"others count from the creation of the table, which is when its first "
	"TDP fd was opened: with no other user, that is this call.",
	children, NULL, NULL
};

static void print_stats(const struct kvm_tdp_stats *stats, bool json)
{
	uint64_t mapped = counters_mapped(stats), value;
	struct json_object *obj = json_object_new_object();
	char size[SIZE_TEXT];
	size_t i;

	for (i = 0; counter_name(i); i++) {
		value = counter_get(stats, i);
		json_add_num(obj, counter_name(i), value);
		if (!json)
			printf("%-19s %llu\n", counter_name(i), (unsigned long long)value);
	}

	json_add_num(obj, "mapped", mapped);
	if (json) {
		json_out(obj);
	} else {
		printf("%-19s %s\n", "mapped", size_format(mapped, size));
		json_object_put(obj);
	}
}

int cmd_stat(int argc, char **argv)
{
	struct kvm_tdp_stats stats;
	struct stat_opts opts;
	int tdp_fd;

	argp_parse(&argp, argc, argv, 0, NULL, &opts);

	tdp_fd = vm_create_tdp_fd(&opts.vm);
	vm_tell_new(&opts.vm, tdp_fd);
	for (;;) {
		tdp_get_stats(tdp_fd, &stats);
		print_stats(&stats, opts.vm.json);
		if (!opts.interval)
			return 0;

		/* The reader of a pipe wants it now; end when that is closed. */
		out_finish(0);
		sleep(opts.interval);
		if (!opts.vm.json)
			putchar('\n');
	}
}
