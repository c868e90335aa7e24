// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "mountfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kvm-tdp.h"

/* A read that waits for the host's swap, or a userfaultfd, holds up only one. */
#define THREADS		8
/* How long those that are at a request may take to end, in seconds. */
#define PATIENCE	1

struct mount_opts {
	struct vm_opts vm;
	const char *dir;
	bool foreground;
	bool all;
};

struct server {
	struct mountfs fs;
	struct fuse_session *session;
	pthread_t threads[THREADS];
	unsigned int nr;
};

static const struct argp_option options[] = {
	{ "foreground", 'f', NULL, 0, "Do not go to the background", -1 },
	{ "options", 'o', "OPTION", 0,
	  "allow_other: for all users, not just the one who mounts it", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct mount_opts *opts = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		*opts = (struct mount_opts){ 0 };
		state->child_inputs[0] = &opts->vm;
		return 0;
	case 'f':
		opts->foreground = true;
		return 0;
	case 'o':
		if (strcmp(arg, "allow_other"))
			argp_error(state, "--options: '%s' is none; allow_other is the only one",
				   arg);
		opts->all = true;
		return 0;
	case ARGP_KEY_ARG:
		if (opts->dir)
			argp_error(state, "one DIR only");
		opts->dir = arg;
		return 0;
	case ARGP_KEY_END:
		if (!opts->dir)
			argp_error(state, "DIR is required");
		if (opts->vm.json)
			argp_error(state, "--json: mount prints nothing; DIR has slots.json");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &vm_argp, 0, NULL, 0 }, { 0 } };

static const struct argp argp = {
	options, parse, "DIR",
	"Show a VM as the files of directory DIR: its memory as it is when it is read.\n"
	"\vmemory.raw is guest physical memory, by address; memory.elf the core that "
	"'kvm-tdp dump' writes; slots.json what 'kvm-tdp slots --json' prints. They can only be "
	"read. 'fusermount3 -u DIR' or 'umount DIR' ends it, and so does the end of the VM's "
	"process.",
	children, NULL, NULL
};

/* FUSE would hide what is in it. */
static void check_dir(const char *dir)
{
	struct dirent *entry;
	DIR *stream = opendir(dir);

	/* What its server left, which was killed. */
	if (!stream && errno == ENOTCONN)
		die("%s: something is mounted there that has ended: umount %s", dir, dir);
	if (!stream)
		die("%s: %s", dir, strerror(errno));
	while ((entry = readdir(stream))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			die("%s: is not empty", dir);
	}
	closedir(stream);
}

static void check_fuse(void)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	else if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		die("/dev/fuse: no such device; load the module: modprobe fuse");
	else
		die("/dev/fuse: %s", strerror(errno));
}

/*
 * The rest is for a child, so that whatever has a descriptor of the VM is the process that
 * stays. Return: where it tells that all is well; this process ends when it has, or as it
 * did.
 */
static int fork_background(void)
{
	int pipes[2], status;
	char told;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		die("%s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die("%s", strerror(errno));
	if (!pid) {
		close(pipes[0]);
		return pipes[1];
	}
	close(pipes[1]);
	if (read(pipes[0], &told, 1) == 1)
		exit(EXIT_SUCCESS);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		die("the process in the background was killed");
	exit(WEXITSTATUS(status));
}

static void enter_background(int tell)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd;

	for (fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	close(null);
	setsid();
	/* DIR is known by its absolute path. */
	if (chdir("/") || write(tell, "", 1) != 1)
		warn("%s", strerror(errno));
	close(tell);
}

static void log_fuse(enum fuse_log_level level, const char *fmt, va_list args)
{
	char text[256];

	(void)level;
	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = 0;
	warn("%s", text);
}

static void mount_dir(struct server *server, const struct mount_opts *opts, const char *dir)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	char text[128];

	snprintf(text, sizeof(text), "ro,default_permissions,subtype=kvm-tdp,fsname=%d%s",
		 opts->vm.pid, opts->all ? ",allow_other" : "");
	if (fuse_opt_add_arg(&args, "kvm-tdp") || fuse_opt_add_arg(&args, "-o") ||
	    fuse_opt_add_arg(&args, text))
		die("%s", strerror(ENOMEM));
	fuse_set_log_func(log_fuse);
	server->session = fuse_session_new(&args, &mountfs_ops, sizeof(mountfs_ops),
					   &server->fs);
	if (!server->session || fuse_session_mount(server->session, dir))
		die("%s: cannot be mounted%s", dir,
		    geteuid() ? "; for others than root it takes fusermount3: apt install fuse3" :
		    "");
	fuse_opt_free_args(&args);
}

