// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens while a fault waits for memory, and while other memory changes.
 * The file of slow.c holds a prefault up where the first page is mapped and the
 * second is not yet there; the long unmapping gives it time where the host has
 * announced the change and not yet made it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "actor.h"
#include "attempt.h"
#include "bed.h"
#include "slow.h"
#include "sys.h"

#define SIZE	(2 * PAGE_4K)
#define PATIENCE	ATTEMPT_PATIENCE
#define LITTLE	(16 * PAGE_4K)

static struct bed bed;
static struct mem mem;
static struct slow slow;
static struct attempt attempt;

static int run_prefault(void)
{
	return ktdp_prefault(bed.tdp, GPA, SIZE, ACC_R);
}

/* The first page is private memory, the second is being waited for. */
static void begin(void)
{
	slow_open(&slow, &mem, SIZE);
	mem_fill(mem.hva, GPA, PAGE_4K, GEN(1));
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	slow_hold(&slow);
	attempt_begin(&attempt, run_prefault);
	ok(slow_is_waiting(&slow, PATIENCE), "the fault waits for its second page");
	ok(!ktdp_absent(bed.tdp, GPA, PAGE_4K), "and has mapped the first");
	ok(ktdp_absent(bed.tdp, GPA + PAGE_4K, PAGE_4K), "alone");
}

static void end(void)
{
	ok(ktdp_counts_agree(bed.tdp), "counted leaves are the leaves of the map");
	bed_close(&bed);
	slow_close(&slow, &mem);
}

static void test_undisturbed(void)
{
	begin();
	slow_give(&slow);
	is(attempt_end(&attempt), 0, "it goes on");
	ok(ktdp_mapped(bed.tdp, GPA, SIZE), "both are mapped");
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), "the host's pages");
	is(dma_check(bed.dma, GPA, PAGE_4K, GEN(1)), 0, "the first has its data");
	end();
}

/* A VMM is not held up: its threads map memory while an importer waits for some. */
static int run_mmap(void)
{
	struct mem other;

	mem_small(&other, PAGE_4K);
	mem_free(&other);
	return 0;
}

static void test_mmap_meanwhile(void)
{
	struct attempt other;

	begin();
	attempt_begin(&other, run_mmap);
	is(attempt_end(&other), 0, "mmap() and munmap() meanwhile");
	ok(slow_is_waiting(&slow, 0), "the fault waits still");
	slow_give(&slow);
	is(attempt_end(&attempt), 0, "it goes on");
	end();
}

/* The first page is gone, and what is mapped next is another. */
static void test_page_gone(void)
{
	uint64_t word = 1;

	begin();
	must(madvise(mem.hva, PAGE_4K, MADV_DONTNEED));
	slow_give(&slow);
	is(attempt_end(&attempt), 0, "it goes on when the first page is gone");
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), "the page that is gone is not mapped");
	is(dma_read(bed.dma, GPA, &word, 8, 0), 0, "engine reads");
	is(word, 0, "what the file has");
	end();
}

static void test_slot_gone(void)
{
	begin();
	vm_unmap(&bed.vm, 1);
	slow_give(&slow);
	is(attempt_end(&attempt), -EFAULT, "no RAM when the slot is gone");
	ok(ktdp_absent(bed.tdp, GPA, SIZE), "and nothing mapped");
	end();
}

static void test_slot_replaced(void)
{
	struct mem other;

	mem_small(&other, SIZE);
	mem_fill(other.hva, GPA, SIZE, GEN(2));
	begin();
	vm_unmap(&bed.vm, 1);
	vm_map(&bed.vm, 1, GPA, &other);
	slow_give(&slow);
	is(attempt_end(&attempt), 0, "it goes on with the new slot");
	ok(bed_agrees(&bed, GPA, other.hva, SIZE), "and maps its pages");
	is(dma_check(bed.dma, GPA, SIZE, GEN(2)), 0, "engine reads them");
	end();
	mem_free(&other);
}

