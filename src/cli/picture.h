/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_PICTURE_H
#define KVM_TDP_PICTURE_H

/*
 * A guest's memory as a picture: lines of cells, from the left to the right and down.
 * What a cell has of each kind is stacked in it. Cells are as large as it takes for the
 * picture to have PICTURE_LINES lines at most. Pure: it prints to where it is told to.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ram.h"

#define PICTURE_LINES	64
#define PICTURE_COLUMNS	128

/* From the bottom of a cell up. */
enum picture_kind {
	PICTURE_1G,
	PICTURE_1G_RO,
	PICTURE_2M,
	PICTURE_2M_RO,
	PICTURE_4K,
	PICTURE_4K_RO,
	PICTURE_NOT_MAPPED,	/* of a slot, and not in the table */
	PICTURE_UNMAPPABLE,	/* nor can it be */
	PICTURE_NO_SLOT,
	NR_PICTURE_KINDS
};

struct picture {
	uint64_t cell;		/* bytes */
	struct picture_line {
		uint64_t gpa;
		uint64_t length;
		bool hole;	/* no memory; of any length, else that of all lines */
		uint64_t cells[PICTURE_COLUMNS][NR_PICTURE_KINDS];
	} lines[PICTURE_LINES];
	size_t nr;
	size_t at;		/* where the last piece was */
};

/* Of a guest with this RAM, none of it mapped; NULL: no memory. free() frees it. */
struct picture *picture_alloc(const struct ram *ram);

/* What was not mapped so far is of this kind. Fast if pieces come in ascending order. */
void picture_add(struct picture *picture, uint64_t gpa, uint64_t length,
		 enum picture_kind kind);

/* The kind of what is mapped so: struct kvm_tdp_run. */
enum picture_kind picture_kind(unsigned int level, unsigned int access);

/* As SVG. */
void picture_print(const struct picture *picture, const char *title, FILE *to);

#endif /* KVM_TDP_PICTURE_H */
