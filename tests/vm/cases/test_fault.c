// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults on every kind of memory a slot can have behind it: what the table
 * maps then, how large the leaves are, and what each refusal is called.
 *
 * Needs a 1G page and secret memory, on the kernel's command line:
 * hugepagesz=1G hugepages=1 secretmem.enable=1
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GPA	bed_gpa
#include "bed.h"
#include "dirty.h"
#include "sys.h"

#define SIZE	(4 * PAGE_2M)
#define LITTLE	0x20000UL

static struct bed bed;

static void check_counts(void)
{
	ok(ktdp_counts_agree(bed.tdp), "counted leaves are the leaves of the map");
}

/* Read, write and exec over the whole of @mem, through leaves of @level. */
static void check_memory(const char *what, struct mem *mem, unsigned int level)
{
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, mem);
	is(ktdp_prefault(bed.tdp, GPA, mem->size, ACC_R), 0, "%s: read", what);
	ok(ktdp_mapped(bed.tdp, GPA, mem->size), "%s: read maps all", what);
	ok(bed_agrees(&bed, GPA, mem->hva, mem->size),
	   "%s: the host's pages", what);
	is(ktdp_prefault(bed.tdp, GPA, mem->size, ACC_W), 0, "%s: write", what);
	ok(ktdp_access(bed.tdp, GPA) & ACC_W, "%s: write is granted", what);
	is(ktdp_prefault(bed.tdp, GPA, mem->size, ACC_X), 0, "%s: exec", what);
	is(ktdp_access(bed.tdp, GPA), ACC_R | ACC_W | ACC_X,
	   "%s: all access in the end", what);
	is(ktdp_level(bed.tdp, GPA), level, "%s: level of the leaf", what);
	is(ktdp_level(bed.tdp, GPA + mem->size - PAGE_4K), level,
	   "%s: level of the last leaf", what);
	ok(bed_works(&bed, GPA, mem->hva, LITTLE, 1), "%s: data", what);
	check_counts();
	bed_close(&bed);
	mem_free(mem);
}

static void test_anon(void)
{
	struct mem mem;

	mem_small(&mem, LITTLE);
	check_memory("anonymous", &mem, 1);
}

static void test_thp(void)
{
	struct mem mem;

	if (mem_skip_thp("THP"))
		return;
	mem_thp(&mem, SIZE);
	if (!mem_is_thp(mem.hva))
		bail("the host has no THP to give");
	check_memory("THP", &mem, 2);
}

static void test_shmem(void)
{
	struct mem mem;

	mem_shared(&mem, LITTLE);
	check_memory("shmem", &mem, 1);
	mem_memfd(&mem, LITTLE);
	check_memory("memfd", &mem, 1);
}

static void test_hugetlb(void)
{
	struct mem mem;

	if (mem_hugetlb(&mem, SIZE, PAGE_2M))
		bail("no 2M pages");
	check_memory("hugetlb 2M", &mem, 2);
}

static void test_hugetlb_1g(void)
{
	struct mem mem;

	if (mem_hugetlb(&mem, PAGE_1G, PAGE_1G))
		bail("no 1G page: boot with hugepagesz=1G hugepages=1");
	check_memory("hugetlb 1G", &mem, 3);
}

/* A 1G page seen through a smaller slot: 2M leaves, and not one too many. */
static void test_hugetlb_1g_part(void)
{
	struct mem mem;

	if (mem_hugetlb(&mem, PAGE_1G, PAGE_1G))
		bail("no 1G page: boot with hugepagesz=1G hugepages=1");
	bed_open(&bed);
	is(vm_slot(&bed.vm, 1, GPA, SIZE, mem.hva, 0), 0, "slot on part of 1G");
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W), 0, "part of 1G: write");
	is(ktdp_level(bed.tdp, GPA), 2, "part of 1G: 2M leaf");
	ok(ktdp_absent(bed.tdp, GPA + SIZE, PAGE_1G - SIZE),
	   "part of 1G: nothing beyond the slot");
	check_counts();
	bed_close(&bed);
	mem_free(&mem);
}

