// SPDX-License-Identifier: GPL-2.0-only
/*
 * fault and prefault: memslot, host pages by hmm_range_fault(), commit.
 *
 * The commit is valid because of two checks, both made under mirror.lock and
 * kvm->srcu: nothing was or is being invalidated (notifier.c), and the slot is
 * the one that the host address was computed from.
 *
 * While KVM logs dirty pages in a slot, a page is mapped writable only for a
 * write, as a 4K leaf, and after its bit was set in the log; when the bit is
 * harvested write access goes again (hooks.c).  Both happen under mirror.lock,
 * so a page that importers can write has its bit set.
 *
 * hmm_range_fault() tells what is there, and is not asked for more: it would
 * hold mmap_lock while it waits for swap.  What is missing is brought by GUP,
 * which lets go of the lock for that, can be killed, and refuses what devices
 * must not reach (shadow stacks).  Neither lock nor SRCU section is held
 * meanwhile: it may wait for a userfaultfd handler that issues memslot ioctls.
 *
 * hmm_range_fault() wants an interval notifier, of which it reads the mm and the
 * sequence number.  It is given one that is never inserted and never changes.
 *
 * What is rare is noinline: the common path costs half of what finding the page
 * does, and is to stay there.
 */

#include <linux/hmm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/userfaultfd_k.h>

#include "compat/gup.h"
#include "kvm.h"
#include "pfn.h"

#define KTDP_RETRY_SPINS	4	/* before the first pause of a tick */
#define KTDP_RETRY_MAX		(KTDP_RETRY_SPINS + HZ)	/* a second of pauses */
#define KTDP_FAULT_IN_MAX	64
#define KTDP_WINDOW		KTDP_ENTRIES	/* 2M of 4K pages */
#define KTDP_COMMIT_BATCH	64	/* pages under one hold of the lock */

struct ktdp_fault {
	struct kvm_exported_tdp *tdp;
	u64 gfn;
	unsigned long nr;	/* pages wanted, within one 2M window */
	bool write;
	unsigned long *pfns;	/* room for nr; from HMM, or ktdp_page() */

	/* one attempt */
	struct ktdp_slot slot;
	unsigned long hva;
	struct ktdp_snapshot snapshot;
	u64 done;		/* pages mapped, or found mapped, from gfn on */
	int level;		/* of the leaf behind those, if it cannot be mapped */

	/* all attempts */
	unsigned int tries;
	unsigned int faulted_in;
};

/* GUP knows one errno for all of it. */
static int ktdp_fault_check_vma(const struct ktdp_fault *f,
				const struct vm_area_struct *vma)
{
	if (!vma || !(vma->vm_flags & VM_READ) ||
	    (vma->vm_flags & (VM_IO | VM_PFNMAP)))
		return -EFAULT;
	if (f->write && (!(vma->vm_flags & VM_WRITE) ||
			 ktdp_vma_is_shadow_stack(vma)))
		return -EACCES;
	return 0;
}

/*
 * Make pages present as a vCPU would, from the first on, as many as can be had:
 * with mmap_lock dropped where the fault has to wait, and with an error that
 * says why not.
 */
static noinline int ktdp_fault_in(struct ktdp_fault *f)
{
	unsigned int flags = FOLL_HWPOISON | FOLL_HONOR_NUMA_FAULT |
			     (f->write ? FOLL_WRITE : 0);
	struct mm_struct *mm = ktdp_mm(f->tdp);
	struct vm_area_struct *vma;
	int locked = 1;
	long ret;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	vma = vma_lookup(mm, f->hva);
	ret = ktdp_fault_check_vma(f, vma);
	if (!ret) {
		f->nr = min(f->nr, (vma->vm_end - f->hva) >> PAGE_SHIFT);
		/* A handler takes its time with each page, the slot may go meanwhile. */
		ret = get_user_pages_remote(mm, f->hva,
					    userfaultfd_armed(vma) ? 1 : f->nr,
					    flags, NULL, &locked);
	}
	if (locked)
		mmap_read_unlock(mm);
	if (ret < 0)
		return fatal_signal_pending(current) ? -EINTR : ret;
	return 0;
}

