// SPDX-License-Identifier: GPL-2.0-only
/* A rough figure, not a test: nanoseconds per call on 1 GiB in 4K leaves. */

#include <stdio.h>
#include <time.h>

#include "cfg.h"
#include "table.h"
#include "tap.h"

#define PAGES	0x40000U	/* in 1 GiB */
#define TABLES	(PAGES / KTDP_ENTRIES + 8)

static struct ktdp_table table;
static struct ktdp_chain detached;

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static u64 shuffled(unsigned int i)
{
	return (i * 7919ULL) % PAGES;	/* odd, so every page once */
}

static void check(enum ktdp_fill result)
{
	if (result != KTDP_FILL_DONE)
		bail("map: %d", result);
}

static void map(u64 gfn)
{
	ktdp_table_lock(&table, gfn, KTDP_LEVEL_4K);
	check(ktdp_table_map(&table, gfn, KTDP_LEVEL_4K, gfn, true));
	ktdp_table_unlock(&table, gfn, KTDP_LEVEL_4K);
}

static void map_in_order(void)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		map(i);
}

static void map_shuffled(void)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		map(shuffled(i));
}

static void map_runs(void)
{
	unsigned int gfn, i;
	u64 *entries;

	for (gfn = 0; gfn < PAGES; gfn += KTDP_HOLD_ENTRIES) {
		ktdp_table_lock(&table, gfn, KTDP_LEVEL_4K);
		check(ktdp_table_window(&table, gfn, gfn, true, &entries));
		for (i = gfn; i < gfn + KTDP_HOLD_ENTRIES; i++)
			check(ktdp_table_set_page(&table, entries, i, i, true));
		ktdp_table_unlock(&table, gfn, KTDP_LEVEL_4K);
	}
}

static void walk_shuffled(void)
{
	struct ktdp_walk walk;
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		if (!ktdp_table_walk(&table, shuffled(i), &walk))
			bail("nothing at %#llx", shuffled(i));
}

static void revoke(u64 start, u64 end, bool write_only)
{
	struct ktdp_revoke revoke = { .write_only = write_only };

	ktdp_table_revoke(&table, start, end, &revoke);
	ktdp_chain_splice(&detached, &revoke.detached);
	if (revoke.end)
		atomic_dec(&table.notifying);
}

static void revoke_pages(void)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		revoke(shuffled(i), shuffled(i) + 1, false);
}

static void wrprot_all(void)
{
	revoke(0, PAGES, true);
}

static void grant_shuffled(void)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		ktdp_table_grant(&table, shuffled(i), KTDP_LEVEL_4K);
}

static void revoke_all(void)
{
	revoke(0, PAGES, false);
}

static void free_detached(void)
{
	u64 leaves[KTDP_MAX_LEAF_LEVEL] = {}, *page;

	ktdp_chain_flatten(&table.fmt, &detached, leaves);
	while ((page = ktdp_chain_pop(&detached)))
		env_page_free(page);
}

static void fill_pool(void)
{
	free_detached();
	while (table.nr_pool < TABLES)
		ktdp_table_pool_put(&table, env_page_alloc());
}

static void measure(const char *what, void (*fn)(void), unsigned int nr)
{
	double start = now_ns();

	fn();
	printf("# %-44s %8.1f ns\n", what, (now_ns() - start) / nr);
}

int main(void)
{
	struct cfg cfg = cfg_get(0, 2);

	env_hpa_base_set(cfg_addr(&cfg));
	ktdp_table_init(&table);
	cfg_fmt_init(&cfg, &table.fmt);
	table.root = env_page_alloc();

	printf("# one call each, 1 GiB in 4K pages, %s\n", cfg_name(&cfg));
	fill_pool();
	measure("map, in order", map_in_order, PAGES);
	measure("walk, shuffled", walk_shuffled, PAGES);
	measure("write-protect 1 GiB", wrprot_all, 1);
	measure("grant, shuffled", grant_shuffled, PAGES);
	measure("map writable again, shuffled", map_shuffled, PAGES);
	measure("revoke 1 GiB", revoke_all, 1);
	measure("free its tables", free_detached, 1);
	fill_pool();
	measure("map, shuffled", map_shuffled, PAGES);
	measure("revoke, page by page, shuffled", revoke_pages, PAGES);
	measure("revoke 1 GiB of empty tables", revoke_all, 1);
	fill_pool();
	measure("map, as many in a hold as may be, for each page", map_runs, PAGES);
	return 0;
}
