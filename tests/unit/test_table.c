// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations on a table and on a flat array, which have to agree after
 * each: every format, root level and largest leaf level.  Wherever an operation
 * lets go of its locks others may run, in one thread.
 *
 *	OPS=n	operations in all formats together
 *	SEED=n	another sequence; the same one gives the same run
 *	arguments: names of formats to run (as in the output)
 */

#include <string.h>

#include "harness.h"
#include "tap.h"

#define DEFAULT_OPS	400000
#define EPOCH		500	/* operations with one mix */
#define TREE_EVERY	128	/* operations from recount to recount */

/* The mix of operations changes with time, so that trees grow and shrink. */
static struct {
	unsigned int first;	/* cells in use */
	unsigned int nr;
	unsigned int revoke;	/* percent */
	unsigned int wrprot;
	unsigned int large;	/* one leaf in so many is not 4K */
	unsigned int pool_short;	/* one pool in so many is short */
} mix;

/* A run that never met a case proves little. */
static struct {
	u64 results[KTDP_FILL_NR];
	u64 raised;
	u64 warned;
	u64 granted;
	u64 lost_links;
	u64 runs;		/* of pages */
	u64 late;		/* pages that outlived a revoke that they came after */
	u64 others;		/* revokes that found others to tell */
} met;

static void mix_choose(void)
{
	static const unsigned int nr[] = {
		MODEL_PAGES, MODEL_PAGES * MODEL_WINDOWS,
		MODEL_PAGES * MODEL_WINDOWS * 2, MODEL_CELLS,
	};

	mix.nr = nr[rnd(4)];
	mix.first = rnd(MODEL_CELLS / mix.nr) * mix.nr;
	mix.revoke = 2 + rnd(30);
	mix.wrprot = rnd(30);
	mix.large = 1 + rnd(8);
	mix.pool_short = 1 + rnd(16);
	run.other_often = rnd(3) ? 2 + rnd(60) : 0;
}

static unsigned int pick_cell(void)
{
	return mix.first + rnd(mix.nr);
}

static int pick_level(void)
{
	return rnd(mix.large) ? 1 : 1 + rnd(run.cfg.max_leaf_level);
}

/*
 * What is there already is mostly asked for again as it is: the host does not
 * change its mind without a revoke.
 */
static u64 pick_pfn(unsigned int i, int level)
{
	const struct cell *cell = &run.model.now[i];
	u64 gfn = run.model.gfn[i] & ~ktdp_level_mask(level);
	u64 pfn = rnd(8) ? rnd(0) : ~0ULL;

	if (cell->level && rnd(16)) {
		pfn = cell->pfn;
		if (cell->level > level)
			pfn += gfn & ktdp_level_mask(cell->level);
	}
	return pfn & (cfg_addr(&run.cfg) >> 12) & ~ktdp_level_mask(level);
}

static void pick_pool(void)
{
	unsigned int need = ktdp_table_need(&run.table);

	if (rnd(mix.pool_short) == 0)
		run_pool_set(rnd(need));
	else
		run_pool_set(need + rnd(2 * KTDP_MAX_LEVEL));
}

/* What was mapped where a revoke may have been already may stay. */
static void mark_late(u64 gfn, int level)
{
	u64 region = 1ULL << (gfn >> 9) % KTDP_REGIONS;
	unsigned int i, first = model_find(&run.model, gfn);
	unsigned int end = model_find(&run.model, gfn + ktdp_level_pages(level));
	struct act *act;

	if (level > KTDP_LEVEL_2M)
		region = ~0ULL;
	for (act = run.act; act; act = act->outer) {
		if (act->kind != ACT_REVOKE || !(act->regions & region))
			continue;
		for (i = first; i < end; i++)
			act->late[i] = true;
	}
}

/* One map is over, whose result was to be @want. */
static void check_map(const struct act *act, const struct view *view,
		      enum ktdp_fill result, enum ktdp_fill want)
{
	u64 linked = 0;

