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
		.pool = run.mirror.nr_pool,
	};
	return op;
}

static void run_tell(void)
{
	u64 i = run.nr_ops > RUN_LOG ? run.nr_ops - RUN_LOG : 0;

	diag("%s SEED=%llu, the last operations:", cfg_name(&run.cfg),
	     run.seed);
	for (; i < run.nr_ops; i++) {
		const struct op *op = &run.log[i % RUN_LOG];

		diag("%8llu %-6s [%#llx, %#llx) level %d pfn %#llx%s pool %u -> %d (%u)",
		     i, op->what, op->start, op->end, op->level, op->pfn,
		     op->write ? " w" : "", op->pool, op->ret,
		     op->done);
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
	cfg_fmt_init(cfg, &run.mirror.fmt);
	run.mirror.root = env_table_alloc(&run.mirror);
	run.mirror.root->level = cfg->level;
	run.mirror.hint_open = KTDP_NO_WINDOW;
	env.on_die = run_tell;
	env.on_set = check_set;
}

/* Make the pool @nr tables large. */
void run_pool_set(unsigned int nr)
{
	struct ktdp_mirror *mirror = &run.mirror;
	struct ktdp_table *table;

	while (mirror->nr_pool != nr) {
		bool add = mirror->nr_pool < nr;

		table = add ? env_table_alloc(mirror) : NULL;
		raw_spin_lock(&mirror->lock);
		if (add)
			ktdp_mirror_pool_add(mirror, table);
		else
			table = ktdp_mirror_pool_get(mirror);
		raw_spin_unlock(&mirror->lock);
		if (!table)
			env_die("the pool is empty before its counter is 0");
		if (!add)
			ktdp_table_free(table);
	}
}

static u64 hash_tree(const struct ktdp_table *table, unsigned long *nr)
{
	u64 hash = table->level;
	unsigned int i;

	(*nr)++;
	for (i = 0; i < KTDP_ENTRIES; i++) {
		struct cfg_entry e = cfg_decode(&run.cfg, table->entries[i],
						table->level);

		hash = (hash ^ table->entries[i]) * 0x100000001b3ULL;
		if (e.kind == KTDP_ENTRY_TABLE)
			hash ^= hash_tree(ktdp_hpa_to_table(e.hpa), nr);
	}
	return hash;
}

static u64 hash_list(const struct ktdp_table *tables, unsigned long *nr)
{
	u64 hash = 0;

	for (*nr = 0; tables; tables = tables->next)
		hash = hash * 31 + hash_tree(tables, nr);
	return hash;
}

/* A grace period begins ... */
void run_pending_add(struct ktdp_table *tables)
{
	struct pending *p = &run.pending[rnd(RUN_PENDING)];

	if (!tables)
		return;
	run_pending_free(p - run.pending);
	p->tables = tables;
	p->hash = hash_list(tables, &p->nr);
}

/* ... and is over. */
void run_pending_free(unsigned int slot)
{
	struct pending *p = &run.pending[slot];
	unsigned int tables = env.tables;
	struct ktdp_table *table, *next;
	unsigned long nr;

	if (hash_list(p->tables, &nr) != p->hash && p->tables)
		env_die("a detached table changed before it was freed");
	for (nr = 0, table = p->tables; table; table = next) {
		next = table->next;
		nr += ktdp_table_free_tree(&run.mirror.fmt, table);
	}
	if (nr != p->nr || tables - env.tables != nr)
		env_die("%lu tables detached, %lu said to be freed, %u freed",
			p->nr, nr, tables - env.tables);
	run.nr_freed += nr;
	memset(p, 0, sizeof(*p));
}

/* The mirror is empty. */
void run_end(void)
{
	unsigned int i;

	for (i = 0; i < RUN_PENDING; i++)
		run_pending_free(i);
	run_pool_set(0);
	ktdp_table_free(run.mirror.root);
	if (env.tables)
		env_die("%u tables leaked", env.tables);
	env.on_set = NULL;
	env.on_die = NULL;
}
