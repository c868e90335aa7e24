// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bed.h"
#include "dirty.h"
#include "gmem.h"
#include "stress.h"

#define PREFER_WRITER	PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP
#define FIRST_SLOT	2

struct ward wards[NR_VMS];

static uint32_t place_flags(const struct place *place)
{
	return (place->readonly ? KVM_MEM_READONLY : 0) |
	       (place->logging ? KVM_MEM_LOG_DIRTY_PAGES : 0);
}

/* Such a slot cannot be changed: it goes, and comes anew. */
static int place_set_gmem(struct ward *ward, struct place *place)
{
	const struct mem *mem = &place->arena->mem;
	int ret = vm_slot(&ward->vm, place->id, 0, 0, NULL, 0);

	/* There was none. */
	if (ret == -EINVAL)
		ret = 0;
	if (!ret && place->present)
		ret = gmem_slot(&ward->vm, place->id, place->gpa, mem, 0, mem->size, 0);
	return ret;
}

/* Tell KVM what the place is to be like. */
static int place_set(struct ward *ward, struct place *place)
{
	size_t size = place->present ? place->arena->mem.size : 0;
	int ret;

	if (place->gmem)
		ret = place_set_gmem(ward, place);
	else
		ret = vm_slot(&ward->vm, place->id, place->gpa, size,
			      place->arena->mem.hva, place_flags(place));
	if (!ret)
		count(FIG_SLOT_CHANGES, 1);
	return ret;
}

static void place_init(struct ward *ward, int nr)
{
	struct place *place = &ward->places[nr];

	place->arena = &arenas[nr % nr_arenas];
	place->id = FIRST_SLOT + nr;
	place->gpa = place->arena->gpa + (nr < (int)nr_arenas ? 0 : PLACE_ALIAS);
	place->written = calloc(place->arena->nr, sizeof(*place->written));
	if (!place->written)
		bail("out of memory");
	/* The other slots of such a file are of what is mapped, as any. */
	place->gmem = !ward->nr && nr == ARENA_GMEM && nr < (int)nr_arenas;
	place->present = true;
	if (place_set(ward, place))
		bail("no slot of %s", place->arena->name);
}

/* Who wants the table made anew does not wait for ever. */
static void ward_init_lock(struct ward *ward)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PREFER_WRITER);
	pthread_rwlock_init(&ward->lock, &attr);
}

void ward_open(struct ward *ward, int nr)
{
	static const char * const names[NR_VMS] = { "VM 0", "VM 1" };
	struct ktdp_test_watch arm = { .action = KTDP_TEST_WATCH_ARM };
	int i;

	ward->nr = nr;
	ward->name = names[nr];
	ward_init_lock(ward);
	vm_open(&ward->vm);
	log_set_mode(&ward->vm, nr ? LOG_CLEAR : LOG_GET);
	mem_small(&ward->box, 2 * PAGE_4K);
	vm_map(&ward->vm, WARD_BOX_SLOT, WARD_BOX, &ward->box);
	if (!nr)
		arena_open_gmem(&ward->vm);
	for (i = 0; i < (int)nr_places(); i++)
		place_init(ward, i);
	ward->second = ward->vm;
	vm_add_vcpu(&ward->vm);
	ward->second.vcpu_id = 1;
	vm_add_vcpu(&ward->second);
	/* Its mmu_notifier has to be older than that of the TDP. */
	ward->kmod = kmod_open();
	kmod_do(ward->kmod, KTDP_TEST_WATCH, &arm);
	ward_attach(ward);
}

void ward_attach(struct ward *ward)
{
	struct ktdp_test_watch begin = {
		.action = KTDP_TEST_WATCH_BEGIN, .vm_fd = ward->vm.fd,
		.gfn = GPA / PAGE_4K, .nr = WATCH_SIZE / PAGE_4K,
	};

	ward->tdp = kvm_tdp_create(ward->vm.fd, 0);
	if (ward->tdp < 0)
		bail("no TDP fd: %d", ward->tdp);
	ward->dma = dma_open_on(ward->tdp);
	ward->handle = kmod_get(ward->kmod, ward->tdp);
	if (ward->handle < 0)
		bail("no handle: %d", ward->handle);
	begin.handle = ward->handle;
	kmod_do(ward->kmod, KTDP_TEST_WATCH, &begin);
	if (!ward->nr)
		devices_attach(ward->tdp);
	count(FIG_TDP_FDS, 1);
	count(FIG_IMPORTERS, 2);
}

void ward_detach(struct ward *ward)
{
	struct ktdp_test_watch end = { .action = KTDP_TEST_WATCH_END };

	if (!ward->nr)
		devices_detach();
	kmod_do(ward->kmod, KTDP_TEST_WATCH, &end);
	kmod_put(ward->kmod, ward->handle);
	close(ward->dma);
	count_stats(ward->tdp);
	close(ward->tdp);
}

void ward_close(struct ward *ward)
{
	int i;

	ward_detach(ward);
	watch_collect(ward);
	close(ward->kmod);
	munmap(ward->second.run, ward->second.run_size);
	close(ward->second.vcpu);
	vm_close(&ward->vm);
	mem_free(&ward->box);
	for (i = 0; i < (int)nr_places(); i++)
		free(ward->places[i].written);
}

unsigned int nr_places(void)
{
	return 2 * nr_arenas;
}

struct place *ward_place(struct ward *ward, const struct arena *arena,
			 struct dice *dice)
{
	return &ward->places[arena->kind + nr_arenas * dice_roll(dice, 2)];
}

