/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm_tdp

#if !defined(_KTDP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _KTDP_TRACE_H

#include <linux/tracepoint.h>

struct kvm_exported_tdp;
struct kvm_memory_slot;
struct ktdp_table;

/*
 * kvm-tdp(8) documents them, and kvm-tdp events parses the text.  All have: the table, as
 * kvm_tdp_id in a TDP fd's fdinfo; the process that created the VM, as kvm_tdp_vm_pid there.
 */

/* An entry of the table changes; entries hold host physical addresses. */
TRACE_EVENT(kvm_tdp_set_entry,
	TP_PROTO(const struct ktdp_table *table, u64 gfn, int level, u64 old, u64 new),
	TP_ARGS(table, gfn, level, old, new),

	TP_STRUCT__entry(
		__field(u64, table)
		__field(u64, gfn)
		__field(u64, old)
		__field(u64, new)
		__field(int, level)
		__field(pid_t, vm_pid)
	),

	TP_fast_assign(
		const struct kvm_exported_tdp *tdp =
			container_of(table, struct kvm_exported_tdp, table);

		__entry->table = tdp->id;
		__entry->vm_pid = tdp->kvm->userspace_pid;
		__entry->gfn = gfn;
		__entry->old = old;
		__entry->new = new;
		__entry->level = level;
	),

	TP_printk("vm_pid %d table %llu gfn %llx level %d %llx -> %llx",
		  __entry->vm_pid, __entry->table, __entry->gfn, __entry->level,
		  __entry->old, __entry->new)
);

/* Importers are told of a range of guest physical bytes; (0, -1) is everything. */
TRACE_EVENT(kvm_tdp_invalidate,
	TP_PROTO(const struct kvm_exported_tdp *tdp, unsigned long start,
		 unsigned long size),
	TP_ARGS(tdp, start, size),

	TP_STRUCT__entry(
		__field(u64, table)
		__field(unsigned long, start)
		__field(unsigned long, size)
		__field(pid_t, vm_pid)
	),

	TP_fast_assign(
		__entry->table = tdp->id;
		__entry->vm_pid = tdp->kvm->userspace_pid;
		__entry->start = start;
		__entry->size = size;
	),

	TP_printk("vm_pid %d table %llu gpa %lx size %lx", __entry->vm_pid,
		  __entry->table, __entry->start, __entry->size)
);

/* A fault of an importer or of prefault ends; ret is pages mapped or -errno. */
TRACE_EVENT(kvm_tdp_fault,
	TP_PROTO(const struct kvm_exported_tdp *tdp, u64 gfn, bool write, long ret),
	TP_ARGS(tdp, gfn, write, ret),

	TP_STRUCT__entry(
		__field(u64, table)
		__field(u64, gfn)
		__field(long, ret)
		__field(bool, write)
		__field(pid_t, vm_pid)
	),

	TP_fast_assign(
		__entry->table = tdp->id;
		__entry->vm_pid = tdp->kvm->userspace_pid;
		__entry->gfn = gfn;
		__entry->ret = ret;
		__entry->write = write;
	),

	TP_printk("vm_pid %d table %llu gfn %llx %s ret %ld", __entry->vm_pid,
		  __entry->table, __entry->gfn, __entry->write ? "write" : "read",
		  __entry->ret)
);

TRACE_DEFINE_ENUM(KVM_MR_CREATE);
TRACE_DEFINE_ENUM(KVM_MR_DELETE);
TRACE_DEFINE_ENUM(KVM_MR_MOVE);
TRACE_DEFINE_ENUM(KVM_MR_FLAGS_ONLY);

/*
 * A memslot changes, KVM's own included.  One that moves is removed first; flags are
 * KVM_MEM_*.
 */
TRACE_EVENT(kvm_tdp_slot,
	TP_PROTO(const struct kvm_exported_tdp *tdp,
		 const struct kvm_memory_slot *slot, int change),
	TP_ARGS(tdp, slot, change),

	TP_STRUCT__entry(
		__field(u64, table)
		__field(u64, gfn)
		__field(u64, pages)
		__field(u32, flags)
		__field(int, slot)
		__field(int, change)
		__field(pid_t, vm_pid)
	),

	TP_fast_assign(
		__entry->table = tdp->id;
		__entry->vm_pid = tdp->kvm->userspace_pid;
		__entry->gfn = slot->base_gfn;
		__entry->pages = slot->npages;
		__entry->flags = slot->flags;
		__entry->slot = slot->id;
		__entry->change = change;
	),

	TP_printk("vm_pid %d table %llu slot %d gfn %llx pages %llx flags %x %s",
		  __entry->vm_pid, __entry->table, __entry->slot, __entry->gfn,
		  __entry->pages, __entry->flags,
		  __print_symbolic(__entry->change,
				   { KVM_MR_CREATE, "create" },
				   { KVM_MR_DELETE, "remove" },
				   { KVM_MR_MOVE, "move" },
				   { KVM_MR_FLAGS_ONLY, "flags" }))
);

#endif /* _KTDP_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace

/* This part must be outside protection */
#include <trace/define_trace.h>
