/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KVM_TDP_MEM_H
#define _KVM_TDP_MEM_H

#include <linux/fs.h>
#include <linux/kvm_tdp_fd.h>
#include <linux/kvm_tdp_walk.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#define MEM_WINDOW_ERRORS	16

/* Why a page could not be had, for the reader who tries again; mem->lock. */
struct mem_window_error {
	u64 gfn;
	vm_fault_t fault;
};

/**
 * struct mem_window - what is mapped of a file; see window.c
 * @mapping: of the file; its i_mmap has the mappings
 * @node: in the list of all, while it is attached
 * @nr_mappings: vm_area_structs
 * @notes: arrays of notes, by gfn / WINDOW_CHUNK; an array stays until the file goes
 * @zaps: mem->lock: those that run
 * @held_start: mem->lock: first gfn that may have a held page
 * @held_end: mem->lock: gfn behind the last one; 0: none has
 * @held_since: mem->lock: when the first of them was, in ns
 * @held_now: mem->lock: pages
 * @held_pages: mem->lock: pages that were held, ever
 * @held_ns: mem->lock: the longest that one was
 * @work: lets go of held pages
 * @errors: by gfn
 */
struct mem_window {
	struct address_space mapping;
	struct list_head node;
	atomic_t nr_mappings;
	struct xarray notes;
	struct list_head zaps;
	u64 held_start;
	u64 held_end;
	u64 held_since;
	u64 held_now;
	u64 held_pages;
	u64 held_ns;
	struct work_struct work;
	struct mem_window_error errors[MEM_WINDOW_ERRORS];
};

/**
 * struct mem - an open file of /dev/kvm_tdp_mem
 * @attach_lock: held by attach, protects what it sets
 * @tdp_fd: set once, when all below is
 * @table: constant then
 * @importer_ops: per file, as the exporter tells importers apart by it; constant
 * @writable: constant once attached
 * @lock: held across every use of a translation; raw, for invalidate takes it
 * @window: what is mapped
 */
struct mem {
	struct mutex attach_lock;	/* attach, and what it sets */
	struct kvm_tdp_fd *tdp_fd;
	struct kvm_tdp_table table;
	struct kvm_tdp_importer_ops importer_ops;
	bool writable;
	raw_spinlock_t lock;
	struct mem_window window;
};

int windows_init(void);
void windows_exit(void);
void window_init(struct mem *mem, struct file *file);
void window_exit(struct mem *mem);
void window_attach(struct mem *mem);
int window_mmap(struct mem *mem, struct vm_area_struct *vma);
void window_revoke(struct mem *mem, u64 gfn, u64 end);
void window_invalidate(struct mem *mem, u64 gfn, u64 end);
void window_show(struct mem *mem, struct seq_file *m);

#endif /* _KVM_TDP_MEM_H */
