// SPDX-License-Identifier: GPL-2.0-only
/* The package for Python, against a VMM that is another process: see test_python.py. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "bed.h"
#include "vmm.h"

#define SCRIPT	"/tests/test_python.py"

int main(void)
{
	char pid[16], fd[16], sock[16], gpa[24], size[24], gen[24];
	struct vmm vmm;

	vmm_start(&vmm);
	must(fcntl(vmm.sock, F_SETFD, 0));
	snprintf(pid, sizeof(pid), "%d", vmm.pid);
	snprintf(fd, sizeof(fd), "%d", vmm.fd);
	snprintf(sock, sizeof(sock), "%d", vmm.sock);
	snprintf(gpa, sizeof(gpa), "%lu", GPA);
	snprintf(size, sizeof(size), "%lu", VMM_SIZE);
	snprintf(gen, sizeof(gen), "%lu", VMM_GEN);
	must(execlp("python3", "python3", SCRIPT, pid, fd, sock, gpa, size, gen, NULL));
}
