// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_TDP_VERIFY: the table held against the host's page tables, the memslots,
 * the dirty log, and KVM's own table.
 *
 * A leaf that agrees with what the host says was right at some instant.  One
 * that does not is looked at again, alone: leaf, then host, then under
 * the region's lock whether the leaf is still the same, no invalidation has ended
 * since before the first look, and none is in progress.  Then the host's answer
 * is of a time when the leaf was there and the host was not about to take the
 * page: if they differ, it is wrong.  KVM's slots_lock is held meanwhile, so
 * that no memslot is half changed, no dirty log half harvested, and no guest_memfd
 * half closed.
 *
 * The memory of a slot that is backed by a guest_memfd is what the file has, whatever the
 * host maps.  There the file is looked at under the region's lock: pages leave it after
 * the leaf has been revoked, which waits for the lock.
 *
 * munmap() removes the VMA first, and then holds mmap_lock for read only while it
 * invalidates and clears the page tables: in between, the host seems to have nothing
 * there.  So a leaf that seems wrong is looked at once more with mmap_lock held for
 * write, when no munmap() is half done.
 */

#include <linux/hmm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "../kvm.h"
#include "../notifier.h"
#include "../pool.h"
#include "verify.h"

#define KTDP_VERIFY_TRIES	32
#define KTDP_VERIFY_SPINS	8	/* of those, without a pause */

enum ktdp_wrong {
	KTDP_WRONG_STALE = BIT(0),
	KTDP_WRONG_EXCESS = BIT(1),
	KTDP_WRONG_NO_SLOT = BIT(2),
	KTDP_WRONG_RESERVED = BIT(3),
	KTDP_WRONG_KVM = BIT(4),
	KTDP_WRONG_UNDECIDED = BIT(5),
};

struct ktdp_verify {
	struct kvm_exported_tdp *tdp;
	struct kvm_tdp_verify *arg;
	bool alone;		/* nobody is to be in the midst of munmap() */
	int vcpu;		/* whose table of KVM's is looked at; -1: none */
	u64 leaves[KTDP_MAX_LEAF_LEVEL];	/* looked at */
	unsigned long pfns[KTDP_ENTRIES];	/* of a window, from HMM */
	u64 sptes[KTDP_ENTRIES];		/* of the window, KVM's */
	int spte_level;
};

/* One look at a page. */
struct ktdp_verify_page {
	struct ktdp_walk walk;
	struct kvm_memory_slot slot;
	int slot_error;
	unsigned long hva;	/* 0: no slot */
	u64 snapshot;
	unsigned long hmm_pfn;
	bool blind;		/* HMM does not look at memory that must not be read */
	u64 spte;		/* KVM's leaf, 0: none */
	int spte_level;
	bool reserved;
};

static bool ktdp_verify_reserved(const struct ktdp_table *table, u64 gfn)
{
	const u64 *entries = table->root;
	int level = table->fmt.level;
	bool reserved = false;
	u64 entry;

	for (;; level--) {
		entry = READ_ONCE(entries[ktdp_level_index(gfn, level)]);
		reserved |= ktdp_entry_is_rsvd(&table->fmt, entry, level);
		if (!ktdp_entry_is_table(entry, level))
			return entry && reserved;
		entries = ktdp_hpa_to_entries(ktdp_entry_hpa(&table->fmt, entry));
	}
}

/*
 * Up to @nr leaves of KVM's table, from @gfn on; 0 where there is none.  Where a
 * larger one is, that is all of them.  Return: their level.
 */
static int ktdp_verify_read_sptes(const struct ktdp_verify *v, u64 gfn,
				  u64 *sptes, unsigned int nr)
{
	struct kvm *kvm = v->tdp->kvm;
	struct ktdp_spte_walk walk = { .level = KTDP_LEVEL_4K };
	struct ktdp_kvm_root root;
	unsigned int i;
	int idx;
	u64 spte;

	memset(sptes, 0, nr * sizeof(*sptes));
	if (v->vcpu < 0)
		return walk.level;
	idx = srcu_read_lock(&kvm->srcu);
	rcu_read_lock();
	if (ktdp_kvm_read_root(v->tdp, v->vcpu, &root) &&
	    gfn < ktdp_gfn_end(root.level)) {
		ktdp_kvm_walk(v->tdp, &root, gfn, &walk);
		for (i = 0; i < nr; i++) {
			spte = READ_ONCE(walk.sptep[walk.level == 1 ? i : 0]);
			if (ktdp_spte_is_leaf(spte, walk.level))
				sptes[i] = spte;
		}
		if (ktdp_kvm_root_has_aliases(v->tdp, &root))
			memset(sptes, 0, nr * sizeof(*sptes));
	}
	rcu_read_unlock();
	srcu_read_unlock(&kvm->srcu, idx);
	return walk.level;
}

