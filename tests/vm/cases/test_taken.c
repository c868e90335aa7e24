// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ways to take memory, or access to it, that came after Linux 6.1, and some that have
 * changed since; docs/NOTIFIER.md lists all.  After each: the importer was told before
 * the call returned, the table maps nothing it should not, and the next access finds
 * what the host has there now, or waits as a vCPU would.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attempt.h"
#include "bed.h"
#include "ksm.h"
#include "sys.h"
#include "uffd.h"

/* Newer than Debian 12's headers. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#define MADV_GUARD_REMOVE	103
#endif
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE		0x08
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE	67
#endif
#ifndef SYS_mseal
#define SYS_mseal		462
#endif
#ifndef PAGEMAP_SCAN
#define PAGEMAP_SCAN		_IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_WRITTEN		(1 << 1)
#define PM_SCAN_WP_MATCHING	(1 << 0)
#define PM_SCAN_CHECK_WPASYNC	(1 << 1)

struct page_region {
	__u64 start, end, categories;
};

struct pm_scan_arg {
	__u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
	__u64 category_inverted, category_mask, category_anyof_mask, return_mask;
};
#endif
#ifndef PAGE_IS_ACCESSED
#define PAGE_IS_ACCESSED	(1 << 9)
#endif

#define SIZE		0x10000UL
#define PART		0x4000UL	/* the piece in the middle that goes */
#define OFF		0x4000UL
#define PART_GPA	(GPA + OFF)
#define PATIENCE	ATTEMPT_PATIENCE

static struct bed bed;
static struct mem mem;
static struct told told;
static int uffd;

static void begin(void (*get)(struct mem *m, size_t size), size_t size)
{
	get(&mem, size);
	bed_open(&bed);
	bed_warm(&bed, GPA, &mem, &told);
}

static void end(void)
{
	ok(ktdp_counts_agree(bed.tdp), "counted leaves are the leaves of the map");
	bed_close(&bed);
	mem_free(&mem);
}

static void get_hugetlb(struct mem *m, size_t size)
{
	if (mem_hugetlb(m, size, PAGE_2M))
		bail("no 2M pages");
}

static void check_gone(const char *what, uint64_t gpa, size_t size)
{
	ok(told_of(&told, gpa, size), "%s: importer was told", what);
	ok(ktdp_absent(bed.tdp, gpa, size), "%s: nothing is mapped", what);
	ok(bed_agrees(&bed, GPA, mem.hva, mem.size), "%s: the rest is right", what);
}

/* All but the part is as the engine wrote it. */
static void check_around(const char *what)
{
	is(dma_check(bed.dma, GPA, OFF, GEN(1)), 0, "%s: as ever before it", what);
	is(dma_check(bed.dma, PART_GPA + PART, SIZE - OFF - PART, GEN(1)), 0,
	   "%s: and behind it", what);
}

/* Pages that are there go, then a marker of their table says: no access. */
static void check_guard(const char *what, void (*get)(struct mem *m, size_t size),
			bool kept)
{
	uint64_t word;

	begin(get, SIZE);
	must(madvise(mem.hva + OFF, PART, MADV_GUARD_INSTALL));
	check_gone(what, PART_GPA, PART);
	is(dma_read(bed.dma, PART_GPA, &word, sizeof(word), 0), -EFAULT,
	   "%s: engine gets no more", what);
	is(ktdp_prefault(bed.tdp, PART_GPA, PAGE_4K, ACC_W), -EFAULT,
	   "%s: nor does prefault", what);
	is(guest_touch(&bed.vm, PART_GPA, PAGE_4K), -EFAULT, "%s: nor the guest", what);
	check_around(what);
	told_begin(&told, bed.dma);
	must(madvise(mem.hva + OFF, PART, MADV_GUARD_REMOVE));
	ok(told_nothing(&told), "%s: its removal takes nothing away", what);
	if (kept)
		is(dma_check(bed.dma, PART_GPA, PART, GEN(1)), 0, "%s: the data", what);
	else
		ok(dma_all(bed.dma, PART_GPA, PART, 0), "%s: zero", what);
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "%s: all works again", what);
	end();
}

static void test_guard(void)
{
	check_guard("guard", mem_small, false);
	check_guard("guard in a memfd", mem_memfd, true);
}

static int engine_reads(void)
{
	return dma_check(bed.dma, PART_GPA, PART, GEN(1));
}

static int engine_writes(void)
{
	return dma_fill(bed.dma, PART_GPA, PART, GEN(1));
}

static int guest_reads(void)
{
	return guest_check(&bed.vm, PART_GPA, PART, GEN(1));
}

static void begin_uffd(void (*get)(struct mem *m, size_t size), size_t size,
		       uint64_t mode, uint64_t features)
{
	begin(get, size);
	uffd = uffd_open(features);
	uffd_register(uffd, &mem, mode);
	told_begin(&told, bed.dma);
}

