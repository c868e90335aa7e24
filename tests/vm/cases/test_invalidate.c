// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host takes memory away in every way there is.  After each: the table maps
 * nothing it should not, the importer was told before the call returned, and the
 * next access finds what the host has there now.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define GPA	bed_gpa
#include "bed.h"
#include "sys.h"

#define SIZE	0x10000UL
#define PART	0x4000UL	/* the piece in the middle that goes */
#define OFF	0x4000UL
#define PART_GPA	(GPA + OFF)
#define PATIENCE	20000

static struct bed bed;
static struct mem mem;
static struct told told;
static bool stop;

static void warm(void)
{
	bed_warm(&bed, GPA, &mem, &told);
}

static void begin(void)
{
	mem_small(&mem, SIZE);
	bed_open(&bed);
	warm();
}

static void end(void)
{
	ok(ktdp_counts_agree(bed.tdp), "counted leaves are the leaves of the map");
	bed_close(&bed);
	mem_free(&mem);
}

/* [gpa, gpa + size) went away, and its surroundings are right. */
static void check_gone(const char *what, uint64_t gpa, size_t size)
{
	ok(told_of(&told, gpa, size), "%s: importer was told", what);
	ok(ktdp_absent(bed.tdp, gpa, size), "%s: nothing is mapped", what);
	ok(bed_agrees(&bed, GPA, mem.hva, mem.size), "%s: the rest is right", what);
}

/* The piece came back as zeroes; what is around it never changed. */
static void check_zeroed(const char *what)
{
	ok(dma_all(bed.dma, PART_GPA, PART, 0), "%s: engine reads zero after it", what);
	is(dma_check(bed.dma, GPA, OFF, GEN(1)), 0, "%s: as ever before it", what);
	is(dma_check(bed.dma, PART_GPA + PART, SIZE - OFF - PART, GEN(1)), 0,
	   "%s: and behind it", what);
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "%s: all works again", what);
}

static void check_fault(const char *what, int expect)
{
	uint64_t word;

	is(dma_read(bed.dma, PART_GPA, &word, sizeof(word), 0), expect,
	   "%s: engine gets no more", what);
	is(ktdp_prefault(bed.tdp, PART_GPA, PAGE_4K, ACC_R), expect,
	   "%s: nor does prefault", what);
}

static void map_part(void)
{
	void *hva = mmap(mem.hva + OFF, PART, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (hva == MAP_FAILED)
		bail("mmap: errno %d", errno);
}

static void test_munmap(void)
{
	begin();
	munmap(mem.hva + OFF, PART);
	check_gone("munmap", PART_GPA, PART);
	check_fault("munmap", -EFAULT);
	map_part();
	check_zeroed("mmap anew");
	warm();
	map_part();
	check_gone("mmap over it", PART_GPA, PART);
	check_zeroed("mmap over it");
	end();
}

static void test_mremap(void)
{
	struct mem other;
	void *hva;

	mem_small(&other, PART);
	begin();
	hva = mremap(mem.hva + OFF, PART, PART, MREMAP_MAYMOVE | MREMAP_FIXED,
		     other.hva);
	ok(hva != MAP_FAILED, "mremap away");
	check_gone("mremap", PART_GPA, PART);
	check_fault("mremap", -EFAULT);
	mem_fill(hva, PART_GPA, PART, GEN(5));
	map_part();
	is(ktdp_prefault(bed.tdp, PART_GPA, PART, ACC_W), 0, "map new memory");
	told_begin(&told, bed.dma);
	hva = mremap(hva, PART, PART, MREMAP_MAYMOVE | MREMAP_FIXED, mem.hva + OFF);
	ok(hva == mem.hva + OFF, "mremap back over it");
	check_gone("mremap over", PART_GPA, PART);
	is(dma_check(bed.dma, PART_GPA, PART, GEN(5)), 0,
	   "mremap over: engine reads what was moved in");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "mremap: all works again");
	end();
}

static void test_dontneed(void)
{
	begin();
	must(madvise(mem.hva + OFF, PART, MADV_DONTNEED));
	check_gone("DONTNEED", PART_GPA, PART);
	check_zeroed("DONTNEED");
	end();
}

