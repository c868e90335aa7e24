// SPDX-License-Identifier: GPL-2.0-only
/*
 * Eager fill: what a vCPU's fault maps in KVM's table is copied into ours
 * before the vCPU resumes, by a probe on the tracepoint kvm_mmu_set_spte.
 *
 * The probe runs in the vCPU's thread, after KVM has written its entry, and
 * before KVM lets go of mmu_lock (for read, or for write) and of kvm->srcu.  It
 * never allocates, waits or loops over pages: on any doubt nothing is copied,
 * that is counted, and the first fault() for the page will map it.
 *
 * Why KVM's pfn may be copied without a snapshot of the sequence number.  Of an
 * invalidation that covers the page let S, E be the callbacks of this module,
 * and Sk, Ek those of KVM.  All S and Sk come before all E and Ek.  S, E and the
 * copy C take mirror.lock; Sk and Ek take mmu_lock for write, so neither falls
 * between KVM's last check of its pfn and C.
 *
 *	C before S		S removes what C wrote; S looks at the slots
 *				after it had the lock, and C's is among them
 *	S, C, E			the page's window is busy: nothing is copied.
 *				This is also the case of S, C, Sk: C's pfn is
 *				then one that Sk has yet to remove from KVM's
 *				own table
 *	S, E, C			Sk came before E, and after KVM found the pfn or
 *				before.  Before: the pfn is one of after Sk,
 *				which KVM installs after Ek only.  After: KVM's
 *				own check has refused it, and there is no C
 *
 * What KVM prefetches without a fault for it (tdp_mmu=N) it finds with mmu_lock
 * held and no invalidation begun: the first two cases.
 *
 * Memslots: C is in the read section of kvm->srcu in which KVM looked up the
 * slot.  Who deletes or moves the slot waits for that section before he calls
 * the hook that zaps the slot: C comes before that.  C sees a slot that is
 * marked as going, or is gone, and copies nothing; but it need not.
 *
 * Write access: KVM's entry has it only where the slot and the host's mapping
 * allow.  In a slot that logs, the page's bit need not be set by then (another
 * vCPU's fast_page_fault() grants write access first, and a dirty log made by
 * the processor, PML, has the bit when the guest writes), so it is set here, in
 * the hold that writes the entry; where it cannot be, write access is not
 * copied.  The harvest holds mmu_lock for write, and calls the hook that takes
 * write access away here before it returns.  Switching logging on waits for C,
 * as above, before the hook does that for the whole slot.
 *
 * Nested guests: KVM's tables for L2 are filled with pages of L1, and the gfn of
 * the tracepoint is L1's.
 */

#include <linux/percpu.h>
#include <linux/sched/mm.h>

#include "compat/lock.h"
#include "compat/workqueue.h"
#include "eager.h"
#include "kvm.h"
#include "pfn.h"

/* Fewer tables in reserve than this: the worker is sent for more. */
#define KTDP_EAGER_POOL_LOW	5

/* Faults that belong to no exported TDP. */
static DEFINE_PER_CPU(u64, ktdp_eager_foreign);

/*
 * The vCPU that faulted last on this CPU, by its preempt notifier, and its
 * exported TDP of address space 0.  A vCPU lives as long as its VM, and that as
 * long as the TDP is exported.
 */
struct ktdp_eager_last {
	const struct preempt_notifier *pn;
	struct kvm_exported_tdp *tdp;
};

#define KTDP_EAGER_NOBODY	((const struct preempt_notifier *)1)

static DEFINE_PER_CPU(struct ktdp_eager_last, ktdp_eager_last) = {
	.pn = KTDP_EAGER_NOBODY,
};

/* Context: RCU read section, preemption off. */
static struct kvm_exported_tdp *ktdp_eager_find(void)
{
	struct kvm_vcpu *vcpu = ktdp_kvm_running_vcpu();
	struct kvm_exported_tdp *tdp = NULL;
	u32 as_id;

	if (vcpu) {
		as_id = kvm_arch_vcpu_memslots_id(vcpu);
		tdp = ktdp_export_find_rcu(vcpu->kvm, as_id);
	}
	if (!tdp) {
		this_cpu_inc(ktdp_eager_foreign);
	} else if (!as_id) {
		this_cpu_write(ktdp_eager_last.pn, &vcpu->preempt_notifier);
		this_cpu_write(ktdp_eager_last.tdp, tdp);
	}
	return tdp;
}

static enum ktdp_eager ktdp_eager_result(int ret)
{
	switch (ret) {
	case 0:
		return KTDP_EAGER_FILLED;
	case -EEXIST:
		return KTDP_EAGER_PRESENT;
	case -ENOMEM:
		return KTDP_EAGER_NO_POOL;
	default:
		return KTDP_EAGER_NO_ROOM;
	}
}

