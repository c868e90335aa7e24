// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the table costs, next to what the kernel has for it, all on the same memory and
 * in the same run; see figure.h for the clock.
 *
 * Memory is anonymous and present in the host throughout: no figure has a host page
 * fault in it.
 */
#include <stdio.h>
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
#define GPA2	0x180000000UL
#define SIZE	(16 * PAGE_2M)
#define PAGES	(SIZE / PAGE_4K)
#define WINDOWS	(SIZE / PAGE_2M)
#define REPEATS	8

static struct vm vm;
static struct mem mem;
static int tdp, kmod, handle;

static struct cost calls(const char *name, unsigned int kind, unsigned int batch)
{
	const struct ktdp_test_bench bench = {
		.kind = kind,
		.handle = handle,
		.batch = batch,
		.hva = (uintptr_t)mem.hva,
		.gfn = GPA / PAGE_4K,
		.pages = PAGES,
		.access = KTDP_TEST_READ | KTDP_TEST_WRITE,
	};

	return section_calls(name, kmod, &bench);
}

static void fault_around(bool on)
{
	must(sys_write("/sys/module/kvm_tdp/parameters/fault_around", on ? "1" : "0"));
}

static double prefault(const char *name, double units)
{
	uint64_t begin = section_begin();
	int ret = ktdp_prefault(tdp, GPA, SIZE, ACC_W);

	if (ret)
		bail("%s: %d", name, ret);
	return section_end(begin, name, units);
}

/*
 * The host takes the memory back, in steps, and has it again.  What a step costs is the
 * median: freeing pages costs what the free lists happen to hold.
 */
static double dontneed(const char *name, size_t step)
{
	static uint64_t spent[PAGES];
	size_t off, nr = 0;
	uint64_t begin;

	section_begin();
	for (off = 0; off < SIZE; off += step) {
		begin = ticks();
		must(madvise(mem.hva + off, step, MADV_DONTNEED));
		spent[nr++] = ticks() - begin;
	}
	section_end(0, name, nr);
	memset(mem.hva, 1, SIZE);
	return median(spent, nr);
}

static void mapped(unsigned int level)
{
	if (ktdp_level(tdp, GPA) != level)
		bail("that is no leaf of level %u", level);
}

static void export(void)
{
	tdp = must(kvm_tdp_create(vm.fd, 0));
	handle = must(kmod_get(kmod, tdp));
}

static void unexport(void)
{
	kmod_put(kmod, handle);
	close(tdp);
}

static void small_pages(void)
{
	double hmm = calls("hmm_range_fault(), one page", KTDP_TEST_BENCH_HMM, 1).median;
	double batch = calls("hmm_range_fault(), 512 pages", KTDP_TEST_BENCH_HMM, 512).median;
	double gup = calls("GUP-fast, one page", KTDP_TEST_BENCH_GUP_FAST, 1).median;
	double cost;

	fault_around(false);
	cost = calls("fault(), one page", KTDP_TEST_BENCH_FAULT, 1).median;
	within(cost <= 0.65 * hmm, "fault() of a page: %.2f times hmm_range_fault()", cost / hmm);
	report_beside("fault(), one page", cost, "insns", "hmm_range_fault(), one page",
		      hmm);
	report_beside("GUP-fast, one page", gup, "insns", "hmm_range_fault(), one page",
		      hmm);
	cost = calls("fault(), one page that is mapped", KTDP_TEST_BENCH_FAULT, 1).median;
	report("fault(), one page that is mapped", cost, "insns");
	fault_around(true);

	dontneed("all", SIZE);
	cost = calls("fault(), page after page", KTDP_TEST_BENCH_FAULT, 1).mean;
	report_beside("fault(), page after page, mean", cost, "insns",
		      "hmm_range_fault(), one page", hmm);
	dontneed("all", SIZE);
	cost = prefault("prefault of 4K pages, a page", PAGES);
	within(cost <= 0.9 * batch, "prefault: %.2f times hmm_range_fault()", cost / batch);
	report_beside("prefault of 4K pages, a page", cost, "insns",
		      "hmm_range_fault(), 512 pages, a page", batch);
}

/* Table pages are what the leaves need, and no more. */
static void table_pages(void)
{
	struct kvm_tdp_stats st = ktdp_stats(tdp);

	is(st.table_pages, 3 + WINDOWS, "no more table pages than needed");
	report_beside("table pages for 32M in 4K pages", st.table_pages, "pages",
		      "the least there can be", 3 + WINDOWS);
	report("pages in reserve then", st.pool_pages, "pages");
}

