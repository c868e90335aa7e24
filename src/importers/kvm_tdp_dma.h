/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KVM_TDP_DMA_PRIVATE_H
#define _KVM_TDP_DMA_PRIVATE_H

/*
 * Shared by the files of the reference importer.  Start reading in its main
 * file, where the steps are told that an importer takes.
 *
 * Lock order: dma_engine.sem -> mmap_lock -> (exporter, KVM) -> dma_engine.lock
 */

#include <linux/kvm_tdp_dma.h>
#include <linux/kvm_tdp_fd.h>
#include <linux/kvm_tdp_walk.h>
#include <linux/mm_types.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/* iotlb.c */

#define DMA_IOTLB_4K		256
#define DMA_IOTLB_2M		64
#define DMA_IOTLB_1G		16

/* One direct-mapped array per page size, as the split TLBs of hardware; level 0: unused. */
struct dma_iotlb {
	struct kvm_tdp_leaf e4k[DMA_IOTLB_4K];
	struct kvm_tdp_leaf e2m[DMA_IOTLB_2M];
	struct kvm_tdp_leaf e1g[DMA_IOTLB_1G];
};

const struct kvm_tdp_leaf *dma_iotlb_lookup(struct dma_iotlb *iotlb, u64 gpa,
					    u8 access);
const struct kvm_tdp_leaf *dma_iotlb_insert(struct dma_iotlb *iotlb,
					    const struct kvm_tdp_leaf *leaf);
void dma_iotlb_invalidate(struct dma_iotlb *iotlb, u64 first, u64 last);
void dma_iotlb_clear(struct dma_iotlb *iotlb);

/* engine.c */

/**
 * struct dma_engine - one open file of /dev/kvm_tdp_dma
 * @sem: held for write by attach and detach, for read by transfers
 * @tdp_fd: the TDP fd attached to, or NULL; protected by @sem
 * @table: protected by @sem
 * @importer_ops: per engine, as the exporter tells the importers of one TDP fd
 *	apart by the address of their ops; constant
 * @lock: held across every use of a translation; raw, for invalidate takes it
 * @iotlb: protected by @lock
 * @stats: protected by @lock
 */
struct dma_engine {
	struct rw_semaphore sem;
	struct kvm_tdp_fd *tdp_fd;
	struct kvm_tdp_table table;
	struct kvm_tdp_importer_ops importer_ops;

	raw_spinlock_t lock;
	struct dma_iotlb iotlb;
	struct kvm_tdp_dma_stats stats;
};

void dma_engine_init(struct dma_engine *engine);
void dma_engine_exit(struct dma_engine *engine);
int dma_engine_attach(struct dma_engine *engine, int tdp_fd);
int dma_engine_detach(struct dma_engine *engine);
int dma_engine_rw(struct dma_engine *engine, struct kvm_tdp_dma_rw *rw,
		  bool write);
int dma_engine_copy(struct dma_engine *engine, struct kvm_tdp_dma_copy *copy);
void dma_engine_get_stats(struct dma_engine *engine,
			  struct kvm_tdp_dma_stats *stats);

#endif /* _KVM_TDP_DMA_PRIVATE_H */
