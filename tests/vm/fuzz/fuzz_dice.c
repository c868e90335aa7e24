// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every choice of a step is a number from one sequence.  Where coverage guides,
 * the sequence of a step that reached something new is kept, and later steps
 * follow one of those, with some of its numbers changed.
 */
#include "fuzz.h"

#include <stdlib.h>

#define CORPUS		4096
#define TAPE		96	/* choices of a step that are kept */

struct tape {
	unsigned int length;
	uint64_t choices[TAPE];
};

static struct dice dice;
static struct tape *corpus;
static size_t nr_corpus;
static struct tape now;		/* what this step chose */
static struct tape follow;	/* what it is to choose; the rest is new */

uint64_t roll(uint64_t sides)
{
	uint64_t choice = dice_next(&dice);

	if (now.length < follow.length)
		choice = follow.choices[now.length];
	if (now.length < TAPE)
		now.choices[now.length++] = choice;
	return choice % sides;
}

bool one_in(uint64_t sides)
{
	return !roll(sides);
}

uint32_t one_bit(unsigned int bits)
{
	return 1U << roll(bits);
}

uint64_t odd_number(void)
{
	static const uint64_t odd[] = {
		0, 1, 7, 0xfff, 0x1000, 0x1001, 0x7fffffff, 0x80000000,
		0xfffff000, 0xffffffff, 0x100000000, 1ULL << 47, 1ULL << 48,
		1ULL << 52, (1ULL << 52) - 0x1000, 1ULL << 63, -0x2000ULL,
		-0x1000ULL, -1ULL,
	};

	switch (roll(4)) {
	case 0:
		return roll(UINT64_MAX);
	case 1:
		return 1ULL << roll(64);
	case 2:
		return -(1ULL << roll(64));
	default:
		return odd[roll(sizeof(odd) / sizeof(odd[0]))];
	}
}

uint64_t odd_pointer(void)
{
	static const uint64_t odd[] = {
		0, 1, 8, 0xfff, 0xffff, 0x7ffffffff000, 0x7ffffffffffc,
		0x7fffffffffff, 0x800000000000, 0x8000000000000000,
		0xffff800000000000, 0xffff888000000000, 0xffff888000001000,
		0xffffc90000000000, 0xffffea0000000000, 0xffffffff81000000,
		0xffffffffff600000, 0xfffffffffffff000, 0xfffffffffffffffc,
		0xffffffffffffffff,
	};

	return odd[roll(sizeof(odd) / sizeof(odd[0]))];
}

/* One of the corpus, changed in a few places, or cut off. */
static void follow_one(void)
{
	unsigned int changes = 1 + dice_roll(&dice, 4);

	follow = corpus[dice_roll(&dice, nr_corpus)];
	if (dice_one_in(&dice, 4))
		follow.length = dice_roll(&dice, follow.length + 1);
	while (changes-- && follow.length)
		follow.choices[dice_roll(&dice, follow.length)] = dice_next(&dice);
}

void fuzz_step_begin(uint64_t seed, uint64_t step)
{
	dice_seed(&dice, seed, 0, step);
	now.length = 0;
	follow.length = 0;
	if (nr_corpus && dice_roll(&dice, 4))
		follow_one();
	cover_begin();
}

size_t fuzz_corpus(void)
{
	return nr_corpus;
}

void fuzz_step_end(void)
{
	if (!cover_end() || !cover_guides)
		return;
	if (!corpus)
		corpus = calloc(CORPUS, sizeof(*corpus));
	if (!corpus)
		bail("no memory for the corpus");
	corpus[nr_corpus < CORPUS ? nr_corpus++ : dice_roll(&dice, CORPUS)] = now;
}