static void test_file(void)
{
	struct mem mem;

	mem_file(&mem, "/tmp", LITTLE, MAP_SHARED);
	check_memory("tmpfs file, shared", &mem, 1);
	mem_file(&mem, "/tmp", LITTLE, MAP_PRIVATE);
	check_memory("tmpfs file, private", &mem, 1);
	mem_file(&mem, sys_disk(), LITTLE, MAP_SHARED);
	check_memory("disk file, shared", &mem, 1);
	mem_file(&mem, sys_disk(), LITTLE, MAP_PRIVATE);
	check_memory("disk file, private", &mem, 1);
}

/* What the engine writes reaches the file if it is shared, and only then. */
static void check_file(int map_flags, uint64_t expect)
{
	uint64_t word = 0x1234, seen = ~0ULL;
	struct mem mem;

	mem_file(&mem, sys_disk(), LITTLE, map_flags);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	is(ktdp_prefault(bed.tdp, GPA, LITTLE, ACC_R), 0, "file: read");
	is(dma_write(bed.dma, GPA, &word, 8, 0), 0, "file: engine writes");
	is(guest_touch(&bed.vm, GPA, PAGE_4K), 0, "file: guest reads");
	is(*(uint64_t *)mem.hva, 0x1234, "file: the mapping has the word");
	is(pread(mem.fd, &seen, 8, 0), 8, "file: read back");
	is(seen, expect, "file: %s", expect ? "so has the shared file" :
	   "the private mapping's file has not");
	bed_close(&bed);
	mem_free(&mem);
}

static void test_file_data(void)
{
	check_file(MAP_SHARED, 0x1234);
	check_file(MAP_PRIVATE, 0);
}

/* A first read finds the zero page; a write must never reach that. */
static void test_zero_page(void)
{
	uint64_t zero, word = ~0ULL;
	struct mem mem;

	mem_small(&mem, LITTLE);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	is(dma_read(bed.dma, GPA, &word, 8, 0), 0, "engine reads untouched memory");
	is(word, 0, "and finds zero");
	is(ktdp_prefault(bed.tdp, GPA, LITTLE, ACC_R), 0, "read untouched memory");
	zero = ktdp_hpa(bed.tdp, GPA);
	is(ktdp_hpa(bed.tdp, GPA + PAGE_4K), zero, "two pages are the zero page");
	ok(ktdp_grants_none(bed.tdp, GPA, LITTLE, ACC_W), "which nobody may write");
	is(dma_fill(bed.dma, GPA, PAGE_4K, GEN(1)), 0, "engine writes");
	ok(ktdp_hpa(bed.tdp, GPA) != zero, "to a page of its own");
	is(ktdp_hpa(bed.tdp, GPA + PAGE_4K), zero, "its neighbour is as it was");
	is(guest_check(&bed.vm, GPA, PAGE_4K, GEN(1)), 0, "guest sees the data");
	is(dma_read(bed.dma, GPA + PAGE_4K, &word, 8, 0), 0, "read the neighbour");
	is(word, 0, "still zero");
	bed_close(&bed);
	mem_free(&mem);
}

/* The refusals of a range of memory that may be read but not written. */
static void check_read_only(const char *what)
{
	uint64_t word = 1;

	is(ktdp_prefault(bed.tdp, GPA, LITTLE, ACC_W), -EACCES,
	   "%s: write is refused", what);
	is(ktdp_prefault(bed.tdp, GPA, LITTLE, ACC_R), 0, "%s: read", what);
	ok(ktdp_mapped(bed.tdp, GPA, LITTLE), "%s: mapped", what);
	ok(ktdp_grants_none(bed.tdp, GPA, LITTLE, ACC_W),
	   "%s: no leaf can be written", what);
	is(dma_write(bed.dma, GPA, &word, 8, 0), -EACCES,
	   "%s: engine may not write", what);
	is(ktdp_prefault(bed.tdp, GPA, LITTLE, ACC_R | ACC_W), -EACCES,
	   "%s: nor is it written when mapped", what);
	is(dma_check(bed.dma, GPA, LITTLE, GEN(7)), 0, "%s: engine reads", what);
}