/* Pages from the first on that are there with the access asked for. */
static unsigned long ktdp_fault_pfns_found(const struct ktdp_fault *f)
{
	unsigned long need = HMM_PFN_VALID | (f->write ? HMM_PFN_WRITE : 0);
	unsigned long i, all = ~0UL, any = 0;

	/* Mostly all are, so ask that first. */
	for (i = 0; i < f->nr; i++) {
		all &= f->pfns[i];
		any |= f->pfns[i];
	}
	if ((all & need) == need && !(any & HMM_PFN_ERROR))
		return f->nr;
	for (i = 0; i < f->nr; i++) {
		if ((f->pfns[i] & (need | HMM_PFN_ERROR)) != need)
			break;
	}
	return i;
}

/*
 * HMM takes a page of a shadow stack for writable, for its owner can write it in
 * a way of its own.  No device is to, so it is read-only here.
 */
static void ktdp_fault_pfns_shadow_stack(struct ktdp_fault *f)
{
	struct vm_area_struct *vma = vma_lookup(ktdp_mm(f->tdp), f->hva);
	unsigned long i;

	if (!vma)
		return;
	f->nr = min(f->nr, (vma->vm_end - f->hva) >> PAGE_SHIFT);
	if (!ktdp_vma_is_shadow_stack(vma))
		return;
	for (i = 0; i < f->nr; i++)
		f->pfns[i] &= ~HMM_PFN_WRITE;
}

/*
 * Find the pages that are there, from the first on.
 * Return: 0; -ENODATA the first is not there with the access asked for; -EFAULT
 * HMM calls it an error, though GUP did not; -EINTR.
 */
static int ktdp_fault_pfns(struct ktdp_fault *f)
{
	struct mm_struct *mm = ktdp_mm(f->tdp);
	struct hmm_range range = {
		.notifier = &f->tdp->hmm,
		.start = f->hva,
		.end = f->hva + (f->nr << PAGE_SHIFT),
		.hmm_pfns = f->pfns,
	};
	unsigned long found;
	int ret;

	/* Mostly there is no contention, and this is the shorter way then. */
	if (!mmap_read_trylock(mm) && mmap_read_lock_killable(mm))
		return -EINTR;
	ret = hmm_range_fault(&range);
	if (ktdp_has_shadow_stacks())
		ktdp_fault_pfns_shadow_stack(f);
	mmap_read_unlock(mm);
	/* None is documented, as long as nothing is to be faulted in. */
	if (ret)
		return -EAGAIN;

	found = ktdp_fault_pfns_found(f);
	if (!found)
		return f->faulted_in && (f->pfns[0] & HMM_PFN_ERROR) ?
		       -EFAULT : -ENODATA;
	f->nr = found;
	return 0;
}

/*
 * What was found of a page holds for all of its leaf.  Up to 2M that is one hva
 * window, which the snapshot spans.
 */
static bool ktdp_fault_leaf_is_good(const struct ktdp_fault *f, int level,
				    unsigned long hva)
{
	unsigned long size = ktdp_level_pages(level) << PAGE_SHIFT;

	if (level <= KTDP_LEVEL_2M)
		return true;
	hva &= ~(size - 1);
	return f->tdp->ended == f->snapshot.ended_all &&
	       !ktdp_notifier_is_busy(f->tdp, hva, hva + size);
}

/*
 * The largest leaf that the host's mapping, the slot's bounds and the
 * alignment of all three addresses allow.
 */
