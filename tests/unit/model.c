// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "model.h"

#define REGION_SHIFT	18	/* gfns in a 1G region */
#define WINDOW_SHIFT	9

static u64 pages_at(int level)
{
	return 1ULL << (9 * (level - 1));
}

void model_init(struct model *m, int level)
{
	u64 top = 1ULL << (9 * level - REGION_SHIFT);
	const u64 regions[MODEL_REGIONS] = {
		0, 1, 511, 512, top / 2 - 1, top / 2, top - 2, top - 1,
	};
	static const u64 windows[MODEL_WINDOWS] = { 0, 1, 511 };
	static const u64 pages[MODEL_PAGES] = {
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
		255, 256,
		506, 507, 508, 509, 510, 511,
	};
	unsigned int i;

	memset(m, 0, sizeof(*m));
	m->level = level;
	for (i = 0; i < MODEL_CELLS; i++) {
		unsigned int window = i / MODEL_PAGES;

		m->gfn[i] = (regions[window / MODEL_WINDOWS] << REGION_SHIFT) +
			    (windows[window % MODEL_WINDOWS] << WINDOW_SHIFT) +
			    pages[i % MODEL_PAGES];
	}
}

/* First cell at or behind @gfn. */
unsigned int model_find(const struct model *m, u64 gfn)
{
	unsigned int lo = 0, hi = MODEL_CELLS;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (m->gfn[mid] < gfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* First gfn of the leaf at cell @i. */
u64 model_base(const struct model *m, const struct cell *cells, unsigned int i)
{
	return m->gfn[i] & ~(pages_at(cells[i].level) - 1);
}

static void model_begin(struct model *m)
{
	memcpy(m->was, m->now, sizeof(m->was));
}

/* A table at @level is there for as long as it has a leaf below. */
static bool model_has_table(const struct model *m, u64 gfn, int level)
{
	unsigned int i;

	for (i = 0; i < MODEL_CELLS; i++) {
		if (m->now[i].level && m->now[i].level <= level &&
		    m->gfn[i] >> (9 * level) == gfn >> (9 * level))
			return true;
	}
	return false;
}

static unsigned int model_missing(const struct model *m, u64 gfn, int level)
{
	unsigned int missing = 0;

	for (; level < m->level; level++)
		missing += !model_has_table(m, gfn, level);
	return missing;
}

/* The leaf in the cell covers gfn and is as large as what is asked, or more. */
static int model_map_found(const struct cell *cell, u64 gfn, int level, u64 pfn,
			   bool write, unsigned int *warns)
{
	if (cell->pfn + (gfn & (pages_at(cell->level) - 1)) != pfn) {
		(*warns)++;
		return -EBUSY;
	}
	if (!write || cell->write)
		return -EEXIST;
	return cell->level > level ? -EBUSY : 0;
}

static int model_map_one(struct model *m, u64 gfn, int level, u64 pfn,
			 bool write, unsigned int *pool, unsigned int *warns)
{
	unsigned int first = model_find(m, gfn);
	unsigned int end = model_find(m, gfn + pages_at(level));
	unsigned int i, missing = model_missing(m, gfn, level);
	int ret = 0;

	if (m->now[first].level >= level) {
		ret = model_map_found(&m->now[first], gfn, level, pfn, write,
				      warns);
	} else {
		for (i = first; i < end && !ret; i++)
			ret = m->now[i].level ? -EBUSY : 0;
		if (!ret && missing > *pool)
			ret = -ENOMEM;
	}
	if (ret)
		return ret;
	*pool -= missing;
	for (i = first; i < end; i++)
		m->now[i] = (struct cell) { pfn, level, write };
	return 0;
}

int model_map(struct model *m, u64 gfn, int level, u64 pfn, bool write,
	      unsigned int pool, unsigned int *warns)
{
	model_begin(m);
	return model_map_one(m, gfn, level, pfn, write, &pool, warns);
}

/* One after the other, up to the first that does not end up mapped. */
int model_map_pages(struct model *m, u64 gfn, const struct cell *pages,
		    unsigned int nr, unsigned int pool, unsigned int *warns,
		    unsigned int *done)
{
	int ret = 0;

	model_begin(m);
	for (*done = 0; *done < nr; ++*done) {
		const struct cell *page = &pages[*done];

		ret = model_map_one(m, gfn + *done, 1, page->pfn, page->write,
				    &pool, warns);
		if (ret && ret != -EEXIST)
			break;
	}
	return ret;
}

/* Widen by the leaf at cell @i if it touches the range. */
static bool model_touch(const struct model *m, unsigned int i, u64 start,
			u64 end, struct span *span)
{
	u64 base = model_base(m, m->now, i);
	u64 next = base + pages_at(m->now[i].level);

	if (start >= end || base >= end || next <= start)
		return false;
	if (!span->end || base < span->start)
		span->start = base;
	if (next > span->end)
		span->end = next;
	return true;
}

struct span model_zap(struct model *m, u64 start, u64 end)
{
	struct span span = { 0, 0 };
	unsigned int i;

	model_begin(m);
	for (i = 0; i < MODEL_CELLS; i++) {
		if (m->now[i].level && model_touch(m, i, start, end, &span))
			m->now[i] = (struct cell) { 0, 0, false };
	}
	return span;
}

struct span model_wrprot(struct model *m, u64 start, u64 end)
{
	struct span span = { 0, 0 };
	unsigned int i;

	model_begin(m);
	for (i = 0; i < MODEL_CELLS; i++) {
		if (m->now[i].level && m->now[i].write &&
		    model_touch(m, i, start, end, &span))
			m->now[i].write = false;
	}
	return span;
}

/* Leaves of each level. */
void model_leaves(const struct model *m, const struct cell *cells, u64 *leaves)
{
	u64 last = ~0ULL;
	unsigned int i;

	memset(leaves, 0, KTDP_MAX_LEAF_LEVEL * sizeof(*leaves));
	for (i = 0; i < MODEL_CELLS; i++) {
		if (!cells[i].level || model_base(m, cells, i) == last)
			continue;
		last = model_base(m, cells, i);
		leaves[cells[i].level - 1]++;
	}
}

/* The fewest tables below the root that can hold all leaves. */
unsigned int model_tables(const struct model *m)
{
	u64 last[KTDP_MAX_LEVEL];
	unsigned int i, nr = 0;
	int level;

	memset(last, 0xff, sizeof(last));
	for (i = 0; i < MODEL_CELLS; i++) {
		if (!m->now[i].level)
			continue;
		for (level = m->now[i].level; level < m->level; level++) {
			u64 index = m->gfn[i] >> (9 * level);

			nr += last[level] != index;
			last[level] = index;
		}
	}
	return nr;
}
