// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <stdio.h>
#include <string.h>

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "list", cmd_list },
	{ "info", cmd_info },
	{ "slots", cmd_slots },
	{ "importers", cmd_importers },
	{ "map", cmd_map },
	{ "prefault", cmd_prefault },
	{ "stat", cmd_stat },
	{ "read", cmd_read },
	{ "write", cmd_write },
	{ "find", cmd_find },
	{ "dump", cmd_dump },
	{ "mount", cmd_mount },
	{ "watch", cmd_watch },
	{ "events", cmd_events },
	{ "top", cmd_top },
	{ "attach", cmd_attach },
	{ "verify", cmd_verify },
	{ "devices", cmd_devices },
	{ "doctor", cmd_doctor },
};

static const char doc[] =
	"Look at and use the memory of a running KVM guest through the table that the kvm_tdp module exports.\n"
	"\vCommands:\n"
	"  list       processes that have VMs\n"
	"  info       format, levels and root of a VM's exported table\n"
	"  slots      where a VM has memory\n"
	"  importers  drivers that use a VM's table\n"
	"  map        what the table maps now\n"
	"  prefault   map a range of guest memory\n"
	"  stat       counters\n"
	"  read       read guest memory\n"
	"  write      write guest memory\n"
	"  find       search guest memory for a string, bytes or a regular expression\n"
	"  dump       write guest memory to an ELF core\n"
	"  mount      show a VM as files: its memory, raw and as an ELF core\n"
	"  watch      run a command and see the host take memory away\n"
	"  events     what happens to tables, as it happens\n"
	"  top        watch the tables of all VMs\n"
	"  attach     run a command that inherits a TDP fd\n"
	"  verify     check the table against the host\n"
	"  devices    devices that do DMA by guest physical address\n"
	"  doctor     what keeps this machine from exporting a VM's memory\n"
	"\n"
	"'kvm-tdp help COMMAND' tells more. read, write, find, dump and mount go through the module kvm_tdp_mem, watch through kvm_tdp_dma.\n"
	"\n"
	"Exit status: 0 success, 1 failure, 2 wrong usage.";

static const struct argp_option options[] = {
	{ NULL, 'h', NULL, OPTION_HIDDEN, NULL, 0 },
	{ 0 }
};

struct chosen {
	const struct command *command;
	bool help;
	int argc;
	char **argv;
};

static error_t main_parse(int key, char *arg, struct argp_state *state)
{
	struct chosen *chosen = state->input;
	size_t i;

	switch (key) {
	case 'h':
		argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
		return 0;
	case ARGP_KEY_ARG:
		/* "help COMMAND" is "COMMAND --help". */
		if (!strcmp(arg, "help")) {
			if (state->next == state->argc)
				argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
			chosen->help = true;
			return 0;
		}
		for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
			if (!strcmp(arg, commands[i].name))
				chosen->command = &commands[i];
		}
		if (!chosen->command)
			argp_error(state, "'%s' is no command", arg);

		/* The rest is the command's to parse. */
		chosen->argc = state->argc - state->next + 1;
		chosen->argv = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "a command is needed");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

int main(int argc, char **argv)
{
	static const struct argp argp = { options, main_parse,
					  "COMMAND [OPTION...]", doc, NULL,
					  NULL, NULL };
	struct chosen chosen = { 0 };
	char name[32];

	/* A line at a time: others may write to the same terminal or log. */
	setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
	argp_err_exit_status = EXIT_USAGE;
	argp_program_version = "kvm-tdp " KTDP_VERSION;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &chosen);

	argp_program_version = NULL;
	snprintf(name, sizeof(name), "kvm-tdp %s", chosen.command->name);
	chosen.argv[0] = name;
	if (chosen.help)
		return chosen.command->run(2, (char *[]){ name, "--help", NULL });
	return out_finish(chosen.command->run(chosen.argc, chosen.argv));
}
