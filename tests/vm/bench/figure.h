/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_FIGURE_H
#define TESTS_VM_FIGURE_H

/*
 * Costs in instructions, for VMs whose clock counts them: a tick of the TSC is then a
 * fixed number of instructions.  With KTDP_CYCLES=CPU in the environment they are in
 * cycles of the TSC, on that CPU, and nothing is held against a limit: scripts/test-host
 * does so, many times.
 *
 *	begin = section_begin();
 *	... what is measured ...
 *	cost = section_end(begin, "fault(), one page", pages);
 *	report("fault(), one page", cost, "insns");
 *
 * scripts/bench --profile lists a section's instructions by function.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tap.h"

uint64_t ticks(void);
double insns(double ticks);

/* What is between has cost so many instructions for each of @units. */
uint64_t section_begin(void);
double section_end(uint64_t begin, const char *name, double units);

/* The same for the test module's calls, one by one, less what measuring costs. */
struct ktdp_test_bench;
struct cost {
	double median, mean;	/* of a page */
};

struct cost section_calls(const char *name, int kmod, const struct ktdp_test_bench *calls);

/* In instructions, of @nr costs in ticks, which are sorted. */
double median(uint64_t *spent, size_t nr);

double least(double a, double b);

/* A limit, as ok(), where instructions are counted; elsewhere it is only told. */
#define within(good, ...)	(figure_counts() ? (void)ok(good, __VA_ARGS__) : diag(__VA_ARGS__))
bool figure_counts(void);

/* Tell scripts/bench; @unit is "insns" or, in the same words wherever it runs, another. */
void report(const char *name, double value, const char *unit);

/* And what it is to be held against. */
void report_beside(const char *name, double value, const char *unit,
		   const char *peer, double peer_value);

#endif /* TESTS_VM_FIGURE_H */
