// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory beyond the reach of a table with four levels: it is never mapped,
 * neither there nor at the low gpa that has the same index bits.
 *
 * Needs a host with four levels whose CPU has 52 bits of physical address:
 * phys-bits=52.  There KVM itself maps such a gpa where the low one is; so no
 * guest here uses both.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dirty.h"
#include "eager.h"

#define SLOT	1
#define BEYOND	(VM_HIGH + GPA)		/* the alias of GPA */
#define SIZE	(32 * PAGE_4K)
#define PAGES	(SIZE / PAGE_4K)
#define NOFAULT	KVM_TDP_DMA_NOFAULT
#define WHOLE	(1ULL << 57)
#define LOG	KVM_MEM_LOG_DIRTY_PAGES

static struct bed bed;
static struct mem mem;
static struct kvm_tdp_stats before;
static const char *title;

#define T(text)		"%s: " text, title

static struct kvm_tdp_stats since(void)
{
	return eager_since(&bed, &before);
}

static int slot_set(uint64_t gpa, uint32_t flags)
{
	return vm_slot(&bed.vm, SLOT, gpa, mem.size, mem.hva, flags);
}

static void begin_size(const char *what, uint64_t gpa, size_t size)
{
	struct kvm_tdp_info info;

	title = what;
	mem_small(&mem, size);
	eager_open(&bed, &before);
	kvm_tdp_get_info(bed.tdp, &info);
	if (info.level != 4)
		bail("the table has %u levels", info.level);
	if (slot_set(gpa, 0))
		bail("KVM takes no slot at %#llx: boot with phys-bits=52",
		     (unsigned long long)gpa);
}

static void begin(const char *what)
{
	begin_size(what, BEYOND, SIZE);
}

/* What KVM's own table has at an alias is not the point here. */
static void check_verify(void)
{
	struct kvm_tdp_verify v;

	is(kvm_tdp_verify_range(bed.tdp, 0, WHOLE, &v), 0, T("verify"));
	is(v.stale, 0, T("nothing is stale"));
	is(v.excess + v.no_slot + v.reserved + v.counters, 0, T("or wrong otherwise"));
	is(v.undecided, 0, T("or undecided"));
}

static void end(void)
{
	check_verify();
	ok(ktdp_counts_agree(bed.tdp), T("leaves are counted"));
	bed_close(&bed);
	mem_free(&mem);
}

/* Pages from @gpa on that the engine finds, or writes to, without a fault. */
static unsigned int engine_finds(uint64_t gpa, size_t size, bool write)
{
	unsigned int found = 0;
	uint64_t word = 0x5a5a, at;
	int ret;

	for (at = gpa; at < gpa + size; at += PAGE_4K) {
		if (write)
			ret = dma_write(bed.dma, at, &word, 8, NOFAULT);
		else
			ret = dma_read(bed.dma, at, &word, 8, NOFAULT);
		found += ret != -ENXIO;
	}
	return found;
}

/* Nothing stands for [gpa, gpa + size), which is beyond: not there, not below. */
static void check_nothing(uint64_t gpa, size_t size)
{
	ok(ktdp_absent(bed.tdp, gpa, size), T("nothing is mapped"));
	ok(ktdp_absent(bed.tdp, gpa - VM_HIGH, size), T("nor at the alias"));
	is(engine_finds(gpa, size, false), 0, T("pages that the engine finds"));
	is(engine_finds(gpa - VM_HIGH, size, false), 0, T("... at the alias"));
}

static void check_refused(uint64_t gpa, size_t size)
{
	uint64_t word = 0, last = gpa + size - PAGE_4K;

	is(ktdp_prefault(bed.tdp, gpa, size, ACC_R), -EFAULT, T("prefault"));
	is(ktdp_prefault(bed.tdp, gpa, PAGE_4K, ACC_W), -EFAULT, T("for write"));
	is(ktdp_prefault(bed.tdp, last, PAGE_4K, ACC_W), -EFAULT, T("at the end"));
	is(dma_read(bed.dma, gpa, &word, 8, 0), -EFAULT, T("engine reads"));
	is(dma_write(bed.dma, gpa, &word, 8, 0), -EFAULT, T("engine writes"));
	check_nothing(gpa, size);
}

static void test_fault(void)
{
	begin("fault");
	check_refused(BEYOND, SIZE);
	ok(since().faults && since().faults == since().faults_failed,
	   T("each is counted as failed"));
	is(since().entries_set, 0, T("no entry was set"));
	end();
}

