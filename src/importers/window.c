// SPDX-License-Identifier: GPL-2.0-only
/*
 * A window: a shared, read-only mapping of a file of /dev/kvm_tdp_mem, at the offset that
 * is the guest physical address.  Nothing is pinned: a fault copies entries of the
 * exported table into the reader's page table, and they are zapped before the host
 * reuses the memory.
 *
 * A *note* says which page of the host a gfn was copied as.  It is made with the entry,
 * under mem->lock and the lock of the reader's page table, and as long as it is there
 * some reader may have that entry.  Rules (tests/model/window.pml):
 *
 *	COPY	an entry is copied, and noted, after a look at the table in the same hold
 *		of mem->lock.
 *	VOID	revoke marks the notes of what the table has no more as void, zaps, and
 *		then removes those that are void still: one that was copied anew since is
 *		not.
 *	ZAPPED	whoever has marked notes as void zaps, and cannot fail to.
 *	LAST	of zaps that overlap, the one that ends last removes, but no more than the
 *		range it zapped.  A revoke may zap less than it announces; a void note
 *		outside is held by the invalidate that follows, and removed by the worker.
 *	HOLD	invalidate cannot zap.  It takes a reference on the page of each note that
 *		is left, and has a worker zap and then put.  Until then the memory is not
 *		reused, and the gfn is not copied, or the worker might never be done.
 *
 * So a note whose page is not held is a translation: good until an invalidate that covers
 * it returns, as then it is gone, or its page is held.  Revoke comes first wherever the
 * host can wait, and mostly leaves nothing.  Otherwise a reader may see what was there,
 * never anybody else's memory, until the worker ran; fdinfo has how long that was.
 *
 * Revoke must not wait for i_mmap_rwsem of the window: it may be called with that of
 * the VM's memory held, which somebody in mm_take_all_locks() wants who has ours.  It
 * tries, and leaves what it cannot do to invalidate.
 *
 * Order: the reader's mmap_lock or the lock of its vma, page table lock, mem->lock; of
 * revoke: whatever the host holds, a try for i_mmap_rwsem, page table lock; nothing of the
 * exporter's under any of these.
 */

#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/page_table_check.h>
#include <linux/pagemap.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "compat/vma.h"
#include "kvm_tdp_mem.h"

/* Notes of one array, a page: what a page table of the reader's spans at best. */
#define WINDOW_CHUNK	(PAGE_SIZE / sizeof(u64))
/* Of all files: 2^30 notes, each of which may be a reference on the same page. */
#define WINDOW_MAX_CHUNKS	((int)BIT(21))
/* Entries that are copied by a fault. */
#define WINDOW_AROUND	32UL
/* Notes that are looked at in one hold of mem->lock. */
#define WINDOW_BATCH	32UL
/* Mappings of one VM's memory: each is zapped while the host waits. */
#define WINDOW_MAPPINGS	64
/* How often revoke tries for i_mmap_rwsem: for some milliseconds. */
#define WINDOW_TRIES	100

/* A note is 0, or NOTE_SET, a pfn and these. */
#define NOTE_SET	BIT_ULL(63)
#define NOTE_HELD	BIT_ULL(62)	/* by a reference on the page */
#define NOTE_VOID	BIT_ULL(61)	/* is being zapped; not copied since */
#define NOTE_PFN	GENMASK_ULL(51, 0)

/**
 * struct window_zap - one that runs
 * @node: in window->zaps; mem->lock
 * @node_of_all: in zappers; zappers_lock
 * @task: runs it
 * @gfn: first that it may zap
 * @end: behind the last one
 */
struct window_zap {
	struct list_head node;
	struct list_head node_of_all;
	const struct task_struct *task;
	u64 gfn;
	u64 end;
};

/**
 * struct window_copy - entries that a fault copies, in one page table of the reader's
 * @mem: from where
 * @vma: to where
 * @notes: of these gfns
 * @start: first address
 * @end: behind the last one
 * @cursor: of the exported table
 * @want: the one that is needed
 * @ret: of that one
 */
