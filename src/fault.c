// SPDX-License-Identifier: GPL-2.0-only
/*
 * fault and prefault: what the host's page table has is copied; what it lacks is
 * brought by GUP, and looked for again.
 *
 *	SRCU {	look up the slot
 *		lock, interrupts off {
 *			an invalidation of it in progress?	then stop
 *			walk the host's table; if it grants:	log, write
 *		}
 *	}
 *
 * Look-up, lock, check, walk, in this order, and the last three in one hold: why
 * nothing else is needed stands in notifier.c.  No pointer into the host's table and
 * no frame outlives the hold.
 *
 * While KVM logs dirty pages in a slot, a page is mapped writable only for a
 * write, as a 4K leaf, and after its bit was set in the log; when the bit is
 * harvested write access goes again (slot_hooks.c).  Both happen under the
 * region's lock, so a page that importers can write has its bit set.
 *
 * GUP makes pages present as a vCPU would.  It lets go of mmap_lock where it has to
 * wait, can be killed, has an errno that says why not, and refuses what devices must
 * not reach.  No SRCU section is held meanwhile: it may wait for a userfaultfd
 * handler that issues memslot ioctls.
 */

#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/userfaultfd_k.h>

#include "compat/gup.h"
#include "fault.h"
#include "fill.h"
#include "host.h"
#include "notifier.h"
#include "pool.h"
#include "revoke.h"
#include "table/fmt_host.h"

static bool ktdp_fault_around = true;
module_param_named(fault_around, ktdp_fault_around, bool, 0644);
MODULE_PARM_DESC(fault_around, "map what the host has behind a page that is asked for, too");

#define KTDP_RETRY_SPINS	4	/* before the first pause of a tick */
#define KTDP_RETRY_MAX		(KTDP_RETRY_SPINS + HZ)	/* a second of pauses */
#define KTDP_FAULT_IN_MAX	64
#define KTDP_WINDOW		KTDP_ENTRIES	/* 2M of 4K pages */

struct ktdp_fault {
	struct kvm_exported_tdp *tdp;
	struct ktdp_host host;
	u64 gfn;
	unsigned long nr;	/* pages wanted, within one 2M window */
	bool write;

	/* one attempt */
	const struct kvm_memory_slot *slot;
	unsigned long hva;	/* of gfn */
	unsigned long around;	/* pages that may be mapped along, those wanted included */
	bool writable;		/* the slot, and its log, allow write access */
	u64 done;		/* pages mapped, or found mapped, from gfn on */
	int level;		/* of the leaf behind those, if it cannot be mapped */
	int lock;		/* the level that the lock to be held is for */
	int max_level;		/* of a leaf */
	int error;

	/* all attempts */
	struct page *vouched;	/* held, or NULL; see ktdp_host_read() */
	unsigned int tries;
	unsigned int faulted_in;
};

static enum ktdp_fill ktdp_fail(struct ktdp_fault *f, int error)
{
	f->error = error;
	return KTDP_FILL_FAILED;
}

/*
 * The largest leaf that the host's mapping, the slot's bounds and the alignment of
 * all three addresses allow.
 */
static int ktdp_fault_level(const struct ktdp_fault *f, u64 gfn,
			    const struct ktdp_host_leaf *leaf)
{
	unsigned long hva = ktdp_slot_hva(f->slot, gfn);
	int level = min(leaf->level, f->max_level);

	if (ktdp_slot_is_logged(f->slot))
		return KTDP_LEVEL_4K;
	for (; level > KTDP_LEVEL_4K; level--) {
		u64 mask = ktdp_level_mask(level);

		if (!((gfn ^ leaf->pfn) & mask) &&
		    !((gfn ^ (hva >> PAGE_SHIFT)) & mask) &&
		    ktdp_slot_covers(f->slot, gfn & ~mask, mask + 1))
			break;
	}
	return level;
}

