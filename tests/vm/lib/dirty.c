// SPDX-License-Identifier: GPL-2.0-only
#include "dirty.h"

#include <sys/ioctl.h>

#include "ktdp.h"
#include "tap.h"

bool set_has(const struct set *set, size_t page)
{
	return set->words[page / 64] >> (page % 64) & 1;
}

void set_add(struct set *set, size_t page, size_t nr)
{
	for (; nr; page++, nr--)
		set->words[page / 64] |= 1ULL << (page % 64);
}

struct set set_of(size_t page, size_t nr)
{
	struct set set = { 0 };

	set_add(&set, page, nr);
	return set;
}

bool set_is(struct set got, struct set want)
{
	size_t page;

	for (page = 0; page < SET_PAGES; page++) {
		if (set_has(&got, page) == set_has(&want, page))
			continue;
		diag("page %zu: is in the set: %d", page, set_has(&got, page));
		return false;
	}
	return true;
}

bool set_holds(struct set whole, struct set part)
{
	size_t page;

	for (page = 0; page < SET_PAGES; page++) {
		if (set_has(&whole, page) || !set_has(&part, page))
			continue;
		diag("page %zu is missing", page);
		return false;
	}
	return true;
}

struct set set_writable(int tdp, uint64_t gpa, size_t pages)
{
	struct set set = { 0 };
	struct ktdp_map map;
	size_t i;

	ktdp_read_map(tdp, gpa, pages * PAGE_4K, &map);
	for (i = 0; i < map.nr; i++)
		if (map.runs[i].access & ACC_W)
			set_add(&set, (map.runs[i].gpa - gpa) / PAGE_4K,
				map.runs[i].length / PAGE_4K);
	ktdp_free_map(&map);
	return set;
}

void log_set_mode(struct vm *vm, enum log_mode mode)
{
	struct kvm_enable_cap enable = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args = { KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE },
	};

	if (mode == LOG_INITIALLY_SET)
		enable.args[0] |= KVM_DIRTY_LOG_INITIALLY_SET;
	if (mode != LOG_GET)
		must(ioctl(vm->fd, KVM_ENABLE_CAP, &enable));
}

int log_get(struct vm *vm, int slot, uint64_t *bitmap)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = bitmap };

	return sys(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log));
}

int log_clear(struct vm *vm, int slot, size_t first, size_t nr,
	      uint64_t *bitmap)
{
	struct kvm_clear_dirty_log log = {
		.slot = slot, .first_page = first, .num_pages = nr,
		.dirty_bitmap = bitmap + first / 64,
	};

	return sys(ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &log));
}

void log_harvest(struct vm *vm, enum log_mode mode, int slot, size_t pages,
		 uint64_t *bitmap)
{
	int ret = log_get(vm, slot, bitmap);

	if (!ret && mode != LOG_GET)
		ret = log_clear(vm, slot, 0, pages, bitmap);
	if (ret)
		bail("log of slot %d: %d", slot, ret);
}
