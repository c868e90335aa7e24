// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries of every format: EPT, NPT, NPT with an encryption bit; 4 and 5
 * levels; every largest leaf; every width of physical addresses.  And walks of a
 * page table as the host has it.
 */

#include "cfg.h"
#include "fmt_ept.h"
#include "fmt_host.h"
#include "fmt_npt.h"
#include "tap.h"
#include "walk.h"

/* In one line of TAP: how many checks failed, and the first of them. */
static const char *group;
static unsigned int checks, failures;

static void begin(const char *name)
{
	group = name;
	checks = 0;
	failures = 0;
}

static void end(void)
{
	ok(checks && !failures, "%s: %u checks", group, checks);
}

#define check(cond, cfg, level, entry) do {				\
	checks++;							\
	if (!(cond) && !failures++)					\
		diag("%s level %d entry %#llx: not %s (line %d)",	\
		     cfg_name(cfg), level, (u64)(entry), #cond, __LINE__); \
} while (0)

typedef void check_fn(const struct cfg *cfg, const struct ktdp_fmt *fmt);

/* Call @fn for every format there is. */
static void with_each_cfg(const char *name, check_fn *fn)
{
	unsigned int shape, bits;

	begin(name);
	for (shape = 0; shape < CFG_SHAPES; shape++) {
		for (bits = 0; bits < CFG_PHYS_BITS; bits++) {
			struct cfg cfg = cfg_get(shape, bits);
			struct ktdp_fmt fmt;

			cfg_fmt_init(&cfg, &fmt);
			fn(&cfg, &fmt);
		}
	}
	end();
}

/* The lowest, the highest and one odd pfn for a leaf at @level. */
#define NR_PFNS	4

static u64 pfn_get(const struct cfg *cfg, int level, unsigned int i)
{
	static const u64 pfns[NR_PFNS] = {
		0, 1, 0xa5a5a5a5a5a5a5a5ULL, ~0ULL
	};
	u64 pfn = i == 1 ? ktdp_level_pages(level) : pfns[i];

	return pfn & (cfg_addr(cfg) >> 12) & ~ktdp_level_mask(level);
}

static void check_constants(const struct cfg *cfg, const struct ktdp_fmt *fmt)
{
	check(fmt->type == (cfg->npt ? 2 : 1), cfg, 0, fmt->type);
	check(fmt->level == cfg->level, cfg, 0, fmt->level);
	check(fmt->max_leaf_level == cfg->max_leaf_level, cfg, 0, 0);
	check(fmt->addr == cfg_addr(cfg), cfg, 0, fmt->addr);
}

static void check_leaf(const struct cfg *cfg, const struct ktdp_fmt *fmt,
		       int level, u64 pfn, bool write)
{
	u64 e = ktdp_make_leaf(fmt, level, pfn, write);
	unsigned int access = KTDP_READ | KTDP_EXEC;

	access |= write ? KTDP_WRITE : 0;
	check(ktdp_entry_kind(e, level) == KTDP_ENTRY_LEAF, cfg, level, e);
	check(ktdp_entry_is_leaf(e, level), cfg, level, e);
	check(!ktdp_entry_is_table(e, level), cfg, level, e);
	check(ktdp_entry_pfn(fmt, e) == pfn, cfg, level, e);
	check(ktdp_entry_hpa(fmt, e) == pfn << 12, cfg, level, e);
	check(ktdp_entry_access(fmt, e) == access, cfg, level, e);
	check(!ktdp_entry_is_rsvd(fmt, e, level), cfg, level, e);
	check(!cfg_entry_wrong(cfg, e, level), cfg, level, e);
	check(cfg_decode(cfg, e, level).write == write, cfg, level, e);
	check(ktdp_entry_wrprot(fmt, e, level) ==
	      ktdp_make_leaf(fmt, level, pfn, false), cfg, level, e);
}

static void check_leaves(const struct cfg *cfg, const struct ktdp_fmt *fmt)
{
	unsigned int i;
	int level;

	for (level = 1; level <= cfg->max_leaf_level; level++) {
		for (i = 0; i < NR_PFNS; i++) {
			check_leaf(cfg, fmt, level, pfn_get(cfg, level, i), true);
			check_leaf(cfg, fmt, level, pfn_get(cfg, level, i), false);
		}
	}
}