/* Map the host's leaf with @gfn in it, of any level. */
static noinline enum ktdp_fill
ktdp_fault_leaf(struct ktdp_fault *f, u64 gfn, const struct ktdp_walk *walk)
{
	struct ktdp_host_leaf leaf;
	enum ktdp_fill result;
	bool writable;
	u64 mask;

	ktdp_host_read(walk, f->vouched, &leaf);
	if (!leaf.readable || !leaf.is_ram || (f->write && !leaf.writable))
		return KTDP_FILL_ABSENT;
	writable = leaf.writable && f->writable;
	f->level = ktdp_fault_level(f, gfn, &leaf);
	if (f->level > f->lock) {
		/* Start over with the locks for that level. */
		f->lock = f->level;
		return KTDP_FILL_DONE;
	}
	if (!ktdp_pfn_prepare(leaf.pfn, writable))
		return KTDP_FILL_NOT_RAM;
	mask = ktdp_level_mask(f->level);
	result = ktdp_fill_leaf(f->tdp, f->slot, gfn & ~mask, f->level,
				leaf.pfn & ~mask, writable);
	if (result <= KTDP_FILL_PRESENT) {
		f->done = (gfn | mask) + 1 - f->gfn;
		result = KTDP_FILL_DONE;
	}
	return result;
}

/*
 * Is any of what the hold may map being invalidated?  This comes before the walk, lest
 * the invalidation end in between.  A leaf of 2M is in one window, that of each of its
 * pages.
 */
static bool ktdp_fault_is_busy(struct ktdp_fault *f, unsigned long hva,
			       unsigned int nr)
{
	unsigned long size = ktdp_level_pages(f->lock) << PAGE_SHIFT;

	if (f->lock > KTDP_LEVEL_2M &&
	    ktdp_notifier_is_busy(f->tdp, hva & -size, (hva & -size) + size)) {
		/* A smaller leaf may be had. */
		f->max_level = KTDP_LEVEL_2M;
	}
	return ktdp_notifier_is_busy(f->tdp, hva, hva + nr * PAGE_SIZE);
}

/* One hold of the lock: up to KTDP_HOLD_ENTRIES pages, or one larger leaf. */
static enum ktdp_fill ktdp_fault_some(struct ktdp_fault *f)
{
	const u64 write = f->write ? KTDP_HOST_WRITE : 0;
	const u64 want = KTDP_HOST_PRESENT | KTDP_HOST_USER | write;
	const struct ktdp_source source = {
		.look = want | KTDP_HOST_SPECIAL | KTDP_HOST_UFFD_WP,
		.want = want,
		.write = f->writable ? KTDP_HOST_WRITE : 0,
	};
	/* To log a page, and raise the access of its leaf, takes as long as to map two. */
	const bool logs = f->writable && ktdp_slot_is_logged(f->slot);
	u64 gfn = f->gfn + f->done;
	unsigned long hva = ktdp_slot_hva(f->slot, gfn);
	unsigned int nr = min3(f->around - (unsigned long)f->done,
			       (unsigned long)KTDP_HOLD_ENTRIES / (logs ? 2 : 1),
			       PTRS_PER_PTE - pte_index(hva));
	enum ktdp_fill result;
	struct ktdp_walk walk;

	if (ktdp_fault_is_busy(f, hva, nr))
		return KTDP_FILL_BUSY;
	if (!ktdp_host_walk(f->host.mm, hva, &walk))
		return KTDP_FILL_ABSENT;
	if (walk.level == KTDP_LEVEL_4K) {
		f->level = KTDP_LEVEL_4K;
		result = ktdp_fill_run(f->tdp, f->slot, gfn, walk.entryp, &nr,
				       &source);
		f->done += nr;
		if (nr || (result != KTDP_FILL_ABSENT && result != KTDP_FILL_PRESENT))
			return result;
	}
	return ktdp_fault_leaf(f, gfn, &walk);
}

