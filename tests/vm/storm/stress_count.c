// SPDX-License-Identifier: GPL-2.0-only
#include "stress.h"

#include <stdio.h>
#include <string.h>

#include "sys.h"

static const char * const figure_names[NR_FIGURES] = {
	[FIG_WRITES] = "pages written (vCPUs, engines, host)",
	[FIG_READS] = "pages read and checked",
	[FIG_MISSES] = "accesses that found no memory there",
	[FIG_REFUSED] = "accesses refused (read-only, try again)",
	[FIG_WORDS] = "words checked",
	[FIG_INVALIDATIONS] = "invalidations",
	[FIG_SENT] = "invalidations delivered to importers",
	[FIG_SLOT_CHANGES] = "memslot changes",
	[FIG_SLOT_ZAPS] = "memslots deleted or moved while exported",
	[FIG_FAULTS] = "faults",
	[FIG_SET] = "leaves written",
	[FIG_ZAPPED] = "leaves removed",
	[FIG_EAGER] = "eager fills",
	[FIG_DROPS] = "eager fills dropped",
	[FIG_SEEDED] = "pages seeded",
	[FIG_TRANSFERS] = "transfers of devices",
	[FIG_HITS] = "transfers of devices that were hit",
	[FIG_HELD] = "transfers of the disk within what was begun once",
	[FIG_HELD_HITS] = "... that were hit",
	[FIG_WINDOW_MAPS] = "windows mapped",
	[FIG_WINDOW_READS] = "pages read through windows, and checked",
	[FIG_WINDOW_NONE] = "... that were not there (SIGBUS, EFAULT)",
	[FIG_WINDOW_OLD] = "... looked at again, as they may have been held",
	[FIG_WINDOW_FORKS] = "readers of windows forked",
	[FIG_WINDOW_ENDS] = "windows on VMMs that ended",
	[FIG_HARVESTS] = "dirty logs harvested",
	[FIG_LOGGED] = "pages found in the dirty log as they had to be",
	[FIG_TDP_FDS] = "TDP fds created",
	[FIG_IMPORTERS] = "importers registered",
	[FIG_VMMS] = "other VMMs started",
	[FIG_KILLS] = "VMMs killed",
	[FIG_RELEASES] = "killed VMMs whose memory was reaped",
	[FIG_OOM_GROUP] = "VMMs killed by the OOM killer, of a memory cgroup",
	[FIG_OOM] = "VMMs killed by the OOM killer, of the machine",
	[FIG_MERGED] = "pages seen merged",
	[FIG_UNMERGED] = "pages unmerged again",
	[FIG_RMMODS] = "attempts to unload the module",
	[FIG_WATCH_TAKEN] = "watch: translations taken",
	[FIG_WATCH_TOLD] = "watch: invalidations received",
	[FIG_WATCH_DROPPED] = "watch: translations made void",
	[FIG_WATCH_CHECKS] = "watch: comparisons with the host",
	[FIG_WATCH_BLINKS] = "watch: entries that the host cleared for a moment",
	[FIG_VERIFIES] = "verify: calls",
	[FIG_VERIFY_PAGES] = "verify: pages",
	[FIG_VERIFY_UNDECIDED] = "verify: pages undecided",
	[FIG_BAD_WORDS] = "wrong words",
	[FIG_BAD_WATCH] = "watch: stale or untold",
	[FIG_BAD_VERIFY] = "verify: stale or otherwise wrong",
	[FIG_BAD_LOG] = "pages missing in the dirty log",
	[FIG_BAD_ERRNO] = "errors that must not be",
};

static uint64_t *figures;

void figures_init(void)
{
	figures = sys_shared(NR_FIGURES * sizeof(*figures));
}

void count(enum figure figure, uint64_t nr)
{
	__atomic_fetch_add(&figures[figure], nr, __ATOMIC_RELAXED);
}

uint64_t figure(enum figure figure)
{
	return __atomic_load_n(&figures[figure], __ATOMIC_RELAXED);
}

bool figure_done(enum figure nr)
{
	if (!figure(nr))
		diag("%s: none", figure_names[nr]);
	return figure(nr);
}

void count_stats(int tdp)
{
	struct kvm_tdp_stats st = ktdp_stats(tdp);

	count(FIG_INVALIDATIONS, st.invalidations);
	count(FIG_SENT, st.invalidations_sent);
	count(FIG_SLOT_ZAPS, st.slot_zaps);
	count(FIG_FAULTS, st.faults);
	count(FIG_SET, st.entries_set);
	count(FIG_ZAPPED, st.entries_zapped);
	count(FIG_EAGER, st.eager_filled);
	count(FIG_DROPS, st.eager_busy + st.eager_no_pool + st.eager_no_room +
	      st.eager_no_slot + st.eager_not_ram);
	count(FIG_SEEDED, st.seeded);
}

/* As scripts/stress finds it, and as docs/RESULTS.md has it. */
void table_row(const char *what, uint64_t value)
{
	printf("stress: | %-60s | %12llu |\n", what, (unsigned long long)value);
	fflush(stdout);
}

void figures_print(void)
{
	int i;

	for (i = 0; i < NR_FIGURES; i++)
		table_row(figure_names[i], figure(i));
}

bool act_allowed(const struct act *act)
{
	return (!act->alone || sys_alone()) && (!act->gmem || arenas_have_gmem());
}

void act_count(struct act *act, int ret)
{
	__atomic_fetch_add(ret ? &act->refused : &act->done, 1, __ATOMIC_RELAXED);
	if (ret)
		__atomic_store_n(&act->error, ret, __ATOMIC_RELAXED);
}

void act_print(const struct act *acts, size_t nr)
{
	char what[96];
	size_t i;

	for (i = 0; i < nr; i++) {
		if (!act_allowed(&acts[i]))
			continue;
		if (acts[i].refused)
			snprintf(what, sizeof(what), "%s (refused: %llu, %s)",
				 acts[i].name,
				 (unsigned long long)acts[i].refused,
				 strerrorname_np(-acts[i].error));
		else
			snprintf(what, sizeof(what), "%s", acts[i].name);
		table_row(what, acts[i].done);
	}
}

bool acts_all_done(const struct act *acts, size_t nr)
{
	bool all = true;
	size_t i;

	for (i = 0; i < nr; i++) {
		if (acts[i].done || (acts[i].gmem && !act_allowed(&acts[i])))
			continue;
		diag("%s was never done, refused %llu times, with %d", acts[i].name,
		     (unsigned long long)acts[i].refused, acts[i].error);
		all = false;
	}
	return all;
}
