/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_COREFILE_H
#define TESTS_VM_COREFILE_H

/* A file of kvm-tdp dump, held against the VMM's own memory. */

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct corefile {
	const char *bytes;
	size_t size;
	uint64_t blocks;	/* of the file system, in bytes */
	const Elf64_Phdr *phdrs;
	unsigned int nr_phdrs;
};

/* The test ends if it is no core for x86-64, or cut off. */
void corefile_open(struct corefile *core, const char *path);
void corefile_close(struct corefile *core);

/* The first note, or NULL. */
const Elf64_Nhdr *corefile_note(const struct corefile *core);

/* The page at @gpa, or NULL. */
const void *corefile_page(const struct corefile *core, uint64_t gpa);

/*
 * Pages of the VM's slots that are not in the core as process @pid has them; one that
 * it has not must be zero.  That allocates what it has not got yet.
 */
uint64_t corefile_differs(const struct corefile *core, int tdp, pid_t pid);

#endif /* TESTS_VM_COREFILE_H */