/* That of 2M looks like a driver's in the host's table; GUP knows better. */
static void test_huge_zero_page(void)
{
	uint64_t zero, word = ~0ULL;
	struct mem mem;

	if (mem_skip_thp("huge zero page"))
		return;
	mem_thp(&mem, SIZE);
	must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	is(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_R), 0, "read");
	zero = mem_hpa(mem.hva);
	is(mem_hpa(mem.hva + PAGE_4K), zero + PAGE_4K, "it is one of 2M");
	is(ktdp_hpa(bed.tdp, GPA), zero, "mapped");
	ok(ktdp_grants_none(bed.tdp, GPA, SIZE, ACC_W), "not to be written");
	is(dma_read(bed.dma, GPA, &word, sizeof(word), 0), 0, "engine reads");
	is(word, 0, "and finds zero");
	is(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_W), 0, "write");
	ok(ktdp_hpa(bed.tdp, GPA) != zero, "to a page of its own");
	bed_close(&bed);
	mem_free(&mem);
}

static void test_read_only_slot(void)
{
	struct mem mem;

	mem_small(&mem, LITTLE);
	mem_fill(mem.hva, GPA, LITTLE, GEN(7));
	bed_open(&bed);
	is(vm_slot(&bed.vm, 1, GPA, LITTLE, mem.hva, KVM_MEM_READONLY), 0,
	   "read-only slot");
	check_read_only("read-only slot");
	is(guest_fill(&bed.vm, GPA, 8, 0), 1000 + KVM_EXIT_MMIO,
	   "read-only slot: a guest's write is MMIO");
	bed_close(&bed);
	mem_free(&mem);
}

static void test_read_only_vma(void)
{
	struct mem mem;

	mem_small(&mem, LITTLE);
	mem_fill(mem.hva, GPA, LITTLE, GEN(7));
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	must(mprotect(mem.hva, LITTLE, PROT_READ));
	check_read_only("read-only VMA");
	is(guest_fill(&bed.vm, GPA, 8, 0), -EFAULT,
	   "read-only VMA: a guest cannot write either");
	bed_close(&bed);
	mem_free(&mem);
}

static void check_no_memory(const char *what, uint64_t gpa)
{
	uint64_t word = 0;

	is(ktdp_prefault(bed.tdp, gpa, PAGE_4K, ACC_R), -EFAULT, "%s: read", what);
	is(ktdp_prefault(bed.tdp, gpa, PAGE_4K, ACC_W), -EFAULT, "%s: write", what);
	is(ktdp_prefault(bed.tdp, gpa, PAGE_4K, ACC_X), -EFAULT, "%s: exec", what);
	is(dma_read(bed.dma, gpa, &word, 8, 0), -EFAULT, "%s: engine reads", what);
	is(dma_write(bed.dma, gpa, &word, 8, 0), -EFAULT, "%s: engine writes", what);
	ok(ktdp_absent(bed.tdp, gpa, PAGE_4K), "%s: nothing mapped", what);
}

static void test_no_memory(void)
{
	struct kvm_tdp_stats before;
	struct mem mem;

	mem_small(&mem, LITTLE);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	before = ktdp_stats(bed.tdp);
	check_no_memory("hole", GPA_LOW);
	check_no_memory("local APIC", 0xfee00000);
	check_no_memory("beyond the guest's reach", 1UL << 46);
	check_no_memory("page before the slot", GPA - PAGE_4K);
	check_no_memory("page after the slot", GPA + LITTLE);
	ok(ktdp_stats(bed.tdp).faults_failed >= before.faults_failed + 25,
	   "failed faults are counted");
	must(mprotect(mem.hva, LITTLE, PROT_NONE));
	check_no_memory("PROT_NONE", GPA);
	munmap(mem.hva, LITTLE);
	check_no_memory("unmapped in the VMM", GPA);
	bed_close(&bed);
}

