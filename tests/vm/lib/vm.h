/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_VM_H
#define TESTS_VM_VM_H

/*
 * A small KVM VM with one vCPU that runs real guest code (see guest.h).
 *
 * The guest is in long mode with GPA = GVA for the first 256G, through 1G pages
 * of its own; behind them it has the 256G around VM_HIGH.  Slot 0 holds its
 * tables, code and stack at GPA 0; the rest of the guest's memory is the test's
 * to choose.
 */

#include <asm/processor-flags.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "mem.h"

/* The reach of a table with four levels. */
#define VM_HIGH		(1UL << 48)

#define VM_BOOT_SLOT	0
#define VM_BOOT_SIZE	0x6000UL

/* Layout of slot 0; GPA 0 stays empty so that a null pointer shows. */
#define VM_BOOT_PML4		0x1000
#define VM_BOOT_PDPT		0x2000
#define VM_BOOT_CODE		0x3000
#define VM_BOOT_STACK_END	0x5000

/* The guest's mode, and the entries of its page tables. */
#define VM_EFER		0x500	/* LME, LMA */
#define VM_CR0		(X86_CR0_PE | X86_CR0_ET | X86_CR0_WP | X86_CR0_PG)
/*
 * None comes, but Bochs lets the host have no interrupt while a guest runs without
 * X86_EFLAGS_IF.
 */
#define VM_RFLAGS	(X86_EFLAGS_FIXED | X86_EFLAGS_IF)
#define VM_PTE_TABLE	0x27	/* present, writable, user, accessed */
#define VM_PTE_LEAF	0xe7	/* and dirty, large */

struct vm {
	int kvm;
	int fd;
	int vcpu;		/* -1: none yet */
	int vcpu_id;
	struct kvm_run *run;
	size_t run_size;
	struct mem boot;
	pthread_t thread;	/* of vm_spin() */
	bool stop;
};

/* Whose KVM this is. */
bool vm_is_intel(void);

/* The test ends if one of these cannot be had. */
void vm_open(struct vm *vm);
void vm_add_vcpu(struct vm *vm);
void vm_close(struct vm *vm);

/* The first is open: the others become the same VM, and each gets a vCPU. */
void vm_open_vcpus(struct vm *vms, int nr);
void vm_close_vcpus(struct vm *vms, int nr);

/* Raw memslot ioctl; @size 0 deletes.  0 or -errno. */
int vm_slot(struct vm *vm, int id, uint64_t gpa, size_t size, void *hva,
	    uint32_t flags);
/* All of @mem at @gpa; the test ends if KVM refuses. */
void vm_map(struct vm *vm, int id, uint64_t gpa, const struct mem *mem);
void vm_unmap(struct vm *vm, int id);

/*
 * The guest at work on [gpa, gpa + size): fill every 8-byte word with its own
 * gpa ^ @gen, check that, read one word of each 4K page, call the code at
 * @gpa.  0; 1 if a word was wrong (told as a diagnostic); -errno of KVM_RUN;
 * or 1000 + the exit reason of KVM.
 */
int guest_fill(struct vm *vm, uint64_t gpa, size_t size, uint64_t gen);
int guest_check(struct vm *vm, uint64_t gpa, size_t size, uint64_t gen);
int guest_touch(struct vm *vm, uint64_t gpa, size_t size);
int guest_call(struct vm *vm, uint64_t gpa);
/* Copy what is there to @to. */
int guest_copy(struct vm *vm, uint64_t gpa, size_t size, uint64_t to);
/* As guest_touch(), and the TSC ticks that each page took, as words at @log. */
int guest_time(struct vm *vm, uint64_t gpa, size_t size, uint64_t stride,
	       uint64_t log);

/* Enter the guest as its registers say: 0 on HLT, or as above. */
int vm_run(struct vm *vm);

/* The guest fills the range again and again, in a thread, until stopped. */
void vm_spin(struct vm *vm, uint64_t gpa, size_t size, uint64_t gen);
void vm_spin_stop(struct vm *vm);

#endif /* TESTS_VM_VM_H */
