// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every touch of KVM's internals that is not a hook: what a VM fd is, whether
 * and how KVM uses two-dimensional paging, memslots.  Only members of public
 * structs are read, and only kvm_get_kvm_safe() and kvm_put_kvm() are called.
 * Their types are checked in compat/facts: vm.c, slots.c, kvm_root.c, modules.c.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/interval_tree.h>
#include <linux/kallsyms.h>
#include <linux/mem_encrypt.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/pagemap.h>
#include <asm/msr.h>
#include <asm/vmx.h>

#include "kvm.h"
#include "table/fmt_ept.h"
#include "table/fmt_npt.h"

static_assert(KTDP_LEVEL_1G == PG_LEVEL_1G && KTDP_LEVEL_4K == PG_LEVEL_4K);

/*
 * Compare names of what KVM does not export.  Our link against kvm.ko keeps the symbol
 * table that this asks in place.
 */
static bool ktdp_kvm_is_function(unsigned long fn, const char *want)
{
	char name[KSYM_SYMBOL_LEN];
	size_t len = strlen(want);

	sprint_symbol(name, fn);
	return !strncmp(name, want, len) && !strncmp(name + len, "+0x0/", 5) &&
	       strstr(name, " [kvm]");
}

static bool ktdp_kvm_is_vm_file(struct file *file)
{
	static const struct file_operations *vm_ops;	/* found once */
	const struct file_operations *ops = file->f_op;

	if (!READ_ONCE(vm_ops) && ops->release &&
	    ktdp_kvm_is_function((unsigned long)ops->release, "kvm_vm_release"))
		WRITE_ONCE(vm_ops, ops);
	return ops == READ_ONCE(vm_ops);
}

/**
 * ktdp_kvm_running_vcpu() - the vCPU that this thread runs
 *
 * Newer kernels keep kvm_get_running_vcpu() for KVM's own modules.  But a thread that
 * has loaded a vCPU has that vCPU's preempt notifier, whose functions have names.
 *
 * Context: any but interrupts.
 * Return: the vCPU, or NULL.
 */
struct kvm_vcpu *ktdp_kvm_running_vcpu(void)
{
	static const struct preempt_ops *kvm_ops;	/* found once */
	struct preempt_notifier *pn = ktdp_kvm_preempt_notifier();

	if (!pn)
		return NULL;
	if (!READ_ONCE(kvm_ops) &&
	    ktdp_kvm_is_function((unsigned long)pn->ops->sched_in,
				 "kvm_sched_in"))
		WRITE_ONCE(kvm_ops, pn->ops);
	return pn->ops == READ_ONCE(kvm_ops) ? ktdp_kvm_notified_vcpu(pn) : NULL;
}

/**
 * ktdp_kvm_get() - take a reference on the VM behind a file descriptor
 * @vm_fd: descriptor in the table of the calling process
 *
 * Return: the VM, or ERR_PTR: -EBADF, -EINVAL not a VM fd, -EIO the VM is
 * another process' and the caller lacks CAP_SYS_PTRACE, -ENODEV it is dying.
 */
struct kvm *ktdp_kvm_get(int vm_fd)
{
	struct file *file = fget(vm_fd);
	struct kvm *kvm;
	int ret;

	if (!file)
		return ERR_PTR(-EBADF);
	ret = -EINVAL;
	if (!ktdp_kvm_is_vm_file(file))
		goto out_put_file;
	kvm = file->private_data;
	ret = -EIO;
	if (kvm->mm != current->mm && !capable(CAP_SYS_PTRACE))
		goto out_put_file;
	ret = -ENODEV;
	if (kvm->vm_dead || !kvm_get_kvm_safe(kvm))
		goto out_put_file;
	fput(file);
	return kvm;

out_put_file:
	fput(file);
	return ERR_PTR(ret);
}

bool ktdp_kvm_as_id_ok(struct kvm *kvm, u32 as_id)
{
	return as_id < ARRAY_SIZE(kvm->__memslots);
}

