// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prefault next to KVM_PRE_FAULT_MEMORY, which does the same for KVM's own table, from
 * 6.12 on; see figure.h for the clock.
 */
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "figure.h"
#include "ktdp.h"
#include "mem.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x140000000UL
#define SIZE	(16 * PAGE_2M)
#define REPEATS	4

/* Newer than Debian 12's headers. */
struct pre_fault_memory {
	uint64_t gpa, size, flags, padding[5];
};

#define PRE_FAULT_MEMORY	_IOWR(KVMIO, 0xd5, struct pre_fault_memory)

static struct vm vm;

/* KVM's table is empty then; on 6.12 pre-faulting waits for a vCPU that has seen that. */
static void map(const struct mem *mem)
{
	vm_map(&vm, 1, GPA, mem);
	if (guest_check(&vm, 0, 0, 0))
		bail("the guest failed");
}

static double by_kvm(const struct mem *mem, const char *name, double units)
{
	struct pre_fault_memory range = { .gpa = GPA, .size = SIZE };
	uint64_t begin;
	double cost;

	map(mem);
	begin = section_begin();
	while (range.size)
		must(ioctl(vm.vcpu, PRE_FAULT_MEMORY, &range));
	cost = section_end(begin, name, units);
	vm_unmap(&vm, 1);
	return cost;
}

static double by_us(const struct mem *mem, const char *name, unsigned int level,
		    double units)
{
	int tdp = must(kvm_tdp_create(vm.fd, 0));
	uint64_t begin;
	double cost;

	map(mem);
	begin = section_begin();
	must(ktdp_prefault(tdp, GPA, SIZE, ACC_W));
	cost = section_end(begin, name, units);
	is(ktdp_level(tdp, GPA), level, "%s: level", name);
	vm_unmap(&vm, 1);
	close(tdp);
	return cost;
}

/* The least of a few: a machine that has just started has other work, too. */
static void compare(struct mem *mem, const char *name, const char *peer,
		    unsigned int level, size_t page)
{
	double kvm = 1e9, us = 1e9;
	int i;

	memset(mem->hva, 1, SIZE);
	for (i = 0; i < REPEATS; i++) {
		kvm = least(kvm, by_kvm(mem, peer, SIZE / page));
		us = least(us, by_us(mem, name, level, SIZE / page));
	}
	report_beside(name, us, "insns", peer, kvm);
	mem_free(mem);
}

int main(void)
{
	struct mem mem;

	vm_open(&vm);
	vm_add_vcpu(&vm);
	mem_small(&mem, SIZE);
	compare(&mem, "prefault on 6.12, a page of 4K", "KVM_PRE_FAULT_MEMORY", 1, PAGE_4K);
	mem_thp(&mem, SIZE);
	compare(&mem, "prefault on 6.12, a page of 2M", "KVM_PRE_FAULT_MEMORY", 2, PAGE_2M);
	vm_close(&vm);
	return done();
}
