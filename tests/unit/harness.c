// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "harness.h"
#include "tap.h"

struct run run;

/* splitmix64 */
static u64 rnd64(void)
{
	u64 z = run.rng += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* 0..@below - 1; any number if @below is 0 */
u64 rnd(u64 below)
{
	return below ? rnd64() % below : rnd64();
}

struct op *log_op(const char *what, u64 start, u64 end)
{
	struct op *op = &run.log[run.nr_ops++ % RUN_LOG];

	*op = (struct op) {
		.what = what,
		.start = start,
		.end = end,
		.depth = env.cpu,
		.pool = run.table.nr_pool,
		.ret = -1,
	};
	return op;
}

static void tell_log(void)
{
	u64 i = run.nr_ops > RUN_LOG ? run.nr_ops - RUN_LOG : 0;

	diag("%s SEED=%llu, the last operations (+: within the one before):",
	     cfg_name(&run.cfg), run.seed);
	for (; i < run.nr_ops; i++) {
		const struct op *op = &run.log[i % RUN_LOG];

		diag("%8llu %.*s%-7s [%#llx, %#llx) level %d pfn %#llx%s pool %u -> %d",
		     i, op->depth, "+++", op->what, op->start, op->end,
		     op->level, op->pfn, op->write ? " w" : "", op->pool,
		     op->ret);
	}
}

/* @index: no two formats see the same sequence */
void run_begin(const struct cfg *cfg, u64 seed, unsigned int index)
{
	memset(&run, 0, sizeof(run));
	run.cfg = *cfg;
	run.seed = seed;
	run.rng = seed * CFG_SHAPES + index;
	env_hpa_base_set(cfg_addr(cfg));
	model_init(&run.model, cfg->level);
	ktdp_table_init(&run.table);
	cfg_fmt_init(cfg, &run.table.fmt);
	run.table.root = env_page_alloc();
	env.on_die = tell_log;
	env.on_set = check_set;
	env.on_lock = check_lock;
	env.on_hold_end = check_hold_end;
}

/* Make the pool @nr pages large. */
void run_pool_set(unsigned int nr)
{
	struct ktdp_table *table = &run.table;
	u64 *page;

	while (table->nr_pool < nr)
		ktdp_table_pool_put(table, env_page_alloc());
	while (table->nr_pool > nr) {
		page = ktdp_table_pool_get(table);
		if (!page)
			env_die("the pool is empty before its counter is 0");
		env_page_free(page);
	}
}

/* @act: not to be moved before act_end() */
void act_begin(struct act *act)
{
	act->outer = run.act;
	act->cpu = env.cpu;
	run.act = act;
}

void act_end(struct act *act)
{
	if (run.act != act)
		env_die("an operation ends that is not the last to have begun");
	run.act = act->outer;
}

/*
 * Let other CPUs run in the middle of an operation, which may hold a lock.  What
 * the model says for the operation is said anew afterwards: of what is there then.
 */
void race(const struct act *holder)
{
	struct act *act = run.act;
	struct model *m = &run.model;

	check_in_flight();
	check_settle();
	env.cpu++;
	run.other(holder);
	env.cpu--;
	if (run.act != act)
		env_die("an operation did not end");
	act->raced = true;
	run.nr_raced++;
	memcpy(m->was, m->now, sizeof(m->was));
	if (act->kind == ACT_REVOKE)
		model_revoke(m, act->start, act->end, act->write_only);
	else if (act->kind == ACT_MAP && act->done)
		model_set(m, act->start, &act->leaf);
}

u64 page_hash(u64 hpa)
{
	const u64 *entries = ktdp_hpa_to_entries(hpa);
	u64 hash = hpa;
	unsigned int i;

	for (i = 0; i < KTDP_ENTRIES; i++)
		hash = (hash ^ entries[i]) * 0x100000001b3ULL;
	return hash;
}

/* The hash is the same for any order of the pages. */
static void chain_count(const struct ktdp_chain *chain, struct pages *pages)
{
	u64 at, hpa;

	*pages = (struct pages) { 0, 0 };
	for (at = chain->first; at; at = *ktdp_page_link(hpa)) {
		hpa = at & ~7ULL;
		if (env_page(hpa)->state != ENV_DETACHED ||
		    env_page(hpa)->level != (int)(at & 7))
			env_die("table %#llx is in a chain, not detached or not of level %d",
				hpa, (int)(at & 7));
		pages->nr++;
		pages->hash += page_hash(hpa);
		if (!*ktdp_page_link(hpa) && chain->last != hpa)
			env_die("the last of a chain is another one");
	}
}

static void check_chain(const struct ktdp_chain *chain, const struct pages *want)
{
	struct pages pages;

	chain_count(chain, &pages);
	if (pages.nr != want->nr)
		env_die("%u tables are in a chain, %u were detached", pages.nr,
			want->nr);
	if (pages.hash != want->hash)
		env_die("a detached table changed before it was freed");
}

/* The importers of what was revoked have been told ... */
void run_tell(unsigned int slot)
{
	struct pending *p = &run.pending[slot];

	for (; p->untold; p->untold--) {
		atomic_dec(&run.table.notifying);
		run.untold--;
	}
}

/* ... and a grace period is over. */
void run_pending_free(unsigned int slot)
{
	struct pending *p = &run.pending[slot];
	unsigned int nr = p->pages.nr;
	u64 *entries;

	run_tell(slot);
	check_chain(&p->chain, &p->pages);
	while ((entries = ktdp_chain_pop(&p->chain))) {
		env_page_free(entries);
		nr--;
	}
	if (nr || p->chain.first || p->chain.last)
		env_die("%u pages of a chain were not freed", nr);
	run.nr_freed += p->pages.nr;
	memset(p, 0, sizeof(*p));
}

/* A revoke is over, which has detached @pages, all in a flat chain now. */
void run_pending_add(struct ktdp_revoke *revoke, const struct pages *pages)
{
	struct pending *p = &run.pending[rnd(RUN_PENDING)];

	check_chain(&revoke->detached, pages);
	if (!revoke->end)
		return;
	run.untold++;
	if (rnd(2))
		run_pending_free(p - run.pending);
	p->untold++;
	ktdp_chain_splice(&p->chain, &revoke->detached);
	if (revoke->detached.first || revoke->detached.last)
		env_die("a chain is not empty after it went to another");
	p->pages.nr += pages->nr;
	p->pages.hash += pages->hash;
	check_chain(&p->chain, &p->pages);
}

/* The table is empty. */
void run_end(void)
{
	unsigned int i;

	for (i = 0; i < RUN_PENDING; i++)
		run_pending_free(i);
	if (atomic_read(&run.table.notifying))
		env_die("all is told, and %d are counted that have to tell",
			atomic_read(&run.table.notifying));
	run_pool_set(0);
	env_page_free(run.table.root);
	if (env.pages)
		env_die("%u table pages leaked", env.pages);
	env.on_set = NULL;
	env.on_lock = NULL;
	env.on_hold_end = NULL;
	env.on_die = NULL;
}