/* Value of a bool parameter of a loaded module, as in /sys/module. */
static int ktdp_module_param_bool(const char *module, const char *param)
{
	struct kobject *kobj;
	struct module *mod;
	int i, ret = -ENOENT;

	kobj = kset_find_obj(THIS_MODULE->mkobj.kobj.kset, module);
	if (!kobj)
		return -ENOENT;
	mod = container_of(kobj, struct module_kobject, kobj)->mod;
	if (mod && mod->state == MODULE_STATE_LIVE) {
		for (i = 0; i < mod->num_kp; i++) {
			const struct kernel_param *kp = &mod->kp[i];

			if (kp->ops == &param_ops_bool && !strcmp(kp->name, param))
				ret = READ_ONCE(*(bool *)kp->arg);
		}
	}
	kobject_put(kobj);
	return ret;
}

static u32 ktdp_ept_capabilities(void)
{
	u32 cap, vpid_cap;

	return rdmsr_safe(MSR_IA32_VMX_EPT_VPID_CAP, &cap, &vpid_cap) ? 0 : cap;
}

/*
 * KVM uses the fifth level for vCPUs that have the address bits for it.  Without
 * a vCPU, or as long as one has no CPUID (KVM assumes 36 bits), that may yet be.
 */
static int ktdp_ept_level(struct kvm *kvm, u32 cap)
{
	bool high = !atomic_read(&kvm->online_vcpus);
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, kvm)
		high |= vcpu->arch.maxphyaddr > 48 || !vcpu->arch.cpuid_nent;
	return high && (cap & VMX_EPT_PAGE_WALK_5_BIT) ? 5 : 4;
}

static int ktdp_ept_max_leaf_level(u32 cap)
{
	if (cap & VMX_EPT_1GB_PAGE_BIT)
		return KTDP_LEVEL_1G;
	if (cap & VMX_EPT_2MB_PAGE_BIT)
		return KTDP_LEVEL_2M;
	return KTDP_LEVEL_4K;
}

/**
 * ktdp_kvm_check_vm() - is the memory of a VM the host's to share?
 * @kvm: the VM
 *
 * Return: 0, or -EOPNOTSUPP for a VM of a type that has memory of its own, or
 * whose state is encrypted (SEV-ES and what came after it).  Of a VM without such
 * a type there is no sign outside of KVM that its memory alone is encrypted (SEV).
 */
int ktdp_kvm_check_vm(struct kvm *kvm)
{
	bool refuse = ktdp_vm_has_type(kvm);
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, kvm)
		refuse |= vcpu->arch.guest_state_protected;
	if (!refuse)
		return 0;
	pr_notice_ratelimited("refused: the VM of process %d is encrypted\n",
			      kvm->userspace_pid);
	return -EOPNOTSUPP;
}

/**
 * ktdp_kvm_init_fmt() - choose the format KVM itself uses on this host
 * @kvm: a VM; it keeps the vendor module in place
 * @fmt: is filled in
 *
 * Return: 0, or -EOPNOTSUPP if KVM runs without two-dimensional paging.
 */
int ktdp_kvm_init_fmt(struct kvm *kvm, struct ktdp_fmt *fmt)
{
	int phys_bits = boot_cpu_data.x86_phys_bits;
	u32 cap;

	if (ktdp_module_param_bool("kvm_amd", "npt") == 1) {
		ktdp_fmt_npt_init(fmt, KVM_TDP_TYPE_NPT,
				  pgtable_l5_enabled() ? 5 : 4, KTDP_LEVEL_1G,
				  phys_bits, sme_me_mask);
		return 0;
	}
	if (ktdp_module_param_bool("kvm_intel", "ept") == 1) {
		cap = ktdp_ept_capabilities();
		ktdp_fmt_ept_init(fmt, KVM_TDP_TYPE_EPT,
				  ktdp_ept_level(kvm, cap),
				  ktdp_ept_max_leaf_level(cap), phys_bits);
		return 0;
	}
	pr_notice_ratelimited("refused: KVM runs without EPT or NPT\n");
	return -EOPNOTSUPP;
}