	if (result != want)
		env_die("gfn %#llx level %d: the result is %d, not %d",
			act->start, act->leaf.level, result, want);
	if (env.warns != env.warns_max)
		env_die("another pfn was asked for, and nobody warned");
	if (want == KTDP_FILL_DONE || want == KTDP_FILL_NO_TABLE)
		linked = min(view->missing, view->pool);
	if (act->raced)
		met.lost_links++;
	else if (run.table.nr_pool + linked != view->pool)
		env_die("%llu tables are missing, the pool went from %u to %u",
			linked, view->pool, run.table.nr_pool);
	met.results[want]++;
}

/* Whoever holds no lock may take all of them. */
static enum ktdp_fill map_once(u64 gfn, const struct cell *leaf, bool any_lock)
{
	struct model *m = &run.model;
	u64 next = gfn + ktdp_level_pages(leaf->level);
	struct act act = { .kind = ACT_MAP, .start = gfn, .leaf = *leaf };
	struct view view = check_view(gfn, leaf->level);
	unsigned int warns = 0, first = model_find(m, gfn);
	struct op *op = log_op("map", gfn, next);
	int lock = any_lock && !rnd(8) ? KTDP_LEVEL_1G : leaf->level;
	enum ktdp_fill want, result;

	op->level = leaf->level;
	op->write = leaf->write;
	op->pfn = leaf->pfn;
	want = model_map(m, gfn, leaf, &view, &warns);
	act.done = want == KTDP_FILL_DONE;
	met.raised += act.done && m->was[first].level;
	met.warned += warns;
	env.warns_max += warns;
	ktdp_table_lock(&run.table, gfn, lock);
	act_begin(&act);
	result = ktdp_table_map(&run.table, gfn, leaf->level, leaf->pfn, leaf->write);
	act_end(&act);
	op->ret = result;
	check_map(&act, &view, result, want);
	check_cells(first, model_find(m, next));
	if (act.done)
		mark_late(gfn, leaf->level);
	ktdp_table_unlock(&run.table, gfn, lock);
	return want;
}

/* No leaf's access changes by it, see check_hold_end(). */
static void grant(u64 gfn, int level)
{
	struct act act = { .kind = ACT_GRANT };

	log_op("give", gfn, gfn + 1)->level = level;
	model_begin(&run.model);
	act_begin(&act);
	ktdp_table_grant(&run.table, gfn, level);
	act_end(&act);
	if (!act.raced && !check_granted(gfn, level))
		env_die("when all is given, a table above gfn %#llx is read-only", gfn);
	check_cells(0, MODEL_CELLS);
	met.granted++;
}

static enum ktdp_fill map_leaf(u64 gfn, const struct cell *leaf)
{
	enum ktdp_fill result = map_once(gfn, leaf, true);
	int tries;

	for (tries = 0; tries < 3 && result == KTDP_FILL_READ_ONLY_ABOVE; tries++) {
		grant(gfn, leaf->level);
		result = map_once(gfn, leaf, true);
	}
	return result;
}

static struct cell pick_leaf(unsigned int i, int level)
{
	return (struct cell) { pick_pfn(i, level), level, rnd(2) };
}

static void do_map(void)
{
	unsigned int i = pick_cell();
	struct cell leaf = pick_leaf(i, pick_level());

	pick_pool();
	map_leaf(run.model.gfn[i] & ~ktdp_level_mask(leaf.level), &leaf);
}

/* From cell @i on, as far as gfns follow one another in one window. */
static unsigned int pick_pages(unsigned int i, struct cell *pages, bool write)
{
	u64 pfn = pick_pfn(i, 1), all = cfg_addr(&run.cfg) >> 12;
	const u64 *gfn = run.model.gfn;
	unsigned int nr = 0, max = 1 + rnd(MODEL_PAGES), mixed = rnd(2);

	while (nr < max && i + nr < MODEL_CELLS &&
	       gfn[i + nr] == gfn[i] + nr && gfn[i + nr] >> 9 == gfn[i] >> 9) {
		bool there = run.model.now[i + nr].level;

		pages[nr] = (struct cell) {
			.pfn = there ? pick_pfn(i + nr, 1) : (pfn + nr) & all,
			.level = 1,
			.write = write && (!mixed || rnd(2)),
		};
		nr++;
	}
	return nr;
}

