/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_TEST_H
#define _KTDP_TEST_H

/*
 * /dev/ktdp_test: the kernel side of the tests.  It calls the importer API of
 * kvm_tdp as user space tells it to.
 *
 * An ioctl fails only if the helper could not make the call; what the function
 * under test answered is in @ret.  Handles and importers belong to the open
 * file.  Calls that use a handle must not run at once with a put of it.
 */

#include <linux/ioctl.h>
#include <linux/types.h>

#define KTDP_TEST_HANDLES	8
#define KTDP_TEST_IMPORTERS	4
#define KTDP_TEST_RECORDS	4096
#define KTDP_TEST_STOPS		6
#define KTDP_TEST_SYMBOL	64	/* room for a name and its NUL */

/* ktdp_test_call.importer: not one of the importers */
#define KTDP_TEST_NULL_OPS	(-1)	/* ops is NULL */
#define KTDP_TEST_NO_CALLBACK	(-2)	/* ops->invalidate is NULL */

/* ktdp_test_call.mm: 0 is the caller's, a positive number a process's */
#define KTDP_TEST_MM_NULL	(-1)
#define KTDP_TEST_MM_HELD	(-2)	/* the one KTDP_TEST_HOLD_MM took */

/* ktdp_test_call.context: who calls fault */
#define KTDP_TEST_CALLER	0
#define KTDP_TEST_KTHREAD	1
#define KTDP_TEST_KTHREAD_MM	2	/* ... that runs in the mm given */

/* ktdp_test_call.flags */
#define KTDP_TEST_NULL_TDP_FD	0x01
#define KTDP_TEST_EMPTY_TDP_FD	0x02	/* an object with nothing in it */

/* ktdp_test_call.access; not the values of any other interface */
#define KTDP_TEST_READ		0x10
#define KTDP_TEST_WRITE		0x20
#define KTDP_TEST_EXEC		0x40
#define KTDP_TEST_STRAY		0x80	/* bits that have no meaning */

/**
 * struct ktdp_test_call - GET, PUT, REGISTER, UNREGISTER, FAULT, HOLD_MM
 * @ret: out: what the function returned; -EPROTO if kvm_tdp_fd_get() gave NULL
 * @fd: GET: descriptor number
 * @handle: GET: out; else in: names the object that GET found
 * @importer: REGISTER, UNREGISTER: index, or KTDP_TEST_N...
 * @gfn: FAULT; with @nr: out: what is left
 * @nr: FAULT: 0, or pages for fault_range; out: those that are left
 * @access: FAULT: KTDP_TEST_READ...
 * @mm: FAULT, HOLD_MM: whose mm
 * @context: FAULT: KTDP_TEST_CALLER...
 * @flags: REGISTER, UNREGISTER, FAULT: KTDP_TEST_NULL_TDP_FD...
 * @running_before: UNREGISTER: out: callbacks that ran when it was called
 * @running_after: UNREGISTER: out: callbacks that ran when it had returned
 *
 * PUT drops the handle and leaves what is registered through it registered.
 */
struct ktdp_test_call {
	__s32 ret;
	__s32 fd;
	__u32 handle;
	__s32 importer;
	__aligned_u64 gfn;
	__u32 access;
	__s32 mm;
	__u32 context;
	__u32 flags;
	__u32 running_before;
	__u32 running_after;
	__aligned_u64 nr;
};

/**
 * struct ktdp_test_metadata - METADATA
 * @ret: out: 0 or the error; -EPROTO if get_metadata gave NULL
 * @handle: in
 * @cookie: out: the pointer that get_metadata returned, as a number
 * @flags: in: KTDP_TEST_NULL_TDP_FD...
 * @type: out: as the others, from the metadata
 */
struct ktdp_test_metadata {
	__s32 ret;
	__u32 handle;
	__aligned_u64 cookie;
	__u32 type;
	__s32 level;
	__aligned_u64 root_hpa;
	__s32 max_huge_page_level;
	__u32 flags;
	__aligned_u64 rsvd_bits_mask[2][5];
};

/* ktdp_test_record.flags */
#define KTDP_TEST_IN_TASK	0x01	/* no interrupt or softirq */
#define KTDP_TEST_ATOMIC	0x02	/* preemption is off */
#define KTDP_TEST_IRQS_OFF	0x04
#define KTDP_TEST_REVOKE	0x08	/* that callback, which the last importer has */

