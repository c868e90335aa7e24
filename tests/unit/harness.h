/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_UNIT_HARNESS_H
#define _KTDP_UNIT_HARNESS_H

/*
 * One run of the model test: a mirror in one format, the model beside it, and
 * the tables that were detached and not freed yet, as if readers still had
 * them.
 */

#include "cfg.h"
#include "mirror.h"
#include "model.h"

#define RUN_PENDING	8
#define RUN_LOG		32

/* What one zap detached; from then on nobody may change it. */
struct pending {
	struct ktdp_table *tables;
	unsigned long nr;	/* with those below */
	u64 hash;
};

struct op {
	const char *what;
	u64 start;
	u64 end;
	u64 pfn;
	int level;
	bool write;
	unsigned int pool;
	unsigned int done;
	int ret;
};

struct run {
	struct cfg cfg;
	struct ktdp_mirror mirror;
	struct model model;
	u64 seed;
	u64 rng;
	u64 nr_ops;
	u64 nr_sets;			/* calls of the hook */
	u64 cleared[KTDP_MAX_LEAF_LEVEL];	/* leaves, in this operation */
	u64 nr_leaves_set;			/* in all operations */
	struct pending pending[RUN_PENDING];
	u64 nr_freed;
	struct op log[RUN_LOG];
};

extern struct run run;

u64 rnd(u64 below);
struct op *log_op(const char *what, u64 start, u64 end);

/* harness.c: its life */
void run_begin(const struct cfg *cfg, u64 seed, unsigned int index);
void run_end(void);
void run_pool_set(unsigned int nr);
void run_pending_add(struct ktdp_table *tables);
void run_pending_free(unsigned int slot);

/* check.c: does it agree with the model? */
void check_set(struct ktdp_mirror *mirror, u64 gfn, int level, u64 old,
	       u64 new);
void check_cells(unsigned int first, unsigned int end);
void check_counters(void);
void check_hint(void);
void check_grants(void);
void check_tree(void);
void check_detached(const struct ktdp_table *head,
		    const struct ktdp_table *end);
void check_zap(const struct ktdp_zap *zap, struct span asked,
	       struct span changed);

#endif /* _KTDP_UNIT_HARNESS_H */