static void end_uffd(void)
{
	close(uffd);
	end();
}

/*
 * Userfaultfd takes all access from pages that stay where they are: the entry looks as
 * with PROT_NONE, which mprotect() would undo.  What the table maps is not to get past.
 */
static void check_rwp(const char *what, void (*get)(struct mem *m, size_t size),
		      int (*run)(void))
{
	struct attempt attempt;
	uint64_t hva, size;

	begin_uffd(get, SIZE, UFFDIO_REGISTER_MODE_RWP, UFFD_FEATURE_RWP);
	is(uffd_rwprotect(uffd, (uintptr_t)mem.hva + OFF, PART, 1), 0, "%s: protect", what);
	check_gone(what, PART_GPA, PART);
	check_around(what);
	ok(ktdp_absent(bed.tdp, PART_GPA, PART), "%s: which maps nothing of it", what);
	must(mprotect(mem.hva, SIZE, PROT_READ));
	must(mprotect(mem.hva, SIZE, PROT_READ | PROT_WRITE));
	attempt_begin(&attempt, run);
	for (size = 0; size < PART; size += PAGE_4K) {
		hva = uffd_wait(uffd, PATIENCE);
		if (!hva || uffd_rwprotect(uffd, hva, PAGE_4K, 0))
			break;
	}
	is(size, PART, "%s: each page is asked for", what);
	is(attempt_end(&attempt), 0, "%s: and then found as it was", what);
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "%s: all works again", what);
	end_uffd();
}

static void test_rwp(void)
{
	check_rwp("rwp, engine reads", mem_small, engine_reads);
	check_rwp("rwp, engine writes", mem_small, engine_writes);
	check_rwp("rwp, guest reads", mem_small, guest_reads);
	check_rwp("rwp of a memfd, engine reads", mem_memfd, engine_reads);
}

static void check_rwp_huge(const char *what, void (*get)(struct mem *m, size_t size))
{
	struct attempt attempt;
	uint64_t hva;

	begin_uffd(get, PAGE_2M, UFFDIO_REGISTER_MODE_RWP, UFFD_FEATURE_RWP);
	is(ktdp_level(bed.tdp, GPA), 2, "%s: huge leaf first", what);
	is(uffd_rwprotect(uffd, (uintptr_t)mem.hva, PAGE_2M, 1), 0, "%s: protect", what);
	check_gone(what, GPA, PAGE_2M);
	attempt_begin(&attempt, engine_reads);
	hva = uffd_wait(uffd, PATIENCE);
	ok(hva, "%s: engine waits", what);
	ok(ktdp_absent(bed.tdp, GPA, PAGE_2M), "%s: and nothing is mapped", what);
	is(uffd_rwprotect(uffd, (uintptr_t)mem.hva, PAGE_2M, 0), 0, "%s: let it", what);
	is(attempt_end(&attempt), 0, "%s: engine finds the data", what);
	is(ktdp_level(bed.tdp, GPA), 2, "%s: huge leaf again", what);
	told_begin(&told, bed.dma);
	is(uffd_rwprotect(uffd, (uintptr_t)mem.hva, PAGE_2M, 1), 0, "%s: protect", what);
	check_gone(what, GPA, PAGE_2M);
	/* Closing it gives all access back. */
	close(uffd);
	is(dma_check(bed.dma, GPA, PAGE_2M, GEN(1)), 0, "%s: without handler", what);
	end();
}

static void test_rwp_huge(void)
{
	if (mem_skip_thp("rwp huge"))
		return;
	check_rwp_huge("rwp of THP", mem_thp);
	check_rwp_huge("rwp of hugetlb", get_hugetlb);
}

/* How many pages of the memory are in a category, and the first of them. */
static size_t scan(uint64_t flags, uint64_t category, void **first)
{
	struct page_region regions[SIZE / PAGE_4K];
	struct pm_scan_arg arg = {
		.size = sizeof(arg), .flags = flags,
		.start = (uintptr_t)mem.hva, .end = (uintptr_t)mem.hva + mem.size,
		.vec = (uintptr_t)regions, .vec_len = SIZE / PAGE_4K,
		.category_mask = category, .return_mask = category,
	};
	int fd = must(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
	int i, nr = must(ioctl(fd, PAGEMAP_SCAN, &arg));
	size_t pages = 0;

	close(fd);
	for (i = 0; i < nr; i++)
		pages += (regions[i].end - regions[i].start) / PAGE_4K;
	if (first)
		*first = nr ? (void *)(uintptr_t)regions[0].start : NULL;
	return pages;
}

/* The kernel grants the access itself, and notes it: also that of an importer. */
static void test_rwp_async(void)
{
	void *first;

	begin_uffd(mem_small, SIZE, UFFDIO_REGISTER_MODE_RWP,
		   UFFD_FEATURE_RWP | UFFD_FEATURE_RWP_ASYNC);
	is(uffd_rwprotect(uffd, (uintptr_t)mem.hva, SIZE, 1), 0, "protect");
	check_gone("async rwp", GPA, SIZE);
	is(scan(0, PAGE_IS_ACCESSED, NULL), 0, "no page was accessed");
	is(dma_check(bed.dma, PART_GPA, PAGE_4K, GEN(1)), 0, "engine reads one");
	is(scan(0, PAGE_IS_ACCESSED, &first), 1, "which is seen");
	ok(first == mem.hva + OFF, "as that one");
	ok(ktdp_absent(bed.tdp, GPA, OFF), "those before it are not mapped");
	ok(ktdp_absent(bed.tdp, PART_GPA + PAGE_4K, SIZE - OFF - PAGE_4K),
	   "nor are those behind it");
	is(guest_fill(&bed.vm, GPA, PAGE_4K, GEN(1)), 0, "guest writes another");
	is(scan(0, PAGE_IS_ACCESSED, NULL), 2, "which is seen, too");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "all works");
	end_uffd();
}

