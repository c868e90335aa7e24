// SPDX-License-Identifier: GPL-2.0-only
/*
 * What calls cost, in TSC ticks.  In a virtual machine whose clock counts
 * instructions, ticks are a fixed multiple of instructions.
 */

#include <linux/hmm.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include <asm/msr.h>

#include "marks.h"
#include "helper.h"

#define PAGES_MAX	65536
#define BATCH_MAX	512

/**
 * struct bench_run - one run of a benchmark
 * @bench: arguments and results
 * @tdp_fd: for FAULT
 * @pfns: for HMM
 * @ticks: one per call
 */
struct bench_run {
	struct ktdp_test_bench *bench;
	struct kvm_tdp_fd *tdp_fd;
	unsigned long *pfns;
	u64 *ticks;
};

static int bench_nothing(struct bench_run *run, u64 page)
{
	return 0;
}

static int bench_fault(struct bench_run *run, u64 page)
{
	return run->tdp_fd->ops->fault(run->tdp_fd, current->mm,
				       run->bench->gfn + page,
				       test_access(run->bench->access));
}

/*
 * hmm_range_fault() reads no more of its notifier than the mm and the sequence,
 * so one that never was inserted serves, and nothing but the walk is timed.
 */
static int bench_hmm(struct bench_run *run, u64 page)
{
	struct mmu_interval_notifier notifier = {
		.mm = current->mm,
		.invalidate_seq = 2,
	};
	struct hmm_range range = {
		.notifier = &notifier,
		.notifier_seq = 2,
		.start = run->bench->hva + page * PAGE_SIZE,
		.hmm_pfns = run->pfns,
		.default_flags = HMM_PFN_REQ_FAULT,
	};

	range.end = range.start + run->bench->batch * PAGE_SIZE;
	if (run->bench->access & KTDP_TEST_WRITE)
		range.default_flags |= HMM_PFN_REQ_WRITE;
	return hmm_range_fault(&range);
}

static int bench_gup_fast(struct bench_run *run, u64 page)
{
	struct page *found;

	if (get_user_pages_fast_only(run->bench->hva + page * PAGE_SIZE, 1, FOLL_WRITE,
				     &found) != 1)
		return -EFAULT;
	put_page(found);
	return 0;
}

static void bench_loop(struct bench_run *run,
		       int (*call)(struct bench_run *run, u64 page))
{
	struct ktdp_test_bench *bench = run->bench;
	u64 page, begin;
	int ret;

	profile_on();
	for (page = 0; page < bench->pages; page += bench->batch) {
		begin = rdtsc_ordered();
		ret = call(run, page);
		run->ticks[bench->calls++] = rdtsc_ordered() - begin;

		if (ret && !bench->ret)
			bench->ret = ret;
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	}
	profile_off();
}

static int compare_ticks(const void *a, const void *b)
{
	u64 left = *(const u64 *)a, right = *(const u64 *)b;

	return left < right ? -1 : left > right;
}

static void bench_summary(struct bench_run *run)
{
	struct ktdp_test_bench *bench = run->bench;
	unsigned int i;

	sort(run->ticks, bench->calls, sizeof(*run->ticks), compare_ticks,
	     NULL);
	bench->min = run->ticks[0];
	bench->median = run->ticks[bench->calls / 2];
	bench->max = run->ticks[bench->calls - 1];
	for (i = 0; i < bench->calls; i++)
		bench->total += run->ticks[i];
}

static int bench_check(struct test_file *tf, struct bench_run *run)
{
	struct ktdp_test_bench *bench = run->bench;

	if (bench->kind == KTDP_TEST_BENCH_FAULT) {
		run->tdp_fd = test_handle(tf, bench->handle);
		if (!run->tdp_fd)
			return -ENOENT;
	}
	if (bench->kind != KTDP_TEST_BENCH_HMM)
		bench->batch = 1;
	if (!bench->pages || bench->pages > PAGES_MAX || !bench->batch ||
	    bench->batch > BATCH_MAX || bench->pages % bench->batch)
		return -ERANGE;

	bench->ret = 0;
	bench->calls = 0;
	bench->total = 0;
	return 0;
}

static int bench_do(struct bench_run *run)
{
	switch (run->bench->kind) {
	case KTDP_TEST_BENCH_NOTHING:
		bench_loop(run, bench_nothing);
		break;
	case KTDP_TEST_BENCH_HMM:
		mmap_read_lock(current->mm);
		bench_loop(run, bench_hmm);
		mmap_read_unlock(current->mm);
		break;
	case KTDP_TEST_BENCH_FAULT:
		bench_loop(run, bench_fault);
		break;
	case KTDP_TEST_BENCH_GUP_FAST:
		bench_loop(run, bench_gup_fast);
		break;
	default:
		return -ERANGE;
	}
	bench_summary(run);
	return 0;
}

int test_bench(struct test_file *tf, struct ktdp_test_bench *bench)
{
	struct bench_run run = { .bench = bench };
	int ret;

	ret = bench_check(tf, &run);
	if (ret)
		return ret;

	ret = -ENOMEM;
	run.ticks = kvcalloc(bench->pages, sizeof(*run.ticks), GFP_KERNEL);
	run.pfns = kcalloc(BATCH_MAX, sizeof(*run.pfns), GFP_KERNEL);
	if (run.ticks && run.pfns)
		ret = bench_do(&run);
	kfree(run.pfns);
	kvfree(run.ticks);
	return ret;
}
