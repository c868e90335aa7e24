/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_BED_H
#define TESTS_VM_BED_H

/* The usual test bed: a VM with a vCPU, its TDP fd, and an engine on that. */

#include "ktdp.h"
#include "mem.h"
#include "tap.h"
#include "vm.h"

/*
 * Where tests put memory: 1G-aligned, the first beyond 32 bits.  A program that
 * defines GPA as bed_gpa can be moved up, by ktdp.base= on the kernel's command line.
 */
#define GPA_FIRST	0x140000000UL
#ifndef GPA
#define GPA		GPA_FIRST
#endif
extern uint64_t bed_gpa;
#define GPA_LOW		0x40000000UL

/* Generations of the pattern that differ in every word. */
#define GEN(n)		((uint64_t)(n) << 56)

struct bed {
	struct vm vm;
	int tdp;
	int dma;
};

void bed_open(struct bed *bed);
void bed_close(struct bed *bed);

/* @mem at @gpa: guest and engine have written, the engine holds all translations. */
void bed_warm(struct bed *bed, uint64_t gpa, const struct mem *mem, struct told *told);

/*
 * The oracle: what the table maps of [gpa, gpa + size) is what the host maps at
 * @hva, page by page, as /proc/self/pagemap has it.  Holes are right always.
 */
bool bed_agrees(struct bed *bed, uint64_t gpa, const void *hva, size_t size);

/* Guest writes, engine reads; engine writes, guest and host read. */
bool bed_works(struct bed *bed, uint64_t gpa, const void *hva, size_t size,
	       unsigned int gen);

#endif /* TESTS_VM_BED_H */
