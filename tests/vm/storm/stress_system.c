// SPDX-License-Identifier: GPL-2.0-only
/* What happens to the whole machine, or to the whole VMM. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress.h"
#include "sys.h"

#define KSM		"/sys/kernel/mm/ksm/"
#define KHUGEPAGED	"/sys/kernel/mm/transparent_hugepage/khugepaged/"

static int system_compact(struct dice *dice)
{
	return sys_write("/proc/sys/vm/compact_memory", "1");
}

static int system_drop_caches(struct dice *dice)
{
	return sys_write("/proc/sys/vm/drop_caches", "3");
}

static int ksm_unmerge(void)
{
	long merged = sys_read_long(KSM "pages_sharing"), left;
	int ret = sys_write(KSM "run", "2");

	left = sys_read_long(KSM "pages_sharing");
	count(FIG_MERGED, merged);
	count(FIG_UNMERGED, merged > left ? merged - left : 0);
	return ret;
}

/*
 * It merges mostly, and separates all at times: not while memory is scarce, for who
 * does that is the OOM killer's first choice, whatever its score.
 */
static int system_ksm(struct dice *dice)
{
	static unsigned int merges;
	int ret;

	sys_write(KSM "pages_to_scan", "500");
	sys_write(KSM "sleep_millisecs", "20");
	if (merges >= 3 && scarce_try()) {
		merges = 0;
		ret = ksm_unmerge();
		scarce_leave();
		return ret;
	}
	merges++;
	return sys_write(KSM "run", "1");
}

static int system_khugepaged(struct dice *dice)
{
	sys_write(KHUGEPAGED "alloc_sleep_millisecs", "100");
	return sys_write(KHUGEPAGED "scan_sleep_millisecs", "100");
}

/* The VMM's memory is shared with a child for a moment. */
static int system_fork(struct dice *dice)
{
	unsigned int us = dice_roll(dice, 20000);
	pid_t pid = sys(fork());
	int status;

	if (pid < 0)
		return pid;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		usleep(us);
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && !status ? 0 : -ECHILD;
}

static int system_migrate(struct dice *dice)
{
	unsigned long from = 1UL << dice_roll(dice, 2), to = 3 ^ from;
	long ret;

	if (!scarce_try())
		return -EBUSY;
	/* So many pages stay where they are. */
	ret = sys(syscall(SYS_migrate_pages, 0, 3, &from, &to));
	scarce_leave();
	return ret < 0 ? ret : 0;
}

static int system_rmmod(struct dice *dice)
{
	int ret = sys_delete_module("kvm_tdp");

	count(FIG_RMMODS, 1);
	if (ret == -EBUSY || ret == -EWOULDBLOCK)
		return 0;
	diag("rmmod while in use: %d", ret);
	count(FIG_BAD_ERRNO, 1);
	return ret;
}

struct act system_acts[] = {
	{ .name = "system: compact memory", .alone = true },
	{ .name = "system: drop caches", .alone = true },
	{ .name = "system: KSM", .alone = true },
	{ .name = "system: khugepaged", .alone = true },
	{ .name = "system: fork of the VMM" },
	{ .name = "system: migrate_pages" }, { .name = "system: rmmod" },
};

const size_t nr_system_acts = sizeof(system_acts) / sizeof(system_acts[0]);

static int (* const system_do[])(struct dice *dice) = {
	system_compact, system_drop_caches, system_ksm, system_khugepaged,
	system_fork, system_migrate, system_rmmod,
};

void *storm_system(void *arg)
{
	struct worker *worker = arg;
	size_t nr;

	while (stress_step(worker)) {
		nr = dice_roll(&worker->dice, nr_system_acts);
		if (!act_allowed(&system_acts[nr]))
			continue;
		act_count(&system_acts[nr], system_do[nr](&worker->dice));
		usleep(50000 + dice_roll(&worker->dice, 300000));
	}
	return NULL;
}
