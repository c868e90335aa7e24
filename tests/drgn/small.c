// SPDX-License-Identifier: GPL-2.0-only
/*
 * Of a kernel no more than what live.py looks at, at the same addresses and offsets: a
 * vmlinux that is quickly read. Where these are is told to the compiler, and to the linker.
 */
struct list_head {
	struct list_head *next, *prev;
};

struct task_struct {
	char before_tasks[TASKS];
	struct list_head tasks;
	char before_pid[PID - TASKS - sizeof(struct list_head)];
	int pid;
	char before_comm[COMM - PID - sizeof(int)];
	char comm[16];
};

__attribute__((section(".init_task"))) struct task_struct init_task;
__attribute__((section(".banner"))) const char linux_banner[512];

__attribute__((section(".init.text"))) void start_kernel(void)
{
}
