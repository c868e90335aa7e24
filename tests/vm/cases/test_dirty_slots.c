// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty logging on slots that are not just switched: made or moved with the
 * flag, of the other address space, with a 1G leaf behind them.
 *
 * Needs a 1G page, on the kernel's command line: hugepagesz=1G hugepages=1
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GPA	bed_gpa
#include "bed.h"
#include "dirty.h"
#include "smm.h"

#define SLOT	1
#define PAGES	256UL
#define SIZE	(PAGES * PAGE_4K)
#define MOVED	(GPA + 16 * SIZE)
#define LOG	KVM_MEM_LOG_DIRTY_PAGES

static const char *const modes[NR_LOG_MODES] = { "get", "clear", "initially set" };

static struct bed bed;
static struct mem mem;
static enum log_mode mode;
static char title[64];

#define T(text)		"%s: " text, title

static void begin(const char *what)
{
	snprintf(title, sizeof(title), "%s, %s", what, modes[mode]);
	mem_small(&mem, SIZE);
	bed_open(&bed);
	log_set_mode(&bed.vm, mode);
}

static void end(void)
{
	ok(ktdp_counts_agree(bed.tdp), T("leaves are counted"));
	bed_close(&bed);
	mem_free(&mem);
}

static struct set harvest(int slot)
{
	struct set set = { 0 };

	log_harvest(&bed.vm, mode, slot, PAGES, set.words);
	return set;
}

/* What the log of a slot says that was never harvested. */
static struct set set_at_first(void)
{
	return set_of(0, mode == LOG_INITIALLY_SET ? PAGES : 0);
}

static int slot_set(uint64_t gpa, uint32_t flags)
{
	return vm_slot(&bed.vm, SLOT, gpa, SIZE, mem.hva, flags);
}

static bool none_is_writable(int tdp, uint64_t gpa)
{
	return ktdp_grants_none(tdp, gpa, SIZE, ACC_W);
}

static int write_page(int dma, uint64_t gpa, size_t page)
{
	uint64_t word = page;

	return dma_write(dma, gpa + page * PAGE_4K, &word, sizeof(word), 0);
}

/* A slot that logs and whose log is empty: each write is in the next harvest. */
static void check_logs(uint64_t gpa)
{
	struct set wrote = set_of(5, 1);

	is(ktdp_prefault(bed.tdp, gpa, SIZE, ACC_R), 0, T("prefault for read"));
	ok(none_is_writable(bed.tdp, gpa), T("gives no write access"));
	is(write_page(bed.dma, gpa, 5), 0, T("engine writes a page"));
	is(guest_fill(&bed.vm, gpa + 200 * PAGE_4K, 8, GEN(1)), 0,
	   T("guest writes another"));
	set_add(&wrote, 200, 1);
	ok(set_is(harvest(SLOT), wrote), T("both are logged"));
	ok(none_is_writable(bed.tdp, gpa), T("and protected again"));
	is(write_page(bed.dma, gpa, 5), 0, T("engine writes again"));
	ok(set_is(harvest(SLOT), set_of(5, 1)), T("that is logged"));
	ok(bed_agrees(&bed, gpa, mem.hva, SIZE), T("the host's pages"));
}

static void check_created(void)
{
	begin("made");
	is(slot_set(GPA, LOG), 0, T("with the flag"));
	ok(set_is(harvest(SLOT), set_at_first()), T("the first harvest"));
	check_logs(GPA);
	is(write_page(bed.dma, GPA, 7), 0, T("one more write"));
	vm_unmap(&bed.vm, SLOT);
	ok(ktdp_absent(bed.tdp, GPA, SIZE), T("deleted"));
	is(slot_set(GPA, LOG), 0, T("and made again"));
	ok(set_is(harvest(SLOT), set_at_first()), T("the log is new"));
	check_logs(GPA);
	is(slot_set(GPA, 0), 0, T("off"));
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), T("all works"));
	end();
}