static int ktdp_fault_level(const struct ktdp_fault *f, u64 gfn,
			    unsigned long hva, u64 pfn, unsigned int order)
{
	const struct ktdp_slot *slot = &f->slot;
	int level = f->tdp->mirror.fmt.max_leaf_level;

	if (ktdp_slot_is_logged(slot))
		return KTDP_LEVEL_4K;
	for (; level > KTDP_LEVEL_4K; level--) {
		u64 mask = ktdp_level_mask(level);

		if (order >= 9 * (level - 1) &&
		    !((gfn ^ pfn) & mask) &&
		    !((gfn ^ (hva >> PAGE_SHIFT)) & mask) &&
		    (gfn & ~mask) >= slot->base_gfn &&
		    (gfn | mask) < slot->base_gfn + slot->npages &&
		    ktdp_fault_leaf_is_good(f, level, hva))
			break;
	}
	return level;
}

/* Writable pages of a logged slot are 4K, so @nr is in pages. */
static bool ktdp_fault_log_dirty(struct ktdp_fault *f, u64 gfn, u64 nr)
{
	return !ktdp_slot_is_logged(&f->slot) ||
	       ktdp_slot_log_dirty(&f->slot, gfn, nr);
}

/* Map the leaf of a huge page with the next page of the window in it. */
static noinline int ktdp_fault_commit_huge(struct ktdp_fault *f, bool slot_writable)
{
	unsigned long hmm_pfn = f->pfns[f->done];
	bool writable = slot_writable && (hmm_pfn & HMM_PFN_WRITE);
	unsigned long hva = f->hva + (f->done << PAGE_SHIFT);
	u64 gfn = f->gfn + f->done, pfn = hmm_pfn & ~HMM_PFN_FLAGS, mask;
	int ret;

	f->level = ktdp_fault_level(f, gfn, hva, pfn,
				    hmm_pfn_to_map_order(hmm_pfn));
	mask = ktdp_level_mask(f->level);
	if (!ktdp_pfn_prepare(pfn, writable))
		return -EFAULT;
	if (writable && !ktdp_fault_log_dirty(f, gfn, 1))
		return -EINVAL;
	ret = ktdp_mirror_map(&f->tdp->mirror, gfn & ~mask, f->level,
			      pfn & ~mask, writable);
	if (ret && ret != -EEXIST)
		return ret;
	f->done = (gfn | mask) + 1 - f->gfn;
	return 0;
}

/*
 * Turn HMM's answers into ktdp_page()s, up to the first that is not a 4K page
 * or may not be mapped.  Return: how many.
 */
static unsigned long ktdp_fault_prepare(unsigned long *pfns, unsigned long nr,
					bool slot_writable)
{
	unsigned long writable = slot_writable ? HMM_PFN_WRITE : 0, i;

	for (i = 0; i < nr; i++) {
		unsigned long hmm_pfn = pfns[i];
		u64 pfn = hmm_pfn & ~HMM_PFN_FLAGS;

		if (hmm_pfn_to_map_order(hmm_pfn) ||
		    !ktdp_pfn_prepare(pfn, hmm_pfn & writable))
			break;
		pfns[i] = ktdp_page(pfn, hmm_pfn & writable);
	}
	return i;
}

/* Map the 4K pages from the next one of the window up to @stop. */
static int ktdp_fault_commit_pages(struct ktdp_fault *f, u64 stop,
				   bool slot_writable)
{
	unsigned long *pfns = f->pfns + f->done, nr, done;
	int ret;

	f->level = KTDP_LEVEL_4K;
	nr = ktdp_fault_prepare(pfns, stop - f->done, slot_writable);
	if (!nr)
		return -EFAULT;
	if (slot_writable && !ktdp_fault_log_dirty(f, f->gfn + f->done, nr))
		return -EINVAL;
	if (nr == 1) {
		ret = ktdp_mirror_map(&f->tdp->mirror, f->gfn + f->done,
				      KTDP_LEVEL_4K, ktdp_page_pfn(*pfns),
				      ktdp_page_is_writable(*pfns));
		done = !ret || ret == -EEXIST;
	} else {
		ret = ktdp_mirror_map_pages(&f->tdp->mirror, f->gfn + f->done,
					    pfns, nr, &done);
	}
	f->done += done;
	return ret == -EEXIST ? 0 : ret;
}

