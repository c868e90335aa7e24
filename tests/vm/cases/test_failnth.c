// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation fails: each call is made with its first, second, third ...
 * allocation failing, until it gets by without.  It answers ENOMEM, or makes do;
 * it leaves nothing behind; and what it was made on can be used afterwards.
 *
 * Needs a kernel with CONFIG_FAULT_INJECTION.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bed.h"
#include "edu.h"
#include "guest.h"
#include "kmod.h"
#include "sys.h"
#include "uapi.h"

#define NTH_MAX		500	/* allocations of one call */

/* Few pages, for each is an allocation, in two tables. */
#define FEW		(4 * PAGE_4K)
#define FEW_GPA		(GPA + PAGE_2M - FEW / 2)
#define DEBUGFS		"/sys/kernel/debug/"

static struct bed bed;
static struct mem mem;
static int kmod, handle, nth_fd, made;

static void nth_set(unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	if (pwrite(nth_fd, text, len, 0) != len)
		bail("fail-nth: errno %d", errno);
}

/* Whether the allocation has failed; none will from here on. */
static bool nth_end(void)
{
	char text[16] = "";

	if (pread(nth_fd, text, sizeof(text) - 1, 0) <= 0)
		bail("fail-nth: errno %d", errno);
	nth_set(0);
	return !atoi(text);
}

static void nth_open(void)
{
	/* Each failure would leave a call trace in the log. */
	static const struct {
		const char *path, *value;
	} knobs[] = {
		{ DEBUGFS "failslab/verbose", "0" },
		{ DEBUGFS "failslab/ignore-gfp-wait", "N" },
		{ DEBUGFS "fail_page_alloc/verbose", "0" },
		{ DEBUGFS "fail_page_alloc/min-order", "0" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N" },
	};
	size_t i;

	for (i = 0; i < sizeof(knobs) / sizeof(knobs[0]); i++) {
		if (sys_write(knobs[i].path, knobs[i].value))
			bail("no fault injection: %s", knobs[i].path);
	}
	nth_fd = must(open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC));
}

struct call {
	const char *name;
	int (*make)(void);	/* 0 or -errno */
	void (*undo)(void);	/* what a call that succeeded has done */
	void (*prepare)(void);	/* lets no allocation fail */
	void (*arm)(unsigned int n);	/* NULL: nth_set */
	bool takes_long;	/* to show that it works again is left to the next */
};

static int make(const struct call *call, unsigned int n)
{
	if (call->prepare)
		call->prepare();
	(call->arm ?: nth_set)(n);
	return call->make();
}

static void done_with(const struct call *call, int ret)
{
	if (!ret && call->undo)
		call->undo();
}

/* With allocation @n failing; false: it makes less than that. */
static bool call_nth(const struct call *call, unsigned int n, unsigned int *wrong,
		     unsigned int *refused)
{
	int fds = uapi_free_fd(), ret, again;
	bool failed;

	ret = make(call, n);
	failed = nth_end();
	if (failed && ret && ret != -ENOMEM) {
		diag("%s: %d when allocation %u fails", call->name, ret, n);
		(*wrong)++;
	}
	*refused += failed && ret;
	done_with(call, ret);
	if (uapi_free_fd() != fds) {
		diag("%s: a descriptor is left when allocation %u fails",
		     call->name, n);
		(*wrong)++;
	}
	if (call->takes_long && failed)
		return true;
	again = make(call, 0);
	done_with(call, again);
	if (again) {
		diag("%s: %d after allocation %u has failed", call->name, again, n);
		(*wrong)++;
	}
	return failed;
}

/* How many allocations it needs. */
static unsigned int test_call(const struct call *call)
{
	unsigned int n = 1, wrong = 0, refused = 0;

	while (n < NTH_MAX && call_nth(call, n, &wrong, &refused))
		n++;
	is(wrong, 0, "%s: fails as it should, or not", call->name);
	ok(n < NTH_MAX, "%s: %u allocations, %u of them needed",
	   call->name, n - 1, refused);
	return refused;
}

static void undo_fd(void)
{
	close(made);
}

static int make_open(void)
{
	made = open("/dev/kvm_tdp", O_RDWR | O_CLOEXEC);
	return made < 0 ? -errno : 0;
}