/* memfd_secret() hides pages from the kernel itself: nothing to export. */
static void test_secret(void)
{
	struct mem mem;
	int fd;

	fd = syscall(SYS_memfd_secret, O_CLOEXEC);
	if (fd < 0)
		bail("no secret memory: boot with secretmem.enable=1");
	must(ftruncate(fd, LITTLE));
	mem_new(&mem, LITTLE, 0, MAP_SHARED, fd);
	mem_fill(mem.hva, GPA, LITTLE, GEN(7));
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	check_no_memory("secret", GPA);
	ok(mem_check(mem.hva, GPA, LITTLE, GEN(7)), "secret: untouched");
	bed_close(&bed);
	mem_free(&mem);
}

/* Two slots that touch, a gap, and a third; the last two not backed alike. */
static void test_gap(void)
{
	struct mem a, b;
	uint64_t some;

	mem_small(&a, LITTLE);
	mem_shared(&b, 2 * LITTLE);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &a);
	is(vm_slot(&bed.vm, 2, GPA + LITTLE, LITTLE, b.hva + LITTLE, 0), 0, "slot 2");
	is(vm_slot(&bed.vm, 3, GPA + 3 * LITTLE, LITTLE, b.hva, 0), 0, "slot 3");
	is(ktdp_prefault(bed.tdp, GPA, 2 * LITTLE, ACC_W), 0, "across two slots");
	ok(bed_agrees(&bed, GPA, a.hva, LITTLE), "first half from slot 1");
	ok(bed_agrees(&bed, GPA + LITTLE, b.hva + LITTLE, LITTLE),
	   "second half from slot 2");
	is(ktdp_prefault_some(bed.tdp, GPA, 4 * LITTLE, ACC_R, &some), -EFAULT,
	   "into the gap");
	is(some, 2 * LITTLE, "up to its edge is done");
	ok(ktdp_absent(bed.tdp, GPA + 2 * LITTLE, 2 * LITTLE), "and no further");
	is(guest_fill(&bed.vm, GPA, 2 * LITTLE, GEN(3)), 0, "guest fills both");
	is(dma_check(bed.dma, GPA, 2 * LITTLE, GEN(3)), 0, "engine reads both");
	is(dma_copy(bed.dma, GPA, GPA + 3 * LITTLE, LITTLE, 0), 0,
	   "engine copies across the gap");
	ok(mem_check(b.hva, GPA, LITTLE, GEN(3)), "and the copy is right");
	check_counts();
	bed_close(&bed);
	mem_free(&a);
	mem_free(&b);
}

/* Slot edges inside a huge page: leaves stop there. */
static void test_edges(void)
{
	uint64_t start = GPA + PAGE_2M / 2;
	size_t size = SIZE - PAGE_2M;
	struct mem mem;

	mem_huge(&mem, SIZE);
	bed_open(&bed);
	is(vm_slot(&bed.vm, 1, start, size, mem.hva + PAGE_2M / 2, 0), 0,
	   "slot from the middle of a huge page to the middle of another");
	is(ktdp_prefault(bed.tdp, start, size, ACC_W), 0, "edges: write");
	is(ktdp_level(bed.tdp, start), 1, "edges: small leaf at the start");
	is(ktdp_level(bed.tdp, GPA + PAGE_2M), 2, "edges: huge leaf inside");
	is(ktdp_level(bed.tdp, start + size - PAGE_4K), 1,
	   "edges: small leaf at the end");
	ok(ktdp_absent(bed.tdp, GPA, PAGE_2M / 2), "edges: nothing before");
	ok(ktdp_absent(bed.tdp, start + size, PAGE_2M / 2), "edges: nothing after");
	ok(bed_agrees(&bed, start, mem.hva + PAGE_2M / 2, size), "edges: pages");
	ok(bed_works(&bed, start, mem.hva + PAGE_2M / 2, LITTLE, 1), "edges: data");
	check_counts();
	bed_close(&bed);
	mem_free(&mem);
}

