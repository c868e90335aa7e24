// SPDX-License-Identifier: GPL-2.0-only
/* A rough figure, not a test: nanoseconds per call on 1 GiB in 4K leaves. */

#include <stdio.h>
#include <time.h>

#include "cfg.h"
#include "mirror.h"
#include "tap.h"

#define PAGES	0x40000U	/* in 1 GiB */
#define TABLES	(PAGES / KTDP_ENTRIES + 8)

static struct ktdp_mirror mirror;
static struct ktdp_zap zap;

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

static void check(int ret)
{
	if (ret)
		bail("map: %d", ret);
}

static void map_run(void)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		check(ktdp_mirror_map(&mirror, i, 1, i, true));
}

static void map_windows(void)
{
	unsigned long pages[KTDP_ENTRIES], done;
	unsigned int gfn, i;

	for (gfn = 0; gfn < PAGES; gfn += KTDP_ENTRIES) {
		for (i = 0; i < KTDP_ENTRIES; i++)
			pages[i] = ktdp_page(gfn + i, true);
		check(ktdp_mirror_map_pages(&mirror, gfn, pages, KTDP_ENTRIES,
					    &done));
	}
}

static void map_shuffled(void)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		u64 gfn = shuffled(i);

		check(ktdp_mirror_map(&mirror, gfn, 1, gfn, true));
	}
}

static void walk_shuffled(void)
{
	struct ktdp_walk walk;
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		if (!ktdp_mirror_walk(&mirror, shuffled(i), &walk))
			bail("nothing at %#llx", shuffled(i));
}

static void zap_pages(void)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		ktdp_mirror_zap(&mirror, shuffled(i), shuffled(i) + 1, &zap);
}

static void wrprot_all(void)
{
	struct ktdp_zap protected = { .end = 0 };

	ktdp_mirror_wrprot(&mirror, 0, PAGES, &protected);
}

static void zap_all(void)
{
	ktdp_mirror_zap(&mirror, 0, PAGES, &zap);
}

static void free_detached(void)
{
	while (zap.detached) {
		struct ktdp_table *table = zap.detached;

		zap.detached = table->next;
		ktdp_table_free_tree(&mirror.fmt, table);
	}
}

static void fill_pool(void)
{
	free_detached();
	while (mirror.nr_pool < TABLES)
		ktdp_mirror_pool_add(&mirror, env_table_alloc(&mirror));
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
	cfg_fmt_init(&cfg, &mirror.fmt);
	mirror.root = env_table_alloc(&mirror);
	mirror.root->level = cfg.level;
	mirror.lock.held = true;

	printf("# one call each, 1 GiB in 4K pages, %s\n", cfg_name(&cfg));
	fill_pool();
	measure("map, in order", map_run, PAGES);
	measure("walk, shuffled", walk_shuffled, PAGES);
	measure("write-protect 1 GiB", wrprot_all, 1);
	measure("map writable again, shuffled", map_shuffled, PAGES);
	measure("zap 1 GiB", zap_all, 1);
	measure("free its tables", free_detached, 1);
	fill_pool();
	measure("map, shuffled", map_shuffled, PAGES);
	measure("zap, page by page, shuffled", zap_pages, PAGES);
	fill_pool();
	measure("map_pages, 512 at a time, for each page", map_windows, PAGES);
	return 0;
}
