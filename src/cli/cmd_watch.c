// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "text.h"

#define LENGTH_MAX	(1UL << 30)

enum { KEY_EXEC = 0x200, KEY_EXPECT };

struct watch_opts {
	struct vm_opts vm;
	struct range_opts range;
	const char *command;
	bool any_content;
};

struct observed {
	struct kvm_tdp_dma_stats before;	/* the command ran between these */
	struct kvm_tdp_dma_stats after;
	struct kvm_tdp_dma_stats reread;
	const char *content;
};

static const struct argp_option options[] = {
	{ "exec", KEY_EXEC, "CMD", 0, "Command to run, by sh -c; required", -3 },
	{ "expect", KEY_EXPECT, "same|any", 0,
	  "Whether the content must be the same afterwards (default: same)", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct watch_opts *opts = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		*opts = (struct watch_opts){ 0 };
		state->child_inputs[0] = &opts->vm;
		state->child_inputs[1] = &opts->range;
		return 0;
	case KEY_EXEC:
		opts->command = arg;
		return 0;
	case KEY_EXPECT:
		opts->any_content = !strcmp(arg, "any");
		if (!opts->any_content && strcmp(arg, "same"))
			argp_error(state, "--expect: 'same' or 'any'");
		return 0;
	case ARGP_KEY_END:
		range_need_gpa(&opts->range, state);
		if (!opts->command)
			argp_error(state, "--exec CMD is required");
		if (opts->range.length > LENGTH_MAX)
			argp_error(state, "--length: at most 1G");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse, NULL,
	"Show that the exported table follows the host: read guest memory, run a command that makes the host take memory away, and read again.\n"
	"\vThe exit status is 0 only if CMD succeeds, an invalidation reached the "
	"DMA engine while it ran, and the content is as expected. --length is "
	"one page by default.",
	vm_range_children, NULL, NULL
};

static void run_command(const char *command)
{
	int status;

	/* The child would print what is still in our buffer once more. */
	fflush(stdout);
	status = system(command);
	if (status < 0)
		die("sh -c '%s': %s", command, strerror(errno));
	if (WIFSIGNALED(status))
		die("'%s': killed by signal %d", command, WTERMSIG(status));
	if (WEXITSTATUS(status))
		die("'%s': exit status %d", command, WEXITSTATUS(status));
}

static void watch(const struct watch_opts *opts, struct observed *seen)
{
	size_t length = opts->range.length, done;
	uint8_t *first = malloc(length), *second = malloc(length);
	int dma, err;

	if (!first || !second)
		die("%zu bytes: %s", length, strerror(errno));

	dma = tdp_open_dma(vm_create_tdp_fd(&opts->vm));
	err = kvm_tdp_dma_read(dma, opts->range.gpa, first, length, 0, &done);
	if (err)
		die("reading at 0x%llx: %s",
		    (unsigned long long)(opts->range.gpa + done),
		    kvm_tdp_fault_strerror(-err));

	tdp_get_dma_stats(dma, &seen->before);
	run_command(opts->command);
	tdp_get_dma_stats(dma, &seen->after);

	err = kvm_tdp_dma_read(dma, opts->range.gpa, second, length, 0, &done);
	tdp_get_dma_stats(dma, &seen->reread);
	if (err)
		seen->content = "gone";
	else
		seen->content = memcmp(first, second, length) ? "changed" :
								"same";
	close(dma);
	free(first);
	free(second);
}

static void print_text(const struct observed *seen)
{
	printf("invalidations: %llu -> %llu\n",
	       (unsigned long long)seen->before.invalidations,
	       (unsigned long long)seen->after.invalidations);
	printf("faults: %llu -> %llu\n",
	       (unsigned long long)seen->before.faults,
	       (unsigned long long)seen->reread.faults);
	printf("content: %s\n", seen->content);
}

static void print_json(const struct observed *seen)
{
	struct json_object *obj = json_object_new_object();

	json_add_num(obj, "invalidations_before", seen->before.invalidations);
	json_add_num(obj, "invalidations_after", seen->after.invalidations);
	json_add_num(obj, "faults_before", seen->before.faults);
	json_add_num(obj, "faults_after", seen->reread.faults);
	json_add_str(obj, "content", seen->content);
	json_out(obj);
}

int cmd_watch(int argc, char **argv)
{
	struct watch_opts opts;
	struct observed seen;

	argp_parse(&argp, argc, argv, 0, NULL, &opts);
	if (!opts.range.has_length)
		opts.range.length = 4096;

	watch(&opts, &seen);
	if (opts.vm.json)
		print_json(&seen);
	else
		print_text(&seen);

	if (seen.after.invalidations == seen.before.invalidations)
		die("no invalidation arrived while '%s' ran", opts.command);
	if (!opts.any_content && strcmp(seen.content, "same"))
		die("the content is not what it was; if that is expected: --expect any");
	return 0;
}
