// SPDX-License-Identifier: GPL-2.0-only
/*
 * Structs and buffers stand in a window of pages of every kind, below 4G so that
 * 32-bit callers reach it.  A second mapping of the same pages lets us look at
 * what cannot be read, and fill what cannot be written.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "uapi.h"
#include "uffd.h"

#define NR_PAGES	10
#define DATA		6	/* the first page of two for buffers */
#define DATA_READ	9	/* the same, that cannot be written */
#define MARGIN		64	/* bytes around a struct that are looked at */
#define RW		(PROT_READ | PROT_WRITE)

static const int prots[NR_PAGES] = {
	RW, RW, PROT_NONE, RW, PROT_READ, PROT_NONE, RW, RW, PROT_NONE, PROT_READ,
};

static uint8_t *window, *alias, *unmapped;

/*
 * Two pages of which the second is given by a thread, when it is asked for: by
 * then the kernel has read what is in the first.
 */
static struct {
	uint8_t *at;
	int uffd;
	uint8_t page[PAGE_4K];	/* what it gives */
	uint32_t *head;		/* what it changes then, NULL: nothing */
	uint32_t value;
	pthread_t thread;
} late;

/* A thread that changes words of a struct for as long as it is told to. */
static struct {
	uint32_t *words;
	uint32_t which;
	sem_t go, gone;
	bool ends;		/* this race */
	bool stop;
	pthread_t thread;
} racer;

static void *late_run(void *arg)
{
	uint64_t at;

	while (!__atomic_load_n(&racer.stop, __ATOMIC_ACQUIRE)) {
		at = uffd_wait(late.uffd, 200);
		if (!at)
			continue;
		if (late.head)
			__atomic_store_n(late.head, late.value, __ATOMIC_RELAXED);
		uffd_copy(late.uffd, at, late.page);
	}
	return NULL;
}

static void racer_flip(uint32_t turn)
{
	static const uint32_t values[] = { 0, 1, 32, 64, 0x1000, 0x1001, -1U };
	uint32_t word = turn % 32;

	if (racer.which & 1U << word)
		__atomic_store_n(racer.words + word,
				 values[turn / 32 % 7], __ATOMIC_RELAXED);
}

static void *racer_run(void *arg)
{
	uint32_t turn = 0;

	for (;;) {
		sem_wait(&racer.go);
		if (racer.stop)
			return NULL;
		while (!__atomic_load_n(&racer.ends, __ATOMIC_ACQUIRE))
			racer_flip(turn++);
		sem_post(&racer.gone);
	}
}

