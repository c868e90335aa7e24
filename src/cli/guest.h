/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_GUEST_H
#define KVM_TDP_GUEST_H

/*
 * What a core has of a guest: its RAM, and the note by which Linux tells tools about
 * itself. Errors are the caller's to tell.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel_map.h"
#include "ram.h"
#include "sparse.h"
#include "vmcoreinfo.h"

struct guest {
	int mem;
	struct ram ram;
	struct ram not_mapped;	/* slots that are left out */
	struct sparse sparse;

	/* as found */
	struct vmcoreinfo info;
	uint8_t note[VMCOREINFO_ROOM];
	bool has_note;
	uint64_t note_gpa;
	struct kernel_map map;

	uint64_t failed;	/* where a walk could not go on */
};

/*
 * What of its RAM there is in [@gpa, @end) now. @pid: the process in whose memory it is,
 * to be asked for what was never allocated; 0: nothing is known of that. 0 or -errno;
 * to be freed in any case.
 */
int guest_init(struct guest *guest, int tdp, int mem, pid_t pid, uint64_t gpa,
	       uint64_t end);
void guest_free(struct guest *guest);

/* Whole pages, in one piece. */
struct guest_part {
	uint64_t gpa;
	uint64_t length;
	const uint8_t *bytes;	/* NULL: never allocated, and so zeroes */
	uint64_t unreadable;	/* of bytes, zeroes there */
};

/* 0 to go on; anything else ends the walk, which returns it. */
typedef int guest_part_fn(const struct guest_part *part, void *data);

/* All of its RAM, in order; -errno if it cannot be read. */
int guest_walk(struct guest *guest, guest_part_fn *fn, void *data);

/* If there is no note yet: is it in this part, or at this address? */
void guest_look_in(struct guest *guest, const struct guest_part *part);
void guest_look_at(struct guest *guest, uint64_t gpa);

/* Its length in a core: 0 if there is none. */
static inline size_t guest_note_length(const struct guest *guest)
{
	return guest->has_note ? guest->info.length : 0;
}

#endif /* KVM_TDP_GUEST_H */