/**
 * ktdp_eager_copy() - copy one leaf of KVM's table
 * @tdp: the exported TDP
 * @gfn: first guest frame of the leaf
 * @level: its level
 * @spte: KVM's entry; write access may have been taken from it
 *
 * Context: mirror.lock and kvm->srcu held.
 * Return: what became of it.
 */
enum ktdp_eager ktdp_eager_copy(struct kvm_exported_tdp *tdp, u64 gfn, int level,
				u64 spte)
{
	struct ktdp_mirror *mirror = &tdp->mirror;
	u64 pages = ktdp_level_pages(level), window = gfn & ~ktdp_level_mask(2);
	u64 pfn = ktdp_entry_pfn(&mirror->fmt, spte);
	bool writable = spte & KTDP_SPTE_WRITABLE;
	struct ktdp_slot slot;
	unsigned long hva;
	int ret;

	/* KVM has changed it again. */
	if (!ktdp_spte_is_leaf(spte, level))
		return KTDP_EAGER_BUSY;
	/* KVM has slots, and its tables have levels, beyond the reach of ours. */
	if (!ktdp_fmt_reaches(&mirror->fmt, gfn) ||
	    ktdp_kvm_slot_locked(tdp, gfn, &slot) ||
	    !ktdp_slot_covers(&slot, gfn, pages))
		return KTDP_EAGER_NO_SLOT;
	hva = ktdp_slot_hva(&slot, gfn);
	if (ktdp_notifier_is_busy(tdp, hva, hva + pages * PAGE_SIZE))
		return KTDP_EAGER_BUSY;
	if (ktdp_slot_is_logged(&slot))
		writable &= level == KTDP_LEVEL_4K && ktdp_kvm_can_log(tdp);
	if (!ktdp_pfn_is_ram(pfn) || !ktdp_pfn_prepare(pfn, writable))
		return KTDP_EAGER_NOT_RAM;
	if (writable && ktdp_slot_is_logged(&slot))
		ktdp_slot_log_dirty(&slot, gfn, pages);
	ret = ktdp_mirror_map(mirror, gfn, level, pfn, writable);
	if (level == KTDP_LEVEL_4K && !ktdp_slot_is_logged(&slot) &&
	    ktdp_slot_covers(&slot, window, KTDP_ENTRIES)) {
		hva = ktdp_slot_hva(&slot, window);
		if (!ktdp_notifier_is_busy(tdp, hva, hva + PMD_SIZE))
			ktdp_mirror_open_window(mirror, gfn);
	}
	return ktdp_eager_result(ret);
}

static void ktdp_eager_slow_atomic(int level, u64 gfn, u64 spte)
{
	struct kvm_exported_tdp *tdp = ktdp_eager_find();
	bool low;

	if (!tdp)
		return;
	lockdep_assert_held(&tdp->kvm->mmu_lock);
	if (!raw_spin_trylock(&tdp->mirror.lock)) {
		atomic64_inc(&tdp->eager.contended);
		return;
	}
	tdp->eager.seen[ktdp_eager_copy(tdp, gfn, level, spte)]++;
	low = tdp->mirror.nr_pool < KTDP_EAGER_POOL_LOW;
	raw_spin_unlock(&tdp->mirror.lock);
	if (low)
		queue_work(system_dfl_wq, &tdp->eager.refill);
}

static noinline void ktdp_eager_slow(int level, u64 gfn, u64 spte)
{
	preempt_disable();
	ktdp_eager_slow_atomic(level, gfn, spte);
	preempt_enable();
}

/*
 * The inline forms of raw_spin_trylock() and raw_spin_unlock(), for a caller with
 * preemption off: the calls, and the registers they cost, would be a quarter of
 * what a vCPU's fault pays here.
 */
#ifdef CONFIG_DEBUG_SPINLOCK
#define ktdp_eager_trylock		raw_spin_trylock
#define ktdp_eager_unlock		raw_spin_unlock
#else
#define ktdp_eager_trylock(lock)	__cond_lock(lock, do_raw_spin_trylock(lock))
#define ktdp_eager_unlock		do_raw_spin_unlock
#endif

/*
 * The common case, and the one whose cost counts: the vCPU that faulted last on
 * this CPU, and a writable, anonymous 4K page in the window of the last one,
 * which has no leaf yet.  Return: whether it was that.
 *
 * Context: preemption off, for this_cpu_read() and ktdp_eager_forget().
 */