/* Pages may go at any time now; while they are there they hold the data. */
static void test_free(void)
{
	begin();
	must(madvise(mem.hva + OFF, PART, MADV_FREE));
	check_gone("FREE", PART_GPA, PART);
	is(dma_fill(bed.dma, PART_GPA, PART, GEN(2)), 0, "FREE: engine writes");
	is(guest_check(&bed.vm, PART_GPA, PART, GEN(2)), 0, "FREE: guest reads");
	end();
}

/* Memory that has nothing to do with the guest. */
static void test_unrelated(void)
{
	struct mem other;

	begin();
	mem_small(&other, SIZE);
	mem_fill(other.hva, 0, SIZE, 0);
	must(madvise(other.hva, PART, MADV_DONTNEED));
	mem_free(&other);
	ok(told_nothing(&told), "importer hears nothing of other memory");
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, "and goes on");
	end();
}

static void test_mprotect(void)
{
	uint64_t word = 1;

	begin();
	must(mprotect(mem.hva + OFF, PART, PROT_READ));
	ok(told_covers(&told, PART_GPA, PART), "read-only: importer was told");
	ok(ktdp_grants_none(bed.tdp, PART_GPA, PART, ACC_W), "no leaf can be written");
	is(dma_write(bed.dma, PART_GPA, &word, 8, KVM_TDP_DMA_NOFAULT), -ENXIO,
	   "nor has the engine kept one");
	is(dma_check(bed.dma, PART_GPA, PART, GEN(1)), 0, "engine still reads");
	is(dma_write(bed.dma, PART_GPA, &word, 8, 0), -EACCES, "and may not write");
	must(mprotect(mem.hva + OFF, PART, PROT_READ | PROT_WRITE));
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "writable: all works again");
	told_begin(&told, bed.dma);
	must(mprotect(mem.hva + OFF, PART, PROT_NONE));
	ok(told_of(&told, PART_GPA, PART), "PROT_NONE: importer was told");
	ok(ktdp_absent(bed.tdp, PART_GPA, PART), "PROT_NONE: nothing is mapped");
	check_fault("PROT_NONE", -EFAULT);
	must(mprotect(mem.hva + OFF, PART, PROT_READ | PROT_WRITE));
	is(dma_check(bed.dma, GPA, SIZE, GEN(3)), 0, "accessible: the data is back");
	end();
}

/* A child that waits for a byte and then says whether it sees @gen. */
struct child {
	pid_t pid;
	int pipe[2];
};

static void child_start(struct child *child, uint64_t gen)
{
	char byte;

	must(pipe2(child->pipe, O_CLOEXEC));
	child->pid = must(fork());
	if (child->pid)
		return;
	close(child->pipe[1]);
	if (read(child->pipe[0], &byte, 1) != 1)
		_exit(2);
	if (!mem_check(mem.hva, GPA, SIZE, gen))
		_exit(1);
	/* In the parent's face: it must not see this. */
	mem_fill(mem.hva, GPA, SIZE, GEN(0x66));
	_exit(0);
}

static void child_check(struct child *child, const char *what)
{
	must(write(child->pipe[1], "", 1));
	is(sys_wait_exit(child->pid, PATIENCE), 0, "%s: child keeps the old data",
	   what);
	close(child->pipe[0]);
	close(child->pipe[1]);
}

static int write_by_host(uint64_t gen)
{
	mem_fill(mem.hva, GPA, SIZE, gen);
	return 0;
}

static int write_by_engine(uint64_t gen)
{
	return dma_fill(bed.dma, GPA, SIZE, gen);
}

static int write_by_guest(uint64_t gen)
{
	return guest_fill(&bed.vm, GPA, SIZE, gen);
}

