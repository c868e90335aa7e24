// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small VM of which one thread does everything: as many memslot changes and
 * invalidations as fit.  Nobody else writes or drops its pages, so what has to be
 * there after each step is known to the word, while what the storm does to the
 * whole process and to the machine comes over it as over the others.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bed.h"
#include "stress.h"

#define DRILL_SLOT	1
#define DRILL_SLOTS	4	/* changes in a step */
#define DRILL_PAGES	16
#define DRILL_SIZE	(DRILL_PAGES * PAGE_4K)
#define DRILL_VERIFY	32	/* steps */
#define DRILL_TRIES	100	/* of an access told to try again */

struct drill {
	struct bed bed;
	struct mem mem;
	int kmod, handle;
	uint64_t gpa;
	bool present, logging;
	uint32_t last;			/* generation given out */
	uint32_t gens[DRILL_PAGES];	/* 0: the page is zero */
};

static struct drill the_drill;

void drill_open(void)
{
	struct drill *drill = &the_drill;
	int ret;

	bed_open(&drill->bed);
	mem_small(&drill->mem, DRILL_SIZE);
	drill->gpa = GPA;
	drill->present = true;
	vm_map(&drill->bed.vm, DRILL_SLOT, drill->gpa, &drill->mem);
	drill->kmod = kmod_open();
	drill->handle = must(kmod_get(drill->kmod, drill->bed.tdp));
	ret = kmod_register(drill->kmod, drill->handle, 0);
	if (ret)
		bail("no importer: %d", ret);
	count(FIG_TDP_FDS, 1);
	count(FIG_IMPORTERS, 2);
}

static void drill_close(struct drill *drill)
{
	count_stats(drill->bed.tdp);
	if (kmod_unregister(drill->kmod, drill->handle, 0))
		count(FIG_BAD_ERRNO, 1);
	kmod_put(drill->kmod, drill->handle);
	close(drill->kmod);
	bed_close(&drill->bed);
}

static void drill_wrong(struct drill *drill, const char *what, int ret, int want)
{
	diag("drill: %s at %#llx: %d, not %d", what,
	     (unsigned long long)drill->gpa, ret, want);
	count(FIG_BAD_ERRNO, 1);
}

static uint64_t drill_word(uint32_t gen, uint64_t off)
{
	return gen ? (off | 1) ^ (uint64_t)gen << 32 : 0;
}

/* What was read is what the pages hold. */
static void drill_compare(struct drill *drill, const uint64_t *words, size_t nr)
{
	uint64_t want;
	size_t i;

	for (i = 0; i < nr * PAGE_4K / 8; i++) {
		want = drill_word(drill->gens[i * 8 / PAGE_4K], i * 8);
		if (words[i] == want)
			continue;
		count(FIG_BAD_WORDS, 1);
		diag("drill: word %zu of the slot at %#llx is %#llx, not %#llx",
		     i, (unsigned long long)drill->gpa,
		     (unsigned long long)words[i], (unsigned long long)want);
		break;
	}
	count(FIG_READS, nr);
	count(FIG_WORDS, i);
}

/* The first @nr pages, as the engine sees them. */
static void drill_read(struct drill *drill, uint64_t gpa, size_t nr, int want)
{
	uint64_t words[DRILL_SIZE / 8];
	int tries = DRILL_TRIES, ret;

	do {
		ret = dma_read(drill->bed.dma, gpa, words, nr * PAGE_4K, 0);
	} while (ret == -EAGAIN && --tries);
	if (ret != want)
		drill_wrong(drill, "read", ret, want);
	else if (!ret)
		drill_compare(drill, words, nr);
}

static void drill_write(struct drill *drill, size_t page)
{
	uint64_t words[PAGE_4K / 8], off = page * PAGE_4K;
	int tries = DRILL_TRIES, ret;
	size_t i;

	drill->gens[page] = ++drill->last;
	for (i = 0; i < PAGE_4K / 8; i++)
		words[i] = drill_word(drill->last, off + i * 8);
	do {
		ret = dma_write(drill->bed.dma, drill->gpa + off, words,
				PAGE_4K, 0);
	} while (ret == -EAGAIN && --tries);
	if (ret)
		drill_wrong(drill, "write", ret, 0);
	count(FIG_WRITES, 1);
}

static void drill_drop(struct drill *drill, size_t page)
{
	must(madvise(drill->mem.hva + page * PAGE_4K, PAGE_4K, MADV_DONTNEED));
	drill->gens[page] = 0;
}

static void drill_set(struct drill *drill)
{
	int ret = vm_slot(&drill->bed.vm, DRILL_SLOT, drill->gpa,
			  drill->present ? DRILL_SIZE : 0, drill->mem.hva,
			  drill->logging ? KVM_MEM_LOG_DIRTY_PAGES : 0);

	if (ret)
		drill_wrong(drill, "memslot", ret, 0);
	count(FIG_SLOT_CHANGES, 1);
}

static void drill_slot(struct drill *drill, struct dice *dice)
{
	uint64_t gpa = drill->gpa;

	switch (dice_roll(dice, 4)) {
	case 0:
		drill->present = false;
		drill_set(drill);
		drill_read(drill, gpa, 1, -EFAULT);
		drill->present = true;
		break;
	case 1:
		drill->logging = !drill->logging;
		break;
	default:
		drill->gpa ^= PLACE_FAR;
	}
	drill_set(drill);
	if (drill->gpa != gpa)
		drill_read(drill, gpa, 1, -EFAULT);
	drill_read(drill, drill->gpa, 1, 0);
}

/* Each page is in the table when it goes, or is written by the engine. */
static void drill_pages(struct drill *drill, struct dice *dice)
{
	size_t page;

	drill_read(drill, drill->gpa, DRILL_PAGES, 0);
	for (page = 0; page < DRILL_PAGES; page++) {
		if (dice_one_in(dice, 4))
			drill_write(drill, page);
		else
			drill_drop(drill, page);
	}
	drill_read(drill, drill->gpa, DRILL_PAGES, 0);
}

void *storm_drill(void *arg)
{
	struct drill *drill = &the_drill;
	struct worker *worker = arg;
	int i;

	while (stress_step(worker)) {
		for (i = 0; i < DRILL_SLOTS; i++)
			drill_slot(drill, &worker->dice);
		drill_pages(drill, &worker->dice);
		if (!(worker->step % DRILL_VERIFY))
			verify_range("drill", drill->bed.tdp, GPA, WATCH_SIZE);
		usleep(dice_roll(&worker->dice, 2000));
	}
	drill_close(drill);
	return NULL;
}
