/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_NESTED_VENDOR_H
#define TESTS_VM_NESTED_VENDOR_H

/* What nested.c needs of SVM or VMX. */

#include "nested.h"

/* Layout of the slot; L2's stack grows down to the table. */
#define NESTED_CODE	0x0000
#define NESTED_ARGS	0x1000	/* L1 is told where it is, in rbx */
#define NESTED_OWN	0x2000	/* the processor's */
#define NESTED_PML4	0x3000
#define NESTED_STACK	0x6000
#define NESTED_VMCS	0x6000
#define NESTED_SIZE	0x7000

struct nested_vendor {
	const char *l1, *l1_end;
	uint64_t table, leaf;	/* bits of entries of a nested page table */
	void (*enable)(struct vm *vm);
	/* What L2 is, as far as it is the same in each run. */
	void (*set)(struct nested *nested, bool paging);
	/* It is to run from here. */
	void (*start)(struct nested *nested, uint64_t rip);
	/* Tell why L2 ended. */
	void (*diag)(const struct nested *nested);
};

extern const struct nested_vendor nested_svm, nested_vmx;

#endif /* TESTS_VM_NESTED_VENDOR_H */
