// SPDX-License-Identifier: GPL-2.0-only
#include "vmm.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bed.h"
#include "sys.h"

#define VMM_PATIENCE	20000
#define VMM_EXEC_ARG	"--was-a-vmm"

static void vmm_serve(int sock, const struct mem *mem)
{
	char *args[] = { "vmm", VMM_EXEC_ARG, NULL };
	char command;

	while (read(sock, &command, 1) == 1) {
		switch (command) {
		case 'x':
			_exit(0);
		case 'e':
			execv("/proc/self/exe", args);
			_exit(1);
		case 'd':
			madvise(mem->hva + mem->size / 2, mem->size / 2, MADV_DONTNEED);
			if (write(sock, &command, 1) != 1)
				_exit(1);
		}
	}
	_exit(1);
}

static void vmm_child(int sock)
{
	struct mem mem;
	struct vm vm;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	vm_open(&vm);
	vm_add_vcpu(&vm);
	mem_small(&mem, VMM_SIZE);
	vm_map(&vm, 1, GPA, &mem);
	if (guest_fill(&vm, GPA, VMM_SIZE, VMM_GEN))
		_exit(1);
	vm_spin(&vm, GPA, VMM_SIZE / 2, VMM_GEN);
	if (write(sock, &vm.fd, sizeof(vm.fd)) != sizeof(vm.fd))
		_exit(1);
	vmm_serve(sock, &mem);
}

void vmm_start(struct vmm *vmm)
{
	int socks[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks));
	vmm->pid = must(fork());
	if (!vmm->pid) {
		close(socks[0]);
		vmm_child(socks[1]);
	}
	close(socks[1]);
	vmm->sock = socks[0];
	if (read(vmm->sock, &vmm->fd, sizeof(vmm->fd)) != sizeof(vmm->fd))
		bail("no VMM");
}

int vmm_steal_fd(const struct vmm *vmm)
{
	return sys_pidfd_getfd(vmm->pid, vmm->fd);
}

static bool vmm_reap(struct vmm *vmm, bool killed)
{
	int status = sys_wait(vmm->pid, VMM_PATIENCE);

	close(vmm->sock);
	if (status < 0 || WIFSIGNALED(status) != killed ||
	    (!killed && WEXITSTATUS(status))) {
		diag("VMM's wait status: %d", status);
		return false;
	}
	return true;
}

bool vmm_exit(struct vmm *vmm)
{
	return write(vmm->sock, "x", 1) == 1 && vmm_reap(vmm, false);
}

bool vmm_exec(struct vmm *vmm)
{
	char byte;

	/* Its end of the socket closes when its memory is gone already. */
	return write(vmm->sock, "e", 1) == 1 && read(vmm->sock, &byte, 1) == 0 &&
	       !kill(vmm->pid, 0);
}

bool vmm_kill(struct vmm *vmm)
{
	kill(vmm->pid, SIGKILL);
	return vmm_reap(vmm, true);
}

void vmm_main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], VMM_EXEC_ARG))
		for (;;)
			pause();
}
