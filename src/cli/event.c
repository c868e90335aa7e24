// SPDX-License-Identifier: GPL-2.0-only
#include "event.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <linux/kvm.h>

#include "../lib/libkvm_tdp.h"
#include "text.h"

#define PAGE_SHIFT	12
#define LEVEL_BITS	9

static const struct {
	const char *name;
	const char *tracepoint;
} types[EVENT_NR] = {
	[EVENT_INVALIDATE] = { "invalidate", "kvm_tdp_invalidate" },
	[EVENT_FAULT] = { "fault", "kvm_tdp_fault" },
	[EVENT_ENTRY] = { "entry", "kvm_tdp_set_entry" },
	[EVENT_SLOT] = { "slot", "kvm_tdp_slot" },
};

const char *event_name(enum event_type type)
{
	return types[type].name;
}

const char *event_tracepoint(enum event_type type)
{
	return types[type].tracepoint;
}

#define TABLE	"vm_pid %d table %" SCNu64

static bool parse_invalidate(const char *text, struct event *event)
{
	return sscanf(text, TABLE " gpa %" SCNx64 " size %" SCNx64, &event->vm_pid,
		      &event->table, &event->gpa, &event->length) == 4;
}

static bool parse_fault(const char *text, struct event *event)
{
	char access[8];

	if (sscanf(text, TABLE " gfn %" SCNx64 " %7s ret %ld", &event->vm_pid,
		   &event->table, &event->gpa, access, &event->result) != 5)
		return false;
	event->gpa <<= PAGE_SHIFT;
	event->write = !strcmp(access, "write");
	return true;
}

static bool parse_entry(const char *text, struct event *event)
{
	if (sscanf(text, TABLE " gfn %" SCNx64 " level %u %" SCNx64 " -> %" SCNx64,
		   &event->vm_pid, &event->table, &event->gpa, &event->level,
		   &event->old, &event->new) != 6 ||
	    event->level < 1 || event->level > 5)
		return false;
	/* The kernel tells of any page below an entry that links a table. */
	event->length = 1ULL << (PAGE_SHIFT + LEVEL_BITS * (event->level - 1));
	event->gpa = (event->gpa << PAGE_SHIFT) & -event->length;
	return true;
}

static bool parse_slot(const char *text, struct event *event)
{
	if (sscanf(text, TABLE " slot %d gfn %" SCNx64 " pages %" SCNx64 " flags %x %7s",
		   &event->vm_pid, &event->table, &event->slot, &event->gpa,
		   &event->length, &event->flags, event->change) != 7)
		return false;
	event->gpa <<= PAGE_SHIFT;
	event->length <<= PAGE_SHIFT;
	return true;
}

static bool parse_lost(const char *line, struct event *event)
{
	unsigned int cpu;
	int n = 0;

	/* No task's name has room for that. */
	if (sscanf(line, "CPU:%u [LOST%n", &cpu, &n) != 1 || !n || !strstr(line, " EVENTS]"))
		return false;
	event->type = EVENT_LOST;
	if (sscanf(line, "CPU:%*u [LOST %" SCNu64, &event->lost) != 1)
		event->lost = 0;
	return true;
}

/*
 * TASK-PID [CPU] FLAGS TIME: TRACEPOINT: TEXT.  A task may call itself anything, in less
 * than is looked for here.
 */
bool event_parse(const char *line, struct event *event)
{
	static bool (*const parse[EVENT_NR])(const char *text, struct event *event) = {
		[EVENT_INVALIDATE] = parse_invalidate,
		[EVENT_FAULT] = parse_fault,
		[EVENT_ENTRY] = parse_entry,
		[EVENT_SLOT] = parse_slot,
	};
	char mark[32];
	const char *end, *time;

	*event = (struct event){ 0 };
	for (; event->type < EVENT_NR; event->type++) {
		snprintf(mark, sizeof(mark), ": %s: ", event_tracepoint(event->type));
		end = strstr(line, mark);
		if (!end)
			continue;
		for (time = end; time > line && (isdigit((unsigned char)time[-1]) ||
						 time[-1] == '.'); time--)
			;
		snprintf(event->time, sizeof(event->time), "%.*s", (int)(end - time), time);
		return *event->time && parse[event->type](end + strlen(mark), event);
	}
	return parse_lost(line, event);
}

const char *event_flags(unsigned int flags, char text[EVENT_FLAGS_TEXT])
{
	const char *ro = flags & KVM_MEM_READONLY ? "ro" : "";
	const char *log = flags & KVM_MEM_LOG_DIRTY_PAGES ? "log" : "";

	snprintf(text, EVENT_FLAGS_TEXT, "%s%s%s", ro, *ro && *log ? "," : "", log);
	return *text ? text : "-";
}

static const char *entry_change(const struct event *event)
{
	if (!event->old)
		return "set";
	return event->new ? "changed" : "cleared";
}

int event_format(const struct event *event, int pid, const char *comm,
		 char text[EVENT_TEXT])
{
	char range[48], what[96] = "", flags[EVENT_FLAGS_TEXT];

	if (event->length == UINT64_MAX)
		snprintf(range, sizeof(range), "all");
	else if (!event->length)
		snprintf(range, sizeof(range), "0x%012" PRIx64, event->gpa);
	else
		snprintf(range, sizeof(range), "0x%012" PRIx64 "-0x%012" PRIx64,
			 event->gpa, event->gpa + event->length - 1);

	switch (event->type) {
	case EVENT_FAULT:
		if (event->result < 0)
			snprintf(what, sizeof(what), "  %-5s  %s",
				 event->write ? "write" : "read",
				 kvm_tdp_fault_strerror(-event->result));
		else
			snprintf(what, sizeof(what), "  %-5s  %ld mapped",
				 event->write ? "write" : "read", event->result);
		break;
	case EVENT_ENTRY:
		snprintf(what, sizeof(what), "  %-5s  %s", level_name(event->level),
			 entry_change(event));
		break;
	case EVENT_SLOT:
		snprintf(what, sizeof(what), "  %-6s  slot %d  %s", event->change,
			 event->slot, event_flags(event->flags, flags));
		break;
	default:
		break;
	}
	return snprintf(text, EVENT_TEXT, "%14s %7d  %-15s  %-10s  %-*s%s", event->time, pid,
			comm, event_name(event->type), *what ? 29 : 0, range, what);
}