/* fork() shares the pages; whoever writes then gets one of his own. */
static void check_fork(const char *what, int (*write_by)(uint64_t gen))
{
	struct child child;

	begin();
	child_start(&child, GEN(1));
	ok(told_covers(&told, GPA, SIZE), "%s: importer was told of fork", what);
	ok(ktdp_grants_none(bed.tdp, GPA, SIZE, ACC_W),
	   "%s: no leaf of shared pages can be written", what);
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, "%s: engine reads", what);
	ok(ktdp_grants_none(bed.tdp, GPA, SIZE, ACC_W),
	   "%s: and gets no write for that", what);
	told_begin(&told, bed.dma);
	is(write_by(GEN(2)), 0, "%s: writes", what);
	ok(told_covers(&told, GPA, SIZE), "%s: importer was told of the copy", what);
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), "%s: the host's new pages", what);
	is(dma_check(bed.dma, GPA, SIZE, GEN(2)), 0, "%s: engine sees it", what);
	child_check(&child, what);
	is(dma_check(bed.dma, GPA, SIZE, GEN(2)), 0,
	   "%s: nothing of the child's writes", what);
	is(guest_check(&bed.vm, GPA, SIZE, GEN(2)), 0, "%s: nor in the guest", what);
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 3), "%s: all works again", what);
	end();
}

static void test_fork(void)
{
	check_fork("host after fork", write_by_host);
	check_fork("engine after fork", write_by_engine);
	check_fork("guest after fork", write_by_guest);
}

static void test_thp_split(void)
{
	uint64_t hole = GPA + PAGE_2M + OFF;

	if (mem_skip_thp("split"))
		return;
	mem_thp(&mem, 2 * PAGE_2M);
	bed_open(&bed);
	warm();
	is(ktdp_level(bed.tdp, hole), 2, "huge leaf first");
	must(madvise(mem.hva + PAGE_2M + OFF, PAGE_4K, MADV_DONTNEED));
	check_gone("split", GPA + PAGE_2M, PAGE_2M);
	ok(dma_all(bed.dma, hole, PAGE_4K, 0), "split: engine reads zero in the hole");
	is(ktdp_prefault(bed.tdp, GPA, mem.size, ACC_R), 0, "split: map all again");
	is(ktdp_level(bed.tdp, hole), 1, "split: small leaf");
	is(ktdp_level(bed.tdp, GPA + PAGE_2M), 1, "split: and around it");
	is(dma_check(bed.dma, GPA, PAGE_2M + OFF, GEN(1)), 0, "split: data before");
	is(dma_check(bed.dma, hole + PAGE_4K, PAGE_2M - OFF - PAGE_4K, GEN(1)), 0,
	   "split: data behind");
	end();
}

static void test_thp_collapse(void)
{
	if (mem_skip_thp("collapse"))
		return;
	mem_small(&mem, PAGE_2M);
	bed_open(&bed);
	warm();
	is(ktdp_level(bed.tdp, GPA), 1, "small leaf first");
	must(madvise(mem.hva, PAGE_2M, MADV_HUGEPAGE));
	is(mem_collapse(mem.hva), 0, "collapse");
	ok(mem_is_thp(mem.hva), "the host has a huge page now");
	check_gone("collapse", GPA, PAGE_2M);
	is(dma_check(bed.dma, GPA, PAGE_2M, GEN(1)), 0, "collapse: data");
	is(ktdp_level(bed.tdp, GPA), 2, "collapse: huge leaf");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "collapse: all works again");
	end();
}

/* To another huge page each time: one page that goes splits it, and what is there is collapsed. */
static void *host_moves(void *unused)
{
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		madvise(mem.hva, PAGE_4K, MADV_DONTNEED);
		madvise(mem.hva, PAGE_2M, MADV_COLLAPSE);
		usleep(1000);	/* for a fault to get through */
	}
	return NULL;
}

