// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "picture.h"
#include "proc.h"
#include "text.h"

enum { KEY_RAW = 0x200, KEY_PREFAULT, KEY_SVG, KEY_PNG };

struct map_opts {
	struct vm_opts vm;
	struct range_opts range;
	bool raw;
	bool prefault;
	char *svg, *png;	/* files; "-": standard output */
	struct json_array array;
	uint64_t runs;
	uint64_t mapped;
};

static const struct argp_option options[] = {
	{ "prefault", KEY_PREFAULT, NULL, 0,
	  "Map the guest's RAM in the range for reading first", -3 },
	{ "raw", KEY_RAW, NULL, 0,
	  "Print tab-separated gpa, length, level, access, hpa; no head line",
	  -1 },
	{ "svg", KEY_SVG, "FILE", 0,
	  "Draw the guest's memory, and what of it is mapped, to FILE; '-' is standard output",
	  -1 },
	{ "png", KEY_PNG, "FILE", 0, "The same in PNG, by rsvg-convert(1)", -1 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct map_opts *opts = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		*opts = (struct map_opts){ 0 };
		state->child_inputs[0] = &opts->vm;
		state->child_inputs[1] = &opts->range;
		return 0;
	case KEY_RAW:
		opts->raw = true;
		return 0;
	case KEY_PREFAULT:
		opts->prefault = true;
		return 0;
	case KEY_SVG:
		opts->svg = arg;
		return 0;
	case KEY_PNG:
		opts->png = arg;
		return 0;
	case ARGP_KEY_END:
		range_need_pages(&opts->range, state);
		if (opts->raw && opts->vm.json)
			argp_error(state, "--raw and --json exclude each other");
		if ((opts->svg || opts->png) && (opts->raw || opts->vm.json))
			argp_error(state, "--svg and --png exclude --raw and --json");
		if (opts->png && !strcmp(opts->png, "-") && isatty(STDOUT_FILENO))
			argp_error(state, "--png '-': standard output is a terminal");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse, NULL,
	"Print what the exported table of a VM maps now, as runs of like pages.\n"
	"\vThe default range is everything. Without CAP_SYS_ADMIN host physical "
	"addresses (hpa) are hidden and runs are joined without regard to them.\n\n"
	"The table lives as long as any TDP fd of the VM is open: with no driver "
	"or other command attached, each call of this program begins with a new "
	"one, which has what KVM has mapped for the guest. --prefault fills it "
	"further; 'kvm-tdp attach --pid PID -- sleep inf' keeps it.",
	vm_range_children, NULL, NULL
};

static int print_run(const struct kvm_tdp_run *run, void *data)
{
	struct map_opts *opts = data;
	char text[RUN_TEXT], access[ACCESS_TEXT];
	struct json_object *obj;

	opts->mapped += run->length;
	if (opts->vm.json) {
		obj = json_object_new_object();
		json_add_hex(obj, "gpa", run->gpa);
		json_add_num(obj, "length", run->length);
		json_add_str(obj, "level", level_name(run->level));
		json_add_str(obj, "access",
			     access_format(run->access, access));
		if (run->hpa)
			json_add_hex(obj, "hpa", run->hpa);
		else
			json_object_object_add(obj, "hpa", NULL);
		json_array_add(&opts->array, obj);
		return 0;
	}

	if (opts->raw) {
		run_format_raw(run, text);
	} else {
		if (!opts->runs)
			printf("%-29s %9s  %-5s  %-6s  %s\n", "GPA", "SIZE",
			       "LEVEL", "ACCESS", "HPA");
		run_format(run, text);
	}
	puts(text);
	opts->runs++;
	return 0;
}

struct drawing {
	uint64_t gpa, end;
	struct ram all, unmappable;
	struct picture *picture;
	uint64_t mapped;
};

static int draw_slot(const struct kvm_tdp_slot *slot, void *data)
{
	struct drawing *drawing = data;

	if (!ram_add(&drawing->all, slot, drawing->gpa, drawing->end) ||
	    (!ram_is_mappable(slot) &&
	     !ram_add(&drawing->unmappable, slot, drawing->gpa, drawing->end)))
		die("%s", strerror(ENOMEM));
	return slot->gpa >= drawing->end;
}

static int draw_run(const struct kvm_tdp_run *run, void *data)
{
	struct drawing *drawing = data;

	picture_add(drawing->picture, run->gpa, run->length,
		    picture_kind(run->level, run->access));
	drawing->mapped += run->length;
	return 0;
}

static void draw_guest(struct drawing *drawing, int tdp, const struct range_opts *range)
{
	const struct ram_piece *piece;
	size_t i;

	drawing->gpa = range->gpa;
	drawing->end = range->gpa + range->length;
	tdp_read_slots(tdp, range->gpa, draw_slot, drawing);
	if (!drawing->all.nr)
		die("the guest has no memory there");
	drawing->picture = picture_alloc(&drawing->all);
	if (!drawing->picture)
		die("%s", strerror(ENOMEM));
	for (i = 0; i < drawing->unmappable.nr; i++) {
		piece = &drawing->unmappable.pieces[i];
		picture_add(drawing->picture, piece->gpa, piece->length, PICTURE_UNMAPPABLE);
	}
	tdp_read_runs(tdp, range, draw_run, drawing);
}

static void write_svg(const char *name, const char *svg, size_t length)
{
	FILE *file = strcmp(name, "-") ? fopen(name, "we") : stdout;

	if (!file || fwrite(svg, 1, length, file) != length ||
	    (file == stdout ? fflush(file) : fclose(file)))
		die("%s: %s", name, strerror(errno));
}

/* rsvg-convert tells itself what is wrong with the file. */
static void write_png(char *name, const char *svg, size_t length)
{
	char *const argv[] = { "rsvg-convert", strcmp(name, "-") ? "-o" : NULL, name, NULL };
	ssize_t n;
	pid_t pid;
	int fd;

	pid = pipe_to(argv, STDOUT_FILENO, "--png", "librsvg2-bin", &fd);
	/* One that has ended is told by its status. */
	for (; length; length -= n, svg += n) {
		n = write(fd, svg, length);
		if (n < 0)
			break;
	}
	close(fd);
	pipe_wait(pid, argv[0]);
}

static void draw(struct map_opts *opts, int tdp)
{
	char comm[32], all[SIZE_TEXT], mapped[SIZE_TEXT], title[160];
	struct drawing drawing = { 0 };
	size_t length;
	char *svg;
	FILE *to;

	draw_guest(&drawing, tdp, &opts->range);
	vm_comm(opts->vm.pid, comm, sizeof(comm));
	snprintf(title, sizeof(title), "VM of process %d (%s): %s of memory, %s of it mapped",
		 opts->vm.pid, comm, size_round(drawing.all.length, all),
		 size_round(drawing.mapped, mapped));
	to = open_memstream(&svg, &length);
	if (to)
		picture_print(drawing.picture, title, to);
	if (!to || fclose(to))
		die("%s", strerror(ENOMEM));
	if (opts->svg)
		write_svg(opts->svg, svg, length);
	if (opts->png)
		write_png(opts->png, svg, length);

	free(svg);
	free(drawing.picture);
	ram_free(&drawing.all);
	ram_free(&drawing.unmappable);
}

int cmd_map(int argc, char **argv)
{
	struct map_opts opts;
	char size[SIZE_TEXT];
	int tdp_fd;

	argp_parse(&argp, argc, argv, 0, NULL, &opts);
	tdp_fd = vm_create_tdp_fd(&opts.vm);
	if (!opts.raw)
		vm_tell_new(&opts.vm, tdp_fd);
	if (opts.prefault)
		prefault_ram(tdp_fd, &opts.range, KVM_TDP_ACCESS_READ);

	if (!opts.range.has_length)
		opts.range.length = GPA_END - opts.range.gpa;
	if (opts.svg || opts.png) {
		draw(&opts, tdp_fd);
		return 0;
	}
	opts.array.json = opts.vm.json;
	json_array_begin(&opts.array);
	tdp_read_runs(tdp_fd, &opts.range, print_run, &opts);
	json_array_end(&opts.array);

	if (opts.vm.json || opts.raw)
		return 0;
	if (!opts.mapped)
		printf("nothing is mapped there: the table fills as it is used, or by 'kvm-tdp map --prefault'\n");
	else
		printf("%llu runs, %s mapped\n", (unsigned long long)opts.runs,
		       size_format(opts.mapped, size));
	return 0;
}
