// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "harness.h"

/* One in so many changes, look at all cells in the middle of an operation. */
#define CHECK_IN_FLIGHT	16

/* What a reader finds at a gfn, in the model's terms; @next: where to go on. */
static struct cell cell_read(u64 gfn, u64 *next)
{
	struct cell cell = { 0, 0, false };
	struct ktdp_walk walk;

	if (ktdp_table_walk(&run.table, gfn, &walk) != !!walk.entry)
		env_die("gfn %#llx: entry %#llx, and the walk says otherwise",
			gfn, walk.entry);
	*next = ktdp_walk_next(&walk);
	if (!walk.entry) {
		if (walk.access)
			env_die("gfn %#llx: access %#x without a leaf", gfn,
				walk.access);
		return cell;
	}
	if ((walk.access | KTDP_WRITE) != KTDP_ACCESS_ALL)
		env_die("gfn %#llx: access %#x", gfn, walk.access);
	cell.level = walk.level;
	cell.pfn = ktdp_walk_pfn(&run.table.fmt, &walk) -
		   (gfn & ktdp_level_mask(walk.level));
	cell.write = walk.access & KTDP_WRITE;
	return cell;
}

static bool cell_equal(const struct cell *a, const struct cell *b)
{
	return a->pfn == b->pfn && a->level == b->level && a->write == b->write;
}

/* A walk over a range leaves nothing out and sees nothing twice. */
static void check_next(unsigned int i, u64 next)
{
	const struct model *m = &run.model;
	const struct cell *cell = &m->now[i];
	u64 want = cell->level ? model_base(m, m->now, i) +
				 ktdp_level_pages(cell->level) : next;

	if (next <= m->gfn[i] || next != want)
		env_die("gfn %#llx level %d: the walk goes on at %#llx",
			m->gfn[i], cell->level, next);
	while (!cell->level && ++i < MODEL_CELLS && m->gfn[i] < next) {
		if (m->now[i].level)
			env_die("the walk leaves out gfn %#llx", m->gfn[i]);
	}
}

void check_cells(unsigned int first, unsigned int end)
{
	const struct model *m = &run.model;
	unsigned int i;

	for (i = first; i < end; i++) {
		u64 next;
		struct cell cell = cell_read(m->gfn[i], &next);
		const struct cell *want = &m->now[i];

		if (!cell_equal(&cell, want))
			env_die("gfn %#llx: pfn %#llx level %d write %d, not %#llx %d %d",
				m->gfn[i], cell.pfn, cell.level, cell.write,
				want->pfn, want->level, want->write);
		check_next(i, next);
	}
}

/*
 * In the middle of an operation a reader sees each page as it was or as it
 * will be.
 */
void check_in_flight(void)
{
	const struct model *m = &run.model;
	unsigned int i;

	for (i = 0; i < MODEL_CELLS; i++) {
		u64 next;
		struct cell cell = cell_read(m->gfn[i], &next);

		if (!cell_equal(&cell, &m->was[i]) &&
		    !cell_equal(&cell, &m->now[i]))
			env_die("gfn %#llx: in between, pfn %#llx level %d write %d",
				m->gfn[i], cell.pfn, cell.level, cell.write);
	}
}

/* Take for a fact how far the operation has come. */
void check_settle(void)
{
	unsigned int i;
	u64 next;

	for (i = 0; i < MODEL_CELLS; i++)
		run.model.now[i] = cell_read(run.model.gfn[i], &next);
}

/* What was mapped in the middle of a revoke is there as it was mapped, or not. */
void check_late(const struct act *act)
{
	struct model *m = &run.model;
	unsigned int i;
	u64 next;

	for (i = 0; i < MODEL_CELLS && act->raced; i++) {
		struct cell cell = cell_read(m->gfn[i], &next);

		if (act->late[i] && cell_equal(&cell, &m->was[i]))
			m->now[i] = cell;
	}
}

/*
 * @gfn's entry at @level, or the one on the way to it that is no table; @level is
 * set to where that is, and @write to whether all tables above grant it.
 */
static u64 *check_entry(u64 gfn, int *level, bool *write)
{
	u64 *entries = run.table.root, *entryp;
	int l = run.cfg.level;

	for (*write = true; ; l--) {
		struct cfg_entry e;

		entryp = &entries[(gfn >> (9 * (l - 1))) & 511];
		e = cfg_decode(&run.cfg, *entryp, l);
		if (l == *level || e.kind != KTDP_ENTRY_TABLE)
			break;
		*write &= e.write;
		entries = ktdp_hpa_to_entries(e.hpa);
	}
	*level = l;
	return entryp;
}