/* What the table maps is the host's, also of what is moved between the two looks. */
static void test_moved(void)
{
	pthread_t thread;
	int i, wrong = 0;

	if (mem_skip_thp("moved"))
		return;
	mem_thp(&mem, PAGE_2M);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	stop = false;
	must(-pthread_create(&thread, NULL, host_moves, NULL));
	for (i = 0; i < 30 || (i < 3000 && ktdp_stats(bed.tdp).entries_zapped < 30); i++) {
		/* The host may take it away as fast as it is brought. */
		ktdp_prefault(bed.tdp, GPA, PAGE_2M, ACC_R);
		wrong += !bed_agrees(&bed, GPA, mem.hva, PAGE_2M);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	is(wrong, 0, "the host's pages, while it moves them");
	ok(ktdp_stats(bed.tdp).entries_zapped >= 30, "it has moved them");
	end();
}

/* A huge leaf grows over a table that still maps small ones. */
static void test_leaf_replaces_table(void)
{
	struct kvm_tdp_stats before;

	mem_huge(&mem, PAGE_2M);
	bed_open(&bed);
	is(vm_slot(&bed.vm, 1, GPA, SIZE, mem.hva, 0), 0, "slot on part of 2M");
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W), 0, "mapped small");
	vm_unmap(&bed.vm, 1);
	vm_map(&bed.vm, 1, GPA, &mem);
	before = ktdp_stats(bed.tdp);
	is(before.leaves[0], 0, "small leaves went with their slot");
	is(ktdp_prefault(bed.tdp, GPA, PAGE_2M, ACC_W), 0, "mapped again");
	is(ktdp_level(bed.tdp, GPA), 2, "as a huge leaf");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "all works");
	end();
}

static void punch(off_t off, off_t size)
{
	must(fallocate(mem.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, size));
}

static void test_punch(void)
{
	mem_memfd(&mem, SIZE);
	bed_open(&bed);
	warm();
	punch(OFF, PART);
	check_gone("punch", PART_GPA, PART);
	check_zeroed("punch");
	end();
}

/* Beyond the end of a file there is no memory, though it is mapped. */
static void check_truncate(const char *what)
{
	bed_open(&bed);
	warm();
	must(ftruncate(mem.fd, OFF));
	check_gone(what, PART_GPA, SIZE - OFF);
	check_fault(what, -EFAULT);
	is(dma_check(bed.dma, GPA, OFF, GEN(1)), 0, "%s: what is left", what);
	must(ftruncate(mem.fd, SIZE));
	ok(dma_all(bed.dma, PART_GPA, SIZE - OFF, 0), "%s: zero when it grows again", what);
	end();
}

static void test_truncate(void)
{
	mem_memfd(&mem, SIZE);
	check_truncate("truncate memfd");
	mem_file(&mem, sys_disk(), SIZE, MAP_SHARED);
	check_truncate("truncate disk file");
}

static void test_hugetlb(void)
{
	if (mem_hugetlb(&mem, 2 * PAGE_2M, PAGE_2M))
		bail("no 2M pages");
	bed_open(&bed);
	warm();
	punch(PAGE_2M, PAGE_2M);
	check_gone("hugetlb punch", GPA + PAGE_2M, PAGE_2M);
	ok(dma_all(bed.dma, GPA + PAGE_2M, PAGE_2M, 0), "hugetlb punch: zero after it");
	is(dma_check(bed.dma, GPA, PAGE_2M, GEN(1)), 0, "hugetlb punch: the rest");
	told_begin(&told, bed.dma);
	must(ftruncate(mem.fd, PAGE_2M));
	check_gone("hugetlb truncate", GPA + PAGE_2M, PAGE_2M);
	is(ktdp_prefault(bed.tdp, GPA + PAGE_2M, PAGE_4K, ACC_R), -EFAULT,
	   "hugetlb truncate: no memory there");
	is(dma_check(bed.dma, GPA, PAGE_2M, GEN(1)), 0, "hugetlb truncate: the rest");
	end();
}

/* In how many page tables a page is. */
static uint64_t page_count(const void *hva)
{
	int fd = must(open("/proc/kpagecount", O_RDONLY | O_CLOEXEC));
	uint64_t count;

	if (pread(fd, &count, 8, mem_hpa(hva) / PAGE_4K * 8) != 8)
		bail("kpagecount: errno %d", errno);
	close(fd);
	return count;
}

#define LAST		(PAGE_1G - PAGE_2M)