static void test_eager(void)
{
	begin("eager");
	is(guest_fill(&bed.vm, BEYOND, SIZE, GEN(1)), 0, T("guest writes"));
	ok(mem_check(mem.hva, BEYOND, SIZE, GEN(1)), T("it is in the memory"));
	is(since().eager_no_slot, PAGES, T("left out, which counts"));
	is(since().eager_filled, 0, T("none is filled"));
	is(since().entries_set, 0, T("no entry was set"));
	check_nothing(BEYOND, SIZE);
	is(guest_check(&bed.vm, BEYOND, SIZE, GEN(1)), 0, T("guest reads"));
	check_refused(BEYOND, SIZE);
	end();
}

/* A window within reach is open when the guest goes on beyond, and the reverse. */
static void test_windows(void)
{
	struct mem low;
	size_t at;

	begin("windows");
	mem_small(&low, PAGE_2M);
	vm_map(&bed.vm, 2, GPA + PAGE_1G, &low);
	for (at = 0; at < SIZE; at += PAGE_4K) {
		if (guest_fill(&bed.vm, GPA + PAGE_1G + at, PAGE_4K, GEN(1)) ||
		    guest_fill(&bed.vm, BEYOND + at, PAGE_4K, GEN(1)))
			bail("the guest does not run");
	}
	ok(eager_is(&bed, GPA + PAGE_1G, SIZE, 1, ALL_ACCESS), T("what is within enters"));
	is(since().eager_filled, PAGES, T("each page of it"));
	is(since().eager_no_slot, PAGES, T("and none beyond"));
	check_nothing(BEYOND, SIZE);
	end();
	mem_free(&low);
}

static void test_huge(void)
{
	if (mem_skip_thp("huge"))
		return;
	begin("huge");
	vm_unmap(&bed.vm, SLOT);
	mem_free(&mem);
	mem_thp(&mem, PAGE_2M);
	is(slot_set(BEYOND, 0), 0, T("slot"));
	is(guest_fill(&bed.vm, BEYOND, SIZE, GEN(1)), 0, T("guest writes"));
	is(since().eager_no_slot, 1, T("left out, which counts"));
	check_nothing(BEYOND, SIZE);
	check_refused(BEYOND, SIZE);
	end();
}

/* Words of @other that are not what was put there. */
static unsigned int overwritten(const struct mem *other)
{
	const uint64_t *words = other->hva;
	unsigned int nr = 0;
	size_t i;

	for (i = 0; i < other->size / 8; i++)
		nr += words[i] != 0x1122334455667788;
	return nr;
}

/* What the host takes back from the guest is other memory's soon. */
static void test_attack(void)
{
	uint64_t *words;
	struct mem other;
	size_t i;

	begin("attack");
	is(guest_fill(&bed.vm, BEYOND, SIZE, GEN(1)), 0, T("guest writes"));
	must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	mem_small(&other, 8 * PAGE_2M);
	words = other.hva;
	for (i = 0; i < other.size / 8; i++)
		words[i] = 0x1122334455667788;
	is(engine_finds(GPA, SIZE, false), 0, T("pages that the engine can read"));
	is(engine_finds(GPA, SIZE, true), 0, T("... and write"));
	is(overwritten(&other), 0, T("words of other memory that it has changed"));
	check_nothing(BEYOND, SIZE);
	mem_free(&other);
	end();
}

/* There is memory at the alias: it stays what it is. */
static void test_alias(void)
{
	struct told told;
	struct mem low;

	begin("alias");
	mem_small(&low, SIZE);
	vm_map(&bed.vm, 2, GPA, &low);
	is(dma_fill(bed.dma, GPA, SIZE, GEN(1)), 0, T("engine writes to the alias"));
	is(guest_fill(&bed.vm, BEYOND, SIZE, GEN(2)), 0, T("guest writes beyond"));
	is(since().eager_no_slot, PAGES, T("left out, which counts"));
	ok(bed_agrees(&bed, GPA, low.hva, SIZE), T("the alias has its own pages"));
	told_begin(&told, bed.dma);
	must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	vm_unmap(&bed.vm, SLOT);
	ok(ktdp_mapped(bed.tdp, GPA, SIZE), T("and keeps them"));
	is(engine_finds(GPA, SIZE, false), PAGES, T("the engine, too"));
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, T("engine reads"));
	ok(mem_check(low.hva, GPA, SIZE, GEN(1)), T("all of it is there"));
	end();
	mem_free(&low);
}

