// SPDX-License-Identifier: GPL-2.0-only
/*
 * Follow a guest: what its second-stage table maps is put into the domain when a
 * transfer asks for it, and taken out when an invalidate says so.
 *
 * The contract: a translation is good until an invalidate that covers it returns, and
 * then the device has no access through it.  And the promise to the driver: if done
 * answers 0, all of the transfer was mapped from the return of begin to the call of
 * done.  tests/model/iommu.pml proves both; the names are its rules'.  iommu->lock is held
 *
 *  M over a walk, the iommu_map() of what it found, and setting its bit (MAP_IN_HOLD);
 *  U over clearing bits, marking the transfers in @ranges that overlap these pages (MARK,
 *    MARK_IN_HOLD), iommu_unmap_fast() of them, after that (MARK_FIRST), and
 *    iommu_iotlb_sync(), which waits until the IOMMU has no access through them in flight
 *    (SYNC, SYNC_IN_HOLD);
 *  B over putting a transfer into @ranges, before any of its pages is looked at
 *    (LIST_BEFORE_MAP);
 *  F over looking whether it was marked since, and calling it in flight if not
 *    (CHECK_IN_HOLD); the hold of B does, if all pages have their bits (SEEN_IN_HOLD);
 *  D over taking it out of @ranges, and looking whether it was marked.
 *
 * Nothing else maps, unmaps or marks.  An invalidate does U for all that it covers
 * (EXACT), some pages at a time, with the lock dropped between.  A detach does U for
 * everything when nobody can map any more, before it stops being told (DETACH_PAUSES).
 *
 *	M, then its U		U finds the bit, and takes the page out
 *	U, then M		the walk does not find the old entry: the exporter took it out
 *				of the table before it called invalidate
 *	M reads a table page	as M, then its U: all that the page mapped is told of
 *	that is being unlinked
 *	B, U, F			marked: begin looks at all pages again
 *	F, U, D			marked: done answers -EAGAIN
 *	U, B			the bits are clear, so begin maps the pages again
 *	D, U			the driver has said that the device is done
 *	F, U, a look at the	marked, if anything of what the device did was lost: U marks
 *	mark without the lock	before it unmaps, and the driver looks when the device is done
 *
 * So a transfer in flight had each of its pages mapped at some instant after B, and none
 * taken out since.
 *
 * U finds what M did: a page is mapped by one call of 4K, or of 2M for a leaf that is
 * as large, only into a window that never had 4K, and unmapped in these units, for drivers
 * differ in what they do about holes, parts of leaves, and entries that are present.
 * A mapped page for which write access is wanted is unmapped first, which marks the
 * transfers that read it.
 *
 * A hold takes 64 entries in or out at most, and looks at the transfers that overlap
 * these.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/export.h>
#include <linux/interval_tree_generic.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat/iommu.h"
#include "iommu.h"

#define HOLD_ENTRIES	64

/* How often a page, or a transfer, is tried that is gone before it is begun. */
#define TRIES		64

static u64 range_first(const struct kvm_tdp_range *range)
{
	return range->gpa;
}

static u64 range_last(const struct kvm_tdp_range *range)
{
	return range->gpa + range->length - 1;
}

INTERVAL_TREE_DEFINE(struct kvm_tdp_range, node, u64, subtree_last, range_first, range_last,
		     static, ranges)

/* Once in a hold, before the device can lose anything. */
static void ranges_mark(struct kvm_tdp_iommu *iommu, u64 first, u64 last)
{
	struct kvm_tdp_range *range;

	for (range = ranges_iter_first(&iommu->ranges, first, last); range;
	     range = ranges_iter_next(range, first, last)) {
		struct kvm_tdp_io *io = range->io;

		if (io->is_hit)
			continue;
		WRITE_ONCE(io->is_hit, true);
		if (!io->in_flight)
			continue;
		iommu->info.hits++;
		if (io->hit)
			io->hit(io);
	}
	/* A device that is done, and no mark: it lost nothing.  See kvm_tdp_iommu_is_hit(). */
	smp_wmb();
}

static void domain_unmap(struct kvm_tdp_iommu *iommu, u64 gpa, size_t size,
			 struct iommu_iotlb_gather *gather)
{
	size_t unmapped = iommu_unmap_fast(iommu->domain, gpa, size, gather);

