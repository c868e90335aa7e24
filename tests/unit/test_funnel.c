// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must never be is refused: the one function that changes entries warns,
 * says so and leaves all as it was, and so do those above it.
 */

#include <string.h>

#include "cfg.h"
#include "table.h"
#include "tap.h"

static struct cfg cfg;
static struct ktdp_table table;

/* A table with two leaves, at level 1 and the largest, and a full pool. */
#define LEAF_GFN	0x40000ULL
#define LEAF_PFN	0x3ffULL
#define LARGE_GFN	0x100000ULL
#define LARGE_PFN	0x40000ULL

static enum ktdp_fill map(u64 gfn, int level, u64 pfn, bool writable)
{
	enum ktdp_fill result;

	ktdp_table_lock(&table, gfn, level);
	result = ktdp_table_map(&table, gfn, level, pfn, writable);
	ktdp_table_unlock(&table, gfn, level);
	return result;
}

static void setup(const struct cfg *use)
{
	int i;

	cfg = *use;
	env_hpa_base_set(cfg_addr(&cfg));
	memset(&table, 0, sizeof(table));
	ktdp_table_init(&table);
	cfg_fmt_init(&cfg, &table.fmt);
	table.root = env_page_alloc();
	for (i = 0; i < 8 * cfg.level; i++)
		ktdp_table_pool_put(&table, env_page_alloc());
	if (map(LEAF_GFN, 1, LEAF_PFN, false) ||
	    map(LARGE_GFN, cfg.max_leaf_level, LARGE_PFN, false))
		bail("cannot map two leaves");
}

static void teardown(void)
{
	struct ktdp_chain chain = { .first = 0 };
	u64 leaves[KTDP_MAX_LEAF_LEVEL], *page;

	ktdp_chain_add(&chain, ktdp_entries_to_hpa(table.root), cfg.level);
	ktdp_chain_flatten(&table.fmt, &chain, leaves);
	while ((page = ktdp_chain_pop(&chain)) ||
	       (page = ktdp_table_pool_get(&table)))
		env_page_free(page);
	if (env.pages)
		bail("%u table pages leaked", env.pages);
}

/* All that a refused change could have touched; a cursor may have moved to its table. */
struct state {
	u64 hash;
	unsigned int nr_pool;
	long nr_linked;
	int notifying;
	struct ktdp_region regions[KTDP_REGIONS];
};

static void hash_table(struct state *s, const u64 *entries, int level)
{
	unsigned int i;

	for (i = 0; i < KTDP_ENTRIES; i++) {
		struct cfg_entry e = cfg_decode(&cfg, entries[i], level);

		s->hash = (s->hash ^ entries[i]) * 0x100000001b3ULL;
		if (e.kind == KTDP_ENTRY_TABLE)
			hash_table(s, ktdp_hpa_to_entries(e.hpa), level - 1);
	}
}

static void state_get(struct state *s)
{
	unsigned int i;

	memset(s, 0, sizeof(*s));
	s->nr_pool = table.nr_pool;
	s->nr_linked = atomic_long_read(&table.nr_linked);
	s->notifying = atomic_read(&table.notifying);
	memcpy(s->regions, table.regions, sizeof(s->regions));
	for (i = 0; i < KTDP_REGIONS; i++) {
		s->regions[i].lock.owner = 0;
		s->regions[i].window = 0;
		s->regions[i].cursor = NULL;
	}
	hash_table(s, table.root, cfg.level);
}

static struct state before;
static unsigned int warns_before;

static void expect_refusal(void)
{
	state_get(&before);
	warns_before = env.warns;
}

/* Was it refused as it should be?  If not, the tree is not to be trusted. */
static void refused(const char *what, u64 gfn, int level, u64 value, int ret,
		    int want)
{
	static struct state now;
	unsigned int warns = env.warns - warns_before;
	bool same;

	state_get(&now);
	same = !memcmp(&before, &now, sizeof(now));
	if (ret != want || warns != 1 || !same)
		env_die("%s: %s %#llx at gfn %#llx level %d: %d, %u warnings, state %s",
			cfg_name(&cfg), what, value, gfn, level, ret, warns,
			same ? "the same" : "changed");
}

static void map_refused(u64 gfn, int level, u64 pfn, enum ktdp_fill want)
{
	expect_refusal();
	refused("pfn", gfn, level, pfn, map(gfn, level, pfn, true), want);
}

/* In a run of pages, whose table is found. */
static void page_refused(u64 gfn, u64 pfn, enum ktdp_fill want)
{
	enum ktdp_fill result;
	u64 *entries;

	ktdp_table_lock(&table, gfn, KTDP_LEVEL_4K);
	if (ktdp_table_window(&table, gfn, pfn, true, &entries))
		env_die("%s: no table for gfn %#llx", cfg_name(&cfg), gfn);
	expect_refusal();
	result = ktdp_table_set_page(&table, entries, gfn, pfn, true);
	ktdp_table_unlock(&table, gfn, KTDP_LEVEL_4K);
	refused("page of a run", gfn, KTDP_LEVEL_4K, pfn, result, want);
}

