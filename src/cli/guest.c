// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "kvm-tdp.h"

#define PIECE		(1UL << 20)

struct slot_walk {
	struct guest *guest;
	uint64_t gpa, end;
};

static int add_slot(const struct kvm_tdp_slot *slot, void *data)
{
	struct slot_walk *walk = data;
	struct guest *guest = walk->guest;

	if (slot->gpa >= walk->end)
		return 1;
	if (!ram_add(ram_is_mappable(slot) ? &guest->ram : &guest->not_mapped, slot, walk->gpa,
		     walk->end) ||
	    !sparse_add(&guest->sparse, slot))
		return -ENOMEM;
	return 0;
}

int guest_init(struct guest *guest, int tdp, int mem, pid_t pid, uint64_t gpa, uint64_t end)
{
	struct slot_walk walk = { .guest = guest, .gpa = gpa, .end = end };
	int ret;

	memset(guest, 0, sizeof(*guest));
	guest->mem = mem;
	if (!sparse_init(&guest->sparse, pid))
		return -ENOMEM;
	ret = kvm_tdp_read_slots(tdp, gpa, add_slot, &walk);
	return ret < 0 ? ret : 0;
}

void guest_free(struct guest *guest)
{
	sparse_free(&guest->sparse);
	ram_free(&guest->ram);
	ram_free(&guest->not_mapped);
}

static int walk_piece(struct guest *guest, const struct ram_piece *piece, void *buf,
		      guest_part_fn *fn, void *data)
{
	struct guest_part part;
	uint64_t at;
	size_t done;
	int ret;

	for (at = 0; at < piece->length; at += part.length) {
		part = (struct guest_part){
			.gpa = piece->gpa + at,
			.length = piece->length - at,
		};
		if (!sparse_at(&guest->sparse, part.gpa, &part.length)) {
			part.length = part.length < PIECE ? part.length : PIECE;
			part.bytes = buf;
			ret = tdp_mem_read_gaps(guest->mem, part.gpa, buf, part.length, &done,
						&part.unreadable);
			guest->failed = part.gpa + done;
			if (ret)
				return ret;
		}
		ret = fn(&part, data);
		if (ret)
			return ret;
	}
	return 0;
}

int guest_walk(struct guest *guest, guest_part_fn *fn, void *data)
{
	void *buf = malloc(PIECE);
	int ret = buf ? 0 : -ENOMEM;
	size_t i;

	for (i = 0; !ret && i < guest->ram.nr; i++)
		ret = walk_piece(guest, &guest->ram.pieces[i], buf, fn, data);
	free(buf);
	return ret;
}

/* Is it the guest's own, and not a copy, or that of a guest in it? */
static bool is_plausible(struct guest *guest, const struct vmcoreinfo *info)
{
	char uts[VMCOREINFO_UTS];
	size_t done;

	if (!info->has_uts)
		return true;
	tdp_mem_read(guest->mem, info->uts, uts, sizeof(uts), &done);
	return memmem(uts, done, info->release, strlen(info->release) + 1);
}

static bool read_all(void *data, uint64_t gpa, void *buf, size_t length)
{
	const struct guest *guest = data;
	size_t done;

	tdp_mem_read(guest->mem, gpa, buf, length, &done);
	return done == length;
}

void guest_look_at(struct guest *guest, uint64_t gpa)
{
	struct vmcoreinfo info;
	size_t done;

	if (guest->has_note)
		return;
	tdp_mem_read(guest->mem, gpa, guest->note, sizeof(guest->note), &done);
	if (!vmcoreinfo_parse(guest->note, done, &info) || !is_plausible(guest, &info))
		return;
	guest->info = info;
	guest->note_gpa = gpa;
	guest->has_note = true;
	kernel_map_find(&guest->map, &info, gpa, read_all, guest);
}

void guest_look_in(struct guest *guest, const struct guest_part *part)
{
	uint64_t at;

	for (at = 0; part->bytes && !guest->has_note && at < part->length; at += CORE_PAGE) {
		if (vmcoreinfo_begins(part->bytes + at))
			guest_look_at(guest, part->gpa + at);
	}
}
