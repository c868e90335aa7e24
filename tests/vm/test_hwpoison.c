// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that the host declares broken.  Needs a kernel with
 * CONFIG_MEMORY_FAILURE: Debian's amd64 flavour, not its cloud flavour.
 */
#include <sys/mman.h>

#include "bed.h"

#define SIZE	0x8000UL
#define BAD	0x3000UL

static struct bed bed;
static struct mem mem;

static void test_poison(void)
{
	struct told told;
	uint64_t word = 0;

	mem_small(&mem, SIZE);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(9)), 0, "guest writes");
	is(dma_fill(bed.dma, GPA, SIZE, GEN(1)), 0, "engine writes");
	told_begin(&told, bed.dma);
	is(sys(madvise(mem.hva + BAD, PAGE_4K, MADV_HWPOISON)), 0,
	   "a page goes bad");
	ok(told_of(&told, GPA + BAD, PAGE_4K), "importer was told");
	ok(ktdp_absent(bed.tdp, GPA + BAD, PAGE_4K), "it is not mapped any more");
	is(ktdp_prefault(bed.tdp, GPA + BAD, PAGE_4K, ACC_R), -EHWPOISON, "read");
	is(ktdp_prefault(bed.tdp, GPA + BAD, PAGE_4K, ACC_W), -EHWPOISON, "write");
	is(ktdp_prefault(bed.tdp, GPA + BAD, PAGE_4K, ACC_X), -EHWPOISON, "exec");
	is(dma_read(bed.dma, GPA + BAD, &word, 8, 0), -EHWPOISON, "engine reads");
	is(dma_write(bed.dma, GPA + BAD, &word, 8, 0), -EHWPOISON, "engine writes");
	ok(ktdp_absent(bed.tdp, GPA + BAD, PAGE_4K), "and never mapped for that");
	is(dma_check(bed.dma, GPA, BAD, GEN(1)), 0, "the page before is good");
	is(dma_check(bed.dma, GPA + BAD + PAGE_4K, PAGE_4K, GEN(1)), 0,
	   "so is the one behind");
	bed_close(&bed);
	munmap(mem.hva, SIZE);
}

static const struct tap_case cases[] = {
	{ "poison", test_poison },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
