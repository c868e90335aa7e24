/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_KVM_TDP_FD_H
#define _LINUX_KVM_TDP_FD_H

/**
 * DOC: The importer's view of an exported TDP
 *
 * A TDP is the second-stage address space (GPA -> HPA) of a KVM guest, kept by
 * kvm_tdp.ko as a page table in the hardware's format.  Names and signatures are
 * those of patch 01 of the series "[RFC PATCH 00/42] Sharing KVM TDP to IOMMU"
 * (December 2023); a driver written against that series builds against this header.
 *
 * The order of use is get, get_metadata, register_importer, then walk the
 * table from root_hpa and call fault for what is not there; unregister_importer
 * and put, in this order, at the end.
 *
 * A translation read from the table is good until an invalidate that covers it
 * *returns*.  Register before the first read of the table, drop all translations
 * before unregister_importer (nobody is told afterwards), and read nothing after the
 * last put, also where that came before the final invalidate: it looks like any
 * other (tests/model/importer.pml).
 */

#include <linux/types.h>
#include <linux/mm.h>

struct kvm_exported_tdp;
struct kvm_exported_tdp_ops;
struct kvm_tdp_importer_ops;

/**
 * struct kvm_tdp_fd - one open TDP fd
 * @file: the file behind the fd; kvm_tdp_fd_get() took a reference on it
 * @ops: what can be asked of the table; set before the fd can be seen, constant
 * @priv: the exporter's own
 *
 * Lives as long as its file.  An open TDP fd keeps the VM's struct kvm, the
 * exporting module and the table root; it does not keep the guest's memory or
 * the VMM's mm, so every translation may be invalidated at any time.
 */
struct kvm_tdp_fd {
	struct file *file;
	const struct kvm_exported_tdp_ops *ops;

	struct kvm_exported_tdp *priv;
};

/**
 * kvm_tdp_fd_get() - find the TDP fd object behind a file descriptor
 * @fd: descriptor number in the table of the calling process; 0 is a valid one
 *
 * Context: process context of the process that owns @fd.
 * Return: the object with a reference taken on its file, to be dropped with
 * kvm_tdp_fd_put(); ERR_PTR(-EBADF) if @fd is not open; ERR_PTR(-EINVAL) if it
 * is open but not a TDP fd.  Never NULL.
 */
struct kvm_tdp_fd *kvm_tdp_fd_get(int fd);

/**
 * kvm_tdp_fd_put() - drop a reference taken with kvm_tdp_fd_get()
 * @tdp_fd: the object
 *
 * If this is the last reference, whatever is still registered through the fd
 * receives a final invalidate(0, -1) and is unregistered.
 *
 * Context: any context in which fput() is allowed.  The last put tears the
 * table down, which waits for RCU; by a kthread it is left to a work item.
 */
void kvm_tdp_fd_put(struct kvm_tdp_fd *tdp_fd);

/**
 * struct kvm_tdp_fault_type - the access a fault asks for; at least one bit
 * @read: the importer wants to read
 * @write: the importer wants to write
 * @exec: the importer wants to fetch instructions
 */
struct kvm_tdp_fault_type {
	u32 read:1;
	u32 write:1;
	u32 exec:1;
};

/**
 * struct kvm_exported_tdp_ops - what can be asked of an exported TDP
 * @register_importer: Start delivery of @ops->invalidate(@importer_data, ...).
 *	Process context, may sleep.  0; -EINVAL @ops or its invalidate is NULL;
 *	-EBUSY this TDP fd has these ops registered already; -ENOMEM;
 *	-ENOSPC the table has 256 importers, all of which each invalidation tells.
 *	Invalidations that begin after it returned are delivered; the table may
 *	hold entries from before.
 * @unregister_importer: Stop delivery.  Process context, sleeps until running
 *	callbacks have returned: afterwards none runs nor will run.  Unknown
 *	@ops are ignored.  Not to be called from a callback.
 * @fault: Map one 4K page; what the host has behind it may come along.  @mm
 *	is the VM's mm, if the importer knows it and wants to show that it means
 *	this VM, or NULL; @gfn the guest frame number, in units of 4K.  Process context, may
 *	sleep (swap-in, userfaultfd); may be called by any thread, a kthread
 *	included, and concurrently, but not with the mm's mmap_lock held, nor
 *	with one that invalidate takes.  Optional: an
 *	importer has to cope with NULL.  Returns
 *	0 if the table granted the access at some instant after the call began
 *	(it may be gone by the time the importer looks: call again);
 *	-EINVAL no access bit, NULL argument, or @mm is not the VM's;
 *	-EPERM the mm is exiting;
 *	-EFAULT no guest RAM there (no slot, private slot, a guest_memfd that user
 *	space may not map, or has not mapped at the slot's hva, beyond the table's
 *	reach, memory that has no struct page, unmapped in the VMM);
 *	-EACCES a write to memory that is read-only in the slot or in the VMM,
 *	or a shadow stack;
 *	-EBUSY a write to a slot that logs dirty pages, in a VM that has a
 *	dirty ring, or may still get one (it has no vCPU);
 *	-EHWPOISON the page is poisoned; -ENOMEM; -EINTR fatal signal;
 *	-EAGAIN the time bound for retries is spent, try again later;
 *	-ENOTRECOVERABLE KVM can no longer be followed (ftrace has shut itself
 *	down): everything has been invalidated, and nothing will be mapped.
 * @get_metadata: A pointer to struct kvm_exported_tdp_meta_vmx or _svm, told
 *	apart by their first member (asm/kvm_exported_tdp.h), or an ERR_PTR.
 *	Constant, and valid until the last put.  Any context.
 * @fault_range: As @fault, for the @nr pages from @gfn on.  (Not in the RFC.)  Returns
 *	0 if any part was done, with @gfn and @nr at what is left: as long as
 *	@nr is not 0, call it again; else why the page at @gfn could not be
 *	mapped, as @fault.
 */
