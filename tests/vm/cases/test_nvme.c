// SPDX-License-Identifier: GPL-2.0-only
/*
 * The example driver in user space, examples/nvme: a disk reads into a guest's memory,
 * and writes from it, by guest physical address, while the host takes that memory away.
 */
#include <linux/fs.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bed.h"
#include "nvme.h"
#include "pci.h"
#include "sys.h"

#define SIZE	(4 * PAGE_2M)
#define HALF	(SIZE / 2)
#define PIECE	(64 * PAGE_4K)
#define ROUNDS	10
/* How often the host gets its turn while the disk is at it is not in our hands. */
#define MANY_ROUNDS	500

static struct bed bed;
static struct mem mem;
static struct nvme nvme;
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
	must(vfio_attach(&nvme.vfio, bed.tdp, 0, -1));
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

static void *host(void *unused)
{
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
		madvise(mem.hva, SIZE, MADV_PAGEOUT);
	return NULL;
}

static void test_paged_out(void)
{
	pthread_t thread;
	int i, wrong = 0;

	sys_swap();
	begin();
	stop = false;
	must(-pthread_create(&thread, NULL, host, NULL));
	for (i = 0; i < ROUNDS || (!nvme.again && i < MANY_ROUNDS); i++) {
		wrong += !!guest_fill(&bed.vm, GPA, HALF, GEN(4 + i));
		wrong += !!move(GPA, false);
		wrong += !!move(GPA + HALF, true);
		wrong += !!memcmp(mem.hva, mem.hva + HALF, HALF);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	is(wrong, 0, "%d rounds are right, while the host pages all of it out", i);
	ok(nvme.again > 0, "%llu transfers were hit and done again",
	   (unsigned long long)nvme.again);
	end();
}

static const struct tap_case cases[] = {
	{ "round", test_round },
	{ "hit", test_hit },
	{ "paged_out", test_paged_out },
};

int main(int argc, char **argv)
{
	char name[32];
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