/**
 * ktdp_kvm_slot() - find the memslot of a gfn
 * @tdp: the exported TDP
 * @gfn: guest frame
 * @slotp: is set to it
 *
 * Context: the caller is in a read section of kvm->srcu.
 * Return: 0; -EFAULT no slot, one that is KVM's own, or one whose memory is not known
 * to be the host's; -EAGAIN the slot is being deleted or moved.
 */
int ktdp_kvm_slot(struct kvm_exported_tdp *tdp, u64 gfn,
		  const struct kvm_memory_slot **slotp)
{
	struct kvm_memslots *slots = __kvm_memslots(tdp->kvm, tdp->as_id);
	const struct kvm_memory_slot *slot = __gfn_to_memslot(slots, gfn);

	if (!slot || slot->id >= KVM_USER_MEM_SLOTS)
		return -EFAULT;
	if (slot->flags & KVM_MEMSLOT_INVALID)
		return -EAGAIN;
	if (ktdp_slot_is_elsewhere(slot))
		return -EFAULT;
	*slotp = slot;
	return 0;
}

/* ktdp_kvm_slot() for any context; what it was then, which may be out of date. */
int ktdp_kvm_slot_copy(struct kvm_exported_tdp *tdp, u64 gfn,
		       struct kvm_memory_slot *slot)
{
	const struct kvm_memory_slot *found;
	struct kvm *kvm = tdp->kvm;
	int idx, ret;

	idx = srcu_read_lock(&kvm->srcu);
	ret = ktdp_kvm_slot(tdp, gfn, &found);
	if (!ret)
		*slot = *found;
	srcu_read_unlock(&kvm->srcu, idx);
	return ret;
}

/*
 * The pages of a slot's guest_memfd; NULL if the file is gone.  KVM has no reference on
 * the file, but forgets it before it goes; then another may come to be where it was.
 */
static struct address_space *ktdp_gmem_mapping(const struct kvm_memory_slot *slot)
{
	const struct file *file = ktdp_slot_gmem_file(slot);
	struct address_space *mapping;

	RCU_LOCKDEP_WARN(!rcu_read_lock_held() && preemptible(), "the file may be freed");
	if (!file)
		return NULL;
	mapping = READ_ONCE(file->f_mapping);
	/* Was it of this file?  Pairs with what is between forgetting it and reuse. */
	smp_rmb();
	return ktdp_slot_gmem_file(slot) == file ? mapping : NULL;
}

static pgoff_t ktdp_gmem_index(const struct kvm_memory_slot *slot, u64 gfn)
{
	return ktdp_slot_gmem_pgoff(slot) + (gfn - slot->base_gfn);
}

/*
 * ktdp_slot_has_pages() of a slot with a guest_memfd.  What the host maps at the hva may be
 * anything, and what KVM maps, too: up to 7.3 at least it prefetches from the hva, without
 * its TDP MMU or for a nested guest.
 */
bool ktdp_gmem_has_pages(const struct kvm_memory_slot *slot, u64 gfn, u64 pfn, u64 nr)
{
	const struct address_space *mapping = ktdp_gmem_mapping(slot);
	struct folio *folio = page_folio(pfn_to_page(pfn));
	u64 first = pfn - folio_pfn(folio);

	return mapping && READ_ONCE(folio->mapping) == mapping &&
	       !folio_test_hwpoison(folio) &&
	       folio->index + first == ktdp_gmem_index(slot, gfn) &&
	       first + nr <= folio_nr_pages(folio);
}

/**
 * ktdp_kvm_gmem_pfn() - look up what a guest_memfd has for a guest frame
 * @tdp: the exported TDP
 * @gfn: guest frame
 *
 * Context: any.
 * Return: the host frame, as it was then; 0 if there is none, or no such slot.
 */