/* The slot's flags alone: the fault must not leave a leaf one may write. */
static void test_slot_read_only(void)
{
	uint64_t word = 1;

	begin();
	vm_unmap(&bed.vm, 1);
	is(vm_slot(&bed.vm, 1, GPA, SIZE, mem.hva, KVM_MEM_READONLY), 0,
	   "the slot comes back read-only");
	slow_give(&slow);
	is(attempt_end(&attempt), 0, "the fault goes on");
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_R), 0, "as does the next");
	ok(ktdp_mapped(bed.tdp, GPA, SIZE), "and both pages are mapped");
	ok(ktdp_grants_none(bed.tdp, GPA, SIZE, ACC_W), "neither can be written");
	is(dma_write(bed.dma, GPA, &word, 8, 0), -EACCES, "nor by the engine");
	end();
}

/* Memory that takes the host long to unmap; the last page is looked at. */
#define LONG_SIZE	(16 * PAGE_2M)
#define LONG_LAST	(GPA + LONG_SIZE - PAGE_4K)

struct poker {
	bool stop;
	unsigned long rounds;
	int error;
};

static void *poker_thread(void *arg)
{
	struct poker *poker = arg;
	int ret;

	while (!__atomic_load_n(&poker->stop, __ATOMIC_ACQUIRE)) {
		ret = ktdp_prefault(bed.tdp, LONG_LAST, PAGE_4K, ACC_W);
		if (ret && ret != -EAGAIN)
			poker->error = ret;
		poker->rounds++;
		usleep(rand() % 1000);
	}
	return NULL;
}

static unsigned long poker_rounds(const struct poker *poker)
{
	return __atomic_load_n(&poker->rounds, __ATOMIC_RELAXED);
}