struct window_copy {
	struct mem *mem;
	struct vm_area_struct *vma;
	u64 *notes;
	struct kvm_tdp_cursor cursor;
	unsigned long start;
	unsigned long end;
	unsigned long want;
	int ret;
};

static DEFINE_MUTEX(windows_lock);
static LIST_HEAD(windows);		/* windows_lock */

static DEFINE_RAW_SPINLOCK(zappers_lock);	/* taken alone */
static LIST_HEAD(zappers);		/* zappers_lock: all zaps that run */

/* Arrays of notes: no page can be held more often than its count may count. */
static atomic_t windows_nr_notes = ATOMIC_INIT(0);

/* Of its own: it gives memory back, for which the OOM killer may wait. */
static struct workqueue_struct *windows_wq;	/* constant */

static struct mem *window_mem(struct mem_window *window)
{
	return container_of(window, struct mem, window);
}

/*
 * Where the exported table is looked at.  Sparse is to think that nothing is held then:
 * window_copy_fn() locks for its first entry, and unlocks after the last.
 */
static void window_lock(struct mem *mem)
{
	raw_spin_lock(&mem->lock);
	rcu_read_lock();
	__release(&mem->lock);
	__release(RCU);
}

static void window_unlock(struct mem *mem)
{
	__acquire(RCU);
	__acquire(&mem->lock);
	rcu_read_unlock();
	raw_spin_unlock(&mem->lock);
}

static u64 *window_notes(struct mem_window *window, u64 gfn)
{
	return xa_load(&window->notes, gfn / WINDOW_CHUNK);
}

static void window_free_notes(void *notes)
{
	free_page((unsigned long)notes);
	atomic_dec(&windows_nr_notes);
}

static int window_need_notes(struct mem_window *window, u64 gfn)
{
	void *notes;
	int ret;

	if (window_notes(window, gfn))
		return 0;
	if (atomic_inc_return(&windows_nr_notes) > WINDOW_MAX_CHUNKS)
		goto err;
	notes = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!notes)
		goto err;
	ret = xa_insert(&window->notes, gfn / WINDOW_CHUNK, notes, GFP_KERNEL_ACCOUNT);
	if (!ret)
		return 0;
	window_free_notes(notes);
	/* Somebody else has put it there. */
	return ret == -EBUSY ? 0 : ret;
err:
	atomic_dec(&windows_nr_notes);
	return -ENOMEM;
}

/* The pfn that the table has, readable; 0: none.  @cursor: of this hold of the lock. */
static u64 window_look_up(struct mem *mem, struct kvm_tdp_cursor *cursor, u64 gfn)
{
	struct kvm_tdp_leaf leaf;
	u64 gpa = gfn << PAGE_SHIFT;
	int ret;

	lockdep_assert_held(&mem->lock);
	ret = kvm_tdp_walk_from(&mem->table, cursor, gpa, &leaf);
	if (ret || !(leaf.access & KVM_TDP_ACCESS_READ))
		return 0;
	return PHYS_PFN(leaf.hpa + (gpa - leaf.gpa));
}

/* The lock of the reader's page table is held. */
static int window_copy_entry(struct window_copy *c, pte_t *pte, unsigned long address)
{
	u64 gfn = linear_page_index(c->vma, address), pfn;
	u64 *note = &c->notes[gfn % WINDOW_CHUNK];

	if (!pte_none(ptep_get(pte)))
		return 0;
	if (*note & NOTE_HELD)
		return -EBUSY;
	pfn = window_look_up(c->mem, &c->cursor, gfn);
	if (!pfn)
		return -ENXIO;
	/* An invalidate of that one is on its way. */
	if (*note & NOTE_SET && (*note & NOTE_PFN) != pfn)
		return -EBUSY;
	/* A reference would not keep such a page. */
	if (is_zone_device_page(pfn_to_page(pfn)))
		return -EFAULT;
	*note = pfn | NOTE_SET;
	set_pte_at(c->vma->vm_mm, address, pte,
		   pte_mkspecial(pfn_pte(pfn, c->vma->vm_page_prot)));
	return 0;
}

