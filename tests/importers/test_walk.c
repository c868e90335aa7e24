// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walker against tables made by hand: both formats, 4 and 5 levels, leaves
 * of each size, and each way in which an entry can be wrong.
 */
#include <asm/kvm_exported_tdp.h>

#include <linux/kvm_tdp_walk.h>
#include "tap.h"

#define POOL_HPA	0x7654000ULL
#define POOL_PAGES	5

#define RWX		(KVM_TDP_ACCESS_READ | KVM_TDP_ACCESS_WRITE | KVM_TDP_ACCESS_EXEC)
#define LEAF		BIT_ULL(7)

static u64 pool[POOL_PAGES][512];

void *phys_to_virt(u64 hpa)
{
	u64 page = (hpa - POOL_HPA) >> 12;

	if (hpa & 0xfff || page >= POOL_PAGES)
		bail("the walker reads at %#llx", hpa);
	return pool[page];
}

bool pfn_valid(u64 pfn)
{
	return pfn < BIT_ULL(40);
}

/* The bits of an entry, per format, independent of the walker's own table. */
static u64 bits(int type, u8 access)
{
	u64 entry;

	if (type == KVM_TDP_TYPE_EPT)
		return access;
	entry = access & KVM_TDP_ACCESS_READ ? 5 : 0;
	entry |= access & KVM_TDP_ACCESS_WRITE ? 2 : 0;
	return access & KVM_TDP_ACCESS_EXEC ? entry : entry | BIT_ULL(63);
}

static struct kvm_exported_tdp_meta_vmx metadata(int type, int levels)
{
	struct kvm_exported_tdp_meta_vmx md = {
		.type = type, .level = levels, .root_hpa = POOL_HPA,
		.max_huge_page_level = 3,
	};
	int i;

	for (i = 0; i < 5; i++) {
		md.rsvd_bits_mask[0][i] = BIT_ULL(11) | BIT_ULL(51);
		md.rsvd_bits_mask[1][i] = BIT_ULL(11) | BIT_ULL(50);
	}
	return md;
}

struct walk {
	int type;
	int levels;
	int leaf;
	u64 gpa;
	struct kvm_tdp_table table;
	struct kvm_tdp_leaf found;
};

static u64 *entry_at(const struct walk *w, int level)
{
	return &pool[w->levels - level][w->gpa >> (3 + 9 * level) & 511];
}

static u64 leaf_hpa(int level)
{
	return 0x123456789000ULL & ~(BIT_ULL(3 + 9 * level) - 1) & ~KEY_BIT;
}

/* A table with one path to a leaf, granting all. */
static void build(struct walk *w)
{
	struct kvm_exported_tdp_meta_vmx md = metadata(w->type, w->levels);
	int level;

	memset(pool, 0, sizeof(pool));
	for (level = w->levels; level > w->leaf; level--)
		*entry_at(w, level) = (POOL_HPA + ((w->levels - level + 1) << 12)) |
				      bits(w->type, RWX);
	*entry_at(w, w->leaf) = leaf_hpa(w->leaf) | bits(w->type, RWX) |
				(w->leaf > 1 ? LEAF : 0);
	if (kvm_tdp_table_init(&w->table, &md))
		bail("the table is refused");
}

/* With a cursor that has been in the same 2M, and is taken to others: all alike? */
static bool cursor_agrees(const struct walk *w, int ret)
{
	struct kvm_tdp_cursor cursor = { 0 };
	struct kvm_tdp_leaf leaf;
	u64 other = w->gpa ^ BIT_ULL(21);
	int theirs = kvm_tdp_walk(&w->table, other, &leaf);

	kvm_tdp_walk_from(&w->table, &cursor, w->gpa ^ 0x3000, &leaf);
	memset(&leaf, 0xee, sizeof(leaf));
	return kvm_tdp_walk_from(&w->table, &cursor, w->gpa, &leaf) == ret &&
	       !memcmp(&leaf, &w->found, sizeof(leaf)) &&
	       kvm_tdp_walk_from(&w->table, &cursor, other, &leaf) == theirs;
}

/* -EBADF: by a cursor another leaf is found. */
static int walk(struct walk *w)
{
	int ret;

	memset(&w->found, 0xee, sizeof(w->found));
	ret = kvm_tdp_walk(&w->table, w->gpa, &w->found);
	return cursor_agrees(w, ret) ? ret : -EBADF;
}

static bool found(struct walk *w, u8 access)
{
	u64 size = BIT_ULL(3 + 9 * w->leaf);

	return !walk(w) && w->found.gpa == (w->gpa & ~(size - 1)) &&
	       w->found.hpa == (leaf_hpa(w->leaf) & ~(size - 1)) &&
	       w->found.access == access && w->found.level == w->leaf;
}

/* NPT has no bit for read; EPT calls write without read a misconfiguration. */
static bool is_sane(int type, u8 access)
{
	return access & KVM_TDP_ACCESS_READ ||
	       (type == KVM_TDP_TYPE_EPT && !(access & KVM_TDP_ACCESS_WRITE));
}

/* What all levels grant, for every access at every level. */
static bool access_is_anded(struct walk *w)
{
	u64 *entry;
	u64 all;
	int level;
	u8 access;

	for (level = w->levels; level >= w->leaf; level--) {
		entry = entry_at(w, level);
		all = *entry;
		for (access = 1; access <= RWX; access++) {
			if (!is_sane(w->type, access))
				continue;
			*entry = (all & ~bits(w->type, RWX)) |
				 bits(w->type, access);
			if (!found(w, access))
				return false;
		}
		*entry = all;
	}
	return true;
}

