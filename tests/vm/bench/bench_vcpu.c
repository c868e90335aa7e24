// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a vCPU's own fault for a 4K page costs, measured by the guest, with this
 * module absent, loaded, and at work; see figure.h for the clock.
 *
 * The pages are present in the host.  The median fault is one that found all
 * its tables there; the mean has a share in what one in many faults does, in KVM
 * and here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "figure.h"
#include "ktdp.h"
#include "mem.h"
#include "sys.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x140000000UL
#define SIZE	(16 * PAGE_2M)
#define PAGES	(SIZE / PAGE_4K)
#define LOG_GPA	0x180000000UL
#define LOG_SIZE	(PAGES * sizeof(uint64_t))
#define VCPUS	8

#define EAGER	"/sys/module/kvm_tdp/parameters/eager"

/* The same VM, each with a vCPU of its own. */
static struct vm vms[VCPUS];
static struct vm *const vm = &vms[0];
static struct mem mem, log_mem;

/* In which order its pages are touched, and by which vCPU. */
enum order {
	IN_ORDER,	/* page after page */
	FAR,		/* each in another 2M than the last one */
	IN_TURN,	/* each by another vCPU, in another 2M */
};

static const char *const order_names[] = {
	[IN_ORDER] = "page after page",
	[FAR] = "each in another 2M",
	[IN_TURN] = "8 vCPUs in turn",
};

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void touch(struct vm *by, uint64_t off, uint64_t stride, uint64_t log)
{
	if (guest_time(by, GPA + off, SIZE - off, stride, log))
		bail("the guest failed");
}

static void touch_all(enum order order)
{
	uint64_t stride = order == IN_ORDER ? PAGE_4K : PAGE_2M;
	uint64_t log = LOG_GPA, off, nr;

	for (off = 0; off < stride; off += PAGE_4K) {
		for (nr = 0; order == IN_TURN && nr < SIZE / stride; nr++) {
			touch(&vms[nr % VCPUS], off + nr * stride, SIZE, log);
			log += sizeof(uint64_t);
		}
		if (order == IN_TURN)
			continue;
		touch(vm, off, stride, log);
		log += SIZE / stride * sizeof(uint64_t);
	}
}

static struct cost timed(enum order order, const char *name)
{
	uint64_t *log = log_mem.hva, sum = 0, begin;
	unsigned int i;

	must(guest_fill(vm, LOG_GPA, LOG_SIZE, 0));
	begin = section_begin();
	touch_all(order);
	section_end(begin, name, PAGES);
	for (i = 0; i < PAGES; i++)
		sum += log[i];
	qsort(log, PAGES, sizeof(*log), compare);
	return (struct cost) {
		.median = insns(log[PAGES / 2]),
		.mean = insns(sum) / PAGES,
	};
}

/* KVM has none of the pages; then it has all. */
static struct cost fault_cost(enum order order, const char *name)
{
	struct cost first, again;

	must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	memset(mem.hva, 1, SIZE);
	/* One more, so that what is done once is done. */
	must(madvise(log_mem.hva, log_mem.size, MADV_DONTNEED));
	memset(log_mem.hva, 1, log_mem.size);
	must(guest_touch(vm, LOG_GPA + LOG_SIZE, PAGE_4K));
	first = timed(order, name);
	again = timed(order, "without faults");
	return (struct cost) {
		.median = first.median - again.median,
		.mean = first.mean - again.mean,
	};
}

static struct cost exported_cost(bool eager, enum order order, const char *name)
{
	struct kvm_tdp_stats st;
	struct kvm_tdp_info info;
	struct cost cost;
	int tdp;

	sys_run(eager ? "echo Y >" EAGER : "echo N >" EAGER);
	tdp = must(kvm_tdp_create(vm->fd, 0));
	must(kvm_tdp_get_info(tdp, &info));
	is(info.eager, eager ? KVM_TDP_EAGER_ON : KVM_TDP_EAGER_OFF,
	   "eager fill is as asked for");
	cost = fault_cost(order, name);
	st = ktdp_stats(tdp);
	is(st.eager_filled >= PAGES, eager, "faults were copied, or were not");
	close(tdp);
	return cost;
}

/* Creation with KVM's table as it is; less what is the same each time. */
static double timed_create(bool full)
{
	uint64_t begin = section_begin();
	int tdp = must(kvm_tdp_create(vm->fd, 0));
	double cost = section_end(begin, full ? "seed" : "nothing to seed", PAGES);

	is(ktdp_stats(tdp).seeded >= PAGES, full, "what KVM has is copied");
	close(tdp);
	return cost;
}

static double seed_cost(void)
{
	double empty, full;

	must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	empty = timed_create(false);
	memset(mem.hva, 1, SIZE);
	must(guest_touch(vm, GPA, SIZE));
	full = timed_create(true);
	return full - empty;
}

static void show_eager(enum order order, struct cost absent)
{
	struct cost on = exported_cost(true, order, "a vCPU's fault, eager fill on");
	char name[64], mean[64];

	within(on.median <= 1.15 * absent.median, "eager fill costs %.1f %%, %s",
	       100 * (on.median / absent.median - 1), order_names[order]);
	snprintf(name, sizeof(name), "eager fill, %s, median", order_names[order]);
	snprintf(mean, sizeof(mean), "eager fill, %s, mean", order_names[order]);
	report_beside(name, on.median - absent.median, "insns", "a vCPU's own fault",
		      absent.median);
	report_beside(mean, on.mean - absent.mean, "insns", "a vCPU's own fault",
		      absent.mean);
}

static void setup(void)
{
	vm_open(vm);
	vm_open_vcpus(vms, VCPUS);
	mem_small(&mem, SIZE);
	mem_small(&log_mem, LOG_SIZE + PAGE_4K);
	vm_map(vm, 1, GPA, &mem);
	vm_map(vm, 2, LOG_GPA, &log_mem);
}

static void teardown(void)
{
	vm_close_vcpus(vms, VCPUS);
	mem_free(&mem);
	mem_free(&log_mem);
}

int main(void)
{
	struct cost absent[IN_TURN + 1], idle, off;
	enum order order;
	double seed;

	sys_run("rmmod ktdp_test kvm_tdp_dma kvm_tdp_mem kvm_tdp");
	setup();
	/* For the report of scripts/test-host. */
	diag("TSC: %d kHz", ioctl(vm->vcpu, KVM_GET_TSC_KHZ));
	for (order = IN_ORDER; order <= IN_TURN; order++)
		absent[order] = fault_cost(order, "a vCPU's fault");
	sys_run("modprobe kvm_tdp");
	idle = fault_cost(IN_ORDER, "a vCPU's fault, module idle");
	off = exported_cost(false, IN_ORDER, "a vCPU's fault, eager fill off");
	within(idle.median == absent[IN_ORDER].median, "an idle module costs nothing");
	within(off.median == absent[IN_ORDER].median,
	       "nor does an export with eager fill off");
	for (order = IN_ORDER; order <= IN_TURN; order++)
		show_eager(order, absent[order]);
	timed_create(true);
	seed = seed_cost();
	within(seed <= 110, "seeding a page costs %.1f instructions", seed);
	report("seeding from KVM's table, a page", seed, "insns");
	sys_run("modprobe kvm_tdp_mem && modprobe kvm_tdp_dma && modprobe ktdp_test");
	teardown();
	return done();
}
