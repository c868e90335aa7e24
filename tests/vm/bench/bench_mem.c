// SPDX-License-Identifier: GPL-2.0-only
/* The cost of reading guest memory as a file; beside the VMM's memory, by the kernel. */
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "figure.h"
#include "ktdp.h"
#include "mem.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x140000000UL
#define SIZE	(32 * PAGE_2M)
#define PIECE	(1UL << 20)
#define ROUNDS	1000
#define BATCH	256

static struct vm vm;
static struct mem mem;
static int tdp, fd;
static char buf[PIECE];

static uint64_t gpa_of(size_t i)
{
	return GPA + i * 7 % (SIZE / PAGE_4K) * PAGE_4K;
}

static double by_pread(const char *name, size_t size)
{
	uint64_t begin = section_begin();
	size_t i;

	for (i = 0; i < ROUNDS; i++)
		must(pread(fd, buf, size, gpa_of(i)));
	return section_end(begin, name, ROUNDS);
}

static double by_vm_readv(const char *name, size_t size)
{
	struct iovec local = { buf, size }, remote = { NULL, size };
	uint64_t begin = section_begin();
	size_t i;

	for (i = 0; i < ROUNDS; i++) {
		remote.iov_base = mem.hva + (gpa_of(i) - GPA);
		must(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	}
	return section_end(begin, name, ROUNDS);
}

static void compare(size_t size, const char *ours, const char *theirs)
{
	double by_file, by_process;

	/* Faults of the buffer are not measured. */
	must(pread(fd, buf, size, GPA));
	by_file = by_pread(ours, size);
	by_process = by_vm_readv(theirs, size);
	report_beside(ours, by_file, "insns", theirs, by_process);
}

/* Each of many reads of 8 bytes in one call. */
static void batch(void)
{
	static struct kvm_tdp_mem_vec vecs[BATCH];
	static struct iovec local[BATCH], remote[BATCH];
	double ours, theirs;
	uint64_t begin;
	size_t i;

	for (i = 0; i < BATCH; i++) {
		vecs[i] = (struct kvm_tdp_mem_vec){ gpa_of(i) + 8, (uintptr_t)buf + 8 * i, 8 };
		local[i] = (struct iovec){ buf + 8 * i, 8 };
		remote[i] = (struct iovec){ mem.hva + (gpa_of(i) + 8 - GPA), 8 };
	}
	begin = section_begin();
	for (i = 0; i < ROUNDS / 10; i++)
		must(-kvm_tdp_mem_readv(fd, vecs, BATCH, 0, NULL));
	ours = section_end(begin, "KVM_TDP_MEM_READV", ROUNDS / 10 * BATCH);
	begin = section_begin();
	for (i = 0; i < ROUNDS / 10; i++)
		must(process_vm_readv(getpid(), local, BATCH, remote, BATCH, 0));
	theirs = section_end(begin, "process_vm_readv()", ROUNDS / 10 * BATCH);
	report_beside("file: 8 bytes, 256 in a call, each", ours, "insns",
		      "process_vm_readv()", theirs);
}

/* All of it, which is not in the table at first, a page. */
static void read_all(void)
{
	struct iovec local = { buf, PIECE }, remote = { NULL, PIECE };
	double ours, theirs;
	uint64_t begin;
	size_t at;

	close(tdp);
	close(fd);
	tdp = must(kvm_tdp_create(vm.fd, 0));
	fd = must(kvm_tdp_mem_open(tdp, getpid(), O_RDONLY));
	begin = section_begin();
	for (at = 0; at < SIZE; at += PIECE)
		must(pread(fd, buf, PIECE, GPA + at));
	ours = section_end(begin, "pread() of all", SIZE / PAGE_4K);
	begin = section_begin();
	for (at = 0; at < SIZE; at += PIECE) {
		remote.iov_base = mem.hva + at;
		must(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	}
	theirs = section_end(begin, "process_vm_readv() of all", SIZE / PAGE_4K);
	report_beside("file: all of 64M, in pieces of 1M, a page", ours, "insns",
		      "process_vm_readv()", theirs);
}

int main(void)
{
	vm_open(&vm);
	mem_small(&mem, SIZE);
	memset(mem.hva, 1, SIZE);
	memset(buf, 1, sizeof(buf));
	vm_map(&vm, 1, GPA, &mem);
	tdp = must(kvm_tdp_create(vm.fd, 0));
	fd = must(kvm_tdp_mem_open(tdp, getpid(), O_RDONLY));
	is(ktdp_prefault(tdp, GPA, SIZE, ACC_R), 0, "all is mapped");
	compare(PAGE_4K, "file: pread() of 4K", "process_vm_readv() of 4K");
	compare(8, "file: pread() of 8 bytes", "process_vm_readv() of 8 bytes");
	batch();
	read_all();
	is(sys(pread(fd, buf, PAGE_4K, GPA)), PAGE_4K, "all is as it was");
	return done();
}
