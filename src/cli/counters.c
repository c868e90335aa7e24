// SPDX-License-Identifier: GPL-2.0-only
#include "counters.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
#define COUNTER(name, member) \
	{ name, offsetof(struct kvm_tdp_stats, member) }
	COUNTER("leaves_4k", leaves[0]),
	COUNTER("leaves_2m", leaves[1]),
	COUNTER("leaves_1g", leaves[2]),
	COUNTER("table_pages", table_pages),
	COUNTER("pool_pages", pool_pages),
	COUNTER("importers", importers),
	COUNTER("faults", faults),
	COUNTER("faults_spurious", faults_spurious),
	COUNTER("faults_failed", faults_failed),
	COUNTER("retries", retries),
	COUNTER("entries_set", entries_set),
	COUNTER("entries_zapped", entries_zapped),
	COUNTER("replaced", replaced),
	COUNTER("invalidations", invalidations),
	COUNTER("invalidations_sent", invalidations_sent),
	COUNTER("slot_zaps", slot_zaps),
	COUNTER("seeded", seeded),
	COUNTER("eager_filled", eager_filled),
	COUNTER("eager_present", eager_present),
	COUNTER("eager_busy", eager_busy),
	COUNTER("eager_contended", eager_contended),
	COUNTER("eager_no_pool", eager_no_pool),
	COUNTER("eager_no_room", eager_no_room),
	COUNTER("eager_no_slot", eager_no_slot),
	COUNTER("eager_not_ram", eager_not_ram),
	COUNTER("eager_foreign", eager_foreign),
#undef COUNTER
};

#define NR_COUNTERS	(sizeof(counters) / sizeof(counters[0]))

const char *counter_name(size_t i)
{
	return i < NR_COUNTERS ? counters[i].name : NULL;
}

uint64_t counter_get(const struct kvm_tdp_stats *stats, size_t i)
{
	return *(const __u64 *)((const char *)stats + counters[i].offset);
}

bool counters_parse(struct kvm_tdp_stats *stats, const char *line)
{
	static const char prefix[] = "kvm_tdp_";
	size_t i, n;

	if (strncmp(line, prefix, strlen(prefix)))
		return false;
	line += strlen(prefix);
	for (i = 0; i < NR_COUNTERS; i++) {
		n = strlen(counters[i].name);
		if (strncmp(line, counters[i].name, n) || line[n] != ':')
			continue;
		*(__u64 *)((char *)stats + counters[i].offset) = strtoull(line + n + 1, NULL, 10);
		return true;
	}
	return false;
}

uint64_t counters_mapped(const struct kvm_tdp_stats *stats)
{
	return (stats->leaves[0] << 12) + (stats->leaves[1] << 21) + (stats->leaves[2] << 30);
}

uint64_t counters_dropped(const struct kvm_tdp_stats *stats)
{
	return stats->eager_busy + stats->eager_contended + stats->eager_no_pool +
	       stats->eager_no_room + stats->eager_no_slot + stats->eager_not_ram;
}
