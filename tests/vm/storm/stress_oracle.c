// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who looks on: the watching importer of tests/kmod, the module's own verify.
 */
#include <string.h>
#include <unistd.h>

#include "bed.h"
#include "stress.h"

#define WATCH_STEP	128	/* pages */
#define VERIFY_STEP	(16UL << 20)

static const char * const watch_names[KTDP_TEST_WATCH_KINDS] = {
	"the host has another page", "the host's page is read-only",
	"told late, or not", "no memslot", "the table changed, untold",
	"not in the dirty log",
};

static struct ktdp_test_watch watch_do(struct ward *ward, unsigned int action,
				       uint64_t gfn)
{
	struct ktdp_test_watch watch = {
		.action = action, .gfn = gfn, .nr = WATCH_STEP,
	};

	kmod_do(ward->kmod, KTDP_TEST_WATCH, &watch);
	return watch;
}

void watch_collect(struct ward *ward)
{
	struct ktdp_test_watch watch = watch_do(ward, KTDP_TEST_WATCH_END, 0);
	int kind;

	count(FIG_WATCH_TAKEN, watch.taken);
	count(FIG_WATCH_TOLD, watch.told);
	count(FIG_WATCH_DROPPED, watch.dropped);
	count(FIG_WATCH_CHECKS, watch.checks);
	count(FIG_WATCH_BLINKS, watch.blinks);
	for (kind = 0; kind < KTDP_TEST_WATCH_KINDS; kind++) {
		count(FIG_BAD_WATCH, watch.wrong[kind]);
		if (watch.wrong[kind])
			diag("%s: watch: %s: %llu", ward->name,
			     watch_names[kind], watch.wrong[kind]);
	}
	if (watch.first_gfn)
		diag("%s: watch: first: %s: gfn %#llx, held %#llx, there %#llx, taken at %llu, now %llu",
		     ward->name, watch_names[watch.first_kind], watch.first_gfn,
		     watch.first_held, watch.first_there, watch.first_taken,
		     watch.first_told);
}

void *storm_watch(void *arg)
{
	struct worker *worker = arg;
	struct dice *dice = &worker->dice;
	unsigned int action;
	struct arena *arena;
	struct place *place;
	struct ward *ward;
	uint64_t gfn;

	while (stress_step(worker)) {
		ward = &wards[dice_roll(dice, NR_VMS)];
		gfn = hot_choose(dice, &arena) / WATCH_STEP * WATCH_STEP;
		place = ward_place(ward, arena, dice);
		/* What the host has mapped at the slot's hva is nothing to the guest. */
		if (place->gmem)
			continue;
		gfn += place->gpa / PAGE_4K;
		action = dice_one_in(dice, 8) ? KTDP_TEST_WATCH_DIRTY :
						KTDP_TEST_WATCH_SCAN;
		pthread_rwlock_rdlock(&ward->lock);
		watch_do(ward, action, gfn);
		pthread_rwlock_unlock(&ward->lock);
		usleep(1000);
	}
	return NULL;
}

static uint64_t verify_judge(const char *who, const struct kvm_tdp_verify *verify)
{
	uint64_t bad = ktdp_verify_wrong(verify);

	count(FIG_VERIFIES, 1);
	count(FIG_VERIFY_PAGES, verify->pages);
	count(FIG_VERIFY_UNDECIDED, verify->undecided);
	count(FIG_BAD_VERIFY, bad);
	if (bad)
		diag("%s: verify: stale %llu, excess %llu, no slot %llu, reserved %llu, KVM %llu, counters %llu; first at %#llx",
		     who, verify->stale, verify->excess, verify->no_slot,
		     verify->reserved, verify->kvm, verify->counters,
		     verify->first_bad);
	return bad;
}

/* The first page that was found bad, or 0. */
uint64_t verify_range(const char *who, int tdp, uint64_t gpa, uint64_t size)
{
	struct kvm_tdp_verify verify;
	int ret = kvm_tdp_verify_range(tdp, gpa, size, &verify);

	if (ret) {
		diag("%s: verify: %d", who, ret);
		count(FIG_BAD_ERRNO, 1);
	}
	return verify_judge(who, &verify) ? verify.first_bad : 0;
}

static void verify_ward(struct ward *ward, uint64_t gpa, uint64_t size)
{
	uint64_t bad = verify_range(ward->name, ward->tdp, gpa, size);

	if (bad)
		ward_tell(ward, bad);
}

void verify_all(struct ward *ward)
{
	verify_ward(ward, 0, 1UL << 47);
}

void *storm_verify(void *arg)
{
	struct worker *worker = arg;
	struct ward *ward;
	uint64_t gpa;

	while (stress_step(worker)) {
		ward = &wards[dice_roll(&worker->dice, NR_VMS)];
		gpa = GPA + dice_roll(&worker->dice, WATCH_SIZE / VERIFY_STEP) *
			    VERIFY_STEP;
		pthread_rwlock_rdlock(&ward->lock);
		if (dice_one_in(&worker->dice, 8))
			verify_all(ward);
		else
			verify_ward(ward, gpa, VERIFY_STEP);
		pthread_rwlock_unlock(&ward->lock);
		usleep(20000);
	}
	return NULL;
}
