// SPDX-License-Identifier: GPL-2.0-only
#include "tracefs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kvm-tdp.h"

#define TRACEFS		"/sys/kernel/tracing"
#define EVENTS		"events/kvm_tdp"
#define NAME		"kvm-tdp-"

static char instance[64];	/* its directory; "": none */
static int pipe_fd = -1;

/* Async-signal-safe.  The kernel keeps an instance that is read. */
static void end(void)
{
	if (pipe_fd >= 0)
		close(pipe_fd);
	pipe_fd = -1;
	if (*instance)
		rmdir(instance);
}

static void end_by_signal(int sig)
{
	end();
	/* These are the way to end what has no end. */
	if (sig == SIGINT || sig == SIGTERM)
		_exit(EXIT_SUCCESS);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	struct sigaction action = { .sa_handler = end_by_signal };
	struct sigaction old;
	size_t i;

	sigfillset(&action.sa_mask);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		/* A signal that nohup(1) ignores stays ignored. */
		sigaction(signals[i], NULL, &old);
		if (old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

/* Those of processes that were killed, or of one that had this one's number. */
static void remove_stale(void)
{
	DIR *dir = opendir(TRACEFS "/instances");
	struct dirent *entry;
	int pid, n = 0;

	while (dir && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, NAME "%d%n", &pid, &n) == 1 && !entry->d_name[n] &&
		    (pid == getpid() || (kill(pid, 0) && errno == ESRCH)))
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	}
	if (dir)
		closedir(dir);
}

static int open_file(const char *name, int flags)
{
	char path[192];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", instance, name);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	return fd;
}

static void write_file(const char *name, const char *text)
{
	int fd = open_file(name, O_WRONLY);

	if (write(fd, text, strlen(text)) < 0)
		die("%s/%s: %s", instance, name, strerror(errno));
	close(fd);
}

void tracefs_begin(void)
{
	if (access(TRACEFS "/instances", F_OK)) {
		if (errno == ENOENT)
			die("no tracefs: mount -t tracefs none " TRACEFS);
		die(TRACEFS ": %s; run as root", strerror(errno));
	}
	if (access(TRACEFS "/" EVENTS, F_OK))
		die("the module kvm_tdp is not loaded, or an old one: modprobe kvm_tdp");
	remove_stale();

	snprintf(instance, sizeof(instance), TRACEFS "/instances/" NAME "%d", getpid());
	atexit(end);
	catch_signals();
	if (mkdir(instance, 0700))
		die("%s: %s", instance, strerror(errno));
	/* CPUs agree on this one, and others know it. */
	write_file("trace_clock", "mono");
	pipe_fd = open_file("trace_pipe", O_RDONLY | O_NONBLOCK);
}

void tracefs_enable(const char *tracepoint)
{
	char name[96];

	snprintf(name, sizeof(name), EVENTS "/%s/enable", tracepoint);
	write_file(name, "1");
}

/* Whether there may be something to read. */
static bool wait_for_more(bool at_end)
{
	struct pollfd fd = { .fd = pipe_fd, .events = POLLIN };
	char path[96];

	snprintf(path, sizeof(path), "%s/" EVENTS, instance);
	if (access(path, F_OK))
		return false;
	/* At most a second: nothing wakes it when the module goes. */
	if (at_end)
		poll(NULL, 0, 1000);
	else
		poll(&fd, 1, 1000);
	return true;
}

bool tracefs_read_line(char *line, size_t size)
{
	static char buffer[16384];
	static size_t start, filled;
	ssize_t got;
	char *nl;

	for (;;) {
		nl = memchr(buffer + start, '\n', filled - start);
		if (nl) {
			snprintf(line, size, "%.*s", (int)(nl - buffer - start), buffer + start);
			start = nl + 1 - buffer;
			return true;
		}

		memmove(buffer, buffer + start, filled - start);
		filled -= start;
		start = 0;
		/* No line is that long. */
		if (filled == sizeof(buffer))
			filled = 0;
		got = read(pipe_fd, buffer + filled, sizeof(buffer) - filled);
		if (got > 0)
			filled += got;
		else if (got < 0 && errno != EAGAIN && errno != EINTR)
			die("%s/trace_pipe: %s", instance, strerror(errno));
		else if (!wait_for_more(!got))
			return false;
	}
}
