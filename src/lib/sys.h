/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LIBKVM_TDP_SYS_H
#define LIBKVM_TDP_SYS_H

/* System calls that answer -errno. */

int sys_ioctl(int fd, unsigned long request, void *arg);

/* A device of ours: -ENXIO if it is not there, -EACCES if it may not be opened. */
int sys_open(const char *path);

#endif /* LIBKVM_TDP_SYS_H */