static bool absent_is_seen(struct walk *w)
{
	u64 *entry;
	u64 all;
	int level;

	for (level = w->levels; level >= w->leaf; level--) {
		entry = entry_at(w, level);
		all = *entry;
		*entry = 0;
		if (walk(w) != -ENXIO)
			return false;
		*entry = all;
	}
	return true;
}

static bool reserved_is_seen(struct walk *w)
{
	u64 *entry;
	u64 all, flip;
	int level, i;

	for (level = w->levels; level >= w->leaf; level--) {
		entry = entry_at(w, level);
		all = *entry;
		flip = all & LEAF ? BIT_ULL(50) : BIT_ULL(51);
		for (i = 0; i < 2; i++, flip = BIT_ULL(11)) {
			*entry = all | flip;
			if (walk(w) != -EIO || w->found.level != level ||
			    w->found.entry != (all | flip))
				return false;
		}
		*entry = all;
	}
	return true;
}

static void test_path(int type, int levels, int leaf)
{
	/* the highest address, and one in the middle of nowhere */
	u64 gpas[] = { BIT_ULL(12 + 9 * levels) - 1, 0x123456789abcULL };
	const char *name = type == KVM_TDP_TYPE_EPT ? "EPT" : "NPT";
	struct walk w = { .type = type, .levels = levels, .leaf = leaf };
	u64 *entry;
	int i;

	for (i = 0; i < 2; i++) {
		w.gpa = gpas[i];
		build(&w);
		ok(found(&w, RWX), "%s, %d levels, leaf at %d, %#llx", name,
		   levels, leaf, w.gpa);
		ok(access_is_anded(&w), "access is that of all levels");
		ok(absent_is_seen(&w), "absent at each level");
		ok(reserved_is_seen(&w), "reserved bits at each level");

		entry = entry_at(&w, leaf);
		*entry |= KEY_BIT;
		ok(found(&w, RWX), "the encryption bit is no address");
		if (leaf > 1) {
			*entry |= 1 << 12;
			ok(found(&w, RWX), "nor are the low bits of a large leaf");
			w.table.max_leaf_level = leaf - 1;
			is(walk(&w), -EIO, "a leaf larger than was promised");
			w.table.max_leaf_level = 3;
		}
		w.gpa |= BIT_ULL(12 + 9 * levels);
		is(walk(&w), -ENXIO, "beyond the table");
	}
}

/* Without the user bit a nested walk is refused. */
static void test_user_bit(void)
{
	struct walk w = { .type = KVM_TDP_TYPE_NPT, .levels = 4, .leaf = 1, .gpa = 0x5000 };

	build(&w);
	*entry_at(&w, 3) &= ~BIT_ULL(2);
	ok(found(&w, 0), "no user bit: nothing is granted");
}

static int init_with(void (*spoil)(struct kvm_exported_tdp_meta_vmx *md))
{
	struct kvm_exported_tdp_meta_vmx md = metadata(KVM_TDP_TYPE_EPT, 4);
	struct kvm_tdp_table table;

	spoil(&md);
	return kvm_tdp_table_init(&table, &md);
}

#define SPOIL(_name, _what) \
static void _name(struct kvm_exported_tdp_meta_vmx *md) { _what; }

SPOIL(spoil_nothing, (void)md)
SPOIL(spoil_type, md->type = 3)
SPOIL(spoil_level_low, md->level = 3)
SPOIL(spoil_level_high, md->level = 6)
SPOIL(spoil_max_low, md->max_huge_page_level = 0)
SPOIL(spoil_max_high, md->max_huge_page_level = 4)
SPOIL(spoil_root_none, md->root_hpa = 0)
SPOIL(spoil_root_unaligned, md->root_hpa |= 0x800)
SPOIL(spoil_root_invalid, md->root_hpa = BIT_ULL(52))
SPOIL(spoil_rsvd_first, md->rsvd_bits_mask[0][0] &= ~BIT_ULL(11))
SPOIL(spoil_rsvd_last, md->rsvd_bits_mask[1][3] &= ~BIT_ULL(11))
SPOIL(spoil_rsvd_unused, md->rsvd_bits_mask[1][4] &= ~BIT_ULL(11))

static void test_metadata(void)
{
	is(init_with(spoil_nothing), 0, "metadata as it should be");
	is(init_with(spoil_rsvd_unused), 0, "a mask of a level there is not");
	is(init_with(spoil_type), -EOPNOTSUPP, "unknown type");
	is(init_with(spoil_level_low), -EOPNOTSUPP, "3 levels");
	is(init_with(spoil_level_high), -EOPNOTSUPP, "6 levels");
	is(init_with(spoil_max_low), -EOPNOTSUPP, "no leaf at all");
	is(init_with(spoil_max_high), -EOPNOTSUPP, "512G leaves");
	is(init_with(spoil_root_none), -EOPNOTSUPP, "no root");
	is(init_with(spoil_root_unaligned), -EOPNOTSUPP, "root is no page");
	is(init_with(spoil_root_invalid), -EOPNOTSUPP, "root is no memory");
	is(init_with(spoil_rsvd_first), -EOPNOTSUPP, "bit 11 used in 4K leaves");
	is(init_with(spoil_rsvd_last), -EOPNOTSUPP, "bit 11 used in level 4");
}

int main(void)
{
	int type, levels, leaf;

	for (type = KVM_TDP_TYPE_EPT; type <= KVM_TDP_TYPE_NPT; type++)
		for (levels = 4; levels <= 5; levels++)
			for (leaf = 1; leaf <= 3; leaf++)
				test_path(type, levels, leaf);
	test_user_bit();
	test_metadata();
	return done();
}
