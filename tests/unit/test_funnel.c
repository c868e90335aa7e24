// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must never be is refused: the one function that changes entries warns,
 * returns an error and leaves all as it was.  It is private to its file, so
 * the file is included.
 */

#include <string.h>

#include "mirror.c"

#include "cfg.h"
#include "tap.h"

static struct cfg cfg;
static struct ktdp_mirror mirror;

static void setup(const struct cfg *use)
{
	cfg = *use;
	env_hpa_base_set(cfg_addr(&cfg));
	memset(&mirror, 0, sizeof(mirror));
	cfg_fmt_init(&cfg, &mirror.fmt);
	mirror.root = env_table_alloc(&mirror);
	mirror.root->level = cfg.level;
}

static void fill_pool(void)
{
	struct ktdp_table *table = env_table_alloc(&mirror);

	raw_spin_lock(&mirror.lock);
	ktdp_mirror_pool_add(&mirror, table);
	raw_spin_unlock(&mirror.lock);
}

/* A mirror with two leaves, at level 1 and the largest, and a full pool. */
#define LEAF_GFN	0x40000ULL
#define LEAF_PFN	0x3ffULL
#define LARGE_GFN	0x100000ULL
#define LARGE_PFN	0x40000ULL

static void setup_leaves(const struct cfg *use)
{
	int i;

	setup(use);
	for (i = 0; i < 3 * cfg.level; i++)
		fill_pool();
	raw_spin_lock(&mirror.lock);
	if (ktdp_mirror_map(&mirror, LEAF_GFN, 1, LEAF_PFN, false) ||
	    ktdp_mirror_map(&mirror, LARGE_GFN, cfg.max_leaf_level, LARGE_PFN,
			    false))
		bail("cannot map two leaves");
	raw_spin_unlock(&mirror.lock);
}

static void teardown(void)
{
	struct ktdp_table *table;

	raw_spin_lock(&mirror.lock);
	while ((table = ktdp_mirror_pool_get(&mirror)))
		ktdp_table_free(table);
	raw_spin_unlock(&mirror.lock);
	ktdp_table_free_tree(&mirror.fmt, mirror.root);
	if (env.tables)
		bail("%u tables leaked", env.tables);
}

/* All that a refused change could have touched. */
struct state {
	u64 hash;
	unsigned int tables;
	unsigned int nr_pool;
	u64 nr_linked;
	u64 entries_set;
	u64 entries_zapped;
};

static void hash_table(struct state *s, const struct ktdp_table *table)
{
	unsigned int i;

	s->tables++;
	s->hash = (s->hash ^ table->nr_present) * 31;
	for (i = 0; i < KTDP_MAX_LEAF_LEVEL; i++)
		s->hash = (s->hash ^ table->leaves[i]) * 31;
	for (i = 0; i < KTDP_ENTRIES; i++) {
		struct cfg_entry e = cfg_decode(&cfg, table->entries[i],
						table->level);

		s->hash = (s->hash ^ table->entries[i]) * 0x100000001b3ULL;
		if (e.kind == KTDP_ENTRY_TABLE)
			hash_table(s, ktdp_hpa_to_table(e.hpa));
	}
}

static struct state state_get(void)
{
	struct state s;

	memset(&s, 0, sizeof(s));
	s.nr_pool = mirror.nr_pool;
	s.nr_linked = mirror.nr_linked;
	s.entries_set = mirror.entries_set;
	s.entries_zapped = mirror.entries_zapped;
	hash_table(&s, mirror.root);
	return s;
}

static bool state_same(const struct state *before)
{
	struct state now = state_get();

	return !memcmp(before, &now, sizeof(now));
}

/* Was it refused as it should be?  If not, the tree is not to be trusted. */
static void refused(const char *what, u64 gfn, int level, u64 value, int ret,
		    int want, unsigned int warns, const struct state *before)
{
	bool same = state_same(before);

	if (ret != want || warns != 1 || !same)
		env_die("%s: %s %#llx at gfn %#llx level %d: %d, %u warnings, state %s",
			cfg_name(&cfg), what, value, gfn, level, ret, warns,
			same ? "the same" : "changed");
}

