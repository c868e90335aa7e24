// SPDX-License-Identifier: GPL-2.0-only
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

int sys_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

int sys_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	/* A node without a module, or none. */
	return errno == ENOENT || errno == ENODEV ? -ENXIO : -errno;
}
