// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOTLB against a list of all that was ever put into it: a hit is always
 * something that was inserted, covers the address, grants the access and has
 * not been invalidated since.
 */
#include <stdlib.h>

#include "kvm_tdp_dma.h"
#include "tap.h"

#define OPS		400000
#define HISTORY		2000
#define SPACE_SHIFT	33		/* 8G: collides in every array */

static struct dma_iotlb iotlb;

void *phys_to_virt(u64 hpa)
{
	bail("the IOTLB reads memory at %#llx", hpa);
}

bool pfn_valid(u64 pfn)
{
	return pfn;
}

struct inserted {
	struct kvm_tdp_leaf leaf;
	bool gone;
};

static struct inserted *history;
static unsigned int nr_history;

static u64 bytes_of(int level)
{
	return 1ULL << (3 + 9 * level);
}

static u64 random_below(u64 end)
{
	return (((u64)rand() << 31) ^ rand()) % end;
}

/* Small numbers more often than large ones, so that ranges meet entries. */
static u64 random_gpa(void)
{
	return random_below(1ULL << (12 + random_below(SPACE_SHIFT - 11)));
}

/* The number of the insertion is its address, so a hit tells which it was. */
static void random_insert(void)
{
	struct inserted *new = &history[nr_history];
	int level = 1 + random_below(3);

	new->leaf = (struct kvm_tdp_leaf){
		.gpa = random_gpa() & ~(bytes_of(level) - 1),
		.hpa = (u64)nr_history << 30,
		.access = 1 + random_below(7),
		.level = level,
	};
	dma_iotlb_insert(&iotlb, &new->leaf);
	nr_history++;
}

/* Bounds within pages as well: part of an entry is enough to lose it. */
static void invalidate(u64 first, u64 last)
{
	unsigned int i;

	dma_iotlb_invalidate(&iotlb, first, last);
	for (i = 0; i < nr_history; i++) {
		struct kvm_tdp_leaf *leaf = &history[i].leaf;

		if (leaf->gpa <= last &&
		    leaf->gpa + bytes_of(leaf->level) - 1 >= first)
			history[i].gone = true;
	}
}

static bool lookup_is_right(u64 gpa, u8 access)
{
	const struct kvm_tdp_leaf *hit = dma_iotlb_lookup(&iotlb, gpa, access);
	const struct inserted *of;

	if (!hit)
		return true;
	of = &history[hit->hpa >> 30];
	if (!of->gone && !memcmp(hit, &of->leaf, sizeof(*hit)) &&
	    hit->gpa <= gpa && gpa - hit->gpa < bytes_of(hit->level) &&
	    (hit->access & access) == access)
		return true;
	diag("gpa %#llx access %u: hit %#llx level %u access %u, gone %d", gpa,
	     access, hit->gpa, hit->level, hit->access, of->gone);
	return false;
}

static void test_random(void)
{
	unsigned int i, wrong = 0, hits = 0;
	u64 first, gpa;

	for (i = 0; i < OPS && !wrong; i++) {
		gpa = random_gpa();
		if (i % 4 == 0) {
			if (nr_history == HISTORY) {
				dma_iotlb_clear(&iotlb);
				nr_history = 0;
			}
			history[nr_history].gone = false;
			random_insert();
		} else if (i % 37 == 1) {
			first = random_gpa();
			invalidate(first, first + random_below(1 << random_below(30)));
		}
		wrong += !lookup_is_right(gpa, 1 << random_below(3));
		hits += !!dma_iotlb_lookup(&iotlb, gpa, 1);
	}
	ok(!wrong, "every hit is a translation that holds");
	ok(hits > OPS / 100, "%u hits", hits);
}

static bool hit(u64 gpa)
{
	return dma_iotlb_lookup(&iotlb, gpa, KVM_TDP_ACCESS_READ);
}

static void put(int level, u64 gpa)
{
	struct kvm_tdp_leaf leaf = {
		.gpa = gpa, .access = KVM_TDP_ACCESS_READ, .level = level,
	};

	dma_iotlb_insert(&iotlb, &leaf);
}

static void test_bounds(void)
{
	int level;
	u64 gpa, size;

	for (level = 1; level <= 3; level++) {
		size = bytes_of(level);
		gpa = 7 * size;
		dma_iotlb_clear(&iotlb);
		put(level, gpa);
		ok(hit(gpa) && hit(gpa + size - 1), "level %d: all of it", level);
		ok(!hit(gpa - 1) && !hit(gpa + size), "and no more");
		dma_iotlb_invalidate(&iotlb, gpa - size, gpa - 1);
		dma_iotlb_invalidate(&iotlb, gpa + size, ~0ULL);
		ok(hit(gpa), "invalidate up to it, and from behind it");
		dma_iotlb_invalidate(&iotlb, gpa + size / 2, gpa + size / 2);
		ok(!hit(gpa), "a byte in its middle");
		put(level, gpa);
		dma_iotlb_invalidate(&iotlb, 0, gpa);
		ok(!hit(gpa), "its first byte");
		put(level, gpa);
		dma_iotlb_invalidate(&iotlb, gpa + size - 1, ~0ULL);
		ok(!hit(gpa), "its last byte");
		put(level, gpa);
		dma_iotlb_invalidate(&iotlb, 0, ~0ULL - 1);
		ok(!hit(gpa), "everything");
	}
}

int main(void)
{
	srand(1);
	history = calloc(HISTORY, sizeof(*history));
	test_bounds();
	test_random();
	free(history);
	return done();
}
