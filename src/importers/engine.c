// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine: attach, detach, move data, and the invalidate callback.
 *
 * The rule to keep is: a translation is good until an invalidate that covers it
 * returns.  Here is why this engine keeps it.
 *
 * One raw spinlock, engine->lock, is held by engine_access_locked() from before
 * the IOTLB lookup (and, on a miss, the walk and the insertion) until after the
 * last byte of at most one 4K page has been moved.  engine_invalidate() takes
 * the same lock to flush.  So each access is wholly before or wholly after each
 * invalidate callback:
 *
 *  - before: nothing is in flight any more when the callback gets the lock, and
 *    what the access left in the IOTLB is flushed by it;
 *  - after: the IOTLB holds nothing of the range, and a walk cannot find the old
 *    entry, for the exporter takes it out of the table before it calls
 *    invalidate, and the lock makes that visible here.
 *
 * Lookup, walk, insertion and use being one critical section, no translation is
 * ever inserted later than it was read; a driver whose walk and insertion are
 * apart (its hardware walks, or its walk may sleep) needs a counter that
 * invalidate bumps, sampled before the walk and compared, under the lock,
 * before the insertion.
 *
 * Under the lock nothing sleeps, allocates, faults or waits: user memory is
 * copied to and from a bounce page outside it, so an invalidate waits for a
 * walk of five reads and a copy of 4K per CPU at most.
 *
 * Guest memory may go bad before the host knows, and so before it takes it back.
 * A load of it raises a machine check; copy_mc_to_kernel() returns from that,
 * where the CPU lets the kernel return, and the access ends with -EHWPOISON, as
 * fault does once the page is known to be bad.  Having the page taken out of use
 * is left to the host's error handling.  Not covered:
 *
 *  - stores.  The CPU raises no machine check at one: it mends the line or leaves
 *    it bad, for the next load to find.  The kernel takes a bad page out of its
 *    direct map, where a store would fault, only after it has been invalidated.
 *  - the table: that is kernel memory, without which the kernel is lost too.
 *  - a kernel without CONFIG_X86_MCE, to which a machine check is the end.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "kvm_tdp_dma.h"

/*
 * How often to ask for a page that is gone again by the time we look.  The
 * exporter bounds each try; this bounds their number.
 */
#define DMA_MAX_TRIES	64

/**
 * struct dma_access - one access to guest memory
 * @gpa: where; with @len it stays inside one 4K page
 * @data: kernel memory to move from or to
 * @len: bytes
 * @write: from @data to the guest
 * @nofault: do not ask the exporter to map what is missing
 */
struct dma_access {
	u64 gpa;
	void *data;
	size_t len;
	bool write;
	bool nofault;
};

/* Return: 0, or -EHWPOISON: nothing counts as moved. */
static int engine_move(struct dma_engine *engine,
		       const struct dma_access *access,
		       const struct kvm_tdp_leaf *leaf)
{
	u64 hpa = leaf->hpa + (access->gpa - leaf->gpa);
	void *page, *guest;
	int ret = 0;

	lockdep_assert_held(&engine->lock);

	page = kmap_local_pfn(PHYS_PFN(hpa));
	guest = page + offset_in_page(hpa);
	if (access->write) {
		memcpy(guest, access->data, access->len);
		engine->stats.bytes_written += access->len;
	} else if (copy_mc_to_kernel(access->data, guest, access->len)) {
		ret = -EHWPOISON;
	} else {
		engine->stats.bytes_read += access->len;
	}
	kunmap_local(page);
	return ret;
}

/*
 * One try: 0 done, -ENXIO not mapped with this access, -EIO a bad entry,
 * -EHWPOISON bad memory.  Each access counts as one hit or one miss, however
 * many tries it takes.  @found: what a walk found, -EIO included.
 */
static int engine_access_locked(struct dma_engine *engine,
				const struct dma_access *access, bool first_try,
				struct kvm_tdp_leaf *found)
{
	u8 need = access->write ? KVM_TDP_ACCESS_WRITE : KVM_TDP_ACCESS_READ;
	const struct kvm_tdp_leaf *leaf;
	int ret;

