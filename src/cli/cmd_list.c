// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "Print JSON", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct json_array *array = state->input;

	(void)arg;
	if (key != 'j')
		return ARGP_ERR_UNKNOWN;
	array->json = true;
	return 0;
}

static const struct argp argp = {
	options, parse, NULL,
	"List the processes that have KVM VMs, one line for each VM.\n"
	"\vThe column VM is what --vm takes where a process has several. "
	"Processes of other users are seen by root only.",
	NULL, NULL, NULL
};

static void print_vms(pid_t pid, const struct vm_list *list,
		      struct json_array *array)
{
	char comm[32];
	int i;

	vm_comm(pid, comm, sizeof(comm));
	for (i = 0; i < list->nr; i++) {
		struct json_object *obj = json_object_new_object();

		if (!array->json && !array->any)
			printf("%7s  %2s  %s\n", "PID", "VM", "COMMAND");
		if (!array->json)
			printf("%7d  %2d  %s\n", pid, i, comm);

		json_add_num(obj, "pid", pid);
		json_add_num(obj, "vm", i);
		json_add_str(obj, "comm", comm);
		json_array_add(array, obj);
	}
}

int cmd_list(int argc, char **argv)
{
	struct json_array array = { 0 };
	struct dirent *entry;
	struct vm_list list;
	bool denied = false;
	pid_t pid;
	DIR *proc;
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, &array);

	proc = opendir("/proc");
	if (!proc)
		die("/proc: %s", strerror(errno));

	json_array_begin(&array);
	while ((entry = readdir(proc))) {
		pid = atoi(entry->d_name);
		if (pid <= 0)
			continue;

		/* A process may be gone by now; that is no error. */
		err = vm_list_read(pid, &list);
		if (err == -EACCES || err == -EPERM)
			denied = true;
		if (!err)
			print_vms(pid, &list, &array);
	}
	json_array_end(&array);
	closedir(proc);

	if (denied)
		warn("some processes could not be looked into; run as root to see all");
	else if (!array.any && !array.json)
		warn("no process has a VM");
	return 0;
}
