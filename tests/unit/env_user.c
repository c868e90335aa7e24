// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "env_user.h"
#include "tap.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define __sanitizer_set_death_callback(fn)	((void)(fn))
#define ASAN_POISON_MEMORY_REGION(p, n)		((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n)	((void)(p), (void)(n))
#endif

#define ENV_PAGE_SIZE	4096
#define ENV_ARENA_SIZE	(ENV_MAX_PAGES * ENV_HPA_STRIDE)
#define ENV_QUARANTINE	256	/* freed pages that are not used again yet */

struct env env;

static struct env_page pages[ENV_MAX_PAGES];
static unsigned int nr_pages;	/* ever used */
static unsigned char *arena;
static struct env_page *free_head, **free_tail = &free_head;
static unsigned int nr_free;

/* A sanitizer's finding says what led to it, too. */
static void env_death(void)
{
	if (env.on_die)
		env.on_die();
}

void env_die(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ok(false, "%s", text);
	env_death();
	bail("stopped at the first failure");
}

bool env_warn(bool cond, const char *what, const char *file, int line)
{
	if (cond && ++env.warns > env.warns_max)
		env_die("WARN_ON(%s) at %s:%d", what, file, line);
	return cond;
}

u64 env_number(const char *name, u64 def)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : def;
}

void raw_spin_lock(raw_spinlock_t *lock)
{
	struct env_cpu *cpu = &env.cpus[env.cpu];

	if (lock->owner)
		env_die("CPU %u takes a lock that CPU %d has", env.cpu,
			lock->owner - 1);
	if (cpu->nr_held && cpu->held[cpu->nr_held - 1] > lock)
		env_die("lock order: one is taken under another that comes later");
	if (!cpu->nr_held)
		cpu->sets = 0;
	cpu->held[cpu->nr_held++] = lock;
	lock->owner = env.cpu + 1;
	if (env.on_lock)
		env.on_lock(lock);
}

void raw_spin_unlock(raw_spinlock_t *lock)
{
	struct env_cpu *cpu = &env.cpus[env.cpu];
	unsigned int i;

	if (!env_is_held(lock))
		env_die("lock released that is not held");
	for (i = cpu->nr_held - 1; cpu->held[i] != lock; i--)
		;
	memmove(&cpu->held[i], &cpu->held[i + 1],
		(cpu->nr_held - i - 1) * sizeof(cpu->held[0]));
	lock->owner = 0;
	if (--cpu->nr_held)
		return;
	env.holds++;
	env.sets_max = max(env.sets_max, cpu->sets);
	if (env.on_hold_end)
		env.on_hold_end();
}

static u64 *page_entries(const struct env_page *page)
{
	return (u64 *)(arena + (page - pages) * ENV_HPA_STRIDE);
}

struct env_page *env_page(u64 hpa)
{
	u64 off = hpa - env.hpa_base;

	if (off >= ENV_ARENA_SIZE || off % ENV_HPA_STRIDE)
		env_die("%#llx is not the address of a table page", hpa);
	if (pages[off / ENV_HPA_STRIDE].state == ENV_FREE)
		env_die("table page %#llx is used after it was freed", hpa);
	return &pages[off / ENV_HPA_STRIDE];
}

static void arena_map(void)
{
	__sanitizer_set_death_callback(env_death);
	arena = mmap(NULL, ENV_ARENA_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (arena == MAP_FAILED)
		bail("no memory for table pages");
	ASAN_POISON_MEMORY_REGION(arena, ENV_ARENA_SIZE);
}

/*
 * Put table pages at the top of what @addr_bits can express.  Not while there
 * is a table.
 */
void env_hpa_base_set(u64 addr_bits)
{
	if (env.pages)
		env_die("%u table pages leaked", env.pages);
	env.hpa_base = addr_bits & ~(ENV_ARENA_SIZE - 1);
}

static struct env_page *page_take(void)
{
	struct env_page *page = free_head;

	if (nr_pages < ENV_MAX_PAGES && nr_free < ENV_QUARANTINE)
		return &pages[nr_pages++];
	if (!page)
		bail("more than %d table pages", ENV_MAX_PAGES);
	free_head = page->next_free;
	if (!free_head)
		free_tail = &free_head;
	nr_free--;
	return page;
}

u64 *env_page_alloc(void)
{
	struct env_page *page;
	u64 *entries;

	if (!arena)
		arena_map();
	page = page_take();
	entries = page_entries(page);
	ASAN_UNPOISON_MEMORY_REGION(entries, ENV_PAGE_SIZE);
	memset(entries, 0, ENV_PAGE_SIZE);
	*page = (struct env_page) { .state = ENV_FRESH };
	env.pages++;
	return entries;
}

void env_page_free(u64 *entries)
{
	struct env_page *page = env_page(ktdp_entries_to_hpa(entries));

	if (page->state == ENV_LINKED)
		env_die("table freed while it is linked");
	page->state = ENV_FREE;
	page->next_free = NULL;
	*free_tail = page;
	free_tail = &page->next_free;
	nr_free++;
	env.pages--;
	ASAN_POISON_MEMORY_REGION(entries, ENV_PAGE_SIZE);
}

u64 *ktdp_hpa_to_entries(u64 hpa)
{
	return page_entries(env_page(hpa));
}

u64 ktdp_entries_to_hpa(const u64 *entries)
{
	return env.hpa_base + ((const unsigned char *)entries - arena);
}

unsigned long *ktdp_page_link(u64 hpa)
{
	return &env_page(hpa)->link;
}