	lockdep_assert_held(&engine->lock);

	leaf = dma_iotlb_lookup(&engine->iotlb, access->gpa, need);
	engine->stats.iotlb_hits += first_try && leaf;
	engine->stats.iotlb_misses += first_try && !leaf;

	if (!leaf) {
		rcu_read_lock();
		ret = kvm_tdp_walk(&engine->table, access->gpa, found);
		rcu_read_unlock();
		if (ret)
			return ret;
		if (!(found->access & need))
			return -ENXIO;
		leaf = dma_iotlb_insert(&engine->iotlb, found);
	}

	return engine_move(engine, access, leaf);
}

/* Ask the exporter to map the page.  May sleep; no lock is held but the sem. */
static int engine_fault(struct dma_engine *engine,
			const struct dma_access *access)
{
	struct kvm_tdp_fd *tdp_fd = engine->tdp_fd;
	struct kvm_tdp_fault_type type = {
		.read = !access->write,
		.write = access->write,
	};
	int ret;

	ret = tdp_fd->ops->fault(tdp_fd, NULL, access->gpa >> PAGE_SHIFT, type);

	raw_spin_lock(&engine->lock);
	engine->stats.faults++;
	engine->stats.faults_failed += !!ret;
	raw_spin_unlock(&engine->lock);
	return ret;
}

/*
 * Success of fault means that the page was mapped at some instant; the host may
 * have taken it away again, so look and ask by turns.
 */