/*
 * An importer that asks for a page often asks for those behind it next: the rest of the
 * naturally aligned piece that one hold of the lock is enough for comes along, as far as
 * the host has it.  Nothing is brought for it, and nothing is entered in the log.
 */
static unsigned long ktdp_fault_piece(const struct ktdp_fault *f, bool logged)
{
	if (!READ_ONCE(ktdp_fault_around) || (f->write && logged))
		return f->nr;
	return max_t(unsigned long, f->nr,
		     KTDP_HOLD_ENTRIES - f->gfn % KTDP_HOLD_ENTRIES);
}

/* Look up the slot.  Return: KTDP_FILL_DONE, or why that is the end of it. */
static enum ktdp_fill ktdp_fault_slot(struct ktdp_fault *f)
{
	const struct kvm_memory_slot *slot;
	unsigned long room;
	bool logged;
	int ret;

	ret = ktdp_kvm_slot(f->tdp, f->gfn, &slot);
	if (ret == -EAGAIN)
		return KTDP_FILL_BUSY;
	if (ret)
		return ktdp_fail(f, ret);
	f->slot = slot;
	f->hva = ktdp_slot_hva(slot, f->gfn);
	logged = ktdp_slot_is_logged(slot);
	if (f->write && ktdp_slot_is_readonly(slot))
		return ktdp_fail(f, -EACCES);
	if (f->write && logged && !ktdp_kvm_can_log(f->tdp))
		return ktdp_fail(f, -EBUSY);
	f->writable = !ktdp_slot_is_readonly(slot) && (f->write || !logged);
	room = min_t(u64, slot->base_gfn + slot->npages - f->gfn,
		     ktdp_host_room(&f->host, f->hva));
	f->nr = min(f->nr, room);
	f->around = min(ktdp_fault_piece(f, logged), room);
	return f->nr ? KTDP_FILL_DONE : KTDP_FILL_ABSENT;
}

/* One attempt.  Return: KTDP_FILL_DONE with f->done set, or why there is nothing. */
static enum ktdp_fill ktdp_fault_try(struct ktdp_fault *f)
{
	struct kvm_exported_tdp *tdp = f->tdp;
	enum ktdp_fill result;
	unsigned long flags;
	int idx, lock;

	f->done = 0;
	f->lock = KTDP_LEVEL_2M;
	f->max_level = tdp->table.fmt.max_leaf_level;
	if (ktdp_host_lock(&f->host))
		return ktdp_fail(f, -EINTR);
	idx = srcu_read_lock(&tdp->kvm->srcu);
	result = ktdp_fault_slot(f);
	while (result == KTDP_FILL_DONE && f->done < f->nr) {
		lock = f->lock;
		/* Waiting for the lock is not to keep interrupts off. */
		ktdp_table_lock(&tdp->table, f->gfn, lock);
		local_irq_save(flags);
		result = ktdp_fault_some(f);
		local_irq_restore(flags);
		ktdp_table_unlock(&tdp->table, f->gfn, lock);
	}
	srcu_read_unlock(&tdp->kvm->srcu, idx);
	ktdp_host_unlock(&f->host);
	return f->done ? KTDP_FILL_DONE : result;
}

/*
 * Remove the leaf, or the table, that stands where the host's mapping now
 * wants another level.
 */
static noinline void ktdp_fault_make_room(struct ktdp_fault *f)
{
	u64 gfn = f->gfn + f->done, mask;
	struct ktdp_walk walk;
	int level = f->level;

	rcu_read_lock();
	if (ktdp_table_walk(&f->tdp->table, gfn, &walk))
		level = max(level, walk.level);
	rcu_read_unlock();
	atomic64_inc(&f->tdp->stat.replaced);
	mask = ktdp_level_mask(level);
	ktdp_revoke(f->tdp, gfn & ~mask, (gfn | mask) + 1, 0);
}