	iommu->info.mapped -= size;
	/* The device may still have access, to memory that is somebody else's soon. */
	WARN_ONCE(unmapped != size, "IOMMU driver unmapped %#zx of %#zx", unmapped, size);
}

/*
 * When this returns the device has no access to what was unmapped, all of [iova, iova + size).
 *
 * AMD's driver does not wait if no command was queued since the last one that waits, of
 * whichever domain: but that one may still be waiting.  To queue a second time takes the
 * lock that it holds until it is done.  (From 6.6.128, 6.12.75, 6.18.16, 6.19.6 on it does
 * not hold it: there this makes it improbable.  6.1.192 waits for that one instead.)
 */
void ktdp_domain_sync(struct kvm_tdp_iommu *iommu, u64 iova, size_t size,
		      struct iommu_iotlb_gather *gather)
{
	/* Up to 6.19.5 it leaves that empty for a guest that uses such an IOMMU (NpCache). */
	iommu_iotlb_gather_add_range(gather, iova, size);
	iommu_iotlb_sync(iommu->domain, gather);
	if (!iommu->sync_twice)
		return;
	iommu_iotlb_gather_init(gather);
	iommu_iotlb_gather_add_range(gather, iova, size);
	iommu_iotlb_sync(iommu->domain, gather);
}

/*
 * Take pages [first, end) of a window out, or as many as a hold allows.  Return: the
 * first that was not looked at.
 */
static unsigned int window_unmap(struct kvm_tdp_iommu *iommu, struct window *window,
				 u64 base, unsigned int first, unsigned int end)
{
	unsigned int at, run, from = WINDOW_PAGES, left = HOLD_ENTRIES;
	struct iommu_iotlb_gather gather;

	lockdep_assert_held(&iommu->lock);
	iommu_iotlb_gather_init(&gather);
	if (window->huge) {
		ranges_mark(iommu, base, base + WINDOW_SIZE - 1);
		domain_unmap(iommu, base, WINDOW_SIZE, &gather);
		window->huge = false;
		from = 0;
		at = WINDOW_PAGES;
	} else {
		at = find_next_bit(window->mapped, end, first);
		/* All up to @end goes, in this hold or the next. */
		if (at < end)
			ranges_mark(iommu, base + (u64)at * SZ_4K, base + (u64)end * SZ_4K - 1);
		for (; at < end && left;
		     at = find_next_bit(window->mapped, end, run)) {
			run = find_next_zero_bit(window->mapped, min(end, at + left), at);
			domain_unmap(iommu, base + (u64)at * SZ_4K,
				     (size_t)(run - at) * SZ_4K, &gather);
			from = min(from, at);
			left -= run - at;
		}
	}
	if (from == WINDOW_PAGES)
		return at;
	bitmap_clear(window->mapped, from, at - from);
	bitmap_clear(window->writable, from, at - from);
	ktdp_domain_sync(iommu, base + (u64)from * SZ_4K, (size_t)(at - from) * SZ_4K, &gather);
	return at;
}

/* The pages of [gpa, last] that are in the window of @gpa: [at, end). */
static unsigned int window_end(u64 gpa, u64 last)
{
	u64 base = gpa & ~(WINDOW_SIZE - 1);

	return min_t(u64, (last - base) / SZ_4K + 1, WINDOW_PAGES);
}

static unsigned int window_at(u64 gpa)
{
	return (gpa & (WINDOW_SIZE - 1)) / SZ_4K;
}

/* Take out what there is from @gpa on, in a hold.  Return: where to go on, 0: nowhere. */
static u64 unmap_some(struct kvm_tdp_iommu *iommu, u64 gpa, u64 last)
{
	unsigned long index = gpa >> WINDOW_SHIFT;
	struct window *window;
	unsigned int at, end;
	u64 base;

	window = xa_find(&iommu->windows, &index, last >> WINDOW_SHIFT, XA_PRESENT);
	if (!window)
		return 0;
	base = (u64)index << WINDOW_SHIFT;
	gpa = max(gpa, base);
	end = window_end(gpa, last);
	at = window_unmap(iommu, window, base, window_at(gpa), end);
	gpa = base + (u64)at * SZ_4K;
	return at < end || gpa <= last ? gpa : 0;
}

/*
 * Called in atomic context; by the exporter, so with other locks held that are taken in
 * reclaim.
 */
