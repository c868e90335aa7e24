/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_STRESS_H
#define TESTS_VM_STRESS_H

/*
 * The storm: guest memory of every kind that vCPUs, engines and the host itself
 * write and check, while everything that can happen to it does.
 *
 * An arena is a piece of the VMM's memory; a place is an arena in a slot of a
 * VM.  Each page of an arena is worked on by one worker at a time, who knows
 * what the page may hold; nobody else is kept from anything.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "dice.h"
#include "ktdp.h"
#include "kmod.h"
#include "mem.h"
#include "tap.h"
#include "vm.h"

/* stress_count.c: figures; shared with child processes */
enum figure {
	FIG_WRITES, FIG_READS, FIG_MISSES, FIG_REFUSED, FIG_WORDS,
	FIG_INVALIDATIONS, FIG_SENT, FIG_SLOT_CHANGES, FIG_SLOT_ZAPS, FIG_FAULTS,
	FIG_SET, FIG_ZAPPED, FIG_EAGER, FIG_DROPS, FIG_SEEDED,
	FIG_TRANSFERS, FIG_HITS, FIG_HELD, FIG_HELD_HITS,
	FIG_WINDOW_MAPS, FIG_WINDOW_READS, FIG_WINDOW_NONE, FIG_WINDOW_OLD, FIG_WINDOW_FORKS,
	FIG_WINDOW_ENDS,
	FIG_HARVESTS, FIG_LOGGED, FIG_TDP_FDS, FIG_IMPORTERS, FIG_VMMS, FIG_KILLS,
	FIG_RELEASES, FIG_OOM_GROUP, FIG_OOM, FIG_RMMODS, FIG_MERGED, FIG_UNMERGED,
	 FIG_WATCH_TAKEN, FIG_WATCH_TOLD, FIG_WATCH_DROPPED,
	FIG_WATCH_CHECKS, FIG_WATCH_BLINKS, FIG_VERIFIES, FIG_VERIFY_PAGES,
	FIG_VERIFY_UNDECIDED,
	/* all of these have to stay 0 */
	FIG_BAD_WORDS, FIG_BAD_WATCH, FIG_BAD_VERIFY, FIG_BAD_LOG, FIG_BAD_ERRNO,
	NR_FIGURES
};

void figures_init(void);
void count(enum figure figure, uint64_t nr);
uint64_t figure(enum figure figure);
/* It is not 0; tells if it is. */
bool figure_done(enum figure nr);
/* What was counted by a table that is about to go. */
void count_stats(int tdp);
void figures_print(void);
void table_row(const char *what, uint64_t value);

/* stress_host.c: what the host's own counters say that it did */
void host_begin(void);
void host_print(void);
/* All of it was done: memory was swapped, merged, split, migrated ... */
bool host_all_done(void);

/* An act of the storm, and how often it was done or refused. */
struct act {
	const char *name;
	bool alone;		/* it is done to the whole machine: see sys_alone() */
	bool gmem;		/* of a guest_memfd */
	uint64_t done;
	uint64_t refused;
	int error;		/* the last */
};

bool act_allowed(const struct act *act);

/* Take down the result of an act: 0 or -errno. */
void act_count(struct act *act, int ret);
void act_print(const struct act *acts, size_t nr);
/* Each of them was done. */
bool acts_all_done(const struct act *acts, size_t nr);

/* stress_page.c: what a page may hold */
#define PAGE_HISTORY	16

/* What was done to a page, for those who have to find out what was wrong. */
struct event {
	uint32_t ms;
	int ret;
	const char *who;
	const char *what;
};

struct page {
	bool busy;
	uint32_t lo;		/* generation of the last write that was done */
	uint32_t hi;		/* of the last that was begun */
	uint32_t drops;		/* begun and ended by the host: zero after that */
	uint32_t drops_seen;	/* @drops when the write of @lo began */
	uint32_t nr_events;
	struct event events[PAGE_HISTORY];
};

struct arena;

void page_event(struct arena *arena, size_t nr, const char *who,
		const char *what, int ret);
