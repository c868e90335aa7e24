// SPDX-License-Identifier: GPL-2.0-only
#include "libkvm_tdp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys.h"

static bool is_vm_fd(int dir, const char *name)
{
	static const char target[] = "anon_inode:kvm-vm";
	char link[sizeof(target)];
	ssize_t n = readlinkat(dir, name, link, sizeof(link));

	return n == sizeof(target) - 1 && !memcmp(link, target, n);
}

static bool is_own_vm_fd(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return is_vm_fd(AT_FDCWD, path);
}

/* A VMM may hold several descriptors of one VM; all are one file. */
static bool same_vm(pid_t pid, int fd, int other)
{
	return syscall(SYS_kcmp, pid, pid, KCMP_FILE, fd, other) == 0;
}

static int compare(const void *a, const void *b)
{
	const int *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static void drop_duplicates(pid_t pid, struct kvm_tdp_vms *vms)
{
	int kept = 0, i, j;

	for (i = 0; i < vms->nr; i++) {
		for (j = 0; j < kept; j++) {
			if (same_vm(pid, vms->fds[i], vms->fds[j]))
				break;
		}
		if (j == kept)
			vms->fds[kept++] = vms->fds[i];
	}
	vms->nr = kept;
}

int kvm_tdp_list_vms(pid_t pid, struct kvm_tdp_vms *vms)
{
	char path[32];
	struct dirent *entry;
	DIR *dir;

	vms->nr = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;

	while (vms->nr < KVM_TDP_VMS_MAX && (entry = readdir(dir))) {
		if (is_vm_fd(dirfd(dir), entry->d_name))
			vms->fds[vms->nr++] = atoi(entry->d_name);
	}
	closedir(dir);

	/* The order of readdir() is not promised; that of a VM must not change. */
	qsort(vms->fds, vms->nr, sizeof(vms->fds[0]), compare);
	drop_duplicates(pid, vms);
	return 0;
}

/* The number of its VM fd in the other process. */
static int choose_vm(pid_t pid, int index)
{
	struct kvm_tdp_vms vms;
	int ret = kvm_tdp_list_vms(pid, &vms);

	if (ret)
		return ret;
	if (index < 0 && vms.nr > 1)
		return -ENOTUNIQ;
	if (index < 0)
		index = 0;
	return index < vms.nr ? vms.fds[index] : -ENOENT;
}

/* The C library may be older than these system calls. */
int kvm_tdp_open_vm(pid_t pid, int index)
{
	int pidfd, fd;

	/* It comes first: of a process that ends meanwhile nothing is had, nor of the next. */
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)	/* of a thread, ENOENT from Linux 6.15 on */
		return errno == ENOENT ? -EINVAL : -errno;
	fd = choose_vm(pid, index);
	if (fd >= 0) {
		fd = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
		if (fd < 0)
			fd = -errno;
	}
	close(pidfd);
	/* The process may have closed it, and opened something else. */
	if (fd >= 0 && !is_own_vm_fd(fd)) {
		close(fd);
		fd = -ENOENT;
	}
	return fd;
}

int kvm_tdp_create(int vm_fd, unsigned int as_id)
{
	struct kvm_create_tdp_fd create = {
		.size = sizeof(create),
		.vm_fd = vm_fd,
		.as_id = as_id,
	};
	int dev = sys_open("/dev/kvm_tdp"), ret;

	if (dev < 0)
		return dev;
	ret = sys_ioctl(dev, KVM_CREATE_TDP_FD, &create);
	close(dev);
	return ret ? ret : create.fd;
}

int kvm_tdp_attach(pid_t pid, int index, unsigned int as_id)
{
	int vm_fd = kvm_tdp_open_vm(pid, index), ret;

	if (vm_fd < 0)
		return vm_fd;
	ret = kvm_tdp_create(vm_fd, as_id);
	close(vm_fd);
	return ret;
}
