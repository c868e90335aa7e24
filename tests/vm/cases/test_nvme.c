// SPDX-License-Identifier: GPL-2.0-only
/*
 * The example driver in user space, examples/nvme: a disk reads into a guest's memory,
 * and writes from it, by guest physical address, while the host takes that memory away.
 */
#include <linux/vfio.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bed.h"
#include "nvme.h"
#include "pci.h"
#include "sys.h"

#define SIZE	(4 * PAGE_2M)
#define HALF	(SIZE / 2)
#define PIECE	(64 * PAGE_4K)
#define READS	1000
#define OWN_IOVA	0x7000000000UL	/* within 39 bits, above the guest's memory */
#define ROUNDS	10
/* How often the host gets its turn while the disk is at it is not in our hands. */
#define MANY_ROUNDS	500

static struct bed bed;
static struct mem mem;
static struct nvme nvme;
static char name[32];
static bool stop;

static uint64_t block_of(uint64_t offset)
{
	return offset / nvme.block;
}

/* Half of the memory, to or from the beginning of the disk: what failed. */
static int move(uint64_t gpa, bool to_guest)
{
	uint64_t off;
	int ret = 0;

	for (off = 0; off < HALF && !ret; off += PIECE)
		ret = nvme_rw(&nvme, gpa + off, PIECE, block_of(off), to_guest);
	return ret;
}

static void begin(void)
{
	bed_open(&bed);
	mem_small(&mem, SIZE);
	vm_map(&bed.vm, 1, GPA, &mem);
	must(vfio_attach(&nvme.vfio, bed.tdp, 0, -1, nvme.hits));
	nvme.again = 0;
}

static void end(void)
{
	must(vfio_detach(&nvme.vfio));
	bed_close(&bed);
	mem_free(&mem);
}

static void test_round(void)
{
	begin();
	is(guest_fill(&bed.vm, GPA, HALF, GEN(1)), 0, "the guest fills its memory");
	is(move(GPA, false), 0, "the disk writes it down");
	must(madvise(mem.hva, HALF, MADV_DONTNEED));
	is(move(GPA, true), 0, "the memory is gone: the disk reads it in");
	is(guest_check(&bed.vm, GPA, HALF, GEN(1)), 0, "the guest has it again");
	is(nvme.again, 0, "nothing was done again");
	is(nvme_rw(&nvme, GPA + SIZE, PAGE_4K, 0, true), -EFAULT, "where there is no slot");
	is(nvme_rw(&nvme, GPA, PAGE_4K, nvme.blocks, true), -EIO, "beyond the disk");
	is(nvme_rw(&nvme, GPA, 8, 0, true), -EINVAL, "less than a page");
	end();
}

/* Without begin and done wrong data would be on the disk, and nobody would know. */
static void test_hit(void)
{
	uint32_t id;
	int ret;

	sys_swap();
	begin();
	mem_fill(mem.hva, GPA, PIECE, GEN(2));
	is(nvme_rw(&nvme, GPA, PIECE, 0, false), 0, "the disk writes memory down");
	mem_fill(mem.hva, GPA, PIECE, GEN(3));
	must(vfio_begin(&nvme.vfio, GPA, PIECE, KVM_TDP_VFIO_READ, &id));
	ok(mem_pageout(mem.hva, PIECE), "the host pages it out as the disk is about to write");
	ret = nvme_raw(&nvme, GPA, PIECE, 0, false);
	diag("the disk says %d, status %#x", ret, nvme.status);
	is(vfio_done(&nvme.vfio, id), -EAGAIN, "it was hit");
	is(nvme_rw(&nvme, GPA, PIECE, 0, false), 0, "again");
	is(nvme_rw(&nvme, GPA + HALF, PIECE, 0, true), 0, "and read to another place");
	ok(!memcmp(mem.hva, mem.hva + HALF, PIECE), "what is on the disk is right");
	end();
}

/*
 * What the disk writes down, again and again.  What it reads into stays: QEMU's NVMe maps
 * memory for as long as a transfer takes, and writes there whatever the IOMMU says meanwhile,
 * so that the page's next owner would be overwritten.  (Device "edu" does not; the storm
 * writes with that.)
 */
static void *host(void *unused)
{
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
		madvise(mem.hva, HALF, MADV_PAGEOUT);
	return NULL;
}

/* The host may take the memory as fast as it is brought, for a while. */
static int move_at_last(uint64_t gpa, bool to_guest)
{
	int ret, tries = 0;

	do {
		ret = move(gpa, to_guest);
	} while (ret == -EAGAIN && ++tries < 100);
	return ret;
}

