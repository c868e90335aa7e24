/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_NESTED_H
#define TESTS_VM_NESTED_H

/*
 * A guest (L1) that runs a guest of its own (L2), with SVM or VMX, as the host does.  What is at
 * gpa in L1 is at gpa + NESTED_SHIFT in L2, from 1G on.
 *
 * With nested paging the shift is in L1's nested page table, and L2's physical
 * addresses are its virtual ones; without, it is in L2's own page table.
 */

#include "vm.h"

#define NESTED_SHIFT	(16 * PAGE_1G)
#define NESTED_SLOT	500
#define NESTED_GPA	0x100000UL
#define NESTED_TABLE	0x4000UL	/* offset of the table with the shift */

struct nested_vendor;

struct nested {
	struct vm *vm;
	const struct nested_vendor *vendor;
	struct mem mem;
};

/* @vm has its vCPU; takes slot NESTED_SLOT at NESTED_GPA. */
void nested_open(struct nested *nested, struct vm *vm, bool paging);
/* @vm is closed. */
void nested_close(struct nested *nested);

/*
 * As the guest's functions of vm.h, but done by L2, and to what is at @gpa in
 * L1: the words are filled with L2's addresses.  2 if L2 came to a bad end.
 */
int nested_fill(struct nested *nested, uint64_t gpa, size_t size, uint64_t gen);
int nested_check(struct nested *nested, uint64_t gpa, size_t size, uint64_t gen);
int nested_touch(struct nested *nested, uint64_t gpa, size_t size);

#endif /* TESTS_VM_NESTED_H */