/**
 * struct ktdp_test_record - one callback, invalidate or revoke
 * @start: its argument
 * @size: its argument
 * @order: number of the callback among those of all importers of all files
 * @begin_ns: CLOCK_MONOTONIC when it was entered
 * @end_ns: CLOCK_MONOTONIC when it was left
 * @importer: index
 * @flags: the context it was called in
 * @tid: thread it was called by, in the initial pid namespace
 * @pad: 0
 */
struct ktdp_test_record {
	__aligned_u64 start;
	__aligned_u64 size;
	__aligned_u64 order;
	__aligned_u64 begin_ns;
	__aligned_u64 end_ns;
	__u32 importer;
	__u32 flags;
	__u32 tid;
	__u32 pad;
};

/**
 * struct ktdp_test_log - LOG: read, and forget, the callbacks since the last LOG
 * @importer: in: index
 * @nr: in: room; out: records written
 * @records: in: user pointer to struct ktdp_test_record
 * @total: out: callbacks; more than @nr if there was no room for them
 * @gone: out: how often it was told that the VM is gone, ever
 * @gone_flags: out: the context of the last of these
 */
struct ktdp_test_log {
	__u32 importer;
	__u32 nr;
	__aligned_u64 records;
	__aligned_u64 total;
	__u32 gone;
	__u32 gone_flags;
};

/* ktdp_test_control.action */
#define KTDP_TEST_LOOK		0
#define KTDP_TEST_HOLD		1	/* the next callback spins ... */
#define KTDP_TEST_RELEASE	2	/* ... until this, or for 10 s */

/**
 * struct ktdp_test_control - CONTROL
 * @importer: in: index
 * @action: in: KTDP_TEST_LOOK...
 * @running: out: callbacks that run now
 * @pad: 0
 *
 * UNREGISTER releases a callback that spins, 100 ms after it was called.
 */
struct ktdp_test_control {
	__u32 importer;
	__u32 action;
	__u32 running;
	__u32 pad;
};

/**
 * struct ktdp_test_poke - POKE: spoil the table, or mend it again
 * @handle: in
 * @level: out: level of the entry; 0 if there is none: no table has it
 * @gfn: in: its leaf is meant
 * @flip: in: bits to change
 * @entry: out: the entry, as it is now
 *
 * For an instant, with nothing else going on: the exporter does not know.
 */
struct ktdp_test_poke {
	__u32 handle;
	__u32 level;
	__aligned_u64 gfn;
	__aligned_u64 flip;
	__aligned_u64 entry;
};

/* ktdp_test_bench.kind */
#define KTDP_TEST_BENCH_NOTHING	0	/* what measuring itself costs */
#define KTDP_TEST_BENCH_HMM	1	/* hmm_range_fault() in steps of @batch */
#define KTDP_TEST_BENCH_FAULT	2	/* fault() page by page */
#define KTDP_TEST_BENCH_GUP_FAST	3	/* what others pin with */

/**
 * struct ktdp_test_bench - BENCH: time a call over a run of pages
 * @ret: out: first error of the function, 0 if there was none
 * @kind: in: KTDP_TEST_BENCH_...
 * @handle: in: FAULT
 * @batch: in: HMM: pages per call; 1 to 512, divides @pages
 * @hva: in: HMM, GUP_FAST: first page, in the caller's address space
 * @gfn: in: FAULT: first page
 * @pages: in: how many; at most 65536
 * @access: in: KTDP_TEST_READ...
 * @calls: out: calls timed
 * @min: out: TSC ticks of the shortest call
 * @median: out
 * @max: out
 * @total: out: sum over all calls
 */
struct ktdp_test_bench {
	__s32 ret;
	__u32 kind;
	__u32 handle;
	__u32 batch;
	__aligned_u64 hva;
	__aligned_u64 gfn;
	__aligned_u64 pages;
	__u32 access;
	__u32 calls;
	__aligned_u64 min;
	__aligned_u64 median;
	__aligned_u64 max;
	__aligned_u64 total;
};

