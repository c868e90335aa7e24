/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_KVM_TDP_MEM_H
#define _UAPI_LINUX_KVM_TDP_MEM_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: /dev/kvm_tdp_mem, a guest's memory as a file
 *
 * Once it is attached to a TDP fd, the offset of an open file is a guest physical
 * address: pread(), preadv(), pwrite() and the like move bytes of the running guest,
 * whose memory is neither pinned nor mapped.  What is moved inside one page of 4K comes
 * from memory that was the guest's at that instant.  A write is in the dirty log, as one
 * of a device.
 *
 * A transfer ends early where the next page cannot be had; if nothing was moved, it
 * fails:
 *
 *	ENXIO no guest RAM there; EACCES write to memory that is read-only, or through a
 *	file attached for reading; EAGAIN the page is not in the table, with RWF_NOWAIT or
 *	KVM_TDP_MEM_NOWAIT (without, it is asked for), or the host is busy with it: try
 *	again; EFAULT the buffer; EHWPOISON the memory is bad; EIO an entry of the table
 *	breaks its metadata's promise; EPERM the VM's memory is gone for good; EINTR fatal
 *	signal; ENOTCONN not attached; ENOMEM; EBUSY, ENOTRECOVERABLE as
 *	kvm_exported_tdp_ops.fault.
 *
 * The memory can be mapped: shared, for reading, at the offset that is the guest physical
 * address.  mmap() fails with EACCES to be written or executed, EINVAL private, ENOTCONN not
 * attached, ENOSPC with 64 mappings of the VM's memory, pieces of one counted each, for all
 * of which the host waits when it takes a page back; EOPNOTSUPP the kernel runs with
 * page_table_check.  A page is mapped when it is touched,
 * with those around it that are in the table, and is never pinned: when the host takes it
 * back, it goes from all mappings, and the next touch finds what is there then.  What cannot
 * be had is SIGBUS; where the host is busy with it, the touch waits, until a signal.  The
 * guest's writes are seen at once, and a read is in no dirty log.  Mappings are not
 * inherited by fork(), are in no core dump, cannot grow, and lend nobody their pages: direct
 * I/O, vmsplice(), process_vm_readv() and ptrace() of the reader fail with EFAULT or EIO.
 * (KVM can have them in a memslot of the reader's, and follows them.)
 *
 * Where the host, or KVM when it deletes a memslot, cannot wait, or somebody maps and
 * unmaps the same file meanwhile, a reader may see the page that was there for some
 * moments.  That page is held until no reader has it, as under direct I/O: it is not
 * reused, though who shares it already, as the VMM's child, may write to it.  The fdinfo of
 * the file has kvm_tdp_mem_mappings; kvm_tdp_mem_held_now, pages that are held;
 * kvm_tdp_mem_held, those that were, ever; kvm_tdp_mem_held_us, the longest that one was.
 *
 * Structs begin with @size and are extensible as those of kvm_tdp.h, with the same
 * common errors (ENOTTY, EFAULT, EINVAL, E2BIG).
 */

#define KVM_TDP_MEM_IOC_TYPE	0xAE

#define KVM_TDP_MEM_ATTACH	_IO(KVM_TDP_MEM_IOC_TYPE, 0xf6)
#define KVM_TDP_MEM_READV	_IO(KVM_TDP_MEM_IOC_TYPE, 0xf7)

/**
 * struct kvm_tdp_mem_attach - KVM_TDP_MEM_ATTACH: once for each open file
 * @size: sizeof(struct kvm_tdp_mem_attach)
 * @flags: must be 0
 * @tdp_fd: a TDP fd in the caller's descriptor table
 * @proc_mem_fd: /proc/PID/mem of the VM's process, opened for reading; where it was for
 *	writing too, the guest's memory can be written.  Whoever can open that has the
 *	right to ptrace the process, which the kernel has checked then.
 *
 * Neither has to stay open.
 *
 * Errors: EBUSY attached already; EBADF no such descriptor; EINVAL they are something
 * else; EACCES @proc_mem_fd is of another process; EOPNOTSUPP a table that cannot be
 * walked; ENOSPC it has too many importers; ENOMEM.
 */
struct kvm_tdp_mem_attach {
	__u32 size;
	__u32 flags;
	__s32 tdp_fd;
	__s32 proc_mem_fd;
};

/* As RWF_NOWAIT: what is not in the table is EAGAIN. */
#define KVM_TDP_MEM_NOWAIT	(1U << 0)

/**
 * struct kvm_tdp_mem_vec - one read of many
 * @gpa: guest physical address, any alignment
 * @buf: user buffer
 * @length: bytes
 */
struct kvm_tdp_mem_vec {
	__aligned_u64 gpa;
	__aligned_u64 buf;
	__aligned_u64 length;
};

/**
 * struct kvm_tdp_mem_readv - KVM_TDP_MEM_READV: many reads in one call
 * @size: sizeof(struct kvm_tdp_mem_readv)
 * @flags: KVM_TDP_MEM_NOWAIT or 0
 * @vecs: array of struct kvm_tdp_mem_vec
 * @nr: its length
 * @done: out: reads that are complete, also when the ioctl fails
 *
 * They are done in order; the first that cannot be complete ends the call with its
 * error, and may have written a part of its buffer.
 *
 * Errors: as above; EFAULT @vecs; EINVAL one wraps, or is longer than a read may be (2G);
 * EBADF the file is not open for reading.
 */
struct kvm_tdp_mem_readv {
	__u32 size;
	__u32 flags;
	__aligned_u64 vecs;
	__u32 nr;
	__u32 done;
};

#endif /* _UAPI_LINUX_KVM_TDP_MEM_H */
