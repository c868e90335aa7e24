// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations on a mirror and on a flat array, which have to agree after
 * each: every format, root level and largest leaf level.
 *
 *	OPS=n	operations in all formats together
 *	SEED=n	another sequence; the same one gives the same run
 *	arguments: names of formats to run (as in the output)
 */

#include <string.h>

#include "harness.h"
#include "tap.h"

#define DEFAULT_OPS	900000
#define EPOCH		500	/* operations with one mix */
#define TREE_EVERY	128	/* operations from recount to recount */

/* The mix of operations changes with time, so that trees grow and shrink. */
static struct {
	unsigned int first;	/* cells in use */
	unsigned int nr;
	unsigned int zap;	/* percent */
	unsigned int wrprot;
	unsigned int large;	/* one leaf in so many is not 4K */
	unsigned int pool_short;	/* one pool in so many is short */
} mix;

/* What the map functions answered; a run that never met a case proves little. */
static struct {
	u64 written;
	u64 raised;
	u64 exist;
	u64 busy;
	u64 nomem;
	u64 warned;
	u64 runs_done;		/* all of their pages */
	u64 runs_short;		/* some */
	u64 runs_mixed;		/* done, with both kinds of access */
	u64 runs_large;		/* done, and a large leaf was there */
	u64 filled;
} met;

static void meet(const struct cell *was, int ret, bool warned)
{
	met.written += !ret && !was->level;
	met.raised += !ret && was->level;
	met.exist += ret == -EEXIST;
	met.busy += ret == -EBUSY && !warned;
	met.nomem += ret == -ENOMEM;
	met.warned += warned;
}

static void mix_choose(void)
{
	static const unsigned int nr[] = {
		MODEL_PAGES, MODEL_PAGES * MODEL_WINDOWS,
		MODEL_PAGES * MODEL_WINDOWS * 2, MODEL_CELLS,
	};

	mix.nr = nr[rnd(4)];
	mix.first = rnd(MODEL_CELLS / mix.nr) * mix.nr;
	mix.zap = 2 + rnd(30);
	mix.wrprot = rnd(30);
	mix.large = 1 + rnd(8);
	mix.pool_short = 1 + rnd(16);
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
 * change its mind without a zap.
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
	unsigned int need = ktdp_mirror_need(&run.mirror);

	if (rnd(mix.pool_short) == 0)
		run_pool_set(rnd(need));
	else
		run_pool_set(need + rnd(3));
}

/* @gfn was mapped writable just now, so its table is the hint. */
static void check_hint_is(u64 gfn)
{
	if (!ktdp_mirror_hint(&run.mirror, gfn))
		env_die("a page was mapped writable, and is not in the hint");
}

/* The short way for a page of the open window, which is not traced. */
static bool fill(u64 gfn, u64 pfn)
{
	struct ktdp_mirror *mirror = &run.mirror;
	u64 new = ktdp_make_leaf(&mirror->fmt, 1, pfn, true);
	bool empty;

	if (!ktdp_mirror_is_open(mirror, gfn) || !rnd(4))
		return false;
	empty = !mirror->hint->entries[ktdp_level_index(gfn, 1)];
	if (empty)
		trace_kvm_tdp_set_entry(mirror, gfn, 1, 0, new);
	if (ktdp_mirror_fill(mirror->hint, gfn, new) != empty)
		env_die("an entry was filled that had a leaf, or was not and had none");
	met.filled += empty;
	return empty;
}

static int map_leaf(u64 gfn, int level, u64 pfn, bool write)
{
	int ret = 0;

	if (level > 1 || !write || !fill(gfn, pfn))
		ret = ktdp_mirror_map(&run.mirror, gfn, level, pfn, write);
	if (level == 1 && rnd(2))
		ktdp_mirror_open_window(&run.mirror, gfn);
	return ret;
}

static int map_one(unsigned int i, int level, bool write)
{
	struct model *m = &run.model;
	u64 gfn = m->gfn[i] & ~ktdp_level_mask(level);
	u64 next = gfn + ktdp_level_pages(level);
	struct op *op = log_op("map", gfn, next);
	unsigned int before = env.warns, warns = before;
	int want;

	op->level = level;
	op->write = write;
	op->pfn = pick_pfn(i, level);
	want = model_map(m, gfn, level, op->pfn, write, run.mirror.nr_pool,
			 &warns);
	env.warns_max = warns;
	op->ret = map_leaf(gfn, level, op->pfn, write);
	if (op->ret != want)
		env_die("map returned %d, expected %d", op->ret, want);
	if (env.warns != warns)
		env_die("another pfn was asked for, and nobody warned");
	check_cells(model_find(m, gfn), model_find(m, next));
	check_hint();
	if (!want && write && level == 1)
		check_hint_is(gfn);
	meet(&m->was[model_find(m, gfn)], want, warns != before);
	return want;
}

