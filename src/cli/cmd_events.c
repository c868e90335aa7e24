// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kvm.h>

#include "event.h"
#include "proc.h"
#include "procs.h"
#include "tracefs.h"

struct events_opts {
	bool json;
	pid_t pid;		/* 0: of all VMs */
	unsigned int count;	/* 0: no end */
	unsigned int types;	/* bits, by enum event_type */
};

/* The owner of a table. */
struct owner {
	uint64_t table;
	pid_t pid;
	char comm[32];
};

static const struct argp_option options[] = {
	{ "pid", 'p', "PID", 0, "Of the VMs of this process only", 0 },
	{ "event", 'e', "NAME", 0,
	  "Of this kind only: invalidate, fault, entry or slot; may be given several times", 0 },
	{ "count", 'n', "N", 0, "End after N events", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct events_opts *opts = state->input;
	enum event_type type = 0;

	switch (key) {
	case ARGP_KEY_INIT:
		*opts = (struct events_opts){ 0 };
		state->child_inputs[0] = &opts->json;
		return 0;
	case 'p':
		opts->pid = arg_number(arg, 1, INT_MAX, "--pid", state);
		return 0;
	case 'e':
		while (type < EVENT_NR && strcmp(arg, event_name(type)))
			type++;
		if (type == EVENT_NR)
			argp_error(state, "--event: 'invalidate', 'fault', 'entry' or 'slot'");
		opts->types |= 1U << type;
		return 0;
	case 'n':
		opts->count = arg_number(arg, 1, UINT_MAX, "--count", state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse, NULL,
	"Follow what happens to exported tables, one line for each event, until interrupted.\n"
	"\vTime (seconds of CLOCK_MONOTONIC), the VM's process, what happened, where, and how: "
	"invalidate, importers are told that the host takes memory away; fault, an importer or "
	"prefault has asked for memory, with the pages that were mapped, or why none was; entry, "
	"an entry of the table was set, changed or cleared; slot, the VMM changed a memory "
	"slot. What the kernel's buffer had no room for is counted. It takes root.",
	json_children, NULL, NULL
};

/* The name is kept, for the last events of a VM come when its process has gone. */
static const struct owner *find_owner(const struct event *event)
{
	static struct owner owners[64];
	struct owner *owner = &owners[event->table % 64];

	if (owner->table != event->table) {
		owner->table = event->table;
		owner->pid = vm_process(event->vm_pid);
		vm_comm(owner->pid, owner->comm, sizeof(owner->comm));
	}
	return owner;
}

static void add_slot(struct json_object *obj, const struct event *event)
{
	struct json_object *flags = json_object_new_array();

	if (event->flags & KVM_MEM_READONLY)
		json_object_array_add(flags, json_object_new_string("ro"));
	if (event->flags & KVM_MEM_LOG_DIRTY_PAGES)
		json_object_array_add(flags, json_object_new_string("log"));
	json_add_num(obj, "slot", event->slot);
	json_add_str(obj, "change", event->change);
	json_object_object_add(obj, "flags", flags);
}

static void add_fault(struct json_object *obj, const struct event *event)
{
	json_add_str(obj, "access", event->write ? "write" : "read");
	json_add_num(obj, "mapped", event->result < 0 ? 0 : event->result);
	if (event->result < 0)
		json_add_str(obj, "error", kvm_tdp_fault_strerror(-event->result));
}

static void print_json(const struct event *event, const struct owner *owner)
{
	struct json_object *obj = json_object_new_object();

	json_object_object_add(obj, "time",
			       json_object_new_double_s(strtod(event->time, NULL), event->time));
	json_add_num(obj, "pid", owner->pid);
	json_add_str(obj, "comm", owner->comm);
	json_add_num(obj, "table", event->table);
	json_add_str(obj, "event", event_name(event->type));
	json_add_hex(obj, "gpa", event->gpa);
	if (event->length == UINT64_MAX)
		json_object_object_add(obj, "length", NULL);
	else if (event->length)
		json_add_num(obj, "length", event->length);
	switch (event->type) {
	case EVENT_FAULT:
		add_fault(obj, event);
		break;
	case EVENT_ENTRY:
		json_add_num(obj, "level", event->level);
		json_add_hex(obj, "old", event->old);
		json_add_hex(obj, "new", event->new);
		break;
	case EVENT_SLOT:
		add_slot(obj, event);
		break;
	default:
		break;
	}
	json_out(obj);
}

static void print_lost(const struct event *event, bool json)
{
	struct json_object *obj;
	char number[24] = "some";

	if (!json) {
		if (event->lost)
			snprintf(number, sizeof(number), "%llu",
				 (unsigned long long)event->lost);
		warn("%s events were lost: there are more than can be read; see --event",
		     number);
		return;
	}
	obj = json_object_new_object();
	json_add_str(obj, "event", "lost");
	json_add_num(obj, "count", event->lost);
	json_out(obj);
}

/* Return: whether it is one of those asked for. */
static bool print_event(const struct event *event, const struct events_opts *opts)
{
	const struct owner *owner;
	char text[EVENT_TEXT];

	if (event->type == EVENT_LOST) {
		print_lost(event, opts->json);
		return false;
	}
	owner = find_owner(event);
	if (opts->pid && owner->pid != opts->pid)
		return false;
	if (opts->json) {
		print_json(event, owner);
	} else {
		event_format(event, owner->pid, owner->comm, text);
		puts(text);
	}
	return true;
}

int cmd_events(int argc, char **argv)
{
	struct events_opts opts;
	unsigned int printed = 0;
	enum event_type type;
	struct event event;
	char line[512];

	argp_parse(&argp, argc, argv, 0, NULL, &opts);
	if (opts.pid && kill(opts.pid, 0) && errno == ESRCH)
		die("process %d: no such process; 'kvm-tdp list' shows those that have VMs",
		    opts.pid);

	tracefs_begin();
	for (type = 0; type < EVENT_NR; type++) {
		if (!opts.types || (opts.types & 1U << type))
			tracefs_enable(event_tracepoint(type));
	}
	while (!opts.count || printed < opts.count) {
		if (!tracefs_read_line(line, sizeof(line)))
			die("the module kvm_tdp was unloaded");
		if (!event_parse(line, &event))
			continue;
		printed += print_event(&event, &opts);
		/* The reader of a pipe wants it now. */
		out_finish(0);
	}
	return 0;
}
