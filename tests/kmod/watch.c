// SPDX-License-Identifier: GPL-2.0-only
/*
 * An importer that forgets nothing it was not told to forget, and asks the host
 * at every turn whether what it holds is still so.
 *
 * A translation may be used until an invalidate that covers it returns, and the
 * host changes a page table only after that.  So at any instant at which it is
 * held, what the host's page table has for it is the same page, with write
 * access if the translation has that.  Tables are read as the processor would,
 * with interrupts off; what is held cannot be dropped meanwhile, for the callback
 * takes the same lock.  There is one thing to tolerate, see look_host().
 *
 * The importer's own mmu_notifier, registered before there is a TDP fd, is
 * called after the exporter's: what the host then takes must be forgotten
 * already, whether or not the memory is ever used again.
 */

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/io.h>
#include <linux/kvm_host.h>
#include <linux/mem_encrypt.h>
#include <linux/mmu_notifier.h>
#include <linux/pgtable.h>
#include <linux/sched/clock.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "helper.h"

#define WATCH_PAGES	65536UL
#define WATCH_BLINK	(200 * NSEC_PER_MSEC)

/* What both formats have in common. */
#define ENTRY_PRESENT	GENMASK_ULL(2, 0)
#define ENTRY_WRITE	BIT_ULL(1)
#define ENTRY_LEAF	BIT_ULL(7)
#define ENTRY_HPA	GENMASK_ULL(51, 12)

/* A translation: the host page's address, and these. */
#define HELD		BIT_ULL(0)
#define HELD_WRITE	BIT_ULL(1)

/**
 * struct held - what is held for one guest page
 * @xlate: 0: nothing
 * @taken: value of test_watch.result.told when it was taken
 */
struct held {
	u64 xlate;
	u64 taken;
};

/**
 * struct test_watch - the importer
 * @ops: constant
 * @mn: called after the exporter's
 * @mm: that of @mn; constant
 * @lock: raw, as callbacks take it; protects what follows
 * @tdp_fd: registered with; NULL: not registered, and nothing is held
 * @vm: file of the VM
 * @kvm: the VM; NULL: as @tdp_fd
 * @md: of the table
 * @base: gfn of the first page watched
 * @nr: pages watched
 * @deaf: callbacks are ignored, as if there were none
 * @result: counters and the first thing found wrong
 * @held: by gfn, from @base on
 */
struct test_watch {
	struct kvm_tdp_importer_ops ops;
	struct mmu_notifier mn;
	struct mm_struct *mm;

	raw_spinlock_t lock;
	struct kvm_tdp_fd *tdp_fd;
	struct file *vm;
	struct kvm *kvm;
	struct ktdp_test_metadata md;
	u64 base;
	u64 nr;
	bool deaf;
	struct ktdp_test_watch result;
	struct held *held;
};

/* A page found at one instant, with the lock held. */
struct look {
	struct test_watch *watch;
	struct kvm_memslots *slots;
	struct held *held;
	u64 gfn;
};

static void watch_wrong(const struct look *look, unsigned int kind, u64 there)
{
	struct ktdp_test_watch *result = &look->watch->result;

	lockdep_assert_held(&look->watch->lock);
	if (!result->first_gfn) {
		result->first_kind = kind;
		result->first_gfn = look->gfn;
		result->first_held = look->held->xlate;
		result->first_there = there;
		result->first_taken = look->held->taken;
		result->first_told = result->told;
	}
	result->wrong[kind]++;
	/* Said once; what follows from it would say the same. */
	look->held->xlate = 0;
}

/* Of the two, the one that can be stale: what may be used and may not. */
static bool watch_grants(u64 there, u64 xlate)
{
	return (there & ENTRY_HPA) == (xlate & ENTRY_HPA) && !(xlate & ~there);
}

/* The exported table's translation of @gfn, or 0. */
static u64 watch_walk(const struct ktdp_test_metadata *md, u64 gfn)
{
	u64 hpa = md->root_hpa, write = ENTRY_WRITE, entry, offset;
	int level = md->level;
	const u64 *table;

	for (;; level--) {
		table = phys_to_virt(__sme_clr(hpa) & ENTRY_HPA);
		entry = READ_ONCE(table[(gfn >> (9 * (level - 1))) % 512]);
		if (!(entry & ENTRY_PRESENT))
			return 0;
		write &= entry;
		hpa = entry;
		if (level == 1 || entry & ENTRY_LEAF)
			break;
	}
	offset = gfn & ((1ULL << (9 * (level - 1))) - 1);
	hpa = (__sme_clr(entry) & ENTRY_HPA) + (offset << PAGE_SHIFT);
	return hpa | HELD | (write ? HELD_WRITE : 0);
}