static int ktdp_verify_lock(const struct ktdp_verify *v, struct mm_struct *mm)
{
	int ret;

	if (!v->alone)
		return mmap_read_lock_killable(mm);
	ret = mmap_write_lock_killable(mm);
	if (!ret)
		mmap_write_downgrade(mm);
	return ret;
}

/*
 * Ask HMM for the host's page at @hva; nothing is faulted in.  @blind is set where HMM
 * does not tell although there may be one.  Return: 0 or -EINTR.
 */
static int ktdp_verify_host(const struct ktdp_verify *v, unsigned long hva,
			    unsigned long *pfns, unsigned long nr, bool *blind)
{
	struct mm_struct *mm = ktdp_mm(v->tdp);
	struct hmm_range range = {
		.notifier = &v->tdp->hmm,
		.start = hva,
		.end = hva + (nr << PAGE_SHIFT),
		.hmm_pfns = pfns,
	};
	const struct vm_area_struct *vma;

	memset(pfns, 0, nr * sizeof(*pfns));
	if (ktdp_verify_lock(v, mm))
		return -EINTR;
	/* Where it stops, at device memory or a hole, nothing may be mapped. */
	hmm_range_fault(&range);
	vma = vma_lookup(mm, hva);
	*blind = vma && (!(vma->vm_flags & VM_READ) || vma->vm_flags & (VM_IO | VM_PFNMAP));
	mmap_read_unlock(mm);
	return 0;
}

/* What a guest_memfd has for @nr guest frames, as HMM would say it. */
static void ktdp_verify_file(const struct ktdp_verify *v, u64 gfn,
			     unsigned long *pfns, unsigned long nr)
{
	unsigned long i;
	u64 pfn;

	for (i = 0; i < nr; i++) {
		pfn = ktdp_kvm_gmem_pfn(v->tdp, gfn + i);
		pfns[i] = pfn ? pfn | HMM_PFN_VALID | HMM_PFN_WRITE : 0;
	}
}

static bool ktdp_verify_host_agrees(const struct ktdp_verify *v,
				    const struct ktdp_walk *walk,
				    unsigned long hmm_pfn)
{
	return (hmm_pfn & HMM_PFN_VALID) &&
	       (hmm_pfn & ~HMM_PFN_FLAGS) ==
	       ktdp_walk_pfn(&v->tdp->table.fmt, walk);
}

static bool ktdp_verify_kvm_agrees(const struct ktdp_verify *v,
				   const struct ktdp_walk *walk, u64 spte,
				   int level)
{
	const struct ktdp_fmt *fmt = &v->tdp->table.fmt;

	return !spte || ktdp_entry_pfn(fmt, spte) +
	       (walk->gfn & ktdp_level_mask(level)) == ktdp_walk_pfn(fmt, walk);
}

/* The first look, from the leaf on. */
static int ktdp_verify_look(const struct ktdp_verify *v, u64 gfn,
			    struct ktdp_verify_page *page)
{
	struct kvm_exported_tdp *tdp = v->tdp;

	page->slot_error = ktdp_kvm_slot_copy(tdp, gfn, &page->slot);
	page->hva = page->slot_error ? 0 : ktdp_slot_hva(&page->slot, gfn);
	page->snapshot = ktdp_notifier_snapshot(tdp, page->hva);
	rcu_read_lock();
	ktdp_table_walk(&tdp->table, gfn, &page->walk);
	page->reserved = ktdp_verify_reserved(&tdp->table, gfn);
	rcu_read_unlock();
	page->spte_level = ktdp_verify_read_sptes(v, gfn, &page->spte, 1);
	page->hmm_pfn = 0;
	page->blind = false;
	if (page->slot_error || ktdp_slot_is_gmem(&page->slot))
		return 0;
	return ktdp_verify_host(v, page->hva, &page->hmm_pfn, 1, &page->blind);
}

