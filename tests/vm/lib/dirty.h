/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_DIRTY_H
#define TESTS_VM_DIRTY_H

/* KVM's dirty log, and sets of pages to compare it with. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm.h"

#define SET_PAGES	2048UL

/* Pages of a slot, by number. */
struct set {
	uint64_t words[SET_PAGES / 64];
};

bool set_has(const struct set *set, size_t page);
void set_add(struct set *set, size_t page, size_t nr);
struct set set_of(size_t page, size_t nr);
bool set_is(struct set got, struct set want);
/* All of @part is in @whole. */
bool set_holds(struct set whole, struct set part);

/* Pages from @gpa on that importers can write. */
struct set set_writable(int tdp, uint64_t gpa, size_t pages);

/* How the VMM harvests. */
enum log_mode { LOG_GET, LOG_CLEAR, LOG_INITIALLY_SET, NR_LOG_MODES };

/* Before the VM has slots that log. */
void log_set_mode(struct vm *vm, enum log_mode mode);

/*
 * Raw ioctls, 0 or -errno.  The bitmap is that of the whole slot, also where
 * only @nr pages from @first on are to be cleared.
 */
int log_get(struct vm *vm, int slot, uint64_t *bitmap);
int log_clear(struct vm *vm, int slot, size_t first, size_t nr,
	      uint64_t *bitmap);

/* What was logged in a slot of @pages, which is protected again then. */
void log_harvest(struct vm *vm, enum log_mode mode, int slot, size_t pages,
		 uint64_t *bitmap);

#endif /* TESTS_VM_DIRTY_H */
