// SPDX-License-Identifier: GPL-2.0-only
/*
 * A memslot is deleted: what is done about it in KVM's call, by the hook that it calls
 * there, from its entry to its return; see figure.h for the clock.  What a worker does
 * afterwards, to count and free the tables, is not in it.
 *
 * Leaves of a slot that lies at a multiple of its size, or of 1G, go by whole tables.  One
 * that does not has edges.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "figure.h"
#include "kmod.h"
#include "ktdp.h"
#include "mem.h"
#include "tap.h"
#include "vm.h"

#define GPA		(64 * PAGE_1G)
#define SLOT		1
#define REPEATS		3
#define IOTLB_SIZE	(256 * PAGE_4K)	/* fills that of an engine */

/* What it may be without importers: so much, and so much for each 1G. */
#define LIMIT		4000.0
#define LIMIT_1G	250.0

static struct vm vm;
static struct mem small, wide, skewed;
static int tdp, kmod;

static const struct slot {
	const char *name;
	const struct mem *mem;
	uint64_t offset;	/* of its GPA */
	uint64_t size;
	uint64_t mapped;	/* of it, from its start */
	unsigned int level;	/* of the leaves */
	bool aligned;
} slots[] = {
	{ "16M in 4K pages", &small, 0, 16UL << 20, 16UL << 20, 1, true },
	{ "1G in 4K pages", &small, 0, PAGE_1G, PAGE_1G, 1, true },
	{ "4G in 4K pages", &small, 0, 4 * PAGE_1G, 4 * PAGE_1G, 1, true },
	{ "64G, 16M in 4K pages", &wide, 0, 64 * PAGE_1G, 16UL << 20, 1, true },
	{ "64G in 2M pages", &skewed, 0, 64 * PAGE_1G, 64 * PAGE_1G, 2, true },
	{ "1G in 4K pages, at 1M", &small, 1UL << 20, PAGE_1G, PAGE_1G, 1, false },
};

#define SLOTS	(sizeof(slots) / sizeof(slots[0]))

static double alone[SLOTS];	/* without an engine */

/* An engine has translations of what goes, if there is one. */
static void slot_map(const struct slot *slot, int dma)
{
	static char data[IOTLB_SIZE];
	uint64_t gpa = GPA + slot->offset;
	int ret;

	must(vm_slot(&vm, SLOT, gpa, slot->size, slot->mem->hva, 0));
	ret = ktdp_prefault(tdp, gpa, slot->mapped, ACC_W);
	if (ret)
		bail("prefault of %s: %d", slot->name, ret);
	if (ktdp_level(tdp, gpa) != slot->level)
		bail("%s: those are no leaves of level %u", slot->name, slot->level);
	if (dma >= 0)
		must(dma_read(dma, gpa, data, sizeof(data), 0));
}

/* The shortest of a few: interrupts come into others. */
static double slot_delete(const struct slot *slot, int dma, const char *name)
{
	struct kmod_calls calls;
	double cost = 1e9;
	int i;

	for (i = 0; i < REPEATS; i++) {
		slot_map(slot, dma);
		kmod_spanned(kmod);
		vm_unmap(&vm, SLOT);
		calls = kmod_spanned(kmod);
		if (!calls.nr || !ktdp_absent(tdp, GPA + slot->offset, slot->size))
			bail("%s: it was not told, or not all is gone", name);
		cost = least(cost, insns(calls.ticks));
	}
	section_end(0, name, REPEATS);
	return cost;
}

static void show_alone(size_t i)
{
	const struct slot *slot = &slots[i];
	double limit = LIMIT + LIMIT_1G * slot->size / PAGE_1G;
	char name[80];

	snprintf(name, sizeof(name), "slot deleted: %s", slot->name);
	alone[i] = slot_delete(slot, -1, name);
	if (!slot->aligned) {
		report(name, alone[i], "insns");
		return;
	}
	report_beside(name, alone[i], "insns", "4000, and 250 a GiB", limit);
	within(alone[i] <= limit, "%s: %.0f instructions", name, alone[i]);
}

static void show_engine(size_t i, int dma)
{
	char name[80];
	double cost;

	snprintf(name, sizeof(name), "slot deleted: %s, an engine", slots[i].name);
	cost = slot_delete(&slots[i], dma, name);
	report_beside(name, cost, "insns", "without an engine", alone[i]);
}

/* The same page of 1G over and over, 2M off, so that leaves of it are of 2M. */
static void mem_skewed(struct mem *mem, size_t size)
{
	struct mem page;
	size_t off;
	void *hva;

	must(mem_hugetlb(&page, PAGE_1G, PAGE_1G));
	mem_new(mem, size + PAGE_1G, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	for (off = 0; off < mem->size; off += PAGE_1G) {
		hva = mmap(mem->hva + off, PAGE_1G, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_FIXED | MAP_POPULATE, page.fd, 0);
		if (hva == MAP_FAILED)
			bail("mmap: errno %d", errno);
	}
	mem->hva += PAGE_2M;
	mem->size = size;
}

int main(void)
{
	size_t i;
	int dma;

	vm_open(&vm);
	mem_repeated(&small, 4 * PAGE_1G);
	mem_new(&wide, 64 * PAGE_1G, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	mem_no_thp(wide.hva, wide.size);
	mem_skewed(&skewed, 64 * PAGE_1G);
	kmod = kmod_open();
	tdp = must(kvm_tdp_create(vm.fd, 0));
	kmod_span(kmod, "ktdp_hook_called");

	for (i = 0; i < SLOTS; i++)
		show_alone(i);
	dma = dma_open_on(tdp);
	for (i = 0; i < SLOTS; i++)
		show_engine(i, dma);
	close(dma);
	close(kmod);
	close(tdp);
	vm_close(&vm);
	return done();
}