static void follow_invalidate(void *data, unsigned long start, unsigned long size)
{
	struct kvm_tdp_iommu *iommu = data;
	u64 gpa = start, last = start + size - 1;
	unsigned long flags;

	spin_lock_irqsave(&iommu->lock, flags);
	iommu->info.invalidations++;
	while ((gpa = unmap_some(iommu, gpa, last))) {
		spin_unlock_irqrestore(&iommu->lock, flags);
		spin_lock_irqsave(&iommu->lock, flags);
	}
	spin_unlock_irqrestore(&iommu->lock, flags);
}

/* The first page from @at on, below @end, that is not mapped with @access; or @end. */
static unsigned int window_lacks(const struct window *window, unsigned int at,
				 unsigned int end, u8 access)
{
	return find_next_zero_bit(access & KVM_TDP_ACCESS_WRITE ? window->writable :
								  window->mapped,
				  end, at);
}

bool ktdp_iommu_has(const struct kvm_tdp_iommu *iommu, u64 first, u64 last, bool own)
{
	const struct reserved *reserved;

	lockdep_assert_held(&iommu->sem);
	if (own ? first < iommu->own_first || last > iommu->last : last >= iommu->own_first)
		return false;
	list_for_each_entry(reserved, &iommu->reserved, list) {
		if (first <= reserved->last && last >= reserved->first)
			return false;
	}
	return true;
}

/* Return: 0; -ENXIO not in the table with this access; -ENOMEM; -EIO. */
static int window_map_page(struct kvm_tdp_iommu *iommu, struct window *window, u64 gpa,
			   u8 access)
{
	unsigned int at = window_at(gpa), nr = 1;
	u64 base = gpa & ~(WINDOW_SIZE - 1);
	int prot = IOMMU_READ | IOMMU_CACHE;
	struct kvm_tdp_leaf leaf;
	size_t size = SZ_4K;
	int ret;

	lockdep_assert_held(&iommu->lock);
	rcu_read_lock();
	ret = kvm_tdp_walk(&iommu->table, gpa, &leaf);
	rcu_read_unlock();
	if (ret == -EIO)
		pr_err_ratelimited("gpa %#llx: reserved bits set in a level %d entry\n",
				   gpa, leaf.level);
	if (ret)
		return ret;
	if ((leaf.access & access) != access)
		return -ENXIO;

	if (test_bit(at, window->mapped))
		window_unmap(iommu, window, base, at, at + 1);
	if (leaf.level > 1 && iommu->has_2m && !window->small &&
	    ktdp_iommu_has(iommu, base, base + WINDOW_SIZE - 1, false)) {
		gpa = base;
		at = 0;
		nr = WINDOW_PAGES;
		size = WINDOW_SIZE;
	}
	if (leaf.access & KVM_TDP_ACCESS_WRITE)
		prot |= IOMMU_WRITE;
	ret = ktdp_iommu_map(iommu->domain, gpa, leaf.hpa + (gpa - leaf.gpa), size, prot,
			     GFP_ATOMIC | __GFP_ACCOUNT | __GFP_NOWARN);
	if (ret == -ENOMEM)
		return ret;
	if (WARN_ONCE(ret, "IOMMU driver cannot map %#zx: %d", size, ret))
		return -EIO;
	window->huge = nr > 1;
	window->small |= nr == 1;
	bitmap_set(window->mapped, at, nr);
	if (prot & IOMMU_WRITE)
		bitmap_set(window->writable, at, nr);
	iommu->info.mapped += size;
	return 0;
}

/*
 * Map what is not, of [gpa, last] in a window, in a hold.  Return: as
 * window_map_page(), or -ENOTCONN; @gpa is where to go on.
 */
static int window_map(struct kvm_tdp_iommu *iommu, struct window *window, u64 *gpa, u64 last,
		      u8 access)
{
	unsigned int at = window_at(*gpa), end = window_end(*gpa, last);
	u64 base = *gpa & ~(WINDOW_SIZE - 1);
	unsigned int left = HOLD_ENTRIES;
	unsigned long flags;
	int ret = 0;

	spin_lock_irqsave(&iommu->lock, flags);
	for (;;) {
		at = window_lacks(window, at, end, access);
		if (at >= end || !left--)
			break;
		ret = iommu->following ?
		      window_map_page(iommu, window, base + (u64)at * SZ_4K, access) :
		      -ENOTCONN;
		if (ret)
			break;
	}
	spin_unlock_irqrestore(&iommu->lock, flags);
	*gpa = base + (u64)at * SZ_4K;
	return ret;
}

