// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "stress.h"

static const char * const host_names[] = {
	"pswpout", "pswpin", "pglazyfreed", "pgmigrate_success",
	"compact_success", "thp_collapse_alloc", "thp_split_pmd",
	"thp_migration_success", "cow_ksm", "numa_hint_faults", "numa_pages_migrated",
	"drop_slab",
};

#define NR_HOST	(sizeof(host_names) / sizeof(host_names[0]))

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

	for (i = 0; i < NR_HOST; i++)
		host_before[i] = host_value(host_names[i]);
}

void host_print(void)
{
	char what[64];
	size_t i;

	for (i = 0; i < NR_HOST; i++) {
		snprintf(what, sizeof(what), "host: %s", host_names[i]);
		printf("stress: %-52s %12llu\n", what,
		       host_value(host_names[i]) - host_before[i]);
	}
	fflush(stdout);
}