static void ktdp_fault_put_page(struct ktdp_fault *f)
{
	if (f->vouched)
		put_page(f->vouched);
	f->vouched = NULL;
}

/* GUP has the same errno for all of these. */
static int ktdp_fault_check_vma(const struct ktdp_fault *f,
				const struct vm_area_struct *vma)
{
	if (!vma || (vma->vm_flags & (VM_IO | VM_PFNMAP)) ||
	    !(vma->vm_flags & (VM_READ | (f->write ? VM_WRITE : 0))))
		return -EFAULT;
	if (f->write && (!(vma->vm_flags & VM_WRITE) ||
			 ktdp_vma_is_shadow_stack(vma)))
		return -EACCES;
	return 0;
}

/*
 * Make pages present as a vCPU would, from the first on, as many as GUP can: it drops
 * mmap_lock where the fault has to wait, and its error says why not.  Hold the page if
 * one was asked for.
 */
static noinline int ktdp_fault_in(struct ktdp_fault *f)
{
	unsigned int flags = FOLL_HWPOISON | FOLL_HONOR_NUMA_FAULT |
			     (f->write ? FOLL_WRITE : 0);
	unsigned long nr;
	struct mm_struct *mm = f->host.mm;
	struct vm_area_struct *vma;
	int locked = 1;
	long ret;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	vma = vma_lookup(mm, f->hva);
	ret = ktdp_fault_check_vma(f, vma);
	if (!ret) {
		nr = min(f->nr, (vma->vm_end - f->hva) >> PAGE_SHIFT);
		/* A handler takes its time with each page, the slot may go meanwhile. */
		if (userfaultfd_armed(vma))
			nr = 1;
		f->nr = nr;
		ret = get_user_pages_remote(mm, f->hva, nr, flags,
					    nr == 1 ? &f->vouched : NULL, &locked);
	}
	if (locked)
		mmap_read_unlock(mm);
	if (ret < 0)
		return fatal_signal_pending(current) ? -EINTR : ret;
	return 0;
}

/* Return: 0 to try again, or the final error. */
static noinline int ktdp_fault_pause(struct ktdp_fault *f)
{
	atomic64_inc(&f->tdp->stat.retries);
	if (fatal_signal_pending(current))
		return -EINTR;
	if (++f->tries > KTDP_RETRY_MAX)
		return -EAGAIN;
	if (f->tries > KTDP_RETRY_SPINS)
		schedule_timeout_killable(1);
	else
		cond_resched();
	/* A shorter attempt has a better chance. */
	f->nr = max(f->nr / 2, 1UL);
	return 0;
}

/*
 * The host does not have it.  No pause here: the host may reclaim pages as fast as they
 * are faulted in.
 */
static noinline int ktdp_fault_absent(struct ktdp_fault *f)
{
	if (++f->faulted_in > KTDP_FAULT_IN_MAX)
		return -EAGAIN;
	/* GUP succeeds but the walk still fails: have GUP vouch for the first page. */
	if (f->faulted_in > 1)
		f->nr = 1;
	return ktdp_fault_in(f);
}

/* Return: 0 with f->done set, or the final error. */
static int ktdp_fault_retry(struct ktdp_fault *f)
{
	enum ktdp_fill result;
	int ret;

	for (;;) {
		ret = ktdp_pool_topup(f->tdp);
		if (ret)
			return ret;
		result = ktdp_fault_try(f);
		ktdp_fault_put_page(f);
		switch (result) {
		case KTDP_FILL_DONE:
			return 0;
		case KTDP_FILL_ABSENT:
			ret = ktdp_fault_absent(f);
			break;
		case KTDP_FILL_IN_THE_WAY:
			ktdp_fault_make_room(f);
			ret = ktdp_fault_pause(f);
			break;
		case KTDP_FILL_READ_ONLY_ABOVE:
			ktdp_table_grant(&f->tdp->table, f->gfn, f->level);
			ret = ktdp_fault_pause(f);
			break;
		case KTDP_FILL_BUSY:
		case KTDP_FILL_NO_TABLE:
			ret = ktdp_fault_pause(f);
			break;
		case KTDP_FILL_FAILED:
			ret = f->error;
			break;
		default:
			ret = -EFAULT;
			break;
		}
		if (ret && (f->nr <= 1 || ret == -EINTR || ret == -EAGAIN))
			return ret;
		/* Not all of the window can be had: one page decides. */
		if (ret)
			f->nr = 1;
	}
}