/* A pfn with @bit of the entry set, at a gfn with and without tables. */
static void pfn_bit_refused(int level, int bit)
{
	u64 near = LEAF_GFN + 2 * ktdp_level_pages(level);
	u64 far = ktdp_gfn_end(cfg.level) - level * ktdp_level_pages(4);
	u64 pfn = 1ULL << (bit - 12);
	struct ktdp_walk walk;

	/* Tables on the way stay, where there were none. */
	if (map(far, level, pfn, true) != KTDP_FILL_NOT_RAM ||
	    ktdp_table_walk(&table, far, &walk))
		env_die("%s: pfn %#llx is mapped", cfg_name(&cfg), pfn);
	map_refused(far, level, pfn, KTDP_FILL_NOT_RAM);
	map_refused(near, level, pfn, KTDP_FILL_NOT_RAM);
	if (level == KTDP_LEVEL_4K)
		page_refused(near, pfn, KTDP_FILL_NOT_RAM);
}

static void test_pfn(void)
{
	int level, bit;

	for (level = 1; level <= cfg.max_leaf_level; level++) {
		for (bit = cfg.phys_bits; bit < 64; bit++) {
			if (1ULL << bit != cfg.encryption)
				pfn_bit_refused(level, bit);
		}
		for (bit = 12; bit < 12 + 9 * (level - 1); bit++)
			pfn_bit_refused(level, bit);
	}
}

/* A leaf larger than any in this table. */
static void test_level(void)
{
	int level = cfg.max_leaf_level + 1;

	map(1ULL << 35, level, 0, true);
	map_refused(1ULL << 35, level, 0, KTDP_FILL_NOT_RAM);
}

/*
 * Beyond the reach of the table: to be refused, and not to be taken for the gfn
 * that has the same indices, with a leaf there or without.
 */
static void test_reach(void)
{
	u64 beyond = ktdp_gfn_end(cfg.level);
	int large = cfg.max_leaf_level;
	u64 other = LEAF_GFN + 4 * ktdp_level_pages(large);
	struct ktdp_walk walk;

	map_refused(beyond + LEAF_GFN, 1, LEAF_PFN, KTDP_FILL_NO_SLOT);
	map_refused(beyond + LARGE_GFN, large, LARGE_PFN, KTDP_FILL_NO_SLOT);
	map_refused(beyond + other, large, 0, KTDP_FILL_NO_SLOT);
	map_refused(beyond, 1, 0, KTDP_FILL_NO_SLOT);
	map_refused(1ULL << 52, 1, 0, KTDP_FILL_NO_SLOT);
	/* Not through the cursor, either. */
	map(LEAF_GFN + 1, 1, LEAF_PFN, true);
	map_refused(beyond + LEAF_GFN + 1, 1, LEAF_PFN, KTDP_FILL_NO_SLOT);
	if (ktdp_table_walk(&table, beyond + LEAF_GFN, &walk) ||
	    walk.entry || walk.access || ktdp_walk_next(&walk) <= walk.gfn)
		env_die("%s: a walk found a leaf beyond the reach",
			cfg_name(&cfg));
}

static void test_other_pfn(void)
{
	map_refused(LEAF_GFN, 1, LEAF_PFN + 1, KTDP_FILL_IN_THE_WAY);
	if (cfg.max_leaf_level > 1)
		page_refused(LEAF_GFN, LEAF_PFN + 1, KTDP_FILL_IN_THE_WAY);
	map_refused(LARGE_GFN, cfg.max_leaf_level, 0, KTDP_FILL_IN_THE_WAY);
	if (cfg.max_leaf_level > 1)
		map_refused(LARGE_GFN + 1, 1, LARGE_PFN, KTDP_FILL_IN_THE_WAY);
}

/* @gfn's entry at @level. */
static u64 *entry_of(u64 gfn, int level)
{
	u64 *entries = table.root;
	int l;

	for (l = cfg.level; l > level; l--) {
		u64 entry = entries[ktdp_level_index(gfn, l)];

		entries = ktdp_hpa_to_entries(cfg_decode(&cfg, entry, l).hpa);
	}
	return &entries[ktdp_level_index(gfn, level)];
}

static bool set_entry(u64 gfn, int level, u64 new)
{
	u64 *entryp = entry_of(gfn, level);

	return ktdp_table_set(&table, entryp, gfn, level, *entryp, new);
}