static u64 host_xlate(unsigned long pfn, unsigned long offset, bool write)
{
	return PFN_PHYS(pfn + (offset >> PAGE_SHIFT)) | HELD |
	       (write ? HELD_WRITE : 0);
}

static u64 host_pte(pmd_t *pmd, unsigned long hva)
{
	pte_t pte = READ_ONCE(*pte_offset_kernel(pmd, hva));

	if (!(pte_flags(pte) & _PAGE_PRESENT))
		return 0;
	return host_xlate(pte_pfn(pte), 0, pte_write(pte));
}

static u64 host_pmd(pud_t *pud, unsigned long hva)
{
	pmd_t *pmdp = pmd_offset(pud, hva), pmd = READ_ONCE(*pmdp);

	if (pmd_none(pmd) || !(pmd_flags(pmd) & _PAGE_PRESENT))
		return 0;
	if (pmd_leaf(pmd))
		return host_xlate(pmd_pfn(pmd), hva & ~PMD_MASK, pmd_write(pmd));
	return host_pte(&pmd, hva);
}

/*
 * What the host maps at @hva.  Context: interrupts off, which keeps the tables;
 * the mm has users.
 */
static u64 host_walk(struct mm_struct *mm, unsigned long hva)
{
	pgd_t *pgd = pgd_offset(mm, hva);
	p4d_t *p4d;
	pud_t *pudp, pud;

	if (!pgd_present(READ_ONCE(*pgd)))
		return 0;
	p4d = p4d_offset(pgd, hva);
	if (!p4d_present(READ_ONCE(*p4d)))
		return 0;
	pudp = pud_offset(p4d, hva);
	pud = READ_ONCE(*pudp);
	if (pud_none(pud) || !(pud_flags(pud) & _PAGE_PRESENT))
		return 0;
	if (pud_leaf(pud))
		return host_xlate(pud_pfn(pud), hva & ~PUD_MASK, pud_write(pud));
	return host_pmd(&pud, hva);
}

static const struct kvm_memory_slot *look_slot(const struct look *look)
{
	const struct kvm_memory_slot *slot;

	slot = __gfn_to_memslot(look->slots, look->gfn);
	return slot && slot->id < KVM_USER_MEM_SLOTS ? slot : NULL;
}

/*
 * MADV_COLD and MADV_PAGEOUT make an entry old by clearing it and writing it
 * back, and tell nobody, for no page is taken.  So nothing there is looked at for
 * a while: what was taken stays so, as the callback that is due waits for us.
 */
static u64 look_host(const struct look *look, unsigned long hva)
{
	struct ktdp_test_watch *result = &look->watch->result;
	u64 end = local_clock() + WATCH_BLINK;
	u64 there = host_walk(look->watch->mm, hva);

	if (there || result->wrong[KTDP_TEST_WATCH_HOST])
		return there;
	do {
		cpu_relax();
		there = host_walk(look->watch->mm, hva);
	} while (!there && local_clock() < end);
	result->blinks += !!there;
	return there;
}

static void look_check(const struct look *look)
{
	const struct kvm_memory_slot *slot = look_slot(look);
	u64 there;

	look->watch->result.checks++;
	if (!slot) {
		watch_wrong(look, KTDP_TEST_WATCH_SLOT, 0);
		return;
	}
	there = look_host(look, __gfn_to_hva_memslot(slot, look->gfn));
	if (slot->flags & KVM_MEM_READONLY)
		there &= ~HELD_WRITE;
	if (!watch_grants(there, look->held->xlate))
		watch_wrong(look, (there ^ look->held->xlate) & ENTRY_HPA ?
			    KTDP_TEST_WATCH_HOST : KTDP_TEST_WATCH_WRITE, there);
}

/* A leaf may gain access; it never becomes another unless all were told. */
static void look_take(const struct look *look)
{
	u64 there = watch_walk(&look->watch->md, look->gfn);
	struct held *held = look->held;

	if (!there)
		return;
	if (held->xlate && (held->xlate ^ there) & ENTRY_HPA) {
		watch_wrong(look, KTDP_TEST_WATCH_CHANGED, there);
		return;
	}
	if (held->xlate == there)
		return;
	look->watch->result.taken += !held->xlate;
	held->xlate = there;
	held->taken = look->watch->result.told;
}

static void look_dirty(const struct look *look)
{
	const struct kvm_memory_slot *slot = look_slot(look);

	if (!slot || !slot->dirty_bitmap || !(look->held->xlate & HELD_WRITE) ||
	    !(slot->flags & KVM_MEM_LOG_DIRTY_PAGES))
		return;
	look->watch->result.checks++;
	if (!test_bit_le(look->gfn - slot->base_gfn, slot->dirty_bitmap))
		watch_wrong(look, KTDP_TEST_WATCH_LOG, 0);
}