static struct window *window_get(struct kvm_tdp_iommu *iommu, u64 gpa)
{
	unsigned long index = gpa >> WINDOW_SHIFT;
	struct window *window, *other;

	window = kzalloc(sizeof(*window), GFP_KERNEL_ACCOUNT);
	if (!window)
		return ERR_PTR(-ENOMEM);
	other = xa_cmpxchg(&iommu->windows, index, NULL, window, GFP_KERNEL_ACCOUNT);
	if (!other)
		return window;
	kfree(window);
	return xa_is_err(other) ? ERR_PTR(xa_err(other)) : other;
}

/* A page is not in the table, or there is no memory for the IOMMU's. */
static int bring(struct kvm_tdp_iommu *iommu, u64 gpa, u8 access, int why)
{
	struct kvm_tdp_fault_type type = {
		.read = !!(access & KVM_TDP_ACCESS_READ),
		.write = !!(access & KVM_TDP_ACCESS_WRITE),
	};
	unsigned long flags;

	if (fatal_signal_pending(current))
		return -EINTR;
	if (why == -ENOMEM) {
		/* Reserves are refilled by others. */
		schedule_timeout_killable(1);
		return 0;
	}
	spin_lock_irqsave(&iommu->lock, flags);
	iommu->info.faults++;
	spin_unlock_irqrestore(&iommu->lock, flags);
	return iommu->tdp_fd->ops->fault(iommu->tdp_fd, iommu->mm, gpa >> PAGE_SHIFT, type);
}