/* gpa and hva at different places in their huge pages: no leaf fits both. */
static void test_misaligned(void)
{
	struct mem mem;

	mem_huge(&mem, SIZE);
	bed_open(&bed);
	is(vm_slot(&bed.vm, 1, GPA, PAGE_2M, mem.hva + PAGE_4K, 0), 0,
	   "slot at an odd page of a huge page");
	is(ktdp_prefault(bed.tdp, GPA, PAGE_2M, ACC_W), 0, "misaligned: write");
	is(ktdp_level(bed.tdp, GPA), 1, "misaligned: small leaf");
	is(ktdp_stats(bed.tdp).leaves[1], 0, "misaligned: no huge one anywhere");
	ok(ktdp_mapped(bed.tdp, GPA, PAGE_2M), "misaligned: all mapped");
	ok(bed_agrees(&bed, GPA, mem.hva + PAGE_4K, PAGE_2M), "misaligned: pages");
	ok(bed_works(&bed, GPA, mem.hva + PAGE_4K, LITTLE, 1), "misaligned: data");
	bed_close(&bed);
	mem_free(&mem);
}

static void test_repeat(void)
{
	struct kvm_tdp_stats first, second;
	struct mem mem;

	mem_small(&mem, LITTLE);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	is(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_W), 0, "one page");
	first = ktdp_stats(bed.tdp);
	is(first.leaves[0], 1, "one leaf");
	is(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_W), 0, "again");
	is(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_R), 0, "and for reading");
	second = ktdp_stats(bed.tdp);
	is(second.faults, first.faults + 2, "two more faults");
	is(second.faults_spurious, first.faults_spurious + 2, "both spurious");
	is(second.entries_set, first.entries_set, "nothing written for them");
	is(second.faults_failed, first.faults_failed, "none failed");
	bed_close(&bed);
	mem_free(&mem);
}

static void *prefault_thread(void *arg)
{
	unsigned int access = (uintptr_t)arg;

	return (void *)(intptr_t)ktdp_prefault(bed.tdp, GPA, LITTLE, access);
}

static void test_concurrent(void)
{
	pthread_t threads[6];
	struct mem mem;
	void *ret;
	int i;

	mem_small(&mem, LITTLE);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	vm_spin(&bed.vm, GPA, LITTLE, GEN(1));
	for (i = 0; i < 6; i++)
		must(-pthread_create(&threads[i], NULL, prefault_thread,
				     (void *)(uintptr_t)(i & 1 ? ACC_W : ACC_R)));
	for (i = 0; i < 6; i++) {
		pthread_join(threads[i], &ret);
		is((intptr_t)ret, 0, "concurrent fault %d", i);
	}
	vm_spin_stop(&bed.vm);
	ok(ktdp_mapped(bed.tdp, GPA, LITTLE), "concurrent: all mapped");
	ok(bed_agrees(&bed, GPA, mem.hva, LITTLE), "concurrent: the host's pages");
	check_counts();
	bed_close(&bed);
	mem_free(&mem);
}

/* Reads and writes that end inside pages, at odd addresses. */
static void test_unaligned_dma(void)
{
	char out[5000], in[5000] = { 0 };
	struct mem mem;
	size_t i;

	for (i = 0; i < sizeof(out); i++)
		out[i] = i * 7 + 1;
	mem_small(&mem, LITTLE);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	is(dma_write(bed.dma, GPA + 4001, out, sizeof(out), 0), 0,
	   "engine writes across three pages");
	ok(!memcmp(mem.hva + 4001, out, sizeof(out)), "all of it arrives");
	is(((char *)mem.hva)[4000], 0, "nothing before");
	is(((char *)mem.hva)[4001 + sizeof(out)], 0, "nothing after");
	is(dma_copy(bed.dma, GPA + 4001, GPA + 0x8003, sizeof(out), 0), 0,
	   "engine copies to another odd address");
	is(dma_read(bed.dma, GPA + 0x8003, in, sizeof(in), 0), 0, "reads the copy");
	ok(!memcmp(in, out, sizeof(in)), "which is right");
	is(dma_read(bed.dma, GPA + LITTLE - 8, in, 16, 0), -EFAULT,
	   "a read over the end of the slot fails");
	bed_close(&bed);
	mem_free(&mem);
}