/* The same when KVM has mapped both before there is a table of ours. */
static void test_seed(void)
{
	struct mem low;

	begin("seed");
	mem_small(&low, SIZE);
	mem_fill(low.hva, GPA, SIZE, GEN(7));
	close(bed.dma);
	close(bed.tdp);
	is(guest_fill(&bed.vm, BEYOND, SIZE, GEN(1)), 0, T("guest writes beyond"));
	vm_map(&bed.vm, 2, GPA, &low);
	bed.tdp = must(sys(kvm_tdp_create(bed.vm.fd, 0)));
	bed.dma = dma_open_on(bed.tdp);
	ok(bed_agrees(&bed, GPA, low.hva, SIZE), T("the alias has its own pages"));
	ok(ktdp_absent(bed.tdp, BEYOND, SIZE), T("nothing is beyond"));
	must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	ok(bed_agrees(&bed, GPA, low.hva, SIZE), T("and afterwards"));
	is(dma_check(bed.dma, GPA, SIZE, GEN(7)), 0, T("engine reads"));
	end();
	mem_free(&low);
}

static void test_delete(void)
{
	begin("delete");
	is(guest_fill(&bed.vm, BEYOND, SIZE, GEN(1)), 0, T("guest writes"));
	vm_unmap(&bed.vm, SLOT);
	check_refused(BEYOND, SIZE);
	is(slot_set(BEYOND, KVM_MEM_READONLY), 0, T("made again, read-only"));
	check_refused(BEYOND, SIZE);
	is(guest_check(&bed.vm, BEYOND, SIZE, GEN(1)), 0, T("guest reads"));
	check_nothing(BEYOND, SIZE);
	end();
}

/* In and out of reach. */
static void test_move(void)
{
	uint64_t near = GPA + PAGE_1G;
	struct told told;

	begin("move");
	is(guest_fill(&bed.vm, BEYOND, SIZE, GEN(1)), 0, T("guest writes"));
	is(slot_set(near, 0), 0, T("moved into reach"));
	check_nothing(BEYOND, SIZE);
	ok(bed_works(&bed, near, mem.hva, SIZE, 2), T("all works there"));
	told_begin(&told, bed.dma);
	is(slot_set(BEYOND, 0), 0, T("and out again"));
	ok(told_of(&told, near, SIZE), T("importer was told"));
	is(guest_fill(&bed.vm, BEYOND, SIZE, GEN(4)), 0, T("guest writes"));
	check_refused(BEYOND, SIZE);
	is(engine_finds(near, SIZE, false), 0, T("nothing is left"));
	end();
}

/*
 * A slot of which half is within reach.  The other half begins at the alias of
 * gpa 0, where the guest has its tables and KVM the only leaves for both.
 */
static void test_straddle(void)
{
	uint64_t low = VM_HIGH - PAGE_2M, high = VM_HIGH + PAGE_2M / 2, some;
	struct kvm_tdp_stats got;
	struct told told;

	begin_size("straddle", low, 2 * PAGE_2M);
	is(ktdp_prefault_some(bed.tdp, low, 2 * PAGE_2M, ACC_W, &some), -EFAULT,
	   T("prefault of all"));
	is(some, PAGE_2M, T("does what is within reach"));
	ok(bed_agrees(&bed, low, mem.hva, PAGE_2M), T("the host's pages"));
	is(since().entries_set, PAGE_2M / PAGE_4K, T("no entry more"));
	is(ktdp_prefault(bed.tdp, VM_HIGH - PAGE_4K, PAGE_4K, ACC_W), 0,
	   T("the last page within"));
	is(ktdp_prefault(bed.tdp, VM_HIGH, PAGE_4K, ACC_W), -EFAULT,
	   T("the first beyond"));
	told_begin(&told, bed.dma);
	must(madvise(mem.hva, 2 * PAGE_2M, MADV_DONTNEED));
	ok(told_covers(&told, low, PAGE_2M), T("importer was told"));
	ok(ktdp_absent(bed.tdp, low, PAGE_2M), T("all is gone"));
	before = ktdp_stats(bed.tdp);
	is(guest_fill(&bed.vm, VM_HIGH - SIZE, SIZE, GEN(1)), 0, T("guest writes within"));
	is(guest_fill(&bed.vm, high, SIZE, GEN(1)), 0, T("and beyond"));
	got = since();
	/* Any may be dropped, on a busy machine. */
	is(got.eager_filled + got.eager_no_pool, PAGES,
	   T("of that enters what is within"));
	is(got.eager_no_slot, PAGES, T("the rest is left out"));
	is(dma_check(bed.dma, VM_HIGH - SIZE, SIZE, GEN(1)), 0, T("engine reads it"));
	check_refused(high, SIZE);
	is(slot_set(low, LOG), 0, T("log on"));
	ok(ktdp_grants_none(bed.tdp, low, 2 * PAGE_2M, ACC_W), T("protected"));
	is(ktdp_prefault(bed.tdp, VM_HIGH - PAGE_4K, PAGE_4K, ACC_W), 0,
	   T("a write within"));
	is(ktdp_prefault(bed.tdp, VM_HIGH, PAGE_4K, ACC_W), -EFAULT, T("one beyond"));
	told_begin(&told, bed.dma);
	vm_unmap(&bed.vm, SLOT);
	ok(told_covers(&told, VM_HIGH - SIZE, SIZE), T("deleted: importer was told"));
	ok(ktdp_absent(bed.tdp, low, PAGE_2M), T("all is gone"));
	check_refused(high, SIZE);
	end();
}

