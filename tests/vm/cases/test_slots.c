// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memslots that come, go and move: the table follows before the ioctl returns.
 */
#include <sys/mman.h>

#define GPA	bed_gpa
#include "bed.h"
#include "sys.h"

#define SIZE	0x10000UL
#define NEW	(GPA + PAGE_1G)

static struct bed bed;
static struct mem mem;
static struct told told;

static void begin(void)
{
	mem_small(&mem, SIZE);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(9)), 0, "guest writes");
	is(dma_fill(bed.dma, GPA, SIZE, GEN(1)), 0, "engine writes");
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, "engine reads");
	told_begin(&told, bed.dma);
}

static void end(void)
{
	ok(ktdp_counts_agree(bed.tdp), "counted leaves are the leaves of the map");
	bed_close(&bed);
	mem_free(&mem);
}

static void check_gone(const char *what, uint64_t gpa, size_t size)
{
	uint64_t word;

	ok(told_of(&told, gpa, size), "%s: importer was told", what);
	ok(ktdp_absent(bed.tdp, gpa, size), "%s: nothing is mapped", what);
	is(dma_read(bed.dma, gpa, &word, 8, 0), -EFAULT, "%s: engine gets no more",
	   what);
	is(ktdp_prefault(bed.tdp, gpa, PAGE_4K, ACC_R), -EFAULT,
	   "%s: nor does prefault", what);
}

static void test_delete(void)
{
	struct kvm_tdp_stats before;

	begin();
	before = ktdp_stats(bed.tdp);
	vm_unmap(&bed.vm, 1);
	check_gone("delete", GPA, SIZE);
	is(ktdp_stats(bed.tdp).slot_zaps, before.slot_zaps + 1, "delete: counted");
	ok(ktdp_stats(bed.tdp).entries_zapped >=
	   before.entries_zapped + SIZE / PAGE_4K, "delete: leaves are counted");
	vm_map(&bed.vm, 1, GPA, &mem);
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, "re-add: the data is back");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "re-add: all works");
	end();
}

static void test_delete_other_memory(void)
{
	struct mem other;

	begin();
	mem_small(&other, SIZE);
	mem_fill(other.hva, GPA, SIZE, GEN(4));
	vm_unmap(&bed.vm, 1);
	vm_map(&bed.vm, 1, GPA, &other);
	is(dma_check(bed.dma, GPA, SIZE, GEN(4)), 0, "engine reads other memory");
	is(dma_fill(bed.dma, GPA, SIZE, GEN(5)), 0, "and writes it");
	ok(mem_check(other.hva, GPA, SIZE, GEN(5)), "there it is");
	ok(mem_check(mem.hva, GPA, SIZE, GEN(1)), "the old memory is as it was");
	end();
	mem_free(&other);
}

/* One slot of several. */
static void test_delete_one(void)
{
	begin();
	vm_unmap(&bed.vm, 1);
	is(vm_slot(&bed.vm, 1, GPA, SIZE / 2, mem.hva, 0), 0, "first half");
	is(vm_slot(&bed.vm, 2, GPA + SIZE / 2, SIZE / 2, mem.hva + SIZE / 2, 0), 0,
	   "second half");
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, "engine reads both");
	told_begin(&told, bed.dma);
	vm_unmap(&bed.vm, 1);
	check_gone("delete one", GPA, SIZE / 2);
	ok(ktdp_mapped(bed.tdp, GPA + SIZE / 2, SIZE / 2),
	   "delete one: the neighbour stays mapped");
	is(dma_check(bed.dma, GPA + SIZE / 2, SIZE / 2, GEN(1)), 0,
	   "delete one: and can be read");
	end();
}

static void test_move(void)
{
	begin();
	is(vm_slot(&bed.vm, 1, NEW, SIZE, mem.hva, 0), 0, "move");
	check_gone("move", GPA, SIZE);
	ok(ktdp_absent(bed.tdp, NEW, SIZE), "move: nothing mapped there unasked");
	is(ktdp_prefault(bed.tdp, NEW, SIZE, ACC_W), 0, "move: new place");
	ok(bed_agrees(&bed, NEW, mem.hva, SIZE), "move: the same pages");
	ok(bed_works(&bed, NEW, mem.hva, SIZE, 2), "move: all works");
	end();
}

/* Old and new place overlap: what was right for one is wrong for the other. */
static void test_move_little(void)
{
	uint64_t gpa = GPA + SIZE / 2;

	begin();
	is(vm_slot(&bed.vm, 1, gpa, SIZE, mem.hva, 0), 0, "move by half");
	check_gone("move by half", GPA, SIZE / 2);
	ok(ktdp_absent(bed.tdp, gpa, SIZE), "move by half: nothing left of it");
	is(ktdp_prefault(bed.tdp, gpa, SIZE, ACC_W), 0, "move by half: new place");
	ok(bed_agrees(&bed, gpa, mem.hva, SIZE), "move by half: pages");
	ok(bed_works(&bed, gpa, mem.hva, SIZE, 2), "move by half: all works");
	end();
}