static unsigned int ktdp_verify_judge(const struct ktdp_verify *v,
				      const struct ktdp_verify_page *page)
{
	const struct ktdp_walk *walk = &page->walk;
	u64 mask = ktdp_level_mask(walk->level), gfn = walk->gfn;
	unsigned int wrong = 0;

	if (page->reserved)
		wrong |= KTDP_WRONG_RESERVED;
	if (page->slot_error ||
	    !ktdp_slot_covers(&page->slot, gfn & ~mask, mask + 1))
		return wrong | KTDP_WRONG_NO_SLOT;
	if (page->blind)
		return wrong | KTDP_WRONG_UNDECIDED;
	if (!ktdp_verify_host_agrees(v, walk, page->hmm_pfn))
		wrong |= KTDP_WRONG_STALE;
	if (!ktdp_verify_kvm_agrees(v, walk, page->spte, page->spte_level))
		wrong |= KTDP_WRONG_KVM;
	if (!(walk->access & KTDP_WRITE))
		return wrong;
	if (ktdp_slot_is_readonly(&page->slot) ||
	    !(page->hmm_pfn & HMM_PFN_WRITE) ||
	    (ktdp_slot_is_logged(&page->slot) &&
	     !(ktdp_kvm_can_log(v->tdp) &&
	       ktdp_slot_is_dirty(&page->slot, gfn))))
		wrong |= KTDP_WRONG_EXCESS;
	return wrong;
}

/* Has nothing changed since the first look?  Then it is valid. */
static bool ktdp_verify_is_same(const struct ktdp_verify *v,
				const struct ktdp_verify_page *page)
{
	const struct kvm_exported_tdp *tdp = v->tdp;
	struct ktdp_walk walk;

	ktdp_table_walk(&tdp->table, page->walk.gfn, &walk);
	return walk.entry == page->walk.entry &&
	       walk.level == page->walk.level &&
	       walk.access == page->walk.access &&
	       !ktdp_notifier_retry(tdp, page->hva, page->snapshot);
}

/* Return: enum ktdp_wrong; 0 if there is no leaf; -EBUSY; -EINTR. */
static int ktdp_verify_try(const struct ktdp_verify *v, u64 gfn)
{
	struct ktdp_table *table = &v->tdp->table;
	struct ktdp_verify_page page;
	int ret;

	lockdep_assert_held(&v->tdp->kvm->slots_lock);
	ret = ktdp_verify_look(v, gfn, &page);
	if (ret || !page.walk.entry)
		return ret;
	ret = -EBUSY;
	ktdp_table_lock(table, gfn, page.walk.level);
	if (!page.slot_error && ktdp_slot_is_gmem(&page.slot))
		ktdp_verify_file(v, gfn, &page.hmm_pfn, 1);
	if (ktdp_verify_is_same(v, &page))
		ret = ktdp_verify_judge(v, &page);
	ktdp_table_unlock(table, gfn, page.walk.level);
	return ret;
}

/* One page for good.  Return: enum ktdp_wrong, or -EINTR. */
static int ktdp_verify_page(struct ktdp_verify *v, u64 gfn)
{
	struct kvm *kvm = v->tdp->kvm;
	unsigned int tries;
	int ret;

	v->alone = false;
	for (tries = 0; tries < KTDP_VERIFY_TRIES; tries++) {
		if (tries > KTDP_VERIFY_SPINS)
			schedule_timeout_killable(1);
		if (mutex_lock_killable(&kvm->slots_lock))
			return -EINTR;
		ret = ktdp_verify_try(v, gfn);
		mutex_unlock(&kvm->slots_lock);
		if (ret != -EBUSY && (ret <= 0 || v->alone))
			break;
		v->alone |= ret > 0;
		v->arg->retries++;
		ret = KTDP_WRONG_UNDECIDED;
	}
	v->alone = false;
	return ret;
}

