/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_UFFD_H
#define TESTS_VM_UFFD_H

/* userfaultfd: memory whose pages a thread of ours provides. */

#include <linux/userfaultfd.h>
#include <stddef.h>
#include <stdint.h>

#include "mem.h"

/* Newer than Debian 12's headers. */
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC	(1 << 15)
#endif
#ifndef UFFDIO_MOVE
#define UFFD_FEATURE_MOVE	(1 << 16)
#define UFFDIO_MOVE		_IOWR(UFFDIO, 0x05, struct uffdio_move)

struct uffdio_move {
	__u64 dst;
	__u64 src;
	__u64 len;
	__u64 mode;
	__s64 move;
};
#endif
#ifndef UFFDIO_RWPROTECT
#define UFFD_FEATURE_RWP	(1 << 17)
#define UFFD_FEATURE_RWP_ASYNC	(1 << 18)
#define UFFDIO_REGISTER_MODE_RWP	(1 << 3)
#define UFFDIO_RWPROTECT_MODE_RWP	(1 << 0)
#define UFFDIO_RWPROTECT	_IOWR(UFFDIO, 0x09, struct uffdio_rwprotect)

struct uffdio_rwprotect {
	struct uffdio_range range;
	__u64 mode;
};
#endif

/* A userfaultfd; the test ends if there is none. */
int uffd_open(uint64_t features);
/* @mode: UFFDIO_REGISTER_MODE_* */
void uffd_register(int uffd, const struct mem *mem, uint64_t mode);
/* Wait at most @ms for a fault: its address, or 0. */
uint64_t uffd_wait(int uffd, unsigned int ms);
/* 0 or -errno */
int uffd_copy(int uffd, uint64_t hva, const void *page);
int uffd_protect(int uffd, uint64_t hva, size_t size, int on);
/* The same, from any access. */
int uffd_rwprotect(int uffd, uint64_t hva, size_t size, int on);
/* Pages change their place; how many bytes of them, or -errno. */
long uffd_move(int uffd, void *dst, void *src, size_t size);

#endif /* TESTS_VM_UFFD_H */