/*
 * Soft-dirty tracking takes write access from the host's entries: who writes next is to
 * be seen, a device too.
 */
static void test_soft_dirty(void)
{
	struct mem mem;

	mem_small(&mem, LITTLE);
	memset(mem.hva, 1, LITTLE);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	is(ktdp_prefault(bed.tdp, GPA, LITTLE, ACC_W), 0, "write");
	must(sys_write("/proc/self/clear_refs", "4"));
	ok(ktdp_grants_none(bed.tdp, GPA, LITTLE, ACC_W), "write access goes");
	is(ktdp_prefault(bed.tdp, GPA, LITTLE, ACC_R), 0, "read");
	ok(ktdp_grants_none(bed.tdp, GPA, LITTLE, ACC_W), "it does not come back by that");
	is(dma_fill(bed.dma, GPA + PAGE_4K, PAGE_4K, GEN(1)), 0, "the engine writes a page");
	ok(mem_is_soft_dirty(mem.hva + PAGE_4K), "which is seen");
	ok(!mem_is_soft_dirty(mem.hva + 2 * PAGE_4K), "the next one is clean");
	is(ktdp_access(bed.tdp, GPA + 2 * PAGE_4K) & ACC_W, 0, "and read-only");
	bed_close(&bed);
	mem_free(&mem);
}

#define PIECE		32	/* pages that come along: the rest of so many, aligned */
#define AROUND		"/sys/module/kvm_tdp/parameters/fault_around"

/* Which of the first pages grant @access: those from @first on, and no other. */
static void is_mapped(size_t first, size_t nr, unsigned int access, const char *what)
{
	size_t page, wrong = 0;

	for (page = 0; page < 2 * PIECE; page++) {
		bool granted = (ktdp_access(bed.tdp, GPA + page * PAGE_4K) & access) == access;

		if (granted != (page >= first && page < first + nr))
			wrong++;
	}
	is(wrong, 0, "%s: pages %zu to %zu alone", what, first, first + nr - 1);
}

static void fault_page(size_t page, unsigned int access)
{
	is(ktdp_prefault(bed.tdp, GPA + page * PAGE_4K, PAGE_4K, access), 0,
	   "fault of page %zu", page);
}

/* What is behind a page that is asked for comes along, if the host has it. */
static void test_around(void)
{
	struct mem mem, other;
	void *gap;

	mem_small(&mem, 2 * PIECE * PAGE_4K);
	memset(mem.hva, 1, mem.size);
	gap = mem.hva + 5 * PAGE_4K;
	must(madvise(gap, PAGE_4K, MADV_DONTNEED));
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	fault_page(1, ACC_R);
	is_mapped(1, 4, ACC_R | ACC_W, "up to what the host lacks");
	ok(!mem_is_present(gap), "nothing is brought for it");
	must(madvise(mem.hva, 6 * PAGE_4K, MADV_DONTNEED));
	fault_page(6, ACC_W);
	is_mapped(6, PIECE - 6, ACC_W, "up to the end of the piece");
	ok(bed_agrees(&bed, GPA, mem.hva, mem.size), "they are the host's pages");

	/* Again, with what must not be written. */
	must(madvise(mem.hva, mem.size, MADV_DONTNEED));
	memset(mem.hva, 1, mem.size);
	must(mprotect(mem.hva + 4 * PAGE_4K, PAGE_4K, PROT_READ));
	fault_page(0, ACC_W);
	is_mapped(0, 4, ACC_W, "up to what is read-only");
	fault_page(4, ACC_R);
	ok(!(ktdp_access(bed.tdp, GPA + 4 * PAGE_4K) & ACC_W), "which stays so");
	must(mprotect(mem.hva + 4 * PAGE_4K, PAGE_4K, PROT_READ | PROT_WRITE));

	/* Another slot begins within the piece. */
	vm_unmap(&bed.vm, 1);
	mem_small(&other, mem.size);
	must(vm_slot(&bed.vm, 1, GPA, 8 * PAGE_4K, mem.hva, 0));
	must(vm_slot(&bed.vm, 2, GPA + 8 * PAGE_4K, PAGE_4K, other.hva, 0));
	fault_page(2, ACC_W);
	is_mapped(2, 6, ACC_R, "up to the end of the slot");
	vm_unmap(&bed.vm, 2);
	vm_unmap(&bed.vm, 1);

	/* Nor is there more of the mapping. */
	vm_map(&bed.vm, 1, GPA, &mem);
	must(munmap(mem.hva + 8 * PAGE_4K, PAGE_4K));
	fault_page(2, ACC_W);
	is_mapped(2, 6, ACC_R, "up to the end of the mapping");
	vm_unmap(&bed.vm, 1);

	must(sys_write(AROUND, "0"));
	vm_map(&bed.vm, 1, GPA, &mem);
	fault_page(1, ACC_W);
	is_mapped(1, 1, ACC_R, "switched off");
	must(sys_write(AROUND, "1"));
	bed_close(&bed);
	mem_free(&mem);
	mem_free(&other);
}