/*
 * Not for several pages: to look at each costs more than to map them all anew.
 */
static bool ktdp_fault_is_spurious(struct ktdp_fault *f)
{
	struct ktdp_walk walk;

	if (f->nr > 1)
		return false;
	rcu_read_lock();
	ktdp_table_walk(&f->tdp->table, f->gfn, &walk);
	rcu_read_unlock();
	if (!(walk.access & (f->write ? KTDP_WRITE : KTDP_READ)))
		return false;
	f->done = 1;
	atomic64_inc(&f->tdp->stat.faults_spurious);
	return true;
}

/* Return: pages done from f->gfn on, maybe more than were asked for; or -errno. */
static long ktdp_fault_run(struct ktdp_fault *f)
{
	int ret;

	if (ktdp_fault_is_spurious(f))
		return f->done;
	ret = ktdp_host_begin(&f->host, ktdp_mm(f->tdp));
	if (ret)
		return ret;
	ret = ktdp_fault_retry(f);
	ktdp_fault_put_page(f);
	ktdp_host_end(&f->host);
	return ret ?: f->done;
}

static long ktdp_fault_window(struct kvm_exported_tdp *tdp, u64 gfn,
			      unsigned long nr, bool write)
{
	struct ktdp_fault f;
	long ret = -EFAULT;

	/* One by one: most of the rest is set by each attempt. */
	f.tdp = tdp;
	f.gfn = gfn;
	f.nr = nr;
	f.write = write;
	f.vouched = NULL;
	f.tries = 0;
	f.faulted_in = 0;
	might_sleep();
	atomic64_inc(&tdp->stat.faults);
	if (ktdp_fmt_reaches(&tdp->table.fmt, gfn))
		ret = ktdp_fault_run(&f);
	if (ret < 0)
		atomic64_inc(&tdp->stat.faults_failed);
	trace_kvm_tdp_fault(tdp, gfn, write, ret);
	return ret;
}

/**
 * ktdp_fault() - map one page
 * @tdp: the exported TDP
 * @gfn: guest frame
 * @write: write access is asked for; read and execute come with every page
 *
 * Context: process context, may sleep.
 * Return: 0, or an error as kvm_exported_tdp_ops.fault.
 */
int ktdp_fault(struct kvm_exported_tdp *tdp, u64 gfn, bool write)
{
	long ret = ktdp_fault_window(tdp, gfn, 1, write);

	return ret < 0 ? ret : 0;
}

/**
 * ktdp_fault_range() - map a range, by 2M windows
 * @tdp: the exported TDP
 * @gfn: first guest frame; is advanced
 * @nr: pages; what is left of them
 * @write: as ktdp_fault()
 *
 * Context: process context, may sleep.
 * Return: 0 if any part was done, else the error of the first page.
 */
int ktdp_fault_range(struct kvm_exported_tdp *tdp, unsigned long *gfn,
		     unsigned long *nr, bool write)
{
	unsigned long all = *nr, window;
	long ret = 0;

	while (*nr) {
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		window = min(*nr, KTDP_WINDOW - *gfn % KTDP_WINDOW);
		ret = ktdp_fault_window(tdp, *gfn, window, write);
		if (ret < 0)
			break;
		ret = min_t(unsigned long, ret, *nr);
		*gfn += ret;
		*nr -= ret;
		cond_resched();
	}
	return ret < 0 && *nr == all ? ret : 0;
}