static void test_long_unmap(void)
{
	struct poker poker = { 0 };
	unsigned int round, stale = 0;
	pthread_t thread;

	mem_small(&mem, LONG_SIZE);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	must(-pthread_create(&thread, NULL, poker_thread, &poker));
	for (round = 0; round < 12 || (round < 1000 && poker_rounds(&poker) <= 12); round++) {
		memset(mem.hva, round, LONG_SIZE);
		must(madvise(mem.hva, LONG_SIZE, MADV_DONTNEED));
		stale += !bed_agrees(&bed, LONG_LAST, mem.hva + LONG_SIZE - PAGE_4K,
				     PAGE_4K);
	}
	__atomic_store_n(&poker.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	is(stale, 0, "no page that was being unmapped stays mapped");
	is(poker.error, 0, "no fault failed meanwhile");
	ok(poker.rounds > 12, "though %lu were made", poker.rounds);
	diag("retries: %llu", ktdp_stats(bed.tdp).retries);
	bed_close(&bed);
	mem_free(&mem);
}

/*
 * Other memory of the VMM changes all the time: no reason to fail.  Nor to start
 * over, if it is far enough away: not in the same 2M modulo 128M, or, of a large
 * range, in the same 1G.
 */
struct churn {
	const char *what;
	long distance;		/* from the memory that is faulted in */
	size_t size;
	bool touch;		/* or there is nothing to take away */
	bool alone;		/* none starts over */
};

static const struct churn churns[] = {
	{ "64K, touched", -16 * (long)PAGE_2M, 16 * PAGE_4K, true, true },
	{ "a page", -16 * (long)PAGE_2M, PAGE_4K, false, true },
	{ "256M", -4 * (long)PAGE_1G, 128 * PAGE_2M, false, true },
	{ "a page of the same number", -64 * (long)PAGE_2M, PAGE_4K, false, false },
};

static const struct churn *churn;

/* At the distance, or as far again as leaves the number the same. */
static void *churn_map(void)
{
	void *hva = mem.hva + churn->distance, *got = MAP_FAILED;
	int i;

	for (i = 0; i < 64 && got == MAP_FAILED; i++, hva -= 64 * PAGE_2M)
		got = mmap(hva, churn->size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
			   MAP_FIXED_NOREPLACE, -1, 0);
	if (got == MAP_FAILED)
		bail("no room for %s: errno %d", churn->what, errno);
	return got;
}

static void *churn_thread(void *arg)
{
	struct poker *poker = arg;
	void *hva = churn_map();

	while (!__atomic_load_n(&poker->stop, __ATOMIC_ACQUIRE)) {
		if (churn->touch)
			memset(hva, 1, churn->size);
		must(madvise(hva, churn->size, MADV_DONTNEED));
		poker->rounds++;
	}
	munmap(hva, churn->size);
	return NULL;
}

static void check_churn(void)
{
	struct poker poker = { 0 };
	unsigned int round;
	pthread_t thread;
	int ret = 0;

	mem_small(&mem, PAGE_2M);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	must(-pthread_create(&thread, NULL, churn_thread, &poker));
	for (round = 0; !ret && (round < 100 || (round < 10000 && poker_rounds(&poker) <= 100));
	     round++) {
		must(madvise(mem.hva, mem.size, MADV_DONTNEED));
		ret = ktdp_prefault(bed.tdp, GPA, mem.size, ACC_W);
	}
	__atomic_store_n(&poker.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	is(ret, 0, "%s: faults succeed while it changes", churn->what);
	ok(poker.rounds > 100, "%s: as it did, %lu times", churn->what, poker.rounds);
	if (churn->alone)
		is(ktdp_stats(bed.tdp).retries, 0, "%s: and none starts over",
		   churn->what);
	ok(bed_agrees(&bed, GPA, mem.hva, mem.size), "%s: the host's pages",
	   churn->what);
	bed_close(&bed);
	mem_free(&mem);
}

static void test_unrelated_churn(void)
{
	for (churn = churns; churn < churns + sizeof(churns) / sizeof(*churns); churn++)
		check_churn();
}

/* The last fd is closed while the slot goes and comes back with other memory. */
static void *close_last(void *arg)
{
	actor_bind(1);
	close(*(int *)arg);
	return NULL;
}

static void test_last_put(void)
{
	struct mem first, second;
	unsigned int bad = 0;
	pthread_t thread;
	int i, tdp;

	actor_bind(0);
	mem_small(&first, LITTLE);
	mem_small(&second, LITTLE);
	vm_open(&bed.vm);
	vm_add_vcpu(&bed.vm);
	for (i = 0; i < 60; i++) {
		vm_map(&bed.vm, 1, GPA, &first);
		tdp = must(kvm_tdp_create(bed.vm.fd, 0));
		bad += guest_fill(&bed.vm, GPA, LITTLE, GEN(1)) != 0;
		must(-pthread_create(&thread, NULL, close_last, &tdp));
		usleep(i * 500);
		vm_unmap(&bed.vm, 1);
		vm_map(&bed.vm, 1, GPA, &second);
		bad += guest_fill(&bed.vm, GPA, LITTLE, GEN(2)) != 0;
		pthread_join(thread, NULL);
		bad += !mem_check(second.hva, GPA, LITTLE, GEN(2));
		vm_unmap(&bed.vm, 1);
	}
	/* What went wrong inside is a warning, for which the log is looked through. */
	is(bad, 0, "the last fd closed, the slot elsewhere: the guest's data");
	vm_close(&bed.vm);
	mem_free(&first);
	mem_free(&second);
}

static const struct tap_case cases[] = {
	{ "last_put", test_last_put },
	{ "undisturbed", test_undisturbed },
	{ "mmap_meanwhile", test_mmap_meanwhile },
	{ "page_gone", test_page_gone },
	{ "slot_gone", test_slot_gone },
	{ "slot_replaced", test_slot_replaced },
	{ "slot_read_only", test_slot_read_only },
	{ "long_unmap", test_long_unmap },
	{ "unrelated_churn", test_unrelated_churn },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
