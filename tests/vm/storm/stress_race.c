// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hot spot: a few pages, others every half second, where half of all acts
 * are.  And two who race for it: they wake at any moment, and come
 * first on their CPU then, in the midst of what somebody else is at.
 */
#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"
#include "sys.h"

#define HOT_MS		500
#define HOT_PAGES	8
#define MAX_SLEEP	600	/* us */

static uint64_t hot_seed;

void hot_init(uint64_t seed)
{
	hot_seed = seed;
}

struct hot hot_spot(void)
{
	struct dice dice;
	struct hot hot;

	dice_seed(&dice, hot_seed, ~1U, sys_now() / HOT_MS);
	hot.arena = &arenas[dice_roll(&dice, nr_arenas)];
	hot.page = dice_roll(&dice, hot.arena->nr / HOT_PAGES) * HOT_PAGES;
	return hot;
}

size_t hot_choose(struct dice *dice, struct arena **arena)
{
	struct hot hot = hot_spot();

	if (dice_roll(dice, 2)) {
		*arena = hot.arena;
		return hot.page + dice_roll(dice, HOT_PAGES);
	}
	*arena = &arenas[dice_roll(dice, nr_arenas)];
	return dice_roll(dice, (*arena)->nr);
}

/* Microseconds of this thread's own. */
static uint64_t race_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
}

static void race_first(void)
{
	struct sched_param param = { .sched_priority = 1 };

	must(sched_setscheduler(0, SCHED_FIFO, &param));
}

/* Longer where all takes long: nobody else runs while they do. */
static void race_pause(struct worker *worker, uint64_t began)
{
	uint64_t took = race_now() - began;

	usleep(dice_roll(&worker->dice, MAX_SLEEP) * (1 + took / MAX_SLEEP * 4));
}

/* Faults for pages that may just be going. */
void *race_fault(void *arg)
{
	struct worker *worker = arg;
	struct dice *dice = &worker->dice;
	struct ward *ward = worker->ward;
	struct arena *arena;
	uint64_t began = race_now(), gpa;

	race_first();
	while (stress_step(worker)) {
		race_pause(worker, began);
		began = race_now();
		gpa = hot_choose(dice, &arena) * PAGE_4K;
		gpa += ward->places[arena->kind].gpa;
		/* Who makes the table anew is not waited for. */
		if (pthread_rwlock_tryrdlock(&ward->lock))
			continue;
		ktdp_prefault(ward->tdp, gpa, (1 + dice_roll(dice, HOT_PAGES)) * PAGE_4K,
			      dice_roll(dice, 2) ? ACC_W : ACC_R);
		pthread_rwlock_unlock(&ward->lock);
	}
	return NULL;
}

static void race_take(struct arena *arena, size_t page)
{
	bool shared = arena->mem.fd >= 0;
	size_t size = arena->kind == ARENA_HUGETLB ? PAGE_2M : PAGE_4K;
	void *hva = (void *)((uintptr_t)arena_hva(arena, page) & -size);

	if (pthread_mutex_trylock(&arena->lock))
		return;
	if (!shared)
		arena_drop_begin(arena, page, 1);
	madvise(hva, size, MADV_DONTNEED);
	if (!shared)
		arena_drop_end(arena, page, 1);
	page_event(arena, page, "race", "MADV_DONTNEED", 0);
	pthread_mutex_unlock(&arena->lock);
}

/* Takes pages for which somebody may just be faulting. */
void *race_zap(void *arg)
{
	struct worker *worker = arg;
	struct arena *arena;
	uint64_t began = race_now();
	size_t page;

	race_first();
	while (stress_step(worker)) {
		race_pause(worker, began);
		began = race_now();
		page = hot_choose(&worker->dice, &arena);
		race_take(arena, page);
	}
	return NULL;
}
