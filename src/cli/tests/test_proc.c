// SPDX-License-Identifier: GPL-2.0-only
/* What /proc tells of a process, of children of this one. Prints TAP. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../proc.h"
#include "tap.h"

static void test_field(void)
{
	char value[PROC_VALUE], pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	ok(proc_field(value, "Pid", "/proc/%d/status", getpid()) && !strcmp(value, pid),
	   "field", "a number, and not that of PPid");
	ok(proc_field(value, "State", "/proc/self/status") && !strcmp(value, "R (running)"),
	   "field", "what has blanks in it");
	ok(proc_field(value, "flags", "/proc/self/fdinfo/%d", STDOUT_FILENO) && *value,
	   "field", "of a descriptor");
	ok(!proc_field(value, "Stat", "/proc/self/status") && !*value, "field",
	   "the beginning of a key");
	ok(!proc_field(value, "Pid", "/proc/self/none") && !*value, "field", "no such file");
}

static void test_comm(void)
{
	char comm[32];

	prctl(PR_SET_NAME, "\033[31m\xc3\xbc");
	vm_comm(getpid(), comm, sizeof(comm));
	ok(!strcmp(comm, "?[31m??"), "name", "a wild one");
	vm_comm(1 << 30, comm, sizeof(comm));
	ok(!strcmp(comm, "?"), "name", "of no process");
}

struct child {
	pid_t pid;
	pid_t second;		/* its other thread */
	int pipe[2];
};

static void *second_thread(void *data)
{
	struct child *child = data;
	pid_t tid = gettid();

	if (write(child->pipe[1], &tid, sizeof(tid)) != sizeof(tid))
		_exit(1);
	for (;;)
		pause();
	return NULL;
}

/* With two threads; @leave: the first ends. */
static void child_begin(struct child *child, bool leave)
{
	pthread_t thread;

	if (pipe(child->pipe))
		abort();
	child->pid = fork();
	if (!child->pid) {
		if (pthread_create(&thread, NULL, second_thread, child))
			_exit(1);
		if (leave)
			pthread_exit(NULL);
		for (;;)
			pause();
	}
	if (child->pid < 0 ||
	    read(child->pipe[0], &child->second, sizeof(pid_t)) != sizeof(pid_t))
		abort();
	close(child->pipe[0]);
	close(child->pipe[1]);
}

static void child_end(struct child *child)
{
	kill(child->pid, SIGKILL);
	/* A thread that is traced is waited for like a child. */
	while (waitpid(-1, NULL, __WALL) > 0)
		;
}

static void wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, __WALL | WUNTRACED) != pid || !WIFSTOPPED(status))
		abort();
}

static void trace(pid_t tid)
{
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) || ptrace(PTRACE_INTERRUPT, tid, NULL, NULL))
		abort();
	wait_for(tid);
}

static void test_process(void)
{
	struct child child;

	child_begin(&child, false);
	ok(vm_process(child.second) == child.pid, "process", "of another thread");
	ok(vm_process(child.pid) == child.pid, "process", "of the first");
	ok(vm_process(1 << 30) == 1 << 30, "process", "of none");
	child_end(&child);
}

static void test_signal(void)
{
	struct child child;

	child_begin(&child, false);
	ok(!vm_is_stopped(child.pid), "stopped", "one that is not");
	kill(child.pid, SIGSTOP);
	wait_for(child.pid);
	ok(vm_is_stopped(child.pid), "stopped", "by a signal");
	kill(child.pid, SIGCONT);
	while (vm_is_stopped(child.pid))
		usleep(1000);
	ok(true, "stopped", "it goes on");
	child_end(&child);
	ok(!vm_is_stopped(child.pid), "stopped", "one that has ended");
}

static void test_tracer(void)
{
	struct child child;

	child_begin(&child, false);
	trace(child.second);
	ok(!vm_is_stopped(child.pid), "traced", "one thread of two");
	trace(child.pid);
	ok(vm_is_stopped(child.pid), "traced", "both");
	ptrace(PTRACE_DETACH, child.second, NULL, NULL);
	while (vm_is_stopped(child.pid))
		usleep(1000);
	ok(true, "traced", "the first alone");
	child_end(&child);
}

/* A tracer can have a thread run on in a process that a signal has stopped. */
static void test_runs_on(void)
{
	struct child child;
	char state[PROC_VALUE];

	child_begin(&child, false);
	if (ptrace(PTRACE_SEIZE, child.second, NULL, NULL))
		abort();
	kill(child.pid, SIGSTOP);
	wait_for(child.second);
	wait_for(child.pid);
	ok(vm_is_stopped(child.pid), "one runs on", "not yet");
	ptrace(PTRACE_CONT, child.second, NULL, NULL);
	while (vm_is_stopped(child.pid))
		usleep(1000);
	proc_field(state, "State", "/proc/%d/status", child.pid);
	ok(*state == 'T', "one runs on", "the first is stopped, but not all are");
	child_end(&child);
}

static void test_first_ended(void)
{
	struct child child;
	char state[PROC_VALUE];

	child_begin(&child, true);
	do {
		proc_field(state, "State", "/proc/%d/status", child.pid);
	} while (*state != 'Z');
	ok(!vm_is_stopped(child.pid), "the first has ended", "the other runs");
	kill(child.pid, SIGSTOP);
	while (!vm_is_stopped(child.pid))
		usleep(1000);
	ok(true, "the first has ended", "the other is stopped");
	child_end(&child);
}

int main(void)
{
	/* What does not come is a failure. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(300);
	test_field();
	test_comm();
	test_process();
	test_signal();
	test_tracer();
	test_runs_on();
	test_first_ended();
	return done();
}