/* A VM's first TDP fd: hooks, notifier, table. */
static int make_first(void)
{
	made = kvm_tdp_create(bed.vm.fd, 1);
	return made < 0 ? made : 0;
}

static int make_second(void)
{
	made = kvm_tdp_create(bed.vm.fd, 0);
	return made < 0 ? made : 0;
}

static int make_info(void)
{
	struct kvm_tdp_info info;

	return kvm_tdp_get_info(bed.tdp, &info);
}

static int make_prefault(void)
{
	return ktdp_prefault(bed.tdp, FEW_GPA, FEW, ACC_W);
}

static void undo_prefault(void)
{
	must(madvise(mem.hva, mem.size, MADV_DONTNEED));
}

static int make_map(void)
{
	struct kvm_tdp_run runs[4];
	struct kvm_tdp_map map = {
		.size = sizeof(map), .length = PAGE_1G,
		.runs = (uintptr_t)runs, .nr_runs = 4,
	};

	return sys(ioctl(bed.tdp, KVM_TDP_READ_MAP, &map));
}

static int make_verify(void)
{
	struct kvm_tdp_verify verify = {
		.size = sizeof(verify), .gpa = GPA, .length = mem.size,
	};

	return sys(ioctl(bed.tdp, KVM_TDP_VERIFY, &verify));
}

static int make_attach(void)
{
	return kvm_tdp_dma_attach(bed.dma, bed.tdp);
}

static void undo_attach(void)
{
	kvm_tdp_dma_detach(bed.dma);
}

static int make_register(void)
{
	return kmod_register(kmod, handle, 0);
}

static void undo_register(void)
{
	kmod_unregister(kmod, handle, 0);
}

static int make_fault(void)
{
	return kmod_fault(kmod, handle, GPA / PAGE_4K, KTDP_TEST_WRITE);
}

/* To set registers is an allocation, too. */
static void prepare_guest(void)
{
	struct kvm_regs regs = {
		.rip = VM_BOOT_CODE + (guest_op_fill - guest_code),
		.rsp = VM_BOOT_STACK_END,
		.rflags = 2,	/* always set */
		.rsi = FEW_GPA,
		.rdx = FEW_GPA + FEW,
		.rdi = 8,
	};

	must(ioctl(bed.vm.vcpu, KVM_SET_REGS, &regs));
}

/* KVM fails with ENOMEM, or with EFAULT for a page of the host: its affair. */
static int make_guest(void)
{
	int ret = vm_run(&bed.vm);

	return ret ? -ENOMEM : 0;
}

static const struct call calls[] = {
	{ .name = "open", .make = make_open, .undo = undo_fd },
	{ .name = "first TDP fd", .make = make_first, .undo = undo_fd },
	{ .name = "second TDP fd", .make = make_second, .undo = undo_fd },
	{ .name = "info", .make = make_info },
	{ .name = "prefault", .make = make_prefault, .undo = undo_prefault },
	{ .name = "map", .make = make_map },
	{ .name = "verify", .make = make_verify },
	{ .name = "register", .make = make_register, .undo = undo_register },
	{ .name = "fault", .make = make_fault, .undo = undo_prefault },
	{ .name = "guest", .make = make_guest, .undo = undo_prefault, .prepare = prepare_guest },
};

static const struct call call_attach = {
	.name = "attach", .make = make_attach, .undo = undo_attach,
};

static void test_calls(void)
{
	size_t i;

	mem_small(&mem, 4 * PAGE_2M);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	kmod = kmod_open();
	handle = must(kmod_get(kmod, bed.tdp));
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		test_call(&calls[i]);
	is(kvm_tdp_dma_detach(bed.dma), 0, "the engine detaches");
	test_call(&call_attach);
	is(kvm_tdp_dma_attach(bed.dma, bed.tdp), 0, "the engine attaches");
	ok(bed_works(&bed, GPA, mem.hva, PAGE_2M, 2), "all works");
	ok(ktdp_counts_agree(bed.tdp), "leaves are counted");
	kmod_put(kmod, handle);
	close(kmod);
	bed_close(&bed);
	mem_free(&mem);
}

static int module_fd;

static int make_load(void)
{
	return sys_module_load(module_fd);
}