static void check_table(const struct cfg *cfg, const struct ktdp_fmt *fmt,
			int level, u64 hpa)
{
	u64 e = ktdp_make_table(fmt, hpa);
	u64 ro = ktdp_entry_wrprot(fmt, e, level);

	check(ktdp_entry_kind(e, level) == KTDP_ENTRY_TABLE, cfg, level, e);
	check(ktdp_entry_is_table(e, level), cfg, level, e);
	check(!ktdp_entry_is_leaf(e, level), cfg, level, e);
	check(ktdp_entry_hpa(fmt, e) == hpa, cfg, level, e);
	check(ktdp_entry_access(fmt, e) == KTDP_ACCESS_ALL, cfg, level, e);
	check(!ktdp_entry_is_rsvd(fmt, e, level), cfg, level, e);
	check(!cfg_entry_wrong(cfg, e, level), cfg, level, e);
	check(!cfg_entry_wrong(cfg, ro, level), cfg, level, ro);
	check(ktdp_entry_access(fmt, ro) == (KTDP_READ | KTDP_EXEC), cfg,
	      level, ro);
	check((ro | fmt->write) == e, cfg, level, ro);
}

static void check_tables(const struct cfg *cfg, const struct ktdp_fmt *fmt)
{
	unsigned int i;
	int level;

	for (level = 2; level <= cfg->level; level++)
		for (i = 0; i < NR_PFNS; i++)
			check_table(cfg, fmt, level, pfn_get(cfg, 1, i) << 12);
}

static void check_empty(const struct cfg *cfg, const struct ktdp_fmt *fmt)
{
	int level;

	for (level = 1; level <= cfg->level; level++) {
		check(ktdp_entry_kind(0, level) == KTDP_ENTRY_EMPTY, cfg, level, 0);
		check(!ktdp_entry_access(fmt, 0), cfg, level, 0);
		check(!ktdp_entry_is_rsvd(fmt, 0, level), cfg, level, 0);
	}
}

/* Each bit alone, on top of a right entry: reported if and only if illegal. */
static void check_each_bit(const struct cfg *cfg, const struct ktdp_fmt *fmt,
			   int level, u64 entry)
{
	int bit;

	for (bit = 0; bit < 64; bit++) {
		u64 e = entry | 1ULL << bit;
		bool illegal = cfg_illegal_bits(cfg, e, level);

		check(ktdp_entry_is_rsvd(fmt, e, level) == illegal, cfg, level, e);
	}
}

static void check_rsvd(const struct cfg *cfg, const struct ktdp_fmt *fmt)
{
	int level, row;

	for (level = 1; level <= 5; level++) {
		for (row = 0; row < 2; row++)
			check(fmt->rsvd[row][level - 1] & 0x800, cfg, level,
			      fmt->rsvd[row][level - 1]);
		check_each_bit(cfg, fmt, level, 0);
		if (level > 1)
			check_each_bit(cfg, fmt, level, ktdp_make_table(fmt, 0));
		if (level <= cfg->max_leaf_level)
			check_each_bit(cfg, fmt, level,
				       ktdp_make_leaf(fmt, level, 0, true));
	}
}

/* Rights are read from the bits, also from bits that are not made here. */
static void check_access(const struct cfg *cfg, const struct ktdp_fmt *fmt)
{
	u64 noexec = cfg->npt ? 0x8000000000001005ULL : 0x1001;
	u64 rw = cfg->npt ? 0x8000000000001007ULL : 0x1003;

	check(ktdp_entry_access(fmt, noexec) == KTDP_READ, cfg, 1, noexec);
	check(ktdp_entry_access(fmt, rw) == (KTDP_READ | KTDP_WRITE), cfg, 1, rw);
	/* read, write and execute have the same low bits in both formats */
	check(ktdp_entry_access(fmt, 0x1007) == KTDP_ACCESS_ALL, cfg, 1, 0x1007);
	check(ktdp_entry_access(fmt, 0x1005) == (KTDP_READ | KTDP_EXEC), cfg, 1,
	      0x1005);
}

