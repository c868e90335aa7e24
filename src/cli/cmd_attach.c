// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As env(1) and nohup(1): told apart from failures of ours. */
#define EXIT_CANNOT_RUN	126
#define EXIT_NOT_FOUND	127

struct attach_opts {
	struct vm_opts vm;
	char **command;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct attach_opts *opts = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		opts->command = NULL;
		state->child_inputs[0] = &opts->vm;
		return 0;
	case ARGP_KEY_ARG:
		/* From here on, options are the command's own. */
		opts->command = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_END:
		if (!opts->command)
			argp_error(state, "a COMMAND to run is required");
		if (opts->vm.json)
			argp_error(state, "--json: attach prints nothing itself");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &vm_argp, 0, NULL, 0 }, { 0 } };

static const struct argp argp = {
	NULL, parse, "-- COMMAND...",
	"Create a TDP fd for a VM and run COMMAND with it.\n"
	"\vCOMMAND inherits the fd and finds its number in the environment "
	"variable KVM_TDP_FD. As long as it runs, the exported table stays: "
	"'kvm-tdp attach --pid PID -- sleep inf' keeps it.\n\n"
	"The exit status is that of COMMAND; 127 if there is no such command, "
	"126 if it cannot be run.",
	children, NULL, NULL
};

int cmd_attach(int argc, char **argv)
{
	struct attach_opts opts;
	char number[16];
	int tdp_fd, err;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &opts);

	tdp_fd = vm_create_tdp_fd(&opts.vm);
	snprintf(number, sizeof(number), "%d", tdp_fd);
	if (fcntl(tdp_fd, F_SETFD, 0) || setenv("KVM_TDP_FD", number, 1))
		die("passing on the TDP fd: %s", strerror(errno));

	execvp(opts.command[0], opts.command);
	err = errno;
	warn("%s: %s", opts.command[0], strerror(err));
	return err == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}
