// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <stdio.h>

#include "proc.h"

#define ROOM	85	/* no more come at once */

static const struct argp_child children[] = { { &vm_argp, 0, NULL, 0 }, { 0 } };

static const struct argp argp = {
	NULL, pass_input, NULL,
	"List the drivers that use the exported table of a VM.\n"
	"\vPID is the process that had the driver register, INVALIDATIONS how often the "
	"driver was told that the host takes memory away.",
	children, NULL, NULL
};

static void print_importer(const struct kvm_tdp_importer *importer,
			   struct json_array *array)
{
	struct json_object *obj = json_object_new_object();
	char comm[32] = "-";

	if (importer->pid)
		vm_comm(importer->pid, comm, sizeof(comm));
	if (!array->json && !array->any)
		printf("%-24s  %7s  %-15s  %s\n", "IMPORTER", "PID", "COMMAND",
		       "INVALIDATIONS");
	if (!array->json)
		printf("%-24s  %7d  %-15s  %llu\n", importer->name, importer->pid, comm,
		       (unsigned long long)importer->invalidations);
	json_add_str(obj, "name", importer->name);
	json_add_num(obj, "pid", importer->pid);
	json_add_str(obj, "comm", comm);
	json_add_num(obj, "invalidations", importer->invalidations);
	json_array_add(array, obj);
}

int cmd_importers(int argc, char **argv)
{
	struct kvm_tdp_importer importers[ROOM];
	struct json_array array = { 0 };
	struct vm_opts vm;
	int nr, i;

	argp_parse(&argp, argc, argv, 0, NULL, &vm);
	nr = tdp_get_importers(vm_create_tdp_fd(&vm), importers, ROOM);
	array.json = vm.json;
	json_array_begin(&array);
	for (i = 0; i < nr; i++)
		print_importer(&importers[i], &array);
	json_array_end(&array);
	if (!nr && !vm.json)
		puts("no driver uses the table");
	return 0;
}
