// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct json_array *array = state->input;

	(void)arg;
	if (key != ARGP_KEY_INIT)
		return ARGP_ERR_UNKNOWN;
	state->child_inputs[0] = &array->json;
	return 0;
}

static const struct argp argp = {
	NULL, parse, NULL,
	"List the processes that have KVM VMs, one line for each VM.\n"
	"\vThe column VM is what --vm takes where a process has several. "
	"Processes of other users are seen by root only.",
	json_children, NULL, NULL
};

static void print_vms(pid_t pid, const struct kvm_tdp_vms *vms,
		      struct json_array *array)
{
	char comm[32];
	int i;

	vm_comm(pid, comm, sizeof(comm));
	for (i = 0; i < vms->nr; i++) {
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
	struct kvm_tdp_vms vms;
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
		err = kvm_tdp_list_vms(pid, &vms);
		if (err == -EACCES || err == -EPERM)
			denied = true;
		if (!err)
			print_vms(pid, &vms, &array);
	}
	json_array_end(&array);
	closedir(proc);

	if (denied)
		warn("some processes could not be looked into; run as root to see all");
	else if (!array.any && !array.json)
		warn("no process has a VM");
	return 0;
}
