/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_SLOW_H
#define TESTS_VM_SLOW_H

/*
 * A file whose pages come when the test lets them: a FUSE filesystem of one
 * file of zeroes.  It stretches a fault to any length, inside the kernel's own
 * fault handler.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem.h"

struct slow {
	int dev;		/* /dev/fuse */
	size_t size;
	pthread_t thread;
	bool hold;		/* keep the next read waiting */
	uint64_t held;		/* its number; 0: none waits */
};

/* Mount, and map the file privately; the test ends if that fails. */
void slow_open(struct slow *slow, struct mem *mem, size_t size);
void slow_close(struct slow *slow, struct mem *mem);

void slow_hold(struct slow *slow);
/* A read waits, within @ms. */
bool slow_is_waiting(struct slow *slow, unsigned int ms);
void slow_give(struct slow *slow);

#endif /* TESTS_VM_SLOW_H */