/* The lock is held, the table is found.  As in fill.c. */
static void set_pages(u64 *entries, u64 gfn, const struct cell *pages,
		      unsigned int nr)
{
	static const struct view view;
	enum ktdp_fill want = KTDP_FILL_DONE, result;
	unsigned int i;

	for (i = 0; i < nr && want <= KTDP_FILL_PRESENT; i++) {
		struct act act = { .kind = ACT_MAP, .start = gfn + i };
		unsigned int warns = 0;

		act.leaf = pages[i];
		want = model_map(&run.model, gfn + i, &pages[i], &view, &warns);
		act.done = want == KTDP_FILL_DONE;
		env.warns_max += warns;
		act_begin(&act);
		result = ktdp_table_set_page(&run.table, entries, gfn + i,
					     pages[i].pfn, pages[i].write);
		act_end(&act);
		if (result != want || env.warns != env.warns_max)
			env_die("page %u of a run: %d, not %d", i, result, want);
		if (act.done)
			mark_late(gfn + i, KTDP_LEVEL_4K);
	}
}

/* A run of pages in one hold. */
static void do_map_run(void)
{
	struct cell pages[MODEL_PAGES], first;
	struct model *m = &run.model;
	unsigned int i = pick_cell(), warns = 0;
	bool write = rnd(2);
	unsigned int nr = pick_pages(i, pages, write);
	struct op *op = log_op("pages", m->gfn[i], m->gfn[i] + nr);
	struct act act = { .kind = ACT_MAP, .start = m->gfn[i] };
	struct ktdp_region *region = ktdp_table_region(&run.table, m->gfn[i]);
	enum ktdp_fill result, want;
	struct view view;
	u64 *entries;

	first = pages[0];
	first.write = write;
	pick_pool();
	view = check_view(m->gfn[i], KTDP_LEVEL_4K);
	model_begin(m);
	want = model_way(m, m->gfn[i], KTDP_LEVEL_4K, &first, &view, &warns);
	env.warns_max += warns;
	ktdp_table_lock(&run.table, m->gfn[i], KTDP_LEVEL_4K);
	act_begin(&act);
	result = ktdp_table_window(&run.table, m->gfn[i], first.pfn, write,
				   &entries);
	act_end(&act);
	op->ret = result;
	check_map(&act, &view, result, want);
	if (want == KTDP_FILL_DONE) {
		if (write && region->window != m->gfn[i] >> 9)
			env_die("a run of writable pages, and no cursor");
		set_pages(entries, m->gfn[i], pages, nr);
		check_cells(i, i + nr);
		met.runs++;
	}
	ktdp_table_unlock(&run.table, m->gfn[i], KTDP_LEVEL_4K);
}

static struct span span_of(u64 gfn, int level, u64 nr)
{
	u64 start = gfn & ~ktdp_level_mask(level);

	return (struct span) { start, start + nr * ktdp_level_pages(level) };
}

/* From nothing at all to more than there is. */
static struct span pick_wide(u64 gfn)
{
	u64 end = ktdp_gfn_end(run.cfg.level);

	switch (rnd(6)) {
	case 0:
		return (struct span) { 0, rnd(2) ? end : ~0ULL };
	case 1:
		return (struct span) { gfn, rnd(2) ? end : end + rnd(0) / 2 };
	case 2:
		return (struct span) { end + rnd(2), end + 1 + rnd(100) };
	case 3:
		return (struct span) { gfn + rnd(2), gfn };
	case 4:
		return (struct span) { 0, gfn + rnd(2) };
	default:
		return span_of(gfn, 1 + rnd(run.cfg.level), 1 + rnd(2));
	}
}

static struct span pick_span(void)
{
	u64 gfn = run.model.gfn[pick_cell()];
	u64 other = run.model.gfn[pick_cell()];

	switch (rnd(64)) {
	case 0:
		return pick_wide(gfn);
	case 1 ... 8:
		return span_of(gfn, 2, 1 + rnd(2));
	case 9 ... 11:
		return span_of(gfn, 3, 1 + rnd(2));
	case 12 ... 19:
		/* Most of it lies between the cells. */
		return (struct span) { min(gfn, other),
				       max(gfn, other) + rnd(2) };
	default:
		return span_of(gfn, 1, 1 + rnd(3));
	}
}

/* Those that were in the middle of something when this one came, too. */
static bool others_untold(void)
{
	unsigned int untold = run.untold;
	const struct act *act;

	for (act = run.act; act; act = act->outer)
		untold += act->kind == ACT_REVOKE && act->changed.end;
	return untold;
}

