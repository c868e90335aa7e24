// SPDX-License-Identifier: GPL-2.0-only
#include "kernel_map.h"

#define PRESENT		(1ULL << 0)
#define LARGE		(1ULL << 7)
#define ADDRESS		0x000ffffffffff000ULL

#define PAGE_SHIFT	12
#define INDEX_BITS	9
#define IMAGE_LEAF	(1ULL << 21)
#define IMAGE_END	(VMCOREINFO_KERNEL_MAP + (1ULL << 30))	/* KERNEL_IMAGE_SIZE at most */
#define DIRECT_ALIGN	(1ULL << 30)	/* KASLR moves it so */

/*
 * Looks for the first leaf of the kernel's half. Those before the direct mapping are
 * holes; a table that has more of them is none of Linux's, and may be made to be endless.
 */
#define HOLES_MAX	2048

struct walk {
	const struct vmcoreinfo *info;
	kernel_map_read_fn *read;
	void *data;
};

/* Is there a leaf? In any case *@size is how much of the address space is like that. */
static bool translate(const struct walk *walk, uint64_t va, uint64_t *gpa, uint64_t *size)
{
	unsigned int shift = PAGE_SHIFT + INDEX_BITS * (walk->info->levels - 1);
	uint64_t table = walk->info->table, entry;

	for (;; shift -= INDEX_BITS, table = entry & ADDRESS) {
		uint64_t index = va >> shift & ((1 << INDEX_BITS) - 1);

		*size = 1ULL << shift;
		if (!walk->read(walk->data, table + index * sizeof(entry), &entry, sizeof(entry)) ||
		    !(entry & PRESENT))
			return false;
		if (shift == PAGE_SHIFT || entry & LARGE) {
			*gpa = (entry & ADDRESS & ~(*size - 1)) + (va & (*size - 1));
			return true;
		}
	}
}

static bool is_at(const struct walk *walk, uint64_t va, uint64_t gpa)
{
	uint64_t at, size;

	return translate(walk, va, &at, &size) && at == gpa;
}

/* It may have holes, where what was for initialization has been freed. */
static void find_image(struct kernel_map *map, const struct walk *walk)
{
	uint64_t base = walk->info->phys_base, offset, va;

	for (va = VMCOREINFO_KERNEL_MAP; va < IMAGE_END; va += IMAGE_LEAF) {
		offset = va - VMCOREINFO_KERNEL_MAP;
		if (!is_at(walk, va, base + offset))
			continue;
		if (!map->has_image) {
			map->has_image = true;
			map->image = va;
			map->image_gpa = base + offset;
		}
		map->image_length = va + IMAGE_LEAF - map->image;
	}
}

/* The first that the kernel's half has. */
static void find_direct(struct kernel_map *map, const struct walk *walk, uint64_t note_gpa)
{
	uint64_t va = -1ULL << (PAGE_SHIFT + INDEX_BITS * walk->info->levels - 1), gpa, size;
	unsigned int holes;

	for (holes = 0; holes < HOLES_MAX && va < VMCOREINFO_KERNEL_MAP; holes++) {
		if (translate(walk, va, &gpa, &size)) {
			map->direct = va - gpa;
			map->has_direct = map->direct % DIRECT_ALIGN == 0 &&
					  is_at(walk, map->direct + note_gpa, note_gpa);
			return;
		}
		va = (va & ~(size - 1)) + size;
	}
}

void kernel_map_find(struct kernel_map *map, const struct vmcoreinfo *info, uint64_t note_gpa,
		     kernel_map_read_fn *read, void *data)
{
	const struct walk walk = { .info = info, .read = read, .data = data };

	*map = (struct kernel_map){ 0 };
	if (!info->has_table)
		return;
	find_image(map, &walk);
	find_direct(map, &walk, note_gpa);
}
