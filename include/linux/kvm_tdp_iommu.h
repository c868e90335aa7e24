/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_KVM_TDP_IOMMU_H
#define _LINUX_KVM_TDP_IOMMU_H

/**
 * DOC: DMA by guest physical address, through an IOMMU, into memory that is not pinned
 *
 * kvm_tdp_iommu.ko gives a device an I/O address space that is a running guest's: the
 * device is told GPAs, and the IOMMU translates them as the guest's second-stage table
 * does, for as long as the host leaves the memory there.  For a driver that is driven
 * by the host: it says before each transfer what will be touched, and learns after it
 * whether the memory was taken away meanwhile::
 *
 *	iommu = kvm_tdp_iommu_open(&pdev->dev);
 *	err = kvm_tdp_iommu_attach(iommu, tdp_fd, current->mm);
 *	...
 *	do {
 *		err = kvm_tdp_iommu_begin(iommu, &io);	// sleeps: brings the memory
 *		if (err)
 *			break;
 *		start the transfer, wait for its end
 *	} while (kvm_tdp_iommu_done(iommu, &io));	// -EAGAIN: do it again
 *	...
 *	quiesce the device
 *	kvm_tdp_iommu_close(iommu);
 *
 * A transfer that was hit ended in an IOMMU fault, or moved some of its bytes before
 * the memory went.  What the device reports says nothing about that: an NVMe command
 * to memory that was gone has been seen to return success.  Only kvm_tdp_iommu_done()
 * tells, so nothing that a transfer brought may be believed before.
 *
 * The driver sets &pci_driver.driver_managed_dma, and does not use the DMA API between
 * open and close.  What else the device has to reach, its queues, is mapped with
 * kvm_tdp_iommu_map(), at addresses above all GPAs.
 *
 * Not for PREEMPT_RT: invalidations arrive with preemption off, and the IOMMU drivers
 * take locks that sleep there.
 */

#include <linux/compiler.h>
#include <linux/dma-direction.h>
#include <linux/rbtree.h>
#include <linux/types.h>

#include <asm/barrier.h>

struct device;
struct iommu_domain;
struct iommu_group;
struct mm_struct;

struct kvm_tdp_io;
struct kvm_tdp_iommu;

/**
 * struct kvm_tdp_range - guest memory that a transfer touches
 * @gpa: first guest physical address, any alignment
 * @length: bytes, not 0
 */
struct kvm_tdp_range {
	u64 gpa;
	u64 length;
	/* private: */
	struct rb_node node;
	u64 subtree_last;
	struct kvm_tdp_io *io;
};

/**
 * struct kvm_tdp_io - a transfer
 * @ranges: what it touches; may overlap each other, and those of other transfers
 * @nr_ranges: their number
 * @direction: DMA_TO_DEVICE: the device reads guest memory, DMA_FROM_DEVICE: it
 *	writes, DMA_BIDIRECTIONAL: both
 * @hit: called once the memory of a transfer in flight is being taken away, at most
 *	once between begin and done; may be NULL.  Atomic context, interrupts off,
 *	under the lock that begin and done take: it calls neither.
 *
 * The caller's, who sets these before kvm_tdp_iommu_begin(), and lets them be until
 * kvm_tdp_iommu_done().
 */
struct kvm_tdp_io {
	struct kvm_tdp_range *ranges;
	unsigned int nr_ranges;
	enum dma_data_direction direction;
	void (*hit)(struct kvm_tdp_io *io);
	/* private: */
	bool in_flight;
	bool is_hit;
};

/**
 * struct kvm_tdp_iommu_info - of a device's I/O address space
 * @pid: whose VM is followed, as it was when that began, in the initial namespace; 0: none is
 * @gpa_last: the last GPA that transfers can reach; smaller than the VM where the
 *	IOMMU's address width is
 * @own_first: first address for kvm_tdp_iommu_map()
 * @own_last: last address for kvm_tdp_iommu_map()
 * @mapped: bytes of guest memory that the device can reach now
 * @in_flight: transfers begun, and not yet done
 * @begun: transfers begun, ever
 * @hits: of those, hit
 * @faults: calls of the exporter's fault
 * @invalidations: invalidate callbacks received
 */