/* The log goes with the slot. */
static void check_moved(void)
{
	struct told told;

	begin("moved");
	is(slot_set(GPA, LOG), 0, T("made with the flag"));
	harvest(SLOT);
	is(write_page(bed.dma, GPA, 3), 0, T("engine writes"));
	told_begin(&told, bed.dma);
	is(slot_set(MOVED, LOG), 0, T("moved"));
	ok(told_covers(&told, GPA + 3 * PAGE_4K, PAGE_4K), T("importer was told"));
	ok(ktdp_absent(bed.tdp, GPA, SIZE), T("nothing is left"));
	is(write_page(bed.dma, GPA, 3), -EFAULT, T("no memory there"));
	ok(set_is(harvest(SLOT), set_of(3, 1)), T("what was logged still is"));
	check_logs(MOVED);
	end();
}

/* Moved and switched in one. */
static void check_moved_switched(void)
{
	begin("moved and switched");
	is(slot_set(GPA, 0), 0, T("made"));
	is(dma_fill(bed.dma, GPA, SIZE, GEN(1)), 0, T("engine writes"));
	is(slot_set(MOVED, LOG), 0, T("moved, on"));
	ok(none_is_writable(bed.tdp, 0), T("nothing is writable"));
	ok(set_is(harvest(SLOT), set_at_first()), T("the first harvest"));
	check_logs(MOVED);
	is(slot_set(GPA, 0), 0, T("moved, off"));
	is(dma_fill(bed.dma, GPA, SIZE, GEN(2)), 0, T("engine writes"));
	is(ktdp_access(bed.tdp, GPA + SIZE - PAGE_4K), ACC_R | ACC_W | ACC_X,
	   T("as it likes"));
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 3), T("all works"));
	end();
}

/* SMM's slots have the same numbers and addresses, and a log of their own. */
static void check_smm(void)
{
	struct mem hidden;
	struct smm smm;
	int tdp, dma;

	begin("SMM");
	mem_small(&hidden, SIZE);
	smm_open(&smm, &bed.vm);
	tdp = must(kvm_tdp_create(bed.vm.fd, 1));
	dma = dma_open();
	is(kvm_tdp_dma_attach(dma, tdp), 0, T("attach"));
	is(vm_slot(&bed.vm, SLOT, GPA_LOW, SIZE, mem.hva, LOG) |
	   vm_slot(&bed.vm, VM_SMM_SLOT(SLOT), GPA_LOW, SIZE, hidden.hva, LOG), 0,
	   T("two slots that log"));
	harvest(SLOT);
	ok(set_is(harvest(VM_SMM_SLOT(SLOT)), set_at_first()),
	   T("the first harvest"));
	is(write_page(bed.dma, GPA_LOW, 4) | write_page(dma, GPA_LOW, 3), 0,
	   T("a write to each"));
	ok(set_is(harvest(VM_SMM_SLOT(SLOT)), set_of(3, 1)), T("as_id 1's log"));
	ok(none_is_writable(tdp, GPA_LOW), T("is protected again"));
	ok(!none_is_writable(bed.tdp, GPA_LOW), T("as_id 0 is not"));
	ok(set_is(harvest(SLOT), set_of(4, 1)), T("as_id 0's log"));
	ok(none_is_writable(bed.tdp, GPA_LOW), T("is protected now"));
	is(smm_fill(&smm, GPA_LOW + 9 * PAGE_4K, PAGE_4K, GEN(1)), 0,
	   T("handler writes"));
	is(dma_check(dma, GPA_LOW + 9 * PAGE_4K, PAGE_4K, GEN(1)), 0,
	   T("engine sees it"));
	ok(set_is(harvest(VM_SMM_SLOT(SLOT)), set_of(9, 1)), T("it is logged"));
	ok(none_is_writable(tdp, GPA_LOW), T("and protected"));
	ok(set_is(harvest(SLOT), set_of(0, 0)), T("in as_id 1 alone"));
	is(vm_slot(&bed.vm, VM_SMM_SLOT(SLOT), GPA_LOW, SIZE, hidden.hva, 0), 0,
	   T("as_id 1 off"));
	is(dma_fill(dma, GPA_LOW, SIZE, GEN(2)), 0, T("engine writes all of it"));
	ok(mem_check(hidden.hva, GPA_LOW, SIZE, GEN(2)), T("which arrives"));
	ok(ktdp_counts_agree(tdp), T("leaves are counted"));
	close(dma);
	close(tdp);
	end();
	smm_close(&smm);
	mem_free(&hidden);
}

