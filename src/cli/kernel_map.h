/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_KERNEL_MAP_H
#define KVM_TDP_KERNEL_MAP_H

/*
 * Where Linux has its memory in its virtual address space, as its own page table says.
 * Pure: the caller does the reading.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmcoreinfo.h"

struct kernel_map {
	/* The mapping of the kernel's image, in whole leaves of 2M. */
	bool has_image;
	uint64_t image;		/* virtual address */
	uint64_t image_gpa;
	uint64_t image_length;

	/* The direct mapping, of all RAM. */
	bool has_direct;
	uint64_t direct;	/* virtual address of GPA 0 */
};

/* All of @length bytes. */
typedef bool kernel_map_read_fn(void *data, uint64_t gpa, void *buf, size_t length);

/* @note_gpa: an address that has to be in the direct mapping. */
void kernel_map_find(struct kernel_map *map, const struct vmcoreinfo *info, uint64_t note_gpa,
		     kernel_map_read_fn *read, void *data);

#endif /* KVM_TDP_KERNEL_MAP_H */