struct kvm_tdp_iommu_info {
	u64 pid;
	u64 gpa_last;
	u64 own_first;
	u64 own_last;
	u64 mapped;
	u64 in_flight;
	u64 begun;
	u64 hits;
	u64 faults;
	u64 invalidations;
};

/**
 * kvm_tdp_iommu_open() - an I/O address space for a device
 * @dev: the device; its driver has driver_managed_dma
 *
 * The device, and all others of its IOMMU group, can reach nothing from here on.
 *
 * Context: process context, may sleep.
 * Return: the address space, to be closed; ERR_PTR: -ENODEV no IOMMU translates for
 * @dev; -EBUSY its group is used by a driver that has no driver_managed_dma, or by
 * user space; -EOPNOTSUPP, told in the log: PREEMPT_RT, an IOMMU that is neither VT-d nor
 * AMD-Vi, or not coherent, or whose pages or addresses will not do, a device with address
 * translation services (ATS) on; -ENOMEM; what the IOMMU's driver says.
 */
struct kvm_tdp_iommu *kvm_tdp_iommu_open(struct device *dev);

/**
 * kvm_tdp_iommu_open_group() - an I/O address space for a group that one owns
 * @group: the caller has claimed its DMA, as VFIO does
 *
 * Context, Return: as kvm_tdp_iommu_open().
 */
struct kvm_tdp_iommu *kvm_tdp_iommu_open_group(struct iommu_group *group);

/**
 * kvm_tdp_iommu_add_group() - one more group for an address space
 * @iommu: the address space
 * @group: the caller has claimed its DMA
 *
 * Context: process context, may sleep.
 * Return: 0; -EBUSY a guest is being followed; -EINVAL its IOMMU cannot share the address
 * space; else as kvm_tdp_iommu_open().
 */
int kvm_tdp_iommu_add_group(struct kvm_tdp_iommu *iommu, struct iommu_group *group);

/**
 * kvm_tdp_iommu_remove_group() - undo kvm_tdp_iommu_add_group(), or _open_group()
 * @iommu: the address space, which stays
 * @group: can reach nothing from here on
 *
 * Every transfer in flight is hit, also of devices of other groups.
 *
 * Context: process context, may sleep.
 */
void kvm_tdp_iommu_remove_group(struct kvm_tdp_iommu *iommu, struct iommu_group *group);

/**
 * kvm_tdp_iommu_close() - the end of an address space
 * @iommu: what open answered; no call for it is running, and no transfer in flight
 *
 * Detaches, and takes the groups out that are left.  Never fails.
 *
 * Context: process context, may sleep.
 */
void kvm_tdp_iommu_close(struct kvm_tdp_iommu *iommu);

/**
 * kvm_tdp_iommu_attach() - follow a guest
 * @iommu: the address space
 * @tdp_fd: a TDP fd in the caller's descriptor table
 * @mm: the VM's, to show that it is meant; a reference is taken on its mm_count
 *
 * Context: process context, may sleep.
 * Return: 0; -EBUSY it is attached; -EBADF, -EINVAL as kvm_tdp_fd_get(); -EPERM @mm is
 * not the VM's, or exiting; -EOPNOTSUPP a table that cannot be walked, or an exporter
 * without fault; -ENOMEM; -EINTR.
 */
int kvm_tdp_iommu_attach(struct kvm_tdp_iommu *iommu, int tdp_fd, struct mm_struct *mm);

/**
 * kvm_tdp_iommu_detach() - follow no guest any more
 * @iommu: the address space
 *
 * The device can reach no guest memory as soon as this begins, and every transfer in
 * flight is hit; their kvm_tdp_iommu_done() may come later.  Waits for calls of begin.
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENOTCONN.
 */
int kvm_tdp_iommu_detach(struct kvm_tdp_iommu *iommu);