static int engine_access(struct dma_engine *engine,
			 const struct dma_access *access)
{
	struct kvm_tdp_leaf found;
	int ret, try;

	lockdep_assert_held(&engine->sem);

	for (try = 0; try < DMA_MAX_TRIES; try++) {
		raw_spin_lock(&engine->lock);
		ret = engine_access_locked(engine, access, !try, &found);
		raw_spin_unlock(&engine->lock);

		if (ret == -EIO)
			/* The entry has a host address, the log has readers. */
			pr_err_ratelimited("gpa %#llx: reserved bits set in a level %d entry\n",
					   access->gpa, found.level);
		if (ret != -ENXIO)
			return ret;

		/* an exporter without fault maps what it likes to map */
		if (access->nofault || !engine->tdp_fd->ops->fault)
			return -ENXIO;

		ret = engine_fault(engine, access);
		if (ret)
			return ret;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return -EAGAIN;
}

static size_t bytes_to_page_end(u64 gpa)
{
	return PAGE_SIZE - offset_in_page(gpa);
}

static bool range_wraps(u64 gpa, u64 length)
{
	return length && gpa + (length - 1) < gpa;
}

/* Checked between chunks: a transfer may be of any length. */
static int engine_chunk_begin(void)
{
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : 0;
}

static int engine_read_chunk(struct dma_engine *engine,
			     struct kvm_tdp_dma_rw *rw,
			     const struct dma_access *access)
{
	size_t left;
	int ret;

	ret = engine_access(engine, access);
	if (ret)
		return ret;

	left = copy_to_user(u64_to_user_ptr(rw->buf + rw->done), access->data,
			    access->len);
	rw->done += access->len - left;
	return left ? -EFAULT : 0;
}

/* Write as much of the buffer as can be read, then fail. */
static int engine_write_chunk(struct dma_engine *engine,
			      struct kvm_tdp_dma_rw *rw,
			      struct dma_access *access)
{
	size_t left;
	int ret;

	left = copy_from_user(access->data, u64_to_user_ptr(rw->buf + rw->done),
			      access->len);
	access->len -= left;
	if (!access->len)
		return -EFAULT;

	ret = engine_access(engine, access);
	if (ret)
		return ret;

	rw->done += access->len;
	return left ? -EFAULT : 0;
}

static int engine_rw_attached(struct dma_engine *engine,
			      struct kvm_tdp_dma_rw *rw, bool write,
			      void *bounce)
{
	int ret;

	while (rw->done < rw->length) {
		struct dma_access access = {
			.gpa = rw->gpa + rw->done,
			.data = bounce,
			.write = write,
			.nofault = rw->flags & KVM_TDP_DMA_NOFAULT,
		};

		ret = engine_chunk_begin();
		if (ret)
			return ret;

		access.len = min_t(u64, rw->length - rw->done,
				   bytes_to_page_end(access.gpa));
		if (write)
			ret = engine_write_chunk(engine, rw, &access);
		else
			ret = engine_read_chunk(engine, rw, &access);
		if (ret)
			return ret;
	}
	return 0;
}

/*
 * A destination that overlaps the source from above, by less than a page, must
 * see bytes that this very copy has written: go no further than the distance.
 */
static size_t copy_chunk_length(const struct kvm_tdp_dma_copy *copy, u64 src,
				u64 dst)
{
	u64 len = copy->length - copy->done;

	len = min_t(u64, len, bytes_to_page_end(src));
	len = min_t(u64, len, bytes_to_page_end(dst));
	if (dst > src)
		len = min(len, dst - src);
	return len;
}

static int engine_copy_attached(struct dma_engine *engine,
				struct kvm_tdp_dma_copy *copy, void *bounce)
{
	int ret;

	while (copy->done < copy->length) {
		struct dma_access access = {
			.gpa = copy->src_gpa + copy->done,
			.data = bounce,
			.nofault = copy->flags & KVM_TDP_DMA_NOFAULT,
		};
		u64 dst = copy->dst_gpa + copy->done;

		ret = engine_chunk_begin();
		if (ret)
			return ret;

		access.len = copy_chunk_length(copy, access.gpa, dst);
		ret = engine_access(engine, &access);
		if (ret)
			return ret;

		access.gpa = dst;
		access.write = true;
		ret = engine_access(engine, &access);
		if (ret)
			return ret;

		copy->done += access.len;
	}
	return 0;
}

/* Attached, and staying so until engine_end() gives the bounce page back. */
static void *engine_begin(struct dma_engine *engine)
{
	void *bounce;
	int ret;

	ret = down_read_killable(&engine->sem);
	if (ret)
		return ERR_PTR(ret);

	ret = -ENOTCONN;
	if (!engine->tdp_fd)
		goto err_unlock;

	ret = -ENOMEM;
	bounce = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!bounce)
		goto err_unlock;
	return bounce;

err_unlock:
	up_read(&engine->sem);
	return ERR_PTR(ret);
}

static void engine_end(struct dma_engine *engine, void *bounce)
{
	free_page((unsigned long)bounce);
	up_read(&engine->sem);
}

int dma_engine_rw(struct dma_engine *engine, struct kvm_tdp_dma_rw *rw,
		  bool write)
{
	void *bounce;
	int ret;

	rw->done = 0;
	if (rw->flags & ~KVM_TDP_DMA_NOFAULT ||
	    range_wraps(rw->gpa, rw->length))
		return -EINVAL;

	bounce = engine_begin(engine);
	if (IS_ERR(bounce))
		return PTR_ERR(bounce);
	ret = engine_rw_attached(engine, rw, write, bounce);
	engine_end(engine, bounce);
	return ret;
}

int dma_engine_copy(struct dma_engine *engine, struct kvm_tdp_dma_copy *copy)
{
	void *bounce;
	int ret;

	copy->done = 0;
	if (copy->flags & ~KVM_TDP_DMA_NOFAULT ||
	    range_wraps(copy->src_gpa, copy->length) ||
	    range_wraps(copy->dst_gpa, copy->length))
		return -EINVAL;

	bounce = engine_begin(engine);
	if (IS_ERR(bounce))
		return PTR_ERR(bounce);
	ret = engine_copy_attached(engine, copy, bounce);
	engine_end(engine, bounce);
	return ret;
}

/*
 * Flush, and wait for accesses in flight: taking the lock does both.  Called
 * in atomic context and, on PREEMPT_RT as well, possibly with preemption off.
 */