static __always_inline bool ktdp_eager_fast(u64 gfn, u64 spte)
{
	struct preempt_notifier *pn = ktdp_kvm_preempt_notifier();
	struct kvm_exported_tdp *tdp;
	struct ktdp_mirror *mirror;
	u64 hpa, leaf;

	if (unlikely(pn != this_cpu_read(ktdp_eager_last.pn)))
		return false;
	if (unlikely(kvm_arch_vcpu_memslots_id(ktdp_kvm_notified_vcpu(pn))))
		return false;
	if (unlikely(!(spte & KTDP_SPTE_PRESENT)) ||
	    unlikely(!(spte & KTDP_SPTE_WRITABLE)))
		return false;
	tdp = this_cpu_read(ktdp_eager_last.tdp);
	mirror = &tdp->mirror;
	hpa = ktdp_entry_hpa(&mirror->fmt, spte);
	leaf = mirror->fmt.leaf_writable | hpa;
	if (unlikely(!ktdp_mirror_can_fill()) ||
	    unlikely(!ktdp_pfn_prepare_fast(hpa)))
		return false;
	if (unlikely(!ktdp_eager_trylock(&mirror->lock)))
		return false;
	if (unlikely(!ktdp_mirror_is_open(mirror, gfn)) ||
	    unlikely(!ktdp_mirror_fill(mirror->hint, gfn, leaf))) {
		ktdp_eager_unlock(&mirror->lock);
		return false;
	}
	tdp->eager.seen[KTDP_EAGER_FILLED]++;
	ktdp_eager_unlock(&mirror->lock);
	return true;
}

/*
 * The vCPU's fault has written *@sptep.  From 7.0 on tracepoints leave preemption
 * on; what that costs here is saved with the lock.
 */
void ktdp_eager_probe(void *unused, int level, gfn_t gfn, u64 *sptep)
{
	u64 spte = READ_ONCE(*sptep);
	bool done;

	/* Two calls, for it spares the fast way a register. */
	if (unlikely(level != KTDP_LEVEL_4K)) {
		ktdp_eager_slow(level, gfn, spte);
		return;
	}
	preempt_disable();
	done = ktdp_eager_fast(gfn, spte);
	preempt_enable();
	if (unlikely(!done))
		ktdp_eager_slow(KTDP_LEVEL_4K, gfn, spte);
}

/* The pool ran low; a vCPU's fault cannot wait for memory. */
static void ktdp_eager_refill(struct work_struct *work)
{
	struct kvm_exported_tdp *tdp =
		container_of(work, struct kvm_exported_tdp, eager.refill);

	if (!mmget_not_zero(ktdp_mm(tdp)))
		return;
	/* Without memory there is no eager fill. */
	__ktdp_pool_topup(tdp, KTDP_POOL_TARGET);
	mmput_async(ktdp_mm(tdp));
}

void ktdp_eager_init(struct kvm_exported_tdp *tdp)
{
	INIT_WORK(&tdp->eager.refill, ktdp_eager_refill);
}

/* No handler can find @tdp any more but by ktdp_eager_last. */
void ktdp_eager_forget(struct kvm_exported_tdp *tdp)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct ktdp_eager_last *last = per_cpu_ptr(&ktdp_eager_last, cpu);

		if (READ_ONCE(last->tdp) == tdp)
			cmpxchg(&last->pn, READ_ONCE(last->pn), KTDP_EAGER_NOBODY);
	}
	synchronize_rcu();
}

/* No handler uses @tdp any more. */
void ktdp_eager_exit(struct kvm_exported_tdp *tdp)
{
	cancel_work_sync(&tdp->eager.refill);
}

/* Context: mirror.lock held. */
void ktdp_eager_stats(struct kvm_exported_tdp *tdp, struct kvm_tdp_stats *st)
{
	const u64 *seen = tdp->eager.seen;
	int cpu;

	lockdep_assert_held(&tdp->mirror.lock);
	st->eager_filled = seen[KTDP_EAGER_FILLED];
	st->eager_present = seen[KTDP_EAGER_PRESENT];
	st->eager_busy = seen[KTDP_EAGER_BUSY];
	st->eager_no_pool = seen[KTDP_EAGER_NO_POOL];
	st->eager_no_room = seen[KTDP_EAGER_NO_ROOM];
	st->eager_no_slot = seen[KTDP_EAGER_NO_SLOT];
	st->eager_not_ram = seen[KTDP_EAGER_NOT_RAM];
	st->eager_contended = atomic64_read(&tdp->eager.contended);
	st->eager_foreign = 0;
	for_each_possible_cpu(cpu)
		st->eager_foreign += per_cpu(ktdp_eager_foreign, cpu);
}