static int window_copy_fn(pte_t *pte, unsigned long address, void *data)
{
	struct window_copy *c = data;
	int ret;

	if (address == c->start) {
		/* Pairs with window_zap(): that sees this page table, or we its cause. */
		smp_mb();
		window_lock(c->mem);
	}
	ret = window_copy_entry(c, pte, address);
	if (address == c->want)
		c->ret = ret;
	if (address + PAGE_SIZE == c->end)
		window_unlock(c->mem);
	return 0;
}

/*
 * Return: 0; -ENXIO the table has nothing; -EBUSY somebody takes it away; -EFAULT it
 * cannot be mapped; -ENOMEM.
 */
static int window_copy(struct mem *mem, const struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long around = WINDOW_AROUND << PAGE_SHIFT;
	struct window_copy c = {
		.mem = mem,
		.vma = vma,
		.want = vmf->address & PAGE_MASK,
		.ret = -EFAULT,
	};
	u64 offset;
	int ret;

	/* Notes are kept for what there is. */
	window_lock(mem);
	ret = window_look_up(mem, NULL, vmf->pgoff) ? 0 : -ENXIO;
	window_unlock(mem);
	ret = ret ?: window_need_notes(&mem->window, vmf->pgoff);
	if (ret)
		return ret;
	c.notes = window_notes(&mem->window, vmf->pgoff);
	/* In one page table, and one array of notes: their pieces need not coincide. */
	c.start = max(ALIGN_DOWN(c.want, around), vma->vm_start);
	c.end = min(ALIGN_DOWN(c.want, around) + around, vma->vm_end);
	offset = (vmf->pgoff % WINDOW_CHUNK) << PAGE_SHIFT;
	c.start = max(c.start, c.want - min(c.want, offset));
	c.end = min(c.end, c.want + (WINDOW_CHUNK << PAGE_SHIFT) - offset);
	ret = apply_to_page_range(vma->vm_mm, c.start, c.end - c.start, window_copy_fn, &c);
	return ret ?: c.ret;
}

/* Why the page could not be had when a reader asked last, with mmap_lock dropped. */
static vm_fault_t window_take_error(struct mem *mem, u64 gfn, bool again)
{
	struct mem_window_error *error = &mem->window.errors[gfn % MEM_WINDOW_ERRORS];
	vm_fault_t fault = 0;

	raw_spin_lock(&mem->lock);
	if (error->gfn == gfn) {
		if (again)
			fault = error->fault;
		error->fault = 0;
	}
	raw_spin_unlock(&mem->lock);
	return fault;
}

static void window_leave_error(struct mem *mem, u64 gfn, vm_fault_t fault)
{
	struct mem_window_error *error = &mem->window.errors[gfn % MEM_WINDOW_ERRORS];

	raw_spin_lock(&mem->lock);
	error->gfn = gfn;
	error->fault = fault;
	raw_spin_unlock(&mem->lock);
}

/* Have the page mapped, or wait for whoever takes it away.  No lock is held. */
static void window_ask(struct mem *mem, u64 gfn, int why)
{
	struct kvm_tdp_fault_type type = { .read = true };
	int ret;

	if (why == -EBUSY) {
		/* Or for who has yet to tell of it, and may be waiting for this CPU. */
		if (!flush_work(&mem->window.work))
			schedule_timeout_killable(1);
		return;
	}
	ret = mem->tdp_fd->ops->fault(mem->tdp_fd, NULL, gfn, type);
	if (ret == -EHWPOISON)
		window_leave_error(mem, gfn, VM_FAULT_HWPOISON);
	else if (ret && ret != -EAGAIN && ret != -EINTR)
		window_leave_error(mem, gfn, VM_FAULT_SIGBUS);
}