/**
 * kvm_tdp_iommu_begin() - let the device reach what a transfer will touch
 * @iommu: the address space
 * @io: the transfer, which is not in flight
 *
 * Brings what the host does not have at hand, and maps it.  From the return of 0 to
 * kvm_tdp_iommu_done() all of it can be reached by the device, unless it is hit.  In a
 * slot that logs, all of what the device may write is dirty.
 *
 * Context: process context, may sleep (swap-in, userfaultfd), by any thread; not with
 * the mm's mmap_lock held.  Concurrent with all others but close.
 * Return: 0; -ENOTCONN not attached; -EINVAL no range, one of no length, one that
 * wraps, no direction; -ERANGE beyond the IOMMU's reach, or where it reserves
 * addresses; -EAGAIN the host takes the memory away as fast as it is brought; -EIO an
 * entry of the table breaks its metadata's promise, or the IOMMU's driver failed; else as
 * kvm_exported_tdp_ops.fault: -EFAULT, -EACCES, -EPERM, -EHWPOISON, -EBUSY, -ENOMEM,
 * -EINTR, -ENOTRECOVERABLE.
 */
int kvm_tdp_iommu_begin(struct kvm_tdp_iommu *iommu, struct kvm_tdp_io *io);

/**
 * kvm_tdp_iommu_done() - a transfer has ended
 * @iommu: the address space
 * @io: a transfer for which begin returned 0; the device is done with it
 *
 * The mappings stay, for later transfers.
 *
 * Context: any, interrupts included.
 * Return: 0: all that the device did was done to the guest's memory; -EAGAIN: the
 * memory was taken away meanwhile: begin it again.
 */
int kvm_tdp_iommu_done(struct kvm_tdp_iommu *iommu, struct kvm_tdp_io *io);

/**
 * kvm_tdp_iommu_is_hit() - has a transfer lost its memory?
 * @io: a transfer for which begin returned 0, and that is not done
 *
 * A driver may let a transfer be for many that its device makes, to the same memory, and
 * ask this when each has ended, in place of done and begin: as long as it answers no, all
 * that the device did was done to the guest's memory.  Once it answers yes it does so until
 * kvm_tdp_iommu_done().
 *
 * Context: any, without a lock.
 */
static inline bool kvm_tdp_iommu_is_hit(const struct kvm_tdp_io *io)
{
	/* After the look at what says that the device is done. */
	smp_rmb();
	return READ_ONCE(io->is_hit);
}

/**
 * kvm_tdp_iommu_map() - let the device reach memory of the driver's own
 * @iommu: the address space
 * @iova: at this address, in [own_first, own_last], a multiple of 4096
 * @hpa: host physical address, a multiple of 4096
 * @size: bytes, a multiple of 4096
 * @direction: what the device may do there
 *
 * The tables of 4K leaves that the IOMMU's driver makes for it are there until the address
 * space is closed.
 *
 * Context: process context, may sleep.  Calls for ranges that overlap are the driver's
 * to serialize.
 * Return: 0; -EINVAL; -ERANGE not within the addresses for that, or reserved by the
 * IOMMU; -EEXIST or what the IOMMU's driver says if there is something; -ENOMEM; -EINTR a
 * fatal signal; -EIO some is mapped and cannot be unmapped, see kvm_tdp_iommu_unmap().
 */
int kvm_tdp_iommu_map(struct kvm_tdp_iommu *iommu, u64 iova, phys_addr_t hpa, size_t size,
		      enum dma_data_direction direction);

/**
 * kvm_tdp_iommu_unmap() - undo a kvm_tdp_iommu_map()
 * @iommu: the address space
 * @iova: as it was mapped
 * @size: as it was mapped
 *
 * Context: process context, may sleep.
 * Return: 0; -EIO, told in the log: the IOMMU's driver failed, and the device may still
 * reach the memory, which must not be given to anybody else.
 */
int kvm_tdp_iommu_unmap(struct kvm_tdp_iommu *iommu, u64 iova, size_t size);

/**
 * kvm_tdp_iommu_blocks_no_snoop() - can devices go past the caches?
 * @iommu: the address space
 *
 * Context: any.
 * Return: false: a device may read memory as it was before it was cleared.
 */
bool kvm_tdp_iommu_blocks_no_snoop(const struct kvm_tdp_iommu *iommu);

/**
 * kvm_tdp_iommu_get_info() - what can be reached, and what happened
 * @iommu: the address space
 * @info: is filled in
 *
 * The same is in /sys/kernel/kvm_tdp_iommu/.
 *
 * Context: any.
 */
void kvm_tdp_iommu_get_info(struct kvm_tdp_iommu *iommu, struct kvm_tdp_iommu_info *info);

#endif /* _LINUX_KVM_TDP_IOMMU_H */
