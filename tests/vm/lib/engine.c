// SPDX-License-Identifier: GPL-2.0-only
#include "engine.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys.h"

struct engine_bed eb;

static unsigned char pattern(uint64_t at, unsigned int gen)
{
	return (at + ((uint64_t)gen << 48)) * 0x9e3779b97f4a7c15ULL >> 56;
}

void fill(unsigned char *buf, uint64_t at, size_t size, unsigned int gen)
{
	size_t i;

	for (i = 0; i < size; i++)
		buf[i] = pattern(at + i, gen);
}

bool holds(const unsigned char *buf, uint64_t at, size_t size, unsigned int gen)
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (buf[i] == pattern(at + i, gen))
			continue;
		diag("byte %zu of %zu at %#llx is %#x, not %#x", i, size,
		     (unsigned long long)at, buf[i], pattern(at + i, gen));
		return false;
	}
	return true;
}

void setup_with(void (*get)(struct mem *mem, size_t size), size_t size)
{
	vm_open(&eb.vm);
	get(&eb.mem, size);
	fill(eb.mem.hva, 0, size, 0);
	vm_map(&eb.vm, 1, GPA, &eb.mem);
	eb.tdp = must(sys(kvm_tdp_create(eb.vm.fd, 0)));
	eb.dma = dma_open_on(eb.tdp);
}

void setup(void)
{
	setup_with(mem_small, SIZE);
	vm_map(&eb.vm, 2, UPPER, &eb.mem);
}

void teardown(void)
{
	close(eb.dma);
	close(eb.tdp);
	vm_close(&eb.vm);
	mem_free(&eb.mem);
}

struct result engine_read(uint64_t gpa, void *buf, uint64_t length,
			  unsigned int flags)
{
	size_t done = -1;
	int ret = kvm_tdp_dma_read(eb.dma, gpa, buf, length, flags, &done);

	return (struct result){ ret, done };
}

struct result engine_write(uint64_t gpa, const void *buf, uint64_t length,
			   unsigned int flags)
{
	size_t done = -1;
	int ret = kvm_tdp_dma_write(eb.dma, gpa, buf, length, flags, &done);

	return (struct result){ ret, done };
}

struct result engine_copy(uint64_t src, uint64_t dst, uint64_t length,
			  unsigned int flags)
{
	size_t done = -1;
	int ret = kvm_tdp_dma_copy(eb.dma, src, dst, length, flags, &done);

	return (struct result){ ret, done };
}

void check(struct result got, int ret, uint64_t done, const char *what)
{
	is(got.ret, ret, "%s: result", what);
	is(got.done, done, "%s: bytes done", what);
}

static const size_t offsets[] = { 0, 1, 7, 8, 63, 2048, 4095, 4096, 4097 };
static const size_t lengths[] = {
	1, 2, 3, 8, 9, 4095, 4096, 4097, 8192, 12289,
};

void check_all(const char *what, bool (*is_right)(size_t, size_t))
{
	unsigned int wrong = 0;
	size_t i, j;

	for (i = 0; i < NR(offsets); i++) {
		for (j = 0; j < NR(lengths); j++) {
			if (is_right(offsets[i], lengths[j]))
				continue;
			diag("%s: wrong at offset %zu length %zu", what,
			     offsets[i], lengths[j]);
			wrong++;
		}
	}
	is(wrong, 0, "%s: every alignment and length", what);
}

unsigned char *cut_buffer(void)
{
	void *buf = mmap(NULL, 2 * PAGE_4K, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (buf == MAP_FAILED)
		bail("mmap: errno %d", errno);
	must(munmap(buf + PAGE_4K, PAGE_4K));
	return buf;
}

int in_child(int (*run)(void))
{
	pid_t pid = must(fork());

	if (!pid)
		_exit(run());
	return sys_wait_exit(pid, 20000);
}
