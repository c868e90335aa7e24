/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_ENGINE_H
#define TESTS_VM_ENGINE_H

/*
 * The test bed of kvm_tdp_dma: a VM without a vCPU, whose memory is mapped by
 * slot 1 at GPA and by slot 2 at UPPER, with a hole of one page between them.
 */

#include "bed.h"

#define SIZE		(16 * PAGE_4K)
#define HOLE		(GPA + SIZE)
#define UPPER		(HOLE + PAGE_4K)
#define NOFAULT		KVM_TDP_DMA_NOFAULT

#define NR(array)	(sizeof(array) / sizeof((array)[0]))

struct engine_bed {
	struct vm vm;
	struct mem mem;
	int tdp;
	int dma;
};

extern struct engine_bed eb;

/* Bytes by address and generation. */
void fill(unsigned char *buf, uint64_t at, size_t size, unsigned int gen);
bool holds(const unsigned char *buf, uint64_t at, size_t size, unsigned int gen);

/* With memory that is filled with generation 0, and an engine attached. */
void setup(void);
/* The same with memory of one's choice, in slot 1 only. */
void setup_with(void (*get)(struct mem *mem, size_t size), size_t size);
void teardown(void);

/* One transfer as the ioctl has it: the error, and what was done. */
struct result {
	int ret;
	uint64_t done;
};

struct result engine_read(uint64_t gpa, void *buf, uint64_t length,
			  unsigned int flags);
struct result engine_write(uint64_t gpa, const void *buf, uint64_t length,
			   unsigned int flags);
struct result engine_copy(uint64_t src, uint64_t dst, uint64_t length,
			  unsigned int flags);

/* Two tests: the error, and what was done. */
void check(struct result got, int ret, uint64_t done, const char *what);

/* @is_right of offsets and lengths, inside pages and over their ends: one test. */
void check_all(const char *what, bool (*is_right)(size_t offset, size_t length));

/* A user buffer of one page, not touched, with nothing after it. */
unsigned char *cut_buffer(void);

/* Fork, run, and say what the child returned. */
int in_child(int (*run)(void));

#endif /* TESTS_VM_ENGINE_H */
