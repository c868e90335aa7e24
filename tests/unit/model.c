// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "model.h"

static u64 pages_at(int level)
{
	return 1ULL << (9 * (level - 1));
}

void model_init(struct model *m, int level)
{
	u64 top = 1ULL << (9 * level - 18);
	const u64 gigs[MODEL_GIGS] = {
		0, 1, 511, 512, top / 2 - 1, top / 2, top - 2, top - 1,
	};
	static const u64 windows[MODEL_WINDOWS] = { 0, 1, KTDP_REGIONS, 511 };
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

		m->gfn[i] = (gigs[window / MODEL_WINDOWS] << 18) +
			    (windows[window % MODEL_WINDOWS] << 9) +
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

void span_widen(struct span *span, u64 start, u64 end)
{
	if (!span->end || start < span->start)
		span->start = start;
	if (end > span->end)
		span->end = end;
}

void model_begin(struct model *m)
{
	memcpy(m->was, m->now, sizeof(m->was));
}

/* The leaf in @cell has @gfn in it, where @leaf is wanted. */
static enum ktdp_fill model_found(const struct cell *cell, u64 gfn,
				  const struct cell *leaf, unsigned int *warns)
{
	if (cell->pfn + (gfn & (pages_at(cell->level) - 1)) != leaf->pfn) {
		(*warns)++;
		return KTDP_FILL_IN_THE_WAY;
	}
	if (!leaf->write || cell->write)
		return KTDP_FILL_PRESENT;
	return cell->level > leaf->level ? KTDP_FILL_IN_THE_WAY : KTDP_FILL_DONE;
}

enum ktdp_fill model_way(const struct model *m, u64 gfn, int level,
			 const struct cell *leaf, const struct view *view,
			 unsigned int *warns)
{
	const struct cell *cell = &m->now[model_find(m, gfn)];

	if (leaf->write && view->read_only)
		return KTDP_FILL_READ_ONLY_ABOVE;
	if (cell->level > level)
		return model_found(cell, gfn, leaf, warns);
	if (view->missing > view->pool)
		return KTDP_FILL_NO_TABLE;
	return KTDP_FILL_DONE;
}

void model_set(struct model *m, u64 gfn, const struct cell *leaf)
{
	unsigned int i = model_find(m, gfn);
	u64 end = gfn + pages_at(leaf->level);

	for (; i < MODEL_CELLS && m->gfn[i] < end; i++)
		m->now[i] = *leaf;
}

enum ktdp_fill model_map(struct model *m, u64 gfn, const struct cell *leaf,
			 const struct view *view, unsigned int *warns)
{
	unsigned int i = model_find(m, gfn);
	u64 end = gfn + pages_at(leaf->level);
	enum ktdp_fill result;

	model_begin(m);
	result = model_way(m, gfn, leaf->level, leaf, view, warns);
	if (result == KTDP_FILL_DONE && view->table)
		result = KTDP_FILL_IN_THE_WAY;
	if (result == KTDP_FILL_DONE && m->now[i].level == leaf->level)
		result = model_found(&m->now[i], gfn, leaf, warns);
	for (; i < MODEL_CELLS && m->gfn[i] < end; i++)
		if (m->now[i].level && m->now[i].level < leaf->level)
			result = result ?: KTDP_FILL_IN_THE_WAY;
	if (result == KTDP_FILL_DONE)
		model_set(m, gfn, leaf);
	return result;
}

struct span model_revoke(struct model *m, u64 start, u64 end, bool write_only)
{
	struct span span = { start, end };
	unsigned int i;

	model_begin(m);
	for (i = 0; i < MODEL_CELLS; i++) {
		u64 base, next;

		if (!m->now[i].level)
			continue;
		base = model_base(m, m->now, i);
		next = base + pages_at(m->now[i].level);
		if (start >= end || base >= end || next <= start)
			continue;
		span_widen(&span, base, next);
		if (write_only)
			m->now[i].write = false;
		else
			m->now[i] = (struct cell) { 0, 0, false };
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