static vm_fault_t window_fault(struct vm_fault *vmf)
{
	struct file *file = vmf->vma->vm_file;
	struct mem *mem = file->private_data;
	bool again = vmf->flags & FAULT_FLAG_TRIED;
	u64 gfn = vmf->pgoff;
	vm_fault_t fault;
	int ret;

	ret = window_copy(mem, vmf);
	if (!ret)
		return VM_FAULT_NOPAGE;
	fault = window_take_error(mem, gfn, again);
	if (fault)
		return fault;
	/* Once it may be that the page table, while it was empty, was freed meanwhile. */
	if (ret == -ENOMEM && again)
		return VM_FAULT_OOM;
	if (ret == -EFAULT || !(vmf->flags & FAULT_FLAG_ALLOW_RETRY))
		return VM_FAULT_SIGBUS;
	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;
	/* The VM's mmap_lock is wanted next, and may be this one. */
	get_file(file);
	release_fault_lock(vmf);
	if (ret != -ENOMEM)
		window_ask(mem, gfn, ret);
	fput(file);
	return VM_FAULT_RETRY;
}

static void window_vm_open(struct vm_area_struct *vma)
{
	struct mem *mem = vma->vm_file->private_data;

	atomic_inc(&mem->window.nr_mappings);
}

static void window_vm_close(struct vm_area_struct *vma)
{
	struct mem *mem = vma->vm_file->private_data;

	atomic_dec(&mem->window.nr_mappings);
}

/* Of the VM's memory, by all files. */
static unsigned int window_count(const struct mem *mem)
{
	struct mem_window *window;
	unsigned int nr = 0;

	lockdep_assert_held(&windows_lock);
	list_for_each_entry(window, &windows, node) {
		if (window_mem(window)->table.root_hpa == mem->table.root_hpa)
			nr += atomic_read(&window->nr_mappings);
	}
	return nr;
}

static int window_may_split(struct vm_area_struct *vma, unsigned long address)
{
	unsigned int nr;

	mutex_lock(&windows_lock);
	nr = window_count(vma->vm_file->private_data);
	mutex_unlock(&windows_lock);
	return nr < WINDOW_MAPPINGS ? 0 : -ENOMEM;
}

/*
 * The check counts who has an anonymous page, and some kernels our entries, which are not
 * for it to count, too: it would find the VMM's own writable beside one that is held.
 */
static bool window_is_checked(void)
{
#ifdef CONFIG_PAGE_TABLE_CHECK
	return !static_branch_likely(&page_table_check_disabled);
#else
	return false;
#endif
}

static const struct vm_operations_struct window_vm_ops = {
	.open = window_vm_open,
	.close = window_vm_close,
	.may_split = window_may_split,
	.fault = window_fault,
};

int window_mmap(struct mem *mem, struct vm_area_struct *vma)
{
	int ret = 0;

	if (window_is_checked())
		return -EOPNOTSUPP;
	/* Not beyond what a gfn can be. */
	if (!(vma->vm_flags & VM_MAYSHARE) ||
	    vma->vm_pgoff + vma_pages(vma) > PHYS_PFN(-1UL))
		return -EINVAL;
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EACCES;
	/* VM_IO: from MADV_DOFORK, too. */
	vm_flags_mod(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY,
		     VM_MAYWRITE | VM_MAYEXEC);
	vma->vm_ops = &window_vm_ops;

	mutex_lock(&windows_lock);
	if (window_count(mem) >= WINDOW_MAPPINGS)
		ret = -ENOSPC;
	else
		window_vm_open(vma);
	mutex_unlock(&windows_lock);
	return ret;
}

/* i_mmap_rwsem of the window is held. */
static void window_zap(struct mem_window *window, u64 gfn, u64 end)
{
	struct vm_area_struct *vma;
	struct rb_node *node;
	u64 first, last;

	/* The table is clear; pairs with window_copy_fn(). */
	smp_mb();
	/* In their order: mremap() without locks of ours relies on it. */
	for (node = rb_first_cached(&window->mapping.i_mmap); node; node = rb_next(node)) {
		vma = rb_entry(node, struct vm_area_struct, shared.rb);
		if (vma->vm_pgoff >= end)
			break;
		first = max_t(u64, gfn, vma->vm_pgoff);
		last = min_t(u64, end, vma->vm_pgoff + vma_pages(vma));
		if (first < last)
			zap_special_vma_range(vma, vma->vm_start +
					      ((first - vma->vm_pgoff) << PAGE_SHIFT),
					      (last - first) << PAGE_SHIFT);
	}
}