struct view check_view(u64 gfn, int level)
{
	int end = level;
	bool write;
	u64 *entryp = check_entry(gfn, &end, &write);
	struct cfg_entry e = cfg_decode(&run.cfg, *entryp, end);

	return (struct view) {
		.read_only = !write,
		.table = e.kind == KTDP_ENTRY_TABLE,
		.missing = end - level,
		.pool = run.table.nr_pool,
	};
}

/* Whether the tables above grant write. */
bool check_granted(u64 gfn, int level)
{
	return !check_view(gfn, level).read_only;
}

static void check_change(u64 gfn, int level, u64 old, u64 new)
{
	struct cfg_entry from = cfg_decode(&run.cfg, old, level);
	struct cfg_entry to = cfg_decode(&run.cfg, new, level);
	const char *wrong = cfg_entry_wrong(&run.cfg, new, level);

	if (wrong)
		env_die("gfn %#llx level %d entry %#llx: %s", gfn, level, new,
			wrong);
	if (old && new && (from.kind != to.kind || from.hpa != to.hpa))
		env_die("gfn %#llx level %d: %#llx became %#llx in place", gfn,
			level, old, new);
	if (to.kind == KTDP_ENTRY_LEAF && to.write && !from.write &&
	    !check_granted(gfn, level))
		env_die("gfn %#llx level %d: a leaf gets write access below a table that has none",
			gfn, level);
}

static void check_locks(u64 gfn, int level, bool links)
{
	const struct ktdp_table *table = &run.table;
	unsigned int i, region = (gfn >> 9) % KTDP_REGIONS;

	if (!env_is_held(&table->regions[region].lock))
		env_die("gfn %#llx level %d: changed without its region's lock",
			gfn, level);
	if (level <= KTDP_LEVEL_2M || links)
		return;
	for (i = 0; i < KTDP_REGIONS; i++)
		if (!env_is_held(&table->regions[i].lock))
			env_die("gfn %#llx level %d: changed without the lock of region %u",
				gfn, level, i);
}

static void check_new_table(u64 hpa, u64 gfn, int level)
{
	struct env_page *page = env_page(hpa);
	const u64 *entries = ktdp_hpa_to_entries(hpa);
	unsigned int i;

	if (page->state != ENV_FRESH)
		env_die("table linked that is in use, state %d", page->state);
	for (i = 0; i < KTDP_ENTRIES; i++)
		if (entries[i])
			env_die("a table is linked that is not empty");
	page->state = ENV_LINKED;
	page->level = level;
	page->gfn = gfn & ~ktdp_level_mask(level + 1);
}

/* Hook of every change, before it is made. */
void check_set(struct ktdp_table *table, u64 gfn, int level, u64 old, u64 new)
{
	struct cfg_entry from = cfg_decode(&run.cfg, old, level);
	struct cfg_entry to = cfg_decode(&run.cfg, new, level);
	bool links = !old && to.kind == KTDP_ENTRY_TABLE, write;
	u64 base = gfn & ~ktdp_level_mask(level), *entryp;
	struct act *act = run.act;
	int l = level;

	if (table != &run.table || !act || act->cpu != env.cpu)
		env_die("another table is changed, or by nobody");
	entryp = check_entry(gfn, &l, &write);
	if (l != level)
		env_die("entry of gfn %#llx level %d set, but its table is not linked",
			gfn, level);
	if (*entryp != old)
		env_die("gfn %#llx level %d is not %#llx", gfn, level, old);
	check_change(gfn, level, old, new);
	check_locks(gfn, level, links);

	/* Who holds another region's lock may be faster to link a table there. */
	if (links && level > KTDP_LEVEL_2M && !env_is_held(&table->all) &&
	    table->nr_pool >= 2 * KTDP_MAX_LEVEL && run.other_often &&
	    env.cpu < RUN_DEPTH - 1 && !rnd(2)) {
		race(act);
		if (*entryp)
			return;
	}
	span_widen(&act->changed, base, base + ktdp_level_pages(level));
	if (links) {
		check_new_table(to.hpa, gfn, level - 1);
	} else if (from.kind == KTDP_ENTRY_TABLE && !new) {
		env_page(from.hpa)->state = ENV_DETACHED;
	} else if (from.kind == KTDP_ENTRY_LEAF && !new) {
		act->cleared[level - 1]++;
		run.nr_cleared++;
	}
	if (run.nr_sets++ % CHECK_IN_FLIGHT == 0)
		check_in_flight();
}

/* Hook of every lock that is taken. */
void check_lock(const raw_spinlock_t *lock)
{
	const char *first = (const char *)run.table.regions;
	size_t off = (const char *)lock - first;

	if (run.act && run.act->cpu == env.cpu && (const char *)lock >= first &&
	    off < sizeof(run.table.regions))
		run.act->regions |= 1ULL << (off / sizeof(run.table.regions[0]));
}

