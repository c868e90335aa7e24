// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#if !__has_include("curses.h")
#error "kvm-tdp top needs the headers of ncurses: apt install libncurses-dev"
#endif

#include <curses.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "counters.h"
#include "proc.h"
#include "procs.h"
#include "top.h"

struct top_opts {
	bool json;
	bool batch;
	unsigned int delay;	/* seconds */
	unsigned int count;	/* rounds; 0: no end */
};

struct sample {
	struct top_row *rows;
	size_t nr;
	uint64_t taken_ns;	/* 0: never */
	bool denied;		/* some processes could not be looked into */
};

static const struct argp_option options[] = {
	{ "batch", 'b', NULL, 0, "Print a plain table each time, for a file or a pipe", 0 },
	{ "delay", 'd', "SEC", 0, "Look again every SEC seconds (default: 1)", 0 },
	{ "count", 'n', "N", 0, "End after N times", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct top_opts *opts = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		*opts = (struct top_opts){ .delay = 1 };
		state->child_inputs[0] = &opts->json;
		return 0;
	case 'b':
		opts->batch = true;
		return 0;
	case 'd':
		opts->delay = arg_number(arg, 1, 86400, "--delay", state);
		return 0;
	case 'n':
		opts->count = arg_number(arg, 1, UINT_MAX, "--count", state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

#define KEYS	"q quit; sort: p pid, f faults, i invalidations, e eager fills, d drops, m mapped"

static const struct argp argp = {
	options, parse, NULL,
	"Watch the exported tables of all VMs.\n"
	"\vPer second: FAULT/S faults of importers and prefault, INVAL/S ranges that the host took "
	"back, FILL/S faults of vCPUs that were copied into the table, DROP/S those that could not "
	"be. Now: MAPPED what the table maps, RAM the VM's memory, RSS what the VM's process has of "
	"the host's, IMP importers, and leaves by size. - is not known yet, or of a VM without a TDP "
	"fd. Nothing is exported to find out. With --json, which implies --batch, an object each "
	"time, with times in seconds. Processes of other users are seen by root only.\n\n"
	"Keys: " KEYS ".",
	json_children, NULL, NULL
};

/* 0 if the process has gone. */
static uint64_t read_rss(pid_t pid)
{
	unsigned long pages = 0;
	char path[32];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%*u %lu", &pages) != 1)
		pages = 0;
	fclose(file);
	return (uint64_t)pages * sysconf(_SC_PAGESIZE);
}

static struct top_row *add_row(struct sample *sample, const struct proc *proc)
{
	struct top_row *row;

	sample->rows = realloc(sample->rows, (sample->nr + 1) * sizeof(*row));
	if (!sample->rows)
		die("%s", strerror(ENOMEM));
	row = &sample->rows[sample->nr++];
	*row = (struct top_row){ .pid = proc->pid, .vcpus = proc->vcpus };
	vm_comm(proc->pid, row->comm, sizeof(row->comm));
	row->rss = read_rss(proc->pid);
	return row;
}

/* The tables of a process's VMs, each once, whoever holds them; its VMs without one. */
static void add_vms(struct sample *sample, const struct procs *procs, const struct proc *proc)
{
	size_t first = sample->nr, i, at;
	struct kvm_tdp_vms vms;
	struct top_row *row;
	int without;

	if (kvm_tdp_list_vms(proc->pid, &vms))
		return;
	without = vms.nr;
	for (i = 0; i < procs->nr_holders; i++) {
		const struct holder *holder = &procs->holders[i];

		if (holder->vm_pid != proc->pid || !holder->table)
			continue;
		for (at = first; at < sample->nr; at++) {
			if (sample->rows[at].table == holder->table)
				break;
		}
		if (at < sample->nr)
			continue;
		row = add_row(sample, proc);
		row->table = holder->table;
		row->as_id = holder->as_id;
		row->ram = holder->ram;
		row->read_ns = holder->read_ns;
		row->stats = holder->stats;
		without -= !holder->as_id;
	}
	while (without-- > 0)
		add_row(sample, proc);
}

static void take_sample(struct sample *sample, const struct sample *before)
{
	struct procs procs;
	size_t i;

	*sample = (struct sample){ .taken_ns = now_ns() };
	procs_read(&procs);
	for (i = 0; i < procs.nr; i++) {
		sample->denied |= procs.procs[i].denied;
		if (procs.procs[i].has_vm)
			add_vms(sample, &procs, &procs.procs[i]);
	}
	procs_free(&procs);
	top_rate(sample->rows, sample->nr, before->rows, before->nr);
}

static void add_rate(struct json_object *obj, const char *key, double rate)
{
	char text[32];

	snprintf(text, sizeof(text), "%.1f", rate);
	json_object_object_add(obj, key,
			       rate < 0 ? NULL : json_object_new_double_s(rate, text));
}

static struct json_object *row_json(const struct top_row *row)
{
	struct json_object *obj = json_object_new_object();

	json_add_num(obj, "pid", row->pid);
	json_add_str(obj, "comm", row->comm);
	json_add_num(obj, "vcpus", row->vcpus);
	json_add_num(obj, "rss", row->rss);
	if (!row->table) {
		json_object_object_add(obj, "table", NULL);
		return obj;
	}
	json_add_num(obj, "table", row->table);
	json_add_num(obj, "as_id", row->as_id);
	json_add_num(obj, "ram", row->ram);
	json_add_num(obj, "mapped", counters_mapped(&row->stats));
	json_add_num(obj, "leaves_4k", row->stats.leaves[0]);
	json_add_num(obj, "leaves_2m", row->stats.leaves[1]);
	json_add_num(obj, "leaves_1g", row->stats.leaves[2]);
	json_add_num(obj, "importers", row->stats.importers);
	add_rate(obj, "faults_per_s", row->rates[TOP_FAULTS]);
	add_rate(obj, "invalidations_per_s", row->rates[TOP_INVALIDATIONS]);
	add_rate(obj, "eager_filled_per_s", row->rates[TOP_FILLED]);
	add_rate(obj, "eager_dropped_per_s", row->rates[TOP_DROPPED]);
	return obj;
}

static void add_seconds(struct json_object *obj, const char *key, uint64_t ns)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu.%06llu", (unsigned long long)(ns / 1000000000),
		 (unsigned long long)(ns / 1000 % 1000000));
	json_object_object_add(obj, key, json_object_new_double_s(ns / 1e9, text));
}

static void print_json(const struct sample *sample, const struct sample *before)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *vms = json_object_new_array();
	size_t i;

	add_seconds(obj, "time", sample->taken_ns);
	if (before->taken_ns)
		add_seconds(obj, "interval", sample->taken_ns - before->taken_ns);
	else
		json_object_object_add(obj, "interval", NULL);
	for (i = 0; i < sample->nr; i++)
		json_object_array_add(vms, row_json(&sample->rows[i]));
	json_object_object_add(obj, "vms", vms);
	json_out(obj);
}