/* For whom notes are looked through, and what is done to one. */
enum window_why {
	WINDOW_LOOK,		/* nothing is: is there what WINDOW_REVOKE would mark? */
	WINDOW_REVOKE,		/* mark as void what the table has no more */
	WINDOW_HOLD,		/* hold the pages of those */
	WINDOW_WORK,		/* mark as void what is held */
};

/* Return: whether it was done. */
static bool window_mark_note(struct mem *mem, struct kvm_tdp_cursor *cursor, u64 gfn,
			     u64 *note, enum window_why why)
{
	u64 pfn = *note & NOTE_PFN;
	bool held = *note & NOTE_HELD;

	if (!(*note & NOTE_SET))
		return false;
	if (why == WINDOW_WORK) {
		if (held)
			*note |= NOTE_VOID;
		return held;
	}
	/* What is there now will be taken by an invalidate of its own, as a new copy. */
	if (!held && window_look_up(mem, cursor, gfn) == pfn)
		return false;
	if (why == WINDOW_LOOK)
		return true;
	if (why == WINDOW_REVOKE) {
		*note |= NOTE_VOID;
		return true;
	}
	if (held)
		return false;
	/* Until this invalidate has returned the page is the guest's. */
	get_page(pfn_to_page(pfn));
	*note |= NOTE_HELD;
	mem->window.held_now++;
	mem->window.held_pages++;
	return true;
}

/*
 * Mark those of [@gfn, @end), and make that what spans the marked ones.
 *
 * Return: whether there are any.
 */
static bool window_mark(struct mem *mem, u64 *gfn, u64 *end, enum window_why why)
{
	unsigned long index, last = (*end - 1) / WINDOW_CHUNK;
	u64 *notes, at, stop, batch, marked_gfn = *end, marked_end = *gfn;
	struct kvm_tdp_cursor cursor;

	xa_for_each_range(&mem->window.notes, index, notes, *gfn / WINDOW_CHUNK, last) {
		at = max_t(u64, *gfn, index * WINDOW_CHUNK);
		stop = min_t(u64, *end, (index + 1) * WINDOW_CHUNK);
		while (at < stop) {
			cursor = (struct kvm_tdp_cursor){ 0 };
			window_lock(mem);
			for (batch = min(stop, at + WINDOW_BATCH); at < batch; at++) {
				if (!window_mark_note(mem, &cursor, at,
						      &notes[at % WINDOW_CHUNK], why))
					continue;
				marked_gfn = min(marked_gfn, at);
				marked_end = at + 1;
			}
			window_unlock(mem);
			if (why != WINDOW_HOLD)
				cond_resched();
		}
	}
	*gfn = marked_gfn;
	*end = marked_end;
	return *gfn < *end;
}

static bool window_is_last(const struct mem *mem, u64 gfn, u64 end)
{
	const struct window_zap *other;

	lockdep_assert_held(&mem->lock);
	list_for_each_entry(other, &mem->window.zaps, node) {
		if (other->gfn < end && gfn < other->end)
			return false;
	}
	return true;
}

/*
 * Remove the notes of [@gfn, @end), all of which is zapped, that are void still, and
 * put their pages.
 *
 * Return: whether that was left to another zap.
 */
static bool window_unmark(struct mem *mem, u64 gfn, u64 end)
{
	unsigned long index, last = (end - 1) / WINDOW_CHUNK;
	struct page *pages[WINDOW_BATCH];
	u64 *notes, *note, at, stop, batch;
	bool left = false;
	unsigned int nr;

	xa_for_each_range(&mem->window.notes, index, notes, gfn / WINDOW_CHUNK, last) {
		at = max_t(u64, gfn, index * WINDOW_CHUNK);
		stop = min_t(u64, end, (index + 1) * WINDOW_CHUNK);
		while (at < stop) {
			nr = 0;
			raw_spin_lock(&mem->lock);
			left |= !window_is_last(mem, gfn, end);
			for (batch = min(stop, at + WINDOW_BATCH); at < batch; at++) {
				note = &notes[at % WINDOW_CHUNK];
				if (!(*note & NOTE_VOID) || left)
					continue;
				if (*note & NOTE_HELD)
					pages[nr++] = pfn_to_page(*note & NOTE_PFN);
				*note = 0;
			}
			mem->window.held_now -= nr;
			raw_spin_unlock(&mem->lock);
			while (nr)
				put_page(pages[--nr]);
			cond_resched();
		}
	}
	return left;
}

