// SPDX-License-Identifier: GPL-2.0-only
#include "libkvm_tdp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "sys.h"

static int attach(int mem, int tdp, int proc_mem)
{
	struct kvm_tdp_mem_attach attach = {
		.size = sizeof(attach),
		.tdp_fd = tdp,
		.proc_mem_fd = proc_mem,
	};

	return sys_ioctl(mem, KVM_TDP_MEM_ATTACH, &attach);
}

int kvm_tdp_mem_open(int tdp, pid_t pid, int flags)
{
	char path[32];
	int mem, proc_mem, ret;

	if (flags & ~O_ACCMODE || flags == O_WRONLY)
		return -EINVAL;
	mem = sys_open("/dev/kvm_tdp_mem");
	if (mem < 0)
		return mem;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	proc_mem = open(path, flags | O_CLOEXEC);
	if (proc_mem < 0) {
		ret = errno == ENOENT ? -ESRCH : -errno;
	} else {
		ret = attach(mem, tdp, proc_mem);
		close(proc_mem);
	}
	if (!ret)
		return mem;
	close(mem);
	return ret;
}

int kvm_tdp_mem_read(int mem, uint64_t gpa, void *buf, size_t length, size_t *done)
{
	size_t at = 0;
	ssize_t n = 0;

	for (; at < length; at += n) {
		n = pread(mem, (char *)buf + at, length - at, gpa + at);
		if (n < 0)
			break;
	}
	if (done)
		*done = at;
	return n < 0 ? -errno : 0;
}

int kvm_tdp_mem_write(int mem, uint64_t gpa, const void *buf, size_t length, size_t *done)
{
	size_t at = 0;
	ssize_t n = 0;

	for (; at < length; at += n) {
		n = pwrite(mem, (const char *)buf + at, length - at, gpa + at);
		if (n < 0)
			break;
	}
	if (done)
		*done = at;
	return n < 0 ? -errno : 0;
}

int kvm_tdp_mem_readv(int mem, const struct kvm_tdp_mem_vec *vecs, unsigned int nr,
		      unsigned int flags, unsigned int *done)
{
	struct kvm_tdp_mem_readv readv = {
		.size = sizeof(readv),
		.flags = flags,
		.vecs = (uintptr_t)vecs,
		.nr = nr,
	};
	int ret = sys_ioctl(mem, KVM_TDP_MEM_READV, &readv);

	if (done)
		*done = readv.done;
	return ret;
}