/* Who has taken something is counted, from the hold of the first change on. */
static void check_notifying(void)
{
	unsigned int want = run.untold;
	const struct act *act;

	for (act = run.act; act; act = act->outer)
		want += act->kind == ACT_REVOKE && act->changed.end;
	if (atomic_read(&run.table.notifying) != (int)want)
		env_die("%d are counted that have to tell, not %u",
			atomic_read(&run.table.notifying), want);
}

/* Hook of the end of every hold. */
void check_hold_end(void)
{
	const struct act *act = run.act;

	if (!act || act->cpu != env.cpu || act->kind == ACT_MAP)
		return;
	if (env.cpus[env.cpu].sets > KTDP_HOLD_ENTRIES)
		env_die("%u changes in one hold", env.cpus[env.cpu].sets);
	check_notifying();
	if (act->kind == ACT_GRANT || !rnd(CHECK_IN_FLIGHT))
		check_in_flight();
	if (run.other_often && env.cpu < RUN_DEPTH - 1 && !rnd(run.other_often))
		race(NULL);
}

/*
 * Invariants that cost little, after every operation that is not in the middle of
 * another one.
 */
void check_counters(void)
{
	const struct ktdp_table *table = &run.table;
	u64 leaves[KTDP_MAX_LEAF_LEVEL], cleared = 0, pending = 0;
	unsigned int i, linked;
	int level;

	model_leaves(&run.model, run.model.now, leaves);
	for (level = 0; level < KTDP_MAX_LEAF_LEVEL; level++) {
		u64 sum = -run.detached[level];

		for (i = 0; i < KTDP_REGIONS; i++)
			sum += table->regions[i].leaves[level];
		if (sum != leaves[level])
			env_die("%llu leaves of level %d are counted, there are %llu",
				sum, level + 1, leaves[level]);
	}
	for (i = 0; i < KTDP_REGIONS; i++)
		cleared += table->regions[i].cleared;
	if (cleared != run.nr_cleared)
		env_die("%llu leaves are counted as cleared, %llu were", cleared,
			run.nr_cleared);
	for (i = 0; i < RUN_PENDING; i++)
		pending += run.pending[i].pages.nr;
	linked = env.pages - 1 - table->nr_pool - pending;
	if (atomic_long_read(&table->nr_linked) != linked + pending + run.nr_freed)
		env_die("%ld tables ever linked, %llu freed, %llu detached, %u linked",
			atomic_long_read(&table->nr_linked), run.nr_freed,
			pending, linked);
	check_notifying();
}

/* A cursor is the table that a walk finds, and all levels above grant write. */
void check_cursors(void)
{
	unsigned int i;

	for (i = 0; i < KTDP_REGIONS; i++) {
		const struct ktdp_region *region = &run.table.regions[i];
		u64 gfn = region->window << 9;
		int level = KTDP_LEVEL_4K;
		bool write;
		u64 *entryp;

		if (region->window == KTDP_NO_WINDOW)
			continue;
		if (gfn >= ktdp_gfn_end(run.cfg.level) ||
		    region->window % KTDP_REGIONS != i)
			env_die("the cursor of region %u is for gfn %#llx", i, gfn);
		entryp = check_entry(gfn, &level, &write);
		if (level != KTDP_LEVEL_4K || !write || region->cursor != entryp)
			env_die("the cursor for gfn %#llx is not the table that may be written",
				gfn);
	}
}

struct recount {
	const struct cell *cells;	/* NULL: not known */
	bool linked;		/* else: a detached tree */
	u64 leaves[KTDP_MAX_LEAF_LEVEL];
	struct pages tables;
};

/* One leaf found by going through the entries; @write: granted on the way. */
static void recount_leaf(struct recount *rc, u64 gfn, int level,
			 const struct cfg_entry *e, bool write)
{
	unsigned int i = model_find(&run.model, gfn);
	const struct cell *cell;

	rc->leaves[level - 1]++;
	if (!rc->cells)
		return;
	cell = &rc->cells[i];
	if (i == MODEL_CELLS || cell->level != level ||
	    model_base(&run.model, rc->cells, i) != gfn ||
	    cell->pfn != e->hpa >> 12)
		env_die("a leaf at gfn %#llx level %d pfn %#llx that nobody made",
			gfn, level, e->hpa >> 12);
	/* The way to a detached leaf is not known any more. */
	if (rc->linked && cell->write != write)
		env_die("the leaf at gfn %#llx level %d has write %d", gfn,
			level, write);
}