static void do_map(void)
{
	pick_pool();
	raw_spin_lock(&run.mirror.lock);
	map_one(pick_cell(), pick_level(), rnd(2));
	raw_spin_unlock(&run.mirror.lock);
}

/* Several with the lock held, mostly as they follow one another. */
static void do_map_many(void)
{
	unsigned int i = pick_cell(), nr = 1 + rnd(12);
	bool write = rnd(2), mixed = !rnd(4);

	run_pool_set(rnd(3 * ktdp_mirror_need(&run.mirror)));
	raw_spin_lock(&run.mirror.lock);
	while (nr-- && i < MODEL_CELLS) {
		map_one(i, mixed ? pick_level() : 1, mixed ? rnd(2) : write);
		i = rnd(16) ? i + 1 : pick_cell();
	}
	raw_spin_unlock(&run.mirror.lock);
}

/* From cell @i on, as far as gfns follow one another in one table. */
static unsigned int pick_pages(unsigned int i, struct cell *pages)
{
	const u64 *gfn = run.model.gfn;
	unsigned int nr = 0, max = rnd(MODEL_PAGES), mixed = rnd(3);
	bool write = rnd(2);
	u64 pfn = pick_pfn(i, 1), all = cfg_addr(&run.cfg) >> 12;

	while (nr < max && i + nr < MODEL_CELLS &&
	       gfn[i + nr] == gfn[i] + nr && gfn[i + nr] >> 9 == gfn[i] >> 9) {
		bool there = run.model.now[i + nr].level;

		pages[nr].level = 1;
		pages[nr].pfn = there ? pick_pfn(i + nr, 1) : (pfn + nr) & all;
		pages[nr].write = mixed ? write : rnd(2);
		/* One of the other kind, for the first or the last of a run. */
		if (mixed == 2 && !rnd(6))
			write = !write;
		nr++;
	}
	return nr;
}

/* @first: of the model's cells before the run */
static void meet_run(const struct cell *first, const struct cell *pages,
		     unsigned int nr, unsigned int done)
{
	bool mixed = false, large = false;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		mixed |= pages[i].write != pages[0].write;
		large |= first[i].level > 1;
	}
	met.runs_done += nr > 1 && done == nr;
	met.runs_short += done && done < nr;
	met.runs_mixed += done == nr && mixed;
	met.runs_large += done == nr && large;
}

static void check_run(const struct op *op, const struct cell *pages, int want,
		      unsigned int done)
{
	unsigned int first = model_find(&run.model, op->start);

	if (op->ret != want || op->done != done)
		env_die("map_pages returned %d and did %u, expected %d and %u",
			op->ret, op->done, want, done);
	check_cells(first, first + op->end - op->start);
	check_hint();
	if (done && !want && pages[done - 1].write)
		check_hint_is(op->start);
}

static void map_run(unsigned int i)
{
	unsigned long host[MODEL_PAGES], did = ~0UL;
	struct cell pages[MODEL_PAGES];
	unsigned int nr = pick_pages(i, pages), warns = env.warns, done, j;
	struct model *m = &run.model;
	struct op *op = log_op("pages", m->gfn[i], m->gfn[i] + nr);
	int want;

	op->pfn = nr ? pages[0].pfn : 0;
	op->level = 1;
	for (j = 0; j < nr; j++)
		host[j] = ktdp_page(pages[j].pfn, pages[j].write);
	want = model_map_pages(m, m->gfn[i], pages, nr, run.mirror.nr_pool,
			       &warns, &done);
	env.warns_max = warns;
	op->ret = ktdp_mirror_map_pages(&run.mirror, m->gfn[i], host, nr, &did);
	op->done = did;
	if (env.warns != warns)
		env_die("another pfn was asked for, and nobody warned");
	check_run(op, pages, want, done);
	meet_run(&m->was[i], pages, nr, done);
}

/* Runs of pages, some with too short a pool. */
static void do_map_run(void)
{
	unsigned int nr = 1 + rnd(2);

	pick_pool();
	raw_spin_lock(&run.mirror.lock);
	while (nr--)
		map_run(pick_cell());
	raw_spin_unlock(&run.mirror.lock);
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
	case 1:
		return pick_wide(gfn);
	case 2 ... 9:
		return span_of(gfn, 2, 1 + rnd(2));
	case 10 ... 11:
		return span_of(gfn, 3, 1 + rnd(2));
	case 12 ... 23:
		return (struct span) { min(gfn, other),
				       max(gfn, other) + rnd(2) };
	default:
		return span_of(gfn, 1, 1 + rnd(3));
	}
}

static void span_widen(struct span *span, struct span by)
{
	if (!by.end)
		return;
	span->start = span->end ? min(span->start, by.start) : by.start;
	span->end = max(span->end, by.end);
}

/* @all: what all zaps gathered in @zap together were asked for, and changed */
struct gathered {
	struct span asked;
	struct span changed;
};