static void print_text(const struct sample *sample, const struct sample *before)
{
	char text[TOP_TEXT];
	size_t i;

	if (before->taken_ns)
		putchar('\n');
	puts(top_head(text));
	for (i = 0; i < sample->nr; i++) {
		top_format(&sample->rows[i], text);
		puts(text);
	}
}

static void batch(const struct top_opts *opts)
{
	struct sample before = { 0 }, sample;
	unsigned int round = 0;
	uint64_t next = now_ns();
	struct timespec until;

	for (;;) {
		take_sample(&sample, &before);
		top_sort(sample.rows, sample.nr, 'p');
		if (opts->json)
			print_json(&sample, &before);
		else
			print_text(&sample, &before);
		/* The reader of a pipe wants it now. */
		out_finish(0);
		if (sample.denied && !round)
			warn("some processes could not be looked into; run as root to see all");
		free(before.rows);
		before = sample;
		if (++round == opts->count)
			break;

		/* Rounds that were missed, stopped say, are not made up for. */
		next += opts->delay * 1000000000ULL;
		if (next < now_ns())
			next = now_ns();
		until.tv_sec = next / 1000000000;
		until.tv_nsec = next % 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	}
	free(before.rows);
}

static void draw(const struct sample *sample, char sort)
{
	char text[TOP_TEXT];
	size_t i;

	erase();
	mvprintw(0, 0, "kvm-tdp top: %zu tables and VMs without, by %c%s", sample->nr, sort,
		 sample->denied ? "; run as root to see all" : "");
	mvaddnstr(1, 0, KEYS, COLS);
	attron(A_REVERSE);
	mvaddnstr(2, 0, top_head(text), COLS);
	attroff(A_REVERSE);
	for (i = 0; i < sample->nr && 3 + (int)i < LINES; i++) {
		top_format(&sample->rows[i], text);
		mvaddnstr(3 + i, 0, text, COLS);
	}
	refresh();
}

/* Return: false to quit. */
static bool wait_for_keys(struct sample *sample, char *sort, uint64_t until)
{
	uint64_t now;
	int key;

	while ((now = now_ns()) < until) {
		timeout((until - now) / 1000000 + 1);
		key = getch();
		if (key == 'q')
			return false;
		if (key == ERR)
			continue;
		/* A new size is a key, too. */
		if (key > 0 && key < 128 && top_sort(sample->rows, sample->nr, key))
			*sort = key;
		draw(sample, *sort);
	}
	return true;
}

static void end_screen(void)
{
	endwin();
}

static void interactive(const struct top_opts *opts)
{
	struct sample before = { 0 }, sample;
	const char *term = getenv("TERM");
	unsigned int round = 0;
	char sort = 'p';
	bool go_on;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		die("no terminal; --batch and --json go without");
	if (!newterm(NULL, stdout, stdin))
		die("terminal '%s' is not known; --batch and --json go without",
		    term ? term : "");
	/* The terminal is left as it was, after a failure too. */
	atexit(end_screen);
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	do {
		take_sample(&sample, &before);
		top_sort(sample.rows, sample.nr, sort);
		draw(&sample, sort);
		go_on = wait_for_keys(&sample, &sort,
				      now_ns() + opts->delay * 1000000000ULL);
		free(before.rows);
		before = sample;
	} while (go_on && ++round != opts->count);
	free(before.rows);
}

int cmd_top(int argc, char **argv)
{
	struct top_opts opts;

	argp_parse(&argp, argc, argv, 0, NULL, &opts);
	if (opts.batch || opts.json)
		batch(&opts);
	else
		interactive(&opts);
	return 0;
}
