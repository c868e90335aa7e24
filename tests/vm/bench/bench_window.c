// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cost of a window on guest memory: to its reader, beside a second mapping of the VMM's
 * memfd; to the host that takes a page back.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "figure.h"
#include "ktdp.h"
#include "mem.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x140000000UL
#define SIZE	(32 * PAGE_2M)
#define PIECE	(1UL << 20)
#define PAGES	(SIZE / PAGE_4K)
#define ROUNDS	2000

static struct vm vm;
static struct mem mem;
static int tdp, fd;

static const char *map(int file, uint64_t offset)
{
	void *at = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, file, offset);

	if (at == MAP_FAILED)
		bail("mmap: errno %d", errno);
	return at;
}

static double touch(const char *at, const char *name)
{
	uint64_t begin = section_begin();
	size_t i;

	for (i = 0; i < PAGES; i++)
		(void)*(const volatile char *)(at + i * PAGE_4K);
	return section_end(begin, name, PAGES);
}

static double copy(const char *at, const char *name)
{
	static char buf[PIECE];
	uint64_t begin;
	size_t off;

	memset(buf, 1, PIECE);
	begin = section_begin();
	for (off = 0; off < SIZE; off += PIECE)
		memcpy(buf, at + off, PIECE);
	return section_end(begin, name, PAGES);
}

static double unmapped(const char *at, double cost)
{
	munmap((void *)at, SIZE);
	return cost;
}

/* Of a window that nobody has touched, and of one of the same file's memory. */
static void reader(double (*read)(const char *at, const char *name), const char *ours,
		   const char *theirs)
{
	const char *at = map(fd, GPA);
	double window = unmapped(at, read(at, ours));

	at = map(mem.fd, 0);
	report_beside(ours, window, "insns", theirs, unmapped(at, read(at, theirs)));
}

/* The median of pages that are there, and that @nr windows have touched. */
static double dontneed(const char *name, void *hva, unsigned int nr)
{
	static uint64_t spent[ROUNDS];
	const char *windows[4];
	unsigned int i, k;
	uint64_t begin;

	for (k = 0; k < nr; k++)
		windows[k] = map(fd, GPA);
	section_begin();
	for (i = 0; i < ROUNDS; i++) {
		char *page = hva + i * PAGE_4K;

		*(volatile char *)page = 1;
		for (k = 0; k < nr; k++)
			(void)*(const volatile char *)(windows[k] + i * PAGE_4K);
		begin = ticks();
		must(madvise(page, PAGE_4K, MADV_DONTNEED));
		spent[i] = ticks() - begin;
	}
	section_end(0, name, ROUNDS);
	for (k = 0; k < nr; k++)
		munmap((void *)windows[k], SIZE);
	return median(spent, ROUNDS);
}

static void open_all(void)
{
	vm_open(&vm);
	vm_map(&vm, 1, GPA, &mem);
	tdp = must(kvm_tdp_create(vm.fd, 0));
	fd = must(kvm_tdp_mem_open(tdp, getpid(), O_RDONLY));
}

static void close_all(void)
{
	close(fd);
	close(tdp);
	vm_close(&vm);
	mem_free(&mem);
}

static void host(void)
{
	struct mem other;
	double plain, one;

	mem_small(&mem, SIZE);
	mem_small(&other, SIZE);
	open_all();
	plain = dontneed("MADV_DONTNEED of 4K, of no VM", other.hva, 0);
	one = dontneed("MADV_DONTNEED of 4K, a window has it", mem.hva, 1);
	report_beside("window: MADV_DONTNEED of 4K that one has", one, "insns",
		      "MADV_DONTNEED of 4K, of no VM", plain);
	report_beside("window: MADV_DONTNEED of 4K that four have",
		      dontneed("MADV_DONTNEED of 4K, four windows have it", mem.hva, 4),
		      "insns", "MADV_DONTNEED of 4K, of no VM", plain);
	mem_free(&other);
	close_all();
}

int main(void)
{
	mem_memfd(&mem, SIZE);
	memset(mem.hva, 1, SIZE);
	open_all();
	is(ktdp_prefault(tdp, GPA, SIZE, ACC_R), 0, "all is mapped");
	reader(touch, "window: first touch of all 64M, a page", "first touch of a memfd");
	reader(copy, "window: all of 64M is copied, a page", "a memfd is copied");
	close_all();
	host();
	return done();
}
