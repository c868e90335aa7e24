// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <stdio.h>

#include "counters.h"
#include "proc.h"
#include "procs.h"
#include "text.h"

static const struct argp argp = {
	NULL, pass_input, NULL,
	"List the processes that have KVM VMs, one line for each VM.\n"
	"\vThe column VM is what --vm takes where a process has several. VCPUS, MAPPED and "
	"HELD BY are of all VMs of the process: its vCPUs, what their exported tables map, and "
	"the processes that have a TDP fd; - if there is none. Nothing is exported to find "
	"out. Processes of other users are seen by root only.",
	json_children, NULL, NULL
};

/* List the holders of TDP fds of a process's VMs, each once: as text, and in @array. */
static void find_holders(const struct procs *procs, pid_t vm_pid, char *text, size_t size,
			 struct json_object *array, uint64_t *mapped)
{
	pid_t last = 0;
	size_t i, n = 0;

	*mapped = 0;
	snprintf(text, size, "-");
	for (i = 0; i < procs->nr_holders; i++) {
		const struct holder *holder = &procs->holders[i];

		if (holder->vm_pid != vm_pid)
			continue;
		/* All of one VM share a table. */
		if (counters_mapped(&holder->stats) > *mapped)
			*mapped = counters_mapped(&holder->stats);
		if (holder->pid == last)
			continue;
		last = holder->pid;
		if (n < size)
			n += snprintf(text + n, size - n, "%s%d", n ? "," : "", last);
		json_object_array_add(array, json_object_new_int(last));
	}
}

static void print_vms(const struct procs *procs, const struct proc *proc,
		      const struct kvm_tdp_vms *vms, struct json_array *array)
{
	char comm[32], holders[64], size[SIZE_TEXT] = "-";
	struct json_object *obj, *held;
	uint64_t mapped;
	int i;

	vm_comm(proc->pid, comm, sizeof(comm));
	for (i = 0; i < vms->nr; i++) {
		obj = json_object_new_object();
		held = json_object_new_array();
		find_holders(procs, proc->pid, holders, sizeof(holders), held, &mapped);
		if (mapped)
			size_format(mapped, size);
		if (!array->json && !array->any)
			printf("%7s  %2s  %-15s  %5s  %9s  %s\n", "PID", "VM", "COMMAND",
			       "VCPUS", "MAPPED", "HELD BY");
		if (!array->json)
			printf("%7d  %2d  %-15s  %5u  %9s  %s\n", proc->pid, i, comm,
			       proc->vcpus, size, holders);

		json_add_num(obj, "pid", proc->pid);
		json_add_num(obj, "vm", i);
		json_add_str(obj, "comm", comm);
		json_add_num(obj, "vcpus", proc->vcpus);
		json_add_num(obj, "mapped", mapped);
		json_object_object_add(obj, "holders", held);
		json_array_add(array, obj);
	}
}

int cmd_list(int argc, char **argv)
{
	struct json_array array = { 0 };
	struct kvm_tdp_vms vms;
	struct procs procs;
	bool denied = false;
	size_t i;

	argp_parse(&argp, argc, argv, 0, NULL, &array.json);

	procs_read(&procs);
	json_array_begin(&array);
	for (i = 0; i < procs.nr; i++) {
		denied |= procs.procs[i].denied;
		/* A process may be gone by now; that is no error. */
		if (procs.procs[i].has_vm &&
		    !kvm_tdp_list_vms(procs.procs[i].pid, &vms))
			print_vms(&procs, &procs.procs[i], &vms, &array);
	}
	json_array_end(&array);
	procs_free(&procs);

	if (denied)
		warn("some processes could not be looked into; run as root to see all");
	else if (!array.any && !array.json)
		warn("no process has a VM");
	return 0;
}