static void test_geometry(void)
{
	is(ktdp_level_pages(1), 1, "4K");
	is(ktdp_level_pages(2), 512, "2M");
	is(ktdp_level_pages(3), 262144, "1G");
	is(ktdp_level_mask(3), 0x3ffff, "mask of 1G");
	is(ktdp_gfn_end(4), 1LL << 36, "4 levels reach 48 bits");
	is(ktdp_gfn_end(5), 1LL << 45, "5 levels reach 57 bits");
	is(ktdp_level_index(0x123456789abULL, 1), 0x1ab, "index at 4K");
	is(ktdp_level_index(0x123456789abULL, 2), 0x3c4 & 0x1ff, "index at 2M");
	is(ktdp_level_index(0x123456789abULL, 5), 0x12, "index at the top");
}

/* From the layout in Intel's manual, by hand. */
static void test_ept_literals(void)
{
	struct ktdp_fmt f;

	ktdp_fmt_ept_init(&f, KVM_TDP_TYPE_EPT, 4, 3, 46);
	is(ktdp_make_leaf(&f, 1, 0x12345, true), 0x12345377, "EPT 4K RWX");
	is(ktdp_make_leaf(&f, 1, 0x12345, false), 0x12345175, "EPT 4K R-X");
	is(ktdp_make_leaf(&f, 2, 0x40200, true), 0x402003f7, "EPT 2M RWX");
	is(ktdp_make_leaf(&f, 3, 0x80000, false), 0x800001f5, "EPT 1G R-X");
	is(ktdp_make_table(&f, 0x7654000), 0x7654107, "EPT table");
	is(f.rsvd[0][0], 0xffffc00000000c88, "EPT reserved bits, 4K");
	is(f.rsvd[0][1], 0xffffc00000000ef8, "EPT reserved bits, table");
	is(f.rsvd[1][1], 0xffffc000001ffc08, "EPT reserved bits, 2M");
	is(f.rsvd[1][2], 0xffffc0003ffffc08, "EPT reserved bits, 1G");
	is(f.rsvd[1][3] & 0x80, 0x80, "EPT: no leaf of 512G");
}

/* From the layout in AMD's manual, by hand. */
static void test_npt_literals(void)
{
	struct ktdp_fmt f;

	ktdp_fmt_npt_init(&f, KVM_TDP_TYPE_NPT, 4, 2, 48, 0);
	is(ktdp_make_leaf(&f, 1, 0x12345, true), 0x12345067, "NPT 4K RWX");
	is(ktdp_make_leaf(&f, 1, 0x12345, false), 0x12345025, "NPT 4K R-X");
	is(ktdp_make_leaf(&f, 2, 0x40200, true), 0x402000e7, "NPT 2M RWX");
	is(ktdp_make_table(&f, 0x7654000), 0x7654027, "NPT table");
	is(f.rsvd[0][0], 0xffff000000000f98, "NPT reserved bits, 4K");
	is(f.rsvd[0][1], 0xffff000000000fd8, "NPT reserved bits, table");
	is(f.rsvd[1][1], 0xffff0000001fff18, "NPT reserved bits, 2M");
	is(f.rsvd[1][2] & 0x80, 0x80, "NPT: no leaf of 1G where there is none");

	ktdp_fmt_npt_init(&f, KVM_TDP_TYPE_NPT, 5, 3, 48, 1ULL << 47);
	is(ktdp_make_leaf(&f, 1, 0x12345, true), 0x800012345067,
	   "NPT 4K RWX, encrypted");
	is(ktdp_make_leaf(&f, 3, 0x80000, true), 0x8000800000e7,
	   "NPT 1G RWX, encrypted");
	is(ktdp_make_table(&f, 0x7654000), 0x800007654027,
	   "NPT table, encrypted");
	is(ktdp_entry_pfn(&f, 0x800012345067), 0x12345,
	   "the encryption bit is no part of the pfn");
	is(f.rsvd[0][0], 0xffff000000000f98, "NPT reserved bits, encrypted");
}

/*
 * Bits of the host's entries, from the layout in the manuals and in Linux:
 * present, write, user; accessed, dirty; PSE; global, or PROT_NONE where not present.
 */
