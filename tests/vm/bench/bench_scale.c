// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must not depend on how many there are: slots of a VM, VMs, importers; see
 * figure.h for the clock.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "figure.h"
#include "kmod.h"
#include "ktdp.h"
#include "mem.h"
#include "sys.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x140000000UL
#define SIZE	(4 * PAGE_2M)
#define PAGES	(SIZE / PAGE_4K)
#define SLOTS	30000
#define SLOTS_GPA	0x200000000UL
#define VMS	64
#define ENGINES	64

static struct vm vm;
static struct mem mem;
static int tdp, kmod, handle;

/* The median call, on memory that is in the host and not in the table. */
static double fault(const char *name)
{
	const struct ktdp_test_bench bench = {
		.kind = KTDP_TEST_BENCH_FAULT,
		.handle = handle,
		.batch = 1,
		.gfn = GPA / PAGE_4K,
		.pages = PAGES,
		.access = KTDP_TEST_READ | KTDP_TEST_WRITE,
	};
	double cost;

	must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	memset(mem.hva, 1, SIZE);
	cost = section_calls(name, kmod, &bench).median;
	report(name, cost, "insns");
	return cost;
}

static void fill_slots(void)
{
	static struct mem page;
	unsigned int i;

	mem_small(&page, PAGE_4K);
	/* Apart, lest the tree be a list. */
	for (i = 0; i < SLOTS; i++)
		must(vm_slot(&vm, 2 + i, SLOTS_GPA + i * 2 * PAGE_4K, PAGE_4K, page.hva, 0));
}

static void fill_vms(void)
{
	static struct vm vms[VMS];
	int i;

	for (i = 0; i < VMS; i++) {
		vm_open(&vms[i]);
		must(kvm_tdp_create(vms[i].fd, 0));
	}
}

static double zap(void)
{
	uint64_t begin;
	double cost;
	size_t off;

	must(ktdp_prefault(tdp, GPA, SIZE, ACC_W));
	begin = section_begin();
	for (off = 0; off < SIZE; off += PAGE_4K)
		must(madvise(mem.hva + off, PAGE_4K, MADV_DONTNEED));
	cost = section_end(begin, "MADV_DONTNEED of 4K", PAGES);
	ok(ktdp_absent(tdp, GPA, SIZE), "all was zapped");
	return cost;
}

static void fill_engines(void)
{
	double none = zap(), all;
	int i;

	memset(mem.hva, 1, SIZE);
	for (i = 0; i < ENGINES; i++)
		dma_open_on(must(kvm_tdp_create(vm.fd, 0)));
	all = zap();
	report("zap of a page, each importer more", (all - none) / ENGINES, "insns");
}

int main(void)
{
	double few, slots, vms;

	must(sys_write("/sys/module/kvm_tdp/parameters/fault_around", "0"));
	vm_open(&vm);
	mem_small(&mem, SIZE);
	vm_map(&vm, 1, GPA, &mem);
	kmod = kmod_open();
	tdp = must(kvm_tdp_create(vm.fd, 0));
	handle = must(kmod_get(kmod, tdp));

	few = fault("fault(), VM of 2 slots");
	fill_vms();
	vms = fault("fault(), 64 more VMs exported");
	fill_slots();
	slots = fault("fault(), 30000 slots");
	within(vms <= few * 1.02, "other VMs cost nothing");
	/* A look at a balanced tree, where the last slot does not serve. */
	within(slots <= few * 1.5, "slots cost next to nothing");
	fill_engines();
	return done();
}