static int make_unload(void)
{
	return sys_delete_module("kvm_tdp");
}

static void undo_load(void)
{
	must(make_unload());
}

static void prepare_unload(void)
{
	must(make_load());
}

/* tests/kmod/nth.c: in the module's init alone, not in what loads it. */
static void arm_init(unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	must(sys_write("/sys/module/ktdp_nth/parameters/nth", text));
}

static const struct call call_load = {
	.name = "module init", .make = make_load, .undo = undo_load,
	.arm = arm_init, .takes_long = true,
};

static const struct call call_unload = {
	.name = "module exit", .make = make_unload, .prepare = prepare_unload,
};

static bool module_left(void)
{
	return !access("/dev/kvm_tdp", F_OK) || !access("/sys/module/kvm_tdp", F_OK) ||
	       !access("/sys/kernel/slab/ktdp_table", F_OK);
}

static void test_module(void)
{
	must(sys_delete_module("ktdp_test"));
	must(sys_delete_module("kvm_tdp_dma"));
	must(sys_delete_module("kvm_tdp_mem"));
	must(sys_delete_module("kvm_tdp"));
	module_fd = sys_module_open();
	sys_module("ktdp_nth", "/sys/module/ktdp_nth/parameters/nth");
	test_call(&call_load);
	ok(!module_left(), "module init: nothing is left");
	is(test_call(&call_unload), 0, "module exit: needs no allocation");
	ok(!module_left(), "module exit: nothing is left");
	close(module_fd);
	must(sys_delete_module("ktdp_nth"));
	sys_modules();
	sys_module("ktdp_test", "/dev/ktdp_test");
}

static struct vfio edu;
static uint32_t transfer;
static void *own;

static int make_follow(void)
{
	return vfio_attach(&edu, bed.tdp, 0, -1, NULL);
}

static void undo_follow(void)
{
	must(vfio_detach(&edu));
}

static int make_begin(void)
{
	return vfio_begin(&edu, FEW_GPA, FEW, KVM_TDP_VFIO_WRITE, &transfer);
}

/* Bookkeeping of the memory goes with the container. */
static void undo_begin(void)
{
	must(vfio_done(&edu, transfer));
	vfio_close(&edu);
	edu_open(&edu);
	must(make_follow());
	must(madvise(mem.hva, mem.size, MADV_DONTNEED));
}

static int make_own(void)
{
	struct kvm_tdp_vfio_info info;

	must(vfio_info(&edu, &info));
	return vfio_map(&edu, info.own_first, own, PAGE_2M, KVM_TDP_VFIO_READ);
}

static void undo_own(void)
{
	struct kvm_tdp_vfio_info info;

	must(vfio_info(&edu, &info));
	must(vfio_unmap(&edu, info.own_first));
}

static const struct call call_follow = {
	.name = "device: attach", .make = make_follow, .undo = undo_follow,
};

static const struct call call_begin = {
	.name = "device: begin", .make = make_begin, .undo = undo_begin,
};

static const struct call call_own = {
	.name = "device: map", .make = make_own, .undo = undo_own,
};

static void test_device(void)
{
	sys_module("kvm_tdp_iommu", "/sys/module/kvm_tdp_iommu");
	sys_module("kvm_tdp_vfio", "/sys/module/kvm_tdp_vfio");
	sys_module("vfio_pci", "/sys/bus/pci/drivers/vfio-pci");
	edu_open(&edu);
	mem_small(&mem, 4 * PAGE_2M);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	own = mmap(NULL, PAGE_2M, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	test_call(&call_follow);
	must(make_follow());
	test_call(&call_begin);
	test_call(&call_own);
	is(edu_once(&edu, GPA, true), 0, "the device works");
	undo_follow();
	vfio_close(&edu);
	munmap(own, PAGE_2M);
	bed_close(&bed);
	mem_free(&mem);
	must(sys_unload("kvm_tdp_vfio"));
	must(sys_unload("kvm_tdp_iommu"));
}

static const struct tap_case cases[] = {
	{ "module", test_module },	/* first: then all is tried that is left */
	{ "calls", test_calls },
	{ "device", test_device },
};

int main(int argc, char **argv)
{
	nth_open();
	return RUN_CASES(cases, argc, argv);
}
