/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_RAM_H
#define KVM_TDP_RAM_H

/* A guest's RAM, as its memslots tell of it. Pure: no I/O. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/kvm_tdp.h>

struct ram {
	struct ram_piece {
		uint64_t gpa;
		uint64_t length;
	} *pieces;		/* ascending, with holes between them */
	size_t nr;
	uint64_t length;	/* of all */
};

/* Can the table have what is in the slot? */
bool ram_is_mappable(const struct kvm_tdp_slot *slot);

/*
 * Add what a slot has of [@gpa, @end); slots come in ascending order. False: no memory.
 */
bool ram_add(struct ram *ram, const struct kvm_tdp_slot *slot, uint64_t gpa,
	     uint64_t end);
void ram_free(struct ram *ram);

#endif /* KVM_TDP_RAM_H */