/* Dirty tracking by the VMM: what an importer writes is in the next scan. */
static void check_wp_async(const char *what, void (*get)(struct mem *m, size_t size))
{
	void *first;

	begin_uffd(get, SIZE, UFFDIO_REGISTER_MODE_WP,
		   UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_HUGETLBFS_SHMEM);
	is(scan(PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC, PAGE_IS_WRITTEN, NULL),
	   SIZE / PAGE_4K, "%s: all was written", what);
	ok(told_covers(&told, GPA, SIZE), "%s: importer was told", what);
	ok(ktdp_grants_none(bed.tdp, GPA, SIZE, ACC_W), "%s: no leaf can be written", what);
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, "%s: engine reads", what);
	ok(ktdp_grants_none(bed.tdp, GPA, SIZE, ACC_W), "%s: which grants no write", what);
	is(scan(0, PAGE_IS_WRITTEN, NULL), 0, "%s: nothing was written", what);
	is(dma_fill(bed.dma, PART_GPA, PAGE_4K, GEN(2)), 0, "%s: engine writes a page", what);
	is(scan(0, PAGE_IS_WRITTEN, &first), 1, "%s: which is seen", what);
	ok(first == mem.hva + OFF, "%s: as that one", what);
	is(guest_fill(&bed.vm, GPA, PAGE_4K, GEN(2)), 0, "%s: guest writes another", what);
	told_begin(&told, bed.dma);
	is(scan(PM_SCAN_WP_MATCHING, PAGE_IS_WRITTEN, NULL), 2, "%s: two in all", what);
	ok(told_covers(&told, PART_GPA, PAGE_4K), "%s: importer was told again", what);
	ok(ktdp_grants_none(bed.tdp, GPA, SIZE, ACC_W), "%s: none can be written", what);
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 3), "%s: all works", what);
	end_uffd();
}

static void test_wp_async(void)
{
	check_wp_async("async wp", mem_small);
	check_wp_async("async wp of a memfd", mem_memfd);
}

/* Pages of the guest go elsewhere in its process, as they are. */
static void check_move_away(const char *what, void (*get)(struct mem *m, size_t size),
			    size_t size, size_t off, size_t part)
{
	struct mem other;

	begin(get, size);
	mem_small(&other, part);
	uffd = uffd_open(UFFD_FEATURE_MOVE);
	uffd_register(uffd, &other, UFFDIO_REGISTER_MODE_MISSING);
	is(uffd_move(uffd, other.hva, mem.hva + off, part), part, "%s", what);
	check_gone(what, GPA + off, part);
	ok(mem_check(other.hva, GPA + off, part, GEN(1)), "%s: they are there", what);
	ok(dma_all(bed.dma, GPA + off, part, 0), "%s: engine reads zero", what);
	is(dma_fill(bed.dma, GPA + off, part, GEN(2)), 0, "%s: engine writes", what);
	ok(mem_check(other.hva, GPA + off, part, GEN(1)), "%s: to pages of its own", what);
	ok(bed_works(&bed, GPA, mem.hva, size, 3), "%s: all works again", what);
	mem_free(&other);
	end_uffd();
}

static int engine_reads_all(void)
{
	return dma_check(bed.dma, GPA, SIZE, GEN(1));
}

/* Post-copy whose handler has the pages already, and moves them in. */
static void check_move_in(void)
{
	struct attempt attempt;
	uint64_t hva, size, off;
	struct mem other;

	mem_small(&mem, SIZE);
	mem_small(&other, SIZE);
	mem_fill(other.hva, GPA, SIZE, GEN(1));
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	uffd = uffd_open(UFFD_FEATURE_MOVE);
	uffd_register(uffd, &mem, UFFDIO_REGISTER_MODE_MISSING);
	attempt_begin(&attempt, engine_reads_all);
	for (size = 0; size < SIZE; size += PAGE_4K) {
		hva = uffd_wait(uffd, PATIENCE);
		off = (hva & -PAGE_4K) - (uintptr_t)mem.hva;
		if (!hva || uffd_move(uffd, mem.hva + off, other.hva + off,
				      PAGE_4K) != PAGE_4K)
			break;
	}
	is(size, SIZE, "move in: every page is asked for and given");
	is(attempt_end(&attempt), 0, "move in: engine reads them");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "move in: all works");
	mem_free(&other);
	end_uffd();
}

