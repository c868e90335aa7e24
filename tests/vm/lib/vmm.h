/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_VMM_H
#define TESTS_VM_VMM_H

/* A VMM that is another process, which knows nothing of kvm_tdp. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define VMM_SIZE	0x10000UL
#define VMM_GEN		GEN(0x21)

struct vmm {
	pid_t pid;
	int sock;		/* 'd' has it discard the second half, and answer */
	int fd;			/* of the VM, in the VMM's table */
};

/* Its guest has filled VMM_SIZE bytes at GPA with VMM_GEN, and goes on so. */
void vmm_start(struct vmm *vmm);

/* 0, or the errno of a VMM that is gone. */
int vmm_steal_fd(const struct vmm *vmm);

/* Tell the VMM to exit, or to exec something else; true when it has. */
bool vmm_exit(struct vmm *vmm);
bool vmm_exec(struct vmm *vmm);
bool vmm_kill(struct vmm *vmm);

/* To be called first in main(): what vmm_exec() turns into. */
void vmm_main(int argc, char **argv);

#endif /* TESTS_VM_VMM_H */
