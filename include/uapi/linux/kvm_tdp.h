/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_KVM_TDP_H
#define _UAPI_LINUX_KVM_TDP_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: /dev/kvm_tdp and TDP fds
 *
 * KVM_CREATE_TDP_FD on /dev/kvm_tdp takes a VM fd and returns a TDP fd; the
 * other ioctls are issued on a TDP fd.
 *
 * Every struct begins with @size, set by the caller to sizeof of the struct it
 * was compiled with.  A newer kernel takes the missing tail of a smaller struct
 * as zero and writes back no more than @size bytes; an older kernel accepts a
 * larger struct if what it does not know is zero.  Reserved members, unknown
 * flags and padding must be zero.
 *
 * Errors common to all ioctls:
 *  - ENOTTY: unknown number.
 *  - EFAULT: the struct cannot be read, or not be written back.
 *  - EINVAL: @size smaller than the first version of the struct, an unknown
 *    flag, a reserved member that is not zero.
 *  - E2BIG: the struct is larger than known here and its tail is not zero, or
 *    it is larger than 4096 bytes.
 *
 * GPAs and lengths are in bytes and multiples of 4096.  Host physical addresses
 * are returned to callers with CAP_SYS_ADMIN, and as 0 to all others.
 */

#define KVM_TDP_IOC_TYPE	0xAE	/* KVM's own */

#define KVM_CREATE_TDP_FD	_IO(KVM_TDP_IOC_TYPE, 0xe4)
#define KVM_TDP_GET_INFO	_IO(KVM_TDP_IOC_TYPE, 0xe5)
#define KVM_TDP_PREFAULT	_IO(KVM_TDP_IOC_TYPE, 0xe6)
#define KVM_TDP_READ_MAP	_IO(KVM_TDP_IOC_TYPE, 0xe7)
#define KVM_TDP_GET_STATS	_IO(KVM_TDP_IOC_TYPE, 0xe8)
#define KVM_TDP_VERIFY		_IO(KVM_TDP_IOC_TYPE, 0xe9)
#define KVM_TDP_READ_SLOTS	_IO(KVM_TDP_IOC_TYPE, 0xea)
#define KVM_TDP_READ_IMPORTERS	_IO(KVM_TDP_IOC_TYPE, 0xeb)

/**
 * struct kvm_create_tdp_fd - KVM_CREATE_TDP_FD, on /dev/kvm_tdp
 * @size: sizeof(struct kvm_create_tdp_fd)
 * @vm_fd: in: the VM, as KVM_CREATE_VM returned it (or a duplicate, passed
 *	over a socket or taken with pidfd_getfd())
 * @as_id: in: address space; 0 normal, 1 SMM
 * @mode: in: must be 0
 * @flags: in: must be 0
 * @fd: out: the TDP fd, close-on-exec; written on success only
 * @pad: must be 0
 *
 * All TDP fds of one VM and @as_id share one table.  The fd keeps the VM's
 * kernel object alive, not its memory; it may be passed to other processes.
 * With that object stays its directory in debugfs: a VM that the process creates
 * meanwhile with the same fd number gets none, and KVM logs "debugfs: duplicate
 * directory".
 *
 * Returns 0, or -1 with errno
 *  - EBADF: @vm_fd is not open.
 *  - EINVAL: @vm_fd is not a VM; @as_id out of range; @mode, @flags or @pad.
 *  - EIO: the caller does not run in the VM's address space (the process that
 *    created the VM) and lacks CAP_SYS_PTRACE.
 *  - EOPNOTSUPP: KVM runs without EPT/NPT, or the VM is encrypted (SEV-ES); the
 *    kernel log has the reason.
 *  - ENODEV: the VM, or the process it belongs to, is going away.
 *  - EBUSY: the hooks into KVM cannot be armed (kernel.ftrace_enabled is 0).
 *  - ENOTRECOVERABLE: ftrace, which the hooks are, has shut itself down after a
 *    bug in the kernel; the kernel log has it.  Only a reboot helps.  All tables
 *    are empty then and stay so: within a second importers are told, and fault
 *    and prefault answer the same.
 *  - EINTR: a fatal signal is pending.
 *  - ENOMEM, EMFILE, ENFILE.
 *
 * Of a VM with encrypted memory alone (SEV) what is mapped is ciphertext, and no
 * error tells: Linux 6.1 does not let it be seen from outside KVM.  A VM of the
 * other kind is recognised once one of its vCPUs is.
 */