static void test_paged_out(void)
{
	int i, failed = 0, wrong = 0;
	pthread_t thread;

	sys_swap();
	begin();
	stop = false;
	must(-pthread_create(&thread, NULL, host, NULL));
	for (i = 0; i < ROUNDS || (!nvme.again && i < MANY_ROUNDS); i++) {
		failed += !!guest_fill(&bed.vm, GPA, HALF, GEN(4 + i));
		failed += !!move_at_last(GPA, false);
		failed += !!move_at_last(GPA + HALF, true);
		wrong += !!memcmp(mem.hva, mem.hva + HALF, HALF);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	is(failed, 0, "%d rounds, while the host pages what is written down out", i);
	is(wrong, 0, "all of them are right");
	ok(nvme.again > 0, "%llu transfers were hit and done again",
	   (unsigned long long)nvme.again);
	end();
}

/* All of the memory is begun once; what the host takes of it is seen in the page of hits. */
static void test_held(void)
{
	int i;

	sys_swap();
	begin();
	is(nvme_hold(&nvme, GPA, SIZE), 0, "all of it is held");
	is(nvme_hold(&nvme, GPA, SIZE), -EBUSY, "once");
	for (i = 0; i < 3; i++) {
		is(guest_fill(&bed.vm, GPA, HALF, GEN(4 + i)), 0, "the guest fills half of it");
		ok(mem_pageout(mem.hva, PIECE), "the host pages a piece out");
		is(move(GPA, false), 0, "the disk writes it down");
		is(nvme.again, i + 1, "one transfer was hit, and done again");
		is(move(GPA + HALF, true), 0, "the disk reads it in");
		is(nvme.again, i + 1, "none was hit");
		ok(!memcmp(mem.hva, mem.hva + HALF, HALF), "it is right");
	}
	nvme_release(&nvme);
	end();
}

/* Reads of a page each, to here and there, a second; all pages have been there before. */
static double reads_per_second(int (*read)(struct nvme *nvme, uint64_t gpa, uint64_t length,
					   uint64_t block, bool to_guest))
{
	uint64_t start = 0;
	int i;

	for (i = 0; i < 2 * READS; i++) {
		if (i == READS)
			start = sys_now();
		must(read(&nvme, GPA + i % READS * 37 % (SIZE / PAGE_4K) * PAGE_4K, PAGE_4K,
			  block_of(i * 11 % (HALF / PAGE_4K) * PAGE_4K), true));
	}
	return READS * 1000.0 / (sys_now() - start);
}

static void pin(uint64_t iova, void *hva, size_t size)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)hva, .iova = iova, .size = size,
	};

	must(ioctl(nvme.vfio.container, VFIO_IOMMU_MAP_DMA, &map));
}

static double more(double a, double b)
{
	return a > b ? a : b;
}

/*
 * Next to the same disk, and driver, with memory that is pinned; by turns, and the best of
 * some, of many where others have the machine just when one is measured.
 */
static void test_rate(void)
{
	double ours = 0, held = 0, pinned = 0;
	uint64_t again = 0;
	int turn;

	for (turn = 0; turn < 3 || (turn < 30 && held <= pinned / 2); turn++) {
		begin();
		ours = more(ours, reads_per_second(nvme_rw));
		must(nvme_hold(&nvme, GPA, SIZE));
		held = more(held, reads_per_second(nvme_rw));
		nvme_release(&nvme);
		again += nvme.again;
		must(vfio_detach(&nvme.vfio));
		nvme_close(&nvme);

		must(nvme_take(&nvme, name, VFIO_TYPE1v2_IOMMU));
		pin(OWN_IOVA, nvme.own, NVME_OWN_SIZE);
		pin(GPA, mem.hva, SIZE);
		must(nvme_start(&nvme, OWN_IOVA));
		pinned = more(pinned, reads_per_second(nvme_raw));
		nvme_close(&nvme);
		must(nvme_open(&nvme, name));
		bed_close(&bed);
		mem_free(&mem);
	}
	diag("note: reads of 4K a second: %.0f, held %.0f, pinned %.0f", ours, held, pinned);
	is(again, 0, "nothing was done again");
	ok(held > pinned / 2, "what is held costs nothing");
}

static const struct tap_case cases[] = {
	{ "round", test_round },
	{ "hit", test_hit },
	{ "paged_out", test_paged_out },
	{ "held", test_held },
	{ "rate", test_rate },
};

int main(int argc, char **argv)
{
	int ret;

	if (!pci_find("class", "0x010802", name, sizeof(name)))
		bail("there is no NVMe disk");
	must(vfio_bind(name));
	must(nvme_open(&nvme, name));
	diag("%llu blocks of %u bytes", (unsigned long long)nvme.blocks, nvme.block);
	ret = RUN_CASES(cases, argc, argv);
	nvme_close(&nvme);
	return ret;
}