/* All wait for requests, and for the end: none waits in a way that nothing ends. */
static void *serve(void *data)
{
	struct server *server = data;
	struct fuse_session *session = server->session;
	struct pollfd fds[] = {
		{ .fd = fuse_session_fd(session), .events = POLLIN },
		{ .fd = server->fs.stop, .events = POLLIN },
	};
	struct fuse_buf buf = { 0 };
	int n = -EAGAIN;

	while (n > 0 || n == -EINTR || n == -EAGAIN) {
		if ((poll(fds, 2, -1) < 0 && errno != EINTR) || fds[1].revents)
			break;
		/* Another thread may have got it. */
		n = fuse_session_receive_buf(session, &buf);
		if (n > 0)
			fuse_session_process_buf(session, &buf);
	}
	free(buf.mem);
	/* It was unmounted: the others need not look. */
	eventfd_write(server->fs.stop, 1);
	return NULL;
}

static int start(struct server *server)
{
	int fd = fuse_session_fd(server->session), err = 0;

	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
		return -errno;
	while (!err && server->nr < THREADS) {
		err = pthread_create(&server->threads[server->nr], NULL, serve, server);
		server->nr += !err;
	}
	return -err;
}

/*
 * Unmount, in use or not: files that are open then have no server any more. A thread that
 * waits for the VM's memory ends with the process.
 */
static void finish(struct server *server)
{
	struct timespec until;
	unsigned int i;
	bool ended = true;

	fuse_session_exit(server->session);
	eventfd_write(server->fs.stop, 1);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE;
	for (i = 0; i < server->nr; i++)
		ended &= !pthread_timedjoin_np(server->threads[i], NULL, &until);
	fuse_session_unmount(server->session);
	if (ended)
		fuse_session_destroy(server->session);
}

/* Those by which a process is told to end, but what nohup(1) ignores. */
static int open_signals(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	struct sigaction old;
	sigset_t mask;
	size_t i;
	int fd;

	sigemptyset(&mask);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaddset(&mask, signals[i]);
	}
	/* Of threads, too, that begin later. */
	sigprocmask(SIG_BLOCK, &mask, NULL);
	fd = signalfd(-1, &mask, SFD_CLOEXEC);
	if (fd < 0)
		die("%s", strerror(errno));
	return fd;
}

/* It was unmounted, or a signal came, or the VM is gone. */
static void wait_for_end(int stop, int signals, int process, pid_t pid)
{
	struct pollfd fds[] = {
		{ .fd = stop, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
		{ .fd = process, .events = POLLIN },
	};

	while (poll(fds, 3, -1) < 0 && errno == EINTR)
		;
	if (fds[2].revents)
		warn("process %d has ended, and with it the mount", pid);
}

int cmd_mount(int argc, char **argv)
{
	struct server server = { 0 };
	struct mountfs *fs = &server.fs;
	struct mount_opts opts;
	int process, signals, tell = -1, err;
	char *dir;

	argp_parse(&argp, argc, argv, 0, NULL, &opts);

	check_dir(opts.dir);
	check_fuse();
	dir = realpath(opts.dir, NULL);
	if (!dir)
		die("%s: %s", opts.dir, strerror(errno));
	if (!opts.foreground)
		tell = fork_background();

	/* Before it is attached to, so that it is that of the VM or of none. */
	process = syscall(SYS_pidfd_open, opts.vm.pid, 0);
	err = errno;
	fs->tdp = vm_create_tdp_fd(&opts.vm);
	fs->mem = tdp_open_mem(fs->tdp, opts.vm.pid, O_RDONLY);
	fs->pid = vm_is_of(fs->tdp, opts.vm.pid) ? opts.vm.pid : 0;
	fs->all = opts.all;
	clock_gettime(CLOCK_REALTIME, &fs->since);
	if (process < 0)
		die("process %d: %s", opts.vm.pid, strerror(err));
	fs->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fs->stop < 0)
		die("%s", strerror(errno));
	signals = open_signals();

	mount_dir(&server, &opts, dir);
	err = start(&server);
	if (!err) {
		if (!opts.foreground)
			enter_background(tell);
		wait_for_end(fs->stop, signals, process, opts.vm.pid);
	}
	finish(&server);
	if (err)
		die("%s: %s", dir, strerror(-err));
	/* A thread that has not ended may have all else in use. */
	return 0;
}