struct kvm_create_tdp_fd {
	__u32 size;
	__s32 vm_fd;
	__u32 as_id;
	__u32 mode;
	__u32 flags;
	__s32 fd;
	__u32 pad[2];
};

/* kvm_tdp_info.type: format of the table */
#define KVM_TDP_FORMAT_EPT	1
#define KVM_TDP_FORMAT_NPT	2

/* kvm_tdp_info.eager: do vCPUs' faults fill the table? */
#define KVM_TDP_EAGER_ON	1
#define KVM_TDP_EAGER_OFF	2	/* switched off: parameter eager */
#define KVM_TDP_EAGER_NONE	3	/* KVM on this kernel cannot be followed */

/**
 * struct kvm_tdp_info - KVM_TDP_GET_INFO: what importers are told
 * @size: sizeof(struct kvm_tdp_info)
 * @flags: in: must be 0
 * @type: out: KVM_TDP_FORMAT_*
 * @level: out: levels of the table, 4 or 5
 * @max_huge_page_level: out: largest leaf: 1 = 4K, 2 = 2M, 3 = 1G
 * @as_id: out: address space
 * @root_hpa: out: host physical address of the root; 0 without CAP_SYS_ADMIN
 * @rsvd_bits_mask: out: [bit 7 of an entry][level - 1]: bits never set
 * @eager: out: KVM_TDP_EAGER_*; if not ON, only fault and prefault fill the
 *	table
 * @pad: out: 0
 *
 * Constant for the life of the TDP fd.
 */
struct kvm_tdp_info {
	__u32 size;
	__u32 flags;
	__u32 type;
	__u32 level;
	__u32 max_huge_page_level;
	__u32 as_id;
	__aligned_u64 root_hpa;
	__aligned_u64 rsvd_bits_mask[2][5];
	__u32 eager;
	__u32 pad;
};

/* Access to ask for or found; read is implied by the others. */
#define KVM_TDP_ACCESS_READ	(1U << 0)
#define KVM_TDP_ACCESS_WRITE	(1U << 1)
#define KVM_TDP_ACCESS_EXEC	(1U << 2)

/**
 * struct kvm_tdp_prefault - KVM_TDP_PREFAULT: map a range of guest memory
 * @size: sizeof(struct kvm_tdp_prefault)
 * @flags: in: must be 0
 * @gpa: in: start; out: first byte not done
 * @length: in: bytes to do; out: bytes left
 * @access: in: KVM_TDP_ACCESS_*, at least one
 * @pad: must be 0
 *
 * Returns 0 if any part was done, with @gpa and @length pointing at what is
 * left: as long as @length is not 0, issue the ioctl again with the same
 * struct.  Each page was mapped at some instant; it may be gone again.  What the
 * host has behind the range may come along, to the next 128K (parameter fault_around).
 *
 * If nothing was done, -1 with errno
 *  - EINVAL: @gpa or @length is not a multiple of 4096, the range wraps, or
 *    @access names no or an unknown access.
 *  - EFAULT: no guest RAM at @gpa (hole, emulated MMIO, private slot,
 *    a guest_memfd that user space may not map, or unmapped in the VMM).
 *  - EACCES: write access to memory that is read-only in the slot or the VMM, or a
 *    shadow stack.
 *  - EBUSY: write access to a slot that logs dirty pages, in a VM that has a
 *    dirty ring, or may still get one: KVM allows that until there is a vCPU.
 *  - EHWPOISON: the page is poisoned.
 *  - EPERM: the VM's process is exiting.
 *  - EINTR: a fatal signal is pending.
 *  - EAGAIN: the host keeps invalidating the range; try again.
 *  - ENOTRECOVERABLE: as KVM_CREATE_TDP_FD.
 *  - ENOMEM.
 */