static void for_modes(void (*run)(void))
{
	for (mode = 0; mode < NR_LOG_MODES; mode++)
		run();
}

static void test_created(void)
{
	for_modes(check_created);
}

static void test_moved(void)
{
	for_modes(check_moved);
	for_modes(check_moved_switched);
}

static void test_smm(void)
{
	for_modes(check_smm);
}

/* The log of 1G: is it these pages, @second maybe the same as @first? */
static bool huge_log_is(size_t first, size_t second)
{
	static uint64_t words[PAGE_1G / PAGE_4K / 64];
	size_t i, logged = 0;

	memset(words, 0, sizeof(words));
	log_harvest(&bed.vm, mode, SLOT, PAGE_1G / PAGE_4K, words);
	for (i = 0; i < PAGE_1G / PAGE_4K / 64; i++)
		logged += __builtin_popcountll(words[i]);
	diag("%zu pages are logged", logged);
	return logged == (first == second ? 1 : 2) &&
	       words[first / 64] >> first % 64 & 1 &&
	       words[second / 64] >> second % 64 & 1;
}

static void check_huge(void)
{
	size_t page = 1000, guests = 70000;
	uint64_t gpa = GPA + page * PAGE_4K;

	snprintf(title, sizeof(title), "1G, %s", modes[mode]);
	if (mem_hugetlb(&mem, PAGE_1G, PAGE_1G))
		bail("no 1G page: boot with hugepagesz=1G hugepages=1");
	bed_open(&bed);
	log_set_mode(&bed.vm, mode);
	vm_map(&bed.vm, SLOT, GPA, &mem);
	is(ktdp_prefault(bed.tdp, GPA, PAGE_1G, ACC_W), 0, T("prefault"));
	is(ktdp_level(bed.tdp, GPA), 3, T("one leaf"));
	is(vm_slot(&bed.vm, SLOT, GPA, PAGE_1G, mem.hva, LOG), 0, T("on"));
	huge_log_is(0, 0);
	ok(ktdp_grants_none(bed.tdp, GPA, PAGE_1G, ACC_W), T("protected"));
	is(ktdp_level(bed.tdp, GPA), 3, T("the leaf stays"));
	is(write_page(bed.dma, GPA, page), 0, T("engine writes"));
	is(ktdp_level(bed.tdp, gpa), 1, T("to a small leaf"));
	ok(ktdp_access(bed.tdp, gpa) & ACC_W, T("that is writable"));
	ok(ktdp_grants_none(bed.tdp, GPA, page * PAGE_4K, ACC_W) &&
	   ktdp_grants_none(bed.tdp, gpa + PAGE_4K, PAGE_1G - PAGE_4K -
			    page * PAGE_4K, ACC_W), T("alone"));
	is(guest_fill(&bed.vm, GPA + guests * PAGE_4K, 8, GEN(1)), 0,
	   T("guest writes"));
	ok(huge_log_is(page, guests), T("both are logged"));
	ok(ktdp_grants_none(bed.tdp, GPA, PAGE_1G, ACC_W), T("protected again"));
	is(write_page(bed.dma, GPA, page), 0, T("engine writes again"));
	ok(huge_log_is(page, page), T("that is logged"));
	is(vm_slot(&bed.vm, SLOT, GPA, PAGE_1G, mem.hva, 0), 0, T("off"));
	is(ktdp_prefault(bed.tdp, GPA, PAGE_1G, ACC_W), 0, T("prefault"));
	is(ktdp_level(bed.tdp, GPA), 3, T("one leaf again"));
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), T("all works"));
	end();
}

static void test_huge(void)
{
	for_modes(check_huge);
}

static const struct tap_case cases[] = {
	{ "created", test_created },
	{ "moved", test_moved },
	{ "smm", test_smm },
	{ "huge", test_huge },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
