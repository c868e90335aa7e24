// SPDX-License-Identifier: GPL-2.0-only
/*
 * Eager fill: what a vCPU's fault maps in KVM's table is copied into ours
 * before the vCPU resumes, by a probe on the tracepoint kvm_mmu_set_spte.
 *
 * The probe runs in the vCPU's thread, after KVM has written its entry, and
 * before KVM lets go of mmu_lock (for read, or for write) and of kvm->srcu.  It
 * does not allocate, nor loop over pages, and waits for nothing but the lock of the
 * page's region, which nobody holds for long: on any doubt nothing is copied, that is
 * counted, and the first fault() for the page will map it.
 *
 * Why KVM's pfn may be copied without looking at the host's page table.  Of an
 * invalidation that covers the page let S, E be the callbacks of this module,
 * and Sk, Ek those of KVM.  All S and Sk come before all E and Ek.  S and the
 * copy C take the region's lock; Sk and Ek take mmu_lock for write, so neither falls
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
 * KVM prefetches (tdp_mmu=N, without a fault for the page) with mmu_lock held and no
 * invalidation begun: the first two cases.
 *
 * Of a slot that is backed by a guest_memfd only KVM is told of all that takes pages;
 * there S is the hook on the function that takes them from KVM's table
 * (ktdp_gmem_unmapped()).  That runs with mmu_lock held for write, so it comes before C
 * or after it, and KVM counts the invalidation as in progress before it, until the
 * pages are gone: KVM's check refuses a pfn found before.  A page that nobody has
 * mapped in user space is left out (ktdp_pfn_is_ram()): it may be one that user space
 * must not have.  tests/model/gmem.pml has all of this.
 *
 * Memslots: C is in the read section of kvm->srcu in which KVM looked up the
 * slot.  KVM waits for that section before it calls the hook that zaps a slot
 * which is deleted or moved: C comes before that.  C sees a slot that is
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

#include "compat/workqueue.h"
#include "eager.h"
#include "fill.h"
#include "notifier.h"
#include "pfn.h"
#include "pool.h"
#include "registry.h"

/* Fewer pages in reserve than this: the worker is sent for more. */
#define KTDP_EAGER_POOL_LOW	(KTDP_POOL_TARGET * 3 / 4)

/* Pause of the worker when there is no memory, in jiffies. */
#define KTDP_EAGER_BACKOFF	(HZ / 10)

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

static noinline struct kvm_exported_tdp *ktdp_eager_look_up(void)
{
	struct kvm_vcpu *vcpu = ktdp_kvm_running_vcpu();
	struct kvm_exported_tdp *tdp = NULL;
	u32 as_id;

	if (vcpu) {
		as_id = kvm_arch_vcpu_memslots_id(vcpu);
		tdp = ktdp_registry_find(vcpu->kvm, as_id);
	}
	if (!tdp) {
		this_cpu_inc(ktdp_eager_foreign);
	} else if (!as_id) {
		this_cpu_write(ktdp_eager_last.pn, &vcpu->preempt_notifier);
		this_cpu_write(ktdp_eager_last.tdp, tdp);
	}
	return tdp;
}

/* Context: preemption off, which is an RCU read section. */
static struct kvm_exported_tdp *ktdp_eager_find(void)
{
	struct preempt_notifier *pn = ktdp_kvm_preempt_notifier();

	if (pn == this_cpu_read(ktdp_eager_last.pn) &&
	    !kvm_arch_vcpu_memslots_id(ktdp_kvm_notified_vcpu(pn)))
		return this_cpu_read(ktdp_eager_last.tdp);
	return ktdp_eager_look_up();
}

/**
 * ktdp_eager_copy() - copy one leaf of KVM's table
 * @tdp: the exported TDP
 * @gfn: first guest frame of the leaf, within the table's reach
 * @level: its level
 * @sptep: KVM's entry
 * @root: the table of KVM's that may have aliases (ktdp_kvm_root_has_aliases()); NULL
 *	if it is known to have none
 *
 * Context: ktdp_table_lock() for @level and kvm->srcu held.
 * Return: what became of it.
 */