#define H_P	0x1ULL
#define H_W	0x2ULL
#define H_U	0x4ULL
#define H_AD	0x60ULL
#define H_PSE	0x80ULL
#define H_PAT	0x80ULL		/* in a 4K entry */
#define H_PAT_LARGE	0x1000ULL
#define H_NONE	0x100ULL
#define H_NX	BIT_ULL(63)
#define H_ADDR	0xffffffffff000ULL
#define H_TABLE	(H_P | H_W | H_U | H_AD)
#define H_PAGE	(H_P | H_W | H_U | H_AD | H_NX)

#define R	KTDP_READ
#define W	KTDP_WRITE
#define X	KTDP_EXEC

/* Of the way to a user's address, from the top: what entries say. */
static const struct host_case {
	const char *name;
	u64 entries[4];		/* levels 4 to 1; tables get their address */
	u64 page;		/* in 4K pages from the first of the largest leaf */
	int level;		/* where the walk ends */
	u64 pfn;
	unsigned int access;	/* 0: not present */
} host_cases[] = {
	{ "nothing", { H_TABLE, H_TABLE, H_TABLE, 0 }, 5, 1, 0, 0 },
	{ "nothing in 512G", { 0 }, 5, 4, 0, 0 },
	{ "a page", { H_TABLE, H_TABLE, H_TABLE, 0x12345000 | H_PAGE },
		5, 1, 0x12345, R | W },
	{ "a page that PAT bit 7 is set for",
		{ H_TABLE, H_TABLE, H_TABLE, 0x12345000 | H_PAGE | H_PAT },
		5, 1, 0x12345, R | W },
	{ "a page to be executed",
		{ H_TABLE, H_TABLE, H_TABLE, 0x12345000 | H_P | H_U },
		5, 1, 0x12345, R | X },
	{ "a page of special memory, with uffd-wp",
		{ H_TABLE, H_TABLE, H_TABLE, 0x12345600 | H_PAGE },
		5, 1, 0x12345, R | W },
	{ "the highest page there can be, with a protection key",
		{ H_TABLE, H_TABLE, H_TABLE, 0x7ffffffffffff000 | H_PAGE },
		5, 1, 0xffffffffff, R | W },
	{ "what is swapped out",
		{ H_TABLE, H_TABLE, H_TABLE, 0xf123456789abcdeeULL & ~H_NONE },
		5, 1, 0, 0 },
	{ "what is swapped out, all bits but present",
		{ H_TABLE, H_TABLE, H_TABLE, ~H_P }, 5, 1, 0, 0 },
	{ "PROT_NONE, or a NUMA hint",
		{ H_TABLE, H_TABLE, H_TABLE, 0x12345000 | H_NONE | H_W | H_U | H_AD },
		5, 1, 0, 0 },
	{ "PROT_NONE of 2M",
		{ H_TABLE, H_TABLE, 0x40200000 | H_PSE | H_NONE | H_W | H_U },
		5, 2, 0, 0 },
	{ "2M that migrate",
		{ H_TABLE, H_TABLE, 0x40200000 | H_W | H_U }, 5, 2, 0, 0 },
	{ "2M", { H_TABLE, H_TABLE, 0x40200000 | H_PAGE | H_PSE },
		0x1ff, 2, 0x403ff, R | W },
	{ "2M that PAT bit 12 is set for",
		{ H_TABLE, H_TABLE, 0x40200000 | H_PAGE | H_PSE | H_PAT_LARGE },
		0x1fe, 2, 0x403fe, R | W },
	{ "1G", { H_TABLE, 0x80000000 | H_PAGE | H_PSE },
		0x3fffe, 3, 0xbfffe, R | W },
	{ "1G that PAT bit 12 is set for, read-only",
		{ H_TABLE, 0x80000000 | H_P | H_U | H_PSE | H_PAT_LARGE },
		0x201, 3, 0x80201, R | X },
	{ "a page of the kernel's",
		{ H_TABLE, H_TABLE, H_TABLE, 0x12345000 | (H_PAGE & ~H_U) },
		5, 1, 0x12345, W },
	{ "a page below an entry of the kernel's",
		{ H_TABLE, H_TABLE & ~H_U, H_TABLE, 0x12345000 | H_PAGE },
		5, 1, 0x12345, W },
	{ "2M below an entry of the kernel's",
		{ H_TABLE & ~H_U, H_TABLE, 0x40200000 | H_PAGE | H_PSE },
		5, 2, 0x40205, W },
	{ "a page below a read-only entry",
		{ H_TABLE, H_TABLE, H_TABLE & ~H_W, 0x12345000 | (H_PAGE & ~H_NX) },
		5, 1, 0x12345, R | X },
	{ "a page below an entry that is not to be executed",
		{ H_TABLE, H_TABLE | H_NX, H_TABLE, 0x12345000 | (H_PAGE & ~H_NX) },
		5, 1, 0x12345, R | W },
};

