/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_EDU_H
#define TESTS_VM_EDU_H

/*
 * QEMU's device "edu": it copies between its own buffer and memory, one transfer at a
 * time, each of which takes 100 ms.
 */

#include <stdbool.h>
#include <stdint.h>

#include "vfio.h"

/* Bytes of a transfer, at most: QEMU 7.2 dies of the whole 4096 of its buffer. */
#define EDU_LENGTH	4088UL

/* In a container for GPAs, driven by vfio-pci; the test ends if it cannot be had. */
void edu_open(struct vfio *edu);
/* Empty if the machine has none. */
const char *edu_name(void);

/*
 * Between @address, which nobody has begun, and its buffer, there at the same place as
 * @address has in a half of its page.
 */
void edu_move(const struct vfio *edu, uint64_t address, bool write, uint64_t length);
/* All that it can do at a time. */
void edu_raw(const struct vfio *edu, uint64_t address, bool write);

/* The same, begun and done until it is not hit: 0, or -errno. */
int edu_once(const struct vfio *edu, uint64_t gpa, bool write);

#endif /* TESTS_VM_EDU_H */