/* Other memory in the place of what there is. */
static void use(void (*get)(struct mem *mem, size_t size))
{
	vm_unmap(&vm, 1);
	mem_free(&mem);
	get(&mem, SIZE);
	memset(mem.hva, 1, SIZE);
	vm_map(&vm, 1, GPA, &mem);
}

/* What an export with an engine on it adds to the host's own work, which is @alone. */
static double adds(size_t step, const char *peer, double *alone, const char *name)
{
	double with = 1e9;
	int dma, turn;

	*alone = 1e9;
	for (turn = 0; turn < REPEATS; turn++) {
		*alone = least(*alone, dontneed(peer, step));
		export();
		dma = dma_open_on(tdp);
		prefault("again", PAGES);
		mapped(1);
		with = least(with, dontneed(name, step));
		if (!ktdp_absent(tdp, GPA, SIZE))
			bail("not all was zapped");
		close(dma);
		unexport();
	}
	return with - *alone;
}

static void taking_back(void)
{
	double alone, shared, cost;

	cost = adds(PAGE_4K, "MADV_DONTNEED of 4K", &alone,
		    "what it adds to MADV_DONTNEED of 4K");
	report_beside("what it adds to MADV_DONTNEED of 4K", cost, "insns",
		      "MADV_DONTNEED of 4K", alone);
	alone = dontneed("MADV_DONTNEED of 2M", PAGE_2M);
	/*
	 * Freeing 512 pages costs what the free lists happen to hold, which is more than
	 * what is added: shared memory is not freed.
	 */
	use(mem_memfd);
	cost = adds(PAGE_2M, "MADV_DONTNEED of 2M, shared", &shared,
		    "what it adds to MADV_DONTNEED of 2M");
	report_beside("what it adds to MADV_DONTNEED of 2M", cost, "insns",
		      "MADV_DONTNEED of 2M", alone);
	use(mem_small);
}

static void large_pages(void)
{
	double cost;

	use(mem_thp);
	export();
	cost = prefault("prefault of 2M pages, a page", WINDOWS);
	mapped(2);
	report("prefault of 2M pages, a page", cost, "insns");
	unexport();
}

/* The dirty log of a slot goes on, of which up to PAGES are mapped writable, or none. */
static double log_on(struct mem *big, size_t size, bool full)
{
	size_t part = size < SIZE ? size : SIZE;
	uint64_t begin;
	double cost;

	must(vm_slot(&vm, 2, GPA2, size, big->hva, 0));
	if (full)
		must(ktdp_prefault(tdp, GPA2, part, ACC_W));
	begin = section_begin();
	must(vm_slot(&vm, 2, GPA2, size, big->hva, KVM_MEM_LOG_DIRTY_PAGES));
	cost = section_end(begin, "dirty log on", 1);
	vm_unmap(&vm, 2);
	return cost;
}

/* The shortest of a few: most of what changes a slot is waiting and allocating. */
static double protect(struct mem *big, size_t size)
{
	double full = 1e9, empty = 1e9;
	int i;

	for (i = 0; i < REPEATS; i++) {
		full = least(full, log_on(big, size, true));
		empty = least(empty, log_on(big, size, false));
	}
	return full - empty;
}

static void slots(void)
{
	double small, large;
	struct mem big;

	export();
	mem_small(&big, PAGE_1G);
	memset(big.hva, 1, SIZE);
	small = protect(&big, PAGE_2M);
	large = protect(&big, PAGE_1G);
	/* Half an instruction for each page more would be too much. */
	within(large - small < (SIZE - PAGE_2M) / PAGE_4K / 2,
	       "write-protecting costs edges, not size: 512 pages %.0f, 8192 %.0f", small, large);
	mem_free(&big);
	unexport();
}

int main(void)
{
	vm_open(&vm);
	mem_small(&mem, SIZE);
	memset(mem.hva, 1, SIZE);
	vm_map(&vm, 1, GPA, &mem);
	kmod = kmod_open();

	taking_back();
	export();
	small_pages();
	table_pages();
	unexport();
	slots();
	large_pages();

	close(kmod);
	vm_close(&vm);
	mem_free(&mem);
	return done();
}
