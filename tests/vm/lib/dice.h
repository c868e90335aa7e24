/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_DICE_H
#define TESTS_VM_DICE_H

/*
 * What a thread does next.  Of the same seed, the same step of the same thread
 * is always the same, whatever became of those before.
 */

#include <stdbool.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

void dice_seed(struct dice *dice, uint64_t seed, unsigned int thread,
	       uint64_t step);
/* Any value at all. */
uint64_t dice_next(struct dice *dice);
/* Below @sides. */
uint64_t dice_roll(struct dice *dice, uint64_t sides);
bool dice_one_in(struct dice *dice, uint64_t sides);

#endif /* TESTS_VM_DICE_H */
