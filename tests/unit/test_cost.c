// SPDX-License-Identifier: GPL-2.0-only
/*
 * What zap and write-protect cost under the lock is bounded by the edges of
 * the range, whatever is mapped between them: counted in changes of entries.
 * So is what it costs to map a window of pages.
 */

#include <string.h>

#include "cfg.h"
#include "mirror.h"
#include "tap.h"

#define GIB		0x40000ULL	/* in gfns */
#define TIB		(1024 * GIB)

static struct ktdp_mirror mirror;

static void setup(void)
{
	struct cfg cfg = cfg_get(0, 2);

	env_hpa_base_set(cfg_addr(&cfg));
	memset(&mirror, 0, sizeof(mirror));
	cfg_fmt_init(&cfg, &mirror.fmt);
	mirror.root = env_table_alloc(&mirror);
	mirror.root->level = cfg.level;
}

static void teardown(void)
{
	struct ktdp_table *table;

	raw_spin_lock(&mirror.lock);
	while ((table = ktdp_mirror_pool_get(&mirror)))
		ktdp_table_free(table);
	raw_spin_unlock(&mirror.lock);
	ktdp_table_free(mirror.root);
}

static void fill_pool(void)
{
	while (mirror.nr_pool < ktdp_mirror_need(&mirror))
		ktdp_mirror_pool_add(&mirror, env_table_alloc(&mirror));
}

static void map(u64 gfn)
{
	int ret;

	fill_pool();
	ret = ktdp_mirror_map(&mirror, gfn, 1, gfn, true);
	if (ret && ret != -EEXIST)
		bail("gfn %#llx is not mapped: %d", gfn, ret);
}

/* The page of gfn n is pfn n. */
static int map_window(u64 gfn, bool writable, unsigned long *done)
{
	unsigned long pages[KTDP_ENTRIES];
	unsigned int i;

	gfn &= ~ktdp_level_mask(2);
	for (i = 0; i < KTDP_ENTRIES; i++)
		pages[i] = ktdp_page(gfn + i, writable);
	fill_pool();
	return ktdp_mirror_map_pages(&mirror, gfn, pages, KTDP_ENTRIES, done);
}

static void map_all_of_window(u64 gfn)
{
	unsigned long done;
	int ret = map_window(gfn, true, &done);

	if ((ret && ret != -EEXIST) || done != KTDP_ENTRIES)
		bail("window at %#llx: %d, %lu done", gfn, ret, done);
}

/* One page in each 1G, a full window at both edges and in the middle. */
static void populate(u64 start, u64 end)
{
	u64 gfn;

	raw_spin_lock(&mirror.lock);
	for (gfn = start; gfn < end; gfn += GIB)
		map(gfn + (gfn / GIB * 7919) % GIB);
	map_all_of_window(start);
	map_all_of_window(start + (end - start) / 2);
	map_all_of_window(end - 1);
	raw_spin_unlock(&mirror.lock);
}

/* The lock is held. */
static u64 nr_leaves(void)
{
	ktdp_mirror_settle(&mirror);
	return mirror.root->leaves[0];
}

static u64 free_list(struct ktdp_table *table)
{
	struct ktdp_table *next;
	u64 freed = 0;

	for (; table; table = next) {
		next = table->next;
		freed += ktdp_table_free_tree(&mirror.fmt, table);
	}
	return freed;
}

struct cost {
	u64 wrprot;	/* changes of entries */
	u64 zap;
	u64 leaves;	/* that the zap removed */
	u64 left;
	u64 tables;	/* that it freed */
};

/* Of a range that begins and ends @skip gfns inside what is mapped. */
static struct cost measure(u64 size, u64 skip)
{
	u64 start = 8 * TIB + skip, end = 8 * TIB + size - skip;
	struct ktdp_zap zap = { .end = 0 }, wrprot = { .end = 0 };
	struct cost cost = { 0 };
	u64 before;

	setup();
	populate(8 * TIB, 8 * TIB + size);
	raw_spin_lock(&mirror.lock);
	cost.leaves = nr_leaves();
	before = env.set_entry_calls;
	ktdp_mirror_wrprot(&mirror, start, end, &wrprot);
	cost.wrprot = env.set_entry_calls - before;
	before = env.set_entry_calls;
	ktdp_mirror_zap(&mirror, start, end, &zap);
	cost.zap = env.set_entry_calls - before;
	cost.left = nr_leaves();
	ktdp_mirror_zap(&mirror, 0, ~0ULL, &zap);
	raw_spin_unlock(&mirror.lock);
	cost.leaves -= cost.left;
	cost.tables = free_list(zap.detached);

