// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the table costs, next to what the kernel has for it, all on the same memory and
 * in the same run; see insns.h for the clock.
 *
 * Memory is anonymous, in 4K pages, and present in the host throughout: no
 * figure has a host page fault in it.
 */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "insns.h"
#include "kmod.h"
#include "ktdp.h"
#include "mem.h"
#include "sys.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x140000000UL
#define GPA2	0x180000000UL
#define SIZE	(16 * PAGE_2M)
#define PAGES	(SIZE / PAGE_4K)

static struct vm vm;
static struct mem mem;
static int tdp, kmod, handle;
static double per_tick;		/* instructions */

static struct ktdp_test_bench kmod_bench(unsigned int kind, unsigned int batch)
{
	struct ktdp_test_bench bench = {
		.kind = kind,
		.handle = handle,
		.batch = batch,
		.hva = (uintptr_t)mem.hva,
		.gfn = GPA / PAGE_4K,
		.pages = PAGES,
		.access = KTDP_TEST_READ | KTDP_TEST_WRITE,
	};

	kmod_do(kmod, KTDP_TEST_BENCH, &bench);
	if (bench.ret)
		bail("benchmark %u: %d", kind, bench.ret);
	return bench;
}

/* The median call of a kind, less what measuring costs. */
static double median(unsigned int kind, unsigned int batch)
{
	struct ktdp_test_bench none = kmod_bench(KTDP_TEST_BENCH_NOTHING, 1);
	struct ktdp_test_bench bench = kmod_bench(kind, batch);

	return (double)(bench.median - none.median) * per_tick / batch;
}

static double timed_prefault(void)
{
	uint64_t begin = ticks();
	int ret = ktdp_prefault(tdp, GPA, SIZE, ACC_W);

	if (ret)
		bail("prefault: %d", ret);
	return (ticks() - begin) * per_tick / PAGES;
}

/* The host takes the memory back, in steps. */
static double timed_dontneed(size_t step)
{
	uint64_t begin = ticks();
	size_t off;

	for (off = 0; off < SIZE; off += step)
		must(madvise(mem.hva + off, step, MADV_DONTNEED));
	return (ticks() - begin) * per_tick / (SIZE / step);
}

/* The same twice, so that the difference is the zap and what goes with it. */
static double zap_cost(size_t step)
{
	double empty, full;

	timed_dontneed(SIZE);
	memset(mem.hva, 1, SIZE);
	empty = timed_dontneed(step);
	memset(mem.hva, 1, SIZE);
	timed_prefault();
	full = timed_dontneed(step);
	if (ktdp_stats(tdp).leaves[0])
		bail("not all was zapped");
	return full - empty;
}

/*
 * Switch the dirty log on for a slot of @size whose first pages, PAGES at most,
 * are mapped writable, or not.
 */
static double timed_log_on(struct mem *big, size_t size, bool mapped)
{
	size_t part = size < SIZE ? size : SIZE;
	uint64_t begin, end;

	must(vm_slot(&vm, 2, GPA2, size, big->hva, 0));
	if (mapped)
		must(ktdp_prefault(tdp, GPA2, part, ACC_W));
	begin = ticks();
	must(vm_slot(&vm, 2, GPA2, size, big->hva, KVM_MEM_LOG_DIRTY_PAGES));
	end = ticks();
	vm_unmap(&vm, 2);
	return (end - begin) * per_tick;
}

/* The shortest of a few: most of the ioctl is waiting and allocating. */
static double wrprot_cost(struct mem *big, size_t size)
{
	double full = 1e9, empty = 1e9, cost;
	int i;

	for (i = 0; i < 8; i++) {
		cost = timed_log_on(big, size, true);
		full = cost < full ? cost : full;
		cost = timed_log_on(big, size, false);
		empty = cost < empty ? cost : empty;
	}
	return full - empty;
}

static void show_wrprot(void)
{
	double small, large;
	struct mem big;

	mem_small(&big, PAGE_1G);
	memset(big.hva, 1, SIZE);
	small = wrprot_cost(&big, PAGE_2M);
	large = wrprot_cost(&big, PAGE_1G);
	insns_show("write-protect a slot of 2M, 512 pages (log on: full - empty)",
		   small);
	insns_show("write-protect a slot of 1G, 8192 pages", large);
	/* Half an instruction for each page more would be too much. */
	ok(large - small < (SIZE - PAGE_2M) / PAGE_4K / 2,
	   "write-protecting costs edges, not size");
	mem_free(&big);
}

static void setup(void)
{
	vm_open(&vm);
	mem_small(&mem, SIZE);
	memset(mem.hva, 1, SIZE);
	vm_map(&vm, 1, GPA, &mem);
	kmod = kmod_open();
	tdp = must(ktdp_create(vm.fd, 0));
	handle = must(kmod_get(kmod, tdp));
}

/* Table pages are what the leaves need, and no more. */
static void show_memory(void)
{
	struct kvm_tdp_stats st = ktdp_stats(tdp);
	uint64_t least = 1 + 1 + 1 + SIZE / PAGE_2M;

	printf("bench: %-58s %7llu\n", "table pages for 32 MiB in 4K pages",
	       (unsigned long long)st.table_pages);
	printf("bench: %-58s %7llu\n", "  the least possible",
	       (unsigned long long)least);
	printf("bench: %-58s %7llu\n", "  in the pool",
	       (unsigned long long)st.pool_pages);
	ok(st.table_pages == least, "no more table pages than needed");
}

int main(void)
{
	double fault, hmm_one, hmm_batch, prefault;

	per_tick = insns_per_tick();
	setup();
	hmm_one = median(KTDP_TEST_BENCH_HMM, 1);
	hmm_batch = median(KTDP_TEST_BENCH_HMM, 512);
	fault = median(KTDP_TEST_BENCH_FAULT, 1);
	show_memory();
	timed_dontneed(SIZE);
	memset(mem.hva, 1, SIZE);
	prefault = timed_prefault();

	printf("bench: %-58s %9s\n", "", "insns");
	insns_show("hmm_range_fault(), one page", hmm_one);
	insns_show("fault(), one page", fault);
	insns_show("hmm_range_fault(), per page in batches of 512", hmm_batch);
	insns_show("prefault, per page in windows of 512", prefault);
	insns_show("zap of one page (MADV_DONTNEED of 4K: full - empty)",
		   zap_cost(PAGE_4K));
	insns_show("zap, per page (MADV_DONTNEED of 2M: full - empty)",
		   zap_cost(PAGE_2M) / (PAGE_2M / PAGE_4K));
	show_wrprot();
	ok(fault <= 0.65 * hmm_one, "fault() of a page: %.2f times hmm_range_fault()",
	   fault / hmm_one);
	ok(prefault <= 0.9 * hmm_batch, "prefault: %.2f times hmm_range_fault()",
	   prefault / hmm_batch);
	kmod_put(kmod, handle);
	close(tdp);
	close(kmod);
	vm_close(&vm);
	mem_free(&mem);
	return done();
}
