// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VFIO container with a device in it ("edu", which does no DMA here), the transfers that
 * are in flight, and which of them have lost memory.  The device is one, and so is the
 * container that has it; without it a container stays one that knows no ioctl of ours.
 */
#include "fuzz_box.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "edu.h"
#include "kmod.h"
#include "sys.h"

#define MAX_RESERVED	16

struct box box = { .eventfd = -1 };
uint8_t *box_memory;

static struct {
	uint64_t first, last;
} reserved[MAX_RESERVED];
static unsigned int nr_reserved;
static int kmod = -1;

bool box_has_device(void)
{
	static int has = -1;

	if (has < 0)
		has = *edu_name() && !access("/dev/vfio/vfio", F_OK);
	return has;
}

static void box_read_reserved(void)
{
	unsigned long long first, last;
	char path[128], type[32];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group/reserved_regions",
		 edu_name());
	file = fopen(path, "re");
	if (!file)
		bail("no %s", path);
	nr_reserved = 0;
	while (fscanf(file, "%llx %llx %31s", &first, &last, type) == 3) {
		if (!strcmp(type, "direct-relaxable") || nr_reserved == MAX_RESERVED)
			continue;
		reserved[nr_reserved].first = first;
		reserved[nr_reserved++].last = last;
	}
	fclose(file);
}

bool box_reaches(uint64_t first, uint64_t last)
{
	unsigned int i;

	first &= -PAGE_4K;
	last |= PAGE_4K - 1;
	for (i = 0; i < nr_reserved; i++)
		if (first <= reserved[i].last && last >= reserved[i].first)
			return false;
	return last <= box.info.gpa_last;
}

