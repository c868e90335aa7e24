// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hooks are lost while there are TDP fds: one is called for nothing, or ftrace
 * shuts itself down.  There is no way back from that, so this is the last program in
 * its VM, where kvm_tdp stays loaded (ktdp.stays).
 */
#include <unistd.h>

#include "bed.h"
#include "klog.h"
#include "kmod.h"
#include "sys.h"

#define SIZE	(4 * PAGE_2M)
#define TOLD_MS	5000		/* it takes a second */

static struct bed bed, other;
static struct told told;
static struct mem mem;
static int kmod, handle, klog;

static int fault(unsigned int access)
{
	return kmod_fault(kmod, handle, GPA / PAGE_4K, access);
}

/* Until fault says so, or time is up. */
static int fault_answers(int want)
{
	unsigned int ms = TOLD_MS;
	int ret;

	do {
		ret = fault(KTDP_TEST_READ);
	} while (ret != want && sys_step(&ms));
	return ret;
}

/* How often the importer was; it may come a little later than the table is empty. */
static uint64_t nr_told(void)
{
	unsigned int ms = TOLD_MS;
	uint64_t nr;

	do {
		nr = dma_stats(bed.dma).invalidations - told.before.invalidations;
	} while (!nr && sys_step(&ms));
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

/* Tables end while they are in use; @says so in the log. */
static void check_lost(const char *what, unsigned int how, const char *says)
{
	struct kvm_tdp_verify verify;

	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	handle = kmod_get(kmod, bed.tdp);
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(1)), 0, "%s: guest writes", what);
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, "%s: engine reads", what);
	vm_open(&other.vm);
	told_begin(&told, bed.dma);

	kmod_break(kmod, how, NULL);
	is(kvm_tdp_create(other.vm.fd, 0), -ENOTRECOVERABLE, "%s: no TDP fd of another VM", what);
	is(kvm_tdp_create(bed.vm.fd, 0), -ENOTRECOVERABLE, "%s: no second one of this VM", what);
	is(fault_answers(-ENOTRECOVERABLE), -ENOTRECOVERABLE, "%s: fault answers so", what);
	ok(ktdp_empties(bed.tdp, TOLD_MS), "%s: the table is emptied", what);
	is(nr_told(), 1, "%s: the importer was told, once", what);
	ok(told_covers(&told, GPA, SIZE), "%s: of all that was mapped", what);
	check_stopped(what);

	/* The guest goes on, and does not fill the table. */
	is(guest_check(&bed.vm, GPA, SIZE, GEN(1)), 0, "%s: the guest reads what it wrote",
	   what);
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(2)), 0, "%s: and writes", what);
	vm_unmap(&bed.vm, 1);
	vm_map(&bed.vm, 1, GPA, &mem);
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(3)), 0, "%s: in a new slot, too", what);
	check_stopped("later");
	is(kvm_tdp_verify_range(bed.tdp, 0, 1UL << 48, &verify), 0, "%s: verify runs", what);
	is(ktdp_verify_wrong(&verify), 0, "%s: and finds nothing wrong", what);
	is(klog_count(klog, says), 1, "%s: the log says so once", what);
}

static void check_end(const char *what)
{
	kmod_put(kmod, handle);
	bed_close(&bed);
	is(kvm_tdp_create(other.vm.fd, 0), -ENOTRECOVERABLE, "%s: still no TDP fd", what);
	vm_close(&other.vm);
}

/* A hook is called by none of the functions that were hooked: which one is not seen? */
static void test_unknown(void)
{
	check_lost("unknown", KTDP_TEST_BREAK_HOOK, "called a hook that is not its own");
	check_end("unknown");
	close(kmod);

	/* Nothing is broken but the module's trust in its hooks. */
	is(sys_unload("ktdp_test"), 0, "unload ktdp_test");
	is(sys_unload("kvm_tdp_dma"), 0, "unload kvm_tdp_dma");
	is(sys_unload("kvm_tdp_mem"), 0, "unload kvm_tdp_mem");
	is(sys_unload("kvm_tdp"), 0, "unload kvm_tdp");
	sys_modules();
	sys_module("ktdp_test", "/dev/ktdp_test");
	kmod = kmod_open();
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 4), "loaded again, all works");
	bed_close(&bed);
}

static void test_shut_down(void)
{
	check_lost("shut down", KTDP_TEST_BREAK_FTRACE, "ftrace has shut itself down");
}

static void test_end(void)
{
	check_end("shut down");
	is(klog_count(klog, "kvm_tdp"), 0, "nothing more in the log");
}

static const struct tap_case cases[] = {
	{ "unknown", test_unknown },
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
