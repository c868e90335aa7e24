// SPDX-License-Identifier: GPL-2.0-only
#include "qemu.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys.h"
#include "tap.h"

#define QEMU_PATIENCE	600000	/* ms; a debug kernel is slow */
/* ms between two looks: each takes the guest from its CPU, which costs an emulator dearly. */
#define QEMU_LOOK	100

#define MONITOR		"/tmp/qemu.sock"
#define CONSOLE		"/tmp/guest.log"
#define LOG		"/tmp/qemu.log"

static void diag_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\r\n")] = 0;
		diag("%s: %s", path, line);
	}
	if (file)
		fclose(file);
}

static void qemu_bail(const char *what)
{
	diag_file(LOG);
	diag_file(CONSOLE);
	bail("qemu: %s", what);
}

static void qemu_exec(unsigned int vcpus)
{
	int log = open(LOG, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	char mem[16], smp[16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(mem, sizeof(mem), "%lu", QEMU_RAM >> 20);
	snprintf(smp, sizeof(smp), "%u", vcpus);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	execlp("qemu-system-x86_64", "qemu-system-x86_64",
	       "-nodefaults", "-no-user-config", "-no-reboot",
	       "-display", "none", "-S", "-accel", "kvm", "-cpu", "host",
	       /* Without it Linux tries for 5 s whether it has one. */
	       "-M", "microvm,rtc=on", "-m", mem, "-smp", smp,
	       "-kernel", "/guest/vmlinuz", "-initrd", "/guest/initrd",
	       "-append", "console=ttyS0 quiet panic=-1 mitigations=off",
	       "-serial", "file:" CONSOLE,
	       "-qmp", "unix:" MONITOR ",server=on,wait=off", (char *)NULL);
	_exit(127);
}

/* Once more round a loop that waits for QEMU. */
static void qemu_be_patient(struct qemu *qemu, unsigned int *looks)
{
	int status;

	if (waitpid(qemu->pid, &status, WNOHANG))
		qemu_bail("it has ended");
	if (!(*looks)--)
		qemu_bail("no patience left");
	usleep(QEMU_LOOK * 1000);
}

static void qemu_connect(struct qemu *qemu)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = MONITOR };
	unsigned int looks = QEMU_PATIENCE / QEMU_LOOK;

	qemu->monitor = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	while (connect(qemu->monitor, (struct sockaddr *)&addr, sizeof(addr)))
		qemu_be_patient(qemu, &looks);
}

/* QMP talks in lines; no line here is long. */
static void qemu_read_line(struct qemu *qemu, char *line, size_t size)
{
	size_t nr;

	for (nr = 0; nr < size - 1; nr++) {
		if (read(qemu->monitor, &line[nr], 1) != 1)
			qemu_bail("the monitor has closed");
		if (line[nr] == '\n')
			break;
	}
	line[nr] = 0;
}

/* Events may come before the answer. */
static void qemu_do(struct qemu *qemu, const char *command)
{
	char line[4096];
	int length;

	length = snprintf(line, sizeof(line), "{\"execute\":\"%s\"}\n", command);
	if (write(qemu->monitor, line, length) != length)
		qemu_bail("the monitor does not listen");
	do {
		qemu_read_line(qemu, line, sizeof(line));
		if (!strncmp(line, "{\"error\"", 8))
			qemu_bail(line);
	} while (strncmp(line, "{\"return\"", 9));
}

/* By what it is called below /proc, as any outsider has to find it. */
static int qemu_find_vm(struct qemu *qemu)
{
	static const char name[] = "anon_inode:kvm-vm";
	char path[32], link[sizeof(name)];
	struct dirent *entry;
	int fd = -1;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", qemu->pid);
	dir = opendir(path);
	while (fd < 0 && dir && (entry = readdir(dir))) {
		ssize_t nr = readlinkat(dirfd(dir), entry->d_name, link,
					sizeof(link));

		if (nr == sizeof(name) - 1 && !memcmp(link, name, nr))
			fd = atoi(entry->d_name);
	}
	if (dir)
		closedir(dir);
	if (fd < 0)
		qemu_bail("it has no VM");
	return fd;
}

void qemu_start(struct qemu *qemu, unsigned int vcpus)
{
	char greeting[4096];

	unlink(MONITOR);
	unlink(CONSOLE);
	qemu->pid = must(fork());
	if (!qemu->pid)
		qemu_exec(vcpus);
	qemu_connect(qemu);
	/* It greets from its main loop, when the machine is complete. */
	qemu_read_line(qemu, greeting, sizeof(greeting));
	qemu_do(qemu, "qmp_capabilities");
	qemu->vm_fd = must(sys_pidfd_getfd(qemu->pid, qemu_find_vm(qemu)));
}

void qemu_cont(struct qemu *qemu)
{
	qemu_do(qemu, "cont");
}

void qemu_stop(struct qemu *qemu)
{
	qemu_do(qemu, "stop");
}

void qemu_kill(struct qemu *qemu)
{
	close(qemu->vm_fd);
	close(qemu->monitor);
	kill(qemu->pid, SIGKILL);
	sys_wait(qemu->pid, QEMU_PATIENCE);
}

bool qemu_has_printed(const char *line)
{
	FILE *file = fopen(CONSOLE, "re");
	char text[256];
	bool found = false;

	while (file && !found && fgets(text, sizeof(text), file)) {
		text[strcspn(text, "\r\n")] = 0;
		found = !strcmp(text, line);
	}
	if (file)
		fclose(file);
	return found;
}

void qemu_wait_for(struct qemu *qemu, const char *line)
{
	unsigned int looks = QEMU_PATIENCE / QEMU_LOOK;

	while (!qemu_has_printed(line))
		qemu_be_patient(qemu, &looks);
}