static void test_move(void)
{
	check_move_away("move away", mem_small, SIZE, OFF, PART);
	if (mem_has_thp())
		check_move_away("move 2M away", mem_thp, 2 * PAGE_2M, PAGE_2M, PAGE_2M);
	check_move_in();
}

/* A seal keeps the mapping, not what is in it. */
static void test_mseal(void)
{
	begin(mem_small, SIZE);
	is(sys(syscall(SYS_mseal, mem.hva, SIZE, 0)), 0, "seal");
	is(sys(munmap(mem.hva + OFF, PART)), -EPERM, "munmap is refused");
	is(sys(mprotect(mem.hva + OFF, PART, PROT_READ)), -EPERM, "mprotect too");
	ok(told_nothing(&told), "importer hears nothing of these");
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, "and goes on");
	must(madvise(mem.hva + OFF, PART, MADV_DONTNEED));
	check_gone("DONTNEED", PART_GPA, PART);
	ok(dma_all(bed.dma, PART_GPA, PART, 0), "DONTNEED: zero");
	check_around("DONTNEED");
	end();
}

/* Another process gives the advice, which has none of the memory itself. */
static int other_advises(void *hva, size_t size, int advice)
{
	struct iovec range = { hva, size };
	pid_t pid = must(fork());
	int pidfd;

	if (!pid) {
		pidfd = syscall(SYS_pidfd_open, getppid(), 0);
		_exit(syscall(SYS_process_madvise, pidfd, &range, 1, advice, 0) !=
		      (long)size);
	}
	return sys_wait_exit(pid, PATIENCE);
}

static void test_other_process(void)
{
	int i, ret;

	sys_swap();
	mem_small(&mem, PAGE_2M);
	must(madvise(mem.hva, mem.size, MADV_DONTFORK));
	bed_open(&bed);
	bed_warm(&bed, GPA, &mem, &told);
	for (i = ret = 0; i < 50 && !ret && mem_any_present(mem.hva, mem.size); i++) {
		ret = other_advises(mem.hva, mem.size, MADV_PAGEOUT);
		sys_drop_caches();
	}
	is(ret, 0, "another process has it paged out");
	ok(!mem_any_present(mem.hva, mem.size), "all of it");
	check_gone("pageout", GPA, mem.size);
	is(dma_check(bed.dma, GPA, mem.size, GEN(1)), 0, "pageout: data");
	if (mem_has_thp()) {
		must(madvise(mem.hva, mem.size, MADV_HUGEPAGE));
		told_begin(&told, bed.dma);
		/* It finds a page busy in another CPU's LRU batch. */
		for (i = 0; i < 50 && !mem_is_thp(mem.hva); i++)
			other_advises(mem.hva, mem.size, MADV_COLLAPSE);
		ok(mem_is_thp(mem.hva), "and collapsed");
		check_gone("collapse", GPA, mem.size);
		is(dma_check(bed.dma, GPA, mem.size, GEN(1)), 0, "collapse: data");
	}
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "all works again");
	end();
}

/* One call for many ranges, whose TLB flush is one, in the end. */
static void test_vector(void)
{
	struct iovec ranges[2];
	int pidfd = must(syscall(SYS_pidfd_open, getpid(), 0));

	begin(mem_small, SIZE);
	ranges[0] = (struct iovec){ mem.hva, OFF };
	ranges[1] = (struct iovec){ mem.hva + OFF + PART, SIZE - OFF - PART };
	is(sys(syscall(SYS_process_madvise, pidfd, ranges, 2, MADV_DONTNEED, 0)),
	   SIZE - PART, "all but the middle goes");
	ok(told_covers(&told, PART_GPA + PART, SIZE - OFF - PART), "importer was told");
	ok(dma_reaches_none(bed.dma, GPA, OFF), "engine lost what is before");
	ok(dma_reaches_none(bed.dma, PART_GPA + PART, SIZE - OFF - PART), "and behind");
	ok(ktdp_absent(bed.tdp, GPA, OFF), "nothing is mapped before");
	ok(ktdp_absent(bed.tdp, PART_GPA + PART, SIZE - OFF - PART), "nor behind");
	is(dma_check(bed.dma, PART_GPA, PART, GEN(1)), 0, "the middle is as ever");
	ok(dma_all(bed.dma, GPA, OFF, 0), "zero before it");
	ok(dma_all(bed.dma, PART_GPA + PART, SIZE - OFF - PART, 0), "zero behind it");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "all works again");
	close(pidfd);
	end();
}

