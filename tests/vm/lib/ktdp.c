// SPDX-License-Identifier: GPL-2.0-only
#include "ktdp.h"

#include <string.h>

#include "mem.h"
#include "sys.h"
#include "tap.h"

#define MAP_RUNS	256
/* Beyond what any guest here has; read_map cuts it to the table's reach. */
#define WHOLE_SPACE	(1ULL << 52)

struct kvm_tdp_stats ktdp_stats(int tdp)
{
	struct kvm_tdp_stats stats;
	int ret = kvm_tdp_get_stats(tdp, &stats);

	if (ret)
		bail("no counters: %d", ret);
	return stats;
}

int ktdp_prefault_some(int tdp, uint64_t gpa, uint64_t size,
		       unsigned int access, uint64_t *some)
{
	uint64_t next = gpa;
	int ret = kvm_tdp_map_range(tdp, &next, &size, access);

	*some = next - gpa;
	return ret;
}

int ktdp_prefault(int tdp, uint64_t gpa, uint64_t size, unsigned int access)
{
	uint64_t some;

	return ktdp_prefault_some(tdp, gpa, size, access, &some);
}

static int ktdp_add_run(const struct kvm_tdp_run *run, void *data)
{
	struct ktdp_map *map = data;

	if (map->nr % MAP_RUNS == 0)
		map->runs = realloc(map->runs, (map->nr + MAP_RUNS) * sizeof(*run));
	if (!map->runs)
		bail("out of memory");
	map->runs[map->nr++] = *run;
	return 0;
}

void ktdp_read_map(int tdp, uint64_t gpa, uint64_t size, struct ktdp_map *map)
{
	int ret;

	memset(map, 0, sizeof(*map));
	ret = kvm_tdp_read_runs(tdp, gpa, size, ktdp_add_run, map);
	if (ret)
		bail("no map: %d", ret);
}

void ktdp_free_map(struct ktdp_map *map)
{
	free(map->runs);
	memset(map, 0, sizeof(*map));
}

const struct kvm_tdp_run *ktdp_lookup(const struct ktdp_map *map, uint64_t gpa)
{
	size_t i;

	for (i = 0; i < map->nr; i++)
		if (gpa >= map->runs[i].gpa &&
		    gpa - map->runs[i].gpa < map->runs[i].length)
			return &map->runs[i];
	return NULL;
}

/* The run that holds the 4K page, clipped to it; all zero if there is none. */
static struct kvm_tdp_run ktdp_page(int tdp, uint64_t gpa)
{
	struct kvm_tdp_run run = { 0 };
	struct ktdp_map map;

	ktdp_read_map(tdp, gpa & -PAGE_4K, PAGE_4K, &map);
	if (map.nr)
		run = map.runs[0];
	ktdp_free_map(&map);
	return run;
}

unsigned int ktdp_level(int tdp, uint64_t gpa)
{
	return ktdp_page(tdp, gpa).level;
}

unsigned int ktdp_access(int tdp, uint64_t gpa)
{
	return ktdp_page(tdp, gpa).access;
}

uint64_t ktdp_hpa(int tdp, uint64_t gpa)
{
	return ktdp_page(tdp, gpa).hpa;
}

static void ktdp_diag_run(const struct kvm_tdp_run *run)
{
	diag("map: gpa %#llx length %#llx hpa %#llx access %#x level %u",
	     run->gpa, run->length, run->hpa, run->access, run->level);
}

/* No leaf with any of @access; ~0 for no leaf at all. */
bool ktdp_grants_none(int tdp, uint64_t gpa, uint64_t size, unsigned int access)
{
	struct ktdp_map map;
	bool none = true;
	size_t i;

	ktdp_read_map(tdp, gpa, size, &map);
	for (i = 0; i < map.nr; i++) {
		if (access != ~0U && !(map.runs[i].access & access))
			continue;
		ktdp_diag_run(&map.runs[i]);
		none = false;
	}
	ktdp_free_map(&map);
	return none;
}

bool ktdp_absent(int tdp, uint64_t gpa, uint64_t size)
{
	return ktdp_grants_none(tdp, gpa, size, ~0U);
}

bool ktdp_empties(int tdp, unsigned int ms)
{
	struct kvm_tdp_stats stats;

	do {
		stats = ktdp_stats(tdp);
		if (!(stats.leaves[0] | stats.leaves[1] | stats.leaves[2]))
			return ktdp_absent(tdp, 0, WHOLE_SPACE);
	} while (sys_step(&ms));
	return ktdp_absent(tdp, 0, WHOLE_SPACE);
}

bool ktdp_mapped(int tdp, uint64_t gpa, uint64_t size)
{
	struct ktdp_map map;
	uint64_t next = gpa;
	size_t i;

	ktdp_read_map(tdp, gpa, size, &map);
	for (i = 0; i < map.nr && map.runs[i].gpa == next; i++)
		next += map.runs[i].length;
	ktdp_free_map(&map);
	if (next != gpa + size)
		diag("map: nothing at gpa %#llx", (unsigned long long)next);
	return next == gpa + size;
}

bool ktdp_counts_agree(int tdp)
{
	uint64_t leaves[4] = { 0 };
	struct kvm_tdp_stats stats;
	struct ktdp_map map;
	bool good = true;
	size_t i;

	ktdp_read_map(tdp, 0, WHOLE_SPACE, &map);
	for (i = 0; i < map.nr; i++)
		leaves[map.runs[i].level & 3] += map.runs[i].length >>
						 (3 + 9 * map.runs[i].level);
	ktdp_free_map(&map);
	stats = ktdp_stats(tdp);
	for (i = 1; i <= 3; i++) {
		if (leaves[i] == stats.leaves[i - 1])
			continue;
		diag("level %zu: %llu leaves in the map, %llu counted", i,
		     (unsigned long long)leaves[i], stats.leaves[i - 1]);
		good = false;
	}
	return good;
}

uint64_t ktdp_verify_wrong(const struct kvm_tdp_verify *verify)
{
	return verify->stale + verify->excess + verify->no_slot +
	       verify->reserved + verify->kvm + verify->counters;
}
