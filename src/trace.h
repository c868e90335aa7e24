/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm_tdp

#if !defined(_KTDP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _KTDP_TRACE_H

#include <linux/tracepoint.h>

/* An entry of the table changes; entries hold host physical addresses. */
TRACE_EVENT(kvm_tdp_set_entry,
	TP_PROTO(const void *table, u64 gfn, int level, u64 old, u64 new),
	TP_ARGS(table, gfn, level, old, new),

	TP_STRUCT__entry(
		__field(const void *, table)
		__field(u64, gfn)
		__field(u64, old)
		__field(u64, new)
		__field(int, level)
	),

	TP_fast_assign(
		__entry->table = table;
		__entry->gfn = gfn;
		__entry->old = old;
		__entry->new = new;
		__entry->level = level;
	),

	TP_printk("table %p gfn %llx level %d %llx -> %llx", __entry->table,
		  __entry->gfn, __entry->level, __entry->old, __entry->new)
);

/* Importers are told of a range of guest physical bytes. */
TRACE_EVENT(kvm_tdp_invalidate,
	TP_PROTO(const void *table, unsigned long start, unsigned long size),
	TP_ARGS(table, start, size),

	TP_STRUCT__entry(
		__field(const void *, table)
		__field(unsigned long, start)
		__field(unsigned long, size)
	),

	TP_fast_assign(
		__entry->table = table;
		__entry->start = start;
		__entry->size = size;
	),

	TP_printk("table %p gpa %lx size %lx", __entry->table,
		  __entry->start, __entry->size)
);

/* A fault of an importer or of prefault ends; ret is pages mapped or -errno. */
TRACE_EVENT(kvm_tdp_fault,
	TP_PROTO(const void *table, u64 gfn, bool write, long ret),
	TP_ARGS(table, gfn, write, ret),

	TP_STRUCT__entry(
		__field(const void *, table)
		__field(u64, gfn)
		__field(long, ret)
		__field(bool, write)
	),

	TP_fast_assign(
		__entry->table = table;
		__entry->gfn = gfn;
		__entry->ret = ret;
		__entry->write = write;
	),

	TP_printk("table %p gfn %llx %s ret %ld", __entry->table,
		  __entry->gfn, __entry->write ? "write" : "read", __entry->ret)
);

#endif /* _KTDP_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace

/* This part must be outside protection */
#include <trace/define_trace.h>