/* The host's tables end where those of the guest do not. */
static void test_around_misaligned(void)
{
	struct mem mem;

	mem_small_at(&mem, 2 * PIECE * PAGE_4K, PAGE_2M - 5 * PAGE_4K);
	memset(mem.hva, 1, mem.size);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	fault_page(1, ACC_W);
	is_mapped(1, 4, ACC_R | ACC_W, "up to the end of the host's table");
	fault_page(5, ACC_W);
	is_mapped(1, PIECE - 1, ACC_R | ACC_W, "the rest with the next one");
	ok(bed_agrees(&bed, GPA, mem.hva, mem.size), "they are the host's pages");
	bed_close(&bed);
	mem_free(&mem);
}

/* A write that is logged is that of the page it was for. */
static void test_around_logged(void)
{
	struct set got = { 0 };
	struct mem mem;

	mem_small(&mem, 2 * PIECE * PAGE_4K);
	memset(mem.hva, 1, mem.size);
	bed_open(&bed);
	must(vm_slot(&bed.vm, 1, GPA, mem.size, mem.hva, KVM_MEM_LOG_DIRTY_PAGES));
	fault_page(3, ACC_W);
	is_mapped(3, 1, ACC_R | ACC_W, "one page for a write");
	fault_page(4, ACC_R);
	is_mapped(3, PIECE - 3, ACC_R, "more for a read");
	is_mapped(3, 1, ACC_W, "without write access");
	must(log_get(&bed.vm, 1, got.words));
	ok(set_is(got, set_of(3, 1)), "the log has the one that was written");
	bed_close(&bed);
	mem_free(&mem);
}

static const struct tap_case cases[] = {
	{ "anon", test_anon },
	{ "thp", test_thp },
	{ "shmem", test_shmem },
	{ "hugetlb", test_hugetlb },
	{ "hugetlb_1g", test_hugetlb_1g },
	{ "hugetlb_1g_part", test_hugetlb_1g_part },
	{ "file", test_file },
	{ "file_data", test_file_data },
	{ "zero_page", test_zero_page },
	{ "huge_zero_page", test_huge_zero_page },
	{ "read_only_slot", test_read_only_slot },
	{ "read_only_vma", test_read_only_vma },
	{ "no_memory", test_no_memory },
	{ "secret", test_secret },
	{ "gap", test_gap },
	{ "edges", test_edges },
	{ "misaligned", test_misaligned },
	{ "repeat", test_repeat },
	{ "concurrent", test_concurrent },
	{ "unaligned_dma", test_unaligned_dma },
	{ "soft_dirty", test_soft_dirty },
	{ "around", test_around },
	{ "around_misaligned", test_around_misaligned },
	{ "around_logged", test_around_logged },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
