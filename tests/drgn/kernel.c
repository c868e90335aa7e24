// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel that debuggers find their way in, and that never runs: a page table, two tasks,
 * a banner, and a section by which drgn knows a vmlinux. fake.py makes guest memory of it.
 */
struct list_head {
	struct list_head *next, *prev;
};

struct task_struct {
	struct list_head tasks;
	int pid;
	char comm[16];
};

unsigned long swapper_pg_dir[512] __attribute__((aligned(4096)));
unsigned long level3_kernel_pgt[512] __attribute__((aligned(4096)));
unsigned long level2_kernel_pgt[512] __attribute__((aligned(4096)));
unsigned long level3_direct_pgt[512] __attribute__((aligned(4096)));
unsigned long level2_direct_pgt[512] __attribute__((aligned(4096)));
char vmcoreinfo_note[4096] __attribute__((aligned(4096)));

/* Far from the image, as what the slab allocator has; found through the direct mapping. */
struct task_struct *first;

struct task_struct init_task = {
	.tasks = { &init_task.tasks, &init_task.tasks },
	.comm = "swapper/0",
};

char init_uts_ns[512] = "\1\0\0\0Linux\0fake\0006.1.0-fake";
char linux_banner[] = "Linux version 6.1.0-fake (nobody@nowhere)\n";

__attribute__((section(".init.text"))) void start_kernel(void)
{
}

void _stext(void)
{
}
