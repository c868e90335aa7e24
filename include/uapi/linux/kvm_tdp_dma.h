/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_KVM_TDP_DMA_H
#define _UAPI_LINUX_KVM_TDP_DMA_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: /dev/kvm_tdp_dma, a DMA engine in software
 *
 * The reference importer of kvm_tdp.  Each open file is one engine, with an
 * IOTLB of its own, bound to at most one TDP fd.  It reaches guest memory only
 * through the exported table, as a device behind an IOMMU would.
 *
 * Structs begin with @size and are extensible as those of kvm_tdp.h, with the
 * same common errors (ENOTTY, EFAULT, EINVAL, E2BIG).  The device is for
 * CAP_SYS_ADMIN only (open: EPERM).
 */

#define KVM_TDP_DMA_IOC_TYPE	0xAE

#define KVM_TDP_DMA_ATTACH	_IO(KVM_TDP_DMA_IOC_TYPE, 0xf0)
#define KVM_TDP_DMA_DETACH	_IO(KVM_TDP_DMA_IOC_TYPE, 0xf1)
#define KVM_TDP_DMA_READ	_IO(KVM_TDP_DMA_IOC_TYPE, 0xf2)
#define KVM_TDP_DMA_WRITE	_IO(KVM_TDP_DMA_IOC_TYPE, 0xf3)
#define KVM_TDP_DMA_COPY	_IO(KVM_TDP_DMA_IOC_TYPE, 0xf4)
#define KVM_TDP_DMA_STATS	_IO(KVM_TDP_DMA_IOC_TYPE, 0xf5)

/**
 * struct kvm_tdp_dma_attach - KVM_TDP_DMA_ATTACH
 * @size: sizeof(struct kvm_tdp_dma_attach)
 * @flags: must be 0
 * @tdp_fd: a TDP fd in the caller's descriptor table
 * @pid: not looked at any more: @tdp_fd says whose memory it is
 *
 * Errors: EBUSY attached already; EBADF, EINVAL as kvm_tdp_fd_get(); EOPNOTSUPP a
 * table this engine cannot walk; ENOSPC it has too many importers; ENOMEM.
 */
struct kvm_tdp_dma_attach {
	__u32 size;
	__u32 flags;
	__s32 tdp_fd;
	__s32 pid;
};

/**
 * struct kvm_tdp_dma_detach - KVM_TDP_DMA_DETACH
 * @size: sizeof(struct kvm_tdp_dma_detach)
 * @flags: must be 0
 *
 * Errors: ENOTCONN not attached.
 */
struct kvm_tdp_dma_detach {
	__u32 size;
	__u32 flags;
};

/* Do not call fault on a miss; stop there with ENXIO. */
#define KVM_TDP_DMA_NOFAULT	(1U << 0)

/**
 * struct kvm_tdp_dma_rw - KVM_TDP_DMA_READ, KVM_TDP_DMA_WRITE
 * @size: sizeof(struct kvm_tdp_dma_rw)
 * @flags: KVM_TDP_DMA_NOFAULT or 0
 * @gpa: guest physical address, any alignment
 * @buf: user buffer
 * @length: bytes
 * @done: out: bytes transferred, also when the ioctl fails
 *
 * Errors: ENOTCONN not attached; EFAULT @buf, or no guest RAM there; EINVAL the
 * range wraps; ENXIO not mapped, with NOFAULT or if the exporter has no fault;
 * EIO an entry of the table breaks its metadata's promise; EHWPOISON the memory
 * is bad: known to be, or found so by reading it (then with NOFAULT too), and
 * @done ends at or before the page; else as kvm_exported_tdp_ops.fault.
 *
 * Writing to memory that is not yet known to be bad succeeds, and may mend it.
 */
struct kvm_tdp_dma_rw {
	__u32 size;
	__u32 flags;
	__aligned_u64 gpa;
	__aligned_u64 buf;
	__aligned_u64 length;
	__aligned_u64 done;
};

/**
 * struct kvm_tdp_dma_copy - KVM_TDP_DMA_COPY: guest memory to guest memory
 * @size: sizeof(struct kvm_tdp_dma_copy)
 * @flags: KVM_TDP_DMA_NOFAULT or 0
 * @src_gpa: source, any alignment
 * @dst_gpa: destination, any alignment; where the two overlap the result is
 *	that of a copy byte by byte in ascending order
 * @length: bytes
 * @done: out: bytes copied, also when the ioctl fails
 *
 * Errors: as struct kvm_tdp_dma_rw.
 */
struct kvm_tdp_dma_copy {
	__u32 size;
	__u32 flags;
	__aligned_u64 src_gpa;
	__aligned_u64 dst_gpa;
	__aligned_u64 length;
	__aligned_u64 done;
};

/**
 * struct kvm_tdp_dma_stats - KVM_TDP_DMA_STATS: counters of this engine
 * @size: sizeof(struct kvm_tdp_dma_stats)
 * @flags: must be 0
 * @iotlb_hits: translations found in the IOTLB
 * @iotlb_misses: translations that needed a walk of the table
 * @faults: calls of fault
 * @faults_failed: of those, answered with an error
 * @invalidations: invalidate callbacks received
 * @invalidated_bytes: sum of their sizes; a full invalidate counts as 0
 * @full_invalidations: of those, (0, -1)
 * @last_start: start of the last one
 * @last_length: length of the last one
 * @bytes_read: bytes copied out of guest memory
 * @bytes_written: bytes copied into guest memory
 */
struct kvm_tdp_dma_stats {
	__u32 size;
	__u32 flags;
	__aligned_u64 iotlb_hits;
	__aligned_u64 iotlb_misses;
	__aligned_u64 faults;
	__aligned_u64 faults_failed;
	__aligned_u64 invalidations;
	__aligned_u64 invalidated_bytes;
	__aligned_u64 full_invalidations;
	__aligned_u64 last_start;
	__aligned_u64 last_length;
	__aligned_u64 bytes_read;
	__aligned_u64 bytes_written;
};

#endif /* _UAPI_LINUX_KVM_TDP_DMA_H */