/* KB of this process's lowest page tables. */
static long page_tables(void)
{
	char line[128];
	long kb = -1;
	FILE *status = fopen("/proc/self/status", "re");

	while (status && kb < 0 && fgets(line, sizeof(line), status))
		sscanf(line, "VmPTE: %ld kB", &kb);
	if (status)
		fclose(status);
	return kb;
}

/* An engine of another process, which reads until it is killed, or has an error. */
static pid_t start_reader(void)
{
	pid_t pid = must(fork());
	uint64_t gpa = GPA, word;
	int dma, ret;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dma = dma_open_on(bed.tdp);
	do {
		ret = dma_read(dma, gpa, &word, sizeof(word), 0);
		gpa = GPA + (gpa - GPA + 7 * PAGE_4K) % mem.size;
	} while (!ret || ret == -EAGAIN);
	_exit(1);
}

/*
 * MADV_DONTNEED of 2M frees the page table as well, while others may walk it: without
 * mmap_lock held for write, and with no process on the CPUs of these.
 */
static void test_tables(void)
{
	uint64_t until;
	long before;
	int i, status;
	pid_t reader;

	mem_small(&mem, 2 * PAGE_2M);
	must(madvise(mem.hva, mem.size, MADV_DONTFORK));
	bed_open(&bed);
	bed_warm(&bed, GPA, &mem, &told);
	before = page_tables();
	must(madvise(mem.hva + PAGE_2M, PAGE_2M, MADV_DONTNEED));
	is(page_tables(), before - 4, "the page table goes, too");
	check_gone("tables", GPA + PAGE_2M, PAGE_2M);
	ok(dma_all(bed.dma, GPA + PAGE_2M, PAGE_2M, 0), "tables: engine reads zero");
	is(dma_check(bed.dma, GPA, PAGE_2M, GEN(1)), 0, "tables: and the rest");

	reader = start_reader();
	until = sys_now() + 3000;
	for (i = 0; sys_now() < until || i < 20; i++) {
		must(madvise(mem.hva + PAGE_2M, PAGE_2M, MADV_DONTNEED));
		must(madvise(mem.hva + PAGE_2M, PAGE_2M, MADV_POPULATE_WRITE));
	}
	is(waitpid(reader, &status, WNOHANG), 0, "tables: an engine elsewhere goes on");
	kill(reader, SIGKILL);
	must(waitpid(reader, &status, 0));
	ok(bed_agrees(&bed, GPA, mem.hva, mem.size), "tables: the host's pages");
	must(madvise(mem.hva + PAGE_2M, PAGE_2M, MADV_DONTNEED));
	ok(ktdp_absent(bed.tdp, GPA + PAGE_2M, PAGE_2M), "tables: all goes in the end");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "tables: all works again");
	end();
}

#define LARGE		0x10000UL	/* a folio of more than one page */
#define KHUGEPAGED	"/sys/kernel/mm/transparent_hugepage/khugepaged/"

/* The folios that new memory gets; restored with the kernel's "never" and "inherit". */
static void thp_sizes(const char *large, const char *huge)
{
	must(sys_write("/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled", large));
	must(sys_write("/sys/kernel/mm/transparent_hugepage/hugepages-2048kB/enabled", huge));
}

static uint64_t page_flags(uint64_t hpa)
{
	int fd = must(open("/proc/kpageflags", O_RDONLY | O_CLOEXEC));
	uint64_t flags;

	if (pread(fd, &flags, 8, hpa / PAGE_4K * 8) != 8)
		bail("kpageflags: errno %d", errno);
	close(fd);
	return flags;
}

/* Is all of [hva, hva + size) in such folios? */
static bool is_large(const void *hva, size_t size)
{
	const uint64_t head = 1 << 15, tail = 1 << 16;
	uint64_t hpa, first = 0;
	size_t off;

	for (off = 0; off < size; off += PAGE_4K) {
		hpa = mem_hpa(hva + off);
		if (!(off % LARGE))
			first = hpa;
		if (!hpa || hpa != first + off % LARGE ||
		    !(page_flags(hpa) & (off % LARGE ? tail : head)))
			return false;
	}
	return true;
}

