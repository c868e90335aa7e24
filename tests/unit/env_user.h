/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_ENV_USER_H
#define _KTDP_ENV_USER_H

/*
 * Surroundings of the pure code (src/table) in user space: the kernel's words,
 * locks that notice misuse, and table pages at made-up host physical addresses.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/cdefs.h>	/* __always_inline */

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define GENMASK_ULL(h, l)	((~0ULL << (l)) & (~0ULL >> (63 - (h))))

#define noinline		__attribute__((__noinline__))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define __acquires(x)
#define __releases(x)
#define __acquire(lock)		((void)0)
#define __release(lock)		((void)0)
#define ____cacheline_aligned_in_smp	__attribute__((__aligned__(64)))

#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, val)	__atomic_store_n(&(x), val, __ATOMIC_RELAXED)
/* Pairs with whatever the code under test says. */
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define cmpxchg(p, old, new)	__sync_val_compare_and_swap(p, old, new)
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))

/* As strict as the kernel's: both sides have one type. */
#define env_pick(a, b, op) ({				\
	__typeof__(a) env_a = (a);			\
	__typeof__(b) env_b = (b);			\
							\
	(void)(&env_a == &env_b);			\
	env_a op env_b ? env_a : env_b;			\
})
#define min(a, b)		env_pick(a, b, <)
#define max(a, b)		env_pick(a, b, >)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	long counter;
} atomic_long_t;

#define atomic_inc(v)		((void)__atomic_fetch_add(&(v)->counter, 1, __ATOMIC_RELAXED))
#define atomic_dec(v)		((void)__atomic_fetch_sub(&(v)->counter, 1, __ATOMIC_RELAXED))
#define atomic_read(v)		READ_ONCE((v)->counter)
#define atomic_read_acquire(v)	__atomic_load_n(&(v)->counter, __ATOMIC_ACQUIRE)
#define atomic_long_inc(v)	atomic_inc(v)
#define atomic_long_read(v)	atomic_read(v)

/*
 * The tests have one thread.  What another CPU does in the middle of an operation
 * is called from a hook, with env.cpu raised meanwhile: a lock knows whose it is.
 */
typedef struct {
	u8 owner;		/* CPU + 1, or 0 */
} raw_spinlock_t;

#define ENV_CPUS	4
#define ENV_LOCKS	128	/* held by one CPU */

struct env_cpu {
	const raw_spinlock_t *held[ENV_LOCKS];
	unsigned int nr_held;
	unsigned int sets;	/* changes of entries in this hold */
};

struct ktdp_table;

struct env {
	u64 hpa_base;		/* of table pages; see env_hpa_base_set() */
	unsigned int pages;	/* allocated and not freed */
	unsigned int warns;	/* seen */
	unsigned int warns_max;	/* one more is fatal */
	u64 sets;		/* changes of entries */
	unsigned int sets_max;	/* in one hold, since it was reset */
	u64 holds;		/* times that a CPU let go of its last lock */

	unsigned int cpu;	/* the one that runs */
	struct env_cpu cpus[ENV_CPUS];

	/* Before each change of an entry, if set. */
	void (*on_set)(struct ktdp_table *table, u64 gfn, int level, u64 old,
		       u64 new);
	void (*on_lock)(const raw_spinlock_t *lock);
	/* A CPU has let go of its last lock: others may come now. */
	void (*on_hold_end)(void);
	/* What to say before the program dies of a failed check. */
	void (*on_die)(void);
};

extern struct env env;

void env_die(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));
bool env_warn(bool cond, const char *what, const char *file, int line);
u64 env_number(const char *name, u64 def);

#define WARN_ON_ONCE(cond)	env_warn(cond, #cond, __FILE__, __LINE__)
#define lockdep_assert_held(lock)	((void)WARN_ON_ONCE(!env_is_held(lock)))

/*
 * The locks of struct ktdp_table stand in it in the order in which they are taken:
 * so one that is taken has a higher address than all that are held.
 */
#define raw_spin_lock_init(lock)	(*(lock) = (raw_spinlock_t) { 0 })
#define raw_spin_lock_nest_lock(lock, outer)	do {	\
	lockdep_assert_held(outer);			\
	raw_spin_lock(lock);				\
} while (0)

void raw_spin_lock(raw_spinlock_t *lock);
void raw_spin_unlock(raw_spinlock_t *lock);

static inline bool env_is_held(const raw_spinlock_t *lock)
{
	return lock->owner == env.cpu + 1;
}

/* Whoever may reschedule holds no raw spinlock. */
static inline void cond_resched(void)
{
	if (env.cpus[env.cpu].nr_held)
		env_die("%s() under a raw spinlock", __func__);
}

static inline void trace_kvm_tdp_set_entry(struct ktdp_table *table, u64 gfn,
					   int level, u64 old, u64 new)
{
	env.sets++;
	env.cpus[env.cpu].sets++;
	if (env.on_set)
		env.on_set(table, gfn, level, old, new);
}

/*
 * A table page's life.  An address that is not that of a live table page is
 * fatal where it is used.  Who follows what happens to pages (check.c) says so,
 * and then the freeing of a linked one is noticed.
 */
enum env_state {
	ENV_FREE,
	ENV_FRESH,		/* allocated: in a pool, or a root */
	ENV_LINKED,
	ENV_DETACHED,
};

struct env_page {
	enum env_state state;
	int level;		/* of its entries, once it is linked */
	u64 gfn;		/* of the first one */
	unsigned long link;
	struct env_page *next_free;
};

#define ENV_MAX_PAGES	8192
#define ENV_HPA_STRIDE	8192ULL	/* there is a guard page behind each */

void env_hpa_base_set(u64 addr_bits);
u64 *env_page_alloc(void);
void env_page_free(u64 *entries);
struct env_page *env_page(u64 hpa);

u64 *ktdp_hpa_to_entries(u64 hpa);
u64 ktdp_entries_to_hpa(const u64 *entries);
unsigned long *ktdp_page_link(u64 hpa);

#endif /* _KTDP_ENV_USER_H */