/* Go through a tree entry by entry. */
static void recount_tree(struct recount *rc, const u64 *entries, u64 gfn,
			 int level, bool write)
{
	unsigned int i;

	rc->tables.nr++;
	rc->tables.hash += page_hash(ktdp_entries_to_hpa(entries));
	for (i = 0; i < KTDP_ENTRIES; i++, gfn += ktdp_level_pages(level)) {
		struct cfg_entry e = cfg_decode(&run.cfg, entries[i], level);
		bool w = write && e.write;

		if (e.kind == KTDP_ENTRY_TABLE) {
			struct env_page *page = env_page(e.hpa);

			if (page->state != ENV_LINKED ||
			    page->level != level - 1 || page->gfn != gfn)
				env_die("the table below gfn %#llx level %d is another one",
					gfn, level);
			if (!rc->linked)
				page->state = ENV_DETACHED;
			recount_tree(rc, ktdp_hpa_to_entries(e.hpa), gfn,
				     level - 1, w);
		} else if (e.kind == KTDP_ENTRY_LEAF) {
			recount_leaf(rc, gfn, level, &e, w);
		}
	}
}

void check_tree(void)
{
	struct recount rc = { .cells = run.model.now, .linked = true };
	u64 leaves[KTDP_MAX_LEAF_LEVEL], linked;
	unsigned int i;

	recount_tree(&rc, run.table.root, 0, run.cfg.level, true);
	model_leaves(&run.model, run.model.now, leaves);
	if (memcmp(leaves, rc.leaves, sizeof(leaves)))
		env_die("the tree has other leaves than the model");
	linked = atomic_long_read(&run.table.nr_linked) - run.nr_freed;
	for (i = 0; i < RUN_PENDING; i++)
		linked -= run.pending[i].pages.nr;
	if (rc.tables.nr - 1 != linked)
		env_die("%u tables in the tree, %llu are counted", rc.tables.nr - 1,
			linked);
	check_cells(0, MODEL_CELLS);
}

/*
 * What a revoke detached: all leaves that went are there for readers to see,
 * apart from those that were cleared one by one.  Return: the tables; @leaves: is set
 * to the leaves in them.
 */
struct pages check_detached(const struct ktdp_chain *chain, const struct act *act,
			    u64 *leaves)
{
	struct recount rc = { .cells = act->raced ? NULL : run.model.was };
	u64 was[KTDP_MAX_LEAF_LEVEL], now[KTDP_MAX_LEAF_LEVEL], at, hpa;
	unsigned int i;

	for (at = chain->first; at; at = *ktdp_page_link(hpa)) {
		const struct env_page *page;

		hpa = at & ~7ULL;
		page = env_page(hpa);
		if (page->state != ENV_DETACHED || page->level != (int)(at & 7))
			env_die("a table is in the chain, and not detached at its level");
		recount_tree(&rc, ktdp_hpa_to_entries(hpa), page->gfn,
			     page->level, true);
	}
	memcpy(leaves, rc.leaves, sizeof(rc.leaves));
	model_leaves(&run.model, run.model.was, was);
	model_leaves(&run.model, run.model.now, now);
	for (i = 0; i < KTDP_MAX_LEAF_LEVEL && !act->raced; i++) {
		if (act->cleared[i] + rc.leaves[i] != was[i] - now[i])
			env_die("%llu leaves of level %u cleared, %llu detached, %llu went",
				act->cleared[i], i + 1, rc.leaves[i],
				was[i] - now[i]);
	}
	return rc.tables;
}

/* The locks of all regions that a range is in. */
static u64 check_regions(u64 start, u64 end)
{
	u64 window, regions = 0;
	unsigned int i;

	end = min(end, ktdp_gfn_end(run.cfg.level));
	if (start >= end)
		return 0;
	window = start >> 9;
	for (i = 0; i < KTDP_REGIONS && window <= (end - 1) >> 9; i++, window++)
		regions |= 1ULL << window % KTDP_REGIONS;
	return regions;
}

/*
 * A revoke is over: the range reported is that of the entries it changed, and no
 * more than was asked, and it took the lock of each region, or of all.
 */
void check_revoke(const struct ktdp_revoke *revoke, const struct act *act,
		  struct span most)
{
	u64 regions = check_regions(act->start, act->end);

	if (revoke->end != act->changed.end ||
	    (revoke->end && revoke->start != act->changed.start))
		env_die("[%#llx, %#llx) changed, [%#llx, %#llx) reported",
			act->changed.start, act->changed.end, revoke->start,
			revoke->end);
	if (revoke->end && !act->raced &&
	    (revoke->start < most.start || revoke->end > most.end))
		env_die("[%#llx, %#llx) reported, [%#llx, %#llx) at most asked",
			revoke->start, revoke->end, most.start, most.end);
	if (regions & ~act->regions)
		env_die("regions %#llx of the range were not locked",
			regions & ~act->regions);
}
