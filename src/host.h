/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_HOST_H
#define _KTDP_HOST_H

/*
 * The host's page table of the VM's process: whether it may be read, and what a
 * leaf of it lets importers have.
 */

#include <linux/mm.h>
#include <linux/sched/mm.h>

#include "pfn.h"
#include "tdp.h"

/* A caller's hold on the mm, and, if that takes it, on its tables. */
struct ktdp_host {
	struct mm_struct *mm;
	bool foreign;	/* not the mm of this thread */
	bool locked;	/* mmap_lock is held */
};

/* A leaf of the host's table, as importers may have it. */
struct ktdp_host_leaf {
	u64 pfn;		/* of the page asked for */
	int level;		/* of the largest leaf that may be made of it */
	bool readable;
	bool writable;
	bool is_ram;		/* a page of the mm's own, with its struct page */
};

extern struct ktdp_fmt ktdp_host_fmt;

void ktdp_host_init(void);
int ktdp_host_lock(struct ktdp_host *host);
unsigned long ktdp_host_room_locked(const struct ktdp_host *host, unsigned long hva);
void ktdp_host_read(const struct ktdp_walk *walk, const struct page *vouched,
		    struct ktdp_host_leaf *leaf);

/**
 * ktdp_host_begin() - make sure that a VM's mm has users
 * @host: is filled in
 * @mm: the VM's
 *
 * Context: process context, may sleep.
 * Return: 0; -EPERM it has none any more.
 */
static inline int ktdp_host_begin(struct ktdp_host *host, struct mm_struct *mm)
{
	host->mm = mm;
	host->foreign = current->mm != mm;
	host->locked = false;
	return host->foreign && !mmget_not_zero(mm) ? -EPERM : 0;
}

static inline void ktdp_host_end(struct ktdp_host *host)
{
	if (host->foreign)
		mmput_async(host->mm);
}

static inline void ktdp_host_unlock(struct ktdp_host *host)
{
	if (host->locked)
		mmap_read_unlock(host->mm);
	host->locked = false;
}

/* Pages from @hva on whose tables stay. */
static inline unsigned long ktdp_host_room(const struct ktdp_host *host,
					   unsigned long hva)
{
	return host->locked ? ktdp_host_room_locked(host, hva) : ULONG_MAX;
}

/**
 * ktdp_host_walk() - find the host's entry for an address
 * @mm: the VM's
 * @hva: host virtual address
 * @walk: is set to where the walk ended, and what was there
 *
 * The result is void once interrupts are on again, and may be used only if the caller
 * has seen before that no invalidation of it is in progress (notifier.c).
 *
 * Context: interrupts off, between ktdp_host_lock() and ktdp_host_unlock(), @hva
 * with ktdp_host_room().
 * Return: whether there is a leaf.
 */
static inline bool ktdp_host_walk(const struct mm_struct *mm, unsigned long hva,
				  struct ktdp_walk *walk)
{
	lockdep_assert_irqs_disabled();
	return ktdp_walk(&ktdp_host_fmt, (const u64 *)mm->pgd, hva >> PAGE_SHIFT,
			 walk);
}

#endif /* _KTDP_HOST_H */
