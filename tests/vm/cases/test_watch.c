// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does the watching importer of tests/kmod see what it is there to see?  Each
 * kind of fault is brought about by hand, and has to be found; without one
 * nothing is.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bed.h"
#include "dirty.h"
#include "kmod.h"

#define PAGES	4UL
#define SIZE	(PAGES * PAGE_4K)
#define SLOT	1
#define GFN	(GPA / PAGE_4K)

/* Of an entry of the table, in both formats. */
#define ENTRY_WRITE	0x2

static struct vm vm;
static struct mem mem;
static int kmod, tdp, handle;

static struct ktdp_test_watch watch(unsigned int action)
{
	struct ktdp_test_watch arg = {
		.action = action, .handle = handle, .vm_fd = vm.fd,
		.gfn = GFN, .nr = PAGES,
	};

	kmod_do(kmod, KTDP_TEST_WATCH, &arg);
	return arg;
}

static void begin(uint32_t flags)
{
	vm_open(&vm);
	/* Or writes to a slot that logs would be refused. */
	vm_add_vcpu(&vm);
	mem_small(&mem, SIZE);
	mem_fill(mem.hva, GPA, SIZE, GEN(1));
	is(vm_slot(&vm, SLOT, GPA, SIZE, mem.hva, flags), 0, "a slot");
	kmod = kmod_open();
	watch(KTDP_TEST_WATCH_ARM);
	tdp = kvm_tdp_create(vm.fd, 0);
	handle = kmod_get(kmod, tdp);
	watch(KTDP_TEST_WATCH_BEGIN);
}

static void end(void)
{
	watch(KTDP_TEST_WATCH_END);
	close(kmod);
	close(tdp);
	vm_close(&vm);
	mem_free(&mem);
}

/* All pages are mapped, taken, and found good. */
static void take(unsigned int access)
{
	struct ktdp_test_watch got;

	is(ktdp_prefault(tdp, GPA, SIZE, access), 0, "prefault");
	got = watch(KTDP_TEST_WATCH_SCAN);
	is(got.taken, PAGES, "all translations are taken");
	is(got.first_gfn, 0, "nothing is wrong");
}

/* Found @nr times, and nothing else was. */
static void check_wrong(unsigned int action, unsigned int kind, unsigned int nr)
{
	struct ktdp_test_watch got = watch(action);
	unsigned int i;

	for (i = 0; i < KTDP_TEST_WATCH_KINDS; i++)
		is(got.wrong[i], i == kind ? nr : 0, "wrong in manner %u", i);
	is(got.first_kind, kind, "the first was wrong in that manner");
	ok(got.first_gfn >= GFN && got.first_gfn < GFN + PAGES, "and is named");
	got = watch(action);
	is(got.wrong[kind], nr, "it is told once");
}

static void test_good(void)
{
	struct ktdp_test_watch got;

	begin(0);
	take(ACC_W);
	must(madvise(mem.hva, PAGE_4K, MADV_DONTNEED));
	must(mprotect(mem.hva + PAGE_4K, PAGE_4K, PROT_READ));
	got = watch(KTDP_TEST_WATCH_SCAN);
	is(got.dropped, 2, "two translations were made void");
	vm_unmap(&vm, SLOT);
	got = watch(KTDP_TEST_WATCH_SCAN);
	is(got.dropped, PAGES, "and the others with the slot");
	is(got.first_gfn, 0, "nothing is wrong");
	end();
}

static void test_late(void)
{
	begin(0);
	take(ACC_W);
	watch(KTDP_TEST_WATCH_DEAF);
	must(madvise(mem.hva, 2 * PAGE_4K, MADV_DONTNEED));
	check_wrong(KTDP_TEST_WATCH_SCAN, KTDP_TEST_WATCH_LATE, 2);
	end();
}

static void test_slot(void)
{
	begin(0);
	take(ACC_W);
	watch(KTDP_TEST_WATCH_DEAF);
	vm_unmap(&vm, SLOT);
	check_wrong(KTDP_TEST_WATCH_SCAN, KTDP_TEST_WATCH_SLOT, PAGES);
	end();
}

/* The table itself is spoilt, for one look at it. */
static void spoil(uint64_t gfn, uint64_t flip)
{
	ok(kmod_poke(kmod, handle, gfn, flip), "an entry is spoilt");
	watch(KTDP_TEST_WATCH_SCAN);
	kmod_poke(kmod, handle, gfn, flip);
}

static void test_host(void)
{
	begin(0);
	is(ktdp_prefault(tdp, GPA, SIZE, ACC_W), 0, "prefault");
	spoil(GFN, PAGE_4K);
	check_wrong(KTDP_TEST_WATCH_SCAN, KTDP_TEST_WATCH_HOST, 1);
	end();
}

static void test_changed(void)
{
	begin(0);
	take(ACC_W);
	spoil(GFN, PAGE_4K);
	check_wrong(KTDP_TEST_WATCH_SCAN, KTDP_TEST_WATCH_CHANGED, 1);
	end();
}

static void test_write(void)
{
	begin(0);
	must(mprotect(mem.hva, SIZE, PROT_READ));
	take(ACC_R);
	spoil(GFN + 1, ENTRY_WRITE);
	check_wrong(KTDP_TEST_WATCH_SCAN, KTDP_TEST_WATCH_WRITE, 1);
	end();
}

static void test_readonly(void)
{
	begin(KVM_MEM_READONLY);
	take(ACC_R);
	spoil(GFN + 1, ENTRY_WRITE);
	check_wrong(KTDP_TEST_WATCH_SCAN, KTDP_TEST_WATCH_WRITE, 1);
	end();
}

static void test_log(void)
{
	uint64_t bitmap = 0;

	begin(KVM_MEM_LOG_DIRTY_PAGES);
	take(ACC_W);
	is(watch(KTDP_TEST_WATCH_DIRTY).first_gfn, 0,
	   "what may be written is in the log");
	watch(KTDP_TEST_WATCH_DEAF);
	log_harvest(&vm, LOG_GET, SLOT, PAGES, &bitmap);
	is(bitmap, (1 << PAGES) - 1, "harvested");
	check_wrong(KTDP_TEST_WATCH_DIRTY, KTDP_TEST_WATCH_LOG, PAGES);
	end();
}

static const struct tap_case cases[] = {
	{ "good", test_good },
	{ "late", test_late },
	{ "slot", test_slot },
	{ "host", test_host },
	{ "changed", test_changed },
	{ "write", test_write },
	{ "readonly", test_readonly },
	{ "log", test_log },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
