// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that the host reclaims, merges or writes back.  What an importer wrote
 * must survive: the host only keeps pages that it knows to be dirty, and nobody
 * but the table can have told it.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bed.h"
#include "ksm.h"
#include "sys.h"

#define SIZE	0x10000UL

static struct bed bed;
static struct mem mem;
static struct told told;

static void begin(void)
{
	sys_swap();
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
}

static void end(void)
{
	ok(ktdp_counts_agree(bed.tdp), "counted leaves are the leaves of the map");
	bed_close(&bed);
	mem_free(&mem);
}

static void pageout(const char *what)
{
	told_begin(&told, bed.dma);
	ok(mem_pageout(mem.hva, SIZE), "%s: the host gets the memory back", what);
	ok(told_of(&told, GPA, SIZE), "%s: importer was told", what);
	ok(ktdp_absent(bed.tdp, GPA, SIZE), "%s: nothing is mapped", what);
}

static void test_pageout(void)
{
	mem_small(&mem, SIZE);
	begin();
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(1)), 0, "guest writes");
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, "engine reads");
	pageout("pageout");
	ok(mem_is_swapped(mem.hva), "pageout: to swap");
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, "engine reads it from swap");
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), "the host's pages");
	/* Now in memory and in swap alike: clean, until the engine writes. */
	is(dma_fill(bed.dma, GPA, SIZE, GEN(2)), 0, "engine writes");
	pageout("pageout again");
	is(guest_check(&bed.vm, GPA, SIZE, GEN(2)), 0,
	   "what the engine wrote comes back from swap");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 3), "all works again");
	end();
}

/* Write access from a prefault long before the write. */
static void test_pageout_prefaulted(void)
{
	mem_small(&mem, SIZE);
	begin();
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(1)), 0, "guest writes");
	ok(mem_pageout(mem.hva, SIZE), "all of it in swap");
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W), 0, "prefault to write");
	is(dma_fill(bed.dma, GPA, SIZE, GEN(2)), 0, "engine writes");
	pageout("prefaulted");
	is(guest_check(&bed.vm, GPA, SIZE, GEN(2)), 0, "the write survives");
	end();
}

/* What the engine writes, after a prefault for @first if any, is not lost. */
static void check_write_survives(const char *what, unsigned int first)
{
	if (first)
		is(ktdp_prefault(bed.tdp, GPA, SIZE, first), 0, "%s: prefault", what);
	is(dma_fill(bed.dma, GPA, SIZE, GEN(2)), 0, "%s: engine writes", what);
	pageout(what);
	is(dma_check(bed.dma, GPA, SIZE, GEN(2)), 0, "%s: the write survives", what);
	is(guest_check(&bed.vm, GPA, SIZE, GEN(2)), 0, "%s: for the guest too", what);
	end();
}

/*
 * MADV_FREE makes the pages clean without a change of their permissions, so
 * that write access alone says nothing.
 */
static void check_free(const char *what, unsigned int first)
{
	mem_small(&mem, SIZE);
	begin();
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(1)), 0, "%s: guest writes", what);
	must(madvise(mem.hva, SIZE, MADV_FREE));
	check_write_survives(what, first);
}

static void test_free(void)
{
	check_free("FREE, write", 0);
	check_free("FREE, prefault to read, write", ACC_R);
	check_free("FREE, prefault to write, write", ACC_W);
}

/* A hole in shmem that was only read is a clean page that may be written. */
static void check_shmem(const char *what, unsigned int first)
{
	mem_memfd(&mem, SIZE);
	begin();
	check_write_survives(what, first);
}

static void test_shmem(void)
{
	check_shmem("shmem, write", 0);
	check_shmem("shmem, prefault to read, write", ACC_R);
	check_shmem("shmem, prefault to write, write", ACC_W);
}

static bool file_has(uint64_t gen)
{
	char *buf = malloc(SIZE);
	bool good;

	/* From the disk: clean pages are dropped, dirty ones would stay. */
	must(-posix_fadvise(mem.fd, 0, SIZE, POSIX_FADV_DONTNEED));
	sys_drop_caches();
	good = pread(mem.fd, buf, SIZE, 0) == (ssize_t)SIZE &&
	       mem_check(buf, GPA, SIZE, gen);
	free(buf);
	return good;
}

/* Write-back makes pages clean; the next write has to say so again. */
static void test_file(void)
{
	mem_file(&mem, sys_disk(), SIZE, MAP_SHARED);
	begin();
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_R), 0, "prefault to read");
	is(dma_fill(bed.dma, GPA, SIZE, GEN(1)), 0, "engine writes");
	told_begin(&told, bed.dma);
	must(msync(mem.hva, SIZE, MS_SYNC));
	ok(told_covers(&told, GPA, SIZE), "importer was told of the write-back");
	ok(ktdp_grants_none(bed.tdp, GPA, SIZE, ACC_W), "no leaf can be written");
	is(dma_fill(bed.dma, GPA, SIZE, GEN(2)), 0, "engine writes again");
	must(msync(mem.hva, SIZE, MS_SYNC));
	vm_unmap(&bed.vm, 1);
	munmap(mem.hva, SIZE);
	ok(file_has(GEN(2)), "the second write is on the disk");
	end();
}

static void ksm_begin(void)
{
	mem_small(&mem, SIZE);
	begin();
	memset(mem.hva, 0x5c, SIZE);
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W), 0, "prefault to write");
	ok(dma_all(bed.dma, GPA, SIZE, 0x5c), "engine reads");
	told_begin(&told, bed.dma);
	must(madvise(mem.hva, SIZE, MADV_MERGEABLE));
	ksm_start();
}