struct kvm_tdp_prefault {
	__u32 size;
	__u32 flags;
	__aligned_u64 gpa;
	__aligned_u64 length;
	__u32 access;
	__u32 pad;
};

/**
 * struct kvm_tdp_run - a run of like leaves
 * @gpa: guest physical address of the first byte
 * @length: bytes
 * @hpa: host physical address of the first byte; the run is contiguous there
 *	too.  0 without CAP_SYS_ADMIN, and then runs are joined without regard
 *	to host addresses.
 * @access: KVM_TDP_ACCESS_* that the table grants
 * @level: level of each leaf: 1 = 4K, 2 = 2M, 3 = 1G
 */
struct kvm_tdp_run {
	__aligned_u64 gpa;
	__aligned_u64 length;
	__aligned_u64 hpa;
	__u32 access;
	__u32 level;
};

/**
 * struct kvm_tdp_map - KVM_TDP_READ_MAP: what the table maps now
 * @size: sizeof(struct kvm_tdp_map)
 * @flags: in: must be 0
 * @gpa: in: start; out: where to go on
 * @length: in: bytes to look at; out: bytes not yet looked at.  A range that
 *	reaches beyond the table's last address is cut there.
 * @runs: in: user pointer to an array of struct kvm_tdp_run
 * @nr_runs: in: room in the array; out: runs written
 * @pad: must be 0
 *
 * Holes are left out; the first and the last run are clipped to the range.
 * Returns 0; while @length is not 0, set @nr_runs and issue the ioctl again
 * (@nr_runs may come back as 0 with @length not 0).  The table may change
 * meanwhile: each run was true at some instant.
 *
 * -1 with errno
 *  - EINVAL: @gpa or @length is not a multiple of 4096, the range wraps,
 *    or @nr_runs is 0.
 *  - EFAULT: @runs cannot be written.
 *  - EINTR: a fatal signal is pending.
 *  - ENOMEM.
 */
struct kvm_tdp_map {
	__u32 size;
	__u32 flags;
	__aligned_u64 gpa;
	__aligned_u64 length;
	__aligned_u64 runs;
	__u32 nr_runs;
	__u32 pad;
};

/**
 * struct kvm_tdp_stats - KVM_TDP_GET_STATS: counters of the shared table
 * @size: sizeof(struct kvm_tdp_stats)
 * @flags: in: must be 0
 * @leaves: now: leaves at level 1 (4K), 2 (2M), 3 (1G)
 * @table_pages: now: table pages, the root and those waiting to be freed
 *	included, the pool not
 * @pool_pages: now: zeroed table pages in reserve
 * @importers: now: registered importers
 * @faults: calls of fault, from importers and prefault; a call may map more
 *	than one page
 * @faults_spurious: of those, found mapped already
 * @faults_failed: of those, answered with an error
 * @retries: times a fault had to start over because the host was invalidating
 * @entries_set: leaves written since creation
 * @entries_zapped: leaves removed since creation
 * @replaced: leaves or tables removed to make room for a larger or smaller leaf
 * @invalidations: ranges of guest memory that the host took back: one for each
 *	notice of the host and memslot it touched
 * @invalidations_sent: invalidate callbacks made, one per importer and range
 * @slot_zaps: memslots deleted or moved
 * @seeded: pages of 4K that creation copied from KVM's own table
 * @eager_filled: vCPU faults that were copied into the table, each as one leaf
 * @eager_present: vCPU faults for what the table granted already
 * @eager_busy: vCPU faults not copied: the host was invalidating the page
 * @eager_contended: always 0; a fault waits for the lock, which is not held for long
 * @eager_no_pool: ... no table page was in reserve
 * @eager_no_room: ... a leaf or table of another level was in the way
 * @eager_no_slot: ... no memslot of the VM's own, or one being changed
 * @eager_not_ram: ... not RAM that the host may share (device memory,
 *	memfd_secret())
 * @eager_foreign: vCPU faults of other VMs, and such whose vCPU was not
 *	recognised, seen since the module was loaded; 0 without CAP_SYS_ADMIN
 *
 * Pages that are not copied are mapped by the first fault for them.  All members are
 * shared by the fds of one table, @eager_foreign by all.
 */
