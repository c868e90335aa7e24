// SPDX-License-Identifier: GPL-2.0-only
#include "bed.h"

#include <unistd.h>

uint64_t bed_gpa = GPA;

static void __attribute__((constructor)) bed_place(void)
{
	const char *base = getenv("KTDP_BASE");

	if (base)
		bed_gpa += strtoull(base, NULL, 0);
}

void bed_open(struct bed *bed)
{
	vm_open(&bed->vm);
	vm_add_vcpu(&bed->vm);
	bed->tdp = kvm_tdp_create(bed->vm.fd, 0);
	if (bed->tdp < 0)
		bail("no TDP fd: %d", bed->tdp);
	bed->dma = dma_open_on(bed->tdp);
}

void bed_close(struct bed *bed)
{
	close(bed->dma);
	close(bed->tdp);
	vm_close(&bed->vm);
}

void bed_warm(struct bed *bed, uint64_t gpa, const struct mem *mem, struct told *told)
{
	vm_map(&bed->vm, 1, gpa, mem);
	is(guest_fill(&bed->vm, gpa, mem->size, GEN(9)), 0, "guest writes");
	is(dma_fill(bed->dma, gpa, mem->size, GEN(1)), 0, "engine writes");
	is(dma_check(bed->dma, gpa, mem->size, GEN(1)), 0, "engine reads");
	ok(ktdp_mapped(bed->tdp, gpa, mem->size), "all is mapped");
	told_begin(told, bed->dma);
}

/*
 * @mapped was read before: the host may have moved the page since (khugepaged).  What the
 * table has once the host's page was seen is what counts.
 */
static bool bed_page_agrees(struct bed *bed, uint64_t mapped, uint64_t gpa,
			    const void *hva)
{
	uint64_t host = mem_hpa(hva), now = mapped;

	while (now && now != host) {
		now = ktdp_hpa(bed->tdp, gpa & -PAGE_4K);
		if (now == mapped)
			break;
		mapped = now;
		host = mem_hpa(hva);
	}
	if (!now || now == host)
		return true;
	diag("gpa %#llx: table says %#llx, host %#llx",
	     (unsigned long long)gpa, (unsigned long long)mapped,
	     (unsigned long long)host);
	return false;
}

bool bed_agrees(struct bed *bed, uint64_t gpa, const void *hva, size_t size)
{
	const struct kvm_tdp_run *run;
	struct ktdp_map map;
	uint64_t at, step;
	bool good = true;
	size_t i;

	ktdp_read_map(bed->tdp, gpa, size, &map);
	for (i = 0; good && i < map.nr; i++) {
		run = &map.runs[i];
		/* 1G is one page to the host; 2M need not be. */
		step = run->level == 3 ? PAGE_2M : PAGE_4K;
		for (at = run->gpa; good && at < run->gpa + run->length; at += step)
			good = bed_page_agrees(bed, run->hpa + (at - run->gpa), at,
					       hva + (at - gpa));
	}
	ktdp_free_map(&map);
	return good;
}

bool bed_works(struct bed *bed, uint64_t gpa, const void *hva, size_t size,
	       unsigned int gen)
{
	int ret[4];

	ret[0] = guest_fill(&bed->vm, gpa, size, GEN(gen));
	ret[1] = dma_check(bed->dma, gpa, size, GEN(gen));
	ret[2] = dma_fill(bed->dma, gpa, size, GEN(gen + 1));
	ret[3] = guest_check(&bed->vm, gpa, size, GEN(gen + 1));
	if (ret[0] || ret[1] || ret[2] || ret[3]) {
		diag("guest fill %d, engine check %d, engine fill %d, guest check %d",
		     ret[0], ret[1], ret[2], ret[3]);
		return false;
	}
	return mem_check(hva, gpa, size, GEN(gen + 1)) &&
	       bed_agrees(bed, gpa, hva, size);
}
