/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_MOUNTFS_H
#define KVM_TDP_MOUNTFS_H

/*
 * A VM as a directory of files that are made as they are read, for FUSE. An open file
 * goes by the memory slots of when it was opened; its bytes are those of when they are
 * read.
 */

#define FUSE_USE_VERSION 35

#if !__has_include("fuse3/fuse_lowlevel.h")
#error "kvm-tdp mount needs the headers of libfuse: apt install libfuse3-dev"
#endif

#include <fuse3/fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* Its first members are set before it is served, and constant then. */
struct mountfs {
	int tdp, mem;
	pid_t pid;		/* in whose memory the VM is; 0: it cannot be told */
	bool all;		/* it is for all users */
	struct timespec since;
	int stop;		/* eventfd: written to when the VM's memory is gone */

	uint64_t note_gpa;	/* where the last core had its note, or 0; atomic */
};

/* Their userdata is a struct mountfs; any number of threads may call them. */
extern const struct fuse_lowlevel_ops mountfs_ops;

#endif /* KVM_TDP_MOUNTFS_H */
