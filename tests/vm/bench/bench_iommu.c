// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs to let a device reach a guest's memory, next to VFIO's type 1, which pins
 * the same memory; see figure.h for the clock.
 */
#include <linux/vfio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "edu.h"
#include "figure.h"
#include "ktdp.h"
#include "mem.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x140000000UL
#define SIZE	(4 * PAGE_2M)
#define PAGES	(SIZE / PAGE_4K)
#define BATCH	32
#define REPEATS	3

static struct vm vm;
static struct vfio edu;
static int tdp;

/* Both ways, in calls of 2M, of what is present. */
static double by_type1(const struct mem *mem, const char *name, double units)
{
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map), .size = PAGE_2M,
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE };
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap), .size = PAGE_2M };
	uint64_t begin = section_begin(), off;

	for (off = 0; off < SIZE; off += PAGE_2M) {
		map.vaddr = (uintptr_t)mem->hva + off;
		map.iova = GPA + off;
		must(ioctl(edu.container, VFIO_IOMMU_MAP_DMA, &map));
		unmap.iova = GPA + off;
		must(ioctl(edu.container, VFIO_IOMMU_UNMAP_DMA, &unmap));
	}
	return section_end(begin, name, units);
}

static double type1(const struct mem *mem, const char *name, double units)
{
	double cost = 1e9;
	int i;

	must(vfio_open(&edu, edu_name(), VFIO_TYPE1v2_IOMMU));
	for (i = 0; i < REPEATS; i++)
		cost = least(cost, by_type1(mem, name, units));
	vfio_close(&edu);
	return cost;
}

/* The table has all; the device's IOMMU nothing. */
static void begin_anew(void)
{
	must(ktdp_prefault(tdp, GPA, SIZE, ACC_W));
	must(vfio_detach(&edu));
	must(vfio_attach(&edu, tdp, 0, -1, NULL));
}

static double by_begin(const char *name, double units)
{
	double cost = 1e9;
	uint64_t begin;
	uint32_t id;
	int i;

	for (i = 0; i < REPEATS; i++) {
		begin_anew();
		/* Its bookkeeping is there, and tables of the IOMMU's are as they come. */
		begin = section_begin();
		must(vfio_begin(&edu, GPA, SIZE, KVM_TDP_VFIO_WRITE, &id));
		cost = least(cost, section_end(begin, name, units));
		must(vfio_done(&edu, id));
	}
	return cost;
}

static double again(uint32_t nr)
{
	struct kvm_tdp_vfio_io ios[BATCH] = { 0 };
	struct kvm_tdp_vfio_ios arg = { .size = sizeof(arg), .ios = (uintptr_t)ios, .nr = nr };
	uint64_t begin;
	uint32_t i;
	int turn;

	for (i = 0; i < nr; i++)
		ios[i] = (struct kvm_tdp_vfio_io){
			.gpa = GPA + 3 * i * PAGE_4K,
			.length = PAGE_4K,
			.flags = KVM_TDP_VFIO_WRITE,
		};
	begin = section_begin();
	for (turn = 0; turn < 100; turn++) {
		must(ioctl(edu.container, KVM_TDP_VFIO_BEGIN, &arg));
		must(ioctl(edu.container, KVM_TDP_VFIO_DONE, &arg));
	}
	return section_end(begin, nr == 1 ? "BEGIN and DONE of a mapped page" :
			   "BEGIN and DONE of 32 mapped pages", 100.0 * nr);
}

/* Page by page, of 2M that the table has, of which the device has mapped some. */
static double dontneed(const struct mem *mem, const char *name, uint64_t mapped)
{
	double cost = 1e9;
	uint64_t begin, off;
	uint32_t id;
	int i;

	for (i = 0; i < REPEATS; i++) {
		memset(mem->hva, 1, SIZE);
		begin_anew();
		if (mapped) {
			must(vfio_begin(&edu, GPA, mapped, KVM_TDP_VFIO_WRITE, &id));
			must(vfio_done(&edu, id));
		} else {
			must(vfio_detach(&edu));
		}
		begin = section_begin();
		for (off = PAGE_4K; off < PAGE_2M; off += PAGE_4K)
			must(madvise(mem->hva + off, PAGE_4K, MADV_DONTNEED));
		cost = least(cost, section_end(begin, name, PAGES / 4 - 1));
		if (!mapped)
			must(vfio_attach(&edu, tdp, 0, -1, NULL));
	}
	return cost;
}

static double attach(const char *name)
{
	double cost = 1e9;
	uint64_t begin;
	int i;

	for (i = 0; i < REPEATS; i++) {
		must(vfio_detach(&edu));
		begin = section_begin();
		must(vfio_attach(&edu, tdp, 0, -1, NULL));
		cost = least(cost, section_end(begin, name, 1));
	}
	return cost;
}

/* It does not grow with the VM. */
static void attaching(void)
{
	struct mem large = { .size = 64 * PAGE_1G, .fd = -1 };
	double small = attach("attach"), cost;

	large.hva = mmap(NULL, large.size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (large.hva == MAP_FAILED)
		bail("no room for 64G");
	vm_map(&vm, 2, GPA + PAGE_1G, &large);
	cost = attach("attach, 64G more");
	report_beside("device: attach to a VM with 64G more", cost, "insns",
		      "attach to a small one", small);
	vm_unmap(&vm, 2);
	mem_free(&large);
}

int main(void)
{
	struct mem small, thp;
	double peer_4k, peer_2m, alone, base, cost;

	must(vfio_bind(edu_name()));
	mem_small(&small, SIZE);
	memset(small.hva, 1, SIZE);
	mem_thp(&thp, SIZE);
	memset(thp.hva, 1, SIZE);
	peer_4k = type1(&small, "type 1, a page of 4K", PAGES);
	peer_2m = type1(&thp, "type 1, a page of 2M", SIZE / PAGE_2M);

	edu_open(&edu);
	vm_open(&vm);
	vm_add_vcpu(&vm);
	tdp = must(kvm_tdp_create(vm.fd, 0));
	vm_map(&vm, 1, GPA, &thp);
	must(vfio_attach(&edu, tdp, 0, -1, NULL));
	cost = by_begin("begin, a leaf of 2M", SIZE / PAGE_2M);
	report_beside("device: begin of 2M, a leaf", cost, "insns",
		      "VFIO type 1, map and unmap", peer_2m);
	vm_unmap(&vm, 1);
	vm_map(&vm, 1, GPA, &small);
	cost = by_begin("begin, a page of 4K", PAGES);
	report_beside("device: begin of 4K, in 8M", cost, "insns",
		      "VFIO type 1, map and unmap", peer_4k);
	report("device: BEGIN and DONE, of mapped memory", again(1), "insns");
	report("device: the same, in a batch of 32", again(BATCH), "insns");
	attaching();
	alone = dontneed(&small, "DONTNEED, no device", 0);
	base = dontneed(&small, "DONTNEED of a page that is not mapped", PAGE_4K);
	report_beside("device: a page that it has not mapped adds to MADV_DONTNEED",
		      base - alone, "insns", "MADV_DONTNEED of 4K, exported", alone);
	cost = dontneed(&small, "DONTNEED of a page that is mapped", PAGE_2M) - base;
	report_beside("device: a mapped page adds to MADV_DONTNEED", cost, "insns",
		      "MADV_DONTNEED of 4K, nothing mapped", base);
	vfio_close(&edu);
	close(tdp);
	vm_close(&vm);
	return done();
}