u64 ktdp_kvm_gmem_pfn(struct kvm_exported_tdp *tdp, u64 gfn)
{
	const struct kvm_memory_slot *slot;
	struct address_space *mapping = NULL;
	struct folio *folio = NULL;
	struct kvm *kvm = tdp->kvm;
	pgoff_t index = 0;
	u64 pfn = 0;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	rcu_read_lock();
	if (!ktdp_kvm_slot(tdp, gfn, &slot) && ktdp_slot_is_gmem(slot)) {
		mapping = ktdp_gmem_mapping(slot);
		index = ktdp_gmem_index(slot, gfn);
	}
	if (mapping)
		folio = xa_load(&mapping->i_pages, index);
	if (folio && !xa_is_value(folio))
		pfn = page_to_pfn(folio_file_page(folio, index));
	rcu_read_unlock();
	srcu_read_unlock(&kvm->srcu, idx);
	return pfn;
}

/**
 * ktdp_kvm_can_log() - can a write by an importer enter KVM's dirty log?
 * @tdp: the exported TDP
 *
 * A dirty ring takes entries from vCPUs only, and a VMM may switch it on until
 * there is a vCPU, while slots log already.
 *
 * Context: any.
 * Return: whether all slots that log have a bitmap, now and from now on.
 */
bool ktdp_kvm_can_log(const struct kvm_exported_tdp *tdp)
{
	const struct kvm *kvm = tdp->kvm;

	/* Acquire: KVM had set the size, if ever, before it counted the vCPU. */
	return atomic_read_acquire(&kvm->online_vcpus) &&
	       !READ_ONCE(kvm->dirty_ring_size);
}

/**
 * ktdp_slot_log_dirty() - note in KVM's log that pages are about to be written
 * @slot: a slot that logs, of a VM of which ktdp_kvm_can_log() was true
 * @gfn: first guest frame
 * @nr: how many, all in the slot
 *
 * The bits are set directly: KVM's own function expects a running vCPU.
 *
 * Context: the caller holds kvm->srcu; atomic or not.
 * Return: whether there is a log.
 */
bool ktdp_slot_log_dirty(const struct kvm_memory_slot *slot, u64 gfn, u64 nr)
{
	if (WARN_ON_ONCE(!slot->dirty_bitmap))
		return false;
	for (gfn -= slot->base_gfn; nr--; gfn++)
		set_bit_le(gfn, slot->dirty_bitmap);
	return true;
}

/* Context: as for ktdp_slot_log_dirty(), or KVM's slots_lock is held. */
bool ktdp_slot_is_dirty(const struct kvm_memory_slot *slot, u64 gfn)
{
	return slot->dirty_bitmap &&
	       test_bit_le(gfn - slot->base_gfn, slot->dirty_bitmap);
}

/**
 * ktdp_kvm_walk_hva_range() - call a function for the guest frames behind a
 * range of host virtual addresses
 * @tdp: the exported TDP
 * @start: first byte
 * @end: byte behind the last one
 * @fn: called for each slot that has a part of the range; KVM's memslots wait for it
 * @data: for @fn
 *
 * Slots that are being deleted count, for until KVM has told us of it they may
 * be mapped.
 */
void ktdp_kvm_walk_hva_range(struct kvm_exported_tdp *tdp,
			     unsigned long start, unsigned long end,
			     ktdp_gfn_range_fn fn, void *data)
{
	struct kvm *kvm = tdp->kvm;
	struct interval_tree_node *node;
	struct kvm_memslots *slots;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	slots = __kvm_memslots(kvm, tdp->as_id);
	for (node = interval_tree_iter_first(&slots->hva_tree, start, end - 1);
	     node; node = interval_tree_iter_next(node, start, end - 1)) {
		struct kvm_memory_slot *slot =
			container_of(node, struct kvm_memory_slot,
				     hva_node[slots->node_idx]);
		unsigned long hva = slot->userspace_addr;
		unsigned long last = hva + slot->npages * PAGE_SIZE;

		fn(tdp, hva_to_gfn_memslot(max(start, hva), slot),
		   hva_to_gfn_memslot(min(end, last) + PAGE_SIZE - 1, slot), data);
	}
	srcu_read_unlock(&kvm->srcu, idx);
}

