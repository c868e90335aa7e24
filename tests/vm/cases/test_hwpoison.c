// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that the host declares broken, or that is broken and the host does not
 * know it yet.  Needs a kernel with CONFIG_MEMORY_FAILURE (Debian's amd64 flavour,
 * not its cloud flavour), and mce=recovery: the CPU is not one for which the
 * kernel copies with care of its own accord.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bed.h"
#include "kmod.h"

#define SIZE	0x8000UL
#define BAD	0x3000UL

static struct bed bed;
static struct mem mem;

static void begin(void)
{
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	is(guest_fill(&bed.vm, GPA, mem.size, GEN(9)), 0, "guest writes");
	is(dma_fill(bed.dma, GPA, mem.size, GEN(1)), 0, "engine writes");
}

static void on_sigbus(int signal)
{
}

/* From 6.11 on the caller gets the signal that a reader of the page would get. */
static int poison(void *hva)
{
	struct sigaction act = { .sa_handler = on_sigbus }, old;
	int ret;

	sigaction(SIGBUS, &act, &old);
	ret = sys(madvise(hva, PAGE_4K, MADV_HWPOISON));
	sigaction(SIGBUS, &old, NULL);
	return ret;
}

/* The page at @bad goes bad; a leaf of it and all around it goes at once. */
static void check_poison(const char *what, uint64_t bad, size_t size)
{
	uint64_t gpa = bad & -size;
	struct told told;

	told_begin(&told, bed.dma);
	is(poison(mem.hva + (bad - GPA)), 0, "%s: a page goes bad", what);
	ok(told_of(&told, gpa, size), "%s: importer was told", what);
	ok(ktdp_absent(bed.tdp, gpa, size), "%s: nothing is mapped", what);
}

static void check_refused(const char *what, uint64_t gpa)
{
	uint64_t word = 0;

	is(ktdp_prefault(bed.tdp, gpa, PAGE_4K, ACC_R), -EHWPOISON, "%s: read", what);
	is(ktdp_prefault(bed.tdp, gpa, PAGE_4K, ACC_W), -EHWPOISON, "%s: write", what);
	is(ktdp_prefault(bed.tdp, gpa, PAGE_4K, ACC_X), -EHWPOISON, "%s: exec", what);
	is(dma_read(bed.dma, gpa, &word, 8, 0), -EHWPOISON, "%s: engine reads", what);
	is(dma_write(bed.dma, gpa, &word, 8, 0), -EHWPOISON, "%s: engine writes",
	   what);
	ok(ktdp_absent(bed.tdp, gpa, PAGE_4K), "%s: never mapped for that", what);
}

/* The rest of what a small page was taken out of. */
static void check_rest(const char *what, uint64_t gpa, size_t size)
{
	uint64_t some;

	is(dma_check(bed.dma, gpa, BAD, GEN(1)), 0, "%s: good before", what);
	is(dma_check(bed.dma, gpa + BAD + PAGE_4K, size - BAD - PAGE_4K, GEN(1)), 0,
	   "%s: good behind", what);
	is(ktdp_prefault_some(bed.tdp, gpa, size, ACC_W, &some), -EHWPOISON,
	   "%s: prefault of all", what);
	is(some, BAD, "%s: goes as far as the bad page", what);
	ok(bed_agrees(&bed, GPA, mem.hva, mem.size), "%s: the host's pages", what);
}

static void test_small(void)
{
	mem_small(&mem, SIZE);
	begin();
	check_poison("small", GPA + BAD, PAGE_4K);
	check_refused("small", GPA + BAD);
	check_rest("small", GPA, SIZE);
	bed_close(&bed);
	mem_free(&mem);
}

static void test_thp(void)
{
	uint64_t gpa = GPA + PAGE_2M;

	if (mem_skip_thp("THP"))
		return;
	mem_thp(&mem, 2 * PAGE_2M);
	begin();
	is(ktdp_level(bed.tdp, gpa), 2, "THP: huge leaf first");
	check_poison("THP", gpa + BAD, PAGE_2M);
	check_refused("THP", gpa + BAD);
	check_rest("THP", gpa, PAGE_2M);
	is(ktdp_level(bed.tdp, gpa), 1, "THP: small leaves then");
	is(ktdp_level(bed.tdp, GPA), 2, "THP: its neighbour is as it was");
	bed_close(&bed);
	mem_free(&mem);
}

