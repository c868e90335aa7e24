// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a vCPU's own fault for a 4K page costs, measured by the guest, with this
 * module absent, loaded, and at work; see insns.h for the clock.
 *
 * The pages are present in the host.  The median fault is one that found all
 * its tables there; the mean has a share in what one in many faults does, in KVM
 * and here.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "insns.h"
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

#define EAGER	"/sys/module/kvm_tdp/parameters/eager"

static struct vm vm;
static struct mem mem, log_mem;
static double per_tick;

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

struct cost {
	double median, mean;
};

/* Page after page, or each in another place @stride away from the last one. */
static struct cost timed(uint64_t stride)
{
	uint64_t *log = log_mem.hva, at = LOG_GPA, off, sum = 0;
	unsigned int i;

	must(guest_fill(&vm, LOG_GPA, LOG_SIZE, 0));
	for (off = 0; off < stride; off += PAGE_4K) {
		if (guest_time(&vm, GPA + off, SIZE - off, stride, at))
			bail("the guest failed");
		at += SIZE / stride * sizeof(*log);
	}
	for (i = 0; i < PAGES; i++)
		sum += log[i];
	qsort(log, PAGES, sizeof(*log), compare);
	return (struct cost) {
		.median = log[PAGES / 2] * per_tick,
		.mean = sum * per_tick / PAGES,
	};
}

/* KVM has none of the pages; then it has all. */
static struct cost fault_cost(uint64_t stride)
{
	struct cost first, again;

	must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	memset(mem.hva, 1, SIZE);
	/* One more, so that what is done once is done. */
	must(madvise(log_mem.hva, log_mem.size, MADV_DONTNEED));
	memset(log_mem.hva, 1, log_mem.size);
	must(guest_touch(&vm, LOG_GPA + LOG_SIZE, PAGE_4K));
	first = timed(stride);
	again = timed(stride);
	return (struct cost) {
		.median = first.median - again.median,
		.mean = first.mean - again.mean,
	};
}

static void run(const char *command)
{
	if (system(command))
		bail("'%s' failed", command);
}

static struct cost exported_cost(bool eager, unsigned int state, uint64_t stride)
{
	struct kvm_tdp_info info;
	struct kvm_tdp_stats st;
	struct cost cost;
	int tdp;

	run(eager ? "echo Y >" EAGER : "echo N >" EAGER);
	tdp = must(ktdp_create(vm.fd, 0));
	must(ktdp_info(tdp, &info));
	is(info.eager, state, "eager fill is as asked for");
	cost = fault_cost(stride);
	st = ktdp_stats(tdp);
	is(st.eager_filled >= PAGES, eager, "faults were copied, or were not");
	close(tdp);
	return cost;
}

/* Creation with KVM's table as it is; less what is the same each time. */
static double timed_create(bool full)
{
	uint64_t begin = ticks(), end;
	int tdp = must(ktdp_create(vm.fd, 0));

	end = ticks();
	is(ktdp_stats(tdp).seeded >= PAGES, full, "what KVM has is copied");
	close(tdp);
	return (end - begin) * per_tick;
}

static double seed_cost(void)
{
	double empty, full;

	must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	empty = timed_create(false);
	memset(mem.hva, 1, SIZE);
	must(guest_touch(&vm, GPA, SIZE));
	full = timed_create(true);
	return (full - empty) / PAGES;
}

static void show(const char *what, struct cost cost)
{
	printf("bench: %-47s %9.1f  %9.1f\n", what, cost.median, cost.mean);
}

static void check_eager(const char *what, struct cost on, struct cost absent)
{
	double percent = 100 * (on.median - absent.median) / absent.median;

	ok(percent <= 13, "eager fill costs %.1f %%, %s", percent, what);
}

int main(void)
{
	struct cost absent, absent_far, idle, off, on, on_far;
	double seed;

	per_tick = insns_per_tick();
	run("rmmod ktdp_test kvm_tdp_dma kvm_tdp");
	vm_open(&vm);
	vm_add_vcpu(&vm);
	mem_small(&mem, SIZE);
	mem_small(&log_mem, LOG_SIZE + PAGE_4K);
	vm_map(&vm, 1, GPA, &mem);
	vm_map(&vm, 2, LOG_GPA, &log_mem);

	absent = fault_cost(PAGE_4K);
	absent_far = fault_cost(PAGE_2M);
	run("modprobe kvm_tdp");
	idle = fault_cost(PAGE_4K);
	off = exported_cost(false, KVM_TDP_EAGER_OFF, PAGE_4K);
	on = exported_cost(true, KVM_TDP_EAGER_ON, PAGE_4K);
	on_far = exported_cost(true, KVM_TDP_EAGER_ON, PAGE_2M);
	timed_create(true);
	seed = seed_cost();

	printf("bench: %-47s %9s  %9s\n", "", "median", "mean");
	show("vCPU's fault for a 4K page, module absent", absent);
	show("  module loaded, nothing exported", idle);
	show("  exported, eager fill off", off);
	show("  exported, eager fill on", on);
	show("the same in another 2M each time, module absent", absent_far);
	show("  exported, eager fill on", on_far);
	printf("bench: %-58s %9s\n", "", "insns");
	insns_show("seeding from KVM's table, per page", seed);
	ok(idle.median == absent.median, "an idle module costs nothing");
	ok(off.median == absent.median,
	   "nor does an export with eager fill off");
	check_eager("page after page", on, absent);
	check_eager("in another 2M each time", on_far, absent_far);
	ok(seed <= 110, "seeding a page costs %.1f instructions", seed);
	run("modprobe kvm_tdp_dma && modprobe ktdp_test");
	vm_close(&vm);
	mem_free(&mem);
	mem_free(&log_mem);
	return done();
}
