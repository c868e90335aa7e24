/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_IMPORTERS_SHIM_H
#define TESTS_IMPORTERS_SHIM_H

/* The few words of the kernel that the walker and iotlb.c use. */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/types.h>

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define IS_ERR(p)		((unsigned long)(p) >= -4095UL)
#define PTR_ERR(p)		((long)(p))

#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define GENMASK_ULL(h, l)	((~0ULL << (l)) & (~0ULL >> (63 - (h))))
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define BUILD_BUG_ON(cond)	_Static_assert(!(cond), #cond)
#define min_t(t, a, b)		((t)(a) < (t)(b) ? (t)(a) : (t)(b))

#define PHYS_PFN(hpa)		((hpa) >> 12)
#define RCU_LOCKDEP_WARN(c, s)	((void)(c))
#define rcu_read_lock_held()	true

typedef struct { int unused; } raw_spinlock_t;
struct rw_semaphore { int unused; };
struct mm_struct;

/* Of the test: host physical memory. */
#define KEY_BIT			BIT_ULL(47)	/* as the memory encryption bit */
#define __sme_clr(x)		((x) & ~KEY_BIT)
void *phys_to_virt(u64 hpa);
bool pfn_valid(u64 pfn);

#endif /* TESTS_IMPORTERS_SHIM_H */