/* Is this the notifier of a reader's mm, called for a zap of this very task's? */
static bool window_is_nested(void)
{
	const struct window_zap *zap;
	bool found = false;

	raw_spin_lock(&zappers_lock);
	list_for_each_entry(zap, &zappers, node_of_all)
		found |= zap->task == current;
	raw_spin_unlock(&zappers_lock);
	return found;
}

static void window_zap_begin(struct mem *mem, struct window_zap *zap)
{
	raw_spin_lock(&zappers_lock);
	list_add(&zap->node_of_all, &zappers);
	raw_spin_unlock(&zappers_lock);
	raw_spin_lock(&mem->lock);
	list_add(&zap->node, &mem->window.zaps);
	raw_spin_unlock(&mem->lock);
}

static void window_zap_end(struct mem *mem, struct window_zap *zap)
{
	raw_spin_lock(&mem->lock);
	list_del(&zap->node);
	raw_spin_unlock(&mem->lock);
	raw_spin_lock(&zappers_lock);
	list_del(&zap->node_of_all);
	raw_spin_unlock(&zappers_lock);
}

/*
 * Mark and zap; nobody else need look whether what is marked was zapped.  i_mmap_rwsem is
 * held.
 *
 * Return: as window_unmark().
 */
static bool window_zap_marked(struct mem *mem, u64 gfn, u64 end, enum window_why why)
{
	struct window_zap zap = { .task = current, .gfn = gfn, .end = end };
	bool marked;

	window_zap_begin(mem, &zap);
	marked = window_mark(mem, &gfn, &end, why);
	if (marked) {
		/*
		 * The notifiers of the reader's mm may be called from those of the VM's,
		 * for which lockdep has one map.  None of ours waits for another mm.
		 */
		lockdep_off();
		window_zap(&mem->window, gfn, end);
		lockdep_on();
	}
	window_zap_end(mem, &zap);
	return marked && window_unmark(mem, gfn, end);
}

/* Of the host, which waits, only where there is a reason to. */
static bool window_trylock(struct mem *mem, u64 gfn, u64 end)
{
	struct mem_window *window = &mem->window;
	unsigned int tries = WINDOW_TRIES;

	if (i_mmap_trylock_read(&window->mapping))
		return true;
	if (!window_mark(mem, &gfn, &end, WINDOW_LOOK))
		return false;
	while (!i_mmap_trylock_read(&window->mapping)) {
		/* Then waiting may be in vain. */
		if (!--tries || test_bit(AS_MM_ALL_LOCKS, &window->mapping.flags))
			return false;
		usleep_range(20, 100);
	}
	return true;
}

/**
 * window_revoke() - zap what the table has no more, if that can be done now
 * @mem: the file
 * @gfn: first of the range
 * @end: behind the last one
 *
 * Context: that of kvm_tdp_importer_ops.revoke.
 */
void window_revoke(struct mem *mem, u64 gfn, u64 end)
{
	struct mem_window *window = &mem->window;
	unsigned long index = gfn / WINDOW_CHUNK;

	might_sleep();
	/* A zap in a zap, of another file's even, might go on for as long as there are files. */
	if (!xa_find(&window->notes, &index, (end - 1) / WINDOW_CHUNK, XA_PRESENT) ||
	    window_is_nested() || !window_trylock(mem, gfn, end))
		return;
	window_zap_marked(mem, gfn, end, WINDOW_REVOKE);
	i_mmap_unlock_read(&window->mapping);
}

/**
 * window_invalidate() - hold the pages that readers may have, and nobody else any more
 * @mem: the file
 * @gfn: first of the range
 * @end: behind the last one
 *
 * Context: that of kvm_tdp_importer_ops.invalidate.
 */