static void check_dirty(enum log_mode mode, const char *what)
{
	struct set set = { 0 };

	begin(what);
	log_set_mode(&bed.vm, mode);
	is(guest_fill(&bed.vm, BEYOND, SIZE, GEN(1)), 0, T("guest writes"));
	is(slot_set(BEYOND, LOG), 0, T("on"));
	log_harvest(&bed.vm, mode, SLOT, PAGES, set.words);
	check_refused(BEYOND, SIZE);
	is(guest_fill(&bed.vm, BEYOND + 3 * PAGE_4K, PAGE_4K, GEN(2)), 0,
	   T("guest writes a page"));
	memset(&set, 0, sizeof(set));
	log_harvest(&bed.vm, mode, SLOT, PAGES, set.words);
	ok(set_is(set, set_of(3, 1)), T("that is in the log"));
	check_refused(BEYOND, SIZE);
	memset(&set, 0, sizeof(set));
	log_harvest(&bed.vm, mode, SLOT, PAGES, set.words);
	ok(set_is(set, set_of(0, 0)), T("and nothing else"));
	is(slot_set(BEYOND, 0), 0, T("off"));
	is(guest_fill(&bed.vm, BEYOND, SIZE, GEN(3)), 0, T("guest writes"));
	check_refused(BEYOND, SIZE);
	end();
}

static void test_dirty(void)
{
	check_dirty(LOG_GET, "dirty, get");
	check_dirty(LOG_CLEAR, "dirty, clear");
	check_dirty(LOG_INITIALLY_SET, "dirty, initially set");
}

static void test_verify(void)
{
	struct kvm_tdp_verify v;
	struct mem low;

	begin("verify");
	mem_small(&low, PAGE_2M);
	vm_map(&bed.vm, 2, GPA_LOW, &low);
	is(ktdp_prefault(bed.tdp, GPA_LOW, SIZE, ACC_W), 0, T("pages within reach"));
	is(guest_fill(&bed.vm, BEYOND, SIZE, GEN(1)), 0, T("guest writes beyond"));
	is(kvm_tdp_verify_range(bed.tdp, GPA_LOW, PAGE_2M, &v), 0, T("verify what is within"));
	is(v.pages, PAGES, T("pages"));
	is(ktdp_verify_wrong(&v), 0, T("nothing is wrong"));
	is(kvm_tdp_verify_range(bed.tdp, BEYOND, SIZE, &v), 0, T("verify what is beyond"));
	is(v.pages, 0, T("no page"));
	is(kvm_tdp_verify_range(bed.tdp, GPA, SIZE, &v), 0, T("verify the alias"));
	is(v.pages, 0, T("no page"));
	must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	is(kvm_tdp_verify_range(bed.tdp, 0, WHOLE, &v), 0, T("verify all, memory gone"));
	is(ktdp_verify_wrong(&v), 0, T("nothing is wrong"));
	end();
	mem_free(&low);
}

static const struct tap_case cases[] = {
	{ "fault", test_fault },
	{ "eager", test_eager },
	{ "windows", test_windows },
	{ "huge", test_huge },
	{ "attack", test_attack },
	{ "alias", test_alias },
	{ "seed", test_seed },
	{ "delete", test_delete },
	{ "move", test_move },
	{ "straddle", test_straddle },
	{ "dirty", test_dirty },
	{ "verify", test_verify },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
