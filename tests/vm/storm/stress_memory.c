// SPDX-License-Identifier: GPL-2.0-only
/* What the VMM and the host do to the memory behind the slots. */
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stress.h"
#include "uffd.h"

/* What an act may be done to. */
#define ON(kind)	(1U << ARENA_##kind)
#define ANON		(ON(SMALL) | ON(THP) | ON(KSM) | ON(POISON))
#define SHARED		(ON(SHMEM) | ON(HUGETLB))
#define ALL		(ANON | SHARED | ON(UFFD))
#define GMEM		ON(GMEM)	/* has no swap, no nodes, no merging */

#define MPOL_MF_MOVE	2
#define MAX_PAGES	64
#define MAP_TRIES	5000
#define MAX_POISONED	1000	/* pages, which do not come back */

/* Pages of an arena, as one would name them to the host. */
struct piece {
	struct arena *arena;
	size_t first, nr;
	void *hva;
	size_t size;
	struct dice *dice;
};

static int do_advice(const struct piece *piece, int advice)
{
	return sys(madvise(piece->hva, piece->size, advice));
}

static int do_dontneed(const struct piece *piece)
{
	return do_advice(piece, MADV_DONTNEED);
}

static int do_free(const struct piece *piece)
{
	return do_advice(piece, MADV_FREE);
}

static int do_remove(const struct piece *piece)
{
	return do_advice(piece, MADV_REMOVE);
}

/* KVM tells of it, whatever is mapped. */
static int do_punch(const struct piece *piece)
{
	return sys(fallocate(piece->arena->mem.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			     piece->first * PAGE_4K, piece->size));
}

static int do_pageout(const struct piece *piece)
{
	return do_advice(piece, MADV_PAGEOUT);
}

static int do_cold(const struct piece *piece)
{
	return do_advice(piece, MADV_COLD);
}

static int do_collapse(const struct piece *piece)
{
	struct piece whole = *piece;

	whole.hva = (void *)((uintptr_t)piece->hva & -PAGE_2M);
	whole.size = PAGE_2M;
	madvise(whole.hva, whole.size, MADV_HUGEPAGE);
	return do_advice(&whole, MADV_COLLAPSE);
}

static int do_no_huge(const struct piece *piece)
{
	int ret = do_advice(piece, MADV_NOHUGEPAGE);

	return ret ? ret : do_advice(piece, MADV_HUGEPAGE);
}

static int do_merge(const struct piece *piece)
{
	return sys(madvise(piece->arena->mem.hva, piece->arena->mem.size,
			   MADV_MERGEABLE));
}

static int do_unmerge(const struct piece *piece)
{
	return do_advice(piece, MADV_UNMERGEABLE);
}

static int do_protect(const struct piece *piece, int prot)
{
	int ret = sys(mprotect(piece->hva, piece->size, prot));

	if (dice_one_in(piece->dice, 4))
		usleep(dice_roll(piece->dice, 2000));
	if (mprotect(piece->hva, piece->size, PROT_READ | PROT_WRITE))
		bail("mprotect: errno %d", errno);
	return ret;
}

static int do_protect_none(const struct piece *piece)
{
	return do_protect(piece, PROT_NONE);
}

static int do_protect_read(const struct piece *piece)
{
	return do_protect(piece, PROT_READ);
}

/* A page of hugetlb that is gone, but held by who migrates it, is short a while. */
static void *map_again(const struct piece *piece, int flags)
{
	const struct mem *mem = &piece->arena->mem;
	int tries = MAP_TRIES;
	void *hva;

	do {
		hva = mmap(piece->hva, piece->size, PROT_READ | PROT_WRITE,
			   flags, mem->fd,
			   mem->fd >= 0 ? piece->first * PAGE_4K : 0);
	} while (hva == MAP_FAILED && errno == ENOMEM && --tries &&
		 piece->arena->kind == ARENA_HUGETLB && !usleep(1000));
	return hva;
}

/*
 * The mapping goes and another comes, in two steps or in one.  Nobody else maps
 * memory while there is a hole; NOREPLACE would tell.
 */
static int do_map(const struct piece *piece)
{
	const struct mem *mem = &piece->arena->mem;
	int flags = mem->fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	int fixed = MAP_FIXED;
	void *hva;

	if (dice_roll(piece->dice, 2)) {
		must(munmap(piece->hva, piece->size));
		fixed = MAP_FIXED_NOREPLACE;
	}
	hva = map_again(piece, flags | fixed);
	if (hva == MAP_FAILED)
		bail("mmap of %s: errno %d", piece->arena->name, errno);
	if (piece->arena->kind == ARENA_THP)
		return do_advice(piece, MADV_HUGEPAGE);
	return flags & MAP_SHARED ? 0 : do_advice(piece, MADV_NOHUGEPAGE);
}

