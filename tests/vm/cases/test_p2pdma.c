// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of a PCI device among other memory of a slot.  It has struct pages, and
 * looks like any other in the host's page table; but which devices can reach it
 * depends on the topology of the bus, so no importer gets it.  GUP refuses it as well.
 *
 * Needs CONFIG_PCI_P2PDMA, and an NVMe disk with a controller memory buffer, which
 * its driver offers to user space.
 */
#include <fcntl.h>
#include <glob.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bed.h"
#include "sys.h"

#define ALLOCATE	"/sys/bus/pci/devices/*/p2pmem/allocate"
#define PROBE_MS	60000

#define SIZE		(16 * PAGE_4K)
#define DEVICE_AT	(4 * PAGE_4K)	/* in the slot */
#define DEVICE_SIZE	(8 * PAGE_4K)
#define DEVICE		(GPA + DEVICE_AT)

static struct bed bed;
static struct mem mem;

/* Its driver is part of the kernel, and may still be at work on it. */
static int device_open(void)
{
	unsigned int ms = PROBE_MS;
	glob_t found;
	int fd;

	while (glob(ALLOCATE, 0, NULL, &found))
		if (!sys_step(&ms))
			bail("no device offers memory");
	fd = must(open(found.gl_pathv[0], O_RDWR | O_CLOEXEC));
	globfree(&found);
	return fd;
}

/* All is present and writable. */
static void setup(void)
{
	int fd = device_open();
	void *hva;

	mem_small(&mem, SIZE);
	hva = mmap(mem.hva + DEVICE_AT, DEVICE_SIZE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_FIXED, fd, 0);
	if (hva == MAP_FAILED)
		bail("no memory of a device: errno %d", errno);
	close(fd);
	mem_fill(mem.hva, GPA, SIZE, GEN(7));
	ok(mem_is_present(hva), "the device's memory is mapped");
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
}

static void teardown(void)
{
	ok(mem_check(mem.hva, GPA, SIZE, GEN(7)), "all is as it was");
	bed_close(&bed);
	mem_free(&mem);
}

static void check_refused(uint64_t size, unsigned int access, const char *what)
{
	is(ktdp_prefault(bed.tdp, DEVICE, size, access), -EFAULT, "%s", what);
	ok(ktdp_absent(bed.tdp, DEVICE, DEVICE_SIZE), "%s: nothing is mapped", what);
}

static void test_page(void)
{
	uint64_t word = 1;

	setup();
	check_refused(PAGE_4K, ACC_R, "page for reading");
	check_refused(PAGE_4K, ACC_W, "page for writing");
	check_refused(PAGE_4K, ACC_X, "page for execution");
	is(dma_read(bed.dma, DEVICE, &word, 8, 0), -EFAULT, "engine reads");
	is(dma_write(bed.dma, DEVICE, &word, 8, 0), -EFAULT, "engine writes");
	teardown();
}

/* A window of other pages before, of the device's, and of other pages after. */
static void check_window(unsigned int access, const char *what)
{
	uint64_t some;

	setup();
	check_refused(DEVICE_SIZE, access, what);
	is(ktdp_prefault_some(bed.tdp, GPA, SIZE, access, &some), -EFAULT,
	   "%s, with others before", what);
	is(some, DEVICE_AT, "%s: done as far as the device", what);
	ok(ktdp_absent(bed.tdp, DEVICE, SIZE - DEVICE_AT), "%s: no further", what);
	teardown();
}

static void test_window(void)
{
	check_window(ACC_R, "window for reading");
	check_window(ACC_W, "window for writing");
}

static const struct tap_case cases[] = {
	{ "page", test_page },
	{ "window", test_window },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