static void ktdp_verify_count(struct kvm_tdp_verify *arg, u64 gfn,
			      unsigned int wrong)
{
	bool bad = wrong & ~KTDP_WRONG_UNDECIDED;

	if (bad && !(arg->stale | arg->excess | arg->no_slot | arg->reserved |
		     arg->kvm))
		arg->first_bad = gfn << PAGE_SHIFT;
	arg->stale += !!(wrong & KTDP_WRONG_STALE);
	arg->excess += !!(wrong & KTDP_WRONG_EXCESS);
	arg->no_slot += !!(wrong & KTDP_WRONG_NO_SLOT);
	arg->reserved += !!(wrong & KTDP_WRONG_RESERVED);
	arg->kvm += !!(wrong & KTDP_WRONG_KVM);
	arg->undecided += !!(wrong & KTDP_WRONG_UNDECIDED);
}

/* Does all that was seen without a lock agree?  Mostly it does. */
static bool ktdp_verify_agrees(const struct ktdp_verify *v,
			       const struct kvm_memory_slot *slot,
			       const struct ktdp_walk *walk,
			       unsigned long hmm_pfn, u64 spte)
{
	const bool writable = walk->access & KTDP_WRITE;
	u64 mask = ktdp_level_mask(walk->level);

	return ktdp_slot_covers(slot, walk->gfn & ~mask, mask + 1) &&
	       ktdp_verify_host_agrees(v, walk, hmm_pfn) &&
	       ktdp_verify_kvm_agrees(v, walk, spte, v->spte_level) &&
	       !(writable && (!(hmm_pfn & HMM_PFN_WRITE) ||
			      ktdp_slot_is_readonly(slot) ||
			      ktdp_slot_is_logged(slot)));
}

/* A page that has a leaf.  Return: 0 or -EINTR. */
static int ktdp_verify_leaf(struct ktdp_verify *v, const struct kvm_memory_slot *slot,
			    const struct ktdp_walk *walk, unsigned int i,
			    bool reserved)
{
	int ret;

	v->arg->pages++;
	if (!(walk->gfn & ktdp_level_mask(walk->level))) {
		v->arg->leaves++;
		v->leaves[walk->level - 1]++;
	}
	if (!reserved &&
	    ktdp_verify_agrees(v, slot, walk, v->pfns[i], v->sptes[i]))
		return 0;
	ret = ktdp_verify_page(v, walk->gfn);
	if (ret > 0)
		ktdp_verify_count(v->arg, walk->gfn, ret);
	return min(ret, 0);
}

/* Take the snapshots that all pages of a window are compared with.  0, or -EINTR. */
static int ktdp_verify_prepare(struct ktdp_verify *v, u64 gfn, unsigned int *nr,
			       struct kvm_memory_slot *slot)
{
	bool blind;

	memset(v->pfns, 0, sizeof(v->pfns));
	v->spte_level = ktdp_verify_read_sptes(v, gfn, v->sptes, *nr);
	if (ktdp_kvm_slot_copy(v->tdp, gfn, slot)) {
		/* Whatever is mapped there is looked at alone. */
		memset(slot, 0, sizeof(*slot));
		return 0;
	}
	*nr = min_t(u64, *nr, slot->base_gfn + slot->npages - gfn);
	if (ktdp_slot_is_gmem(slot)) {
		ktdp_verify_file(v, gfn, v->pfns, *nr);
		return 0;
	}
	return ktdp_verify_host(v, ktdp_slot_hva(slot, gfn), v->pfns, *nr,
				&blind);
}

/*
 * @nr pages from @gfn on, of one window.  Return: the gfn to go on with, or
 * -EINTR.
 */
static s64 ktdp_verify_window(struct ktdp_verify *v, u64 gfn, unsigned int nr)
{
	struct ktdp_table *table = &v->tdp->table;
	struct ktdp_walk walk;
	struct kvm_memory_slot slot;
	bool there, reserved;
	unsigned int i;
	int ret;

	rcu_read_lock();
	there = ktdp_table_walk(table, gfn, &walk);
	rcu_read_unlock();
	if (!there && walk.level > KTDP_LEVEL_4K)
		return ktdp_walk_next(&walk);
	ret = ktdp_verify_prepare(v, gfn, &nr, &slot);
	for (i = 0; i < nr && !ret; i++) {
		rcu_read_lock();
		there = ktdp_table_walk(table, gfn + i, &walk);
		reserved = ktdp_verify_reserved(table, gfn + i);
		rcu_read_unlock();
		if (there)
			ret = ktdp_verify_leaf(v, &slot, &walk, i, reserved);
	}
	return ret ?: (s64)(gfn + nr);
}