/* To somewhere else and back.  Nobody maps memory while there is a hole. */
static int do_mremap(const struct piece *piece)
{
	void *there = piece->arena->scratch + piece->first * PAGE_4K;
	void *hva;

	hva = mremap(piece->hva, piece->size, piece->size,
		     MREMAP_MAYMOVE | MREMAP_FIXED, there);
	if (hva == MAP_FAILED)
		return -errno;
	hva = mremap(there, piece->size, piece->size,
		     MREMAP_MAYMOVE | MREMAP_FIXED, piece->hva);
	if (hva == MAP_FAILED)
		bail("mremap: errno %d", errno);
	hva = mmap(there, piece->size, PROT_NONE, MAP_FIXED | MAP_PRIVATE |
		   MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (hva == MAP_FAILED)
		bail("mmap: errno %d", errno);
	return 0;
}

/* Each page to a node of one's choice; ENODEV where there is one node. */
static int do_node(const struct piece *piece)
{
	int nodes[MAX_PAGES], status[MAX_PAGES];
	int node = dice_roll(piece->dice, 2);
	void *pages[MAX_PAGES];
	size_t i;
	long ret;

	for (i = 0; i < piece->nr; i++) {
		pages[i] = piece->hva + i * PAGE_4K;
		nodes[i] = node;
	}
	if (!scarce_try())
		return -EBUSY;
	ret = sys(syscall(SYS_move_pages, 0, piece->nr, pages, nodes,
			  status, MPOL_MF_MOVE));
	scarce_leave();
	return ret < 0 ? ret : 0;
}

static int do_uffd_protect(const struct piece *piece)
{
	return uffd_protect(stress_uffd, (uintptr_t)piece->hva, piece->size,
			    true);
}

/* One page, of its own: the host's zero page cannot be had. */
static int page_lose(const struct piece *piece, int advice)
{
	static unsigned int lost;
	int ret;

	if (__atomic_load_n(&lost, __ATOMIC_RELAXED) >= MAX_POISONED)
		return -ENOSPC;
	madvise(piece->hva, PAGE_4K, MADV_POPULATE_WRITE);
	ret = sys(madvise(piece->hva, PAGE_4K, advice));
	if (!ret)
		__atomic_fetch_add(&lost, 1, __ATOMIC_RELAXED);
	return ret;
}

static int do_offline(const struct piece *piece)
{
	int ret = -EBUSY;

	if (scarce_try()) {
		ret = page_lose(piece, MADV_SOFT_OFFLINE);
		scarce_leave();
	}
	return ret;
}

/* Who runs into it finds the page bad, until there is another. */
static int do_poison(const struct piece *piece)
{
	int ret = page_lose(piece, MADV_HWPOISON);

	usleep(dice_roll(piece->dice, 2000));
	do_map(piece);
	return ret;
}

struct memory_act {
	unsigned int on;
	bool drops;		/* what is in the pages */
	bool large;		/* hugetlb: it is done to whole pages */
	bool splits;		/* the VMA, if not done to all of it */
	int (*run)(const struct piece *piece);
};

struct act memory_acts[] = {
	{ .name = "memory: MADV_DONTNEED" },
	{ .name = "memory: MADV_DONTNEED, of shared memory" },
	{ .name = "memory: MADV_FREE" },
	{ .name = "memory: MADV_REMOVE" },
	{ .name = "memory: MADV_PAGEOUT" },
	{ .name = "memory: MADV_COLD" },
	{ .name = "memory: MADV_COLLAPSE" },
	{ .name = "memory: MADV_NOHUGEPAGE, MADV_HUGEPAGE" },
	{ .name = "memory: MADV_MERGEABLE" },
	{ .name = "memory: MADV_UNMERGEABLE" },
	{ .name = "memory: mprotect, none" },
	{ .name = "memory: mprotect, read" },
	{ .name = "memory: munmap, mmap" },
	{ .name = "memory: munmap, mmap, of shared memory" },
	{ .name = "memory: mremap" },
	{ .name = "memory: move_pages" },
	{ .name = "memory: userfaultfd, write-protect" },
	{ .name = "memory: MADV_SOFT_OFFLINE", .alone = true },
	{ .name = "memory: MADV_HWPOISON", .alone = true },
	{ .name = "memory: a hole in a guest_memfd", .gmem = true },
};

const size_t nr_memory_acts = sizeof(memory_acts) / sizeof(memory_acts[0]);

static const struct memory_act memory_do[] = {
	{ ANON | ON(UFFD), true, false, false, do_dontneed },
	{ SHARED | GMEM, false, true, false, do_dontneed },
	/*
	 * Not where pages are merged: Linux 6.1 makes a merged page lazily
	 * freeable for one, and others that are merged into it lose theirs.
	 */
	{ (ANON & ~ON(KSM)) | ON(UFFD), true, false, false, do_free },
	{ SHARED | GMEM, true, true, false, do_remove },
	{ ALL & ~ON(HUGETLB), false, false, false, do_pageout },
	{ ALL & ~ON(HUGETLB), false, false, false, do_cold },
	{ ON(THP), false, false, false, do_collapse },
	{ ON(THP), false, false, false, do_no_huge },
	{ ON(KSM), false, false, false, do_merge },
	{ ON(KSM), false, false, false, do_unmerge },
	{ ALL | GMEM, false, true, true, do_protect_none },
	{ ALL | GMEM, false, true, true, do_protect_read },
	{ ANON, true, false, false, do_map },
	{ SHARED | GMEM, false, true, true, do_map },
	{ ANON | ON(SHMEM) | GMEM, false, false, false, do_mremap },
	{ ALL, false, false, false, do_node },
	{ ON(UFFD), false, false, false, do_uffd_protect },
	{ ON(POISON) | ON(SMALL), false, false, false, do_offline },
	{ ON(POISON), true, false, false, do_poison },
	{ GMEM, true, false, false, do_punch },
};

/*
 * What the act is done to at least.  Linux 6.1 asserts a lock that it has yet to
 * take where it splits a VMA of hugetlb, which shows on a debug kernel.
 */
static size_t piece_unit(const struct arena *arena, const struct memory_act *act)
{
	if (arena->kind != ARENA_HUGETLB || !act->large)
		return 1;
	if (act->splits && stress_slowness > 1)
		return arena->nr;
	return PAGE_2M / PAGE_4K;
}

static struct piece piece_of(struct arena *arena, size_t page,
			     struct dice *dice, const struct memory_act *act)
{
	size_t unit = piece_unit(arena, act);
	size_t first = page / unit * unit, nr = unit;

	if (unit == 1 && dice_one_in(dice, 4))
		nr = 1 + dice_roll(dice, MAX_PAGES);
	if (nr > arena->nr - first)
		nr = arena->nr - first;
	return (struct piece) {
		.arena = arena, .first = first, .nr = nr,
		.hva = arena_hva(arena, first), .size = nr * PAGE_4K,
		.dice = dice,
	};
}

/* To each page by itself: as many invalidations. */
static int memory_act_by_page(const struct memory_act *act, struct piece piece)
{
	size_t last = piece.first + piece.nr;
	int ret = 0;

	if (piece.arena->kind == ARENA_HUGETLB)
		return act->run(&piece);
	piece.nr = 1;
	piece.size = PAGE_4K;
	for (; piece.first < last; piece.first++, piece.hva += PAGE_4K)
		ret = act->run(&piece) ?: ret;
	return ret;
}

static void memory_act_on(struct arena *arena, size_t page, size_t nr,
			  struct dice *dice)
{
	const struct memory_act *act = &memory_do[nr];
	struct piece piece = piece_of(arena, page, dice, act);
	size_t i;
	int ret;

	if (act->drops)
		arena_drop_begin(arena, piece.first, piece.nr);
	ret = dice_roll(dice, 2) ? act->run(&piece) :
				   memory_act_by_page(act, piece);
	if (act->drops)
		arena_drop_end(arena, piece.first, piece.nr);
	for (i = 0; i < piece.nr; i++)
		page_event(arena, piece.first + i, "memory",
			   memory_acts[nr].name, ret);
	act_count(&memory_acts[nr], ret);
}

void *storm_memory(void *arg)
{
	struct worker *worker = arg;

	while (stress_step(worker)) {
		struct arena *arena;
		size_t page = hot_choose(&worker->dice, &arena);
		size_t nr = dice_roll(&worker->dice, nr_memory_acts);

		if (!(memory_do[nr].on & 1U << arena->kind) || !act_allowed(&memory_acts[nr]))
			continue;
		if (pthread_mutex_trylock(&arena->lock)) {
			usleep(500);
			continue;
		}
		memory_act_on(arena, page, nr, &worker->dice);
		pthread_mutex_unlock(&arena->lock);
		if (dice_one_in(&worker->dice, 16))
			usleep(1000);
	}
	return NULL;
}
