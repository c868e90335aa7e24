/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_UNIT_MODEL_H
#define _KTDP_UNIT_MODEL_H

/*
 * The flat array that the mirror is held against.  It knows no tree: one cell
 * for each of some sampled gfns, in ascending order, which lie in several 1G
 * regions from the first to the last of the address space.  Leaves are only
 * ever made over a sample, so all leaves show up in the array.
 */

#include "fmt.h"

#define MODEL_REGIONS	8
#define MODEL_WINDOWS	3	/* in each region */
#define MODEL_PAGES	18	/* in each window, some of them in a row */
#define MODEL_CELLS	(MODEL_REGIONS * MODEL_WINDOWS * MODEL_PAGES)

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

void model_init(struct model *m, int level);
unsigned int model_find(const struct model *m, u64 gfn);
u64 model_base(const struct model *m, const struct cell *cells, unsigned int i);

/* Each begins an operation: was = now, and now becomes what is expected. */
int model_map(struct model *m, u64 gfn, int level, u64 pfn, bool write,
	      unsigned int pool, unsigned int *warns);
int model_map_pages(struct model *m, u64 gfn, const struct cell *pages,
		    unsigned int nr, unsigned int pool, unsigned int *warns,
		    unsigned int *done);
struct span model_zap(struct model *m, u64 start, u64 end);
struct span model_wrprot(struct model *m, u64 start, u64 end);

void model_leaves(const struct model *m, const struct cell *cells, u64 *leaves);
unsigned int model_tables(const struct model *m);

#endif /* _KTDP_UNIT_MODEL_H */
