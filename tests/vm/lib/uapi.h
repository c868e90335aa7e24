/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_UAPI_H
#define TESTS_VM_UAPI_H

/* What the tests of the ioctl contract share: a VM that needs no vCPU. */

#include "ktdp.h"
#include "mem.h"
#include "tap.h"
#include "vm.h"

#define RAM_GPA		0x100000UL
#define RAM_PAGES	16
#define RAM_SIZE	(RAM_PAGES * PAGE_4K)
#define RAM_END		(RAM_GPA + RAM_SIZE)

struct uapi {
	struct vm vm;
	struct mem ram;		/* its pages are scattered in the host */
	int dev, tdp, dma;	/* the engine is not attached */

	/*
	 * All below 4G, for 32-bit callers: a page for structs, one that
	 * cannot be touched, and one for what structs point to.
	 */
	uint8_t *low, *forbidden, *data;
};

void uapi_open(struct uapi *uapi);
void uapi_close(struct uapi *uapi);

/*
 * The lowest free descriptor.  A leak moves it, also that of a number that was
 * reserved and has no file, which /proc/self/fd does not show.
 */
int uapi_free_fd(void);

/* As a 32-bit caller, on what is below 4G. */
int uapi_ioctl_32(int fd, unsigned long nr, void *arg);

bool uapi_all_are(const uint8_t *bytes, int value, size_t length);

#endif /* TESTS_VM_UAPI_H */