static void late_open(void)
{
	struct mem mem;

	late.at = mmap(NULL, 3 * PAGE_4K, RW,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (late.at == MAP_FAILED)
		bail("no memory below 4G");
	must(mprotect(late.at + 2 * PAGE_4K, PAGE_4K, PROT_NONE));
	late.uffd = uffd_open(0);
	mem = (struct mem){ .hva = late.at + PAGE_4K, .size = PAGE_4K };
	uffd_register(late.uffd, &mem, UFFDIO_REGISTER_MODE_MISSING);
	must(-pthread_create(&late.thread, NULL, late_run, NULL));
}

void window_reset(void)
{
	memset(alias, WINDOW_CALM, NR_PAGES * PAGE_4K);
}

void window_open(void)
{
	int fd = must(memfd_create("window", MFD_CLOEXEC)), i;

	must(ftruncate(fd, NR_PAGES * PAGE_4K));
	window = mmap(NULL, (NR_PAGES + 2) * PAGE_4K, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	alias = mmap(NULL, NR_PAGES * PAGE_4K, RW, MAP_SHARED, fd, 0);
	if (window == MAP_FAILED || alias == MAP_FAILED)
		bail("no window");
	for (i = 0; i < NR_PAGES; i++)
		if (mmap(window + i * PAGE_4K, PAGE_4K, prots[i],
			 MAP_SHARED | MAP_FIXED, fd, i * PAGE_4K) == MAP_FAILED)
			bail("no page of the window");
	window_reset();
	close(fd);
	late_open();
	/* Last, for whoever asks for memory below 4G next may be given these. */
	unmapped = window + NR_PAGES * PAGE_4K;
	must(munmap(unmapped, 2 * PAGE_4K));
	must(sem_init(&racer.go, 0, 0));
	must(sem_init(&racer.gone, 0, 0));
	must(-pthread_create(&racer.thread, NULL, racer_run, NULL));
}

/* Bytes from @offset on whose pages have @prot. */
static size_t window_reach(size_t offset, int prot)
{
	size_t end = offset / PAGE_4K;

	while (end < NR_PAGES && prots[end] & prot)
		end++;
	return end * PAGE_4K > offset ? end * PAGE_4K - offset : 0;
}

void window_find(struct spot *spot, uint64_t address)
{
	size_t offset = address - (uintptr_t)window;

	memset(spot, 0, sizeof(*spot));
	spot->at = (uint8_t *)(uintptr_t)address;
	if (offset >= NR_PAGES * PAGE_4K)
		return;
	spot->alias = alias + offset;
	spot->readable = window_reach(offset, PROT_READ);
	spot->writable = window_reach(offset, PROT_WRITE);
}

static void late_choose(struct spot *spot, size_t size)
{
	size_t head = 8 + 8 * roll((size < PAGE_4K / 2 ? size : PAGE_4K / 2) / 8);

	memset(spot, 0, sizeof(*spot));
	must(madvise(late.at + PAGE_4K, PAGE_4K, MADV_DONTNEED));
	spot->at = late.at + PAGE_4K - (head < size ? head : 8);
	spot->readable = 2 * PAGE_4K;
	spot->writable = 2 * PAGE_4K;
	spot->wild = true;
	late.head = one_in(3) ? NULL : (uint32_t *)spot->at;
	late.value = one_in(2) ? size + roll(64) : odd_number();
}

void window_choose(struct spot *spot, size_t size)
{
	uint64_t at = (uintptr_t)window;

	switch (roll(64)) {
	case 0:		/* the last bytes of what can be written */
		at += 2 * PAGE_4K - size;
		break;
	case 1:		/* some of it is out of reach */
		at += 2 * PAGE_4K - roll(size);
		break;
	case 2:		/* some of it cannot be written */
		at += 4 * PAGE_4K - roll(size);
		break;
	case 3:
		at += 4 * PAGE_4K + 8 * roll(64);
		break;
	case 4:
		at += 2 * PAGE_4K;
		break;
	case 5:
		at = (uintptr_t)unmapped + roll(64);
		break;
	case 6:
		at = odd_pointer();
		break;
	case 7:		/* not aligned */
		at += MARGIN + roll(2048);
		break;
	case 8:		/* on two pages */
		at += PAGE_4K - roll(size);
		break;
	case 9:
		if (one_in(8) && !fuzz_in_child) {
			late_choose(spot, size);
			return;
		}
		at += MARGIN;
		break;
	default:
		at += MARGIN + 8 * roll(128);
		break;
	}
	window_find(spot, at);
}

void window_choose_data(struct spot *spot)
{
	uint64_t at = (uintptr_t)window;

	switch (roll(16)) {
	case 0:
		at = odd_pointer();
		break;
	case 1:
		at += (DATA + 2) * PAGE_4K - roll(256);
		break;
	case 2:
		at += DATA_READ * PAGE_4K + MARGIN + roll(128);
		break;
	case 3:
		at = (uintptr_t)unmapped;
		break;
	case 4:
		at += DATA * PAGE_4K + MARGIN + roll(1024);
		break;
	default:
		at += DATA * PAGE_4K + MARGIN;
		break;
	}
	window_find(spot, at);
}

static size_t spot_room(const struct spot *spot, size_t length)
{
	size_t room = alias + NR_PAGES * PAGE_4K - spot->alias;

	return length < room ? length : room;
}

void window_put(struct spot *spot, const void *bytes, size_t length)
{
	size_t head;

	if (spot->alias) {
		memcpy(spot->alias, bytes, spot_room(spot, length));
	} else if (spot->wild) {
		head = late.at + PAGE_4K - spot->at;
		head = length < head ? length : head;
		length = length < head + PAGE_4K ? length : head + PAGE_4K;
		memcpy(spot->at, bytes, head);
		memset(late.page, WINDOW_CALM, PAGE_4K);
		memcpy(late.page, (const uint8_t *)bytes + head, length - head);
	}
}

static bool calm(const uint8_t *from, const uint8_t *to)
{
	if (from < alias)
		from = alias;
	if (to > alias + NR_PAGES * PAGE_4K)
		to = alias + NR_PAGES * PAGE_4K;
	return from >= to || uapi_all_are(from, WINDOW_CALM, to - from);
}

/* The same, in the page that came late. */
static bool late_calm(const uint8_t *from)
{
	const uint8_t *end = late.at + 2 * PAGE_4K;

	if (end - from > MARGIN)
		end = from + MARGIN;
	return from >= end || uapi_all_are(from, WINDOW_CALM, end - from);
}

bool window_calm(const struct spot *spot, size_t length)
{
	if (!spot->alias)
		return !spot->wild || late_calm(spot->at + length);
	return calm(spot->alias - MARGIN, spot->alias) &&
	       calm(spot->alias + length, spot->alias + length + MARGIN);
}

bool window_all_calm(void)
{
	return calm(alias, alias + NR_PAGES * PAGE_4K);
}

void window_clear(struct spot *spot, size_t length)
{
	if (spot->alias)
		memset(spot->alias, WINDOW_CALM, spot_room(spot, length));
}

void window_race(struct spot *spot, uint32_t words)
{
	if (!spot->alias || fuzz_in_child)
		return;
	spot->wild = true;
	racer.words = (uint32_t *)spot->alias;
	racer.which = words;
	racer.ends = false;
	sem_post(&racer.go);
}

/* Not before the thread has seen it: it must not write to what comes next. */
void window_race_end(struct spot *spot)
{
	if (!spot->wild || !spot->alias)
		return;
	__atomic_store_n(&racer.ends, true, __ATOMIC_RELEASE);
	sem_wait(&racer.gone);
}

void window_close(void)
{
	__atomic_store_n(&racer.stop, true, __ATOMIC_RELEASE);
	sem_post(&racer.go);
	pthread_join(racer.thread, NULL);
	pthread_join(late.thread, NULL);
	close(late.uffd);
	munmap(late.at, 3 * PAGE_4K);
	munmap(window, NR_PAGES * PAGE_4K);
	munmap(alias, NR_PAGES * PAGE_4K);
}
