// SPDX-License-Identifier: GPL-2.0-only
/*
 * What revoking costs is bounded by the edges of the range, whatever is mapped
 * between them: counted in changes of entries, and in holds of locks.  So is what
 * it costs to map a window of pages.
 */

#include <string.h>

#include "cfg.h"
#include "table.h"
#include "tap.h"

#define GIB		0x40000ULL	/* in gfns */
#define TIB		(1024 * GIB)

static struct ktdp_table table;

static void setup(void)
{
	struct cfg cfg = cfg_get(0, 2);

	env_hpa_base_set(cfg_addr(&cfg));
	memset(&table, 0, sizeof(table));
	ktdp_table_init(&table);
	cfg_fmt_init(&cfg, &table.fmt);
	table.root = env_page_alloc();
}

static void teardown(void)
{
	u64 *page;

	while ((page = ktdp_table_pool_get(&table)))
		env_page_free(page);
	env_page_free(table.root);
	is(env.pages, 0, "no table leaked");
}

static void fill_pool(void)
{
	while (table.nr_pool < ktdp_table_need(&table))
		ktdp_table_pool_put(&table, env_page_alloc());
}

static void map(u64 gfn)
{
	enum ktdp_fill result;

	fill_pool();
	ktdp_table_lock(&table, gfn, KTDP_LEVEL_4K);
	result = ktdp_table_map(&table, gfn, KTDP_LEVEL_4K, gfn, true);
	ktdp_table_unlock(&table, gfn, KTDP_LEVEL_4K);
	if (result > KTDP_FILL_PRESENT)
		bail("gfn %#llx is not mapped: %d", gfn, result);
}

/* The page of gfn n is pfn n. */
static enum ktdp_fill map_window(u64 gfn, bool writable)
{
	enum ktdp_fill result;
	unsigned int i;
	u64 *entries;

	gfn &= ~ktdp_level_mask(2);
	fill_pool();
	ktdp_table_lock(&table, gfn, KTDP_LEVEL_4K);
	result = ktdp_table_window(&table, gfn, gfn, writable, &entries);
	for (i = 0; i < KTDP_ENTRIES && result <= KTDP_FILL_PRESENT; i++)
		result = ktdp_table_set_page(&table, entries, gfn + i, gfn + i,
					     writable);
	ktdp_table_unlock(&table, gfn, KTDP_LEVEL_4K);
	return result;
}

static void map_all_of_window(u64 gfn)
{
	enum ktdp_fill result = map_window(gfn, true);

	if (result > KTDP_FILL_PRESENT)
		bail("window at %#llx: %d", gfn, result);
}

/* One page in each 1G, a full window at both edges and in the middle. */
static void populate(u64 start, u64 end)
{
	u64 gfn;

	for (gfn = start; gfn < end; gfn += GIB)
		map(gfn + (gfn / GIB * 7919) % GIB);
	map_all_of_window(start);
	map_all_of_window(start + (end - start) / 2);
	map_all_of_window(end - 1);
}

static u64 nr_leaves(void)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < KTDP_REGIONS; i++)
		sum += table.regions[i].leaves[0];
	return sum;
}

struct cost {
	u64 changes;
	u64 holds;
	u64 gone;	/* leaves, singly or with their tables */
	u64 tables;	/* that it freed */
};

/* And free what it detached. */
static struct cost revoke(u64 start, u64 end, bool write_only)
{
	struct ktdp_revoke revoke = { .write_only = write_only };
	struct cost cost = { .changes = env.sets, .holds = env.holds };
	u64 before = nr_leaves(), leaves[KTDP_MAX_LEAF_LEVEL] = {}, *page;

	env.sets_max = 0;
	if (ktdp_table_revoke(&table, start, end, &revoke))
		bail("there are others");
	cost.changes = env.sets - cost.changes;
	cost.holds = env.holds - cost.holds;
	if (env.sets_max > KTDP_HOLD_ENTRIES)
		ok(false, "%u changes in a hold", env.sets_max);
	if (revoke.end)
		atomic_dec(&table.notifying);
	ktdp_chain_flatten(&table.fmt, &revoke.detached, leaves);
	/* As the worker does, for whoever reads the sum. */
	table.regions[0].leaves[0] -= leaves[0];
	cost.gone = before - nr_leaves();
	for (; (page = ktdp_chain_pop(&revoke.detached)); cost.tables++)
		env_page_free(page);
	return cost;
}

struct costs {
	struct cost wrprot, revoke, rest;
	u64 leaves;
};

/* Of a range that begins and ends @skip gfns inside what is mapped. */
static struct costs measure(u64 size, u64 skip)
{
	u64 start = 8 * TIB + skip, end = 8 * TIB + size - skip;
	struct costs costs;

	setup();
	populate(8 * TIB, 8 * TIB + size);
	costs.leaves = nr_leaves();
	costs.wrprot = revoke(start, end, true);
	is(revoke(start, end, true).changes, 0, "write-protect again");
	costs.revoke = revoke(start, end, false);
	costs.rest = revoke(0, ~0ULL, false);
	is(nr_leaves(), 0, "all leaves that went are counted");
	is(costs.revoke.tables + costs.rest.tables,
	   atomic_long_read(&table.nr_linked), "all tables linked are freed");
	teardown();
	return costs;
}

