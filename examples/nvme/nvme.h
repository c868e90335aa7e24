/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef EXAMPLES_NVME_H
#define EXAMPLES_NVME_H

/*
 * An NVMe driver in user space whose disk reads into, and writes from, the memory of a
 * running guest: queues are in memory of its own, PRPs are guest physical addresses.
 * One thread, one command at a time, polled.  Functions that return int answer 0, or
 * -errno; -EIO: the disk says so, see nvme.status.
 */

#include <stdbool.h>
#include <stdint.h>

#include "vfio.h"

/* Bytes of a transfer, at most: a page of PRPs. */
#define NVME_MAX	0x100000UL
/* Bytes of the driver's own memory. */
#define NVME_OWN_SIZE	0x8000UL

/**
 * struct nvme_queue - a pair of queues
 * @commands: of NVME_DEPTH
 * @completions: of as many
 * @doorbell: of the commands, in BAR 0; that of the completions follows
 * @tail: of @commands
 * @head: of @completions
 * @phase: of the completions that are new
 */
struct nvme_queue {
	struct nvme_command *commands;
	volatile struct nvme_completion *completions;
	uint32_t doorbell;
	uint16_t tail;
	uint16_t head;
	uint16_t phase;
};

/**
 * struct nvme - a disk, its first namespace
 * @vfio: the device
 * @stride: bytes from one doorbell to the next
 * @own: the driver's memory
 * @iova: its address for the device
 * @data: a page of it, the caller's
 * @data_iova: its address for the device
 * @hits: a page of it, for vfio_attach(); see nvme_hold()
 * @held: the guest memory that is begun for all transfers; no length: none is
 * @admin: the first pair of queues
 * @io: the one for reads and writes
 * @block: bytes of a block
 * @blocks: of the namespace
 * @status: of the last command
 * @again: transfers that were hit, and done again
 */
struct nvme {
	struct vfio vfio;
	uint32_t stride;
	uint8_t *own;
	uint64_t iova;
	void *data;
	uint64_t data_iova;
	uint8_t *hits;
	struct kvm_tdp_vfio_io held;
	struct nvme_queue admin;
	struct nvme_queue io;
	uint32_t block;
	uint64_t blocks;
	uint16_t status;
	uint64_t again;
};

/* The disk that vfio-pci drives; @name as in /sys/bus/pci/devices. */
int nvme_open(struct nvme *nvme, const char *name);
void nvme_close(struct nvme *nvme);

/*
 * nvme_open() in two: take the device, in a container of @type; and, when nvme.own can be
 * reached by it at @iova, start it.
 */
int nvme_take(struct nvme *nvme, const char *name, int type);
int nvme_start(struct nvme *nvme, uint64_t iova);

/**
 * nvme_rw() - read blocks into, or write them from, guest memory
 * @nvme: the disk, attached to the guest (vfio_attach())
 * @gpa: of the guest's memory, a multiple of 4096
 * @length: bytes, a multiple of the block's and of 4096, up to NVME_MAX
 * @block: the first of the disk
 * @to_guest: read from the disk
 *
 * A transfer that is hit is done again.  Within what nvme_hold() holds that takes no system
 * call, as long as none is.
 */
int nvme_rw(struct nvme *nvme, uint64_t gpa, uint64_t length, uint64_t block, bool to_guest);

/**
 * nvme_hold() - begin once for many transfers
 * @nvme: the disk, attached to the guest with @nvme->hits
 * @gpa: of the guest's memory
 * @length: bytes
 *
 * Nothing is pinned by that: when the host takes some of it, the transfer at work is done
 * again, and all of it begun anew.  So it is for memory of which the host seldom takes any;
 * hold less, or nothing, of other.
 */
int nvme_hold(struct nvme *nvme, uint64_t gpa, uint64_t length);
void nvme_release(struct nvme *nvme);

/* nvme_rw() once, and of memory that nobody has begun, or of the driver's own. */
int nvme_raw(struct nvme *nvme, uint64_t gpa, uint64_t length, uint64_t block, bool to_guest);

#endif /* EXAMPLES_NVME_H */
