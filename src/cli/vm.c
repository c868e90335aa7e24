// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "kvm-tdp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The C library may be older than these system calls. */
static int sys_pidfd_open(pid_t pid)
{
	return syscall(SYS_pidfd_open, pid, 0);
}

static int sys_pidfd_getfd(int pidfd, int fd)
{
	return syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}

static bool is_vm_fd(int dir, const char *name)
{
	static const char target[] = "anon_inode:kvm-vm";
	char link[sizeof(target)];
	ssize_t n = readlinkat(dir, name, link, sizeof(link));

	return n == sizeof(target) - 1 && !memcmp(link, target, n);
}

/* A VMM may hold several descriptors of one VM; all are one file. */
static bool same_vm(pid_t pid, int fd, int other)
{
	return syscall(SYS_kcmp, pid, pid, KCMP_FILE, fd, other) == 0;
}

static int cmp_int(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void vm_list_drop_duplicates(pid_t pid, struct vm_list *list)
{
	int kept = 0, i, j;

	for (i = 0; i < list->nr; i++) {
		for (j = 0; j < kept; j++) {
			if (same_vm(pid, list->fds[i], list->fds[j]))
				break;
		}
		if (j == kept)
			list->fds[kept++] = list->fds[i];
	}
	list->nr = kept;
}

int vm_list_read(pid_t pid, struct vm_list *list)
{
	char path[32];
	struct dirent *entry;
	DIR *dir;

	list->nr = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;

	while (list->nr < VM_MAX && (entry = readdir(dir))) {
		if (is_vm_fd(dirfd(dir), entry->d_name))
			list->fds[list->nr++] = atoi(entry->d_name);
	}
	closedir(dir);

	/* The order of readdir() is not promised; --vm N must not change. */
	qsort(list->fds, list->nr, sizeof(list->fds[0]), cmp_int);
	vm_list_drop_duplicates(pid, list);
	return 0;
}

void vm_comm(pid_t pid, char *comm, size_t size)
{
	char path[32];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "r");
	if (!file || !fgets(comm, size, file))
		snprintf(comm, size, "?");
	if (file)
		fclose(file);
	comm[strcspn(comm, "\n")] = 0;
}

static void die_process(pid_t pid, int err)
{
	if (err == ESRCH)
		die("process %d: no such process; 'kvm-tdp list' shows those that have VMs",
		    pid);
	if (err == EACCES || err == EPERM)
		die("process %d: no permission to look into it; run as root",
		    pid);
	die("process %d: %s", pid, strerror(err));
}

static int vm_choose(const struct vm_opts *opts)
{
	struct vm_list list;
	int err = vm_list_read(opts->pid, &list);

	if (err)
		die_process(opts->pid, -err);
	if (!list.nr)
		die("process %d: has no VM; 'kvm-tdp list' shows the processes that have",
		    opts->pid);
	if (opts->vm >= list.nr)
		die("process %d: has no VM %d, only 0 to %d", opts->pid,
		    opts->vm, list.nr - 1);
	if (opts->vm < 0 && list.nr > 1)
		die("process %d: has %d VMs; choose one with --vm 0 to --vm %d",
		    opts->pid, list.nr, list.nr - 1);

	return list.fds[opts->vm < 0 ? 0 : opts->vm];
}

/* The pidfd comes first: it pins the process, so the PID cannot be reused. */
static int vm_take_fd(const struct vm_opts *opts)
{
	int pidfd, fd;

	pidfd = sys_pidfd_open(opts->pid);
	if (pidfd < 0 && errno == EINVAL)
		die("process %d: is a thread; give the PID of the process",
		    opts->pid);
	if (pidfd < 0)
		die_process(opts->pid, errno);

	fd = sys_pidfd_getfd(pidfd, vm_choose(opts));
	if (fd < 0)
		die_process(opts->pid, errno);
	close(pidfd);
	return fd;
}

static int open_kvm_tdp(void)
{
	int fd = open("/dev/kvm_tdp", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
		die("/dev/kvm_tdp: no such device; load the module: modprobe kvm_tdp");
	if (errno == EACCES || errno == EPERM)
		die("/dev/kvm_tdp: no permission; run as root");
	die("/dev/kvm_tdp: %s", strerror(errno));
}

const char *create_strerror(int err)
{
	switch (err) {
	case EIO:
		return "the VM belongs to another process, which takes CAP_SYS_PTRACE; run as root";
	case EOPNOTSUPP:
		return "KVM runs without EPT/NPT, or the VM's memory is not the host's to share";
	case ENODEV:
		return "the VM is going away";
	case EBUSY:
		return "the hooks into KVM cannot be armed: is kernel.ftrace_enabled 0?";
	case ENOTRECOVERABLE:
		return "the kernel's ftrace has shut itself down, see dmesg; reboot";
	case EINVAL:
		return "the VM has no such address space, or the module is older than this program";
	}
	return strerror(err);
}

int vm_create_tdp_fd(const struct vm_opts *opts)
{
	struct kvm_create_tdp_fd create = {
		.size = sizeof(create),
		.as_id = opts->as_id,
	};
	int dev = open_kvm_tdp();

	create.vm_fd = vm_take_fd(opts);
	if (ioctl(dev, KVM_CREATE_TDP_FD, &create))
		die("VM of process %d: cannot export its memory: %s",
		    opts->pid, create_strerror(errno));

	close(create.vm_fd);
	close(dev);
	return create.fd;
}