static void get_large(struct mem *m, size_t size)
{
	thp_sizes("always", "never");
	mem_new(m, size, 0, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	must(madvise(m->hva, size, MADV_HUGEPAGE));
	memset(m->hva, 0, size);
	if (!is_large(m->hva, size))
		bail("no folios of %lu bytes", LARGE);
}

/* khugepaged may still be at it, and is not to make a huge page of the memory. */
static void end_large(void)
{
	end();
	thp_sizes("never", "inherit");
}

/* Part of a folio goes, the rest stays in it, or it is split. */
static void test_large(void)
{
	if (mem_skip_thp("large folios"))
		return;
	sys_swap();
	begin(get_large, 4 * LARGE);
	must(madvise(mem.hva + OFF, PART, MADV_DONTNEED));
	check_gone("DONTNEED", PART_GPA, PART);
	ok(dma_all(bed.dma, PART_GPA, PART, 0), "DONTNEED: zero");
	check_around("DONTNEED");
	is(dma_fill(bed.dma, PART_GPA, PART, GEN(1)), 0, "DONTNEED: engine writes");
	told_begin(&told, bed.dma);
	ok(mem_pageout(mem.hva + LARGE + OFF, PAGE_4K), "a page of a folio is paged out");
	check_gone("page out", GPA + LARGE + OFF, PAGE_4K);
	is(dma_check(bed.dma, GPA, mem.size, GEN(1)), 0, "page out: data");
	told_begin(&told, bed.dma);
	ok(mem_pageout(mem.hva, mem.size), "all is");
	check_gone("all out", GPA, mem.size);
	is(dma_check(bed.dma, GPA, mem.size, GEN(1)), 0, "all out: data");
	ok(bed_works(&bed, GPA, mem.hva, mem.size, 2), "all works again");
	end_large();
}

/* Folios that are dropped whole, unless something was written to them. */
static void test_large_free(void)
{
	if (mem_skip_thp("large folios"))
		return;
	sys_swap();
	begin(get_large, 4 * LARGE);
	must(madvise(mem.hva, mem.size, MADV_FREE));
	check_gone("FREE", GPA, mem.size);
	is(dma_fill(bed.dma, GPA + LARGE + OFF, PAGE_4K, GEN(2)), 0, "engine writes a page");
	told_begin(&told, bed.dma);
	ok(mem_pageout(mem.hva + LARGE, LARGE), "the host gets its folio back");
	check_gone("its folio", GPA + LARGE + OFF, PAGE_4K);
	ok(mem_pageout(mem.hva, mem.size), "and the others");
	is(dma_check(bed.dma, GPA + LARGE + OFF, PAGE_4K, GEN(2)), 0, "the write survives");
	ok(bed_works(&bed, GPA, mem.hva, mem.size, 3), "all works again");
	end_large();
}

/*
 * khugepaged makes folios of small pages.  It takes the page table of all 2M out of the
 * tree for that, and gives notice of 64K.
 */
static void test_large_collapse(void)
{
	unsigned int ms = 3 * PATIENCE;

	if (mem_skip_thp("large folios"))
		return;
	begin(mem_small, PAGE_2M);
	thp_sizes("always", "never");
	must(madvise(mem.hva, mem.size, MADV_HUGEPAGE));
	must(sys_write(KHUGEPAGED "scan_sleep_millisecs", "10"));
	while (!is_large(mem.hva, mem.size) && sys_step(&ms))
		;
	must(sys_write(KHUGEPAGED "scan_sleep_millisecs", "3600000"));
	ok(is_large(mem.hva, mem.size), "khugepaged makes larger folios");
	ok(!mem_is_thp(mem.hva), "but no huge page");
	ok(told_covers(&told, GPA, mem.size), "importer was told");
	ok(bed_agrees(&bed, GPA, mem.hva, mem.size), "no page of before is mapped");
	is(dma_check(bed.dma, GPA, mem.size, GEN(1)), 0, "data");
	ok(bed_agrees(&bed, GPA, mem.hva, mem.size), "the host's pages");
	ok(bed_works(&bed, GPA, mem.hva, mem.size, 2), "all works again");
	end_large();
}

/* The pages of a file become one, everywhere that it is mapped. */
static void test_file_collapse(void)
{
	if (mem_skip_thp("file collapse"))
		return;
	begin(mem_memfd, PAGE_2M);
	is(ktdp_level(bed.tdp, GPA), 1, "small leaf first");
	is(mem_collapse(mem.hva), 0, "collapse");
	check_gone("file collapse", GPA, PAGE_2M);
	is(dma_check(bed.dma, GPA, PAGE_2M, GEN(1)), 0, "file collapse: data");
	is(ktdp_level(bed.tdp, GPA), 2, "file collapse: huge leaf");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "file collapse: all works again");
	end();
}

/* The zero page of 2M gives way to a huge page at once, without small ones between. */
static void test_huge_zero_page(void)
{
	if (mem_skip_thp("huge zero page"))
		return;
	mem_thp(&mem, PAGE_2M);
	must(madvise(mem.hva, PAGE_2M, MADV_DONTNEED));
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	ok(dma_all(bed.dma, GPA, PAGE_2M, 0), "engine reads zero");
	ok(ktdp_mapped(bed.tdp, GPA, PAGE_2M), "all is mapped");
	told_begin(&told, bed.dma);
	mem_fill(mem.hva + OFF, PART_GPA, PART, GEN(1));
	ok(mem_is_thp(mem.hva), "the host writes, and has a huge page");
	check_gone("huge zero page", GPA, PAGE_2M);
	is(dma_check(bed.dma, PART_GPA, PART, GEN(1)), 0, "engine reads it");
	ok(dma_all(bed.dma, GPA, OFF, 0), "and zero around it");
	ok(bed_works(&bed, GPA, mem.hva, PAGE_2M, 2), "all works");
	end();
}