static int range_map(struct kvm_tdp_iommu *iommu, const struct kvm_tdp_range *range,
		     u8 access)
{
	u64 gpa = range_first(range) & PAGE_MASK, last = range_last(range), at;
	struct window *window;
	int ret, tries = 0;

	while (gpa <= last) {
		if (fatal_signal_pending(current))
			return -EINTR;
		/* Bookkeeping there is only for what there is memory for. */
		window = xa_load(&iommu->windows, gpa >> WINDOW_SHIFT);
		if (!window) {
			ret = bring(iommu, gpa, access, -ENXIO);
			if (ret)
				return ret;
			window = window_get(iommu, gpa);
		}
		if (IS_ERR(window))
			return PTR_ERR(window);
		at = gpa;
		ret = window_map(iommu, window, &gpa, last, access);
		tries = gpa == at ? tries + 1 : 0;
		if (ret == -ENXIO || (ret == -ENOMEM && tries < TRIES)) {
			if (tries >= TRIES)
				return -EAGAIN;
			ret = bring(iommu, gpa, access, ret);
		}
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

static u8 io_access(const struct kvm_tdp_io *io)
{
	switch (io->direction) {
	case DMA_TO_DEVICE:
		return KVM_TDP_ACCESS_READ;
	case DMA_FROM_DEVICE:
		return KVM_TDP_ACCESS_WRITE;
	case DMA_BIDIRECTIONAL:
		return KVM_TDP_ACCESS_READ | KVM_TDP_ACCESS_WRITE;
	default:
		return 0;
	}
}

static int io_check(const struct kvm_tdp_iommu *iommu, const struct kvm_tdp_io *io)
{
	unsigned int i;

	if (!io->nr_ranges || !io_access(io))
		return -EINVAL;
	for (i = 0; i < io->nr_ranges; i++) {
		const struct kvm_tdp_range *range = &io->ranges[i];

		if (!range->length || range_last(range) < range->gpa)
			return -EINVAL;
		if (!ktdp_iommu_has(iommu, range->gpa & PAGE_MASK, range_last(range) | ~PAGE_MASK,
				    false))
			return -ERANGE;
	}
	return 0;
}

/* Is all of it mapped?  Not of one that is in more windows than a hold looks at. */
static bool io_is_mapped(struct kvm_tdp_iommu *iommu, const struct kvm_tdp_io *io)
{
	unsigned int i, end, left = HOLD_ENTRIES;
	const struct window *window;
	u64 gpa, last;

	lockdep_assert_held(&iommu->lock);
	for (i = 0; i < io->nr_ranges; i++) {
		last = range_last(&io->ranges[i]);
		for (gpa = range_first(&io->ranges[i]); gpa <= last;
		     gpa = (gpa | (WINDOW_SIZE - 1)) + 1) {
			window = left-- ? xa_load(&iommu->windows, gpa >> WINDOW_SHIFT) : NULL;
			end = window_end(gpa, last);
			if (!window ||
			    window_lacks(window, window_at(gpa), end, io_access(io)) < end)
				return false;
		}
	}
	return true;
}

/* Unless something of it was taken out since it was put into @ranges, it is in flight. */
static void io_fly(struct kvm_tdp_iommu *iommu, struct kvm_tdp_io *io)
{
	lockdep_assert_held(&iommu->lock);
	io->in_flight = !io->is_hit;
	iommu->info.begun += io->in_flight;
	iommu->info.in_flight += io->in_flight;
	io->is_hit = false;
}

/* Return: whether it is in flight, for all of it is mapped. */
static bool io_insert(struct kvm_tdp_iommu *iommu, struct kvm_tdp_io *io)
{
	unsigned long flags;
	unsigned int i;

	io->in_flight = false;
	io->is_hit = false;
	spin_lock_irqsave(&iommu->lock, flags);
	for (i = 0; i < io->nr_ranges; i++) {
		io->ranges[i].io = io;
		ranges_insert(&io->ranges[i], &iommu->ranges);
	}
	if (io_is_mapped(iommu, io))
		io_fly(iommu, io);
	spin_unlock_irqrestore(&iommu->lock, flags);
	return io->in_flight;
}

/* Return: whether it was hit. */
static bool io_remove(struct kvm_tdp_iommu *iommu, struct kvm_tdp_io *io)
{
	unsigned long flags;
	unsigned int i;
	bool is_hit;

	spin_lock_irqsave(&iommu->lock, flags);
	for (i = 0; i < io->nr_ranges; i++)
		ranges_remove(&io->ranges[i], &iommu->ranges);
	is_hit = io->is_hit;
	iommu->info.in_flight -= io->in_flight;
	io->in_flight = false;
	spin_unlock_irqrestore(&iommu->lock, flags);
	return is_hit;
}

static int io_map(struct kvm_tdp_iommu *iommu, struct kvm_tdp_io *io)
{
	unsigned long flags;
	unsigned int i, tries;
	int ret;

	for (tries = 0; tries < TRIES; tries++) {
		for (i = 0; i < io->nr_ranges; i++) {
			ret = range_map(iommu, &io->ranges[i], io_access(io));
			if (ret)
				return ret;
		}
		spin_lock_irqsave(&iommu->lock, flags);
		io_fly(iommu, io);
		spin_unlock_irqrestore(&iommu->lock, flags);
		if (io->in_flight)
			return 0;
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return -EAGAIN;
}

int kvm_tdp_iommu_begin(struct kvm_tdp_iommu *iommu, struct kvm_tdp_io *io)
{
	int ret;

	might_sleep();
	ret = down_read_killable(&iommu->sem);
	if (ret)
		return ret;
	ret = iommu->tdp_fd ? io_check(iommu, io) : -ENOTCONN;
	if (!ret && !io_insert(iommu, io)) {
		ret = io_map(iommu, io);
		if (ret)
			io_remove(iommu, io);
	}
	up_read(&iommu->sem);
	return ret;
}
EXPORT_SYMBOL_GPL(kvm_tdp_iommu_begin);

int kvm_tdp_iommu_done(struct kvm_tdp_iommu *iommu, struct kvm_tdp_io *io)
{
	return io_remove(iommu, io) ? -EAGAIN : 0;
}
EXPORT_SYMBOL_GPL(kvm_tdp_iommu_done);

void ktdp_follow_exit(struct kvm_tdp_iommu *iommu)
{
	struct window *window;
	unsigned long index;

	xa_for_each(&iommu->windows, index, window)
		kfree(window);
	xa_destroy(&iommu->windows);
}

void ktdp_follow_init(struct kvm_tdp_iommu *iommu)
{
	mutex_init(&iommu->attach_mutex);
	init_rwsem(&iommu->sem);
	spin_lock_init(&iommu->lock);
	xa_init(&iommu->windows);
	iommu->ranges = RB_ROOT_CACHED;
	iommu->importer_ops.invalidate = follow_invalidate;

	/* Tell lockdep before it happens: reclaim invalidates, interrupts call done. */
	fs_reclaim_acquire(GFP_KERNEL);
	spin_lock_irq(&iommu->lock);
	spin_unlock_irq(&iommu->lock);
	fs_reclaim_release(GFP_KERNEL);
}
