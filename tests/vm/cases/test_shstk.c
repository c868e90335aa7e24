// SPDX-License-Identifier: GPL-2.0-only
/*
 * A shadow stack among other memory of a slot: the kernel calls its pages writable,
 * for the CPU writes them when a function is called.  No importer may.
 *
 * Needs CONFIG_X86_USER_SHADOW_STACK and a CPU that has them.  QEMU's does not, so
 * the kernel is told otherwise: setcpuid=519,user_shstk (519: X86_FEATURE_SHSTK,
 * which has no name).  That is enough to map one, and for its PTEs to look as they
 * do on a CPU that has them.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bed.h"

#ifndef SYS_map_shadow_stack	/* newer than Debian 12's libc */
#define SYS_map_shadow_stack	453
#endif

#define SIZE		(16 * PAGE_4K)
#define STACK_AT	(4 * PAGE_4K)	/* in the slot */
#define STACK_SIZE	(8 * PAGE_4K)
#define STACK_END	(STACK_AT + STACK_SIZE)
#define STACK		(GPA + STACK_AT)

static struct bed bed;
static struct mem mem;

/*
 * As a debugger does, which needs neither a thread with a shadow stack nor WRUSS;
 * but proc_mem.force_override=always, where the kernel's default is another.
 */
static void stack_fill(void)
{
	char data[STACK_SIZE];
	int fd = must(open("/proc/self/mem", O_RDWR | O_CLOEXEC));

	mem_fill(data, STACK, STACK_SIZE, GEN(7));
	is(pwrite(fd, data, STACK_SIZE, (uintptr_t)mem.hva + STACK_AT), STACK_SIZE,
	   "the shadow stack is written");
	close(fd);
}

/* All is present, and all but the shadow stack writable. */
static void setup(void)
{
	void *hva;

	mem_small(&mem, SIZE);
	mem_fill(mem.hva, GPA, SIZE, GEN(7));
	hva = mem.hva + STACK_AT;
	must(munmap(hva, STACK_SIZE));
	if (syscall(SYS_map_shadow_stack, hva, STACK_SIZE, 0) != (long)hva)
		bail("no shadow stack: errno %d", errno);
	stack_fill();
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
}

static void teardown(void)
{
	bed_close(&bed);
	mem_free(&mem);
}

static void check_mapped(const char *what)
{
	ok(ktdp_mapped(bed.tdp, GPA, SIZE), "%s: all is mapped", what);
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), "%s: the host's pages", what);
	ok(ktdp_grants_none(bed.tdp, STACK, STACK_SIZE, ACC_W),
	   "%s: the shadow stack for reading", what);
}

static void check_no_write(const char *what)
{
	uint64_t word = 1;

	is(ktdp_prefault(bed.tdp, STACK, PAGE_4K, ACC_W), -EACCES,
	   "%s: a page for writing", what);
	is(ktdp_prefault(bed.tdp, STACK, STACK_SIZE, ACC_W), -EACCES,
	   "%s: all for writing", what);
	is(dma_write(bed.dma, STACK + 8, &word, 8, 0), -EACCES,
	   "%s: engine writes", what);
}

/* One page at a time, first for writing. */
static void test_page(void)
{
	uint64_t gpa;

	setup();
	check_no_write("absent in the table");
	ok(ktdp_absent(bed.tdp, GPA, SIZE), "nothing is mapped");
	for (gpa = STACK; gpa < STACK + STACK_SIZE; gpa += PAGE_4K)
		if (ktdp_prefault(bed.tdp, gpa, PAGE_4K, ACC_R))
			break;
	is(gpa, STACK + STACK_SIZE, "each page for reading");
	ok(ktdp_grants_none(bed.tdp, STACK, STACK_SIZE, ACC_W), "and not for writing");
	check_no_write("present in the table");
	is(dma_check(bed.dma, STACK, STACK_SIZE, GEN(7)), 0, "engine reads");
	teardown();
}

/* A window of other pages before, shadow stack and other pages after. */
static void test_window(void)
{
	uint64_t some;

	setup();
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_R), 0, "window for reading");
	check_mapped("window");
	ok(!ktdp_grants_none(bed.tdp, STACK - PAGE_4K, PAGE_4K, ACC_W),
	   "the page before for writing");
	ok(!ktdp_grants_none(bed.tdp, GPA + STACK_END, PAGE_4K, ACC_W),
	   "the page after for writing");
	is(dma_check(bed.dma, GPA, SIZE, GEN(7)), 0, "engine reads");
	teardown();

	setup();
	is(ktdp_prefault_some(bed.tdp, GPA, SIZE, ACC_W, &some), -EACCES,
	   "window for writing");
	is(some, STACK_AT, "done as far as the shadow stack");
	ok(ktdp_absent(bed.tdp, STACK, SIZE - STACK_AT), "and no further");
	check_no_write("after the window");
	teardown();
}

/* What is not there yet is brought, and what was there is taken away. */
static void test_absent(void)
{
	setup();
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_R), 0, "all for reading");
	must(madvise(mem.hva + STACK_AT, STACK_SIZE, MADV_DONTNEED));
	ok(ktdp_absent(bed.tdp, STACK, STACK_SIZE), "dropped by the host");
	check_no_write("not present");
	ok(!mem_is_present(mem.hva + STACK_AT), "not present: and it stays so");
	is(ktdp_prefault(bed.tdp, STACK, STACK_SIZE, ACC_R), 0,
	   "not present: for reading");
	stack_fill();
	is(ktdp_prefault(bed.tdp, STACK, STACK_SIZE, ACC_R), 0, "present: for reading");
	check_mapped("present again");
	is(dma_check(bed.dma, STACK, STACK_SIZE, GEN(7)), 0, "engine reads");
	teardown();
}

/* KVM itself: what the table takes over from a vCPU's fault. */
static void test_guest(void)
{
	setup();
	is(guest_touch(&bed.vm, GPA, SIZE), 0, "guest reads");
	ok(ktdp_grants_none(bed.tdp, STACK, STACK_SIZE, ACC_W),
	   "which does not let anyone write");
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_R), 0, "all for reading");
	check_mapped("after the guest");
	is(guest_check(&bed.vm, STACK, STACK_SIZE, GEN(7)), 0, "guest has the data");
	is(guest_fill(&bed.vm, STACK, 8, GEN(1)), -EFAULT, "guest cannot write");
	check_mapped("after the guest's write");
	check_no_write("after the guest's write");
	is(dma_check(bed.dma, STACK, STACK_SIZE, GEN(7)), 0, "all is as it was");
	teardown();
}

static const struct tap_case cases[] = {
	{ "page", test_page },
	{ "window", test_window },
	{ "absent", test_absent },
	{ "guest", test_guest },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
