// SPDX-License-Identifier: GPL-2.0-only
/*
 * ftrace shuts itself down, while there are TDP fds.  There is no way back, so
 * this is the last program in its VM, where kvm_tdp stays loaded (ktdp.stays).
 */
#include <unistd.h>

#include "bed.h"
#include "klog.h"
#include "kmod.h"
#include "sys.h"

#define SIZE	(4 * PAGE_2M)
#define TOLD_MS	5000		/* it takes a second */

static struct bed bed, other;
static struct mem mem;
static int kmod, handle, klog;

static int fault(unsigned int access)
{
	return kmod_fault(kmod, handle, GPA / PAGE_4K, access);
}

/* Until fault says so, or time is up. */
static int fault_answers(int want)
{
	uint64_t end = sys_now() + TOLD_MS;
	int ret;

	do {
		ret = fault(KTDP_TEST_READ);
	} while (ret != want && sys_now() < end && !usleep(10000));
	return ret;
}

/* How often; it may come a little later than the table is empty. */
static uint64_t told_of_everything(void)
{
	uint64_t end = sys_now() + TOLD_MS, nr;

	do {
		nr = dma_stats(bed.dma).full_invalidations;
	} while (!nr && sys_now() < end && !usleep(10000));
	return nr;
}

static void check_stopped(const char *when)
{
	uint64_t word = 0;

	is(fault(KTDP_TEST_READ), -ENOTRECOVERABLE, "%s: fault to read", when);
	is(fault(KTDP_TEST_WRITE), -ENOTRECOVERABLE, "%s: fault to write", when);
	is(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_R), -ENOTRECOVERABLE,
	   "%s: prefault", when);
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W), -ENOTRECOVERABLE,
	   "%s: prefault of more", when);
	is(dma_read(bed.dma, GPA, &word, 8, 0), -ENOTRECOVERABLE, "%s: engine", when);
	is(dma_read(bed.dma, GPA, &word, 8, KVM_TDP_DMA_NOFAULT), -ENXIO,
	   "%s: engine without fault", when);
	ok(ktdp_absent(bed.tdp, GPA, SIZE), "%s: nothing is mapped", when);
}

static void test_shut_down(void)
{
	struct kvm_tdp_verify verify;

	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	handle = kmod_get(kmod, bed.tdp);
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(1)), 0, "guest writes");
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, "engine reads");
	vm_open(&other.vm);

	kmod_break(kmod, KTDP_TEST_BREAK_FTRACE, NULL);
	is(ktdp_create(other.vm.fd, 0), -ENOTRECOVERABLE, "no TDP fd of another VM");
	is(ktdp_create(bed.vm.fd, 0), -ENOTRECOVERABLE, "no second one of this VM");
	is(fault_answers(-ENOTRECOVERABLE), -ENOTRECOVERABLE, "fault answers so");
	ok(ktdp_empties(bed.tdp, TOLD_MS), "the table is emptied");
	is(told_of_everything(), 1, "the importer was told of everything, once");
	check_stopped("shut down");

	/* The guest goes on, and does not fill the table. */
	is(guest_check(&bed.vm, GPA, SIZE, GEN(1)), 0, "the guest reads what it wrote");
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(2)), 0, "and writes");
	vm_unmap(&bed.vm, 1);
	vm_map(&bed.vm, 1, GPA, &mem);
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(3)), 0, "in a new slot, too");
	check_stopped("later");
	is(ktdp_verify(bed.tdp, 0, 1UL << 48, &verify), 0, "verify runs");
	is(ktdp_verify_wrong(&verify), 0, "and finds nothing wrong");
	is(klog_count(klog, "ftrace has shut itself down"), 1, "the log says so once");
}

static void test_end(void)
{
	kmod_put(kmod, handle);
	bed_close(&bed);
	is(ktdp_create(other.vm.fd, 0), -ENOTRECOVERABLE, "still no TDP fd");
	vm_close(&other.vm);
	is(klog_count(klog, "kvm_tdp"), 0, "nothing more in the log");
}

static const struct tap_case cases[] = {
	{ "shut_down", test_shut_down },
	{ "end", test_end },
};

int main(int argc, char **argv)
{
	klog = klog_open();
	kmod = kmod_open();
	mem_huge(&mem, SIZE);
	return RUN_CASES(cases, argc, argv);
}