/* Several mappings with one call. */
static void test_mremap_many(void)
{
	const int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	struct mem other;
	uint64_t word;

	mem_small(&other, SIZE);
	mem_small(&mem, SIZE);
	must(madvise(mem.hva + OFF, PART, MADV_DONTFORK));
	bed_open(&bed);
	bed_warm(&bed, GPA, &mem, &told);
	ok(mremap(mem.hva, SIZE, SIZE, flags, other.hva) == other.hva,
	   "three mappings move away");
	check_gone("mremap", GPA, SIZE);
	is(dma_read(bed.dma, PART_GPA, &word, sizeof(word), 0), -EFAULT,
	   "mremap: engine gets no more");
	ok(mem_check(other.hva, GPA, SIZE, GEN(1)), "mremap: the data is there");
	ok(mremap(other.hva, SIZE, SIZE, flags, mem.hva) == mem.hva, "and back");
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, "back: engine reads it");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "back: all works again");
	end();
}

/* The same happens to all of the process, so the last notice tells nothing. */
static void check_lost(const char *what)
{
	ok(dma_reaches_none(bed.dma, GPA, SIZE), "%s: engine lost all", what);
	ok(ktdp_absent(bed.tdp, GPA, SIZE), "%s: nothing is mapped", what);
}

/* KSM for a whole process, and its end, which separates the pages. */
static void test_ksm_process(void)
{
	mem_small(&mem, SIZE);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	memset(mem.hva, 0x5c, SIZE);
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W), 0, "prefault to write");
	ok(dma_all(bed.dma, GPA, SIZE, 0x5c), "engine reads");
	must(prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0));
	ksm_start();
	ok(ksm_merges(mem.hva, SIZE), "KSM merges the pages");
	ksm_set("run", "0");
	check_lost("merged");
	ok(dma_all(bed.dma, GPA, SIZE, 0x5c), "merged: engine reads the same");
	ok(ktdp_grants_none(bed.tdp, GPA, SIZE, ACC_W), "merged: no leaf can be written");
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), "merged: the host's page");
	must(prctl(PR_SET_MEMORY_MERGE, 0, 0, 0, 0));
	ok(mem_hpa(mem.hva) != mem_hpa(mem.hva + PAGE_4K), "they are separated");
	check_lost("separated");
	ok(dma_all(bed.dma, GPA, SIZE, 0x5c), "separated: engine reads the same");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "separated: all works");
	end();
}

#define KDAMOND		"/sys/kernel/mm/damon/admin/kdamonds/"
#define CONTEXT		KDAMOND "0/contexts/0/"
#define SCHEME		CONTEXT "schemes/0/"
#define REGION		CONTEXT "targets/0/regions/0/"

static void damon_set(const char *path, unsigned long value)
{
	char text[32];
	int ret;

	snprintf(text, sizeof(text), "%lu", value);
	ret = sys_write(path, text);
	if (ret)
		bail("%s: %d", path, ret);
}

/* DAMON looks at nothing but this memory, and pages out all of it. */
static void damon_start(void)
{
	/* It lets nothing else run beside it. */
	must(sys_write("/sys/module/damon_stat/parameters/enabled", "N"));
	damon_set(KDAMOND "nr_kdamonds", 1);
	damon_set(KDAMOND "0/contexts/nr_contexts", 1);
	must(sys_write(CONTEXT "operations", "fvaddr"));
	damon_set(CONTEXT "monitoring_attrs/intervals/sample_us", 5000);
	damon_set(CONTEXT "monitoring_attrs/intervals/aggr_us", 100000);
	damon_set(CONTEXT "targets/nr_targets", 1);
	damon_set(CONTEXT "targets/0/pid_target", getpid());
	damon_set(CONTEXT "targets/0/regions/nr_regions", 1);
	damon_set(REGION "start", (uintptr_t)mem.hva);
	damon_set(REGION "end", (uintptr_t)mem.hva + mem.size);
	damon_set(CONTEXT "schemes/nr_schemes", 1);
	must(sys_write(SCHEME "action", "pageout"));
	damon_set(SCHEME "access_pattern/sz/max", -1UL);
	damon_set(SCHEME "access_pattern/nr_accesses/max", 1000);
	damon_set(SCHEME "access_pattern/age/max", 1000000);
	must(sys_write(KDAMOND "0/state", "on"));
}

