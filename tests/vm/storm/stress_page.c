// SPDX-License-Identifier: GPL-2.0-only
/*
 * A word of a page holds the page's number and the generation of its last
 * write: any other page's content, poison, or an old state is told from it.
 *
 * A write that fails may have written some words, so any generation from the
 * last write that succeeded to the last that was tried is right.  Zero is right
 * if the host was asked to drop the page while or since the former was made.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "stress.h"
#include "sys.h"

#define GEN_SHIFT	40
#define MAX_TOLD	20
#define KSM_LIKES	4	/* pages of so many kinds */

bool page_try(struct page *page)
{
	return !__atomic_exchange_n(&page->busy, true, __ATOMIC_ACQUIRE);
}

void page_leave(struct page *page)
{
	__atomic_store_n(&page->busy, false, __ATOMIC_RELEASE);
}

static uint32_t page_drops(const struct page *page)
{
	return __atomic_load_n(&page->drops, __ATOMIC_SEQ_CST);
}

/* Pages that KSM is to merge are written alike for a second. */
static uint32_t page_next_gen(const struct arena *arena, const struct page *page)
{
	uint32_t gen = time(NULL) - stress_began + 1;

	if (arena->kind != ARENA_KSM)
		return page->hi + 1;
	return gen > page->hi ? gen : page->hi;
}

struct page_write page_write_begin(struct arena *arena, size_t nr)
{
	struct page *page = &arena->pages[nr];
	struct page_write write = {
		.gen = page_next_gen(arena, page), .drops = page_drops(page),
	};

	page->hi = write.gen;
	return write;
}

void page_write_end(struct arena *arena, size_t nr, struct page_write write,
		    int ret)
{
	struct page *page = &arena->pages[nr];

	if (ret)
		return;
	page->lo = write.gen;
	page->drops_seen = write.drops;
}

static uint64_t page_tag(const struct arena *arena, size_t nr)
{
	if (arena->kind == ARENA_KSM)
		nr %= KSM_LIKES;
	return arena->gpa + nr * PAGE_4K;
}

uint64_t page_word(const struct arena *arena, size_t nr, uint32_t gen)
{
	return page_tag(arena, nr) ^ (uint64_t)gen << GEN_SHIFT;
}

void page_fill(const struct arena *arena, size_t nr, uint32_t gen, void *buf)
{
	mem_fill(buf, page_tag(arena, nr), PAGE_4K, (uint64_t)gen << GEN_SHIFT);
}

/* Some may be lost, where two come at once. */
void page_event(struct arena *arena, size_t nr, const char *who,
		const char *what, int ret)
{
	struct page *page = &arena->pages[nr];
	uint32_t at = __atomic_fetch_add(&page->nr_events, 1, __ATOMIC_RELAXED);

	page->events[at % PAGE_HISTORY] = (struct event) {
		.ms = sys_now(), .ret = ret, .who = who, .what = what,
	};
}

void page_tell_history(const struct page *page)
{
	uint32_t i, nr = page->nr_events, now = sys_now();

	for (i = nr < PAGE_HISTORY ? 0 : nr - PAGE_HISTORY; i < nr; i++) {
		const struct event *event = &page->events[i % PAGE_HISTORY];

		diag("    %u ms ago: %s: %s: %d", now - event->ms, event->who,
		     event->what, event->ret);
	}
}

static void page_tell(const struct arena *arena, size_t nr, size_t off,
		      uint64_t word, const char *who, uint64_t gpa)
{
	const struct page *page = &arena->pages[nr];

	if (figure(FIG_BAD_WORDS) > MAX_TOLD)
		return;
	diag("%s: %s page %zu (gpa %#llx) has %#llx at %#zx, expected %#llx of generations %u to %u; drops %u, seen %u",
	     who, arena->name, nr, (unsigned long long)gpa,
	     (unsigned long long)word, off,
	     (unsigned long long)page_tag(arena, nr) + off, page->lo, page->hi,
	     page->drops, page->drops_seen);
	page_tell_history(page);
}

struct page_view page_view(const struct arena *arena, size_t nr)
{
	const struct page *page = &arena->pages[nr];
	struct page_view view;

	view.lo = __atomic_load_n(&page->lo, __ATOMIC_ACQUIRE);
	view.drops_seen = __atomic_load_n(&page->drops_seen, __ATOMIC_ACQUIRE);
	return view;
}

enum page_verdict page_judge(const struct arena *arena, size_t nr, const struct page_view *view,
			     const void *buf, size_t *off)
{
	const struct page *page = &arena->pages[nr];
	uint32_t hi = __atomic_load_n(&page->hi, __ATOMIC_SEQ_CST);
	/* Looked at after the page was read, and odd while a drop is going on. */
	bool zero = page_drops(page) != view->drops_seen || view->drops_seen % 2;
	uint64_t tag = page_tag(arena, nr), word;
	enum page_verdict verdict = PAGE_RIGHT, one;
	size_t at;

	for (at = 0; at < PAGE_4K && verdict != PAGE_WRONG; at += sizeof(word)) {
		memcpy(&word, buf + at, sizeof(word));
		if (!word) {
			one = zero ? PAGE_RIGHT : PAGE_OLD;
		} else {
			word ^= tag + at;
			one = word >> GEN_SHIFT < view->lo ? PAGE_OLD : PAGE_RIGHT;
			if (word & ((1ULL << GEN_SHIFT) - 1) || word >> GEN_SHIFT > hi)
				one = PAGE_WRONG;
		}
		if (one > verdict && off)
			*off = at;
		verdict = one > verdict ? one : verdict;
	}
	count(FIG_WORDS, at / sizeof(word));
	return verdict;
}

void page_wrong(const struct arena *arena, size_t nr, const struct page_view *view,
		const void *buf, const char *who, uint64_t gpa)
{
	uint64_t word;
	size_t off = 0;

	count(FIG_BAD_WORDS, 1);
	page_judge(arena, nr, view, buf, &off);
	memcpy(&word, buf + off, sizeof(word));
	page_tell(arena, nr, off, word, who, gpa);
}

void page_check(const struct arena *arena, size_t nr, const void *buf,
		const char *who, uint64_t gpa)
{
	struct page_view view = page_view(arena, nr);

	if (page_judge(arena, nr, &view, buf, NULL) != PAGE_RIGHT)
		page_wrong(arena, nr, &view, buf, who, gpa);
}
