// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "stress.h"
#include "sys.h"

/* All but the last, which is rare, must come. */
static const char * const host_names[] = {
	"pswpout", "pswpin", "pglazyfreed", "pgmigrate_success",
	"compact_isolated", "thp_fault_alloc", "thp_collapse_alloc",
	"thp_split_page", "thp_split_pmd", "cow_ksm", "numa_hint_faults",
	"numa_pages_migrated", "oom_kill", "drop_slab", "thp_migration_success",
};

#define NR_HOST	(sizeof(host_names) / sizeof(host_names[0]))
#define NR_MUST	(NR_HOST - 1)

static unsigned long long host_before[NR_HOST];

static unsigned long long host_value(const char *name)
{
	unsigned long long value = 0;
	char line[128], word[64];
	FILE *vmstat = fopen("/proc/vmstat", "re");

	if (!vmstat)
		bail("no vmstat: errno %d", errno);
	while (fgets(line, sizeof(line), vmstat)) {
		if (sscanf(line, "%63s %llu", word, &value) == 2 &&
		    !strcmp(word, name))
			break;
		value = 0;
	}
	fclose(vmstat);
	return value;
}

void host_begin(void)
{
	size_t i;

	/* Not every kernel has it on by itself. */
	if (sys_alone())
		sys_write("/proc/sys/kernel/numa_balancing", "1");
	for (i = 0; i < NR_HOST; i++)
		host_before[i] = host_value(host_names[i]);
}

static unsigned long long host_change(size_t i)
{
	return host_value(host_names[i]) - host_before[i];
}

void host_print(void)
{
	char what[64];
	size_t i;

	for (i = 0; i < NR_HOST; i++) {
		snprintf(what, sizeof(what), "host: %s", host_names[i]);
		table_row(what, host_change(i));
	}
}

bool host_all_done(void)
{
	bool all = true;
	size_t i;

	for (i = 0; i < NR_MUST; i++) {
		if (host_change(i))
			continue;
		diag("%s has not changed", host_names[i]);
		all = false;
	}
	return all;
}
