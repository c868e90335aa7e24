// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proc.h"
#include "text.h"

#define SPACES	"/sys/kernel/kvm_tdp_iommu"
#define PATTERN	SPACES "/*"

/* Files of kvm_tdp_iommu's, a number each. */
static const char *const numbers[] = {
	"mapped", "in_flight", "begun", "hits", "faults", "invalidations",
};

static const struct argp argp = {
	NULL, pass_input, NULL,
	"List the devices that do DMA by guest physical address (kvm_tdp_iommu), and the "
	"process whose VM each follows.\n"
	"\vPID is 0 for a device that follows none. Devices that share one address space are listed "
	"together, MAPPED is what the device reaches of the "
	"guest's memory now; HITS are transfers that the host took the memory from.",
	json_children, NULL, NULL
};

static bool read_number(const char *dir, const char *name, uint64_t *value)
{
	char path[512];
	FILE *file;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "re");
	ok = file && fscanf(file, "%" SCNu64, value) == 1;
	if (file)
		fclose(file);
	return ok;
}

/* The names of those that are in an address space, with commas. */
static bool read_devices(const char *dir, char *names, size_t size)
{
	char path[512];
	FILE *file;
	size_t got = 0;

	snprintf(path, sizeof(path), "%s/devices", dir);
	file = fopen(path, "re");
	if (file) {
		got = fread(names, 1, size - 1, file);
		fclose(file);
	}
	if (!got)
		return false;
	names[got - 1] = '\0';	/* the last newline */
	for (; *names; names++)
		if (*names == '\n')
			*names = ',';
	return true;
}

/* One that is gone by now is left out. */
static void print_space(const char *dir, struct json_array *array)
{
	uint64_t pid, values[sizeof(numbers) / sizeof(numbers[0])];
	struct json_object *obj;
	char name[256], comm[32] = "-", size[SIZE_TEXT];
	size_t i;

	if (!read_devices(dir, name, sizeof(name)) || !read_number(dir, "pid", &pid))
		return;
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!read_number(dir, numbers[i], &values[i]))
			return;
	if (pid)
		vm_comm(pid, comm, sizeof(comm));
	if (!array->json && !array->any)
		printf("%-12s  %7s  %-15s  %10s  %9s  %10s  %8s  %8s\n", "DEVICE", "PID", "COMMAND",
		       "MAPPED", "IN-FLIGHT", "BEGUN", "HITS", "FAULTS");
	if (!array->json)
		printf("%-12s  %7" PRIu64 "  %-15s  %10s  %9" PRIu64 "  %10" PRIu64
		       "  %8" PRIu64 "  %8" PRIu64 "\n", name, pid, comm,
		       size_format(values[0], size), values[1], values[2], values[3], values[4]);
	obj = json_object_new_object();
	json_add_str(obj, "devices", name);
	json_add_num(obj, "pid", pid);
	json_add_str(obj, "comm", comm);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		json_add_num(obj, numbers[i], values[i]);
	json_array_add(array, obj);
}

int cmd_devices(int argc, char **argv)
{
	struct json_array array = { 0 };
	glob_t found = { 0 };
	size_t i;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &array.json);
	ret = glob(PATTERN, 0, NULL, &found);
	if (ret && ret != GLOB_NOMATCH)
		die("%s: %s", SPACES, ret == GLOB_NOSPACE ? strerror(ENOMEM) : strerror(EIO));
	json_array_begin(&array);
	for (i = 0; i < found.gl_pathc; i++)
		print_space(found.gl_pathv[i], &array);
	json_array_end(&array);
	globfree(&found);
	if (!array.any && !array.json)
		warn("no device follows a guest");
	return 0;
}