struct kvm_exported_tdp_ops {
	int (*register_importer)(struct kvm_tdp_fd *tdp_fd,
				 struct kvm_tdp_importer_ops *ops,
				 void *importer_data);

	void (*unregister_importer)(struct kvm_tdp_fd *tdp_fd,
				    struct kvm_tdp_importer_ops *ops);

	int (*fault)(struct kvm_tdp_fd *tdp_fd, struct mm_struct *mm,
		     unsigned long gfn, struct kvm_tdp_fault_type type);

	void *(*get_metadata)(struct kvm_tdp_fd *tdp_fd);

	int (*fault_range)(struct kvm_tdp_fd *tdp_fd, struct mm_struct *mm,
			   unsigned long *gfn, unsigned long *nr,
			   struct kvm_tdp_fault_type type);
};

/**
 * struct kvm_tdp_importer_ops - what an importer provides
 * @invalidate: Translations of guest physical bytes [@start, @start + @size)
 *	are void.  @start and @size are multiples of 4096; (0, -1) means all.
 *	When it returns, the importer must hold no translation of the range
 *	and have no access through one in flight: the memory is reused then.  (Or it
 *	holds, by a reference on the page, taken before it returns, what it cannot let
 *	go of at once, and does so soon.)
 *	It may cover more than was mapped, and covers whole leaves: of a leaf
 *	that goes each call that touches it covers all, also where several
 *	CPUs tell of parts of it at once.  Table pages may be freed (after an
 *	RCU grace period), so cached non-leaf entries of the range go as well.
 *
 *	Called in atomic context; KVM's mmu_lock may be held, and preemption may be off
 *	on PREEMPT_RT too.  It must not sleep, allocate with GFP_KERNEL, touch
 *	user memory, nor call register, unregister, fault or put; its locks
 *	are raw_spinlock_t.  It may run on several CPUs at once.
 * @name: What people see of the importer, or NULL.  (Not in the RFC, as what follows.)
 * @gone: The VM's memory is gone for good: the VMM has exited, or called execve().
 *	Called once, when all has been invalidated, or by register_importer if that
 *	was so already.  May be NULL: without it, the VM's end is seen by @fault, which
 *	returns -EPERM from then on.
 *
 *	Called in process context, which may sleep, but holds up every process of the
 *	machine that exits or unregisters an mmu_notifier: best it queues work.  It
 *	must not call register, unregister or put, take a lock that is held over one
 *	of these, or wait for what does; and it may run before register_importer
 *	returns.
 * @revoke: For an importer to which letting go comes cheaper if it may sleep: called
 *	just before @invalidate, with the same range, where the host takes memory back
 *	and can wait.  Not where KVM changes a slot or the dirty log, where a leaf makes
 *	room for one of another size, nor where the host must not sleep (the OOM
 *	reaper): @invalidate is always called, and is to see to what is left.  The table
 *	is clear already, as long as nobody fills it anew.  May be NULL.
 *
 *	Called in process context, which may sleep, on several CPUs at once.  But whoever
 *	changes the memory may hold mmap_lock, the lock of a folio, i_mmap_rwsem of a
 *	file, the lock of an anon_vma, or be in reclaim; KVM's memslots wait, and, as of
 *	@gone, whatever exits.  So it must not wait for one of these, for a lock under
 *	which one is taken (mm_take_all_locks() takes all of a process), for a TDP fd to
 *	be created or closed, nor allocate, or call register, unregister, fault or put.
 *	If what it does calls mmu_notifiers, it may be entered anew by the same task, for
 *	the same importer or another: it has to see to it that this ends.
 */
struct kvm_tdp_importer_ops {
	void (*invalidate)(void *data, unsigned long start, unsigned long size);
	const char *name;
	void (*gone)(void *data);
	void (*revoke)(void *data, unsigned long start, unsigned long size);
};

#endif /* _LINUX_KVM_TDP_FD_H */
