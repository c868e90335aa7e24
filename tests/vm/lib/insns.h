/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_INSNS_H
#define TESTS_VM_INSNS_H

/*
 * Cost in instructions, for VMs whose clock counts them: the tick of the TSC is
 * then a fixed number of instructions.
 */

#include <stdint.h>
#include <stdio.h>
#include <x86intrin.h>

static inline uint64_t ticks(void)
{
	_mm_lfence();
	return __rdtsc();
}

/* A loop of known length tells what a tick is. */
static inline double insns_per_tick(void)
{
	const unsigned long rounds = 10000000;
	unsigned long n = rounds;
	uint64_t begin = ticks();

	asm volatile("1: dec %0\n\tjnz 1b" : "+r"(n) : : "cc");
	return 2.0 * rounds / (ticks() - begin);
}

static inline void insns_show(const char *what, double instructions)
{
	printf("bench: %-58s %9.1f\n", what, instructions);
}

#endif /* TESTS_VM_INSNS_H */
