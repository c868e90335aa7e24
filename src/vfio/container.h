/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_CONTAINER_H
#define _KTDP_CONTAINER_H

/*
 * Shared by the files of kvm_tdp_vfio.ko: main.c is what VFIO calls, container.c a
 * container and its transfers, own.c the driver's own memory.
 *
 * Lock order: container.sem -> attach_mutex -> those of the library; container.sem ->
 * own_mutex -> mmap_lock
 */

#include <linux/kref.h>
#include <linux/kvm_tdp_iommu.h>
#include <linux/kvm_tdp_vfio.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

struct eventfd_ctx;
struct container;

enum io_state { IO_FREE, IO_BUSY, IO_IN_FLIGHT };

/* Transfers that are copied from and to the caller at a time. */
#define BATCH	32

/**
 * struct container_io - a transfer
 * @io: of the library
 * @range: likewise
 * @container: whose it is; constant
 * @state: IO_BUSY: a BEGIN or a DONE has it; by container.lock
 * @next_free: of IO_FREE: the next of these; likewise
 */
struct container_io {
	struct kvm_tdp_io io;
	struct kvm_tdp_range range;
	struct container *container;
	enum io_state state;
	u32 next_free;
};

/**
 * struct container - what VFIO_SET_IOMMU made
 * @kref: one of VFIO's, one of each call
 * @handle: VFIO's name for it; constant
 * @mm: of the process that made it, holds mm_count; constant
 * @sem: held for write to change the groups, for read by calls
 * @iommu: NULL: there is no group any more; by @sem
 * @nr_groups: by @sem
 * @attach_mutex: held over attach and detach
 * @attached: by @attach_mutex, or by @sem held for write
 * @hits: a byte for each of @ios, in a page of the process's, or NULL; changed by
 *	@attach_mutex while not attached, read under RCU
 * @own_mutex: for what follows
 * @own: struct own_memory
 * @own_bytes: of these
 * @own_tables: 2M windows for which the IOMMU has a table of 4K leaves, an entry each
 * @lock: for what follows; interrupts off
 * @eventfd: to be signalled by @hit_work, or NULL
 * @hit_work: queued by each transfer that is hit: to signal takes long where many wait
 * @first_free: of @ios; KVM_TDP_VFIO_MAX_IOS: none
 * @ios: by id
 */
struct container {
	struct kref kref;
	unsigned long handle;
	struct mm_struct *mm;

	struct rw_semaphore sem;
	struct kvm_tdp_iommu *iommu;
	unsigned int nr_groups;
	struct mutex attach_mutex;	/* as said above */
	bool attached;
	u8 __rcu *hits;

	struct mutex own_mutex;	/* as said above */
	struct list_head own;
	u64 own_bytes;
	struct xarray own_tables;

	spinlock_t lock;	/* as said above */
	struct eventfd_ctx *eventfd;
	struct work_struct hit_work;
	u32 first_free;
	struct container_io ios[KVM_TDP_VFIO_MAX_IOS];
};

struct container *container_alloc(void);
void container_free(struct container *container);
int container_add(struct container *container, struct iommu_group *group);
void container_remove(struct container *container, struct iommu_group *group);
/* Each with the sem held for read, and an iommu. */
int container_attach(struct container *container, const struct kvm_tdp_vfio_attach *arg);
int container_detach(struct container *container);
int container_begin(struct container *container, struct kvm_tdp_vfio_ios *arg);
int container_done(struct container *container, struct kvm_tdp_vfio_ios *arg);

int own_map(struct container *container, const struct kvm_tdp_vfio_map *arg);
int own_unmap(struct container *container, u64 iova);
void own_unmap_all(struct container *container);
int own_pin_page(struct container *container, u64 vaddr, u8 **bytes);
void own_unpin_page(struct container *container, u8 *bytes);

#endif /* _KTDP_CONTAINER_H */