/* @level: of the root; one of 5 has a table above all this */
static void host_walk(const struct host_case *c, int level)
{
	u64 gfn = (300ULL << 27) + (7ULL << 18) + (511ULL << 9);
	u64 *pages[KTDP_MAX_LEVEL + 1], entry;
	static const struct cfg none;	/* it has no name */
	struct ktdp_walk walk;
	struct ktdp_fmt fmt;
	bool present;
	int l;

	ktdp_fmt_host_init(&fmt, level, H_ADDR);
	gfn &= ~ktdp_level_mask(c->level);
	gfn += c->page;
	if (level == 5)
		gfn += 511ULL << 36;
	for (l = 1; l <= level; l++) {
		pages[l] = env_page_alloc();
		entry = l == 5 ? H_TABLE : c->entries[4 - l];
		if (l > 1 && (entry & H_P) && !(entry & H_PSE))
			entry |= ktdp_entries_to_hpa(pages[l - 1]);
		pages[l][(gfn >> (9 * (l - 1))) & 511] = entry;
	}

	present = ktdp_walk(&fmt, pages[level], gfn, &walk);
	check(present == !!c->access, &none, walk.level, walk.entry);
	check(walk.level == c->level, &none, walk.level, walk.entry);
	check(walk.access == c->access, &none, walk.level, walk.entry);
	check(walk.entry == *walk.entryp, &none, walk.level, walk.entry);
	check(walk.entryp == &pages[c->level][(gfn >> (9 * (c->level - 1))) & 511],
	      &none, walk.level, walk.entry);
	check(walk.gfn == gfn, &none, walk.level, walk.entry);
	if (present)
		check(ktdp_walk_pfn(&fmt, &walk) == c->pfn, &none,
		      walk.level, walk.entry);
	check(ktdp_walk_next(&walk) == (gfn | ktdp_level_mask(c->level)) + 1,
	      &none, walk.level, walk.entry);

	for (l = 1; l <= level; l++)
		env_page_free(pages[l]);
}

static void test_host(void)
{
	unsigned int i;

	env_hpa_base_set(H_ADDR);
	for (i = 0; i < ARRAY_SIZE(host_cases); i++) {
		begin(host_cases[i].name);
		host_walk(&host_cases[i], 4);
		host_walk(&host_cases[i], 5);
		end();
	}
}

/* No address of a user's is beyond the reach; the walk says so where one is. */
static void test_host_reach(void)
{
	struct ktdp_walk walk;
	struct ktdp_fmt fmt;
	u64 *root = env_page_alloc();

	ktdp_fmt_host_init(&fmt, 4, H_ADDR);
	root[0] = 0x12345000 | H_PAGE;
	ok(!ktdp_walk(&fmt, root, 1ULL << 36, &walk) && !walk.entryp &&
	   !walk.access && ktdp_walk_next(&walk) > 1ULL << 36,
	   "the host's, beyond the reach");
	env_page_free(root);
}

int main(void)
{
	test_host();
	test_host_reach();
	test_geometry();
	test_ept_literals();
	test_npt_literals();
	with_each_cfg("constants", check_constants);
	with_each_cfg("leaves", check_leaves);
	with_each_cfg("tables", check_tables);
	with_each_cfg("empty entries", check_empty);
	with_each_cfg("reserved bits", check_rsvd);
	with_each_cfg("access", check_access);
	return done();
}
