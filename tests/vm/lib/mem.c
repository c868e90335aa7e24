// SPDX-License-Identifier: GPL-2.0-only
#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys.h"
#include "tap.h"

#define MPOL_MF_MOVE	2
#define PAGEMAP_PRESENT	(1ULL << 63)
#define PAGEMAP_SWAPPED	(1ULL << 62)
#define PAGEMAP_SOFT_DIRTY	(1ULL << 55)
#define PAGEMAP_PFN	((1ULL << 55) - 1)

/* Map at @offset from a 2M boundary (1G for memory that large). */
static void mem_place(struct mem *mem, size_t offset, int flags, int fd)
{
	size_t align = mem->size >= PAGE_1G ? PAGE_1G : PAGE_2M;
	size_t room = mem->size + 2 * align;
	uintptr_t start, hva, end;
	void *base;

	base = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		    MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		bail("no address space: errno %d", errno);
	start = (uintptr_t)base;
	hva = ((start + align - 1) & -align) + offset;
	end = hva + mem->size;
	mem->hva = mmap((void *)hva, mem->size, PROT_READ | PROT_WRITE,
			flags | MAP_FIXED, fd, 0);
	if (mem->hva == MAP_FAILED)
		bail("mmap of %#zx bytes: errno %d", mem->size, errno);
	munmap(base, hva - start);
	/* Whole huge pages, lest the end of a hugetlb mapping be cut. */
	munmap((void *)end, start + room - end);
}

void mem_new(struct mem *mem, size_t size, size_t offset, int flags, int fd)
{
	mem->size = size;
	mem->fd = fd;
	mem->piece = PAGE_4K;
	mem_place(mem, offset, flags, fd);
}

