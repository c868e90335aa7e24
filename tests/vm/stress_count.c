// SPDX-License-Identifier: GPL-2.0-only
#include "stress.h"

#include <stdio.h>
#include <sys/mman.h>

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
	[FIG_HARVESTS] = "dirty logs harvested",
	[FIG_LOGGED] = "pages found in the dirty log as they had to be",
	[FIG_TDP_FDS] = "TDP fds created",
	[FIG_IMPORTERS] = "importers registered",
	[FIG_VMMS] = "other VMMs started",
	[FIG_KILLS] = "VMMs killed",
	[FIG_RELEASES] = "killed VMMs whose memory was reaped",
	[FIG_RMMODS] = "attempts to unload the module",
	[FIG_WATCH_TAKEN] = "watch: translations taken",
	[FIG_WATCH_TOLD] = "watch: invalidations received",
	[FIG_WATCH_DROPPED] = "watch: translations made void",
	[FIG_WATCH_CHECKS] = "watch: comparisons with the host",
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
	figures = mmap(NULL, NR_FIGURES * sizeof(*figures),
		       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (figures == MAP_FAILED)
		bail("no memory for the figures");
}

void count(enum figure figure, uint64_t nr)
{
	__atomic_fetch_add(&figures[figure], nr, __ATOMIC_RELAXED);
}

uint64_t figure(enum figure figure)
{
	return __atomic_load_n(&figures[figure], __ATOMIC_RELAXED);
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
	count(FIG_DROPS, st.eager_busy + st.eager_contended + st.eager_no_pool +
	      st.eager_no_room + st.eager_no_slot + st.eager_not_ram);
	count(FIG_SEEDED, st.seeded);
}

void figures_print(void)
{
	int i;

	for (i = 0; i < NR_FIGURES; i++)
		printf("stress: %-52s %12llu\n", figure_names[i],
		       (unsigned long long)figure(i));
	fflush(stdout);
}

void act_count(struct act *act, int ret)
{
	__atomic_fetch_add(ret ? &act->refused : &act->done, 1, __ATOMIC_RELAXED);
}

void act_print(const struct act *acts, size_t nr)
{
	char what[64];
	size_t i;

	for (i = 0; i < nr; i++) {
		snprintf(what, sizeof(what), "%s (and refused)", acts[i].name);
		printf("stress: %-52s %12llu %9llu\n", what,
		       (unsigned long long)acts[i].done,
		       (unsigned long long)acts[i].refused);
	}
	fflush(stdout);
}

bool acts_all_done(const struct act *acts, size_t nr)
{
	bool all = true;
	size_t i;

	for (i = 0; i < nr; i++) {
		if (acts[i].done)
			continue;
		diag("%s was never done, refused %llu times", acts[i].name,
		     (unsigned long long)acts[i].refused);
		all = false;
	}
	return all;
}