static void set_refused(u64 gfn, int level, u64 new)
{
	bool done;

	expect_refusal();
	ktdp_table_lock(&table, gfn, level);
	done = set_entry(gfn, level, new);
	ktdp_table_unlock(&table, gfn, level);
	refused("entry", gfn, level, new, done, false);
}

/* What is present changes in its permissions only. */
static void test_in_place(void)
{
	const struct ktdp_fmt *fmt = &table.fmt;
	int large = cfg.max_leaf_level;
	u64 other = ktdp_entries_to_hpa(table.root);

	set_refused(LEAF_GFN, 1, ktdp_make_leaf(fmt, 1, 0x400, false));
	set_refused(LARGE_GFN, large, ktdp_make_leaf(fmt, large, 0, true));
	set_refused(LEAF_GFN, 2, ktdp_make_table(fmt, other));
	if (large > 1) {
		set_refused(LEAF_GFN, 2, ktdp_make_leaf(fmt, 2, 0, false));
		set_refused(LARGE_GFN, large, ktdp_make_table(fmt, other));
		set_refused(LARGE_GFN, large,
			    ktdp_make_table(fmt, LARGE_PFN << 12));
	}
}

/* Each reserved bit, on a new entry and on one that is there. */
static void test_rsvd(void)
{
	u64 leaf = ktdp_make_leaf(&table.fmt, 1, LEAF_PFN, false);
	int bit;

	for (bit = 0; bit < 64; bit++) {
		u64 new = leaf | 1ULL << bit;

		if (!cfg_illegal_bits(&cfg, new, 1))
			continue;
		set_refused(LEAF_GFN, 1, new);
		set_refused(LEAF_GFN + 1, 1, new);
	}
}

static void test_in_reach(void)
{
	u64 leaf = ktdp_make_leaf(&table.fmt, 1, LEAF_PFN, false);

	set_refused(ktdp_gfn_end(cfg.level) + LEAF_GFN, 1, leaf);
	set_refused(ktdp_gfn_end(cfg.level) + LEAF_GFN + 1, 1, leaf);
}

/* Set what is there anew, with the lock of @gfn's region and maybe all, or none. */
static void set_warns(u64 gfn, int level, raw_spinlock_t *one, bool all, bool want)
{
	unsigned int warns = env.warns;

	if (all)
		raw_spin_lock(&table.all);
	if (one)
		raw_spin_lock(one);
	set_entry(gfn, level, *entry_of(gfn, level));
	if (one)
		raw_spin_unlock(one);
	if (all)
		raw_spin_unlock(&table.all);
	if (want != !!(env.warns - warns))
		env_die("%s: gfn %#llx level %d set, lock %d, all %d: %u warnings",
			cfg_name(&cfg), gfn, level, !!one, all, env.warns - warns);
}

static void warned(const char *what, unsigned int *warns)
{
	if (env.warns == *warns)
		env_die("%s without the lock, and no warning", what);
	*warns = env.warns;
}

/* Without the right locks: warned about, each way in. */
static void test_lock(void)
{
	struct ktdp_region *region = ktdp_table_region(&table, LEAF_GFN);
	raw_spinlock_t *lock = &region->lock;
	raw_spinlock_t *other = &ktdp_table_region(&table, LEAF_GFN + 512)->lock;
	unsigned int warns = env.warns;
	int level;
	u64 *entries;

	ktdp_table_map(&table, LARGE_GFN, cfg.max_leaf_level, LARGE_PFN, false);
	warned("map", &warns);
	ktdp_table_window(&table, LEAF_GFN, LEAF_PFN, false, &entries);
	warned("window", &warns);
	ktdp_table_set_page(&table, entries, LEAF_GFN, LEAF_PFN, true);
	warned("page", &warns);
	for (level = 1; level <= cfg.level; level++) {
		set_warns(LEAF_GFN, level, NULL, false, true);
		set_warns(LEAF_GFN, level, other, false, true);
		set_warns(LEAF_GFN, level, other, true, true);
		set_warns(LEAF_GFN, level, lock, false, level > 2);
		set_warns(LEAF_GFN, level, lock, true, false);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "a pfn with a bit that no entry has", test_pfn },
	{ "a leaf above the largest level", test_level },
	{ "a gfn beyond the reach", test_reach },
	{ "an entry for a gfn beyond the reach", test_in_reach },
	{ "another pfn where a leaf is", test_other_pfn },
	{ "another pfn or kind in place", test_in_place },
	{ "reserved bits", test_rsvd },
	{ "a change without the lock", test_lock },
};

int main(void)
{
	unsigned int i, shape;

	env.warns_max = ~0U;
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		for (shape = 0; shape < CFG_SHAPES; shape++) {
			struct cfg use = cfg_get(shape, shape % CFG_PHYS_BITS);

			setup(&use);
			tests[i].run();
			teardown();
		}
		ok(true, "refused in all formats: %s", tests[i].name);
	}
	return done();
}