void mem_small_at(struct mem *mem, size_t size, size_t offset)
{
	mem_new(mem, size, offset, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	mem_no_thp(mem->hva, size);
}

void mem_small(struct mem *mem, size_t size)
{
	mem_small_at(mem, size, 0);
}

bool mem_has_thp(void)
{
	return !access("/sys/kernel/mm/transparent_hugepage", F_OK);
}

bool mem_skip_thp(const char *name)
{
	if (mem_has_thp())
		return false;
	skip(name, "THP");
	return true;
}

void mem_no_thp(void *hva, size_t size)
{
	if (mem_has_thp())
		must(madvise(hva, size, MADV_NOHUGEPAGE));
}

static void mem_thp_at(struct mem *mem, size_t size, size_t offset)
{
	mem_new(mem, size, offset, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	must(madvise(mem->hva, size, MADV_HUGEPAGE));
	memset(mem->hva, 0, size);
}

void mem_thp(struct mem *mem, size_t size)
{
	mem_thp_at(mem, size, 0);
}

void mem_huge_at(struct mem *mem, size_t size, size_t offset)
{
	size_t whole = (offset + size + PAGE_2M - 1) & -PAGE_2M;

	if (mem_has_thp()) {
		mem_thp_at(mem, size, offset);
		return;
	}
	if (sys_hugepages(PAGE_2M, whole / PAGE_2M))
		bail("no 2M pages");
	mem_new(mem, whole, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	memset(mem->hva, 0, whole);
	mem->hva += offset;
	mem->size = size;
	mem->piece = PAGE_2M;
}

void mem_huge(struct mem *mem, size_t size)
{
	mem_huge_at(mem, size, 0);
}

void mem_shared(struct mem *mem, size_t size)
{
	mem_new(mem, size, 0, MAP_SHARED | MAP_ANONYMOUS, -1);
}

void mem_memfd(struct mem *mem, size_t size)
{
	int fd = must(memfd_create("mem", MFD_CLOEXEC));

	must(ftruncate(fd, size));
	mem_new(mem, size, 0, MAP_SHARED, fd);
}

void mem_repeated(struct mem *mem, size_t size)
{
	const size_t pages = PAGE_2M / PAGE_4K;
	int fd = must(memfd_create("mem", MFD_CLOEXEC));
	size_t i, off;
	void *hva;

	must(ftruncate(fd, PAGE_2M));
	for (i = 0; i < pages; i++)
		must(pwrite(fd, "", 1, i * 7 % pages * PAGE_4K));
	mem_new(mem, size, 0, MAP_SHARED, fd);
	for (off = 0; off < size; off += PAGE_2M) {
		hva = mmap(mem->hva + off, PAGE_2M, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0);
		if (hva == MAP_FAILED)
			bail("mmap: errno %d", errno);
	}
}

void mem_file(struct mem *mem, const char *dir, size_t size, int map_flags)
{
	static const char zero[PAGE_4K];
	char name[256];
	size_t off;
	int fd;

	snprintf(name, sizeof(name), "%s/ktdp-XXXXXX", dir);
	fd = must(mkstemp(name));
	must(unlink(name));
	for (off = 0; off < size; off += sizeof(zero))
		if (pwrite(fd, zero, sizeof(zero), off) != sizeof(zero))
			bail("write to %s: errno %d", dir, errno);
	mem_new(mem, size, 0, map_flags, fd);
}

int mem_hugetlb(struct mem *mem, size_t size, size_t page)
{
	unsigned int flags = page == PAGE_1G ? MFD_HUGE_1GB : MFD_HUGE_2MB;
	int fd, ret;

	ret = sys_hugepages(page, size / page);
	if (ret)
		return ret;
	fd = must(memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | flags));
	must(ftruncate(fd, size));
	mem_new(mem, size, 0, MAP_SHARED, fd);
	mem->piece = page;
	return 0;
}

void mem_free(struct mem *mem)
{
	size_t piece = mem->piece ? mem->piece : PAGE_4K;
	uintptr_t start = (uintptr_t)mem->hva & -piece;
	uintptr_t end = (uintptr_t)mem->hva + mem->size;

	munmap((void *)start, ((end + piece - 1) & -piece) - start);
	if (mem->fd >= 0)
		close(mem->fd);
	mem->hva = NULL;
	mem->fd = -1;
}

void mem_fill(void *hva, uint64_t gpa, size_t size, uint64_t gen)
{
	uint64_t *word = hva;
	size_t i;

	for (i = 0; i < size / 8; i++)
		word[i] = (gpa + 8 * i) ^ gen;
}

bool mem_check(const void *hva, uint64_t gpa, size_t size, uint64_t gen)
{
	const uint64_t *word = hva;
	size_t i;

	for (i = 0; i < size / 8; i++) {
		if (word[i] == ((gpa + 8 * i) ^ gen))
			continue;
		diag("word at gpa %#llx is %#llx, generation %#llx expected",
		     (unsigned long long)(gpa + 8 * i),
		     (unsigned long long)word[i], (unsigned long long)gen);
		return false;
	}
	return true;
}

static uint64_t mem_pagemap(const void *hva)
{
	int fd = must(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
	uint64_t entry;

	if (pread(fd, &entry, 8, (uintptr_t)hva / PAGE_4K * 8) != 8)
		bail("pagemap: errno %d", errno);
	close(fd);
	return entry;
}

bool mem_is_present(const void *hva)
{
	return mem_pagemap(hva) & PAGEMAP_PRESENT;
}

bool mem_is_swapped(const void *hva)
{
	return mem_pagemap(hva) & PAGEMAP_SWAPPED;
}

bool mem_is_soft_dirty(const void *hva)
{
	return mem_pagemap(hva) & PAGEMAP_SOFT_DIRTY;
}

uint64_t mem_hpa(const void *hva)
{
	uint64_t entry = mem_pagemap(hva);

	return entry & PAGEMAP_PRESENT ? (entry & PAGEMAP_PFN) * PAGE_4K : 0;
}

bool mem_is_thp(const void *hva)
{
	unsigned long start, end, bytes;
	bool here = false, huge = false;
	char line[256];
	FILE *smaps;

	smaps = fopen("/proc/self/smaps", "re");
	if (!smaps)
		bail("smaps: errno %d", errno);
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = (uintptr_t)hva >= start && (uintptr_t)hva < end;
		else if (here && sscanf(line, "AnonHugePages: %lu kB", &bytes) == 1)
			huge = bytes != 0;
	}
	fclose(smaps);
	return huge;
}

int mem_collapse(void *hva)
{
	int ret, i;

	for (i = 0; i < 50; i++) {
		ret = sys(madvise(hva, PAGE_2M, MADV_COLLAPSE));
		if (ret != -EAGAIN && ret != -EBUSY)
			break;
		usleep(1000);
	}
	return ret;
}

bool mem_any_present(const void *hva, size_t size)
{
	size_t off;

	for (off = 0; off < size; off += PAGE_4K)
		if (mem_is_present(hva + off))
			return true;
	return false;
}

/*
 * Empty all CPUs' LRU batches, where reclaim does not look for pages: who wants to move
 * one, to where it is, does so first.
 */
static void mem_drain_lru(void *hva)
{
	int node = 0, status;

	syscall(SYS_move_pages, 0, 1UL, &hva, &node, &status, MPOL_MF_MOVE);
}

bool mem_pageout(void *hva, size_t size)
{
	int i;

	for (i = 0; i < 50 && mem_any_present(hva, size); i++) {
		mem_drain_lru(hva);
		if (madvise(hva, size, MADV_PAGEOUT))
			bail("MADV_PAGEOUT: errno %d", errno);
		if (i)
			usleep(20000);
	}
	return !mem_any_present(hva, size);
}
