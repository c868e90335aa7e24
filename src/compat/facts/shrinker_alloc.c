// SPDX-License-Identifier: GPL-2.0-only
/* Shrinkers come from shrinker_alloc() (6.7), or are the caller's. */
#include <linux/slab.h>
#include <linux/shrinker.h>

#ifndef KTDP_OTHERWISE
void fact(void)
{
	struct shrinker *shrinker = shrinker_alloc(0, "%s", "fact");

	shrinker_register(shrinker);
	shrinker_free(shrinker);
}
#else
int fact(struct shrinker *shrinker)
{
	return register_shrinker(shrinker, "%s", "fact");
}
#endif
