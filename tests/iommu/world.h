/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_IOMMU_WORLD_H
#define TESTS_IOMMU_WORLD_H

/*
 * A guest, the table that is exported of it, an IOMMU with its cache, devices, and the
 * host that takes memory away: around the code under test, in one process.
 *
 * Threads are fibers: who runs next is rolled at each step, and the same seed gives the
 * same run.  A page of the host has a number that is never used again.  It is somebody
 * else's as soon as an invalidate that covers it has returned: nothing may reach it then.
 */

#include "iommu.h"

/* The guest's windows of 2M: four, and two in the second gigabyte. */
#define WINDOWS		6
#define CELLS		(WINDOWS * WINDOW_PAGES)

/* Which of CELLS, or -1; and where it is. */
int cell_of(u64 gpa);
u64 cell_gpa(unsigned int cell);

enum host_page { HOST_NONE, HOST_RO, HOST_RW };

struct fiber {
	const char *name;
	void (*run)(void);
	unsigned int spins;	/* locks held that it may not sleep with */
	bool in_rcu;
	bool is_killed;
	unsigned int maps;	/* entries put in, and taken out, in this hold */
	unsigned int unmaps;
	unsigned int looks;	/* windows looked up, likewise */
	/* What it takes away, or may: the bytes [first, last]. */
	u64 first;
	u64 last;
};

struct world {
	/* What a case may change */
	bool is_ept;
	bool has_1g;
	/* Leaves are of 2M where they can be, or never; a read brings no write access. */
	enum { LEAVES_ANY, LEAVES_4K, LEAVES_2M } leaves;
	bool grants_little;
	bool host_takes_back;	/* a fault succeeds, and nothing is there */
	bool host_swaps;	/* a fault costs the page beside it */
	u64 kill_at;		/* this fault, by now the caller is killed; 0: never */
	bool no_memory;		/* for the IOMMU's tables, without sleeping */
	bool unit_fails;	/* the IOMMU's driver cannot map */
	bool is_damaged;	/* the table has a reserved bit set in each leaf */
	unsigned int scarce;	/* one allocation in so many fails, 0: none */
	enum host_page host[CELLS];

	/* What it can be asked */
	struct fiber *self;
	unsigned int nr_mapped;	/* cells in the domain */
	unsigned int nr_large;	/* windows in it as 2M */
	u64 nr_faults;
	u64 nr_steps;
	u64 nr_holds;
	u64 nr_unmaps;		/* calls */
	u64 nr_syncs;
	unsigned int tdp_refs;
	unsigned int warns;
	unsigned int complaints;
	bool is_over;		/* background fibers return */
};

extern struct world world;
extern struct mm_struct vm_mm, other_mm;
extern struct iommu_domain vm_domain;

/* Any number below @below. */
u64 roll(u64 below);
bool one_in(u64 sides);
/* Tell where we are, and end. */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* For die(): up to three numbers. */
void note(const char *what, u64 a, u64 b, u64 c);

void world_begin(u64 seed);
/* Nothing is left. */
void world_end(void);

/* Others may run, or do. */
void step(void);
void step_aside(void);
/* @background: it returns once world.is_over. */
void fiber_start(const char *name, void (*run)(void), bool background);
void fibers_run(void);

/* The host takes [first, last], or only writing to it. */
void host_takes(u64 first, u64 last, bool write_only);
void host_takes_all(void);
/* Is it in the table with this access? */
bool table_has(u64 gpa, bool write);
/* A device: false if it had no access. */
bool device_access(u64 gpa, bool write);
/* In the domain, with this access? */
bool domain_has(u64 gpa, bool write);
bool domain_is_large(u64 gpa);
/* Would what the running fiber takes away take something of [first, last]? */
bool takes_some(u64 first, u64 last);
/* Of another domain behind the same IOMMU. */
void other_domain_syncs(void);

#endif /* TESTS_IOMMU_WORLD_H */