	ok(cost.tables == mirror.nr_linked, "%llu tables linked, %llu freed",
	   mirror.nr_linked, cost.tables);
	teardown();
	is(env.tables, 0, "no table leaked");
	return cost;
}

static void test_aligned(void)
{
	struct cost cost = measure(TIB, 0);

	ok(cost.leaves > 2000, "1 TiB with %llu leaves", cost.leaves);
	is(cost.left, 0, "nothing is left");
	is(cost.wrprot, 2, "write-protect of 1 TiB: the two entries above");
	is(cost.zap, 2, "zap of 1 TiB: the two entries above");
}

static void test_edges(void)
{
	struct cost one = measure(TIB, 1), three = measure(3 * TIB, 1);
	/* Two edges, and below the root three levels with 511 entries each. */
	u64 most = 2 * 3 * 511 + 2;

	is(one.left, 2, "the first and the last page are left");
	ok(one.zap <= most, "zap of 1 TiB less two pages: %llu, at most %llu",
	   one.zap, most);
	ok(one.wrprot <= most, "write-protect of it: %llu, at most %llu",
	   one.wrprot, most);
	ok(three.leaves > one.leaves + 2000, "3 TiB with %llu leaves",
	   three.leaves);
	is(three.zap, one.zap + 4, "zap of 3 TiB: four more entries above");
	is(three.wrprot, one.wrprot + 4, "write-protect of 3 TiB: four more");
}

/* As the module does it: one hold of the lock for each piece. */
static void test_pieces(void)
{
	u64 start = 8 * TIB + 1, end = 9 * TIB - 1, next, before, most = 0;
	struct ktdp_zap zap = { .end = 0 };
	unsigned int pieces = 0;

	setup();
	populate(8 * TIB, 9 * TIB);
	raw_spin_lock(&mirror.lock);
	for (; start < end; start = next) {
		next = ktdp_mirror_piece_end(start, end);
		if (next <= start || next > end)
			bail("the piece at %#llx ends at %#llx", start, next);
		before = env.set_entry_calls;
		ktdp_mirror_zap(&mirror, start, next, &zap);
		most = max(most, env.set_entry_calls - before);
		pieces++;
	}
	is(start, end, "the pieces end where the range does");
	is(nr_leaves(), 2, "the first and the last page are left");
	/* With a last entry that empties its table, and that the ones above. */
	ok(most <= KTDP_PIECE_ENTRIES + 3, "%llu changes in a piece at most", most);
	/* Below the root two edges of three levels, a table's entries in eight. */
	ok(pieces <= 2 * 3 * 8 + 1, "%u pieces", pieces);
	ktdp_mirror_zap(&mirror, 0, ~0ULL, &zap);
	raw_spin_unlock(&mirror.lock);
	is(free_list(zap.detached), mirror.nr_linked, "all tables are freed");
	teardown();
}

/* One change for each page that changes, and one for each table. */
static void window_is(u64 gfn, bool writable, int want, u64 changes,
		      const char *what)
{
	u64 before = env.set_entry_calls;
	unsigned long done = 0;
	int ret = map_window(gfn, writable, &done);

	is(ret, want, "%s: return", what);
	is(done, KTDP_ENTRIES, "%s: all done", what);
	is(env.set_entry_calls - before, changes, "%s: changes", what);
}

static void test_window(void)
{
	struct ktdp_zap zap = { .end = 0 };
	u64 gfn = 5 * TIB + 7 * GIB;

	setup();
	raw_spin_lock(&mirror.lock);
	window_is(gfn, false, 0, 512 + 3, "new window");
	window_is(gfn, false, -EEXIST, 0, "the same again");
	window_is(gfn, true, 0, 512, "writable");
	ktdp_mirror_wrprot(&mirror, gfn, gfn + GIB, &zap);
	window_is(gfn, false, -EEXIST, 0, "read-only where it is protected");
	window_is(gfn, true, 0, 1 + 1 + 512 + 1 + 512, "writable once more");
	is(nr_leaves(), 512, "pages in the window");
	is(mirror.entries_set, 512, "pages ever set");
	ktdp_mirror_zap(&mirror, gfn, gfn + 512, &zap);
	raw_spin_unlock(&mirror.lock);
	is(free_list(zap.detached), 3, "its tables are freed");
	teardown();
	is(env.tables, 0, "no table leaked");
}

int main(void)
{
	test_window();
	test_aligned();
	test_edges();
	test_pieces();
	return done();
}