static int ktdp_verify_range(struct ktdp_verify *v)
{
	struct kvm_tdp_verify *arg = v->arg;
	u64 end = v->tdp->table.fmt.gfn_end;
	u64 gfn = arg->gpa >> PAGE_SHIFT, nr;
	s64 next = 0;

	end = min(end, gfn + (arg->length >> PAGE_SHIFT));
	while (gfn < end) {
		if (signal_pending(current))
			break;
		nr = min(end - gfn, KTDP_ENTRIES - (gfn & (KTDP_ENTRIES - 1)));
		next = ktdp_verify_window(v, gfn, nr);
		if (next < 0)
			break;
		gfn = min_t(u64, next, end);
		cond_resched();
	}
	if (gfn < end && gfn == arg->gpa >> PAGE_SHIFT)
		return -EINTR;
	arg->gpa = gfn << PAGE_SHIFT;
	arg->length = (end > gfn ? end - gfn : 0) << PAGE_SHIFT;
	return 0;
}

struct ktdp_verify_counters {
	u64 leaves[KTDP_MAX_LEAF_LEVEL];
	u64 cleared;
};

static void ktdp_verify_counters(struct ktdp_verify *v,
				 const struct ktdp_verify_counters *before)
{
	struct ktdp_verify_counters now;
	int i;

	/* Wait for holds in progress: entries change before the counters do. */
	ktdp_table_lock_all(&v->tdp->table);
	ktdp_table_unlock_all(&v->tdp->table);
	/* Leaves of a table that a revoke has unlinked are counted until it has ended. */
	if (atomic_read(&v->tdp->table.notifying))
		return;
	ktdp_pool_count_leaves(v->tdp, now.leaves, &now.cleared);
	if (memcmp(&now, before, sizeof(now)))
		return;
	for (i = 0; i < KTDP_MAX_LEAF_LEVEL; i++)
		v->arg->counters += v->leaves[i] != now.leaves[i];
}

/* A vCPU whose table is that of this address space, or -1. */
static int ktdp_verify_vcpu(const struct kvm_exported_tdp *tdp)
{
	int vcpu;

	if (!ktdp_kvm_has_tdp_mmu(tdp->kvm))
		return -1;
	for (vcpu = 0; vcpu < atomic_read(&tdp->kvm->online_vcpus); vcpu++) {
		if (ktdp_kvm_root_is_new(tdp, vcpu))
			return vcpu;
	}
	return -1;
}

/**
 * ktdp_verify() - hold the table against what it is made of
 * @tdp: the exported TDP
 * @arg: the ioctl's argument, checked; counts are added to
 *
 * Context: process context, may sleep.
 * Return: 0, -EPERM, -EINTR or -ENOMEM, as the ioctl.
 */
int ktdp_verify(struct kvm_exported_tdp *tdp, struct kvm_tdp_verify *arg)
{
	bool whole = !arg->gpa && arg->length >> PAGE_SHIFT >=
				  tdp->table.fmt.gfn_end;
	struct ktdp_verify_counters before;
	struct ktdp_verify *v;
	int ret = -EPERM;

	v = kvzalloc(sizeof(*v), GFP_KERNEL);
	if (!v)
		return -ENOMEM;
	v->tdp = tdp;
	v->arg = arg;
	v->vcpu = ktdp_verify_vcpu(tdp);
	if (!mmget_not_zero(ktdp_mm(tdp)))
		goto out_free;
	ktdp_pool_count_leaves(tdp, before.leaves, &before.cleared);
	ret = ktdp_verify_range(v);
	if (!ret && whole && !arg->length)
		ktdp_verify_counters(v, &before);
	mmput_async(ktdp_mm(tdp));
out_free:
	kvfree(v);
	return ret;
}
