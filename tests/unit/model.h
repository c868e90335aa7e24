/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_UNIT_MODEL_H
#define _KTDP_UNIT_MODEL_H

/*
 * The flat array that the table is held against.  It knows no tree: one cell
 * for each of some sampled gfns, in ascending order, which lie in several pieces
 * of 1G from the first to the last of the address space.  Leaves are only ever
 * made over a sample, so all leaves show up in the array.
 */

#include "table.h"

#define MODEL_GIGS	8
#define MODEL_WINDOWS	4	/* in each 1G, two of one region */
#define MODEL_PAGES	18	/* in each window, some of them in a row */
#define MODEL_CELLS	(MODEL_GIGS * MODEL_WINDOWS * MODEL_PAGES)

struct cell {
	u64 pfn;		/* of the leaf's first page */
	int level;		/* of the leaf, 0: nothing there */
	bool write;
};

struct span {
	u64 start;		/* half open; nothing if !end */
	u64 end;
};

struct model {
	int level;		/* of the root */
	u64 gfn[MODEL_CELLS];
	struct cell was[MODEL_CELLS];	/* before the running operation */
	struct cell now[MODEL_CELLS];	/* as it has to be afterwards */
};

/* What the array does not know of the way to an entry. */
struct view {
	bool read_only;		/* a table above does not grant write */
	bool table;		/* a table stands there, maybe an empty one */
	unsigned int missing;	/* tables above */
	unsigned int pool;	/* pages for those */
};

void model_init(struct model *m, int level);
unsigned int model_find(const struct model *m, u64 gfn);
u64 model_base(const struct model *m, const struct cell *cells, unsigned int i);
void span_widen(struct span *span, u64 start, u64 end);

void model_begin(struct model *m);

/* Whether a way to a leaf's table is there, or can be made. */
enum ktdp_fill model_way(const struct model *m, u64 gfn, int level,
			 const struct cell *leaf, const struct view *view,
			 unsigned int *warns);

/* Each begins an operation: was = now, and now becomes what is expected. */
enum ktdp_fill model_map(struct model *m, u64 gfn, const struct cell *leaf,
			 const struct view *view, unsigned int *warns);
/* Return: the range, with all of each leaf that touches it. */
struct span model_revoke(struct model *m, u64 start, u64 end, bool write_only);

void model_set(struct model *m, u64 gfn, const struct cell *leaf);
void model_leaves(const struct model *m, const struct cell *cells, u64 *leaves);

#endif /* _KTDP_UNIT_MODEL_H */