/* ktdp_test_kvm_run.flags */
#define KTDP_TEST_KVM_WRITE	0x01	/* KVM lets the guest write */
#define KTDP_TEST_KVM_PRIVATE	0x02	/* in no slot of the VMM's */
#define KTDP_TEST_KVM_NOT_RAM	0x04	/* no page that the host manages */

/**
 * struct ktdp_test_kvm_run - like leaves of KVM's table, contiguous in the host
 * @gpa: of the first byte
 * @length: bytes
 * @hpa: of the first byte
 * @level: of each leaf
 * @flags: KTDP_TEST_KVM_WRITE...
 */
struct ktdp_test_kvm_run {
	__aligned_u64 gpa;
	__aligned_u64 length;
	__aligned_u64 hpa;
	__u32 level;
	__u32 flags;
};

/**
 * struct ktdp_test_kvm_map - KVM_MAP: what KVM's own table of a VM maps
 * @vm_fd: in: the VM
 * @as_id: in: address space
 * @gpa: in: start; out: where to go on
 * @length: in: bytes; out: bytes not yet looked at
 * @runs: in: user pointer to struct ktdp_test_kvm_run
 * @nr: in: room; out: runs written
 * @pad: 0
 *
 * To be called until @length is 0.  ENODEV: no vCPU has a table there (yet).
 */
struct ktdp_test_kvm_map {
	__s32 vm_fd;
	__u32 as_id;
	__aligned_u64 gpa;
	__aligned_u64 length;
	__aligned_u64 runs;
	__u32 nr;
	__u32 pad;
};

/**
 * struct ktdp_test_encrypt - ENCRYPT: make a VM look like one of SEV-ES, or not
 * @vm_fd: in: the VM; its vCPUs do not run meanwhile
 * @on: in: 0 or 1
 */
struct ktdp_test_encrypt {
	__s32 vm_fd;
	__u32 on;
};

/**
 * struct ktdp_test_unlog - UNLOG: take a page out of the dirty log, without a trace
 * @vm_fd: in: the VM; address space 0
 * @pad: 0
 * @gfn: in: the page, of a slot that logs into a bitmap
 */
struct ktdp_test_unlog {
	__s32 vm_fd;
	__u32 pad;
	__aligned_u64 gfn;
};

/* ktdp_test_stop.action */
#define KTDP_TEST_STOP_LOOK	0
#define KTDP_TEST_STOP_ARM	1
#define KTDP_TEST_STOP_RELEASE	2	/* let go, now or as soon as held */
#define KTDP_TEST_STOP_DISARM	3	/* the same, and take it away */

/* ktdp_test_stop.flags */
#define KTDP_TEST_AT_RETURN	0x01	/* of the function, not at its entry */
#define KTDP_TEST_BY_US		0x02	/* only when kvm_tdp calls it */

/* ktdp_test_stop.state */
#define KTDP_TEST_AWAITED	0
#define KTDP_TEST_HELD		1
#define KTDP_TEST_GONE		2	/* was held, and released */
#define KTDP_TEST_LAPSED	3	/* was held for 10 s, and went on */

/**
 * struct ktdp_test_stop - STOP: hold a thread at a function of the kernel
 * @index: in: below KTDP_TEST_STOPS
 * @action: in: KTDP_TEST_STOP_...
 * @flags: in: ARM
 * @tid: in: ARM: the thread meant; 0: any
 * @skip: in: ARM: let pass so many times; more than come: only count
 * @state: out
 * @hits: out: how often the thread has come by since ARM
 * @arg_nr: in: ARM: count only calls whose argument of this number, from 1 to
 *	6, is @arg; 0: all
 * @arg: in: ARM: see @arg_nr
 * @symbol: in: ARM: function, as NAME or MODULE:NAME
 *
 * The thread spins with preemption off, and with whatever locks are held at
 * that point: what waits for its CPU waits for RELEASE.  ARM and DISARM do.  With
 * BY_US interrupts may be off, too: then whoever sends that CPU one and waits for the
 * answer, as to flush its TLB, waits as well; other calls with interrupts off do not
 * count.  A stop holds once; closing the file disarms all.
 *
 * ARM fails with EBUSY if it is armed, with ENOENT if there is no such function
 * and with EOPNOTSUPP if that could only be with interrupts off, wherever it is called.
 */
