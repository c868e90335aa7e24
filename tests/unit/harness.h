/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_UNIT_HARNESS_H
#define _KTDP_UNIT_HARNESS_H

/*
 * One run of the model test: a table in one format, the model beside it, and
 * what revokes have detached, which is not freed yet, as if readers still had it,
 * and maybe not told of either.
 */

#include "cfg.h"
#include "model.h"
#include "table.h"

#define RUN_PENDING	8
#define RUN_LOG		32
#define RUN_DEPTH	3	/* operations, each in the middle of the one before */

struct pages {
	unsigned int nr;
	u64 hash;
};

/* What revokes took, and did not free yet, and maybe not tell. */
struct pending {
	struct ktdp_chain chain;	/* flat; from then on nobody may change it */
	struct pages pages;
	unsigned int untold;		/* revokes */
};

/* An operation that is running, maybe in the middle of another one. */
struct act {
	struct act *outer;
	enum { ACT_MAP, ACT_GRANT, ACT_REVOKE } kind;
	unsigned int cpu;
	bool raced;		/* others ran in the middle of it */
	u64 start, end;
	/* a map */
	struct cell leaf;
	bool done;		/* or will be, if the model is right */
	/* a revoke */
	bool write_only;
	struct span changed;	/* of entries */
	u64 regions;		/* whose locks were taken */
	u64 cleared[KTDP_MAX_LEAF_LEVEL];	/* leaves, singly */
	bool late[MODEL_CELLS];	/* mapped behind its back: may stay */
};

struct op {
	const char *what;
	u64 start;
	u64 end;
	u64 pfn;
	int level;
	bool write;
	unsigned int depth;
	unsigned int pool;
	int ret;
};

struct run {
	struct cfg cfg;
	struct ktdp_table table;
	struct model model;
	struct act *act;
	u64 seed;
	u64 rng;
	u64 nr_ops;
	u64 nr_sets;
	u64 nr_raced;
	u64 nr_cleared;		/* leaves, singly */
	u64 detached[KTDP_MAX_LEAF_LEVEL];	/* leaves in tables */
	u64 nr_freed;
	unsigned int untold;	/* revokes that are over */
	struct pending pending[RUN_PENDING];
	struct op log[RUN_LOG];
	/* What another CPU does when it may; given what is held meanwhile, or NULL. */
	void (*other)(const struct act *holder);
	unsigned int other_often;	/* one time in so many, 0: never */
};

extern struct run run;

u64 rnd(u64 below);
struct op *log_op(const char *what, u64 start, u64 end);

/* harness.c: its life */
void run_begin(const struct cfg *cfg, u64 seed, unsigned int index);
void run_end(void);
u64 page_hash(u64 hpa);
void run_pool_set(unsigned int nr);
void run_pending_add(struct ktdp_revoke *revoke, const struct pages *pages);
void run_pending_free(unsigned int slot);
void run_tell(unsigned int slot);
void act_begin(struct act *act);
void act_end(struct act *act);
void race(const struct act *holder);

/* check.c: does it agree with the model? */
struct view check_view(u64 gfn, int level);
bool check_granted(u64 gfn, int level);
void check_set(struct ktdp_table *table, u64 gfn, int level, u64 old, u64 new);
void check_lock(const raw_spinlock_t *lock);
void check_hold_end(void);
void check_cells(unsigned int first, unsigned int end);
void check_in_flight(void);
void check_settle(void);
void check_late(const struct act *act);
void check_counters(void);
void check_cursors(void);
void check_tree(void);
struct pages check_detached(const struct ktdp_chain *chain, const struct act *act,
			    u64 *leaves);
void check_revoke(const struct ktdp_revoke *revoke, const struct act *act,
		  struct span most);

#endif /* _KTDP_UNIT_HARNESS_H */