static void watch_look(struct test_watch *watch, u64 gfn, u32 action)
{
	struct look look = {
		.watch = watch, .gfn = gfn,
		.held = &watch->held[gfn - watch->base],
	};

	lockdep_assert_held(&watch->lock);
	if (gfn < watch->base || gfn - watch->base >= watch->nr)
		return;
	look.slots = __kvm_memslots(watch->kvm, 0);
	if (action == KTDP_TEST_WATCH_SCAN)
		look_take(&look);
	if (!look.held->xlate)
		return;
	if (action == KTDP_TEST_WATCH_DIRTY)
		look_dirty(&look);
	else
		look_check(&look);
}

static void watch_invalidate(void *data, unsigned long start, unsigned long size)
{
	struct test_watch *watch = data;
	u64 gfn = start >> PAGE_SHIFT, end, dropped = 0;
	unsigned long flags;

	if (READ_ONCE(watch->deaf))
		return;
	raw_spin_lock_irqsave(&watch->lock, flags);
	watch->result.told++;
	end = size == ULONG_MAX ? U64_MAX : gfn + (size >> PAGE_SHIFT);
	gfn = max(gfn, watch->base) - watch->base;
	end = min(end, watch->base + watch->nr);
	end = end > watch->base ? end - watch->base : 0;
	for (; gfn < end; gfn++) {
		dropped += !!watch->held[gfn].xlate;
		watch->held[gfn].xlate = 0;
	}
	watch->result.dropped += dropped;
	raw_spin_unlock_irqrestore(&watch->lock, flags);
}

/* @slot has some of the host's range: nothing of that may be held. */
static void watch_check_gone(struct test_watch *watch,
			     const struct kvm_memory_slot *slot,
			     const struct mmu_notifier_range *range)
{
	unsigned long hva = slot->userspace_addr;
	unsigned long start = max(range->start, hva);
	unsigned long end = min(range->end, hva + slot->npages * PAGE_SIZE);
	struct look look = { .watch = watch };

	lockdep_assert_held(&watch->lock);
	for (; start < end; start += PAGE_SIZE) {
		look.gfn = slot->base_gfn + ((start - hva) >> PAGE_SHIFT);
		if (look.gfn < watch->base ||
		    look.gfn - watch->base >= watch->nr)
			continue;
		watch->result.checks++;
		look.held = &watch->held[look.gfn - watch->base];
		if (look.held->xlate)
			watch_wrong(&look, KTDP_TEST_WATCH_LATE, 0);
	}
}

/* The exporter's callback for the same range has returned. */
static int watch_start(struct mmu_notifier *mn,
		       const struct mmu_notifier_range *range)
{
	struct test_watch *watch = container_of(mn, struct test_watch, mn);
	struct kvm_memory_slot *slot;
	struct kvm_memslots *slots;
	unsigned long flags;
	int bkt, idx;

	raw_spin_lock_irqsave(&watch->lock, flags);
	if (watch->kvm) {
		idx = srcu_read_lock(&watch->kvm->srcu);
		slots = __kvm_memslots(watch->kvm, 0);
		kvm_for_each_memslot(slot, bkt, slots)
			watch_check_gone(watch, slot, range);
		srcu_read_unlock(&watch->kvm->srcu, idx);
	}
	raw_spin_unlock_irqrestore(&watch->lock, flags);
	return 0;
}

static const struct mmu_notifier_ops watch_notifier_ops = {
	.invalidate_range_start = watch_start,
};

static int watch_arm(struct test_file *tf)
{
	struct test_watch *watch;
	int ret;

	if (tf->watch)
		return -EBUSY;
	watch = kzalloc(sizeof(*watch), GFP_KERNEL);
	if (!watch)
		return -ENOMEM;
	ret = -ENOMEM;
	watch->held = kvcalloc(WATCH_PAGES, sizeof(*watch->held), GFP_KERNEL);
	if (!watch->held)
		goto err_free;
	raw_spin_lock_init(&watch->lock);
	watch->ops.invalidate = watch_invalidate;
	watch->mm = current->mm;
	watch->mn.ops = &watch_notifier_ops;
	ret = mmu_notifier_register(&watch->mn, watch->mm);
	if (ret)
		goto err_free;
	tf->watch = watch;
	return 0;

err_free:
	kvfree(watch->held);
	kfree(watch);
	return ret;
}

static void watch_set(struct test_watch *watch, struct kvm *kvm)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&watch->lock, flags);
	watch->kvm = kvm;
	memset(watch->held, 0, WATCH_PAGES * sizeof(*watch->held));
	raw_spin_unlock_irqrestore(&watch->lock, flags);
}

