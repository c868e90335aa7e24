/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_IOMMU_SHIM_H
#define TESTS_IOMMU_SHIM_H

/*
 * The kernel's words that the code under test uses.  Locks, the IOMMU and the exported
 * table are the world's (world.c): each of their functions is a point at which another
 * thread may run.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/types.h>

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned int gfp_t;
typedef u64 phys_addr_t;

#define EXPORT_SYMBOL_GPL(symbol)	struct unused_##symbol
#define KBUILD_MODNAME		"kvm_tdp_iommu"
#define pr_err_ratelimited(...)	world_complains(__VA_ARGS__)
#define WARN_ONCE(cond, ...)	({ bool bad = (cond); if (bad) world_warns(__VA_ARGS__); bad; })

#define IS_ERR(p)		((unsigned long)(p) >= -4095UL)
#define PTR_ERR(p)		((long)(p))
#define ERR_PTR(err)		((void *)(long)(err))

#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define GENMASK_ULL(h, l)	((~0ULL << (l)) & (~0ULL >> (63 - (h))))
#define SZ_4K			0x1000
#define SZ_2M			0x200000
#define SZ_1G			0x40000000
#define PAGE_SHIFT		12
#define PAGE_SIZE		BIT(PAGE_SHIFT)
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define ULONG_MAX		(~0UL)

#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, val)	(*(volatile __typeof__(x) *)&(x) = (val))
/* All fibers are one thread. */
#define smp_wmb()		((void)0)
/* Likewise. */
#define smp_rmb()		((void)0)
#define BUILD_BUG_ON(cond)	_Static_assert(!(cond), #cond)

/* As strict as the kernel's: both sides have one type. */
#define shim_pick(a, b, op) ({				\
	__typeof__(a) shim_a = (a);			\
	__typeof__(b) shim_b = (b);			\
							\
	(void)(&shim_a == &shim_b);			\
	shim_a op shim_b ? shim_a : shim_b;		\
})
#define min(a, b)		shim_pick(a, b, <)
#define max(a, b)		shim_pick(a, b, >)
#define min_t(t, a, b)		shim_pick((t)(a), (t)(b), <)

/* Bitmaps */

#define BITS_PER_LONG		64
#define DECLARE_BITMAP(name, bits) unsigned long name[((bits) + 63) / 64]

static inline bool test_bit(unsigned long nr, const unsigned long *map)
{
	return map[nr / BITS_PER_LONG] >> nr % BITS_PER_LONG & 1;
}

static inline void bitmap_set(unsigned long *map, unsigned int first, unsigned int nr)
{
	for (; nr--; first++)
		map[first / BITS_PER_LONG] |= BIT(first % BITS_PER_LONG);
}

static inline void bitmap_clear(unsigned long *map, unsigned int first, unsigned int nr)
{
	for (; nr--; first++)
		map[first / BITS_PER_LONG] &= ~BIT(first % BITS_PER_LONG);
}

static inline unsigned long shim_find(const unsigned long *map, unsigned long end,
				      unsigned long at, bool bit)
{
	while (at < end && test_bit(at, map) != bit)
		at++;
	return at < end ? at : end;
}

#define find_next_bit(map, end, at)		shim_find(map, end, at, true)
#define find_next_zero_bit(map, end, at)	shim_find(map, end, at, false)

/* Locks, each of which knows whose it is */

struct fiber;

typedef struct {
	struct fiber *owner;
	unsigned int readers;	/* none, ever */
} spinlock_t;

struct mutex {
	struct fiber *owner;
};

struct rw_semaphore {
	struct fiber *owner;	/* who writes */
	unsigned int readers;
};

#define spin_lock_init(lock)		(*(lock) = (spinlock_t){ NULL, 0 })
#define mutex_init(lock)		(*(lock) = (struct mutex){ NULL })
#define init_rwsem(sem)			(*(sem) = (struct rw_semaphore){ NULL, 0 })
#define spin_lock_irq(lock)		spin_lock(lock)
#define spin_unlock_irq(lock)		spin_unlock(lock)
#define spin_lock_irqsave(lock, flags)	do { (flags) = 0; spin_lock(lock); } while (0)
#define spin_unlock_irqrestore(lock, flags)	do { (void)(flags); spin_unlock(lock); } while (0)

void spin_lock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);
void mutex_lock(struct mutex *lock);
int mutex_lock_killable(struct mutex *lock);
void mutex_unlock(struct mutex *lock);
void down_read(struct rw_semaphore *sem);
int down_read_killable(struct rw_semaphore *sem);
void up_read(struct rw_semaphore *sem);
void down_write(struct rw_semaphore *sem);
int down_write_killable(struct rw_semaphore *sem);
void up_write(struct rw_semaphore *sem);
void rcu_read_lock(void);
void rcu_read_unlock(void);
bool rcu_read_lock_held(void);
void shim_assert(bool good, const char *what);
bool shim_holds(const struct fiber *owner);

#define shim_held(lock)			(shim_holds((lock)->owner) || (lock)->readers)
#define lockdep_assert_held(lock)	shim_assert(shim_held(lock), #lock " is held")
#define lockdep_assert_held_write(sem)	shim_assert(shim_holds((sem)->owner), #sem " is written")
#define RCU_LOCKDEP_WARN(cond, what)	shim_assert(!(cond), what)
#define fs_reclaim_acquire(gfp)		((void)(gfp))
#define fs_reclaim_release(gfp)		((void)(gfp))