static void do_revoke(struct span asked, bool write_only)
{
	struct act act = {
		.kind = ACT_REVOKE,
		.start = asked.start,
		.end = asked.end,
		.write_only = write_only,
	};
	struct ktdp_revoke revoke = { .write_only = write_only };
	u64 leaves[KTDP_MAX_LEAF_LEVEL] = {}, want[KTDP_MAX_LEAF_LEVEL];
	struct op *op = log_op(write_only ? "wrprot" : "revoke", asked.start,
			       asked.end);
	struct pages pages;
	struct span most;
	unsigned int i;
	bool others;

	most = model_revoke(&run.model, asked.start, asked.end, write_only);
	act_begin(&act);
	others = ktdp_table_revoke(&run.table, asked.start, asked.end, &revoke);
	act_end(&act);
	op->ret = others;
	if (others != others_untold())
		env_die("others have something to tell: %d, it says %d",
			others_untold(), others);
	met.others += others;
	check_late(&act);
	check_revoke(&revoke, &act, most);
	check_cells(0, MODEL_CELLS);
	if (write_only && revoke.detached.first)
		env_die("write-protect detached a table");

	pages = check_detached(&revoke.detached, &act, want);
	ktdp_chain_flatten(&run.table.fmt, &revoke.detached, leaves);
	if (memcmp(leaves, want, sizeof(leaves)))
		env_die("other leaves are counted in detached tables than there are");
	for (i = 0; i < KTDP_MAX_LEAF_LEVEL; i++)
		run.detached[i] += leaves[i];
	for (i = 0; i < MODEL_CELLS; i++)
		met.late += act.late[i] && run.model.now[i].level;
	run_pending_add(&revoke, &pages);
}

/* As a caller does on KTDP_FILL_IN_THE_WAY: revoke what is, map something else. */
static void do_replace(void)
{
	unsigned int i = pick_cell();
	int level = pick_level();
	u64 gfn = run.model.gfn[i] & ~ktdp_level_mask(level);
	struct cell leaf;

	do_revoke(span_of(gfn, level, 1), false);
	leaf = pick_leaf(i, level);
	run_pool_set(ktdp_table_need(&run.table));
	if (map_leaf(gfn, &leaf) && !run.other_often)
		env_die("no room for a leaf after the revoke of its span");
}

static void do_any(void)
{
	unsigned int dice = rnd(100);

	if (dice < mix.revoke)
		do_revoke(pick_span(), false);
	else if (dice < mix.revoke + mix.wrprot)
		do_revoke(pick_span(), true);
	else if (dice < mix.revoke + mix.wrprot + 5)
		do_replace();
	else if (rnd(3))
		do_map();
	else
		do_map_run();
	check_cursors();
	if (rnd(16) == 0)
		run_pending_free(rnd(RUN_PENDING));
	if (rnd(8) == 0)
		run_tell(rnd(RUN_PENDING));
}

/* @holder: what holds one lock meanwhile, or NULL */
static void do_other(const struct act *holder)
{
	unsigned int i, n = 1 + rnd(4);
	struct cell leaf;
	u64 gfn;

	while (!holder && n--)
		do_any();
	if (!holder)
		return;
	i = pick_cell();
	leaf = pick_leaf(i, 1 + rnd(min(run.cfg.max_leaf_level, 2)));
	gfn = run.model.gfn[i] & ~ktdp_level_mask(leaf.level);
	if (!ktdp_table_region(&run.table, gfn)->lock.owner)
		map_once(gfn, &leaf, false);
}

static void run_config(const struct cfg *cfg, u64 seed, unsigned int index,
		       u64 ops)
{
	u64 epoch = 0, tree = 0;

	run_begin(cfg, seed, index);
	run.other = do_other;
	while (run.nr_ops < ops) {
		if (run.nr_ops >= epoch) {
			mix_choose();
			epoch += EPOCH;
		}
		do_any();
		check_counters();
		if (run.nr_ops >= tree) {
			check_tree();
			tree += TREE_EVERY;
		}
	}
	check_tree();
	run.other_often = 0;
	do_revoke((struct span) { 0, ~0ULL }, false);
	check_counters();
	check_tree();
	ok(true, "%s: %llu operations, %llu raced, %llu changes of entries",
	   cfg_name(cfg), run.nr_ops, run.nr_raced, run.nr_sets);
	run_end();
}