/* Nothing is held when nobody tells any more. */
static void watch_end(struct test_watch *watch)
{
	if (!watch->tdp_fd)
		return;
	watch_set(watch, NULL);
	watch->tdp_fd->ops->unregister_importer(watch->tdp_fd, &watch->ops);
	watch->tdp_fd = NULL;
	fput(watch->vm);
}

static int watch_begin(struct test_file *tf, struct ktdp_test_watch *arg)
{
	struct test_watch *watch = tf->watch;
	struct kvm *kvm;
	int ret;

	if (watch->tdp_fd)
		return -EBUSY;
	if (!arg->nr || arg->nr > WATCH_PAGES)
		return -EINVAL;
	watch->md.handle = arg->handle;
	ret = test_metadata(tf, &watch->md) ?: watch->md.ret;
	if (ret)
		return ret;
	watch->vm = test_vm_file(arg->vm_fd);
	if (IS_ERR(watch->vm))
		return PTR_ERR(watch->vm);
	kvm = watch->vm->private_data;
	ret = -EXDEV;
	if (kvm->mm != watch->mm)
		goto err_put_vm;
	watch->base = arg->gfn;
	watch->nr = arg->nr;
	watch->tdp_fd = test_handle(tf, arg->handle);
	ret = watch->tdp_fd->ops->register_importer(watch->tdp_fd, &watch->ops,
						    watch);
	if (ret)
		goto err_no_fd;
	watch_set(watch, kvm);
	return 0;

err_no_fd:
	watch->tdp_fd = NULL;
err_put_vm:
	fput(watch->vm);
	return ret;
}

static void watch_range(struct test_watch *watch,
			const struct ktdp_test_watch *arg)
{
	struct kvm *kvm = watch->kvm;
	unsigned long flags;
	u64 gfn;
	int idx;

	for (gfn = arg->gfn; gfn < arg->gfn + arg->nr; gfn++) {
		idx = srcu_read_lock(&kvm->srcu);
		rcu_read_lock();
		raw_spin_lock_irqsave(&watch->lock, flags);
		watch_look(watch, gfn, arg->action);
		raw_spin_unlock_irqrestore(&watch->lock, flags);
		rcu_read_unlock();
		srcu_read_unlock(&kvm->srcu, idx);
		cond_resched();
	}
}

static int watch_run(struct test_watch *watch, const struct ktdp_test_watch *arg)
{
	if (!watch->kvm)
		return -ENOTCONN;
	if (!mmget_not_zero(watch->mm))
		return -ESRCH;
	/* Who harvests the log, or changes slots, has that mutex. */
	if (arg->action == KTDP_TEST_WATCH_DIRTY)
		mutex_lock(&watch->kvm->slots_lock);
	watch_range(watch, arg);
	if (arg->action == KTDP_TEST_WATCH_DIRTY)
		mutex_unlock(&watch->kvm->slots_lock);
	mmput(watch->mm);
	WRITE_ONCE(watch->deaf, false);
	return 0;
}

static void watch_answer(struct test_watch *watch, struct ktdp_test_watch *arg)
{
	struct ktdp_test_watch in = *arg;
	unsigned long flags;

	raw_spin_lock_irqsave(&watch->lock, flags);
	*arg = watch->result;
	raw_spin_unlock_irqrestore(&watch->lock, flags);
	arg->action = in.action;
	arg->handle = in.handle;
	arg->vm_fd = in.vm_fd;
	arg->gfn = in.gfn;
	arg->nr = in.nr;
}

int test_watch(struct test_file *tf, struct ktdp_test_watch *arg)
{
	int ret = 0;

	lockdep_assert_held(&tf->lock);
	if (arg->action == KTDP_TEST_WATCH_ARM)
		return watch_arm(tf);
	if (!tf->watch)
		return -ENOTCONN;
	switch (arg->action) {
	case KTDP_TEST_WATCH_BEGIN:
		ret = watch_begin(tf, arg);
		break;
	case KTDP_TEST_WATCH_END:
		watch_end(tf->watch);
		break;
	case KTDP_TEST_WATCH_DEAF:
		WRITE_ONCE(tf->watch->deaf, true);
		break;
	case KTDP_TEST_WATCH_SCAN:
	case KTDP_TEST_WATCH_DIRTY:
		ret = watch_run(tf->watch, arg);
		break;
	default:
		return -EINVAL;
	}
	if (!ret)
		watch_answer(tf->watch, arg);
	return ret;
}

/* Before the handles are put. */
void test_watch_exit(struct test_file *tf)
{
	struct test_watch *watch = tf->watch;

	if (!watch)
		return;
	watch_end(watch);
	mmu_notifier_unregister(&watch->mn, watch->mm);
	kvfree(watch->held);
	kfree(watch);
	tf->watch = NULL;
}