/* Once: a device is bound, and there is memory of the driver's. */
static void box_prepare(void)
{
	if (box_memory)
		return;
	must(vfio_bind(edu_name()));
	box_read_reserved();
	kmod = kmod_open();
	box_memory = mmap(NULL, BOX_OWN_PAGES * PAGE_4K, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (box_memory == MAP_FAILED)
		bail("no memory");
	mem_no_thp(box_memory, BOX_OWN_PAGES * PAGE_4K);
	memset(box_memory, WINDOW_CALM, BOX_OWN_PAGES * PAGE_4K);
	must(mprotect(box_memory + (BOX_OWN_PAGES - 1) * PAGE_4K, PAGE_4K, PROT_READ));
}

int box_open(void)
{
	int ret;

	if (!box_has_device() || fuzz_in_child)
		return -ENODEV;
	if (box.vfio.bar)
		return -EBUSY;
	box_prepare();
	memset(&box, 0, sizeof(box));
	box.eventfd = -1;
	ret = vfio_open(&box.vfio, edu_name(), VFIO_KVM_TDP_IOMMU);
	if (ret)
		bail("no container with a device: %d", ret);
	must(vfio_info(&box.vfio, &box.info));
	return must(fcntl(box.vfio.container, F_DUPFD_CLOEXEC, 0));
}

void box_adopt(struct fuzz_file *file)
{
	box.file = file;
}

void box_leave(void)
{
	if (box.vfio.bar)
		vfio_close(&box.vfio);
}

/* The device, its group, and the container, in that order or not. */
void box_close(void)
{
	if (box.file) {
		box.file->kind = FILE_CONTAINER;
		box.file->vm = NULL;
	}
	if (one_in(2)) {
		close(box.vfio.container);
		box.vfio.container = -1;
	}
	box_leave();
	if (box.eventfd >= 0)
		close(box.eventfd);
	box.eventfd = -1;
	box.file = NULL;
	box.nr = 0;
}

void box_end(void)
{
	if (kmod >= 0)
		close(kmod);
	if (box_memory)
		munmap(box_memory, BOX_OWN_PAGES * PAGE_4K);
}

/* It leaves its container, of which fds may be left. */
void fuzz_group(void)
{
	if (!box.file || fuzz_in_child)
		return;
	box_close();
	count_call(FUZZ_VFIO_GROUP, 0);
}

void box_forget(struct box_io *io)
{
	box.nr -= io->flies;
	io->flies = false;
}

static bool io_overlaps(const struct box_io *io, uint64_t first, uint64_t last)
{
	return io->flies && first <= (io->last | (PAGE_4K - 1)) &&
	       last >= (io->gpa & -PAGE_4K);
}

void box_lose_all(void)
{
	unsigned int i;

	for (i = 0; i < KVM_TDP_VFIO_MAX_IOS; i++)
		box.ios[i].lost = true;
}

static void box_lose(uint64_t first, uint64_t last, bool writes_only)
{
	struct box_io *io;

	for (io = box.ios; box.nr && io < box.ios + KVM_TDP_VFIO_MAX_IOS; io++)
		if (io_overlaps(io, first, last) &&
		    (!writes_only || io->flags & KVM_TDP_VFIO_WRITE))
			io->lost = true;
}

void box_lose_slot(const struct fuzz_vm *vm, unsigned int as_id, const struct fuzz_slot *slot)
{
	if (box.file && box.file->vm == vm && box.file->as_id == as_id)
		box_lose(slot->gpa, slot->gpa + slot->pages * PAGE_4K - 1, false);
}

void box_lose_vm(const struct fuzz_vm *vm)
{
	if (box.file && box.file->vm == vm)
		box_lose_all();
}

void box_lose_pages(size_t first, size_t nr, bool writes_only)
{
	const struct fuzz_vm *vm = box.file ? box.file->vm : NULL;
	const struct fuzz_slot *slot;
	size_t from, to;
	unsigned int i;

	for (i = 0; i < FUZZ_SLOTS && vm && !vm->neighbours; i++) {
		slot = &vm->slots[box.file->as_id][i];
		from = first > slot->first ? first : slot->first;
		to = first + nr;
		if (to > slot->first + slot->pages)
			to = slot->first + slot->pages;
		if (from < to)
			box_lose(slot->gpa + (from - slot->first) * PAGE_4K,
				 slot->gpa + (to - slot->first) * PAGE_4K - 1, writes_only);
	}
}

uint64_t box_translated(uint64_t address)
{
	return kmod_iova(kmod, edu_name(), address);
}

/* @needed: it has to be translated. */
static void check_page(uint64_t address, const void *hva, bool needed)
{
	uint64_t is = box_translated(address), hpa = mem_hpa(hva);

	if (is == hpa || (!is && !needed))
		return;
	wrong("the IOMMU translates %#llx to %#llx, where the host has %#llx",
	      (unsigned long long)address, (unsigned long long)is, (unsigned long long)hpa);
}

static void check_slot(const struct fuzz_vm *vm, unsigned int as_id,
		       const struct fuzz_slot *slot)
{
	uint64_t gpa;
	size_t page;

	for (gpa = slot->gpa; gpa < slot->gpa + slot->pages * PAGE_4K; gpa += PAGE_4K) {
		page = host_page(vm, as_id, gpa);
		if (box.file->vm == vm && page < FUZZ_RAM_PAGES && box_reaches(gpa, gpa))
			check_page(gpa, host_hva(page), false);
		else if (box.file->vm != vm && box_translated(gpa))
			wrong("the IOMMU translates %#llx, and no guest is followed",
			      (unsigned long long)gpa);
	}
}

void box_check(void)
{
	const struct fuzz_vm *vm;
	const struct box_own *own;
	uint64_t off;
	unsigned int i;

	if (!box.file)
		return;
	must(sys_cap(CAP_SYS_ADMIN, true));	/* to see host addresses */
	vm = box.file->vm;
	for (i = 0; i < FUZZ_SLOTS && vm && vm->owner == OWNER_SELF; i++)
		check_slot(vm, box.file->as_id, &vm->slots[box.file->as_id][i]);
	if (!vm)
		check_slot(&(struct fuzz_vm){ 0 }, 0, &host_first);
	for (own = box.own; own < box.own + BOX_OWN; own++)
		for (off = 0; off < own->length; off += PAGE_4K)
			check_page(own->iova + off, own->vaddr + off, true);
	must(sys_cap(CAP_SYS_ADMIN, fuzz_is_admin));
}