struct ktdp_test_stop {
	__u32 index;
	__u32 action;
	__u32 flags;
	__s32 tid;
	__u32 skip;
	__u32 state;
	__u32 hits;
	__u32 arg_nr;
	__aligned_u64 arg;
	char symbol[KTDP_TEST_SYMBOL];
};

/* ktdp_test_watch.action */
#define KTDP_TEST_WATCH_ARM	0	/* before there is a TDP fd of the VM */
#define KTDP_TEST_WATCH_BEGIN	1	/* register, with a range to watch */
#define KTDP_TEST_WATCH_SCAN	2	/* take what the table has; check all */
#define KTDP_TEST_WATCH_DIRTY	3	/* what is held against the dirty log */
#define KTDP_TEST_WATCH_END	4	/* unregister, hold nothing */
#define KTDP_TEST_WATCH_DEAF	5	/* as if not told, up to the next SCAN */

/* ktdp_test_watch.wrong: a translation was held ... */
#define KTDP_TEST_WATCH_HOST	0	/* and the host had another page, or none */
#define KTDP_TEST_WATCH_WRITE	1	/* to write, and the host's, or slot, was read-only */
#define KTDP_TEST_WATCH_LATE	2	/* when the host was about to take the page */
#define KTDP_TEST_WATCH_SLOT	3	/* and there was no memslot */
#define KTDP_TEST_WATCH_CHANGED	4	/* and the table had another page */
#define KTDP_TEST_WATCH_LOG	5	/* to write, and the page was not in the log */
#define KTDP_TEST_WATCH_KINDS	6

/**
 * struct ktdp_test_watch - WATCH: an importer that checks what it was told
 * @action: in: KTDP_TEST_WATCH_...
 * @handle: in: BEGIN
 * @vm_fd: in: BEGIN: the handle's VM, of the process that did ARM
 * @first_kind: out: index in @wrong of the first thing found wrong
 * @gfn: in: BEGIN, SCAN, DIRTY: first page
 * @nr: in: pages; BEGIN: at most 65536
 * @taken: out: translations taken
 * @told: out: callbacks
 * @dropped: out: translations that they made void
 * @checks: out: comparisons
 * @blinks: out: entries that the host had cleared for a moment
 * @wrong: out: by KTDP_TEST_WATCH_HOST...; all 0 is what is expected
 * @first_gfn: out: page of the first thing found wrong; 0: nothing was
 * @first_held: out: the translation: address, bit 1 write
 * @first_there: out: what the host, or the table, had; 0: nothing
 * @first_taken: out: @told when it was taken
 * @first_told: out: @told when it was found
 *
 * The counters go on from one BEGIN to the next.
 */
struct ktdp_test_watch {
	__u32 action;
	__u32 handle;
	__s32 vm_fd;
	__u32 first_kind;
	__aligned_u64 gfn;
	__aligned_u64 nr;
	__aligned_u64 taken;
	__aligned_u64 told;
	__aligned_u64 dropped;
	__aligned_u64 checks;
	__aligned_u64 blinks;
	__aligned_u64 wrong[KTDP_TEST_WATCH_KINDS];
	__aligned_u64 first_gfn;
	__aligned_u64 first_held;
	__aligned_u64 first_there;
	__aligned_u64 first_taken;
	__aligned_u64 first_told;
};

/* ktdp_test_lock.action */
#define KTDP_TEST_LOCK_BEGIN	0	/* see the calls; ends with the file */
#define KTDP_TEST_LOCK_WATCH	1	/* count anew */
#define KTDP_TEST_LOCK_LOOK	2

/**
 * struct ktdp_test_lock - LOCK: how long the locks of tables are held
 * @action: in: KTDP_TEST_LOCK_...
 * @handle: in: WATCH: any
 * @holds: out: since WATCH; locks in locks count as one hold
 * @longest: out: of those, in TSC ticks, without what seeing it costs
 * @holder: out: of the longest: the function that let go
 *
 * BEGIN fails with EOPNOTSUPP if there is more than one CPU, and with EBUSY if
 * another file watches.
 */
struct ktdp_test_lock {
	__u32 action;
	__u32 handle;
	__aligned_u64 holds;
	__aligned_u64 longest;
	char holder[KTDP_TEST_SYMBOL];
};