/* Of hugetlb a whole page is bad. */
static void test_hugetlb(void)
{
	uint64_t gpa = GPA + PAGE_2M;

	if (mem_hugetlb(&mem, 2 * PAGE_2M, PAGE_2M))
		bail("no 2M pages");
	begin();
	check_poison("hugetlb", gpa + BAD, PAGE_2M);
	check_refused("hugetlb", gpa);
	check_refused("hugetlb", gpa + BAD);
	is(dma_check(bed.dma, GPA, PAGE_2M, GEN(1)), 0, "hugetlb: its neighbour");
	bed_close(&bed);
	mem_free(&mem);
}

static void check_rw(const char *what, uint64_t gpa, uint64_t length,
		     unsigned int flags, uint64_t done)
{
	char buf[SIZE];
	struct kvm_tdp_dma_rw rw = {
		.size = sizeof(rw), .flags = flags, .gpa = gpa,
		.buf = (uintptr_t)buf, .length = length, .done = ~0ULL,
	};
	uint64_t before = dma_stats(bed.dma).bytes_read;

	is(sys(ioctl(bed.dma, KVM_TDP_DMA_READ, &rw)), -EHWPOISON, "read: %s", what);
	is(rw.done, done, "read: %s: bytes before it are done", what);
	is(dma_stats(bed.dma).bytes_read - before, done, "read: %s: and counted",
	   what);
	ok(mem_check(buf, gpa, done, GEN(1)), "read: %s: and right", what);
}

static void check_copy(const char *what, uint64_t src, uint64_t dst,
		       uint64_t length, uint64_t done)
{
	struct kvm_tdp_dma_copy copy = {
		.size = sizeof(copy), .src_gpa = src, .dst_gpa = dst,
		.length = length, .done = ~0ULL,
	};

	is(sys(ioctl(bed.dma, KVM_TDP_DMA_COPY, &copy)), -EHWPOISON, "copy: %s", what);
	is(copy.done, done, "copy: %s: bytes before it are done", what);
}

/* The same, with guest memory as a file. */
static void check_file(void)
{
	int fd = must(sys(kvm_tdp_mem_open(bed.tdp, getpid(), O_RDONLY)));
	char buf[SIZE];

	is(sys(pread(fd, buf, SIZE, GPA)), BAD, "file: ends before the page");
	ok(mem_check(buf, GPA, BAD, GEN(1)), "file: and is right");
	is(sys(pread(fd, buf, 16, GPA + BAD - 8)), 8, "file: in the midst of a read");
	is(sys(pread(fd, buf, PAGE_4K, GPA + BAD)), -EHWPOISON, "file: the page");
	is(sys(pread(fd, buf, 1, GPA + BAD + 0x123)), -EHWPOISON, "file: a byte");
	close(fd);
}

/* The page is mapped, and stays so: nobody but the engine finds it broken. */
static void test_engine(void)
{
	void *bad;
	int kmod;

	kmod = kmod_open();
	mem_small(&mem, 2 * SIZE);
	begin();
	bad = mem.hva + BAD;
	kmod_break(kmod, KTDP_TEST_BREAK_PAGE, bad);
	check_rw("the page", GPA + BAD, PAGE_4K, 0, 0);
	check_rw("a byte", GPA + BAD + 0x123, 1, KVM_TDP_DMA_NOFAULT, 0);
	check_rw("more", GPA, SIZE, 0, BAD);
	check_rw("some of it", GPA + BAD - 8, 16, KVM_TDP_DMA_NOFAULT, 8);
	check_copy("the page", GPA + BAD, GPA + SIZE, PAGE_4K, 0);
	check_copy("more", GPA, GPA + SIZE, SIZE, BAD);
	check_file();
	is(ktdp_level(bed.tdp, GPA + BAD), 1, "it is mapped as before");
	is(dma_check(bed.dma, GPA + BAD + PAGE_4K, SIZE - BAD - PAGE_4K, GEN(1)), 0,
	   "good behind");

	kmod_break(kmod, KTDP_TEST_MEND_PAGE, bad);
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, "mended, all is as it was");

	/* As it goes: the engine meets it first, the host then takes it back. */
	kmod_break(kmod, KTDP_TEST_BREAK_PAGE, bad);
	check_rw("again", GPA + BAD, PAGE_4K, 0, 0);
	check_poison("found", GPA + BAD, PAGE_4K);
	check_refused("found", GPA + BAD);
	bed_close(&bed);
	mem_free(&mem);
	close(kmod);
}

static const struct tap_case cases[] = {
	{ "engine", test_engine },
	{ "small", test_small },
	{ "thp", test_thp },
	{ "hugetlb", test_hugetlb },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