static u32 ktdp_slot_flags(const struct kvm_memory_slot *slot)
{
	u32 flags = 0;

	if (ktdp_slot_is_readonly(slot))
		flags |= KVM_TDP_SLOT_READONLY;
	if (ktdp_slot_is_logged(slot))
		flags |= KVM_TDP_SLOT_LOGGED;
	if (ktdp_slot_is_elsewhere(slot))
		flags |= KVM_TDP_SLOT_NOT_MAPPED;
	return flags;
}

/**
 * ktdp_kvm_read_slots() - list memslots, in ascending order
 * @tdp: the exported TDP
 * @gfn: those that end behind this frame; KVM's own are left out
 * @to: array to fill in; @backing only where it does not depend on the hva, else 0
 * @room: its size
 *
 * Context: any.
 * Return: how many were written; less than @room: there are no more.
 */
unsigned int ktdp_kvm_read_slots(struct kvm_exported_tdp *tdp, u64 gfn,
				 struct kvm_tdp_slot *to, unsigned int room)
{
	struct kvm *kvm = tdp->kvm;
	struct kvm_memslot_iter iter;
	unsigned int nr = 0;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	kvm_for_each_memslot_in_gfn_range(&iter, __kvm_memslots(kvm, tdp->as_id),
					  gfn, ULONG_MAX) {
		const struct kvm_memory_slot *slot = iter.slot;

		if (nr == room)
			break;
		/* The iterator may begin with one that ends before. */
		if (slot->id >= KVM_USER_MEM_SLOTS ||
		    slot->base_gfn + slot->npages <= gfn)
			continue;
		to[nr++] = (struct kvm_tdp_slot){
			.gpa = slot->base_gfn << PAGE_SHIFT,
			.length = (u64)slot->npages << PAGE_SHIFT,
			.hva = slot->userspace_addr,
			.flags = ktdp_slot_flags(slot),
			.backing = ktdp_slot_is_gmem(slot) ?
				   KVM_TDP_BACKING_GUEST_MEMFD : KVM_TDP_BACKING_NONE,
		};
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return nr;
}

/* The TDP MMU frees its table pages through RCU. */
bool ktdp_kvm_has_tdp_mmu(const struct kvm *kvm)
{
	return ktdp_vm_has_tdp_mmu(kvm,
				   ktdp_module_param_bool("kvm", "tdp_mmu") == 1);
}

/*
 * The root of a vCPU's table for L1, if that is one of this address space.  The
 * role is read once: KVM_SET_CPUID2 clears all of it, without mmu_lock, before
 * the root goes.
 */
static struct ktdp_kvm_root ktdp_kvm_root(const struct kvm_exported_tdp *tdp,
					  int vcpu)
{
	const struct kvm_mmu *mmu = &kvm_get_vcpu(tdp->kvm, vcpu)->arch.root_mmu;
	union kvm_mmu_page_role role = {
		.word = READ_ONCE(mmu->root_role.word),
	};
	struct ktdp_kvm_root root = { .hpa = INVALID_PAGE, .level = role.level };

	if (role.direct && role.smm == tdp->as_id && role.level >= 4)
		root.hpa = READ_ONCE(mmu->root.hpa);
	return root;
}

/* Do no vCPUs before this one have the same root?  A hint: it may change. */
bool ktdp_kvm_root_is_new(const struct kvm_exported_tdp *tdp, int vcpu)
{
	hpa_t hpa = ktdp_kvm_root(tdp, vcpu).hpa;

	while (vcpu--) {
		if (ktdp_kvm_root(tdp, vcpu).hpa == hpa)
			return false;
	}
	return VALID_PAGE(hpa);
}

/**
 * ktdp_kvm_read_root() - find the TDP MMU's table of a vCPU
 * @tdp: the exported TDP
 * @vcpu: index of the vCPU
 * @root: is filled in; good until the end of the RCU read section
 *
 * A vCPU has a reference on its root.  It drops that, and forgets the root, in
 * one hold of mmu_lock: for write, on later kernels for read.  So a root that is
 * found here, with mmu_lock held for write, is referenced, and what frees it, an
 * RCU callback, is queued after mmu_lock was released here: the caller's read
 * section is waited for.  A root that is invalidated meanwhile stays on KVM's
 * list, and follows the host, until KVM has zapped it.
 *
 * Without the lock a root could be found that has been given to RCU before the
 * read section began.  But vCPUs that fault wait for it: one look has to do for
 * many walks.
 *
 * Context: RCU read section, not atomic.
 * Return: whether there is one.
 */
bool ktdp_kvm_read_root(const struct kvm_exported_tdp *tdp, int vcpu,
			struct ktdp_kvm_root *root)
{
	struct kvm *kvm = tdp->kvm;