/* ktdp_test_span.action */
#define KTDP_TEST_SPAN_BEGIN	0	/* see the calls; ends with the file */
#define KTDP_TEST_SPAN_LOOK	1

/**
 * struct ktdp_test_span - SPAN: how long calls of a function of the kernel take
 * @action: in: KTDP_TEST_SPAN_...
 * @pad: 0
 * @calls: out: LOOK: by the process that did BEGIN, since the last LOOK
 * @ticks: out: LOOK: of all of them, without what seeing them costs
 * @symbol: in: BEGIN: function, as NAME or MODULE:NAME
 *
 * BEGIN fails with EBUSY if another file sees calls, and with ENOENT if there is no such
 * function.
 */
struct ktdp_test_span {
	__u32 action;
	__u32 pad;
	__aligned_u64 calls;
	__aligned_u64 ticks;
	char symbol[KTDP_TEST_SYMBOL];
};

/* ktdp_test_break.what */
#define KTDP_TEST_BREAK_PAGE	0	/* loads of it fault in the kernel */
#define KTDP_TEST_MEND_PAGE	1
#define KTDP_TEST_BREAK_FTRACE	2	/* for good */
#define KTDP_TEST_BREAK_HOOK	3	/* until kvm_tdp is loaded anew */

/**
 * struct ktdp_test_break - BREAK: what otherwise takes broken hardware, or a bug
 * @what: in: KTDP_TEST_BREAK_PAGE...
 * @pad: 0
 * @hva: in: of a 4K page, present in the caller's mm
 *
 * A broken page is no longer in the kernel's direct map, as the kernel does with
 * one that it knows to be poisoned: an emulator raises no machine check, but
 * that fault comes at the same instruction, and for the same fixup.  All else
 * finds the page as it was.
 */
struct ktdp_test_break {
	__u32 what;
	__u32 pad;
	__aligned_u64 hva;
};

/**
 * struct ktdp_test_iova - IOVA: what an IOMMU translates for a PCI device
 * @device: its name, as in /sys/bus/pci/devices
 * @iova: in: the address
 * @hpa: out: the host physical address, 0: none
 */
struct ktdp_test_iova {
	char device[32];
	__aligned_u64 iova;
	__aligned_u64 hpa;
};

#define KTDP_TEST_GET		_IOWR('k', 0, struct ktdp_test_call)
#define KTDP_TEST_PUT		_IOWR('k', 1, struct ktdp_test_call)
#define KTDP_TEST_REGISTER	_IOWR('k', 2, struct ktdp_test_call)
#define KTDP_TEST_UNREGISTER	_IOWR('k', 3, struct ktdp_test_call)
#define KTDP_TEST_FAULT		_IOWR('k', 4, struct ktdp_test_call)
#define KTDP_TEST_HOLD_MM	_IOWR('k', 5, struct ktdp_test_call)
#define KTDP_TEST_METADATA	_IOWR('k', 6, struct ktdp_test_metadata)
#define KTDP_TEST_LOG		_IOWR('k', 7, struct ktdp_test_log)
#define KTDP_TEST_CONTROL	_IOWR('k', 8, struct ktdp_test_control)
#define KTDP_TEST_BENCH		_IOWR('k', 9, struct ktdp_test_bench)
#define KTDP_TEST_POKE		_IOWR('k', 10, struct ktdp_test_poke)
#define KTDP_TEST_KVM_MAP	_IOWR('k', 11, struct ktdp_test_kvm_map)
#define KTDP_TEST_STOP		_IOWR('k', 12, struct ktdp_test_stop)
#define KTDP_TEST_ENCRYPT	_IOWR('k', 13, struct ktdp_test_encrypt)
#define KTDP_TEST_UNLOG		_IOWR('k', 14, struct ktdp_test_unlog)
#define KTDP_TEST_WATCH		_IOWR('k', 16, struct ktdp_test_watch)
#define KTDP_TEST_LOCK		_IOWR('k', 17, struct ktdp_test_lock)
#define KTDP_TEST_BREAK		_IOWR('k', 18, struct ktdp_test_break)
#define KTDP_TEST_IOVA		_IOWR('k', 19, struct ktdp_test_iova)
#define KTDP_TEST_SPAN		_IOWR('k', 20, struct ktdp_test_span)

#endif /* _KTDP_TEST_H */
