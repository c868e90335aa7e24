// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the mirror costs, next to what it is made of and what a vCPU pays, all
 * on the same memory and in the same run.  Meant for a VM whose clock counts
 * instructions: the tick of the TSC is then a fixed number of instructions,
 * which is measured first.
 *
 * Memory is anonymous, in 4K pages, and present in the host throughout: no
 * figure has a host page fault in it.
 */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "kmod.h"
#include "ktdp.h"
#include "mem.h"
#include "sys.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x140000000UL
#define SIZE	(16 * PAGE_2M)
#define PAGES	(SIZE / PAGE_4K)

static struct vm vm;
static struct mem mem;
static int tdp, kmod, handle;
static double per_tick;		/* instructions */

static uint64_t ticks(void)
{
	_mm_lfence();
	return __rdtsc();
}

/* A loop of known length tells what a tick is. */
static void calibrate(void)
{
	const unsigned long rounds = 10000000;
	unsigned long n = rounds;
	uint64_t begin = ticks();

	asm volatile("1: dec %0\n\tjnz 1b" : "+r"(n) : : "cc");
	per_tick = 2.0 * rounds / (ticks() - begin);
}

static void show(const char *what, double instructions)
{
	printf("bench: %-58s %9.1f\n", what, instructions);
}

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

static double timed_guest(void)
{
	uint64_t begin = ticks();
	int ret = guest_touch(&vm, GPA, SIZE);

	if (ret)
		bail("guest: %d", ret);
	return (ticks() - begin) * per_tick / PAGES;
}

static void setup(void)
{
	vm_open(&vm);
	vm_add_vcpu(&vm);
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
	double fault, hmm_one, hmm_batch, prefault, first, again;

	calibrate();
	setup();
	hmm_one = median(KTDP_TEST_BENCH_HMM, 1);
	hmm_batch = median(KTDP_TEST_BENCH_HMM, 512);
	fault = median(KTDP_TEST_BENCH_FAULT, 1);
	first = timed_guest();
	again = timed_guest();
	show_memory();
	timed_dontneed(SIZE);
	memset(mem.hva, 1, SIZE);
	prefault = timed_prefault();

	printf("bench: %-58s %9s\n", "", "insns");
	show("hmm_range_fault(), one page", hmm_one);
	show("fault(), one page", fault);
	show("hmm_range_fault(), per page in batches of 512", hmm_batch);
	show("prefault, per page in windows of 512", prefault);
	show("vCPU's own NPT fault, one page", first - again);
	show("zap of one page (MADV_DONTNEED of 4K: full - empty)",
	     zap_cost(PAGE_4K));
	show("zap, per page (MADV_DONTNEED of 2M: full - empty)",
	     zap_cost(PAGE_2M) / (PAGE_2M / PAGE_4K));
	ok(fault <= 1.5 * hmm_one, "fault() of a page: %.2f times hmm_range_fault()",
	   fault / hmm_one);
	ok(prefault <= 2 * hmm_batch, "prefault: %.2f times hmm_range_fault()",
	   prefault / hmm_batch);
	kmod_put(kmod, handle);
	close(tdp);
	close(kmod);
	vm_close(&vm);
	mem_free(&mem);
	return done();
}