	RCU_LOCKDEP_WARN(!rcu_read_lock_held(), "the root may be freed");
	write_lock(&kvm->mmu_lock);
	*root = ktdp_kvm_root(tdp, vcpu);
	write_unlock(&kvm->mmu_lock);
	return VALID_PAGE(root->hpa);
}

/**
 * ktdp_kvm_root_has_aliases() - may an entry of KVM's be that of another gfn?
 * @tdp: the exported TDP
 * @root: a table of KVM's
 *
 * KVM takes memslots beyond the reach of its own table, and masks the index: the
 * page of a fault there is mapped where that of a lower gfn is.  A slot is in the
 * set before such an entry is made, and leaves it after it was zapped.
 *
 * Context: the caller holds kvm->srcu, and has read the entries in question.
 */
bool ktdp_kvm_root_has_aliases(const struct kvm_exported_tdp *tdp,
			       const struct ktdp_kvm_root *root)
{
	struct kvm_memory_slot *slot;
	struct kvm_memslots *slots;
	struct rb_node *last;

	/* Pairs with KVM's publishing the slots: entries first, slots then. */
	smp_rmb();
	slots = __kvm_memslots(tdp->kvm, tdp->as_id);
	last = rb_last(&slots->gfn_tree);
	if (!last)
		return false;
	slot = container_of(last, struct kvm_memory_slot,
			    gfn_node[slots->node_idx]);
	return slot->base_gfn + slot->npages > ktdp_gfn_end(root->level);
}

/**
 * ktdp_kvm_walk() - walk a table of the TDP MMU
 * @tdp: the exported TDP
 * @root: as ktdp_kvm_read_root() found it in the same RCU read section
 * @gfn: guest frame, within the reach of @root
 * @walk: is set to the entry found; it is to be read where it counts
 *
 * Pages below the root are unlinked before they are given to RCU, so what is
 * found in this section stays until its end.
 *
 * Context: RCU read section.
 */
void ktdp_kvm_walk(const struct kvm_exported_tdp *tdp,
		   const struct ktdp_kvm_root *root, u64 gfn,
		   struct ktdp_spte_walk *walk)
{
	hpa_t hpa = root->hpa;
	int level = root->level;
	const u64 *sptes;
	u64 spte;

	for (;; level--) {
		sptes = ktdp_hpa_to_entries(ktdp_entry_hpa(&tdp->table.fmt, hpa));
		walk->sptep = sptes + ktdp_level_index(gfn, level);
		walk->level = level;
		spte = READ_ONCE(*walk->sptep);
		if (!(spte & KTDP_SPTE_PRESENT) || ktdp_spte_is_leaf(spte, level))
			return;
		hpa = spte;
	}
}