static void test_read_only(void)
{
	uint64_t word = 1;

	begin();
	is(vm_slot(&bed.vm, 1, GPA, SIZE, mem.hva, KVM_MEM_READONLY), -EINVAL,
	   "KVM does not make a slot read-only in place");
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, "which changes nothing");
	vm_unmap(&bed.vm, 1);
	is(vm_slot(&bed.vm, 1, GPA, SIZE, mem.hva, KVM_MEM_READONLY), 0,
	   "again, read-only");
	is(dma_write(bed.dma, GPA, &word, 8, 0), -EACCES, "engine may not write");
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, "engine reads");
	ok(ktdp_grants_none(bed.tdp, GPA, SIZE, ACC_W), "no leaf can be written");
	is(guest_check(&bed.vm, GPA, SIZE, GEN(1)), 0, "guest reads");
	vm_unmap(&bed.vm, 1);
	vm_map(&bed.vm, 1, GPA, &mem);
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "writable again");
	end();
}

/* A slot of more memory than there is, of which little was touched. */
static void test_large(void)
{
	size_t size = 64 * PAGE_1G, at;
	struct kvm_tdp_stats before;
	struct mem huge = { .size = size, .fd = -1 };

	begin();
	huge.hva = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	mem_no_thp(huge.hva, size);
	vm_unmap(&bed.vm, 1);
	before = ktdp_stats(bed.tdp);
	vm_map(&bed.vm, 1, GPA, &huge);
	for (at = 0; at < size; at += 8 * PAGE_1G)
		is(dma_fill(bed.dma, GPA + at, PAGE_4K, GEN(3)), 0,
		   "engine writes at %zuG", at / PAGE_1G);
	for (at = 0; at < size; at += 8 * PAGE_1G)
		is(guest_check(&bed.vm, GPA + at, PAGE_4K, GEN(3)), 0,
		   "guest reads at %zuG", at / PAGE_1G);
	ok(ktdp_stats(bed.tdp).table_pages > before.table_pages, "tables grew");
	told_begin(&told, bed.dma);
	vm_unmap(&bed.vm, 1);
	ok(told_covers(&told, GPA, size - 8 * PAGE_1G + PAGE_4K),
	   "large: importer was told of all that was mapped");
	ok(ktdp_absent(bed.tdp, GPA, size), "large: nothing is mapped");
	for (at = 0; at < size; at += 8 * PAGE_1G)
		ok(dma_reaches_none(bed.dma, GPA + at, PAGE_4K),
		   "large: engine lost %zuG", at / PAGE_1G);
	mem_free(&huge);
	end();
}

struct storm {
	bool stop;
	unsigned long done, refused;
	int error;
};

static void *storm_thread(void *arg)
{
	struct storm *storm = arg;
	int ret;

	while (!__atomic_load_n(&storm->stop, __ATOMIC_ACQUIRE)) {
		ret = ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W);
		if (!ret)
			storm->done++;
		else if (ret == -EFAULT)
			storm->refused++;
		else if (ret != -EAGAIN)
			storm->error = ret;
	}
	return NULL;
}

static bool both_did(const struct storm *storms)
{
	return __atomic_load_n(&storms[0].done, __ATOMIC_RELAXED) &&
	       __atomic_load_n(&storms[1].done, __ATOMIC_RELAXED);
}

/* Faults against deletions: none may leave a leaf behind a dead slot. */
static void test_storm(void)
{
	unsigned int rounds, left = 0, lost = 0;
	struct storm storms[2] = { 0 };
	pthread_t threads[2];
	uint64_t until;
	int i;

	begin();
	for (i = 0; i < 2; i++)
		must(-pthread_create(&threads[i], NULL, storm_thread, &storms[i]));
	until = sys_now() + 1500;
	for (rounds = 0; sys_now() < until || (rounds < 10000 && !both_did(storms)); rounds++) {
		vm_unmap(&bed.vm, 1);
		left += !ktdp_absent(bed.tdp, GPA, SIZE);
		vm_map(&bed.vm, 1, GPA, &mem);
		lost += dma_check(bed.dma, GPA, SIZE, GEN(1)) != 0;
	}
	for (i = 0; i < 2; i++) {
		__atomic_store_n(&storms[i].stop, true, __ATOMIC_RELEASE);
		pthread_join(threads[i], NULL);
		is(storms[i].error, 0, "storm: only the errors that may be");
		ok(storms[i].done, "storm: faults succeeded");
	}
	diag("storm: %u rounds, %lu faults done, %lu refused", rounds,
	     storms[0].done + storms[1].done,
	     storms[0].refused + storms[1].refused);
	is(left, 0, "storm: no deletion left a leaf");
	is(lost, 0, "storm: the data was there each time");
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), "storm: the host's pages");
	end();
}

static const struct tap_case cases[] = {
	{ "delete", test_delete },
	{ "delete_other_memory", test_delete_other_memory },
	{ "delete_one", test_delete_one },
	{ "move", test_move },
	{ "move_little", test_move_little },
	{ "read_only", test_read_only },
	{ "large", test_large },
	{ "storm", test_storm },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