void ward_tell(const struct ward *ward, uint64_t gpa)
{
	const struct place *place;

	for (place = ward->places; place < ward->places + nr_places(); place++) {
		if (gpa - place->gpa >= place->arena->mem.size)
			continue;
		diag("%s: %#llx is in slot %d, %s", ward->name,
		     (unsigned long long)gpa, place->id, place->arena->name);
		page_tell_history(&place->arena->pages[(gpa - place->gpa) / PAGE_4K]);
	}
}

enum {
	SLOT_DELETE, SLOT_CREATE, SLOT_MOVE, SLOT_READONLY, SLOT_LOG,
	SLOT_HARVEST, NR_SLOT_ACTS
};

struct act slot_acts[NR_SLOT_ACTS] = {
	{ .name = "slot: delete" }, { .name = "slot: create" },
	{ .name = "slot: move" }, { .name = "slot: read-only or not" },
	{ .name = "slot: log or not" }, { .name = "slot: harvest" },
};

const size_t nr_slot_acts = NR_SLOT_ACTS;

static int place_delete(struct ward *ward, struct place *place)
{
	place->present = false;
	return place_set(ward, place);
}

static int place_create(struct ward *ward, struct place *place)
{
	place->present = true;
	return place_set(ward, place);
}

static int place_move(struct ward *ward, struct place *place)
{
	uint64_t gpa = place->gpa ^ PLACE_FAR;

	__atomic_store_n(&place->gpa, gpa, __ATOMIC_RELEASE);
	return place_set(ward, place);
}

static int place_toggle_readonly(struct ward *ward, struct place *place)
{
	int ret = place_delete(ward, place);

	place->readonly = !place->readonly;
	return ret ? ret : place_create(ward, place);
}

static int place_toggle_log(struct ward *ward, struct place *place)
{
	place->logging = !place->logging;
	return place_set(ward, place);
}

/*
 * What was written, from begin to end, since the log was looked at last is in
 * the log now.
 */
static int place_harvest(struct ward *ward, struct place *place)
{
	uint64_t bitmap[SET_PAGES / 64] = { 0 };
	size_t nr = place->arena->nr, i, good = 0, bad = 0;
	uint32_t epoch = place->epoch - 1;
	bool claimed[SET_PAGES];

	for (i = 0; i < nr; i++)
		claimed[i] = __atomic_load_n(&place->written[i],
					     __ATOMIC_ACQUIRE) == epoch;
	log_harvest(&ward->vm, ward->nr ? LOG_CLEAR : LOG_GET, place->id, nr,
		    bitmap);
	for (i = 0; i < nr; i++) {
		if (!claimed[i])
			continue;
		if (bitmap[i / 64] >> (i % 64) & 1) {
			good++;
			continue;
		}
		if (!bad++)
			diag("%s: %s page %zu (slot %d) was written and is not in the dirty log",
			     ward->name, place->arena->name, i, place->id);
	}
	count(FIG_HARVESTS, 1);
	count(FIG_LOGGED, good);
	count(FIG_BAD_LOG, bad);
	return 0;
}

static int (* const slot_do[NR_SLOT_ACTS])(struct ward *, struct place *) = {
	[SLOT_DELETE] = place_delete,
	[SLOT_CREATE] = place_create,
	[SLOT_MOVE] = place_move,
	[SLOT_READONLY] = place_toggle_readonly,
	[SLOT_LOG] = place_toggle_log,
	[SLOT_HARVEST] = place_harvest,
};

static void place_act(struct ward *ward, struct place *place, unsigned int act)
{
	int ret;

	__atomic_fetch_add(&place->epoch, 1, __ATOMIC_SEQ_CST);
	ret = slot_do[act](ward, place);
	__atomic_fetch_add(&place->epoch, 1, __ATOMIC_SEQ_CST);
	act_count(&slot_acts[act], ret);
	if (ret) {
		diag("%s: %d", slot_acts[act].name, ret);
		count(FIG_BAD_ERRNO, 1);
	}
}

/* What may be done to it; slots that are gone soon come back. */
static unsigned int place_choose(const struct place *place, struct dice *dice)
{
	if (!place->present)
		return SLOT_CREATE;
	if (place->gmem)
		return dice_roll(dice, 2) ? SLOT_DELETE : SLOT_MOVE;
	if (place->logging && !dice_one_in(dice, 3))
		return SLOT_HARVEST;
	switch (dice_roll(dice, 8)) {
	case 0 ... 1:
		return SLOT_DELETE;
	case 2 ... 3:
		return SLOT_MOVE;
	case 4:
		return SLOT_READONLY;
	default:
		return SLOT_LOG;
	}
}

void *storm_slots(void *arg)
{
	struct worker *worker = arg;

	while (stress_step(worker)) {
		struct place *place =
			&worker->ward->places[dice_roll(&worker->dice, nr_places())];

		place_act(worker->ward, place, place_choose(place, &worker->dice));
		usleep(dice_roll(&worker->dice, 4) * 1000);
	}
	return NULL;
}

void ward_calm(struct ward *ward)
{
	struct place *place;

	for (place = ward->places; place < ward->places + nr_places(); place++) {
		if (place->present && place->readonly)
			place_act(ward, place, SLOT_READONLY);
		if (!place->present) {
			place->readonly = false;
			place_act(ward, place, SLOT_CREATE);
		}
	}
}