static int ktdp_fault_commit_locked(struct ktdp_fault *f)
{
	u64 stop = min_t(u64, f->nr, f->done + KTDP_COMMIT_BATCH);
	bool slot_writable = !ktdp_slot_is_readonly(&f->slot) &&
			     (f->write || !ktdp_slot_is_logged(&f->slot));
	int ret = 0;

	lockdep_assert_held(&f->tdp->mirror.lock);
	if (ktdp_notifier_retry(f->tdp, &f->snapshot))
		return -EAGAIN;
	while (f->done < stop && !ret) {
		if (hmm_pfn_to_map_order(f->pfns[f->done]))
			ret = ktdp_fault_commit_huge(f, slot_writable);
		else
			ret = ktdp_fault_commit_pages(f, stop, slot_writable);
	}
	return ret;
}

/*
 * Remove the leaf, or the table, that stands where the host's mapping now
 * wants another level.
 */
static noinline void ktdp_fault_make_room(struct ktdp_fault *f)
{
	struct ktdp_mirror *mirror = &f->tdp->mirror;
	u64 gfn = f->gfn + f->done, mask;
	struct ktdp_walk walk;
	int level = f->level;

	raw_spin_lock(&mirror->lock);
	if (ktdp_mirror_walk(mirror, gfn, &walk))
		level = max(level, walk.level);
	mirror->replaced++;
	raw_spin_unlock(&mirror->lock);
	mask = ktdp_level_mask(level);
	ktdp_export_zap(f->tdp, gfn & ~mask, (gfn | mask) + 1);
}

static int ktdp_fault_commit(struct ktdp_fault *f)
{
	struct kvm_exported_tdp *tdp = f->tdp;
	int idx, ret;

	idx = srcu_read_lock(&tdp->kvm->srcu);
	if (!ktdp_kvm_slot_renew(tdp, f->gfn, &f->slot)) {
		srcu_read_unlock(&tdp->kvm->srcu, idx);
		return -EAGAIN;
	}
	do {
		raw_spin_lock(&tdp->mirror.lock);
		ret = ktdp_fault_commit_locked(f);
		raw_spin_unlock(&tdp->mirror.lock);
	} while (!ret && f->done < f->nr);
	srcu_read_unlock(&tdp->kvm->srcu, idx);

	if (f->done)
		return 0;
	if (ret == -EBUSY)
		ktdp_fault_make_room(f);
	/* -ENOMEM: the pool was short, and is filled before the next attempt. */
	return ret == -EBUSY || ret == -ENOMEM ? -EAGAIN : ret;
}

/*
 * Return: 0 with f->done set; -EAGAIN to start over, -ENODATA the same with pages
 * faulted in meanwhile; or the final error.
 */
static int ktdp_fault_try(struct ktdp_fault *f)
{
	struct kvm_exported_tdp *tdp = f->tdp;
	int ret;

	ret = ktdp_pool_topup(tdp);
	if (ret)
		return ret;
	f->done = 0;
	ret = ktdp_kvm_slot(tdp, f->gfn, &f->slot);
	if (ret)
		return ret;
	if (f->write && ktdp_slot_is_readonly(&f->slot))
		return -EACCES;
	if (f->write && ktdp_slot_is_logged(&f->slot) && !ktdp_kvm_can_log(tdp))
		return -EBUSY;
	f->nr = min_t(u64, f->nr, f->slot.base_gfn + f->slot.npages - f->gfn);
	f->hva = ktdp_slot_hva(&f->slot, f->gfn);
	ktdp_notifier_snapshot(tdp, f->hva, f->hva + (f->nr << PAGE_SHIFT),
			       &f->snapshot);

	ret = ktdp_fault_pfns(f);
	if (!ret)
		return ktdp_fault_commit(f);
	return ret == -ENODATA ? ktdp_fault_in(f) ?: -ENODATA : ret;
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
	return 0;
}

