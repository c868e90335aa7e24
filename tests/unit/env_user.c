// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mirror.h"
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
#define ENV_ARENA_SIZE	(ENV_MAX_TABLES * ENV_HPA_STRIDE)
#define ENV_QUARANTINE	256	/* freed pages that are not used again yet */

struct env_table {
	struct ktdp_table table;
	struct env_table *parent;
	struct env_table *next_free;
	u64 gfn;		/* first one below a linked table */
	enum env_state state;
};

struct env env;

static struct env_table slots[ENV_MAX_TABLES];
static unsigned int nr_slots;	/* ever used */
static unsigned char *arena;
static struct env_table *free_head, **free_tail = &free_head;
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
	if (lock->held)
		env_die("lock taken twice");
	lock->held = true;
	env.locks++;
}

void raw_spin_unlock(raw_spinlock_t *lock)
{
	if (!lock->held)
		env_die("lock released but not held");
	lock->held = false;
	env.locks--;
}

static struct env_table *env_of(const struct ktdp_table *table)
{
	return (struct env_table *)((char *)table -
				    offsetof(struct env_table, table));
}

static u64 *env_page(const struct env_table *slot)
{
	return (u64 *)(arena + (slot - slots) * ENV_HPA_STRIDE);
}

static struct env_table *env_slot(u64 hpa)
{
	u64 off = hpa - env.hpa_base;

	if (off >= ENV_ARENA_SIZE || off % ENV_HPA_STRIDE)
		env_die("%#llx is not the address of a table page", hpa);
	if (slots[off / ENV_HPA_STRIDE].state == ENV_FREE)
		env_die("table page %#llx is used after it was freed", hpa);
	return &slots[off / ENV_HPA_STRIDE];
}

static void env_arena_map(void)
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
	if (env.tables)
		env_die("%u tables leaked", env.tables);
	env.hpa_base = addr_bits & ~(ENV_ARENA_SIZE - 1);
}

static struct env_table *env_slot_take(void)
{
	struct env_table *slot = free_head;

	if (nr_slots < ENV_MAX_TABLES && nr_free < ENV_QUARANTINE)
		return &slots[nr_slots++];
	if (!slot)
		bail("more than %d tables", ENV_MAX_TABLES);
	free_head = slot->next_free;
	if (!free_head)
		free_tail = &free_head;
	nr_free--;
	return slot;
}

struct ktdp_table *env_table_alloc(struct ktdp_mirror *mirror)
{
	struct env_table *slot;

	if (!arena)
		env_arena_map();
	slot = env_slot_take();
	ASAN_UNPOISON_MEMORY_REGION(&slot->table, sizeof(slot->table));
	ASAN_UNPOISON_MEMORY_REGION(env_page(slot), ENV_PAGE_SIZE);
	memset(slot, 0, sizeof(*slot));
	memset(env_page(slot), 0, ENV_PAGE_SIZE);
	slot->table.entries = env_page(slot);
	slot->table.mirror = mirror;
	slot->state = ENV_FRESH;
	env.tables++;
	return &slot->table;
}

/* A table goes when it, or a table above it, has been detached. */
static void env_check_free(const struct env_table *slot)
{
	const struct env_table *top = slot;

	while (top->state == ENV_LINKED && top->parent)
		top = top->parent;
	if (slot->state == ENV_FREE)
		env_die("table freed twice");
	if (top->state == ENV_LINKED ||
	    (top->state == ENV_FRESH && top != slot))
		env_die("table freed while it is linked");
}

void ktdp_table_free(struct ktdp_table *table)
{
	struct env_table *slot = env_of(table);

	env_check_free(slot);
	slot->state = ENV_FREE;
	slot->next_free = NULL;
	*free_tail = slot;
	free_tail = &slot->next_free;
	nr_free++;
	env.tables--;
	ASAN_POISON_MEMORY_REGION(env_page(slot), ENV_PAGE_SIZE);
	ASAN_POISON_MEMORY_REGION(&slot->table, sizeof(slot->table));
}

void env_table_linked(u64 hpa, struct ktdp_table *parent, u64 gfn)
{
	struct env_table *slot = env_slot(hpa);

	if (slot->state != ENV_FRESH)
		env_die("table linked that is in use, state %d", slot->state);
	slot->state = ENV_LINKED;
	slot->parent = env_of(parent);
	slot->gfn = gfn;
}

void env_table_detached(u64 hpa)
{
	struct env_table *slot = env_slot(hpa);

	if (slot->state != ENV_LINKED)
		env_die("table detached that was not linked, state %d",
			slot->state);
	slot->state = ENV_DETACHED;
}

enum env_state env_table_state(const struct ktdp_table *table)
{
	return env_of(table)->state;
}

u64 env_table_gfn(const struct ktdp_table *table)
{
	return env_of(table)->gfn;
}

u64 *ktdp_hpa_to_entries(u64 hpa)
{
	return env_slot(hpa)->table.entries;
}

struct ktdp_table *ktdp_hpa_to_table(u64 hpa)
{
	return &env_slot(hpa)->table;
}

u64 ktdp_table_hpa(const struct ktdp_table *table)
{
	return env.hpa_base + (env_of(table) - slots) * ENV_HPA_STRIDE;
}
