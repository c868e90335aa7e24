// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "search.h"
#include "text.h"

#define PIECE		(4UL << 20)
#define CONTEXT_MAX	65536

enum { KEY_CONTEXT = 0x200, KEY_HEX, KEY_REGEX };

struct find_opts {
	struct vm_opts vm;
	struct range_opts range;
	const char *string;
	unsigned int max;
	unsigned int context;
	bool hex;
	bool regex;
};

struct finder {
	const struct find_opts *opts;
	int mem;
	struct search search;
	struct json_array array;
	unsigned int matches;
	uint64_t done;

	/* searched for, if it is no string */
	uint8_t *pattern, *mask;
	regex_t regex;
};

static const struct argp_option options[] = {
	{ "hex", KEY_HEX, NULL, 0, "STRING is bytes: 'de ad ?? ef'; ?? is any", -2 },
	{ "regex", KEY_REGEX, NULL, 0,
	  "STRING is an extended regular expression, as for grep -E", 0 },
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
	case KEY_HEX:
		opts->hex = true;
		return 0;
	case KEY_REGEX:
		opts->regex = true;
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
		if (opts->hex && opts->regex)
			argp_error(state, "--hex and --regex exclude each other");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse, "STRING",
	"Search guest memory for a string, bytes or a regular expression and print the guest physical addresses where it is.\n"
	"\vThe default range is all RAM, as 'kvm-tdp slots' has it. Matches may overlap, "
	"but for those of a regular expression. The exit status is 1 if there is none.",
	vm_range_children, NULL, NULL
};

/* The match was seen in a piece; what follows may lie in the next, or nowhere. */
static size_t read_context(struct finder *finder, uint64_t gpa, const uint8_t *match,
			   size_t own, uint8_t *buf)
{
	size_t done, i;

	memcpy(buf, match, own);
	/* A string is as it was typed; what the guest chose is not for a terminal. */
	for (i = 0; (finder->opts->hex || finder->opts->regex) && i < own; i++) {
		if (!printable_prefix(buf + i, 1))
			buf[i] = '.';
	}
	tdp_mem_read(finder->mem, gpa + own, buf + own, finder->opts->context, &done);
	return own + printable_prefix(buf + own, done);
}

static void print_match(struct finder *finder, uint64_t gpa,
			const uint8_t *text, size_t length)
{
	struct json_object *obj;

	progress_clear();
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

static bool found(uint64_t gpa, const uint8_t *match, size_t own, void *data)
{
	struct finder *finder = data;
	const struct find_opts *opts = finder->opts;
	uint8_t *text = NULL;
	size_t length = 0;

	if (opts->context) {
		text = malloc(own + opts->context);
		if (!text)
			die("%s", strerror(errno));
		length = read_context(finder, gpa, match, own, text);
	}
	print_match(finder, gpa, text, length);
	free(text);
	return ++finder->matches < opts->max;
}

/* False: the search has ended. */
static bool find_in(struct finder *finder, uint64_t gpa, uint64_t length)
{
	struct search *search = &finder->search;
	uint64_t end = gpa + length;
	size_t want, done;
	int err;

	search_skip(search, gpa, found, finder);
	while (gpa < end) {
		want = end - gpa < PIECE ? end - gpa : PIECE;
		err = tdp_mem_read(finder->mem, gpa, search_space(search), want, &done);
		gpa += done;
		finder->done += done;
		progress_update(finder->done);
		if (!search_feed(search, done, found, finder))
			return false;
		if (!err)
			continue;
		if (!tdp_is_gap(err))
			die("reading at 0x%llx: %s", (unsigned long long)gpa,
			    kvm_tdp_fault_strerror(-err));
		finder->done += 4096 - gpa % 4096;
		gpa = (gpa | 4095) + 1;
		if (!search_skip(search, gpa, found, finder))
			return false;
	}
	return search_skip(search, gpa, found, finder);
}

/* Lines end as for grep(1), and '.' is no NUL: what is matched is text. */
static void compile(struct finder *finder)
{
	const char *string = finder->opts->string;
	char text[256];
	int ret;

	ret = regcomp(&finder->regex, string, REG_EXTENDED | REG_NEWLINE);
	if (!ret)
		return;
	regerror(ret, &finder->regex, text, sizeof(text));
	warn("'%s': %s", string, text);
	exit(EXIT_USAGE);
}

static void begin_search(struct finder *finder)
{
	const char *string = finder->opts->string;
	size_t length = strlen(string);
	bool good;

	if (finder->opts->regex) {
		compile(finder);
		good = search_init_regex(&finder->search, &finder->regex, PIECE);
	} else if (finder->opts->hex) {
		finder->pattern = malloc(length);
		finder->mask = malloc(length);
		if (!finder->pattern || !finder->mask)
			die("%s", strerror(ENOMEM));
		length = search_parse_hex(string, finder->pattern, finder->mask, length);
		if (!length) {
			warn("--hex: '%s' are no bytes: give pairs of hexadecimal digits, or ?? for any, but not for all",
			     string);
			exit(EXIT_USAGE);
		}
		good = search_init(&finder->search, finder->pattern, finder->mask, length,
				   PIECE);
	} else {
		good = search_init(&finder->search, string, NULL, length, PIECE);
	}
	if (!good)
		die("%s", strerror(ENOMEM));
}

static void end_search(struct finder *finder)
{
	if (finder->opts->regex)
		regfree(&finder->regex);
	free(finder->pattern);
	free(finder->mask);
	search_free(&finder->search);
}

int cmd_find(int argc, char **argv)
{
	struct finder finder = { 0 };
	char size[SIZE_TEXT];
	struct find_opts opts;
	struct ram ram;
	size_t i;
	int tdp;

	argp_parse(&argp, argc, argv, 0, NULL, &opts);

	finder.opts = &opts;
	finder.array.json = opts.vm.json;
	begin_search(&finder);
	tdp = vm_create_tdp_fd(&opts.vm);
	finder.mem = tdp_open_mem(tdp, opts.vm.pid, O_RDONLY);
	tdp_read_ram(tdp, &opts.range, 0, &ram);

	progress_begin(ram.length, isatty(STDERR_FILENO));
	json_array_begin(&finder.array);
	for (i = 0; i < ram.nr; i++) {
		if (!find_in(&finder, ram.pieces[i].gpa, ram.pieces[i].length))
			break;
	}
	progress_clear();
	json_array_end(&finder.array);

	if (finder.search.error)
		die("'%s': the regular expression takes too much memory", opts.string);
	if (!finder.matches)
		die("'%s': not found in %s of guest RAM", opts.string,
		    size_format(ram.length, size));
	end_search(&finder);
	ram_free(&ram);
	close(finder.mem);
	close(tdp);
	return 0;
}