static void test_aligned(void)
{
	struct costs costs = measure(TIB, 0);

	ok(costs.leaves > 2000, "1 TiB with %llu leaves", costs.leaves);
	is(costs.revoke.gone, costs.leaves, "nothing is left");
	is(costs.wrprot.changes, 2, "write-protect of 1 TiB: the two entries above");
	is(costs.wrprot.holds, 1, "write-protect of 1 TiB: holds");
	is(costs.revoke.changes, 2, "revoke of 1 TiB: the two entries above");
	is(costs.revoke.holds, 1, "revoke of 1 TiB: holds");
	is(costs.rest.changes, 0, "and then nothing is left to clear");
}

static void test_edges(void)
{
	struct costs one = measure(TIB, 1), three = measure(3 * TIB, 1);
	/* Two edges, and below the root three levels with 511 entries each. */
	u64 most = 2 * 3 * 511 + 2;
	/* Of pages and gigabytes KTDP_HOLD_ENTRIES in a hold, of windows a region's. */
	u64 holds = 2 * (KTDP_REGIONS + 2 * KTDP_ENTRIES / KTDP_HOLD_ENTRIES) + 1;

	is(one.rest.gone, 2, "the first and the last page are left");
	ok(one.revoke.changes <= most, "revoke of 1 TiB less two pages: %llu, at most %llu",
	   one.revoke.changes, most);
	ok(one.wrprot.changes <= most, "write-protect of it: %llu, at most %llu",
	   one.wrprot.changes, most);
	ok(one.revoke.holds <= holds, "in %llu holds, at most %llu",
	   one.revoke.holds, holds);
	ok(three.leaves > one.leaves + 2000, "3 TiB with %llu leaves",
	   three.leaves);
	is(three.revoke.changes, one.revoke.changes + 4,
	   "revoke of 3 TiB: four more entries above");
	is(three.wrprot.changes, one.wrprot.changes + 4,
	   "write-protect of 3 TiB: four more");
	is(three.revoke.holds, one.revoke.holds + 1, "in one hold more");
}

static void holds_are(u64 nr, u64 want, const char *what)
{
	is(revoke(0, nr, false).holds, want, "revoke of %s: holds", what);
}

static void test_small(void)
{
	setup();
	map(0);
	holds_are(1, 1, "a page");
	holds_are(KTDP_HOLD_ENTRIES, 1, "pages of which none is there");
	holds_are(KTDP_HOLD_ENTRIES + 1, 2, "one page more");
	holds_are(512, 1, "a window");
	holds_are(1024, 2, "two windows");
	holds_are(GIB - 512, KTDP_REGIONS, "all windows but one");
	holds_are(GIB, 1, "1 GiB");
	holds_are(KTDP_HOLD_ENTRIES * GIB, 1, "as many GiB");
	holds_are((KTDP_HOLD_ENTRIES + 1) * GIB, 2, "one more");
	holds_are(~0ULL, KTDP_ENTRIES / KTDP_HOLD_ENTRIES, "all there can be");
	teardown();
}

/* One change for each page that changes, and one for each table. */
static void window_is(u64 gfn, bool writable, int want, u64 changes,
		      const char *what)
{
	u64 before = env.sets;

	is(map_window(gfn, writable), want, "%s: result", what);
	is(env.sets - before, changes, "%s: changes", what);
}

static void test_window(void)
{
	u64 gfn = 5 * TIB + 7 * GIB, before;
	struct cost cost;

	setup();
	window_is(gfn, false, KTDP_FILL_DONE, 512 + 3, "new window");
	window_is(gfn, false, KTDP_FILL_PRESENT, 0, "the same again");
	window_is(gfn, true, KTDP_FILL_DONE, 512, "writable");
	revoke(gfn, gfn + GIB, true);
	window_is(gfn, false, KTDP_FILL_PRESENT, 0, "read-only where it is protected");
	window_is(gfn, true, KTDP_FILL_READ_ONLY_ABOVE, 0, "writable there");
	before = env.sets;
	env.sets_max = 0;
	ktdp_table_grant(&table, gfn, KTDP_LEVEL_4K);
	is(env.sets - before, 1 + 1 + 512 + 1, "grant: changes");
	ok(env.sets_max <= KTDP_HOLD_ENTRIES, "grant: %u changes in a hold", env.sets_max);
	before = env.holds;
	ktdp_table_grant(&table, gfn, KTDP_LEVEL_4K);
	is(env.holds - before, 3, "grant of what is granted: a look at each level");
	window_is(gfn, true, KTDP_FILL_DONE, 512, "writable once more");
	is(nr_leaves(), 512, "pages in the window");
	cost = revoke(gfn, gfn + 512, false);
	is(cost.changes, 1, "revoke of the window: one change");
	is(cost.gone, 512, "revoke of the window: pages");
	is(revoke(0, ~0ULL, false).tables, 2, "the tables above it are freed");
	teardown();
}

int main(void)
{
	test_window();
	test_small();
	test_aligned();
	test_edges();
	return done();
}