void page_tell_history(const struct page *page);
/* Have the page to oneself; false if somebody has it. */
bool page_try(struct page *page);
void page_leave(struct page *page);
/* Of one page: begin a write, and end it: @ret 0 says all was written. */
struct page_write {
	uint32_t gen;
	uint32_t drops;
};

struct page_write page_write_begin(struct arena *arena, size_t nr);
void page_write_end(struct arena *arena, size_t nr, struct page_write write,
		    int ret);
/* What the write puts at offset 0 of the page, less the offset. */
uint64_t page_word(const struct arena *arena, size_t nr, uint32_t gen);
void page_fill(const struct arena *arena, size_t nr, uint32_t gen, void *buf);
/*
 * Who has not the page to himself takes a view before it is read; it is judged after.
 * @off: where the first word is of which that is said; or NULL.
 */
struct page_view {
	uint32_t lo, drops_seen;
};

enum page_verdict {
	PAGE_RIGHT,
	PAGE_OLD,		/* it was right before */
	PAGE_WRONG,		/* it never was */
};

struct page_view page_view(const struct arena *arena, size_t nr);
enum page_verdict page_judge(const struct arena *arena, size_t nr, const struct page_view *view,
			     const void *buf, size_t *off);
/* Counts, and tells the first few. */
void page_wrong(const struct arena *arena, size_t nr, const struct page_view *view,
		const void *buf, const char *who, uint64_t gpa);
/* What was read is what it may hold; counts, and tells the first few that not. */
void page_check(const struct arena *arena, size_t nr, const void *buf,
		const char *who, uint64_t gpa);

/* stress_arena.c */
enum arena_kind {
	ARENA_SMALL, ARENA_THP, ARENA_SHMEM, ARENA_HUGETLB, ARENA_UFFD, ARENA_KSM,
	ARENA_POISON,
	ARENA_GMEM,		/* only where the kernel has such files */
	NR_ARENAS
};

struct arena {
	enum arena_kind kind;
	const char *name;
	struct mem mem;
	size_t nr;		/* pages */
	uint64_t gpa;		/* what the pattern says */
	struct page *pages;
	pthread_mutex_t lock;	/* of the acts on it as a mapping */
	void *scratch;		/* address space of the same size */
};

extern struct arena arenas[NR_ARENAS];
extern unsigned int nr_arenas;	/* that there are */
extern int stress_uffd;
extern time_t stress_began;

/* How many times slower than a kernel without debugging this one is. */
extern unsigned int stress_slowness;

void arenas_init(void);
/* Before, and before there are processes: which there are, and what is known of their pages. */
void arenas_share(void);
bool arenas_have_gmem(void);
/* A guest_memfd is a VM's, which has it in one slot. */
void arena_open_gmem(struct vm *vm);
/* Their content goes, in between or, of MADV_FREE, at any time later. */
void arena_drop_begin(struct arena *arena, size_t first, size_t nr);
void arena_drop_end(struct arena *arena, size_t first, size_t nr);
void *arena_hva(const struct arena *arena, size_t page);

/* stress_place.c */
#define NR_VMS		2
#define MAX_PLACES	(2 * NR_ARENAS)		/* of one VM */
#define PLACE_FAR	(128UL << 20)		/* as far do slots move */
#define PLACE_ALIAS	(64UL << 20)		/* as far are the two of an arena */
#define WATCH_SIZE	(256UL << 20)

struct place {
	struct arena *arena;
	int id;
	uint64_t gpa;		/* at present */
	bool gmem;		/* the slot is of the file, not of what is at its hva */
	bool present;
	bool readonly;
	bool logging;
	uint32_t epoch;		/* odd: slot, or log, is being changed */
	uint32_t *written;	/* by page: epoch in which it was written */
};

/* A VM, and what there is to reach its memory by. */
struct ward {
	const char *name;
	int nr;
	struct vm vm;		/* and its first vCPU */
	struct vm second;	/* the same with another vCPU */
	struct mem box;		/* where the guest puts what it read */
	struct place places[MAX_PLACES];

	pthread_rwlock_t lock;	/* protects what follows */
	int tdp;
	int dma;
	int kmod;
	int handle;
};

extern struct ward wards[NR_VMS];

#define WARD_BOX	0x100000UL
#define WARD_BOX_SLOT	1