static void engine_invalidate(void *data, unsigned long start,
			      unsigned long size)
{
	struct dma_engine *engine = data;
	bool all = !start && size == ULONG_MAX;

	raw_spin_lock(&engine->lock);
	dma_iotlb_invalidate(&engine->iotlb, start, start + size - 1);

	engine->stats.invalidations++;
	engine->stats.full_invalidations += all;
	engine->stats.invalidated_bytes += all ? 0 : size;
	engine->stats.last_start = start;
	engine->stats.last_length = size;
	raw_spin_unlock(&engine->lock);
}

static int engine_attach_locked(struct dma_engine *engine, int fd)
{
	struct kvm_tdp_fd *tdp_fd;
	int ret;

	lockdep_assert_held_write(&engine->sem);

	if (engine->tdp_fd)
		return -EBUSY;

	tdp_fd = kvm_tdp_fd_get(fd);
	if (IS_ERR(tdp_fd))
		return PTR_ERR(tdp_fd);

	ret = kvm_tdp_table_init(&engine->table, tdp_fd->ops->get_metadata(tdp_fd));
	if (ret)
		goto err_put_tdp_fd;

	/* before the first look at the table, or a change of it may be missed */
	ret = tdp_fd->ops->register_importer(tdp_fd, &engine->importer_ops,
					     engine);
	if (ret)
		goto err_put_tdp_fd;

	engine->tdp_fd = tdp_fd;
	return 0;

err_put_tdp_fd:
	kvm_tdp_fd_put(tdp_fd);
	return ret;
}

int dma_engine_attach(struct dma_engine *engine, int fd)
{
	int ret;

	ret = down_write_killable(&engine->sem);
	if (ret)
		return ret;
	ret = engine_attach_locked(engine, fd);
	up_write(&engine->sem);
	return ret;
}

/* Transfers have ended, for the sem is held for write; callbacks end here. */
static void engine_detach_locked(struct dma_engine *engine)
{
	struct kvm_tdp_fd *tdp_fd = engine->tdp_fd;

	lockdep_assert_held_write(&engine->sem);

	tdp_fd->ops->unregister_importer(tdp_fd, &engine->importer_ops);

	/* no invalidate comes from here on: drop all that is cached */
	raw_spin_lock(&engine->lock);
	dma_iotlb_clear(&engine->iotlb);
	raw_spin_unlock(&engine->lock);

	engine->tdp_fd = NULL;
	kvm_tdp_fd_put(tdp_fd);
}

int dma_engine_detach(struct dma_engine *engine)
{
	int ret;

	ret = down_write_killable(&engine->sem);
	if (ret)
		return ret;

	if (engine->tdp_fd)
		engine_detach_locked(engine);
	else
		ret = -ENOTCONN;
	up_write(&engine->sem);
	return ret;
}

void dma_engine_get_stats(struct dma_engine *engine,
			  struct kvm_tdp_dma_stats *stats)
{
	u32 size = stats->size;

	raw_spin_lock(&engine->lock);
	*stats = engine->stats;
	raw_spin_unlock(&engine->lock);
	stats->size = size;
}

void dma_engine_init(struct dma_engine *engine)
{
	init_rwsem(&engine->sem);
	raw_spin_lock_init(&engine->lock);
	engine->importer_ops.invalidate = engine_invalidate;
	engine->importer_ops.name = KBUILD_MODNAME;

	/* tell lockdep before it happens: reclaim invalidates */
	fs_reclaim_acquire(GFP_KERNEL);
	raw_spin_lock(&engine->lock);
	raw_spin_unlock(&engine->lock);
	fs_reclaim_release(GFP_KERNEL);
}

/* The last reference to the file is gone, so nobody else is here. */
void dma_engine_exit(struct dma_engine *engine)
{
	down_write(&engine->sem);
	if (engine->tdp_fd)
		engine_detach_locked(engine);
	up_write(&engine->sem);
}
