// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "search.h"
#include "text.h"

#define PIECE		(4UL << 20)
#define CONTEXT_MAX	65536

enum { KEY_CONTEXT = 0x200 };

struct find_opts {
	struct vm_opts vm;
	struct range_opts range;
	const char *string;
	unsigned int max;
	unsigned int context;
};

struct finder {
	const struct find_opts *opts;
	int dma;
	struct json_array array;
	unsigned int matches;
};

static const struct argp_option options[] = {
	{ "max", 'n', "N", 0, "End after N matches", -1 },
	{ "context", KEY_CONTEXT, "N", 0,
	  "Print the match too, with up to N printable bytes that follow it", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct find_opts *opts = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		*opts = (struct find_opts){ .max = UINT_MAX };
		state->child_inputs[0] = &opts->vm;
		state->child_inputs[1] = &opts->range;
		return 0;
	case 'n':
		opts->max = arg_number(arg, 1, UINT_MAX, "--max", state);
		return 0;
	case KEY_CONTEXT:
		opts->context = arg_number(arg, 1, CONTEXT_MAX, "--context",
					   state);
		return 0;
	case ARGP_KEY_ARG:
		if (opts->string)
			argp_error(state, "one STRING only; quote it if it has blanks");
		if (!*arg || strlen(arg) > PIECE)
			argp_error(state, "STRING: must have 1 to %lu bytes",
				   PIECE);
		opts->string = arg;
		return 0;
	case ARGP_KEY_END:
		if (!opts->string)
			argp_error(state, "STRING is required");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse, "STRING",
	"Search guest memory for a string and print the guest physical addresses where it is.\n"
	"\vThe default range is all RAM, as 'kvm-tdp slots' has it. Matches may overlap. "
	"The exit status is 1 if there is none.",
	vm_range_children, NULL, NULL
};

/* The match was seen in a piece; what follows may lie in the next, or nowhere. */
static size_t read_context(struct finder *finder, uint64_t gpa, uint8_t *buf)
{
	size_t own = strlen(finder->opts->string);
	size_t done;

	memcpy(buf, finder->opts->string, own);
	kvm_tdp_dma_read(finder->dma, gpa + own, buf + own,
			 finder->opts->context, 0, &done);
	return own + printable_prefix(buf + own, done);
}

static void print_match(struct finder *finder, uint64_t gpa,
			const uint8_t *text, size_t length)
{
	struct json_object *obj;

	if (!finder->array.json) {
		printf("0x%llx%s", (unsigned long long)gpa, text ? "\t" : "");
		out_bytes(text ? (const void *)text : "", length);
		putchar('\n');
		return;
	}

	obj = json_object_new_object();
	json_add_hex(obj, "gpa", gpa);
	if (text)
		json_object_object_add(obj, "text",
				       json_object_new_string_len((const char *)text,
								  length));
	json_array_add(&finder->array, obj);
}

static bool found(uint64_t gpa, void *data)
{
	struct finder *finder = data;
	const struct find_opts *opts = finder->opts;
	uint8_t *text = NULL;
	size_t length = 0;

	if (opts->context) {
		text = malloc(strlen(opts->string) + opts->context);
		if (!text)
			die("%s", strerror(errno));
		length = read_context(finder, gpa, text);
	}
	print_match(finder, gpa, text, length);
	free(text);
	return ++finder->matches < opts->max;
}

/* False: enough has been found. */
static bool find_in(struct finder *finder, struct search *search, uint64_t gpa,
		    uint64_t length)
{
	uint64_t end = gpa + length;
	size_t want, done;
	int err;

	search_skip(search, gpa);
	while (gpa < end) {
		want = end - gpa < PIECE ? end - gpa : PIECE;
		err = kvm_tdp_dma_read(finder->dma, gpa, search_space(search),
				       want, 0, &done);
		gpa += done;
		if (!search_feed(search, done, found, finder))
			return false;
		if (!err)
			continue;
		if (!tdp_is_gap(err))
			die("reading at 0x%llx: %s", (unsigned long long)gpa,
			    kvm_tdp_fault_strerror(-err));
		gpa = (gpa | 4095) + 1;
		search_skip(search, gpa);
	}
	return true;
}

int cmd_find(int argc, char **argv)
{
	struct finder finder = { 0 };
	char size[SIZE_TEXT];
	struct find_opts opts;
	struct search search;
	struct ram ram;
	size_t i;
	int tdp;

	argp_parse(&argp, argc, argv, 0, NULL, &opts);

	finder.opts = &opts;
	finder.array.json = opts.vm.json;
	tdp = vm_create_tdp_fd(&opts.vm);
	finder.dma = tdp_open_dma(tdp);
	tdp_read_ram(tdp, &opts.range, 0, &ram);
	if (!search_init(&search, opts.string, strlen(opts.string), PIECE))
		die("%s", strerror(errno));

	json_array_begin(&finder.array);
	for (i = 0; i < ram.nr; i++) {
		if (!find_in(&finder, &search, ram.pieces[i].gpa, ram.pieces[i].length))
			break;
	}
	json_array_end(&finder.array);

	if (!finder.matches)
		die("'%s': not found in %s of guest RAM", opts.string,
		    size_format(ram.length, size));
	search_free(&search);
	ram_free(&ram);
	close(finder.dma);
	close(tdp);
	return 0;
}
