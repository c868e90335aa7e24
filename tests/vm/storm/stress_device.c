// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices behind an IOMMU, where the machine has them, that use the memory of VM 0 by
 * guest physical address.  "edu" writes and reads; an NVMe disk reads only, for QEMU keeps
 * what it writes to mapped while it waits for its file, whatever the IOMMU is told.
 */
#include <string.h>
#include <sys/mman.h>

#include "stress.h"
#include "edu.h"
#include "nvme.h"
#include "pci.h"

#define TRIES	8
#define HOLD	(8 * PAGE_4K)	/* of the hot spot, as large */

static struct vfio edu;
static struct nvme disk;
static uint8_t *edu_own;	/* a page for both of us */
static uint64_t edu_iova;
static bool present, opened;
/* As it was when it was looked at last. */
static struct kvm_tdp_vfio_info edu_info, disk_info;

bool devices_open(void)
{
	struct kvm_tdp_vfio_info info;
	char name[32];

	present = pci_find("class", "0x010802", name, sizeof(name)) && *edu_name();
	if (!present)
		return false;
	edu_open(&edu);
	must(vfio_info(&edu, &info));
	edu_iova = info.own_first;
	edu_own = mmap(NULL, PAGE_4K, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (edu_own == MAP_FAILED)
		bail("no memory");
	must(vfio_map(&edu, edu_iova, edu_own, PAGE_4K,
		      KVM_TDP_VFIO_READ | KVM_TDP_VFIO_WRITE));
	must(vfio_bind(name));
	must(nvme_open(&disk, name));
	opened = true;
	return true;
}

void devices_attach(int tdp)
{
	if (!present)
		return;
	must(vfio_attach(&edu, tdp, 0, -1, NULL));
	must(vfio_attach(&disk.vfio, tdp, 0, -1, disk.hits));
}

static void device_count(const struct vfio *vfio, struct kvm_tdp_vfio_info *last)
{
	struct kvm_tdp_vfio_info info;

	must(vfio_info(vfio, &info));
	count(FIG_TRANSFERS, info.begun - last->begun);
	count(FIG_HITS, info.hits - last->hits);
	*last = info;
}

void devices_detach(void)
{
	if (!present)
		return;
	nvme_release(&disk);
	must(vfio_detach(&edu));
	must(vfio_detach(&disk.vfio));
	device_count(&edu, &edu_info);
	device_count(&disk.vfio, &disk_info);
}

bool devices_hit(void)
{
	struct kvm_tdp_vfio_info of_edu = edu_info, of_disk = disk_info;

	if (opened) {
		must(vfio_info(&edu, &of_edu));
		must(vfio_info(&disk.vfio, &of_disk));
	}
	if (!of_edu.hits || !of_disk.hits)
		diag("transfers that were hit: edu %llu, disk %llu",
		     (unsigned long long)of_edu.hits, (unsigned long long)of_disk.hits);
	return of_edu.hits && of_disk.hits;
}

void devices_close(void)
{
	if (!present)
		return;
	opened = false;
	vfio_close(&edu);
	nvme_close(&disk);
	munmap(edu_own, PAGE_4K);
}

/* A part of a page that edu can take at a time, begun and done until it is not hit. */
static int edu_part(uint64_t gpa, size_t off, size_t size, bool write)
{
	uint32_t flags = write ? KVM_TDP_VFIO_WRITE : KVM_TDP_VFIO_READ, id;
	int ret, tries;

	if (write)
		edu_move(&edu, edu_iova + off, false, size);
	for (tries = 0; tries < TRIES; tries++) {
		ret = vfio_begin(&edu, gpa + off, size, flags, &id);
		if (ret)
			return ret;
		edu_move(&edu, gpa + off, write, size);
		ret = vfio_done(&edu, id);
		if (ret != -EAGAIN)
			break;
	}
	if (!ret && !write)
		edu_move(&edu, edu_iova + off, true, size);
	return ret;
}

int edu_put(uint64_t gpa, const void *page)
{
	int ret;

	memcpy(edu_own, page, PAGE_4K);
	ret = edu_part(gpa, 0, EDU_LENGTH, true);
	return ret ? ret : edu_part(gpa, EDU_LENGTH, PAGE_4K - EDU_LENGTH, true);
}

int edu_get(uint64_t gpa, void *page)
{
	int ret = edu_part(gpa, 0, EDU_LENGTH, false);

	if (!ret)
		ret = edu_part(gpa, EDU_LENGTH, PAGE_4K - EDU_LENGTH, false);
	memcpy(page, edu_own, PAGE_4K);
	return ret;
}

void disk_hold(uint64_t gpa)
{
	int ret;

	nvme_release(&disk);
	ret = nvme_hold(&disk, gpa & -HOLD, HOLD);
	if (!ret)
		return;
	/* As a transfer there might. */
	if (ret != -EFAULT && ret != -EACCES && ret != -EAGAIN && ret != -EHWPOISON) {
		diag("disk: hold: %d", ret);
		count(FIG_BAD_ERRNO, 1);
	}
}

/* By way of the disk, whose blocks nobody else uses. */
int disk_get(uint64_t gpa, void *page)
{
	bool held = disk.held.length && gpa - disk.held.gpa < disk.held.length;
	uint64_t again = disk.again;
	int ret = nvme_rw(&disk, gpa, PAGE_4K, 0, false);

	if (held) {
		count(FIG_HELD, 1);
		count(FIG_HELD_HITS, disk.again - again);
	}
	if (ret)
		return ret;
	must(nvme_raw(&disk, disk.data_iova, PAGE_4K, 0, true));
	memcpy(page, disk.data, PAGE_4K);
	return 0;
}