static void test_damon(void)
{
	unsigned int ms = PATIENCE;

	sys_swap();
	begin(mem_small, SIZE);
	damon_start();
	/* It leaves alone those that are in another CPU's LRU batch. */
	while (mem_any_present(mem.hva, mem.size) && sys_step(&ms))
		if (ms % 500 == 0)
			sys_drop_caches();
	must(sys_write(KDAMOND "0/state", "off"));
	damon_set(KDAMOND "nr_kdamonds", 0);
	ok(!mem_any_present(mem.hva, mem.size), "DAMON has it paged out");
	check_gone("DAMON", GPA, SIZE);
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, "DAMON: data");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "DAMON: all works again");
	end();
}

/* Memory that may be dropped at any time, written or not. */
static void get_droppable(struct mem *m, size_t size)
{
	mem_new(m, size, 0, MAP_DROPPABLE | MAP_ANONYMOUS, -1);
	mem_no_thp(m->hva, size);
}

static void test_droppable(void)
{
	begin(get_droppable, SIZE);
	ok(mem_pageout(mem.hva, SIZE), "the host drops it");
	check_gone("dropped", GPA, SIZE);
	ok(dma_all(bed.dma, GPA, SIZE, 0), "engine reads zero");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "all works again");
	end();
}

#define NOP		0x90
#define INT3		0xcc
#define CODE		"/tmp/code"
#define TRACING		"/sys/kernel/tracing/"

/* An instruction of a file is to be traced from now on, or no longer. */
static void probe(unsigned long offset, bool on)
{
	char text[96];

	if (on) {
		snprintf(text, sizeof(text), "p:at_%lx " CODE ":0x%lx", offset, offset);
		must(sys_write(TRACING "uprobe_events", text));
	}
	snprintf(text, sizeof(text), TRACING "events/uprobes/at_%lx/enable", offset);
	must(sys_write(text, on ? "1" : "0"));
	if (!on) {
		snprintf(text, sizeof(text), "-:at_%lx", offset);
		must(sys_write(TRACING "uprobe_events", text));
	}
}

static int byte_at(uint64_t gpa)
{
	unsigned char byte;

	is(dma_read(bed.dma, gpa, &byte, 1, 0), 0, "engine reads");
	return byte;
}

/*
 * The first probe in a page gets a copy of it from the kernel; the next ones are written
 * into that, without notice, for it stays where it is; with the last the file's page
 * comes back.
 */
static void test_uprobe(void)
{
	int fd = must(open(CODE, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0700));
	char code[PAGE_4K];
	uint64_t file;
	size_t off;

	memset(code, NOP, sizeof(code));
	for (off = 0; off < SIZE; off += sizeof(code))
		if (pwrite(fd, code, sizeof(code), off) != sizeof(code))
			bail("write to %s: errno %d", CODE, errno);
	mem_new(&mem, SIZE, 0, MAP_PRIVATE, fd);
	must(mprotect(mem.hva, SIZE, PROT_READ | PROT_EXEC));
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	ok(dma_all(bed.dma, GPA, SIZE, NOP), "engine reads the file");
	file = ktdp_hpa(bed.tdp, PART_GPA);

	told_begin(&told, bed.dma);
	probe(OFF, true);
	ok(told_covers(&told, PART_GPA, PAGE_4K), "probe: importer was told");
	is(byte_at(PART_GPA), INT3, "probe: and reads it");
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), "probe: the host's pages");
	ok(ktdp_hpa(bed.tdp, PART_GPA) != file, "probe: not the file's");
	probe(OFF + 1, true);
	is(byte_at(PART_GPA + 1), INT3, "another: in the same page");
	is(byte_at(PART_GPA), INT3, "another: beside the first");
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), "another: the host's pages");
	/* The copy is not dropped while it is in a CPU's LRU batch. */
	sys_drop_caches();
	told_begin(&told, bed.dma);
	probe(OFF, false);
	probe(OFF + 1, false);
	ok(told_covers(&told, PART_GPA, PAGE_4K), "removed: importer was told");
	ok(dma_all(bed.dma, GPA, SIZE, NOP), "removed: engine reads the file");
	is(ktdp_hpa(bed.tdp, PART_GPA), file, "removed: its page");
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), "removed: the host's pages");
	unlink(CODE);
	end();
}

static const struct tap_case cases[] = {
	{ "guard", test_guard },
	{ "rwp", test_rwp },
	{ "rwp_huge", test_rwp_huge },
	{ "rwp_async", test_rwp_async },
	{ "wp_async", test_wp_async },
	{ "move", test_move },
	{ "mseal", test_mseal },
	{ "other_process", test_other_process },
	{ "vector", test_vector },
	{ "tables", test_tables },
	{ "large", test_large },
	{ "large_free", test_large_free },
	{ "large_collapse", test_large_collapse },
	{ "file_collapse", test_file_collapse },
	{ "huge_zero_page", test_huge_zero_page },
	{ "mremap_many", test_mremap_many },
	{ "ksm_process", test_ksm_process },
	{ "damon", test_damon },
	{ "droppable", test_droppable },
	{ "uprobe", test_uprobe },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
