// SPDX-License-Identifier: GPL-2.0-only
/*
 * What KVM itself maps for a VM's guest: a reader of KVM's table that shares
 * no code with kvm_tdp, nor any idea of where its entries come from.
 */

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/io.h>
#include <linux/kvm_host.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "helper.h"

/* Entries looked at in one hold of KVM's lock. */
#define WALK_STEPS	8192
#define WALK_RUNS	512

#define KVM_SPACES	ARRAY_SIZE(((struct kvm *)NULL)->__memslots)

/* The bits of an entry that EPT and NPT have in common, and KVM's own. */
#define SPTE_WRITE	BIT_ULL(1)
#define SPTE_LARGE	BIT_ULL(7)
#define SPTE_PRESENT	BIT_ULL(11)	/* not in those of emulated MMIO */

/**
 * struct walk - a walk under way
 * @kvm: whose table; its mmu_lock is held while entries are looked at
 * @slots: those of the address space
 * @root: host physical address
 * @level: of @root
 * @gfn: where it is
 * @end: where it is to end
 * @runs: what was found
 * @nr: how much of it
 * @room: for how much
 */
struct walk {
	struct kvm *kvm;
	struct kvm_memslots *slots;
	u64 root;
	int level;
	u64 gfn;
	u64 end;
	struct ktdp_test_kvm_run *runs;
	u32 nr;
	u32 room;
};

static u64 walk_hpa(u64 entry)
{
	return __sme_clr(entry) &
	       GENMASK_ULL(boot_cpu_data.x86_phys_bits - 1, PAGE_SHIFT);
}

static u64 walk_pages(int level)
{
	return 1ULL << (9 * (level - 1));
}

/* The root that a vCPU runs on, or ran on last; all of them share one. */
static bool walk_find_root(struct walk *walk, u32 as_id)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, walk->kvm) {
		const struct kvm_mmu *mmu = &vcpu->arch.root_mmu;

		if (!VALID_PAGE(mmu->root.hpa) || mmu->root_role.smm != as_id)
			continue;
		walk->root = mmu->root.hpa;
		walk->level = mmu->root_role.level;
		return true;
	}
	return false;
}

/* The entry that decides about walk->gfn, and its level. */
static u64 walk_entry(const struct walk *walk, int *level)
{
	u64 hpa = walk->root, entry;
	const u64 *table;

	for (*level = walk->level;; --*level) {
		table = phys_to_virt(walk_hpa(hpa));
		entry = READ_ONCE(table[walk->gfn / walk_pages(*level) % 512]);
		if (!(entry & SPTE_PRESENT) || *level == PG_LEVEL_4K ||
		    entry & SPTE_LARGE)
			return entry;
		hpa = entry;
	}
}

static u32 walk_flags(const struct walk *walk, u64 entry, u64 pfn)
{
	const struct kvm_memory_slot *slot;
	u32 flags = 0;

	slot = __gfn_to_memslot(walk->slots, walk->gfn);
	if (entry & SPTE_WRITE)
		flags |= KTDP_TEST_KVM_WRITE;
	if (!slot || slot->id >= KVM_USER_MEM_SLOTS)
		flags |= KTDP_TEST_KVM_PRIVATE;
	if (!pfn_valid(pfn) ||
	    (PageReserved(pfn_to_page(pfn)) && !is_zero_pfn(pfn)))
		flags |= KTDP_TEST_KVM_NOT_RAM;
	return flags;
}

static bool walk_joins(const struct ktdp_test_kvm_run *last,
		       const struct ktdp_test_kvm_run *run)
{
	return last->gpa + last->length == run->gpa &&
	       last->hpa + last->length == run->hpa &&
	       last->level == run->level && last->flags == run->flags;
}

/* False if there is no room for it. */
static bool walk_add(struct walk *walk, const struct ktdp_test_kvm_run *run)
{
	struct ktdp_test_kvm_run *last = &walk->runs[walk->nr - 1];

	if (walk->nr && walk_joins(last, run)) {
		last->length += run->length;
		return true;
	}
	if (walk->nr == walk->room)
		return false;
	walk->runs[walk->nr++] = *run;
	return true;
}

