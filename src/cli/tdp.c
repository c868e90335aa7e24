// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "text.h"

#define RUNS_AT_ONCE	512

/* EAGAIN is no verdict: the host is busy with the range. */
#define PREFAULT_TRIES	50

const char *fault_strerror(int err)
{
	switch (err) {
	case EFAULT:
		return "no guest RAM there";
	case EACCES:
		return "the memory is read-only";
	case EHWPOISON:
		return "the page is poisoned";
	case EINVAL:
		return "the VM belongs to another process than the one given";
	case EPERM:
		return "the VM's process is exiting";
	case ENOTRECOVERABLE:
		return "the kernel's ftrace has shut itself down, see dmesg; reboot";
	case EAGAIN:
		return "the host keeps changing the range; try again";
	}
	return strerror(err);
}

void tdp_get_info(int tdp_fd, struct kvm_tdp_info *info)
{
	*info = (struct kvm_tdp_info){ .size = sizeof(*info) };
	if (ioctl(tdp_fd, KVM_TDP_GET_INFO, info))
		die("reading the metadata: %s", strerror(errno));
}

void tdp_get_stats(int tdp_fd, struct kvm_tdp_stats *stats)
{
	*stats = (struct kvm_tdp_stats){ .size = sizeof(*stats) };
	if (ioctl(tdp_fd, KVM_TDP_GET_STATS, stats))
		die("reading the counters: %s", strerror(errno));
}

uint64_t tdp_read_map(int tdp_fd, uint64_t gpa, uint64_t length, run_fn fn,
		      void *data)
{
	struct kvm_tdp_run runs[RUNS_AT_ONCE], held = { 0 };
	struct kvm_tdp_map map = {
		.size = sizeof(map),
		.gpa = gpa,
		.length = length,
		.runs = (uintptr_t)runs,
	};
	uint64_t mapped = 0;
	unsigned int i;

	do {
		map.nr_runs = RUNS_AT_ONCE;
		if (ioctl(tdp_fd, KVM_TDP_READ_MAP, &map))
			die("reading the map at 0x%llx: %s",
			    (unsigned long long)map.gpa, strerror(errno));

		/* A run may have been cut by the end of the array. */
		for (i = 0; i < map.nr_runs; i++) {
			mapped += runs[i].length;
			if (held.length && run_join(&held, &runs[i]))
				continue;
			if (held.length)
				fn(&held, data);
			held = runs[i];
		}
	} while (map.length);

	if (held.length)
		fn(&held, data);
	return mapped;
}

void tdp_verify(int tdp_fd, uint64_t gpa, uint64_t length,
		struct kvm_tdp_verify *verify)
{
	*verify = (struct kvm_tdp_verify){
		.size = sizeof(*verify), .gpa = gpa, .length = length,
	};
	do {
		if (ioctl(tdp_fd, KVM_TDP_VERIFY, verify))
			die("verifying at 0x%llx: %s",
			    (unsigned long long)verify->gpa, errno == EPERM ?
			    "no permission (takes CAP_SYS_ADMIN), or the VM's process is exiting" :
			    strerror(errno));
	} while (verify->length);
}

int tdp_prefault(int tdp_fd, uint64_t *gpa, uint64_t *length,
		 unsigned int access)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	struct kvm_tdp_prefault prefault = {
		.size = sizeof(prefault),
		.gpa = *gpa,
		.length = *length,
		.access = access,
	};
	int tries = PREFAULT_TRIES;
	int err = 0;

	while (prefault.length) {
		if (!ioctl(tdp_fd, KVM_TDP_PREFAULT, &prefault)) {
			tries = PREFAULT_TRIES;
			continue;
		}
		if (errno != EAGAIN || !--tries) {
			err = -errno;
			break;
		}
		nanosleep(&pause, NULL);
	}

	*gpa = prefault.gpa;
	*length = prefault.length;
	return err;
}
