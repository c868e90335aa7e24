// SPDX-License-Identifier: GPL-2.0-only
#include "dice.h"

/* splitmix64: every seed is as good as any other. */
uint64_t dice_next(struct dice *dice)
{
	uint64_t z = dice->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

void dice_seed(struct dice *dice, uint64_t seed, unsigned int thread,
	       uint64_t step)
{
	dice->state = seed;
	dice->state = dice_next(dice) + thread;
	dice->state = dice_next(dice) + step;
	dice->state = dice_next(dice);
}

uint64_t dice_roll(struct dice *dice, uint64_t sides)
{
	return dice_next(dice) % sides;
}

bool dice_one_in(struct dice *dice, uint64_t sides)
{
	return !dice_roll(dice, sides);
}
