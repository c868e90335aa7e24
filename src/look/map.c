// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_TDP_READ_MAP: the table as runs of like leaves, read under RCU.
 */

#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "map.h"

#define KTDP_MAP_BATCH	128	/* runs copied to the user at once */
#define KTDP_MAP_STEPS	4096	/* entries looked at in one RCU section */

struct ktdp_map_iter {
	struct kvm_exported_tdp *tdp;
	u64 gfn;		/* next to look at */
	u64 end;
	bool show_hpa;
	struct kvm_tdp_run *runs;	/* the last one may still grow */
	unsigned int nr;
};

static_assert(KTDP_READ == KVM_TDP_ACCESS_READ);
static_assert(KTDP_WRITE == KVM_TDP_ACCESS_WRITE);
static_assert(KTDP_EXEC == KVM_TDP_ACCESS_EXEC);

/*
 * Merge across hpa jumps where host addresses are hidden: run boundaries would leak
 * the host's layout.
 */
static bool ktdp_map_extend(struct ktdp_map_iter *it,
			    const struct kvm_tdp_run *run)
{
	struct kvm_tdp_run *last = it->runs + it->nr - 1;

	if (!it->nr || last->gpa + last->length != run->gpa ||
	    last->access != run->access || last->level != run->level ||
	    (it->show_hpa && last->hpa + last->length != run->hpa))
		return false;
	last->length += run->length;
	return true;
}

/* Return: whether there was room. */
static bool ktdp_map_add(struct ktdp_map_iter *it, unsigned int room,
			 const struct ktdp_walk *walk, u64 next)
{
	struct kvm_tdp_run run = {
		.gpa = walk->gfn << PAGE_SHIFT,
		.length = (next - walk->gfn) << PAGE_SHIFT,
		.access = walk->access,
		.level = walk->level,
	};

	if (it->show_hpa)
		run.hpa = ktdp_walk_pfn(&it->tdp->table.fmt, walk) << PAGE_SHIFT;
	if (ktdp_map_extend(it, &run))
		return true;
	if (it->nr == room)
		return false;
	it->runs[it->nr++] = run;
	return true;
}

/* Return: whether to go on. */
static bool ktdp_map_steps(struct ktdp_map_iter *it, unsigned int room)
{
	struct ktdp_walk walk;
	int steps;

	rcu_read_lock();
	for (steps = 0; steps < KTDP_MAP_STEPS && it->gfn < it->end; steps++) {
		u64 next;

		ktdp_table_walk(&it->tdp->table, it->gfn, &walk);
		next = min(ktdp_walk_next(&walk), it->end);
		if (walk.entry && !ktdp_map_add(it, room, &walk, next))
			break;
		it->gfn = next;
	}
	rcu_read_unlock();
	return steps == KTDP_MAP_STEPS;
}

static int ktdp_map_batch(struct ktdp_map_iter *it, unsigned int room)
{
	bool more;

	it->nr = 0;
	do {
		more = ktdp_map_steps(it, room);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	} while (more);
	return 0;
}

/**
 * ktdp_map_read() - write runs to the user until the range or the room ends
 * @tdp: the exported TDP
 * @map: the ioctl's argument, checked; gpa, length and nr_runs are updated
 *
 * Context: process context, may sleep.
 * Return: 0, -EFAULT, -EINTR or -ENOMEM.
 */
int ktdp_map_read(struct kvm_exported_tdp *tdp, struct kvm_tdp_map *map)
{
	struct kvm_tdp_run __user *user = u64_to_user_ptr(map->runs);
	u64 limit = tdp->table.fmt.gfn_end;
	u64 end = (map->gpa + map->length) >> PAGE_SHIFT;
	struct ktdp_map_iter it = {
		.tdp = tdp,
		.gfn = map->gpa >> PAGE_SHIFT,
		.end = min(end, limit),
		.show_hpa = ktdp_shows_host(),
	};
	u32 room = map->nr_runs, done = 0;
	int ret = 0;

	it.runs = kcalloc(KTDP_MAP_BATCH, sizeof(*it.runs), GFP_KERNEL);
	if (!it.runs)
		return -ENOMEM;
	while (it.gfn < it.end && done < room) {
		ret = ktdp_map_batch(&it, min_t(u32, room - done, KTDP_MAP_BATCH));
		if (ret)
			break;
		if (copy_to_user(user + done, it.runs, it.nr * sizeof(*it.runs))) {
			ret = -EFAULT;
			break;
		}
		done += it.nr;
	}
	kfree(it.runs);
	if (ret)
		return ret;
	if (it.gfn >= it.end)
		it.gfn = end;
	map->length = (end - it.gfn) << PAGE_SHIFT;
	map->gpa = it.gfn << PAGE_SHIFT;
	map->nr_runs = done;
	return 0;
}
