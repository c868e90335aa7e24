/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_VMCOREINFO_H
#define KVM_TDP_VMCOREINFO_H

/*
 * The ELF note by which Linux tells tools for its crash dumps about itself. A running
 * kernel has it at the beginning of a page. Pure: the caller does the reading.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMCOREINFO_ROOM		(4096 + 24)	/* the longest that Linux makes */
#define VMCOREINFO_RELEASE	65

struct vmcoreinfo {
	size_t length;		/* of the note, padding included */
	char release[VMCOREINFO_RELEASE];
	bool has_uts;
	uint64_t uts;		/* GPA of init_uts_ns, which has the release, too */
	bool has_table;		/* the next: of the kernel's own page table */
	uint64_t phys_base;	/* GPA of VMCOREINFO_KERNEL_MAP */
	uint64_t table;		/* GPA of swapper_pg_dir */
	unsigned int levels;
};

#define VMCOREINFO_KERNEL_MAP	0xffffffff80000000ULL

/* Bytes of init_uts_ns with the release in them, however the kernel lays it out. */
#define VMCOREINFO_UTS		512

/* May the note begin with these 24 bytes? */
bool vmcoreinfo_begins(const void *buf);

/* Is there a whole one in @length bytes? Then @info tells of it. */
bool vmcoreinfo_parse(const void *buf, size_t length, struct vmcoreinfo *info);

#endif /* KVM_TDP_VMCOREINFO_H */
