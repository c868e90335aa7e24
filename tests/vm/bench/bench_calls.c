// SPDX-License-Identifier: GPL-2.0-only
/*
 * How often KVM calls the hook for usual memory.  That depends on the kernel: its version
 * is in the figures' names.
 */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "figure.h"
#include "kmod.h"
#include "ktdp.h"
#include "mem.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x140000000UL
#define MOVED_GPA	0x180000000UL
#define SIZE	(4 * PAGE_2M)
#define PAGES	(SIZE / PAGE_4K)

static struct vm vm;
static struct mem mem;
static int kmod;
static char kernel[16];

/* What is done to a slot, so often, and what before. */
struct op {
	const char *name;
	unsigned int times;
	void (*prepare)(void);
	void (*run)(void);
};

static void refill(void)
{
	memset(mem.hva, 1, SIZE);
}

static void fault(void)
{
	if (guest_fill(&vm, GPA, SIZE, 0))
		bail("the guest failed");
}

/* The host and KVM have all of it. */
static void ready(void)
{
	refill();
	fault();
}

static void drop(size_t step)
{
	size_t off;

	for (off = 0; off < SIZE; off += step)
		must(madvise(mem.hva + off, step, MADV_DONTNEED));
}

static void drop_pages(void)
{
	drop(PAGE_4K);
}

static void drop_windows(void)
{
	drop(PAGE_2M);
}

static void slot(uint64_t gpa, size_t size, unsigned int flags)
{
	must(vm_slot(&vm, 1, gpa, size, mem.hva, flags));
}

static void slot_delete(void)
{
	slot(GPA, 0, 0);
}

static void slot_put(void)
{
	slot(GPA, SIZE, 0);
}

static void slot_move(void)
{
	slot(MOVED_GPA, SIZE, 0);
}

static void slot_log(void)
{
	slot(GPA, SIZE, KVM_MEM_LOG_DIRTY_PAGES);
}

static void harvest(void)
{
	static unsigned long bitmap[PAGES / 64];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };

	must(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log));
}

/* In this order. */
static const struct op ops[] = {
	{ "a vCPU's fault", PAGES, refill, fault },
	{ "MADV_DONTNEED of 4K", PAGES, ready, drop_pages },
	{ "MADV_DONTNEED of 2M", SIZE / PAGE_2M, ready, drop_windows },
	{ "slot deleted", 1, ready, slot_delete },
	{ "slot created", 1, NULL, slot_put },
	{ "slot moved", 1, ready, slot_move },
	{ "slot logs", 1, slot_put, slot_log },
	{ "log harvested, each 64 pages", PAGES / 64, ready, harvest },
	{ "slot logs no more", 1, ready, slot_put },
};

static void show_op(const struct op *op)
{
	struct kmod_calls calls;
	char name[80];

	if (op->prepare)
		op->prepare();
	kmod_spanned(kmod);
	op->run();
	calls = kmod_spanned(kmod);
	snprintf(name, sizeof(name), "hook calls on %s: %s", kernel, op->name);
	report(name, (double)calls.nr / op->times, "calls");
}

int main(void)
{
	unsigned int major, minor;
	struct utsname uts;
	size_t i;
	int tdp;

	must(uname(&uts));
	if (sscanf(uts.release, "%u.%u", &major, &minor) != 2)
		bail("Linux %s", uts.release);
	snprintf(kernel, sizeof(kernel), "%u.%u", major, minor);

	vm_open(&vm);
	vm_add_vcpu(&vm);
	mem_small(&mem, SIZE);
	vm_map(&vm, 1, GPA, &mem);
	kmod = kmod_open();
	tdp = must(kvm_tdp_create(vm.fd, 0));
	kmod_span(kmod, "ktdp_hook_called");
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		show_op(&ops[i]);
	ok(ktdp_stats(tdp).slot_zaps, "slots that went were noticed");
	close(kmod);
	close(tdp);
	vm_close(&vm);
	mem_free(&mem);
	return done();
}