/* A process with the same memory, and so with the same page table for it. */
static pid_t start_sharer(void)
{
	int *ready = sys_shared(sizeof(*ready));
	unsigned int ms = PATIENCE;
	pid_t pid = must(fork());

	if (!pid) {
		if (mem_check(mem.hva, GPA, PAGE_2M, GEN(1)) &&
		    mem_check(mem.hva + LAST, GPA + LAST, PAGE_2M, GEN(1)))
			__atomic_store_n(ready, 1, __ATOMIC_RELEASE);
		pause();
		_exit(1);
	}
	while (!__atomic_load_n(ready, __ATOMIC_ACQUIRE) && sys_step(&ms))
		;
	ok(__atomic_load_n(ready, __ATOMIC_ACQUIRE), "shared: another process has the data");
	munmap(ready, sizeof(*ready));
	return pid;
}

static int check_first_and_last(void)
{
	return dma_check(bed.dma, GPA, PAGE_2M, GEN(1)) ||
	       dma_check(bed.dma, GPA + LAST, PAGE_2M, GEN(1));
}

/*
 * Processes that map all of 1G share the page table of it.  One that loses a part
 * leaves the table, and so loses all, which is one notice of the host.
 */
static void test_hugetlb_shared(void)
{
	int fd = must(memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB));
	pid_t pid;

	if (sys_hugepages(PAGE_2M, 2))
		bail("no 2M pages");
	must(ftruncate(fd, PAGE_1G));
	mem_new(&mem, PAGE_1G, 0, MAP_SHARED | MAP_NORESERVE, fd);
	mem.piece = PAGE_2M;
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	is(dma_fill(bed.dma, GPA, PAGE_2M, GEN(1)), 0, "shared: engine writes first page");
	is(dma_fill(bed.dma, GPA + LAST, PAGE_2M, GEN(1)), 0, "shared: and last");
	pid = start_sharer();
	is(page_count(mem.hva), 1, "shared: the page is in one table");
	is(check_first_and_last(), 0, "shared: engine reads");
	told_begin(&told, bed.dma);
	must(madvise(mem.hva, PAGE_2M, MADV_DONTNEED));
	ok(told_covers(&told, GPA, PAGE_1G), "shared: importer was told of all");
	ok(dma_reaches_none(bed.dma, GPA, PAGE_2M), "shared: engine lost the first");
	ok(dma_reaches_none(bed.dma, GPA + LAST, PAGE_2M), "shared: and the last");
	ok(ktdp_absent(bed.tdp, GPA, PAGE_1G), "shared: nothing is mapped");
	is(check_first_and_last(), 0, "shared: engine reads the same");
	is(page_count(mem.hva), 1, "shared: again in one table");
	told_begin(&told, bed.dma);
	must(mprotect(mem.hva + PAGE_2M, PAGE_2M, PROT_READ));
	ok(told_covers(&told, GPA, PAGE_1G), "shared: told of all when it is split");
	ok(ktdp_absent(bed.tdp, GPA, PAGE_1G), "shared: split: nothing is mapped");
	must(mprotect(mem.hva + PAGE_2M, PAGE_2M, PROT_READ | PROT_WRITE));
	is(check_first_and_last(), 0, "shared: split: engine reads the same");
	told_begin(&told, bed.dma);
	kill(pid, SIGKILL);
	must(waitpid(pid, NULL, 0));
	ok(told_nothing(&told), "shared: the other leaves without notice");
	is(check_first_and_last(), 0, "shared: engine goes on");
	ok(bed_agrees(&bed, GPA, mem.hva, mem.size), "shared: the host's pages");
	ok(bed_works(&bed, GPA, mem.hva, PAGE_2M, 2), "shared: all works");
	end();
}