/* Processes */

struct mm_struct {
	unsigned int count;
};

#define mmgrab(mm)			((void)(mm)->count++)
#define mmdrop(mm)			((void)(mm)->count--)
#define current				NULL
#define fatal_signal_pending(task)	((void)(task), world_signal())
#define schedule_timeout_killable(t)	((void)(t), might_sleep())
#define cond_resched()			might_sleep()

void might_sleep(void);
bool world_signal(void);
void world_warns(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void world_complains(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Memory */

#define __GFP_DIRECT_RECLAIM	1u
#define __GFP_ACCOUNT		2u
#define __GFP_NOWARN		4u
#define GFP_ATOMIC		8u
#define GFP_KERNEL		__GFP_DIRECT_RECLAIM
#define GFP_KERNEL_ACCOUNT	(GFP_KERNEL | __GFP_ACCOUNT)

void *kzalloc(size_t size, gfp_t gfp);
void kfree(void *p);

#define PHYS_PFN(hpa)		((hpa) >> 12)
#define __sme_clr(x)		(x)
void *phys_to_virt(u64 hpa);
bool pfn_valid(u64 pfn);

/* An xarray of the few indices that there are. */
#define XA_PRESENT		0
#define XA_INDICES		1024

struct xarray {
	void *at[XA_INDICES];
};

#define xa_init(xa)		memset(xa, 0, sizeof(*(xa)))
#define xa_destroy(xa)		xa_init(xa)
#define xa_is_err(p)		IS_ERR(p)
#define xa_err(p)		((int)PTR_ERR(p))
#define xa_for_each(xa, i, p)	for (i = 0; (p = xa_find(xa, &i, XA_INDICES - 1, XA_PRESENT)); i++)

void *xa_load(struct xarray *xa, unsigned long index);
void *xa_cmpxchg(struct xarray *xa, unsigned long index, void *old, void *new, gfp_t gfp);

static inline void *xa_find(struct xarray *xa, unsigned long *index, unsigned long max,
			    int filter)
{
	(void)filter;
	for (; *index <= max && *index < XA_INDICES; ++*index)
		if (xa->at[*index])
			return xa->at[*index];
	return NULL;
}

/* An interval tree without a tree. */
struct rb_node {
	struct rb_node *next;
	bool linked;
};

struct rb_root_cached {
	struct rb_node *first;
};

#define RB_ROOT_CACHED		((struct rb_root_cached){ NULL })

void shim_insert(struct rb_node *node, struct rb_root_cached *root);
void shim_remove(struct rb_node *node, struct rb_root_cached *root);

#define INTERVAL_TREE_DEFINE(type, node, num, subtree, START, LAST, prefix, name)	\
static inline type *name##_from(struct rb_node *rb, num first, num last)		\
{											\
	for (; rb; rb = rb->next) {							\
		type *it = (type *)((char *)rb - offsetof(type, node));			\
											\
		if (START(it) <= last && LAST(it) >= first)				\
			return it;							\
	}										\
	return NULL;									\
}											\
prefix type *name##_iter_first(struct rb_root_cached *root, num first, num last)	\
{											\
	return name##_from(root->first, first, last);					\
}											\
prefix type *name##_iter_next(type *it, num first, num last)				\
{											\
	return name##_from(it->node.next, first, last);					\
}											\
prefix void name##_insert(type *it, struct rb_root_cached *root)			\
{											\
	shim_insert(&it->node, root);							\
}											\
prefix void name##_remove(type *it, struct rb_root_cached *root)			\
{											\
	shim_remove(&it->node, root);							\
}

struct list_head {
	struct list_head *next;
};

#define list_for_each_entry(at, head, list)					\
	for (at = (void *)(head)->next; &at->list != (head); at = (void *)at->list.next)

struct kobject {
	int unused;
};

/* The IOMMU */

enum dma_data_direction { DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_NONE };

#define IOMMU_READ	1
#define IOMMU_WRITE	2
#define IOMMU_CACHE	4

struct iommu_domain {
	int unused;
};

struct iommu_iotlb_gather {
	u64 start;
	u64 end;		/* the last byte */
};

static inline void iommu_iotlb_gather_init(struct iommu_iotlb_gather *gather)
{
	*gather = (struct iommu_iotlb_gather){ .start = ~0ULL };
}

static inline void iommu_iotlb_gather_add_range(struct iommu_iotlb_gather *gather, u64 iova,
						size_t size)
{
	gather->start = min(gather->start, iova);
	gather->end = max(gather->end, iova + size - 1);
}

int iommu_map(struct iommu_domain *domain, u64 iova, u64 hpa, size_t size, int prot, gfp_t gfp);
size_t iommu_unmap_fast(struct iommu_domain *domain, u64 iova, size_t size,
			struct iommu_iotlb_gather *gather);
void iommu_iotlb_sync(struct iommu_domain *domain, struct iommu_iotlb_gather *gather);

#endif /* TESTS_IOMMU_SHIM_H */