static void test_ksm(void)
{
	uint64_t word = 7;

	ksm_begin();
	ok(ksm_merges(mem.hva, SIZE), "KSM merges the pages");
	ok(told_covers(&told, GPA, SIZE), "importer was told");
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), "no page of before is mapped");
	ok(ktdp_grants_none(bed.tdp, GPA, SIZE, ACC_W), "no leaf can be written");
	ok(dma_all(bed.dma, GPA, SIZE, 0x5c), "engine reads the same");
	is(ktdp_hpa(bed.tdp, GPA), ktdp_hpa(bed.tdp, GPA + PAGE_4K),
	   "two guest pages are one now");
	ksm_set("run", "0");
	is(dma_write(bed.dma, GPA, &word, 8, 0), 0, "engine writes to one");
	ok(ktdp_hpa(bed.tdp, GPA) != ktdp_hpa(bed.tdp, GPA + PAGE_4K),
	   "which is a page of its own then");
	is(guest_fill(&bed.vm, GPA + PAGE_4K, PAGE_4K, GEN(3)), 0,
	   "guest writes to another");
	is(dma_check(bed.dma, GPA + PAGE_4K, PAGE_4K, GEN(3)), 0, "engine sees it");
	ok(dma_all(bed.dma, GPA + 2 * PAGE_4K, SIZE - 2 * PAGE_4K, 0x5c),
	   "the rest is as it was");
	told_begin(&told, bed.dma);
	ksm_set("run", "2");
	ok(told_covers(&told, GPA + 2 * PAGE_4K, SIZE - 2 * PAGE_4K),
	   "importer was told when all were separated");
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), "the host's pages");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 4), "all works again");
	ksm_set("run", "0");
	end();
}

/* Memory is moved about; wherever it is, the table must follow. */
static void test_compact(void)
{
	struct mem scatter;
	size_t off;
	int i;

	mem_small(&mem, 64 * SIZE);
	mem_small(&scatter, 64 * SIZE);
	begin();
	for (off = 0; off < mem.size; off += PAGE_4K) {
		mem_fill(mem.hva + off, GPA + off, PAGE_4K, GEN(1));
		mem_fill(scatter.hva + off, off, PAGE_4K, GEN(1));
	}
	is(dma_check(bed.dma, GPA, mem.size, GEN(1)), 0, "engine reads");
	mem_free(&scatter);
	for (i = 0; i < 3; i++) {
		if (sys_write("/proc/sys/vm/compact_memory", "1"))
			bail("no compaction");
		ok(bed_agrees(&bed, GPA, mem.hva, mem.size),
		   "compaction %d: no old page is mapped", i);
		is(dma_check(bed.dma, GPA, mem.size, GEN(1)), 0,
		   "compaction %d: engine reads the same", i);
	}
	end();
}

#define TABLES	16	/* windows of 2M that the guest touches a page of */

static void shrink(void)
{
	unsigned int i, ms;

	/* Twice: what is zapped is freed by and by. */
	for (i = 0; i < 2; i++) {
		if (sys_write("/proc/sys/vm/drop_caches", "2"))
			bail("slabs cannot be shrunk");
		for (ms = 200; sys_step(&ms);)
			;
	}
}

static void touch_windows(void)
{
	unsigned int ms;
	int i, wrong = 0;

	for (i = 0; i < TABLES; i++) {
		wrong += guest_fill(&bed.vm, GPA + i * PAGE_2M, PAGE_4K, GEN(1)) != 0;
		for (ms = 10; sys_step(&ms);)	/* for the reserve to be filled again */
			;
	}
	is(wrong, 0, "shrink: the guest writes here and there");
}

static int check_windows(void)
{
	int i, wrong = 0;

	for (i = 0; i < TABLES; i++)
		wrong += dma_check(bed.dma, GPA + i * PAGE_2M, PAGE_4K, GEN(1)) != 0;
	return wrong;
}

/* The host wants its memory back: also that of tables, if nobody uses them. */
static void test_shrink(void)
{
	struct kvm_tdp_stats st;
	unsigned int ms = 10000;

	mem_small(&mem, TABLES * PAGE_2M);
	begin();
	touch_windows();
	st = ktdp_stats(bed.tdp);
	ok(st.leaves[0] >= TABLES, "shrink: they are in the table");
	ok(st.table_pages > TABLES, "shrink: which has grown");
	shrink();
	is(ktdp_stats(bed.tdp).leaves[0], st.leaves[0],
	   "shrink: a table that has an importer stays");

	is(kvm_tdp_dma_detach(bed.dma), 0, "shrink: the importer goes");
	shrink();
	while (ktdp_stats(bed.tdp).table_pages > 1 && sys_step(&ms))
		;
	st = ktdp_stats(bed.tdp);
	is(st.leaves[0], 0, "shrink: the table is emptied");
	is(st.table_pages, 1, "shrink: all but its root is given back");
	is(st.pool_pages, 0, "shrink: the reserve too");

	is(kvm_tdp_dma_attach(bed.dma, bed.tdp), 0, "shrink: an importer comes");
	ok(ktdp_stats(bed.tdp).leaves[0] >= TABLES,
	   "shrink: it finds what KVM has mapped");
	is(check_windows(), 0, "shrink: and reads it");
	is(dma_stats(bed.dma).faults, 0, "shrink: without a fault");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "shrink: all works");
	end();
}

static const struct tap_case cases[] = {
	{ "pageout", test_pageout },
	{ "pageout_prefaulted", test_pageout_prefaulted },
	{ "free", test_free },
	{ "shmem", test_shmem },
	{ "file", test_file },
	{ "ksm", test_ksm },
	{ "compact", test_compact },
	{ "shrink", test_shrink },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