/* One page at two guest addresses: both go. */
static void test_two_slots(void)
{
	uint64_t other = GPA_LOW + PAGE_2M, last;
	struct kvm_tdp_dma_stats now;

	begin();
	vm_map(&bed.vm, 2, other, &mem);
	is(ktdp_prefault(bed.tdp, other, SIZE, ACC_W), 0, "map the alias");
	is(ktdp_hpa(bed.tdp, other), ktdp_hpa(bed.tdp, GPA), "the same page");
	is(dma_write(bed.dma, other, &other, 8, 0), 0, "write through one");
	is(dma_read(bed.dma, GPA, &last, 8, 0), 0, "read through the other");
	is(last, other, "the same data");
	told_begin(&told, bed.dma);
	must(madvise(mem.hva + OFF, PART, MADV_DONTNEED));
	now = dma_stats(bed.dma);
	ok(now.invalidated_bytes >= told.before.invalidated_bytes + 2 * PART ||
	   now.full_invalidations > told.before.full_invalidations,
	   "importer was told of both");
	ok(dma_reaches_none(bed.dma, PART_GPA, PART), "engine lost one");
	ok(dma_reaches_none(bed.dma, other + OFF, PART), "and the other");
	ok(ktdp_absent(bed.tdp, PART_GPA, PART), "one is not mapped");
	ok(ktdp_absent(bed.tdp, other + OFF, PART), "nor is the other");
	ok(dma_all(bed.dma, other + OFF, PART, 0), "zero through one");
	ok(dma_all(bed.dma, PART_GPA, PART, 0), "zero through the other");
	end();
}

struct storm {
	bool stop;
	unsigned long rounds;
	int error;
};

static void *storm_thread(void *arg)
{
	struct storm *storm = arg;
	int ret;

	while (!__atomic_load_n(&storm->stop, __ATOMIC_ACQUIRE)) {
		ret = ktdp_prefault(bed.tdp, GPA, SIZE, storm->rounds & 1 ? ACC_R : ACC_W);
		/* EAGAIN: the host would not leave the range alone. */
		if (ret && ret != -EAGAIN)
			storm->error = ret;
		storm->rounds++;
	}
	return NULL;
}

static bool both_did(const struct storm *storms)
{
	return __atomic_load_n(&storms[0].rounds, __ATOMIC_RELAXED) &&
	       __atomic_load_n(&storms[1].rounds, __ATOMIC_RELAXED);
}

/* Faults against invalidations of the same pages; the oracle has the word. */
static void test_storm(void)
{
	struct storm storms[2] = { 0 };
	pthread_t threads[2];
	uint64_t until;
	int i, turn;

	begin();
	for (i = 0; i < 2; i++)
		must(-pthread_create(&threads[i], NULL, storm_thread, &storms[i]));
	vm_spin(&bed.vm, GPA, SIZE, GEN(7));
	until = sys_now() + 1500;
	for (turn = 0; sys_now() < until || (turn < 100000 && !both_did(storms)); turn++) {
		must(madvise(mem.hva, SIZE, MADV_DONTNEED));
		must(mprotect(mem.hva + OFF, PART, PROT_READ | PROT_WRITE | PROT_EXEC));
		must(mprotect(mem.hva + OFF, PART, PROT_READ | PROT_WRITE));
	}
	for (i = 0; i < 2; i++) {
		__atomic_store_n(&storms[i].stop, true, __ATOMIC_RELEASE);
		pthread_join(threads[i], NULL);
		is(storms[i].error, 0, "storm: no fault failed");
		ok(storms[i].rounds, "storm: faults were made");
	}
	vm_spin_stop(&bed.vm);
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), "storm: the host's pages");
	must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	ok(ktdp_absent(bed.tdp, GPA, SIZE), "storm: all goes in the end");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "storm: all works again");
	end();
}

static const struct tap_case cases[] = {
	{ "munmap", test_munmap },
	{ "mremap", test_mremap },
	{ "dontneed", test_dontneed },
	{ "free", test_free },
	{ "unrelated", test_unrelated },
	{ "mprotect", test_mprotect },
	{ "fork", test_fork },
	{ "thp_split", test_thp_split },
	{ "thp_collapse", test_thp_collapse },
	{ "moved", test_moved },
	{ "leaf_replaces_table", test_leaf_replaces_table },
	{ "punch", test_punch },
	{ "truncate", test_truncate },
	{ "hugetlb", test_hugetlb },
	{ "hugetlb_shared", test_hugetlb_shared },
	{ "two_slots", test_two_slots },
	{ "storm", test_storm },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
