/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_CORE_H
#define KVM_TDP_CORE_H

/*
 * An ELF core of a guest's physical memory: header, program headers, a note, and then
 * the RAM, one piece after another. Pure: no I/O.
 */

#include <stddef.h>
#include <stdint.h>

#include "kernel_map.h"
#include "ram.h"
#include "vmcoreinfo.h"

#define CORE_PAGE	4096

/* Bytes before the RAM: a multiple of CORE_PAGE. */
size_t core_head_length(const struct ram *ram);
/* All bytes. */
uint64_t core_length(const struct ram *ram);

/*
 * These bytes, from malloc(), or NULL. @note: of @length bytes, VMCOREINFO_ROOM at most;
 * none if that is 0. There is room for it in any case, so that it may be found last.
 * @map: virtual addresses, as far as they are known; a segment more for the kernel's image.
 */
void *core_head(const struct ram *ram, const void *note, size_t length,
		const struct kernel_map *map);

#endif /* KVM_TDP_CORE_H */
