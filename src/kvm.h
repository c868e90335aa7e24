/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_KVM_H
#define _KTDP_KVM_H

#include "compat/kvm.h"
#include "tdp.h"

/*
 * Memslots.  One that was looked up stays as it is, and so does its bitmap, until the
 * end of the read section of kvm->srcu; KVM makes a new one for each change.
 */
static inline unsigned long ktdp_slot_hva(const struct kvm_memory_slot *slot, u64 gfn)
{
	return slot->userspace_addr + (gfn - slot->base_gfn) * PAGE_SIZE;
}

static inline bool ktdp_slot_is_readonly(const struct kvm_memory_slot *slot)
{
	return slot->flags & KVM_MEM_READONLY;
}

static inline bool ktdp_slot_is_logged(const struct kvm_memory_slot *slot)
{
	return slot->flags & KVM_MEM_LOG_DIRTY_PAGES;
}

/* Of the pages of a guest_memfd alone, see ktdp_slot_has_pages(). */
static inline bool ktdp_slot_is_gmem(const struct kvm_memory_slot *slot)
{
	return KTDP_SLOT_GMEM &&
	       (slot->flags & ~KVM_MEMSLOT_INVALID) == KTDP_SLOT_GMEM;
}

/* A flag unknown here may mean that the memory is neither at the hva nor a known file's. */
static inline bool ktdp_slot_is_elsewhere(const struct kvm_memory_slot *slot)
{
	return !ktdp_slot_is_gmem(slot) &&
	       (slot->flags & ~(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY |
				KVM_MEMSLOT_INVALID));
}

static inline bool ktdp_slot_covers(const struct kvm_memory_slot *slot, u64 gfn,
				    u64 pages)
{
	return gfn >= slot->base_gfn &&
	       gfn + pages <= slot->base_gfn + slot->npages;
}

/*
 * Entries of KVM's own table.  Present is KVM's own mark: emulated MMIO and
 * entries that are being changed do not have it; those that KVM has hidden from
 * the hardware, to see accesses, do.
 */
#define KTDP_SPTE_PRESENT	BIT_ULL(11)
#define KTDP_SPTE_WRITABLE	BIT_ULL(1)
#define KTDP_SPTE_HUGE		BIT_ULL(7)

/* The uppermost page of one of KVM's tables, see ktdp_kvm_read_root(). */
struct ktdp_kvm_root {
	hpa_t hpa;
	int level;
};

/* Where a walk of KVM's table ended: at a leaf, or at what is not present. */
struct ktdp_spte_walk {
	const u64 *sptep;
	int level;
};

static inline bool ktdp_spte_is_leaf(u64 spte, int level)
{
	return (spte & KTDP_SPTE_PRESENT) &&
	       (level == KTDP_LEVEL_4K || (spte & KTDP_SPTE_HUGE));
}

typedef void (*ktdp_gfn_range_fn)(struct kvm_exported_tdp *tdp, u64 start, u64 end,
				  void *data);

struct kvm *ktdp_kvm_get(int vm_fd);
bool ktdp_kvm_as_id_ok(struct kvm *kvm, u32 as_id);
int ktdp_kvm_check_vm(struct kvm *kvm);
int ktdp_kvm_init_fmt(struct kvm *kvm, struct ktdp_fmt *fmt);
int ktdp_kvm_slot(struct kvm_exported_tdp *tdp, u64 gfn,
		  const struct kvm_memory_slot **slotp);
int ktdp_kvm_slot_copy(struct kvm_exported_tdp *tdp, u64 gfn,
		       struct kvm_memory_slot *slot);
bool ktdp_gmem_has_pages(const struct kvm_memory_slot *slot, u64 gfn, u64 pfn,
			 u64 nr);
u64 ktdp_kvm_gmem_pfn(struct kvm_exported_tdp *tdp, u64 gfn);
struct kvm_vcpu *ktdp_kvm_running_vcpu(void);
bool ktdp_kvm_has_tdp_mmu(const struct kvm *kvm);
bool ktdp_kvm_root_is_new(const struct kvm_exported_tdp *tdp, int vcpu);
bool ktdp_kvm_read_root(const struct kvm_exported_tdp *tdp, int vcpu,
			struct ktdp_kvm_root *root);
bool ktdp_kvm_root_has_aliases(const struct kvm_exported_tdp *tdp,
			       const struct ktdp_kvm_root *root);
void ktdp_kvm_walk(const struct kvm_exported_tdp *tdp,
		   const struct ktdp_kvm_root *root, u64 gfn,
		   struct ktdp_spte_walk *walk);
bool ktdp_kvm_can_log(const struct kvm_exported_tdp *tdp);
bool ktdp_slot_log_dirty(const struct kvm_memory_slot *slot, u64 gfn, u64 nr);
bool ktdp_slot_is_dirty(const struct kvm_memory_slot *slot, u64 gfn);
unsigned int ktdp_kvm_read_slots(struct kvm_exported_tdp *tdp, u64 gfn,
				 struct kvm_tdp_slot *to, unsigned int room);
void ktdp_kvm_walk_hva_range(struct kvm_exported_tdp *tdp,
			     unsigned long start, unsigned long end,
			     ktdp_gfn_range_fn fn, void *data);

/**
 * ktdp_slot_has_pages() - may host frames be the memory of a slot?
 * @slot: the memslot
 * @gfn: first guest frame
 * @pfn: first host frame, of a page that stays meanwhile
 * @nr: how many
 *
 * Of a usual slot what the host maps at its hva is the memory.  Of one that is backed by
 * a guest_memfd the file's pages are, whatever is at the hva.
 *
 * Context: kvm->srcu and the region's lock held.
 */
static __always_inline bool
ktdp_slot_has_pages(const struct kvm_memory_slot *slot, u64 gfn, u64 pfn, u64 nr)
{
	return likely(!ktdp_slot_is_gmem(slot)) ||
	       ktdp_gmem_has_pages(slot, gfn, pfn, nr);
}

/* First preempt notifier of current; may belong to something other than a vCPU. */
static __always_inline struct preempt_notifier *ktdp_kvm_preempt_notifier(void)
{
	/* The link is the first member (compat/facts/vm.c), so NULL stays NULL. */
	return hlist_entry(current->preempt_notifiers.first,
			   struct preempt_notifier, link);
}

static __always_inline struct kvm_vcpu *
ktdp_kvm_notified_vcpu(struct preempt_notifier *pn)
{
	return container_of(pn, struct kvm_vcpu, preempt_notifier);
}

#endif /* _KTDP_KVM_H */