enum ktdp_fill ktdp_eager_copy(struct kvm_exported_tdp *tdp, u64 gfn, int level,
			       const u64 *sptep, const struct ktdp_kvm_root *root)
{
	const struct kvm_memory_slot *slot;
	u64 pages = ktdp_level_pages(level), spte, pfn;
	enum ktdp_fill result;
	unsigned long hva;
	bool writable;

	if (ktdp_kvm_slot(tdp, gfn, &slot) || !ktdp_slot_covers(slot, gfn, pages))
		return KTDP_FILL_NO_SLOT;
	/* Seed does not hold mmu_lock for large pages, which no guest_memfd has so far. */
	if (root && ktdp_slot_is_gmem(slot))
		return KTDP_FILL_NO_SLOT;
	hva = ktdp_slot_hva(slot, gfn);
	if (ktdp_notifier_is_busy(tdp, hva, hva + pages * PAGE_SIZE))
		return KTDP_FILL_BUSY;
	spte = READ_ONCE(*sptep);
	/* KVM has changed it again. */
	if (!ktdp_spte_is_leaf(spte, level) ||
	    (root && ktdp_kvm_root_has_aliases(tdp, root)))
		return KTDP_FILL_BUSY;
	pfn = ktdp_entry_pfn(&tdp->table.fmt, spte);
	writable = spte & KTDP_SPTE_WRITABLE;
	if (ktdp_slot_is_logged(slot))
		writable &= level == KTDP_LEVEL_4K && ktdp_kvm_can_log(tdp);
	if (!ktdp_pfn_prepare_any(pfn, writable))
		return KTDP_FILL_NOT_RAM;
	result = ktdp_fill_leaf(tdp, slot, gfn, level, pfn, writable);
	/* Write access would take more than one entry: leave that to fault(). */
	if (result == KTDP_FILL_READ_ONLY_ABOVE)
		result = ktdp_fill_leaf(tdp, slot, gfn, level, pfn, false);
	return result;
}

static enum ktdp_fill ktdp_eager_fill(struct kvm_exported_tdp *tdp, u64 gfn,
				      int level, const u64 *sptep)
{
	enum ktdp_fill result;

	lockdep_assert_held(&tdp->kvm->mmu_lock);
	/* KVM has slots, and its tables have levels, beyond the reach of ours. */
	if (!ktdp_fmt_reaches(&tdp->table.fmt, gfn))
		return KTDP_FILL_NO_SLOT;
	ktdp_table_lock(&tdp->table, gfn, level);
	result = ktdp_eager_copy(tdp, gfn, level, sptep, NULL);
	ktdp_table_unlock(&tdp->table, gfn, level);
	return result;
}

/* The vCPU's fault has written *@sptep.  From 7.0 on preemption is on here. */
void ktdp_eager_probe(void *unused, int level, gfn_t gfn, u64 *sptep)
{
	struct kvm_exported_tdp *tdp;
	enum ktdp_fill result;

	preempt_disable();
	tdp = ktdp_eager_find();
	if (tdp) {
		result = ktdp_eager_fill(tdp, gfn, level, sptep);
		this_cpu_inc(tdp->eager_counts->nr[result]);
		if (READ_ONCE(tdp->table.nr_pool) < KTDP_EAGER_POOL_LOW)
			queue_work(system_dfl_wq, &tdp->refill_work);
	}
	preempt_enable();
}

/* A vCPU's fault cannot wait for memory, so the reserve is refilled ahead. */
static void ktdp_eager_refill(struct work_struct *work)
{
	struct kvm_exported_tdp *tdp =
		container_of(work, struct kvm_exported_tdp, refill_work);
	bool failed;

	if (!mmget_not_zero(ktdp_mm(tdp)))
		return;
	failed = __ktdp_pool_topup(tdp, KTDP_POOL_TARGET);
	mmput_async(ktdp_mm(tdp));
	/* No memory, no eager fill: do not reclaim once more for each fault. */
	if (failed)
		schedule_timeout_idle(KTDP_EAGER_BACKOFF);
}

int ktdp_eager_init(struct kvm_exported_tdp *tdp)
{
	INIT_WORK(&tdp->refill_work, ktdp_eager_refill);
	tdp->eager_counts = alloc_percpu_gfp(struct ktdp_eager_counts,
					     GFP_KERNEL_ACCOUNT);
	return tdp->eager_counts ? 0 : -ENOMEM;
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
	cancel_work_sync(&tdp->refill_work);
	free_percpu(tdp->eager_counts);
}

void ktdp_eager_stats(struct kvm_exported_tdp *tdp, struct kvm_tdp_stats *st)
{
	u64 sum[KTDP_FILL_NR] = {};
	int cpu, i;

	st->eager_foreign = 0;
	for_each_possible_cpu(cpu) {
		for (i = 0; i < KTDP_FILL_NR; i++)
			sum[i] += per_cpu_ptr(tdp->eager_counts, cpu)->nr[i];
		st->eager_foreign += per_cpu(ktdp_eager_foreign, cpu);
	}
	st->eager_filled = sum[KTDP_FILL_DONE];
	st->eager_present = sum[KTDP_FILL_PRESENT];
	st->eager_busy = sum[KTDP_FILL_BUSY];
	st->eager_no_pool = sum[KTDP_FILL_NO_TABLE];
	st->eager_no_room = sum[KTDP_FILL_IN_THE_WAY];
	st->eager_no_slot = sum[KTDP_FILL_NO_SLOT];
	st->eager_not_ram = sum[KTDP_FILL_NOT_RAM];
	/* It waits for a lock instead. */
	st->eager_contended = 0;
}
