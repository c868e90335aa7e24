/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_EVENT_H
#define KVM_TDP_EVENT_H

/* The module's tracepoints, as the kernel prints them. Pure: no I/O, no globals. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_type {
	EVENT_INVALIDATE,
	EVENT_FAULT,
	EVENT_ENTRY,
	EVENT_SLOT,
	EVENT_NR,		/* of those that can be asked for */
	EVENT_LOST = EVENT_NR,	/* the kernel's buffer was full */
};

struct event {
	enum event_type type;
	char time[24];		/* seconds, with a fraction */
	int vm_pid;		/* a thread of the VMM's process */
	uint64_t table;
	uint64_t gpa;
	uint64_t length;	/* bytes; of an invalidation UINT64_MAX: everything */
	unsigned int level;	/* of the entry */
	uint64_t old, new;	/* the entry */
	bool write;		/* access the fault was for */
	long result;		/* of the fault: pages mapped, or -errno */
	int slot;
	char change[8];		/* of the slot */
	unsigned int flags;	/* of the slot, KVM_MEM_* */
	uint64_t lost;		/* events; 0: it is not known how many */
};

/* As it is called here, and by the kernel. */
const char *event_name(enum event_type type);
const char *event_tracepoint(enum event_type type);

/* A line of trace_pipe; false if it is none of ours. */
bool event_parse(const char *line, struct event *event);

/* "ro,log", or "-". */
#define EVENT_FLAGS_TEXT	8
const char *event_flags(unsigned int flags, char text[EVENT_FLAGS_TEXT]);

/* One line for people, of all but EVENT_LOST. */
#define EVENT_TEXT	256
int event_format(const struct event *event, int pid, const char *comm,
		 char text[EVENT_TEXT]);

#endif /* KVM_TDP_EVENT_H */
