/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_KVM_TDP_VFIO_H
#define _UAPI_LINUX_KVM_TDP_VFIO_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: VFIO containers whose addresses are a running guest's
 *
 * With kvm_tdp_vfio.ko a VFIO container has one more type, VFIO_KVM_TDP_IOMMU.  What a
 * device in it does DMA to, are guest physical addresses; the guest's memory is not
 * pinned.  For user-space drivers of any device that is bound to vfio-pci::
 *
 *	ioctl(group, VFIO_GROUP_SET_CONTAINER, &container);
 *	ioctl(container, VFIO_SET_IOMMU, VFIO_KVM_TDP_IOMMU);
 *	ioctl(container, KVM_TDP_VFIO_ATTACH, ...);	// the TDP fd
 *	ioctl(container, KVM_TDP_VFIO_MAP, ...);	// the driver's queues
 *	...
 *	do {
 *		ioctl(container, KVM_TDP_VFIO_BEGIN, ...);
 *		start the transfers, wait for their end
 *		ioctl(container, KVM_TDP_VFIO_DONE, ...);
 *	} while one of them was hit;
 *
 * A transfer that was hit lost its memory while it was in flight: some of it was not
 * done, whatever the device says, and it has to be done again.
 *
 * Structs begin with @size and are extensible as those of kvm_tdp.h, with the same
 * common errors (ENOTTY, EFAULT, EINVAL, E2BIG).  ENODEV: the container has no group any
 * more.
 */

/* For VFIO_CHECK_EXTENSION and VFIO_SET_IOMMU. */
#define VFIO_KVM_TDP_IOMMU	0x4b54

#define KVM_TDP_VFIO_IOC_TYPE	0xAE

#define KVM_TDP_VFIO_ATTACH	_IO(KVM_TDP_VFIO_IOC_TYPE, 0xf8)
#define KVM_TDP_VFIO_DETACH	_IO(KVM_TDP_VFIO_IOC_TYPE, 0xf9)
#define KVM_TDP_VFIO_BEGIN	_IO(KVM_TDP_VFIO_IOC_TYPE, 0xfa)
#define KVM_TDP_VFIO_DONE	_IO(KVM_TDP_VFIO_IOC_TYPE, 0xfb)
#define KVM_TDP_VFIO_MAP	_IO(KVM_TDP_VFIO_IOC_TYPE, 0xfc)
#define KVM_TDP_VFIO_UNMAP	_IO(KVM_TDP_VFIO_IOC_TYPE, 0xfd)
#define KVM_TDP_VFIO_INFO	_IO(KVM_TDP_VFIO_IOC_TYPE, 0xfe)

/**
 * struct kvm_tdp_vfio_attach - KVM_TDP_VFIO_ATTACH: follow a guest
 * @size: sizeof(struct kvm_tdp_vfio_attach)
 * @flags: must be 0
 * @tdp_fd: a TDP fd in the caller's descriptor table
 * @pid: process the VM belongs to, in the caller's pid namespace, for CAP_SYS_ADMIN
 *	only; 0: the calling process
 * @eventfd: is signalled when a transfer in flight is hit; -1: none
 * @pad: must be 0
 * @hits: user pointer to KVM_TDP_VFIO_MAX_IOS bytes, a multiple of 4096, or 0.  The byte
 *	of a transfer's id is 0 when it begins, and something else once it was hit.  A
 *	driver may let a transfer be for many that its device makes, to the same memory,
 *	and look there when each has ended, in place of DONE and BEGIN: as long as it
 *	finds 0, all that the device did was done to the guest's memory.  All bytes are
 *	written to by this call.  The page is pinned, and counts against RLIMIT_MEMLOCK,
 *	until KVM_TDP_VFIO_DETACH, or the container is closed.
 *
 * Errors: EBUSY attached already; EBADF, EINVAL as kvm_tdp_fd_get(); EBADF, EINVAL no
 * eventfd; EFAULT, EINVAL @hits; ESRCH no such process; EPERM the VM is not that process's,
 * or it is exiting, or @pid without CAP_SYS_ADMIN, or @hits of another process than the one
 * that made the container; EOPNOTSUPP a table that cannot be walked; ENOSPC it has too many
 * importers; ENOMEM, RLIMIT_MEMLOCK
 * too; EINTR.
 */
struct kvm_tdp_vfio_attach {
	__u32 size;
	__u32 flags;
	__s32 tdp_fd;
	__s32 pid;
	__s32 eventfd;
	__u32 pad;
	__aligned_u64 hits;
};

/**
 * struct kvm_tdp_vfio_detach - KVM_TDP_VFIO_DETACH: follow no guest any more
 * @size: sizeof(struct kvm_tdp_vfio_detach)
 * @flags: must be 0
 *
 * The device can reach no guest memory any more.  Transfers in flight are hit, and may
 * still be ended with KVM_TDP_VFIO_DONE.
 *
 * Errors: ENOTCONN not attached.
 */
struct kvm_tdp_vfio_detach {
	__u32 size;
	__u32 flags;
};