void window_invalidate(struct mem *mem, u64 gfn, u64 end)
{
	struct mem_window *window = &mem->window;

	if (!window_mark(mem, &gfn, &end, WINDOW_HOLD))
		return;
	raw_spin_lock(&mem->lock);
	if (window->held_end) {
		window->held_start = min(window->held_start, gfn);
		window->held_end = max(window->held_end, end);
	} else {
		window->held_start = gfn;
		window->held_end = end;
		window->held_since = ktime_get_ns();
	}
	raw_spin_unlock(&mem->lock);
	queue_work(windows_wq, &window->work);
}

/* Zap, and put, what is held.  Holds nothing that a holder of i_mmap_rwsem may want. */
static void window_work(struct work_struct *work)
{
	struct mem_window *window = container_of(work, struct mem_window, work);
	struct mem *mem = window_mem(window);
	u64 gfn, end, since;
	bool left;

	raw_spin_lock(&mem->lock);
	gfn = window->held_start;
	end = window->held_end;
	since = window->held_since;
	window->held_end = 0;
	raw_spin_unlock(&mem->lock);
	if (!end)
		return;

	i_mmap_lock_read(&window->mapping);
	left = window_zap_marked(mem, gfn, end, WINDOW_WORK);
	i_mmap_unlock_read(&window->mapping);

	raw_spin_lock(&mem->lock);
	window->held_ns = max(window->held_ns, ktime_get_ns() - since);
	if (left) {
		window->held_start = window->held_end ? min(window->held_start, gfn) : gfn;
		window->held_end = max(window->held_end, end);
	}
	raw_spin_unlock(&mem->lock);
	if (left)
		queue_work(windows_wq, work);
}

void window_show(struct mem *mem, struct seq_file *m)
{
	u64 now, pages, ns;

	raw_spin_lock(&mem->lock);
	now = mem->window.held_now;
	pages = mem->window.held_pages;
	ns = mem->window.held_ns;
	raw_spin_unlock(&mem->lock);
	seq_printf(m, "kvm_tdp_mem_mappings:\t%d\n", atomic_read(&mem->window.nr_mappings));
	seq_printf(m, "kvm_tdp_mem_held_now:\t%llu\n", now);
	seq_printf(m, "kvm_tdp_mem_held:\t%llu\n", pages);
	seq_printf(m, "kvm_tdp_mem_held_us:\t%llu\n", DIV_ROUND_UP_ULL(ns, NSEC_PER_USEC));
}

int __init windows_init(void)
{
	windows_wq = alloc_workqueue("kvm_tdp_mem", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return windows_wq ? 0 : -ENOMEM;
}

void windows_exit(void)
{
	destroy_workqueue(windows_wq);
}

void window_init(struct mem *mem, struct file *file)
{
	static struct lock_class_key i_mmap_key;
	struct mem_window *window = &mem->window;

	address_space_init_once(&window->mapping);
	lockdep_set_class(&window->mapping.i_mmap_rwsem, &i_mmap_key);
	window->mapping.host = file_inode(file);
	window->mapping.a_ops = &empty_aops;
	mapping_set_gfp_mask(&window->mapping, GFP_USER);
	file->f_mapping = &window->mapping;

	INIT_LIST_HEAD(&window->node);
	INIT_LIST_HEAD(&window->zaps);
	xa_init(&window->notes);
	INIT_WORK(&window->work, window_work);
}

/* From now on it may be mapped. */
void window_attach(struct mem *mem)
{
	mutex_lock(&windows_lock);
	list_add(&mem->window.node, &windows);
	mutex_unlock(&windows_lock);
}

/* The last mapping has gone, and nobody calls revoke or invalidate any more. */
void window_exit(struct mem *mem)
{
	struct mem_window *window = &mem->window;
	unsigned long index;
	void *notes;

	mutex_lock(&windows_lock);
	list_del(&window->node);
	mutex_unlock(&windows_lock);

	/* Once more, and to its end: a zap may have left pages to another. */
	cancel_work_sync(&window->work);
	window_work(&window->work);
	WARN_ON_ONCE(window->held_end || window->held_now || !list_empty(&window->zaps));
	xa_for_each(&window->notes, index, notes)
		window_free_notes(notes);
	xa_destroy(&window->notes);
}
