/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_QEMU_H
#define TESTS_VM_QEMU_H

/*
 * Stock QEMU with a Linux guest (linux-init), which know nothing of kvm_tdp.
 * The image has them if its group asks for them (groups).
 */

#include <stdbool.h>
#include <sys/types.h>

#define QEMU_RAM	(256UL << 20)

struct qemu {
	pid_t pid;
	int vm_fd;		/* taken from the process */
	int monitor;
};

/* Up to, and without, the guest's first instruction. */
void qemu_start(struct qemu *qemu, unsigned int vcpus);
void qemu_cont(struct qemu *qemu);
/* No vCPU runs when it returns. */
void qemu_stop(struct qemu *qemu);
void qemu_kill(struct qemu *qemu);

/* Has the guest printed a line like this?  The test ends if it never does. */
void qemu_wait_for(struct qemu *qemu, const char *line);
bool qemu_has_printed(const char *line);

#endif /* TESTS_VM_QEMU_H */
