/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_MEM_H
#define TESTS_VM_MEM_H

/* Host memory of every kind that can stand behind a memslot. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_4K		0x1000UL
#define PAGE_2M		0x200000UL
#define PAGE_1G		0x40000000UL

#ifndef MADV_COLLAPSE		/* newer than Debian 12's libc */
#define MADV_COLLAPSE	25
#endif
#ifndef MADV_SOFT_OFFLINE	/* the same */
#define MADV_SOFT_OFFLINE	101
#endif

struct mem {
	void *hva;
	size_t size;
	int fd;			/* of the file, -1 for anonymous memory */
	size_t piece;		/* of hugetlb: the host takes no less back */
};

/* 2M-aligned unless told otherwise; the test ends if memory cannot be had. */
void mem_small(struct mem *mem, size_t size);		/* no huge pages */
void mem_small_at(struct mem *mem, size_t size, size_t offset);
void mem_thp(struct mem *mem, size_t size);		/* populated, huge */
/* The same, of hugetlb on a kernel without THP. */
void mem_huge(struct mem *mem, size_t size);
void mem_huge_at(struct mem *mem, size_t size, size_t offset);
void mem_shared(struct mem *mem, size_t size);		/* shared anonymous */
void mem_memfd(struct mem *mem, size_t size);
/* The same 2M of a memfd over and over, present, all pages apart in the host. */
void mem_repeated(struct mem *mem, size_t size);
/* Unlinked file of zeroes in @dir, mapped MAP_SHARED or MAP_PRIVATE. */
void mem_file(struct mem *mem, const char *dir, size_t size, int map_flags);
/* @offset from a 2M boundary, mmap() @flags, @fd or -1. */
void mem_new(struct mem *mem, size_t size, size_t offset, int flags, int fd);
void mem_free(struct mem *mem);

/* Small pages, where the kernel has others. */
void mem_no_thp(void *hva, size_t size);
bool mem_has_thp(void);		/* does the kernel? */
/* Is there no THP here?  Then the case is skipped. */
bool mem_skip_thp(const char *name);

/* Pages of 2M or 1G, reserved on the way; -errno if there are none. */
int mem_hugetlb(struct mem *mem, size_t size, size_t page);

/* The host's own access, with the pattern of the guest (vm.h). */
void mem_fill(void *hva, uint64_t gpa, size_t size, uint64_t gen);
bool mem_check(const void *hva, uint64_t gpa, size_t size, uint64_t gen);

/* The page behind @hva, as the host maps it. */
bool mem_is_present(const void *hva);
bool mem_is_swapped(const void *hva);
bool mem_any_present(const void *hva, size_t size);
bool mem_is_soft_dirty(const void *hva);
bool mem_is_thp(const void *hva);
/* MADV_COLLAPSE of 2M, more than once if pages are busy, in another CPU's LRU batch. */
int mem_collapse(void *hva);
/* Host physical address of its page; 0 if it is not present. */
uint64_t mem_hpa(const void *hva);

/* Push [hva, hva + size) out to swap or its file; true when all is out. */
bool mem_pageout(void *hva, size_t size);

#endif /* TESTS_VM_MEM_H */
