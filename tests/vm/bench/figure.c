// SPDX-License-Identifier: GPL-2.0-only
#include "figure.h"

#include <stdio.h>
#include <x86intrin.h>

#include "../../kmod/marks.h"

static uint64_t ticks(void)
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
		per_tick = insns_per_tick();
	return ticks * per_tick;
}

uint64_t section_begin(void)
{
	uint64_t begin = ticks();

	profile_on();
	return begin;
}

double section_end(uint64_t begin, const char *name, double units)
{
	uint64_t end;

	profile_off();
	end = ticks();
	section_name(name, units);
	return insns(end - begin) / units;
}

void section_name(const char *name, double units)
{
	profile_next();
	printf("section: %.0f\t%s\n", units, name);
}

void report(const char *name, double value, const char *unit)
{
	printf("figure: %s\t%.1f\t%s\n", name, value, unit);
}

void report_beside(const char *name, double value, const char *unit,
		   const char *peer, double peer_value)
{
	printf("figure: %s\t%.1f\t%s\t%.1f\t%.3f\t%s\n", name, value, unit,
	       peer_value, value / peer_value, peer);
}
