/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_ENV_USER_H
#define _KTDP_ENV_USER_H

/*
 * Surroundings of the pure code (fmt*.h, walk.h, mirror.c) in user space: the
 * kernel's words, and table pages at made-up host physical addresses.
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

#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, val)	__atomic_store_n(&(x), val, __ATOMIC_RELAXED)
/* Pairs with whatever the code under test says. */
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
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

struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);
};

struct llist_node {
	struct llist_node *next;
};

/*
 * A lock that only knows whether it is held: the tests have one thread.  A
 * typedef because it is one in the kernel.
 */
typedef struct {
	bool held;
} raw_spinlock_t;

struct ktdp_mirror;
struct ktdp_table;

struct env {
	u64 hpa_base;		/* of table pages; see env_hpa_base_set() */
	unsigned int tables;	/* allocated and not freed */
	unsigned int locks;	/* held */
	unsigned int warns;	/* seen */
	unsigned int warns_max;	/* one more is fatal */
	u64 set_entry_calls;

	/* Before each change of an entry, if set. */
	void (*on_set)(struct ktdp_mirror *mirror, u64 gfn, int level, u64 old,
		       u64 new);
	/* What to say before the program dies of a failed check. */
	void (*on_die)(void);
};

extern struct env env;

void env_die(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));
bool env_warn(bool cond, const char *what, const char *file, int line);
u64 env_number(const char *name, u64 def);

#define WARN_ON_ONCE(cond)	env_warn(cond, #cond, __FILE__, __LINE__)
#define lockdep_assert_held(lock)	((void)WARN_ON_ONCE(!(lock)->held))

void raw_spin_lock(raw_spinlock_t *lock);
void raw_spin_unlock(raw_spinlock_t *lock);

/* Whoever may reschedule holds no raw spinlock. */
static inline void cond_resched(void)
{
	if (env.locks)
		env_die("%s() under a raw spinlock", __func__);
}

static inline void trace_kvm_tdp_set_entry(struct ktdp_mirror *mirror, u64 gfn,
					   int level, u64 old, u64 new)
{
	env.set_entry_calls++;
	if (env.on_set)
		env.on_set(mirror, gfn, level, old, new);
}

/* ktdp_mirror_fill() is for when nobody looks; who tests it looks himself. */
static inline bool trace_kvm_tdp_set_entry_enabled(void)
{
	return false;
}

/*
 * A table page's life.  An address that is not that of a live table page is
 * fatal where it is used.  env_table_linked() and env_table_detached() are for
 * an on_set hook that follows what happens to tables; only where one does is
 * the freeing of a linked table noticed.
 */
enum env_state {
	ENV_FREE,
	ENV_FRESH,		/* allocated: in a pool, or a root */
	ENV_LINKED,
	ENV_DETACHED,
};

#define ENV_MAX_TABLES	8192
#define ENV_HPA_STRIDE	8192ULL	/* there is a guard page behind each */

void env_hpa_base_set(u64 addr_bits);
struct ktdp_table *env_table_alloc(struct ktdp_mirror *mirror);
void env_table_linked(u64 hpa, struct ktdp_table *parent, u64 gfn);
void env_table_detached(u64 hpa);
enum env_state env_table_state(const struct ktdp_table *table);
u64 env_table_gfn(const struct ktdp_table *table);

u64 *ktdp_hpa_to_entries(u64 hpa);
struct ktdp_table *ktdp_hpa_to_table(u64 hpa);
u64 ktdp_table_hpa(const struct ktdp_table *table);
void ktdp_table_free(struct ktdp_table *table);

#endif /* _KTDP_ENV_USER_H */
