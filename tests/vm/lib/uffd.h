/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_UFFD_H
#define TESTS_VM_UFFD_H

/* userfaultfd: memory whose pages a thread of ours provides. */

#include <linux/userfaultfd.h>
#include <stddef.h>
#include <stdint.h>

#include "mem.h"

/* A userfaultfd; the test ends if there is none. */
int uffd_open(uint64_t features);
/* @mode: UFFDIO_REGISTER_MODE_* */
void uffd_register(int uffd, const struct mem *mem, uint64_t mode);
/* Wait at most @ms for a fault: its address, or 0. */
uint64_t uffd_wait(int uffd, unsigned int ms);
/* 0 or -errno */
int uffd_copy(int uffd, uint64_t hva, const void *page);
int uffd_protect(int uffd, uint64_t hva, size_t size, int on);

#endif /* TESTS_VM_UFFD_H */
