// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_TDP_READ_SLOTS: where the guest has memory, and what that is in the host.
 */

#include <linux/fs.h>
#include <linux/hugetlb_inline.h>
#include <linux/magic.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>

#include "../kvm.h"
#include "slots.h"

#define KTDP_SLOTS_BATCH	16	/* copied to the user at once */

static u32 ktdp_vma_backing(struct vm_area_struct *vma)
{
	if (!vma)
		return KVM_TDP_BACKING_NONE;
	if (vma->vm_flags & (VM_IO | VM_PFNMAP))
		return KVM_TDP_BACKING_DEVICE;
	if (is_vm_hugetlb_page(vma))
		return KVM_TDP_BACKING_HUGETLB;
	if (vma_is_anonymous(vma))
		return KVM_TDP_BACKING_ANON;
	if (vma->vm_file && file_inode(vma->vm_file)->i_sb->s_magic == TMPFS_MAGIC)
		return KVM_TDP_BACKING_SHMEM;
	return KVM_TDP_BACKING_FILE;
}

/* Return: 0, or -EINTR. */
static int ktdp_slots_look_at_vmas(struct mm_struct *mm, struct kvm_tdp_slot *slot,
				   unsigned int nr)
{
	if (mmap_read_lock_killable(mm))
		return -EINTR;
	for (; nr--; slot++) {
		if (slot->backing == KVM_TDP_BACKING_NONE)
			slot->backing = ktdp_vma_backing(vma_lookup(mm, slot->hva));
	}
	mmap_read_unlock(mm);
	return 0;
}

static int ktdp_slots_batch(struct kvm_exported_tdp *tdp, u64 gfn,
			    struct kvm_tdp_slot *slots, unsigned int *nr)
{
	struct mm_struct *mm = ktdp_mm(tdp);
	bool show_hva = current->mm == mm || ktdp_shows_host();
	unsigned int i;
	int ret = 0;

	*nr = ktdp_kvm_read_slots(tdp, gfn, slots, *nr);
	/* A VM without a process has slots, with nothing behind them. */
	if (mmget_not_zero(mm)) {
		ret = ktdp_slots_look_at_vmas(mm, slots, *nr);
		mmput_async(mm);
	}
	for (i = 0; i < *nr && !show_hva; i++)
		slots[i].hva = 0;
	return ret;
}

/* Bytes in all memslots.  Context: process context, may sleep. */
u64 ktdp_slots_size(struct kvm_exported_tdp *tdp)
{
	struct kvm_tdp_slot slots[KTDP_SLOTS_BATCH];
	u64 end = 0, size = 0;
	unsigned int nr, i;

	do {
		nr = ktdp_kvm_read_slots(tdp, end >> PAGE_SHIFT, slots, KTDP_SLOTS_BATCH);
		for (i = 0; i < nr; i++) {
			size += slots[i].length;
			end = slots[i].gpa + slots[i].length;
		}
		cond_resched();
	} while (nr == KTDP_SLOTS_BATCH);
	return size;
}

/**
 * ktdp_slots_read() - write memslots to the user until they, or the room, end
 * @tdp: the exported TDP
 * @arg: the ioctl's argument, checked; gpa and nr_slots are updated
 *
 * Context: process context, may sleep.
 * Return: 0, -EFAULT or -EINTR.
 */
int ktdp_slots_read(struct kvm_exported_tdp *tdp, struct kvm_tdp_slots *arg)
{
	struct kvm_tdp_slot __user *user = u64_to_user_ptr(arg->slots);
	struct kvm_tdp_slot slots[KTDP_SLOTS_BATCH];
	u32 room = arg->nr_slots, done = 0;
	unsigned int want, nr;
	int ret;

	do {
		want = min_t(u32, room - done, KTDP_SLOTS_BATCH);
		nr = want;
		ret = ktdp_slots_batch(tdp, arg->gpa >> PAGE_SHIFT, slots, &nr);
		if (ret)
			return ret;
		if (copy_to_user(user + done, slots, nr * sizeof(*slots)))
			return -EFAULT;
		if (nr)
			arg->gpa = slots[nr - 1].gpa + slots[nr - 1].length;
		done += nr;
		cond_resched();
	} while (nr == want && done < room);
	arg->nr_slots = done;
	return 0;
}
