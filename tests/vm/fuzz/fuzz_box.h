/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_FUZZ_BOX_H
#define TESTS_VM_FUZZ_BOX_H

/* What is known of the container with the device in it. */

#include "fuzz.h"
#include "vfio.h"

#define BOX_OWN		16	/* pieces of the driver's own memory */
#define BOX_OWN_PAGES	8	/* of which they are made; the last cannot be written */

/* A transfer that has begun; @lost: it has to be hit. */
struct box_io {
	bool flies, lost;
	uint64_t gpa, last;
	uint32_t flags;
	uint64_t begun;		/* in box.time */
};

struct box_own {
	uint64_t iova, length;	/* no length: none */
	const uint8_t *vaddr;
};

extern struct box {
	struct fuzz_file *file;	/* of the container; NULL: none, or without the group */
	struct vfio vfio;	/* with an fd of the container that is ours alone */
	struct kvm_tdp_vfio_info info;	/* when it was new */
	uint64_t time;		/* calls that begin, or change who is told */
	unsigned int nr;	/* of @ios that fly */
	struct box_io ios[KVM_TDP_VFIO_MAX_IOS];
	struct box_own own[BOX_OWN];
	const uint8_t *hits;	/* of the guest that is followed; NULL: none */
	int eventfd;		/* the same; -1: none */
	uint64_t told;		/* when @eventfd came, or was emptied */
} box;

/* BOX_OWN_PAGES, all present. */
extern uint8_t *box_memory;

bool box_reaches(uint64_t first, uint64_t last);
/* What the IOMMU translates; what the host has at an address of ours. */
uint64_t box_translated(uint64_t address);
void box_forget(struct box_io *io);
void box_lose_all(void);

#endif /* TESTS_VM_FUZZ_BOX_H */
