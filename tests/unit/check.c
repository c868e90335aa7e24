// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "harness.h"

/* One in so many changes, look at all cells in the middle of an operation. */
#define CHECK_IN_FLIGHT	8

/* What a reader finds at a gfn, in the model's terms; @next: where to go on. */
static struct cell cell_read(u64 gfn, u64 *next)
{
	struct cell cell = { 0, 0, false };
	struct ktdp_walk walk;

	if (ktdp_mirror_walk(&run.mirror, gfn, &walk) != !!walk.entry)
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
	cell.pfn = ktdp_walk_pfn(&run.mirror.fmt, &walk) -
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
static void check_in_flight(void)
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

/* The linked table that has the entry of @gfn at @level. */
static struct ktdp_table *check_table_of(u64 gfn, int level)
{
	struct ktdp_table *table = run.mirror.root;
	int l;

	for (l = run.cfg.level; l > level; l--) {
		u64 entry = table->entries[(gfn >> (9 * (l - 1))) & 511];
		struct cfg_entry e = cfg_decode(&run.cfg, entry, l);

		if (e.kind != KTDP_ENTRY_TABLE)
			env_die("entry of gfn %#llx level %d set, but its table is not linked",
				gfn, level);
		table = ktdp_hpa_to_table(e.hpa);
	}
	return table;
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
}

static void check_new_table(const struct ktdp_table *table,
			    const struct ktdp_table *parent)
{
	unsigned int i, used = table->nr_present;

	for (i = 0; i < KTDP_MAX_LEAF_LEVEL; i++)
		used |= !!table->leaves[i];
	for (i = 0; i < KTDP_ENTRIES; i++)
		used |= !!table->entries[i];
	if (used || table->level != parent->level - 1)
		env_die("a table is linked that is not empty, or at level %d below %d",
			table->level, parent->level);
	if (table->parent != parent || table->mirror != &run.mirror)
		env_die("a table is linked and does not know where");
}

/* Hook of every change, before it is made. */
void check_set(struct ktdp_mirror *mirror, u64 gfn, int level, u64 old, u64 new)
{
	struct ktdp_table *table = check_table_of(gfn, level);
	struct cfg_entry from = cfg_decode(&run.cfg, old, level);
	struct cfg_entry to = cfg_decode(&run.cfg, new, level);

	if (mirror != &run.mirror || !mirror->lock.held)
		env_die("entry changed without the lock");
	if (table->entries[(gfn >> (9 * (level - 1))) & 511] != old)
		env_die("gfn %#llx level %d is not %#llx", gfn, level, old);
	check_change(gfn, level, old, new);

	if (from.kind == KTDP_ENTRY_EMPTY && to.kind == KTDP_ENTRY_TABLE) {
		check_new_table(ktdp_hpa_to_table(to.hpa), table);
		env_table_linked(to.hpa, table, gfn & ~ktdp_level_mask(level));
	} else if (from.kind == KTDP_ENTRY_TABLE && !new) {
		env_table_detached(from.hpa);
	} else if (from.kind == KTDP_ENTRY_LEAF && !new) {
		run.cleared[level - 1]++;
	} else if (!old && to.kind == KTDP_ENTRY_LEAF) {
		run.nr_leaves_set++;
	}
	if (run.nr_sets++ % CHECK_IN_FLIGHT == 0)
		check_in_flight();
}

static void settle(void)
{
	raw_spin_lock(&run.mirror.lock);
	ktdp_mirror_settle(&run.mirror);
	raw_spin_unlock(&run.mirror.lock);
}

static void check_leaf_counters(void)
{
	const struct ktdp_mirror *mirror = &run.mirror;
	u64 leaves[KTDP_MAX_LEAF_LEVEL];
	unsigned int i;

	settle();
	model_leaves(&run.model, run.model.now, leaves);
	for (i = 0; i < KTDP_MAX_LEAF_LEVEL; i++) {
		if (mirror->root->leaves[i] != leaves[i])
			env_die("the root counts %llu leaves of level %u, there are %llu",
				mirror->root->leaves[i], i + 1, leaves[i]);
	}
	if (mirror->entries_set != run.nr_leaves_set ||
	    mirror->entries_set - mirror->entries_zapped !=
	    leaves[0] + leaves[1] + leaves[2])
		env_die("%llu leaves counted as set, %llu as zapped; %llu were set",
			mirror->entries_set, mirror->entries_zapped,
			run.nr_leaves_set);
}

/*
 * Invariants that cost little, after every operation.  The leaves are counted
 * late, so mostly they are left to be.
 */
void check_counters(void)
{
	const struct ktdp_mirror *mirror = &run.mirror;
	unsigned int i, linked, want = model_tables(&run.model);
	u64 pending = 0;

	if (!rnd(4))
		check_leaf_counters();
	for (i = 0; i < RUN_PENDING; i++)
		pending += run.pending[i].nr;
	linked = env.tables - 1 - mirror->nr_pool - pending;
	if (linked != want)
		env_die("%u tables are linked, %u would do", linked, want);
	if (mirror->nr_linked - run.nr_freed - pending != linked)
		env_die("%llu tables ever linked, %llu freed, %llu detached, %u linked",
			mirror->nr_linked, run.nr_freed, pending, linked);
}

/* The hint is the table that a walk finds, if all levels above grant write. */
void check_hint(void)
{
	u64 gfn = run.mirror.hint_window << 9;
	const struct ktdp_table *hint = run.mirror.hint;
	const struct ktdp_table *table = run.mirror.root;
	int level;

	if (run.mirror.hint_open != KTDP_NO_WINDOW &&
	    (!hint || run.mirror.hint_open != run.mirror.hint_window))
		env_die("window %#llx is open, and is not the hint's",
			run.mirror.hint_open);
	if (!hint)
		return;
	if (gfn >= ktdp_gfn_end(run.cfg.level))
		env_die("the hint is for gfn %#llx", gfn);
	for (level = run.cfg.level; level > 1; level--) {
		u64 entry = table->entries[(gfn >> (9 * (level - 1))) & 511];
		struct cfg_entry e = cfg_decode(&run.cfg, entry, level);

		if (e.kind != KTDP_ENTRY_TABLE || !e.write)
			env_die("the hint for gfn %#llx is below entry %#llx at level %d",
				gfn, entry, level);
		table = ktdp_hpa_to_table(e.hpa);
	}
	if (table != hint || hint->level != 1)
		env_die("the hint for gfn %#llx is another table", gfn);
}

static void check_grants_at(unsigned int i)
{
	const struct cell *cell = &run.model.now[i];
	u64 gfn = run.model.gfn[i];
	bool there = cell->level;

	if (ktdp_mirror_grants(&run.mirror, gfn, KTDP_READ) != there ||
	    ktdp_mirror_grants(&run.mirror, gfn, KTDP_EXEC) != there ||
	    ktdp_mirror_grants(&run.mirror, gfn, KTDP_WRITE) != cell->write)
		env_die("gfn %#llx level %d write %d: another access is granted",
			gfn, cell->level, cell->write);
}

/* With the hint, next to it and elsewhere. */
void check_grants(void)
{
	unsigned int hint = model_find(&run.model, run.mirror.hint_window << 9);

	raw_spin_lock(&run.mirror.lock);
	check_grants_at((hint + rnd(MODEL_PAGES)) % MODEL_CELLS);
	check_grants_at((hint + MODEL_PAGES) % MODEL_CELLS);
	check_grants_at((hint + MODEL_CELLS - 1) % MODEL_CELLS);
	check_grants_at(rnd(MODEL_CELLS));
	raw_spin_unlock(&run.mirror.lock);
}

struct recount {
	const struct cell *cells;
	bool linked;		/* else: a detached tree */
	u64 leaves[KTDP_MAX_LEAF_LEVEL];
	unsigned int tables;
};

/* One leaf found by going through the entries; @write: granted on the way. */
static void recount_leaf(struct recount *rc, u64 gfn, int level,
			 const struct cfg_entry *e, bool write)
{
	unsigned int i = model_find(&run.model, gfn);
	const struct cell *cell = &rc->cells[i];

	if (i == MODEL_CELLS || cell->level != level ||
	    model_base(&run.model, rc->cells, i) != gfn ||
	    cell->pfn != e->hpa >> 12)
		env_die("a leaf at gfn %#llx level %d pfn %#llx that nobody made",
			gfn, level, e->hpa >> 12);
	/* The way to a detached leaf is not known any more. */
	if (rc->linked && cell->write != write)
		env_die("the leaf at gfn %#llx level %d has write %d", gfn,
			level, write);
	rc->leaves[level - 1]++;
}

/* What @table says of the @present entries, and the leaves found since @before. */
static void recount_compare(const struct recount *rc,
			    const struct ktdp_table *table,
			    unsigned int present, const u64 *before)
{
	unsigned int i;

	if (present != table->nr_present)
		env_die("a table at level %d has %u entries and counts %u",
			table->level, present, table->nr_present);
	for (i = 0; i < KTDP_MAX_LEAF_LEVEL && table->level > 1; i++) {
		if (table->leaves[i] != rc->leaves[i] - before[i])
			env_die("a table at level %d counts %llu leaves of level %u, has %llu",
				table->level, table->leaves[i], i + 1,
				rc->leaves[i] - before[i]);
	}
}

/* Go through a tree entry by entry, and hold each table's counters to it. */
static void recount_tree(struct recount *rc, const struct ktdp_table *table,
			 u64 gfn, bool write)
{
	u64 before[KTDP_MAX_LEAF_LEVEL];
	unsigned int i, present = 0;
	int level = table->level;

	memcpy(before, rc->leaves, sizeof(before));
	rc->tables++;
	for (i = 0; i < KTDP_ENTRIES; i++, gfn += ktdp_level_pages(level)) {
		struct cfg_entry e = cfg_decode(&run.cfg, table->entries[i],
						level);
		bool w = write && e.write;

		present += e.kind != KTDP_ENTRY_EMPTY;
		if (e.kind == KTDP_ENTRY_TABLE) {
			const struct ktdp_table *child = ktdp_hpa_to_table(e.hpa);

			if (child->parent != table || child->level != level - 1)
				env_die("a table below level %d says another place",
					level);
			recount_tree(rc, child, gfn, w);
		} else if (e.kind == KTDP_ENTRY_LEAF) {
			recount_leaf(rc, gfn, level, &e, w);
		}
	}
	recount_compare(rc, table, present, before);
}

void check_tree(void)
{
	struct recount rc = { .cells = run.model.now, .linked = true };
	u64 leaves[KTDP_MAX_LEAF_LEVEL];

	settle();
	recount_tree(&rc, run.mirror.root, 0, true);
	model_leaves(&run.model, run.model.now, leaves);
	if (memcmp(leaves, rc.leaves, sizeof(leaves)))
		env_die("the tree has other leaves than the model");
	if (rc.tables != 1 + model_tables(&run.model))
		env_die("%u tables in the tree, %u would do", rc.tables,
			1 + model_tables(&run.model));
	check_cells(0, MODEL_CELLS);
}

/*
 * What a zap detached, @head up to @end: all leaves that went are there for
 * readers to see, apart from those that were cleared one by one.
 */
void check_detached(const struct ktdp_table *head, const struct ktdp_table *end)
{
	struct recount rc = { .cells = run.model.was };
	u64 was[KTDP_MAX_LEAF_LEVEL], now[KTDP_MAX_LEAF_LEVEL];
	unsigned int i;

	for (; head != end; head = head->next) {
		if (env_table_state(head) != ENV_DETACHED)
			env_die("a table is on the list but not detached");
		recount_tree(&rc, head, env_table_gfn(head), true);
	}
	model_leaves(&run.model, run.model.was, was);
	model_leaves(&run.model, run.model.now, now);
	for (i = 0; i < KTDP_MAX_LEAF_LEVEL; i++) {
		if (run.cleared[i] + rc.leaves[i] != was[i] - now[i])
			env_die("%llu leaves of level %u cleared, %llu detached, %llu went",
				run.cleared[i], i + 1, rc.leaves[i],
				was[i] - now[i]);
	}
}

/* The range reported covers what changed, and no more than was asked. */
void check_zap(const struct ktdp_zap *zap, struct span asked,
	       struct span changed)
{
	struct span most = asked;

	if (changed.end) {
		if (!zap->end || zap->start > changed.start ||
		    zap->end < changed.end)
			env_die("[%#llx, %#llx) changed, [%#llx, %#llx) reported",
				changed.start, changed.end, zap->start,
				zap->end);
		most.start = min(most.start, changed.start);
		most.end = max(most.end, changed.end);
	}
	if (zap->end && (zap->start >= zap->end || zap->start < most.start ||
			 zap->end > most.end))
		env_die("[%#llx, %#llx) reported, [%#llx, %#llx) at most asked",
			zap->start, zap->end, most.start, most.end);
}