/* One entry, leaf or hole; false if the walk has to stop before it. */
static bool walk_step(struct walk *walk)
{
	struct ktdp_test_kvm_run run;
	u64 entry, next, offset;
	int level;

	entry = walk_entry(walk, &level);
	offset = walk->gfn % walk_pages(level);
	next = min(walk->gfn - offset + walk_pages(level), walk->end);
	if (entry & SPTE_PRESENT) {
		run.gpa = gfn_to_gpa(walk->gfn);
		run.length = gfn_to_gpa(next - walk->gfn);
		run.hpa = walk_hpa(entry) + gfn_to_gpa(offset);
		run.level = level;
		run.flags = walk_flags(walk, entry, run.hpa >> PAGE_SHIFT);
		if (!walk_add(walk, &run))
			return false;
	}
	walk->gfn = next;
	return true;
}

/* Tables come and go under the lock only, and are freed under it or by RCU. */
static int walk_run(struct walk *walk, u32 as_id)
{
	int steps, srcu, ret = -ENODEV;

	srcu = srcu_read_lock(&walk->kvm->srcu);
	walk->slots = __kvm_memslots(walk->kvm, as_id);
	write_lock(&walk->kvm->mmu_lock);
	if (walk_find_root(walk, as_id)) {
		ret = 0;
		walk->end = min(walk->end, walk_pages(walk->level + 1));
		for (steps = 0; steps < WALK_STEPS; steps++)
			if (walk->gfn >= walk->end || !walk_step(walk))
				break;
	}
	write_unlock(&walk->kvm->mmu_lock);
	srcu_read_unlock(&walk->kvm->srcu, srcu);
	return ret;
}

static int walk_result(const struct walk *walk, struct ktdp_test_kvm_map *map)
{
	u64 gpa = gfn_to_gpa(walk->gfn);

	map->length = gfn_to_gpa(walk->end) - gpa;
	map->gpa = gpa;
	map->nr = walk->nr;
	return copy_to_user(u64_to_user_ptr(map->runs), walk->runs,
			    walk->nr * sizeof(*walk->runs)) ? -EFAULT : 0;
}

static int walk_vm(struct kvm *kvm, struct ktdp_test_kvm_map *map)
{
	struct walk walk = {
		.kvm = kvm,
		.gfn = gpa_to_gfn(map->gpa),
		.end = gpa_to_gfn(map->gpa + map->length),
		.room = min_t(u32, map->nr, WALK_RUNS),
	};
	int ret = -ENOMEM;

	walk.runs = kcalloc(WALK_RUNS, sizeof(*walk.runs), GFP_KERNEL);
	if (walk.runs)
		ret = walk_run(&walk, map->as_id);
	if (!ret)
		ret = walk_result(&walk, map);
	kfree(walk.runs);
	return ret;
}

/* The file of a VM, referenced; its private_data is the struct kvm. */
struct file *test_vm_file(int fd)
{
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADF);
	if (!strcmp(file->f_path.dentry->d_name.name, "kvm-vm"))
		return file;
	fput(file);
	return ERR_PTR(-EINVAL);
}

int test_kvm_map(struct ktdp_test_kvm_map *map)
{
	struct file *file;
	int ret;

	if (!map->nr || map->as_id >= KVM_SPACES)
		return -EINVAL;
	file = test_vm_file(map->vm_fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = walk_vm(file->private_data, map);
	fput(file);
	return ret;
}

int test_encrypt(const struct ktdp_test_encrypt *encrypt)
{
	struct file *file = test_vm_file(encrypt->vm_fd);
	struct kvm_vcpu *vcpu;
	unsigned long i;
	struct kvm *kvm;

	if (IS_ERR(file))
		return PTR_ERR(file);
	kvm = file->private_data;
	kvm_for_each_vcpu(i, vcpu, kvm)
		vcpu->arch.guest_state_protected = encrypt->on;
	fput(file);
	return 0;
}

/* As if KVM had made it writable and was about to note it. */
int test_unlog(const struct ktdp_test_unlog *unlog)
{
	struct file *file = test_vm_file(unlog->vm_fd);
	struct kvm_memory_slot *slot;
	struct kvm *kvm;
	int idx, ret = -ENOENT;

	if (IS_ERR(file))
		return PTR_ERR(file);
	kvm = file->private_data;
	idx = srcu_read_lock(&kvm->srcu);
	slot = __gfn_to_memslot(__kvm_memslots(kvm, 0), unlog->gfn);
	if (slot && slot->dirty_bitmap) {
		clear_bit_le(unlog->gfn - slot->base_gfn, slot->dirty_bitmap);
		ret = 0;
	}
	srcu_read_unlock(&kvm->srcu, idx);
	fput(file);
	return ret;
}