struct kvm_tdp_stats {
	__u32 size;
	__u32 flags;
	__aligned_u64 leaves[3];
	__aligned_u64 table_pages;
	__aligned_u64 pool_pages;
	__aligned_u64 importers;
	__aligned_u64 faults;
	__aligned_u64 faults_spurious;
	__aligned_u64 faults_failed;
	__aligned_u64 retries;
	__aligned_u64 entries_set;
	__aligned_u64 entries_zapped;
	__aligned_u64 replaced;
	__aligned_u64 invalidations;
	__aligned_u64 invalidations_sent;
	__aligned_u64 slot_zaps;
	__aligned_u64 seeded;
	__aligned_u64 eager_filled;
	__aligned_u64 eager_present;
	__aligned_u64 eager_busy;
	__aligned_u64 eager_contended;
	__aligned_u64 eager_no_pool;
	__aligned_u64 eager_no_room;
	__aligned_u64 eager_no_slot;
	__aligned_u64 eager_not_ram;
	__aligned_u64 eager_foreign;
};

/**
 * struct kvm_tdp_verify - KVM_TDP_VERIFY: hold the table against the host
 * @size: sizeof(struct kvm_tdp_verify)
 * @flags: in: must be 0
 * @gpa: in: start; out: where to go on
 * @length: in: bytes to look at; out: bytes not yet looked at.  A range that
 *	reaches beyond the table's last address is cut there.
 * @leaves: out: leaves looked at
 * @pages: out: pages of 4K in them
 * @retries: out: times that something changed while a page was looked at, and
 *	it was looked at again
 * @undecided: out: pages that changed each time, or that are in memory which the
 *	VMM may write and not read, or in a mapping of a device's; nothing was found wrong
 * @stale: out: pages of which the host has another page mapped, or none
 * @excess: out: pages that may be written and must not be: read-only in the
 *	slot or the host, or not in the dirty log of a slot that logs
 * @no_slot: out: pages whose leaf is not in a memslot of the VM's own
 * @reserved: out: pages with reserved bits in an entry on the way to them
 * @kvm: out: pages of which KVM's own table has another page
 * @counters: out: counters that do not agree with what is there; looked at
 *	only when the range is the whole table and nothing changes meanwhile
 * @first_bad: out: lowest gpa with something wrong, if anything is: that is if
 *	one of the members from @stale to @kvm is not 0
 *
 * An operator's fsck, and the oracle of tests: whatever it finds wrong is a bug
 * in this module, and importers that have used the page may have spoilt memory.
 * It runs against a live VM, without false alarms, and changes nothing; but it
 * takes locks that vCPUs and the VMM wait for.  So it is for CAP_SYS_ADMIN (in
 * the initial user namespace).
 *
 * Returns 0, also if something is wrong.  While @length is not 0, issue the
 * ioctl again with the same struct: the counts are added to.
 *
 * -1 with errno
 *  - EINVAL: @gpa or @length is not a multiple of 4096, or the range wraps.
 *  - EPERM: the caller lacks CAP_SYS_ADMIN, or the VM's process is exiting.
 *  - EINTR: a signal is pending, and nothing was done.
 *  - ENOMEM.
 */
struct kvm_tdp_verify {
	__u32 size;
	__u32 flags;
	__aligned_u64 gpa;
	__aligned_u64 length;
	__aligned_u64 leaves;
	__aligned_u64 pages;
	__aligned_u64 retries;
	__aligned_u64 undecided;
	__aligned_u64 stale;
	__aligned_u64 excess;
	__aligned_u64 no_slot;
	__aligned_u64 reserved;
	__aligned_u64 kvm;
	__aligned_u64 counters;
	__aligned_u64 first_bad;
};

