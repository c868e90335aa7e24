// SPDX-License-Identifier: GPL-2.0-only
#include "ram.h"

#include <stdlib.h>
#include <string.h>

bool ram_is_mappable(const struct kvm_tdp_slot *slot)
{
	return !(slot->flags & KVM_TDP_SLOT_NOT_MAPPED) &&
	       slot->backing != KVM_TDP_BACKING_DEVICE;
}

bool ram_add(struct ram *ram, const struct kvm_tdp_slot *slot, uint64_t gpa,
	     uint64_t end)
{
	uint64_t first = slot->gpa > gpa ? slot->gpa : gpa;
	uint64_t last = slot->gpa + slot->length;
	struct ram_piece *before = ram->pieces + ram->nr - 1, *pieces;

	if (last > end)
		last = end;
	if (first >= last)
		return true;
	ram->length += last - first;
	if (ram->nr && before->gpa + before->length == first) {
		before->length += last - first;
		return true;
	}
	pieces = realloc(ram->pieces, (ram->nr + 1) * sizeof(*pieces));
	if (!pieces)
		return false;
	ram->pieces = pieces;
	pieces[ram->nr++] = (struct ram_piece){ first, last - first };
	return true;
}

void ram_free(struct ram *ram)
{
	free(ram->pieces);
	memset(ram, 0, sizeof(*ram));
}
