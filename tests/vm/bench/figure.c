// SPDX-License-Identifier: GPL-2.0-only
#include "figure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "../../kmod/marks.h"
#include "actor.h"
#include "kmod.h"
#include "tap.h"

bool figure_counts(void)
{
	return !getenv("KTDP_CYCLES");
}

static void __attribute__((constructor)) figure_pin(void)
{
	if (!figure_counts())
		actor_bind(atoi(getenv("KTDP_CYCLES")));
}

uint64_t ticks(void)
{
	_mm_lfence();
	return __rdtsc();
}

/* Loops of known length tell what a tick is; in the shortest nobody else ran. */
static double insns_per_tick(void)
{
	const unsigned long rounds = 100000;
	uint64_t begin, spent, least = -1;
	int i;

	for (i = 0; i < 100; i++) {
		unsigned long n = rounds;

		begin = ticks();
		asm volatile("1: dec %0\n\tjnz 1b" : "+r"(n) : : "cc");
		spent = ticks() - begin;
		if (spent < least)
			least = spent;
	}
	return 2.0 * rounds / least;
}

double insns(double ticks)
{
	static double per_tick;

	if (!per_tick)
		per_tick = figure_counts() ? insns_per_tick() : 1;
	return ticks * per_tick;
}

uint64_t section_begin(void)
{
	uint64_t begin = ticks();

	profile_on();
	return begin;
}

static void section_name(const char *name, double units)
{
	profile_next();
	printf("section: %.0f\t%s\n", units, name);
}

double section_end(uint64_t begin, const char *name, double units)
{
	uint64_t end;

	profile_off();
	end = ticks();
	section_name(name, units);
	return insns(end - begin) / units;
}

struct cost section_calls(const char *name, int kmod, const struct ktdp_test_bench *calls)
{
	struct ktdp_test_bench none = { .batch = 1, .pages = calls->pages };
	struct ktdp_test_bench bench = *calls;

	kmod_do(kmod, KTDP_TEST_BENCH, &none);
	section_name("measuring", none.pages);
	kmod_do(kmod, KTDP_TEST_BENCH, &bench);
	if (bench.ret)
		bail("%s: %d", name, bench.ret);
	section_name(name, bench.pages);
	return (struct cost) {
		.median = insns(bench.median - none.median) / bench.batch,
		.mean = insns((double)bench.total / bench.calls -
			      (double)none.total / none.calls) / bench.batch,
	};
}

static int compare(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

double median(uint64_t *spent, size_t nr)
{
	qsort(spent, nr, sizeof(*spent), compare);
	return insns(spent[nr / 2]);
}

double least(double a, double b)
{
	return a < b ? a : b;
}

static const char *here(const char *unit)
{
	return strcmp(unit, "insns") || figure_counts() ? unit : "cycles";
}

void report(const char *name, double value, const char *unit)
{
	printf("figure: %s\t%.1f\t%s\n", name, value, here(unit));
}

void report_beside(const char *name, double value, const char *unit,
		   const char *peer, double peer_value)
{
	printf("figure: %s\t%.1f\t%s\t%.1f\t%.3f\t%s\n", name, value, here(unit),
	       peer_value, value / peer_value, peer);
}
