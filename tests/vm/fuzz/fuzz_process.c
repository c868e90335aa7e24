// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who calls: with and without capabilities; a child with copies of all fds; a
 * neighbour with a VM of its own, of which we get the fds, and which dies.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys.h"

#define PATIENCE	60000	/* ms */

bool fuzz_in_child;
bool fuzz_is_admin = true, fuzz_may_ptrace = true;

static pid_t neighbour;		/* 0: none */
static struct fuzz_vm *neighbours_vm;

void fuzz_capability(void)
{
	bool *has = one_in(2) ? &fuzz_is_admin : &fuzz_may_ptrace;
	int cap = has == &fuzz_is_admin ? CAP_SYS_ADMIN : CAP_SYS_PTRACE;
	int ret = sys_cap(cap, !*has);

	count_call(FUZZ_CAPABILITY, ret);
	if (!ret)
		*has = !*has;
}

/* All VMs that are the parent's. */
static void child_begin(void)
{
	struct fuzz_vm *vm;

	fuzz_in_child = true;
	panes_child();
	for (vm = fuzz_vms; vm < fuzz_vms + FUZZ_VMS; vm++) {
		if (!vm->used || vm->owner != OWNER_SELF)
			continue;
		vm->owner = OWNER_OTHER;
		vm->pid = getppid();
	}
}

static void child_exec(void)
{
	struct beast *tdp = zoo_one(FILE_TDP);
	char fd[16];

	snprintf(fd, sizeof(fd), "%d", tdp ? tdp->fd : -1);
	execl("/proc/self/exe", "fuzz", FUZZ_EXECED, fd, NULL);
	_exit(126);
}

/* A TDP fd does not live on in the program that is executed. */
int fuzz_execed(int fd)
{
	return fcntl(fd, F_GETFD) < 0 ? 0 : 1;
}

static void child_run(unsigned int calls, bool executes)
{
	child_begin();
	while (calls--)
		fuzz_one();
	if (executes)
		child_exec();
	_exit(0);
}

/* The child's calls count as its own; what it shares with us it may change. */
static void process_child(void)
{
	static enum { EXECS, IS_KILLED, EXITS, NR_ENDS } end;
	unsigned int calls = 10 + roll(100);
	pid_t pid = must(fork());
	int ret;

	if (!pid)
		child_run(end == IS_KILLED ? -1U : calls, end == EXECS);
	if (end == IS_KILLED) {
		usleep(roll(20000));
		kill(pid, SIGKILL);
	}
	ret = sys_wait_exit(pid, PATIENCE);
	count_call(FUZZ_FORK, 0);
	if (end == EXECS)
		count_call(FUZZ_EXEC, ret);
	if (end == IS_KILLED) {	/* in the midst of a call, most often */
		count_call(FUZZ_KILL, 0);
		window_reset();
	}
	if (ret != (end == IS_KILLED ? -ECHILD : 0))
		wrong("a child ended with %d", ret);
	end = (end + 1) % NR_ENDS;
	zoo_settle();
}

static void neighbour_run(int sock)
{
	struct fuzz_vm vm;
	int kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC));
	int fd = must(ioctl(kvm, KVM_CREATE_VM, 0));

	box_leave();
	/* Memory of its own, as it was at first. */
	host_close();
	host_open();
	if (host_first_slot(fd, &vm) || sys_send_fd(sock, fd) ||
	    sys_send_fd(sock, kvm_tdp_create(fd, 0)))
		_exit(1);
	for (;;)
		pause();
}

static void neighbour_take(struct fuzz_vm *vm, int sock)
{
	int fd = sys_recv_fd(sock), tdp = sys_recv_fd(sock);

	if (fd < 0 || tdp < 0)
		bail("the neighbour gave %d, %d", fd, tdp);
	vm->neighbours = true;
	vm->slots[0][0] = host_first;
	zoo_adopt(fd, FILE_VM, vm);
	zoo_adopt(tdp, FILE_TDP, vm);
}

static void process_neighbour(void)
{
	struct fuzz_vm *vm = vm_new(OWNER_OTHER, 0);
	int socks[2];

	if (!vm)
		return;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks));
	neighbour = must(fork());
	if (!neighbour)
		neighbour_run(socks[1]);
	vm->pid = neighbour;
	neighbours_vm = vm;
	close(socks[1]);
	neighbour_take(vm, socks[0]);
	close(socks[0]);
	count_call(FUZZ_NEIGHBOUR, 0);
}

static void neighbour_kill(void)
{
	must(kill(neighbour, SIGKILL));
	count_call(FUZZ_KILL, 0);
	if (sys_wait_exit(neighbour, PATIENCE) != -ECHILD)
		wrong("the neighbour did not die");
	if (neighbours_vm->used && neighbours_vm->pid == neighbour) {
		neighbours_vm->owner = OWNER_DEAD;
		box_lose_vm(neighbours_vm);
	}
	neighbour = 0;
}

void fuzz_process(void)
{
	if (fuzz_in_child)
		return;
	if (one_in(2))
		process_child();
	else if (neighbour)
		neighbour_kill();
	else
		process_neighbour();
}

void process_settle(void)
{
	if (neighbour)
		neighbour_kill();
	sys_cap(CAP_SYS_ADMIN, true);
	sys_cap(CAP_SYS_PTRACE, true);
	fuzz_is_admin = true;
	fuzz_may_ptrace = true;
}