static void zap_one(struct span asked, struct ktdp_zap *zap,
		    struct gathered *all)
{
	struct model *m = &run.model;
	const struct ktdp_table *before = zap->detached;
	struct span changed = model_zap(m, asked.start, asked.end);
	u64 end = zap->end;

	log_op("zap", asked.start, asked.end);
	memset(run.cleared, 0, sizeof(run.cleared));
	ktdp_mirror_zap(&run.mirror, asked.start, asked.end, zap);
	if (!changed.end && (zap->end != end || zap->detached != before))
		env_die("something was zapped where nothing was");
	span_widen(&all->asked, asked);
	span_widen(&all->changed, changed);
	check_detached(zap->detached, before);
	check_zap(zap, all->asked, all->changed);
	check_hint();
	check_cells(0, MODEL_CELLS);
}

/* One or several zaps gathered in one. */
static void do_zap(struct span asked)
{
	struct ktdp_zap zap = { .end = 0 };
	struct gathered all = { .asked = { 0, 0 } };
	unsigned int nr = rnd(4) ? 1 : 2 + rnd(2);

	raw_spin_lock(&run.mirror.lock);
	while (nr--) {
		zap_one(asked, &zap, &all);
		asked = pick_span();
	}
	raw_spin_unlock(&run.mirror.lock);
	run_pending_add(zap.detached);
}

static void do_wrprot(void)
{
	struct span asked = pick_span();
	struct ktdp_zap zap = { .end = 0 };
	struct span changed;

	log_op("wrprot", asked.start, asked.end);
	changed = model_wrprot(&run.model, asked.start, asked.end);
	raw_spin_lock(&run.mirror.lock);
	ktdp_mirror_wrprot(&run.mirror, asked.start, asked.end, &zap);
	raw_spin_unlock(&run.mirror.lock);
	if (zap.detached)
		env_die("write-protect detached a table");
	check_zap(&zap, asked, changed);
	check_cells(0, MODEL_CELLS);
}

/* As a caller does on -EBUSY: zap what is in the way, map something else. */
static void do_replace(void)
{
	unsigned int i = pick_cell();
	int level = pick_level();

	do_zap(span_of(run.model.gfn[i], level, 1));
	run_pool_set(ktdp_mirror_need(&run.mirror));
	raw_spin_lock(&run.mirror.lock);
	if (map_one(i, level, rnd(2)))
		env_die("no room for a leaf after the zap of its span");
	raw_spin_unlock(&run.mirror.lock);
}

static void do_any(void)
{
	unsigned int dice = rnd(100);

	if (dice < mix.zap)
		do_zap(pick_span());
	else if (dice < mix.zap + mix.wrprot)
		do_wrprot();
	else if (dice < mix.zap + mix.wrprot + 5)
		do_replace();
	else if (rnd(3))
		do_map();
	else if (rnd(3))
		do_map_run();
	else
		do_map_many();
	check_counters();
	check_hint();
	check_grants();
	if (rnd(16) == 0)
		run_pending_free(rnd(RUN_PENDING));
}

static void run_config(const struct cfg *cfg, u64 seed, unsigned int index,
		       u64 ops)
{
	u64 epoch = 0, tree = 0;

	run_begin(cfg, seed, index);
	mix_choose();
	while (run.nr_ops < ops) {
		if (run.nr_ops >= epoch) {
			mix_choose();
			epoch += EPOCH;
		}
		do_any();
		if (run.nr_ops >= tree) {
			check_tree();
			tree += TREE_EVERY;
		}
	}
	check_tree();
	do_zap((struct span) { 0, ~0ULL });
	check_tree();
	ok(true, "%s: %llu operations, %llu changes of entries",
	   cfg_name(cfg), run.nr_ops, run.nr_sets);
	run_end();
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

	diag("model of the mirror: SEED=%llu OPS=%llu to repeat", seed, ops);
	for (i = 0; i < CFG_SHAPES; i++) {
		struct cfg cfg = cfg_get(i, i % CFG_PHYS_BITS);

		if (wanted(cfg_name(&cfg), argc, argv))
			run_config(&cfg, seed, i, ops / CFG_SHAPES);
	}
	ok(met.written && met.raised && met.exist && met.busy && met.nomem &&
	   met.warned,
	   "map: %llu written, %llu raised, %llu there, %llu in the way, %llu without a table, %llu another pfn",
	   met.written, met.raised, met.exist, met.busy, met.nomem, met.warned);
	ok(met.filled, "pages written the short way: %llu", met.filled);
	ok(met.runs_done && met.runs_short && met.runs_mixed && met.runs_large,
	   "runs of pages: %llu done, %llu cut short, %llu done with mixed access, %llu with a large leaf",
	   met.runs_done, met.runs_short, met.runs_mixed, met.runs_large);
	return done();
}