#define GIG	ktdp_level_pages(KTDP_LEVEL_1G)

/* Tables for all windows of the first 1G, empty: so that a grant takes many holds. */
static void make_windows(void)
{
	struct ktdp_revoke revoke = { .end = 0 };
	struct act map = { .kind = ACT_MAP }, act = { .kind = ACT_REVOKE };
	u64 gfn;

	/* A page of each that is not in the model, and goes again. */
	for (gfn = 100; gfn < GIG; gfn += KTDP_ENTRIES) {
		run_pool_set(KTDP_MAX_LEVEL);
		ktdp_table_lock(&run.table, gfn, KTDP_LEVEL_4K);
		act_begin(&map);
		ktdp_table_map(&run.table, gfn, KTDP_LEVEL_4K, 0, true);
		act_end(&map);
		ktdp_table_unlock(&run.table, gfn, KTDP_LEVEL_4K);
		act_begin(&act);
		ktdp_table_revoke(&run.table, gfn, gfn + 1, &revoke);
		act_end(&act);
	}
	atomic_dec(&run.table.notifying);
}

static const struct cell first_page = { 0x1000, KTDP_LEVEL_4K, true };

/*
 * In the middle of a grant everything it does is done by others, and undone: a page
 * below an entry that the first one has been at is writable, and then protected.
 */
static void grant_other(const struct act *holder)
{
	if (holder || run.act->kind != ACT_GRANT ||
	    !env.cpus[run.act->cpu].sets)
		return;
	run.other_often = 0;
	if (map_leaf(0, &first_page) > KTDP_FILL_PRESENT)
		env_die("the first page is not mapped");
	do_revoke((struct span) { 0, GIG }, true);
}

static void test_grant_race(const struct cfg *cfg)
{
	static const struct cell last_page = { 0x2000, KTDP_LEVEL_4K, true };
	static const struct cell another = { 0x3000, KTDP_LEVEL_4K, true };
	u64 raced;

	run_begin(cfg, 1, 0);
	make_windows();
	run_pool_set(2 * KTDP_MAX_LEVEL);
	if (map_leaf(0, &first_page) || map_leaf(GIG - 2, &another))
		env_die("two pages are not mapped");
	do_revoke((struct span) { 0, GIG }, true);
	run.other = grant_other;
	run.other_often = 1;
	if (map_leaf(GIG - 1, &last_page))
		env_die("the last page is not mapped");
	check_cells(0, MODEL_CELLS);
	check_counters();
	check_tree();
	raced = run.nr_raced;
	do_revoke((struct span) { 0, ~0ULL }, false);
	run_end();
	ok(raced && !run.other_often, "%s: a grant that others overtake",
	   cfg_name(cfg));
}

static bool wanted(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(name, argv[i]))
			return true;
	return argc < 2;
}

int main(int argc, char **argv)
{
	u64 seed = env_number("SEED", 1), ops = env_number("OPS", DEFAULT_OPS);
	unsigned int i;

	diag("model of the table: SEED=%llu OPS=%llu to repeat", seed, ops);
	for (i = 0; i < CFG_SHAPES; i++) {
		struct cfg cfg = cfg_get(i, i % CFG_PHYS_BITS);

		if (!wanted(cfg_name(&cfg), argc, argv))
			continue;
		test_grant_race(&cfg);
		run_config(&cfg, seed, i, ops / CFG_SHAPES);
	}
	for (i = KTDP_FILL_DONE; i <= KTDP_FILL_READ_ONLY_ABOVE; i++)
		ok(met.results[i], "maps with result %u: %llu", i, met.results[i]);
	ok(met.raised && met.warned && met.runs,
	   "%llu leaves raised, %llu of another pfn, %llu runs of pages",
	   met.raised, met.warned, met.runs);
	ok(met.granted && met.lost_links && met.late && met.others,
	   "%llu grants, %llu maps raced, %llu pages came late, %llu revokes found others",
	   met.granted, met.lost_links, met.late, met.others);
	return done();
}
