/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_SPARSE_H
#define KVM_TDP_SPARSE_H

/*
 * Which guest memory the host has never allocated. To read shared memory (memfd, tmpfs)
 * through a page table allocates it; the file behind it tells where it has holes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/kvm_tdp.h>

struct mapping {
	uint64_t start, end;
	uint64_t offset;		/* of start in its file */
	bool shared;			/* what is not in the file is nowhere */
};

struct sparse {
	pid_t pid;
	struct kvm_tdp_slot *slots;	/* ascending by gpa */
	size_t nr_slots;
	struct mapping *mappings;	/* of the VMM, ascending */
	size_t nr_mappings;
	const struct mapping *open;	/* that fd is of */
	int fd;				/* -1: it cannot tell */
};

/*
 * A line of /proc/PID/smaps. True: it begins a mapping, which is filled in; else it may
 * tell more of the last one.
 */
bool mapping_parse(const char *line, struct mapping *mapping);

/*
 * By what process @pid has mapped; 0: nothing is known of the host. False: no memory,
 * of this and the next.
 */
bool sparse_init(struct sparse *sparse, pid_t pid);
bool sparse_add(struct sparse *sparse, const struct kvm_tdp_slot *slot);
void sparse_free(struct sparse *sparse);

/*
 * Is the page at @gpa known to have never been allocated? *@length, of a range from
 * there, is cut to what the answer is good for.
 */
bool sparse_at(struct sparse *sparse, uint64_t gpa, uint64_t *length);

#endif /* KVM_TDP_SPARSE_H */