static void run_refused(u64 gfn, u64 pfn, int want)
{
	const unsigned long pages[] = { ktdp_page(pfn, true), ktdp_page(1, true) };
	struct state before = state_get();
	unsigned int warns = env.warns;
	unsigned long done = ~0UL;
	int ret;

	raw_spin_lock(&mirror.lock);
	ret = ktdp_mirror_map_pages(&mirror, gfn, pages, 2, &done);
	raw_spin_unlock(&mirror.lock);
	refused("first pfn of a run", gfn, 1, pfn, ret, want,
		env.warns - warns, &before);
	if (done)
		env_die("%lu of a run are done, the first was refused", done);
}

static void map_refused(u64 gfn, int level, u64 pfn, int want)
{
	struct state before = state_get();
	unsigned int warns = env.warns;
	int ret;

	raw_spin_lock(&mirror.lock);
	ret = ktdp_mirror_map(&mirror, gfn, level, pfn, true);
	raw_spin_unlock(&mirror.lock);
	refused("pfn", gfn, level, pfn, ret, want, env.warns - warns, &before);
	if (level == 1)
		run_refused(gfn, pfn, want);
}

/* A pfn with @bit of the entry set, at a gfn with and without tables. */
static void pfn_bit_refused(int level, int bit)
{
	u64 near = LEAF_GFN + 2 * ktdp_level_pages(level);
	u64 far = ktdp_gfn_end(cfg.level) - ktdp_level_pages(level);
	u64 pfn = 1ULL << (bit - 12);

	map_refused(near, level, pfn, -EINVAL);
	map_refused(far, level, pfn, -EINVAL);
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

/* A leaf larger than any in this mirror. */
static void test_level(void)
{
	map_refused(1ULL << 35, cfg.max_leaf_level + 1, 0, -EINVAL);
}

/*
 * Beyond the reach of the table: to be refused, and not to be taken for the gfn
 * that has the same indices, with a leaf there or without.
 */
static void test_reach(void)
{
	u64 beyond = ktdp_gfn_end(cfg.level);
	int large = cfg.max_leaf_level;
	struct ktdp_walk walk;
	u64 other = LEAF_GFN + 4 * ktdp_level_pages(large);

	map_refused(beyond + LEAF_GFN, 1, LEAF_PFN, -EINVAL);
	map_refused(beyond + LARGE_GFN, large, LARGE_PFN, -EINVAL);
	map_refused(beyond + other, large, 0, -EINVAL);
	map_refused(beyond, 1, 0, -EINVAL);
	map_refused(1ULL << 52, 1, 0, -EINVAL);
	if (ktdp_mirror_walk(&mirror, beyond + LEAF_GFN, &walk) ||
	    walk.entry || walk.access || ktdp_walk_next(&walk) <= walk.gfn)
		env_die("%s: a walk found a leaf beyond the reach",
			cfg_name(&cfg));
}

/* What is before the refused page of a run stays. */
static void test_run_middle(void)
{
	const unsigned long pages[] = {
		ktdp_page(LEAF_PFN, false), ktdp_page(7, true),
		ktdp_page(1ULL << (cfg.phys_bits - 12), true), ktdp_page(8, true),
	};
	unsigned int warns = env.warns;
	u64 leaves = cfg.max_leaf_level == 1 ? 3 : 2;
	struct ktdp_walk walk;
	unsigned long done;
	int ret;

	raw_spin_lock(&mirror.lock);
	ret = ktdp_mirror_map_pages(&mirror, LEAF_GFN, pages, 4, &done);
	ktdp_mirror_settle(&mirror);
	raw_spin_unlock(&mirror.lock);
	if (ret != -EINVAL || done != 2 || env.warns != warns + 1)
		env_die("%s: run returned %d and did %lu, %u warnings",
			cfg_name(&cfg), ret, done, env.warns - warns);
	if (!ktdp_mirror_walk(&mirror, LEAF_GFN + 1, &walk) ||
	    ktdp_mirror_walk(&mirror, LEAF_GFN + 2, &walk) ||
	    ktdp_mirror_walk(&mirror, LEAF_GFN + 3, &walk) ||
	    mirror.root->leaves[0] != leaves)
		env_die("%s: a run left other leaves than it did",
			cfg_name(&cfg));
}

static void test_other_pfn(void)
{
	map_refused(LEAF_GFN, 1, LEAF_PFN + 1, -EBUSY);
	map_refused(LARGE_GFN, cfg.max_leaf_level, 0, -EBUSY);
	if (cfg.max_leaf_level > 1)
		map_refused(LARGE_GFN + 1, 1, LARGE_PFN, -EBUSY);
}

/* The table that has @gfn's entry at @level. */
static struct ktdp_table *table_of(u64 gfn, int level)
{
	struct ktdp_table *table = mirror.root;
	int l;

	for (l = cfg.level; l > level; l--) {
		u64 entry = table->entries[ktdp_level_index(gfn, l)];

		table = ktdp_hpa_to_table(cfg_decode(&cfg, entry, l).hpa);
	}
	return table;
}

static int set_entry(u64 gfn, int level, u64 new)
{
	struct ktdp_table *table = table_of(gfn, level);
	u64 old = table->entries[ktdp_level_index(gfn, level)];

	return ktdp_mirror_set_entry(&mirror, table, gfn, level, old, new);
}

static void set_refused(u64 gfn, int level, u64 new)
{
	struct state before = state_get();
	unsigned int warns = env.warns;
	int ret;

	raw_spin_lock(&mirror.lock);
	ret = set_entry(gfn, level, new);
	raw_spin_unlock(&mirror.lock);
	refused("entry", gfn, level, new, ret, -EINVAL, env.warns - warns,
		&before);
}

/* What is present changes in its permissions only. */
static void test_in_place(void)
{
	const struct ktdp_fmt *fmt = &mirror.fmt;
	int large = cfg.max_leaf_level;
	u64 other = ktdp_table_hpa(mirror.root);

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
	u64 leaf = ktdp_make_leaf(&mirror.fmt, 1, LEAF_PFN, false);
	int bit;

	for (bit = 0; bit < 64; bit++) {
		u64 new = leaf | 1ULL << bit;

		if (!cfg_illegal_bits(&cfg, new, 1))
			continue;
		set_refused(LEAF_GFN, 1, new);
		set_refused(LEAF_GFN + 1, 1, new);
	}
}

static void warned(const char *what, unsigned int *warns)
{
	if (env.warns == *warns)
		env_die("%s without the lock, and no warning", what);
	*warns = env.warns;
}

static void test_in_reach(void)
{
	u64 leaf = ktdp_make_leaf(&mirror.fmt, 1, LEAF_PFN, false);

	set_refused(ktdp_gfn_end(cfg.level) + LEAF_GFN, 1, leaf);
	set_refused(ktdp_gfn_end(cfg.level) + LEAF_GFN + 1, 1, leaf);
}

/* Without the lock: warned about, each way in, also where nothing is to do. */
static void test_lock(void)
{
	struct ktdp_zap zap = { .end = 0 };
	unsigned int warns = env.warns;
	unsigned long done;

	ktdp_mirror_map(&mirror, LARGE_GFN, cfg.max_leaf_level, LARGE_PFN,
			false);
	warned("map", &warns);
	ktdp_mirror_map_pages(&mirror, LEAF_GFN, NULL, 0, &done);
	warned("map of a run", &warns);
	ktdp_mirror_zap(&mirror, 0, 1, &zap);
	warned("zap", &warns);
	ktdp_mirror_wrprot(&mirror, 0, 1, &zap);
	warned("write-protect", &warns);
	ktdp_mirror_grants(&mirror, LEAF_GFN, KTDP_READ);
	warned("look", &warns);
	set_entry(LEAF_GFN, 1, ktdp_make_leaf(&mirror.fmt, 1, LEAF_PFN, true));
	warned("set", &warns);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "a pfn with a bit that no entry has", test_pfn },
	{ "a leaf above the largest level", test_level },
	{ "a gfn beyond the reach", test_reach },
	{ "an entry for a gfn beyond the reach", test_in_reach },
	{ "the third page of a run", test_run_middle },
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

			setup_leaves(&use);
			tests[i].run();
			teardown();
		}
		ok(true, "refused in all formats: %s", tests[i].name);
	}
	return done();
}
