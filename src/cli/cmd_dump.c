// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "kvm-tdp.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core.h"
#include "guest.h"
#include "proc.h"
#include "text.h"

enum { KEY_FORCE = 0x200, KEY_PROGRESS, KEY_ZSTD };

struct dump_opts {
	struct vm_opts vm;
	struct range_opts range;
	const char *file;	/* NULL: standard output */
	bool force;
	bool progress;
	bool quiet;
	bool zstd;
};

struct dump {
	const struct dump_opts *opts;
	struct guest guest;

	/* output */
	int file;
	int fd;			/* file, or a pipe to zstd, which writes to it */
	pid_t zstd;
	bool stream;		/* fd takes bytes in order, and zeroes for holes */
	bool write;		/* else it is read to find the note only */
	uint64_t at;		/* of a stream */

	/* findings */
	bool stopped;
	uint64_t done;
	uint64_t written;
	uint64_t unreadable;
};

static const struct argp_option options[] = {
	{ "force", KEY_FORCE, NULL, 0, "Overwrite FILE if there is one", -1 },
	{ "progress", KEY_PROGRESS, NULL, 0,
	  "Tell how far it is, also if standard error is no terminal", 0 },
	{ "quiet", 'q', NULL, 0, "Print errors only", 0 },
	{ "zstd", KEY_ZSTD, NULL, 0, "Compress it with zstd(1)", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct dump_opts *opts = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		*opts = (struct dump_opts){ 0 };
		state->child_inputs[0] = &opts->vm;
		state->child_inputs[1] = &opts->range;
		return 0;
	case KEY_FORCE:
		opts->force = true;
		return 0;
	case KEY_PROGRESS:
		opts->progress = true;
		return 0;
	case 'q':
		opts->quiet = true;
		return 0;
	case KEY_ZSTD:
		opts->zstd = true;
		return 0;
	case ARGP_KEY_ARG:
		if (opts->file)
			argp_error(state, "one FILE only");
		if (!*arg)
			argp_error(state, "FILE: must have a name");
		opts->file = arg;
		return 0;
	case ARGP_KEY_END:
		if (!opts->file)
			argp_error(state, "FILE is required; '-' is standard output");
		range_need_pages(&opts->range, state);
		if (opts->quiet && (opts->progress || opts->vm.json))
			argp_error(state, "--quiet and --progress or --json exclude each other");
		if (strcmp(opts->file, "-"))
			return 0;
		opts->file = NULL;
		if (opts->vm.json)
			argp_error(state, "--json: standard output has the dump already");
		if (isatty(STDOUT_FILENO))
			argp_error(state, "'-': standard output is a terminal");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse, "FILE",
	"Write guest memory to FILE, an ELF core of guest physical addresses.\n"
	"\vBy default all RAM, as 'kvm-tdp slots' has it. The guest is not stopped: to have "
	"memory of one instant, pause it before. Pages of zeroes, and what cannot be read, "
	"are holes in FILE. '-' is standard output.",
	vm_range_children, NULL, NULL
};

/*
 * The file while it is written to, for what ends the process: there is nothing under its
 * final name before all of it is there.
 */
static char *unfinished;

static void remove_unfinished(void)
{
	if (unfinished)
		unlink(unfinished);
}

static void interrupted(int sig)
{
	remove_unfinished();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void check_target(const struct dump_opts *opts)
{
	struct stat st;

	if (lstat(opts->file, &st)) {
		if (errno != ENOENT)
			die("%s: %s", opts->file, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		die("%s: is there, and no regular file", opts->file);
	} else if (!opts->force) {
		die("%s: is there already; --force overwrites it", opts->file);
	}
}

/* For its owner only: it has all of the guest's secrets. */
static int create_file(const struct dump_opts *opts)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	struct sigaction action = { .sa_handler = interrupted }, old;
	sigset_t mask;
	size_t i;
	int fd;

	check_target(opts);
	if (asprintf(&unfinished, "%s.XXXXXX", opts->file) < 0)
		die("%s", strerror(ENOMEM));

	sigemptyset(&action.sa_mask);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&action.sa_mask, signals[i]);
	/* Not while there is a file that would stay. */
	sigprocmask(SIG_BLOCK, &action.sa_mask, &mask);
	fd = mkostemp(unfinished, O_CLOEXEC);
	if (fd < 0)
		die("%s: %s", opts->file, strerror(errno));
	atexit(remove_unfinished);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaction(signals[i], NULL, &old);
		/* A signal that nohup(1) ignores stays ignored. */
		if (old.sa_handler == SIG_DFL)
			sigaction(signals[i], &action, NULL);
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
	/* Then it is an error of ours. */
	signal(SIGXFSZ, SIG_IGN);
	return fd;
}

static void open_output(struct dump *dump)
{
	static char *const zstd[] = { "zstd", "-q", "-c", NULL };
	const struct dump_opts *opts = dump->opts;

	dump->stream = opts->zstd || !opts->file;
	dump->file = opts->file ? create_file(opts) : STDOUT_FILENO;
	dump->fd = dump->file;
	if (opts->zstd)
		dump->zstd = pipe_to(zstd, dump->file, "--zstd", "zstd", &dump->fd);
}

static void write_at(struct dump *dump, uint64_t offset, const void *buf, size_t length)
{
	ssize_t n;

	for (; length; length -= n, offset += n, buf = (const char *)buf + n) {
		n = dump->stream ? write(dump->fd, buf, length) :
				   pwrite(dump->fd, buf, length, offset);
		if (n < 0 && errno != EINTR)
			die("%s: %s", dump->zstd ? "zstd" :
			    dump->opts->file ?: "standard output", strerror(errno));
		n = n < 0 ? 0 : n;
	}
}

/* Offsets ascend, but that of what a file begins with. */
static void put(struct dump *dump, uint64_t offset, const void *buf, size_t length)
{
	static const uint8_t zeroes[65536];
	size_t n;

	for (; dump->stream && dump->at < offset; dump->at += n) {
		n = offset - dump->at < sizeof(zeroes) ? offset - dump->at : sizeof(zeroes);
		write_at(dump, dump->at, zeroes, n);
	}
	write_at(dump, offset, buf, length);
	dump->at = offset + length;
}

static void finish_output(struct dump *dump)
{
	const char *file = dump->opts->file;
	const unsigned int flags = dump->opts->force ? 0 : RENAME_NOREPLACE;
	int ret;

	if (dump->zstd) {
		close(dump->fd);
		pipe_wait(dump->zstd, "zstd");
	}
	if (!file)
		return;
	/* The last errors of a file system come here. */
	if (fsync(dump->file) || close(dump->file))
		die("%s: %s", file, strerror(errno));
	ret = renameat2(AT_FDCWD, unfinished, AT_FDCWD, file, flags);
	/* Not all file systems know the flag. */
	if (ret && errno == EINVAL) {
		check_target(dump->opts);
		ret = rename(unfinished, file);
	}
	if (ret)
		die("%s: %s", file, strerror(errno));
	/* Not freed: a signal may come in between. */
	unfinished = NULL;
}

static bool is_zero(const uint8_t *page)
{
	return !page[0] && !memcmp(page, page + 1, CORE_PAGE - 1);
}

static void put_part(struct dump *dump, const struct guest_part *part, size_t at, size_t end)
{
	uint64_t offset = core_head_length(&dump->guest.ram) + dump->done;

	if (at == end)
		return;
	if (dump->write)
		put(dump, offset + at, part->bytes + at, end - at);
	dump->written += end - at;
}

/* Pages of zeroes are left out. */
static void take(struct dump *dump, const struct guest_part *part)
{
	size_t at, begin = 0;

	for (at = 0; at < part->length; at += CORE_PAGE) {
		if (!is_zero(part->bytes + at))
			continue;
		put_part(dump, part, begin, at);
		begin = at + CORE_PAGE;
	}
	put_part(dump, part, begin, at);
}

static int dump_part(const struct guest_part *part, void *data)
{
	struct dump *dump = data;

	progress_update(dump->done);
	if (!(dump->write && dump->stream))
		guest_look_in(&dump->guest, part);
	if (part->bytes)
		take(dump, part);
	dump->unreadable += part->unreadable;
	dump->done += part->length;
	return !dump->write && dump->guest.has_note;
}

/* All RAM; without @write only to find the note. */
static void dump_ram(struct dump *dump, bool write)
{
	int err;

	dump->write = write;
	dump->done = 0;
	dump->written = 0;
	dump->unreadable = 0;
	progress_begin(dump->guest.ram.length,
		       dump->opts->progress || (!dump->opts->quiet && isatty(STDERR_FILENO)));
	err = guest_walk(&dump->guest, dump_part, dump);
	if (err < 0)
		die("reading at 0x%llx: %s", (unsigned long long)dump->guest.failed,
		    kvm_tdp_fault_strerror(-err));
	progress_clear();
}

static void put_head(struct dump *dump)
{
	const struct guest *guest = &dump->guest;
	void *head = core_head(&guest->ram, guest->note, guest_note_length(guest),
			       &guest->map);

	if (!head)
		die("%s", strerror(ENOMEM));
	put(dump, 0, head, core_head_length(&guest->ram));
	free(head);
}

/* A stream begins with the note, which has to be found first. */
static void dump_all(struct dump *dump)
{
	uint64_t end = core_length(&dump->guest.ram);

	if (dump->stream) {
		dump_ram(dump, false);
		put_head(dump);
		dump_ram(dump, true);
		put(dump, end, NULL, 0);
	} else {
		if (ftruncate(dump->fd, end))
			die("%s: %s", dump->opts->file, strerror(errno));
		dump_ram(dump, true);
		put_head(dump);
	}
	if (dump->unreadable == dump->guest.ram.length)
		die("none of the memory could be read");
}

/* True: the VM is in the memory of the process. */
static bool read_ram(struct dump *dump, int tdp, int mem)
{
	const struct range_opts *range = &dump->opts->range;
	uint64_t end = range->has_length ? range->gpa + range->length : GPA_END;
	pid_t pid = dump->opts->vm.pid;
	bool own = vm_is_of(tdp, pid);
	int err;

	err = guest_init(&dump->guest, tdp, mem, own ? pid : 0, range->gpa, end);
	if (err)
		die("reading the memory slots: %s", tdp_strerror(-err));
	if (!dump->guest.ram.nr)
		die("the guest has no RAM there");
	return own;
}

static void print_json(const struct dump *dump)
{
	const struct guest *guest = &dump->guest;
	struct json_object *obj = json_object_new_object();

	json_add_str(obj, "file", dump->opts->file);
	json_add_num(obj, "length", guest->ram.length);
	json_add_num(obj, "segments", guest->ram.nr);
	json_add_num(obj, "written", dump->written);
	json_add_num(obj, "unreadable", dump->unreadable);
	json_add_num(obj, "not_mapped", guest->not_mapped.length);
	if (guest->has_note)
		json_add_str(obj, "vmcoreinfo", guest->info.release);
	else
		json_object_object_add(obj, "vmcoreinfo", NULL);
	json_object_object_add(obj, "stopped", json_object_new_boolean(dump->stopped));
	json_out(obj);
}

static void print_text(const struct dump *dump)
{
	const struct guest *guest = &dump->guest;
	FILE *to = dump->opts->file ? stdout : stderr;
	char length[SIZE_TEXT], written[SIZE_TEXT], size[SIZE_TEXT];

	fprintf(to, "%s of guest memory in %zu segment%s, %s of it not zero\n",
		size_format(guest->ram.length, length), guest->ram.nr,
		guest->ram.nr == 1 ? "" : "s", size_format(dump->written, written));
	if (dump->unreadable)
		fprintf(to, "%s could not be read: zeroes in the dump\n",
			size_format(dump->unreadable, size));
	if (guest->not_mapped.nr)
		fprintf(to, "%s left out: private memory, or memory of a device\n",
			size_format(guest->not_mapped.length, size));
	if (guest->has_note)
		fprintf(to, "VMCOREINFO of Linux %s\n", guest->info.release);
	else
		fputs("no VMCOREINFO found\n", to);
	if (dump->stopped)
		fprintf(to, "process %d was stopped before and after\n",
			dump->opts->vm.pid);
	else
		fprintf(to, "process %d was not stopped: unless its guest was paused, memory is not of one instant\n",
			dump->opts->vm.pid);
}

int cmd_dump(int argc, char **argv)
{
	struct dump_opts opts;
	struct dump dump = { .opts = &opts };
	int tdp, mem;
	bool own;

	argp_parse(&argp, argc, argv, 0, NULL, &opts);

	tdp = vm_create_tdp_fd(&opts.vm);
	mem = tdp_open_mem(tdp, opts.vm.pid, O_RDONLY);
	own = read_ram(&dump, tdp, mem);

	open_output(&dump);
	dump.stopped = own && vm_is_stopped(opts.vm.pid);
	dump_all(&dump);
	dump.stopped &= vm_is_stopped(opts.vm.pid);
	finish_output(&dump);
	if (opts.vm.json)
		print_json(&dump);
	else if (!opts.quiet)
		print_text(&dump);

	guest_free(&dump.guest);
	close(mem);
	close(tdp);
	return 0;
}
