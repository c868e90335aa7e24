/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_PROCS_H
#define KVM_TDP_PROCS_H

/* VMs and TDP fds of the processes of this machine, from /proc. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/kvm_tdp.h>

/* A TDP fd that is open; nothing is created to find it. */
struct holder {
	pid_t pid;
	pid_t vm_pid;		/* of the VM's process; a number of the initial namespace */
	uint64_t table;		/* its number; no other has it */
	unsigned int as_id;
	uint64_t ram;		/* bytes in the VM's memory slots */
	uint64_t read_ns;	/* CLOCK_MONOTONIC, when the counters were read */
	struct kvm_tdp_stats stats;
};

struct proc {
	pid_t pid;
	unsigned int vcpus;
	bool has_vm;
	bool denied;		/* it cannot be looked into */
};

struct procs {
	struct proc *procs;
	size_t nr;
	struct holder *holders;
	size_t nr_holders;
};

/* Ends the process with a message on failure. */
void procs_read(struct procs *procs);
void procs_free(struct procs *procs);

#endif /* KVM_TDP_PROCS_H */
