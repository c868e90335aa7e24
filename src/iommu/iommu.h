/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_IOMMU_H
#define _KTDP_IOMMU_H

/*
 * Shared by the files of kvm_tdp_iommu.ko: follow.c has transfers and their pages, guest.c
 * begins and ends that, show.c is what can be seen, device.c has groups and domains.  The
 * last of them calls the others.
 *
 * Lock order: kvm_tdp_iommu.attach_mutex -> sem -> mmap_lock -> (exporter, KVM) ->
 * kvm_tdp_iommu.lock -> (IOMMU driver)
 */

#include <linux/bitmap.h>
#include <linux/iommu.h>
#include <linux/kobject.h>
#include <linux/kvm_tdp_fd.h>
#include <linux/kvm_tdp_iommu.h>
#include <linux/kvm_tdp_walk.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/rwsem.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#define WINDOW_SHIFT	21
#define WINDOW_SIZE	BIT_ULL(WINDOW_SHIFT)
#define WINDOW_PAGES	512

/**
 * struct window - what of 2M of guest memory is in the domain; by kvm_tdp_iommu.lock
 * @huge: one leaf of 2M, instead of 4K each
 * @small: it had leaves of 4K once.  The IOMMU drivers keep the table of these, and some
 *	(VT-d up to 6.18, AMD's v2 format) free it before they flush what the IOMMU
 *	caches of it when 2M come into its place: that is never done.
 * @mapped: pages that are
 * @writable: of these, those that are writable
 */
struct window {
	bool huge;
	bool small;
	DECLARE_BITMAP(mapped, WINDOW_PAGES);
	DECLARE_BITMAP(writable, WINDOW_PAGES);
};

/**
 * struct reserved - addresses that transfers cannot have
 * @list: in kvm_tdp_iommu.reserved
 * @first: the first
 * @last: the last
 */
struct reserved {
	struct list_head list;
	u64 first;
	u64 last;
};

/**
 * struct ktdp_group - a group in an address space
 * @list: in kvm_tdp_iommu.groups
 * @group: the group
 */
struct ktdp_group {
	struct list_head list;
	struct iommu_group *group;
};

/**
 * struct kvm_tdp_iommu - an I/O address space
 * @kobj: in sysfs; frees it
 * @domain: translates for it; changed by nobody else; constant
 * @claimed: the group that open claimed, or NULL; constant
 * @groups: struct ktdp_group, attached to @domain; by @sem
 * @reserved: struct reserved; by @sem
 * @has_2m: the domain has leaves of 2M; constant
 * @sync_twice: see ktdp_domain_sync(); constant
 * @no_snoop_blocked: the devices cannot go past the caches; constant
 * @last: the last address that can be translated; constant
 * @own_first: above all GPAs, up to @last; constant
 * @attach_mutex: held over attach and detach
 * @sem: held for write to change what is attached, for read to begin
 * @tdp_fd: what is followed, or NULL; by @sem
 * @mm: the VM's, to name it to fault; holds mm_count only; by @sem
 * @table: by @sem
 * @importer_ops: constant
 * @name: as importers are seen, with that of @kobj; constant
 * @windows: struct window by gpa >> WINDOW_SHIFT; they stay to the end, as the IOMMU's
 *	tables do
 * @lock: held over every look at the table and what is done with it; not raw, for the
 *	IOMMU drivers' locks, which are taken under it, are not
 * @following: false: nothing is to be mapped; by @lock
 * @ranges: of transfers in flight, and of those that begin; by @lock
 * @info: the counters; by @lock
 */
struct kvm_tdp_iommu {
	struct kobject kobj;
	struct iommu_domain *domain;
	struct iommu_group *claimed;
	struct list_head groups;
	struct list_head reserved;
	bool has_2m;
	bool sync_twice;
	bool no_snoop_blocked;
	u64 last;
	u64 own_first;

	struct mutex attach_mutex;	/* as said above */
	struct rw_semaphore sem;
	struct kvm_tdp_fd *tdp_fd;
	struct mm_struct *mm;
	struct kvm_tdp_table table;
	struct kvm_tdp_importer_ops importer_ops;
	char name[32];
	struct xarray windows;

	spinlock_t lock;	/* as said above */
	bool following;
	struct rb_root_cached ranges;
	struct kvm_tdp_iommu_info info;
};

/* follow.c */
void ktdp_follow_init(struct kvm_tdp_iommu *iommu);
void ktdp_follow_exit(struct kvm_tdp_iommu *iommu);
void ktdp_domain_sync(struct kvm_tdp_iommu *iommu, u64 iova, size_t size,
		      struct iommu_iotlb_gather *gather);
/* Can [first, last] be translated, and is it GPAs' or the driver's own? */
bool ktdp_iommu_has(const struct kvm_tdp_iommu *iommu, u64 first, u64 last, bool own);

/* guest.c */
/* All is taken out, and nothing put in again, but by ktdp_guest_resume(). */
void ktdp_guest_pause(struct kvm_tdp_iommu *iommu);
void ktdp_guest_resume(struct kvm_tdp_iommu *iommu);

/* show.c */
int ktdp_show(struct kvm_tdp_iommu *iommu);
void ktdp_unshow(struct kvm_tdp_iommu *iommu);

#endif /* _KTDP_IOMMU_H */