/* Return: 0 with f->done set, or the final error. */
static int ktdp_fault_retry(struct ktdp_fault *f)
{
	int ret;

	for (;;) {
		ret = ktdp_fault_try(f);
		switch (ret) {
		case 0:
			return 0;
		case -ENODATA:
			/*
			 * The host may take them as fast as they are brought.
			 * No pause: it would be one in which to take them.
			 */
			if (++f->faulted_in > KTDP_FAULT_IN_MAX)
				return -EAGAIN;
			break;
		case -EAGAIN:
			ret = ktdp_fault_pause(f);
			if (ret)
				return ret;
			/* Take less time, there may be a better chance. */
			f->nr = max(f->nr / 2, 1UL);
			break;
		default:
			if (f->nr == 1)
				return ret;
			/* Not all of the window can be had: one page decides. */
			f->nr = 1;
		}
	}
}

/*
 * A window is not asked: to look at each page costs more than to find them
 * all anew.
 */
static bool ktdp_fault_is_spurious(struct ktdp_fault *f)
{
	struct ktdp_mirror *mirror = &f->tdp->mirror;
	bool spurious;

	if (f->nr > 1)
		return false;
	raw_spin_lock(&mirror->lock);
	spurious = ktdp_mirror_grants(mirror, f->gfn,
				      f->write ? KTDP_WRITE : KTDP_READ);
	raw_spin_unlock(&mirror->lock);
	if (!spurious)
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
	if (!mmget_not_zero(ktdp_mm(f->tdp)))
		return -EPERM;
	ret = ktdp_fault_retry(f);
	mmput_async(ktdp_mm(f->tdp));
	return ret ?: f->done;
}

static long ktdp_fault_range(struct kvm_exported_tdp *tdp, u64 gfn,
			     unsigned long nr, bool write, unsigned long *pfns)
{
	struct ktdp_fault f;
	long ret = -EFAULT;

	/* One by one: most of the rest is set by each attempt. */
	f.tdp = tdp;
	f.gfn = gfn;
	f.nr = nr;
	f.write = write;
	f.pfns = pfns;
	f.tries = 0;
	f.faulted_in = 0;
	might_sleep();
	atomic64_inc(&tdp->stat.faults);
	if (ktdp_fmt_reaches(&tdp->mirror.fmt, gfn))
		ret = ktdp_fault_run(&f);
	if (ret < 0)
		atomic64_inc(&tdp->stat.faults_failed);
	trace_kvm_tdp_fault(&tdp->mirror, gfn, write, ret);
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
	unsigned long pfn = 0;
	long ret = ktdp_fault_range(tdp, gfn, 1, write, &pfn);

	return ret < 0 ? ret : 0;
}

/**
 * ktdp_prefault() - map a range, by 2M windows
 * @tdp: the exported TDP
 * @arg: the ioctl's argument, checked; gpa and length are advanced
 *
 * Context: process context, may sleep.
 * Return: 0 if any part was done, else the error of the first page.
 */
int ktdp_prefault(struct kvm_exported_tdp *tdp, struct kvm_tdp_prefault *arg)
{
	bool write = arg->access & KVM_TDP_ACCESS_WRITE;
	u64 length = arg->length;
	unsigned long *pfns;
	long ret = 0;

	pfns = kcalloc(KTDP_WINDOW, sizeof(*pfns), GFP_KERNEL);
	if (!pfns)
		return -ENOMEM;
	while (arg->length) {
		u64 gfn = arg->gpa >> PAGE_SHIFT;
		u64 left = arg->length >> PAGE_SHIFT;
		u64 nr = min(left, KTDP_WINDOW - (gfn & (KTDP_WINDOW - 1)));

		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		ret = ktdp_fault_range(tdp, gfn, nr, write, pfns);
		if (ret < 0)
			break;
		left = min_t(u64, left, ret);
		arg->gpa += left << PAGE_SHIFT;
		arg->length -= left << PAGE_SHIFT;
		cond_resched();
	}
	kfree(pfns);
	return ret < 0 && arg->length == length ? ret : 0;
}