/* kvm_tdp_slot.flags */
#define KVM_TDP_SLOT_READONLY	(1U << 0)	/* for the guest, and for importers */
#define KVM_TDP_SLOT_LOGGED	(1U << 1)	/* KVM logs which pages are written */
#define KVM_TDP_SLOT_NOT_MAPPED	(1U << 2)	/* fault refuses it: private guest_memfd */

/* kvm_tdp_slot.backing: of its first page */
#define KVM_TDP_BACKING_NONE	0	/* unmapped in the VMM, or that has exited */
#define KVM_TDP_BACKING_ANON	1
#define KVM_TDP_BACKING_SHMEM	2	/* memfd, tmpfs, System V, shared anonymous */
#define KVM_TDP_BACKING_HUGETLB	3
#define KVM_TDP_BACKING_FILE	4	/* DAX too */
#define KVM_TDP_BACKING_DEVICE	5	/* memory of a device: fault refuses it */
#define KVM_TDP_BACKING_GUEST_MEMFD 6	/* all of it, whatever is mapped in the VMM */

/**
 * struct kvm_tdp_slot - a memslot: guest memory that is contiguous in the VMM
 * @gpa: guest physical address of the first byte
 * @length: bytes
 * @hva: where the VMM has it; 0 without CAP_SYS_ADMIN, but for the VMM itself
 * @flags: KVM_TDP_SLOT_*
 * @backing: KVM_TDP_BACKING_*
 */
struct kvm_tdp_slot {
	__aligned_u64 gpa;
	__aligned_u64 length;
	__aligned_u64 hva;
	__u32 flags;
	__u32 backing;
};

/**
 * struct kvm_tdp_slots - KVM_TDP_READ_SLOTS: where the guest has memory
 * @size: sizeof(struct kvm_tdp_slots)
 * @flags: in: must be 0
 * @gpa: in: slots that end behind this address; out: where to go on
 * @slots: in: user pointer to an array of struct kvm_tdp_slot
 * @nr_slots: in: room in the array; out: slots written, in ascending order; less
 *	than there was room for: there are no more
 * @pad: must be 0
 *
 * Slots of KVM's own are left out.  The VMM may change its slots meanwhile: each was
 * there at some instant.
 *
 * Returns 0, or -1 with errno
 *  - EINVAL: @gpa is not a multiple of 4096, or @nr_slots is 0.
 *  - EFAULT: @slots cannot be written.
 *  - EINTR: a fatal signal is pending.
 */
struct kvm_tdp_slots {
	__u32 size;
	__u32 flags;
	__aligned_u64 gpa;
	__aligned_u64 slots;
	__u32 nr_slots;
	__u32 pad;
};

/**
 * struct kvm_tdp_importer - a driver that uses the table
 * @name: what it calls itself; "unnamed" if it has not said
 * @invalidations: invalidate callbacks made since it registered
 * @pid: process that had it register, in the caller's pid namespace; 0: it is not in
 *	that, or gone
 * @pad: 0
 */
struct kvm_tdp_importer {
	char name[32];
	__aligned_u64 invalidations;
	__s32 pid;
	__u32 pad;
};

/**
 * struct kvm_tdp_importers - KVM_TDP_READ_IMPORTERS: who uses the table
 * @size: sizeof(struct kvm_tdp_importers)
 * @flags: in: must be 0
 * @importers: in: user pointer to an array of struct kvm_tdp_importer
 * @nr_importers: in: room in the array; out: importers written, 85 at most
 * @nr_all: out: importers that there are, by all TDP fds of the table
 * @pad: must be 0
 *
 * Returns 0, or -1 with errno
 *  - EINVAL: @nr_importers is 0.
 *  - EFAULT: @importers cannot be written.
 *  - ENOMEM.
 */
struct kvm_tdp_importers {
	__u32 size;
	__u32 flags;
	__aligned_u64 importers;
	__u32 nr_importers;
	__u32 nr_all;
	__aligned_u64 pad;
};

#endif /* _UAPI_LINUX_KVM_TDP_H */