/* The device reads guest memory. */
#define KVM_TDP_VFIO_READ	(1U << 0)
/* The device writes guest memory. */
#define KVM_TDP_VFIO_WRITE	(1U << 1)
/* Out, of DONE: the memory was taken away meanwhile: begin it again. */
#define KVM_TDP_VFIO_HIT	(1U << 2)

/* Transfers that may be in flight in a container. */
#define KVM_TDP_VFIO_MAX_IOS	4096

/**
 * struct kvm_tdp_vfio_io - a transfer
 * @gpa: first guest physical address, any alignment
 * @length: bytes, not 0
 * @flags: of BEGIN: KVM_TDP_VFIO_READ, _WRITE; out: KVM_TDP_VFIO_HIT is cleared, or, by
 *	DONE, set
 * @id: out, of BEGIN: its name, for DONE
 */
struct kvm_tdp_vfio_io {
	__aligned_u64 gpa;
	__aligned_u64 length;
	__u32 flags;
	__u32 id;
};

/**
 * struct kvm_tdp_vfio_ios - KVM_TDP_VFIO_BEGIN, KVM_TDP_VFIO_DONE: of many transfers
 * @size: sizeof(struct kvm_tdp_vfio_ios)
 * @flags: must be 0
 * @ios: user pointer to struct kvm_tdp_vfio_io
 * @nr: of @ios
 * @done: out: how many of them, from the first on, were begun or ended, also when the
 *	ioctl fails
 *
 * BEGIN brings the memory that the host does not have at hand, and lets the device reach
 * it.  The transfer is in flight until DONE.
 *
 * Errors of BEGIN, for the first that was not begun: ENOTCONN not attached; EINVAL
 * @flags, no length, or it wraps; ERANGE beyond the IOMMU's reach, or where it reserves
 * addresses; ENOSPC too many are in flight, or in the midst of other BEGINs, of which each
 * has room for up to 32 at once; EFAULT @ios, or no guest RAM there; EAGAIN the
 * host takes the memory away as fast as it is brought; EIO the IOMMU's driver failed; EINTR;
 * else as kvm_exported_tdp_ops.fault.  Errors of DONE: ENOENT nothing of that id is in
 * flight; EFAULT @ios: of those that were read and cannot be written all were ended, which
 * @done counts: take them for hit.
 */
struct kvm_tdp_vfio_ios {
	__u32 size;
	__u32 flags;
	__aligned_u64 ios;
	__u32 nr;
	__u32 done;
};

/**
 * struct kvm_tdp_vfio_map - KVM_TDP_VFIO_MAP: memory of the driver's own
 * @size: sizeof(struct kvm_tdp_vfio_map)
 * @flags: KVM_TDP_VFIO_READ, _WRITE: what the device may do
 * @iova: its address for the device, in [own_first, own_last] (KVM_TDP_VFIO_INFO), a
 *	multiple of 4096
 * @vaddr: where it is in the caller's address space, a multiple of 4096
 * @length: bytes, a multiple of 4096
 *
 * The memory is pinned, and counts against RLIMIT_MEMLOCK, until it is unmapped, or the
 * container is closed.  So does, until the container is closed, a page for each 2M of
 * addresses in which anything was mapped: the IOMMU's table.
 *
 * Errors: EPERM not the process that made the container; EINVAL @flags, alignment, no
 * length, or a range wraps; ERANGE not in
 * [own_first, own_last], or reserved by the IOMMU; EEXIST something is mapped there;
 * ENOMEM, RLIMIT_MEMLOCK too; EFAULT @vaddr.
 */
struct kvm_tdp_vfio_map {
	__u32 size;
	__u32 flags;
	__aligned_u64 iova;
	__aligned_u64 vaddr;
	__aligned_u64 length;
};

/**
 * struct kvm_tdp_vfio_unmap - KVM_TDP_VFIO_UNMAP
 * @size: sizeof(struct kvm_tdp_vfio_unmap)
 * @flags: must be 0
 * @iova: as it was mapped
 *
 * Errors: ENOENT nothing was mapped at @iova.
 */
struct kvm_tdp_vfio_unmap {
	__u32 size;
	__u32 flags;
	__aligned_u64 iova;
};

/**
 * struct kvm_tdp_vfio_info - KVM_TDP_VFIO_INFO
 * @size: sizeof(struct kvm_tdp_vfio_info)
 * @flags: must be 0
 * @gpa_last: the last GPA that transfers can reach
 * @own_first: first address for KVM_TDP_VFIO_MAP
 * @own_last: last address for KVM_TDP_VFIO_MAP
 * @own_bytes: mapped there now, pinned
 * @mapped: bytes of guest memory that the device can reach now, not pinned
 * @begun: transfers begun
 * @hits: of those, hit
 * @faults: pages that were asked for because the host did not have them at hand
 * @invalidations: how often the host took memory away
 */
struct kvm_tdp_vfio_info {
	__u32 size;
	__u32 flags;
	__aligned_u64 gpa_last;
	__aligned_u64 own_first;
	__aligned_u64 own_last;
	__aligned_u64 own_bytes;
	__aligned_u64 mapped;
	__aligned_u64 begun;
	__aligned_u64 hits;
	__aligned_u64 faults;
	__aligned_u64 invalidations;
};

#endif /* _UAPI_LINUX_KVM_TDP_VFIO_H */