void ward_open(struct ward *ward, int nr);
void ward_close(struct ward *ward);
/* Everything that reaches its memory goes, and comes anew. */
void ward_attach(struct ward *ward);
void ward_detach(struct ward *ward);
unsigned int nr_places(void);
/* One of the places of an arena. */
struct place *ward_place(struct ward *ward, const struct arena *arena,
			 struct dice *dice);
/* What was done to the page there, as a diagnostic. */
void ward_tell(const struct ward *ward, uint64_t gpa);
/* All slots where and as they were at first. */
void ward_calm(struct ward *ward);

/* stress_work.c, and the threads of the other files */
struct worker {
	const char *name;
	unsigned int nr;
	uint64_t seed, step;
	struct dice dice;	/* of this step */
	struct ward *ward;
	struct vm *vm;		/* a vCPU; NULL: the engine */
	uint64_t box;		/* of the vCPU: gpa */
	pthread_t thread;
};

bool stress_over(void);
/* The next step; false when the storm is over. */
bool stress_step(struct worker *worker);
void *work_vcpu(void *worker);
void *work_engine(void *worker);
void *work_host(void *worker);
/* Devices, of VM 0. */
void *work_edu(void *worker);
void *work_disk(void *worker);
/* Every page, as all can read it; the storm is over. */
void work_sweep(struct worker *worker);

void *storm_memory(void *worker);
void *storm_slots(void *worker);
void *storm_fds(void *worker);
void *storm_drill(void *worker);
void drill_open(void);	/* before there are threads */
void *storm_system(void *worker);
void *storm_watch(void *worker);
void *storm_verify(void *worker);
void *storm_uffd(void *worker);

extern struct act memory_acts[], slot_acts[], fd_acts[], system_acts[];
extern const size_t nr_memory_acts, nr_slot_acts, nr_fd_acts, nr_system_acts;

/* stress_device.c: false if the machine has none; then all else does nothing */
bool devices_open(void);
void devices_attach(int tdp);
void devices_detach(void);
void devices_close(void);
/* A transfer was hit, of each device. */
bool devices_hit(void);
/* A page of guest memory: 0 or -errno. */
int edu_put(uint64_t gpa, const void *page);
int edu_get(uint64_t gpa, void *page);
int disk_get(uint64_t gpa, void *page);
/* What is around @gpa is begun once for all transfers of the disk, until the next is. */
void disk_hold(uint64_t gpa);

/* stress_race.c */
struct hot {
	struct arena *arena;
	size_t page;
};

void hot_init(uint64_t seed);
struct hot hot_spot(void);
/* A page, of any arena; half of them of the hot spot. */
size_t hot_choose(struct dice *dice, struct arena **arena);
void *race_fault(void *worker);
void *race_zap(void *worker);

/* What watchers and verify have found, up to now. */
void watch_collect(struct ward *ward);
void verify_all(struct ward *ward);
uint64_t verify_range(const char *who, int tdp, uint64_t gpa, uint64_t size);

/* stress_nursery.c: a process that rears VMMs, and kills them */
void nursery_start(uint64_t seed);
/* True if it ended well. */
bool nursery_end(void);

/* stress_window.c */
/* Processes that read VM 0's memory, before there is any; when it has its table; the end. */
void readers_start(uint64_t seed);
void readers_attach(int tdp);
bool readers_end(void);
/* A thread that reads that of both. */
void windows_init(void);
void *storm_window(void *worker);
/* Another VMM's, until it is gone. */
pid_t witness_start(int tdp, pid_t vmm);
void witness_end(pid_t pid);

/* stress_scarce.c */
struct vmm;

void scarce_init(void);
/*
 * Not while the whole machine is short: an act that asks for memory of one node,
 * and for nothing less.  The kernel would log a failure.  True if one may.
 */
bool scarce_try(void);
void scarce_leave(void);
/* Memory is short until the host has begun to swap. */
void scarce_swap(void);
/* Until the OOM killer, of a @group or of the machine, has killed the VMM. */
bool scarce_kill(struct vmm *vmm, bool group);

#endif /* TESTS_VM_STRESS_H */
