/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_COMPAT_SHRINKER_H
#define _KTDP_COMPAT_SHRINKER_H

#include <linux/module.h>
#include <linux/shrinker.h>
#include <linux/slab.h>

#include "facts.h"

/* 6.7 made them the kernel's to allocate. */
#ifndef KTDP_HAS_SHRINKER_ALLOC
static inline struct shrinker *shrinker_alloc(unsigned int flags,
					      const char *name)
{
	struct shrinker *shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);

	if (shrinker) {
		shrinker->flags = flags;
		shrinker->seeks = DEFAULT_SEEKS;
	}
	return shrinker;
}

/* For want of memory it may be asked for none; all else works. */
static inline void shrinker_register(struct shrinker *shrinker)
{
	if (register_shrinker(shrinker, KBUILD_MODNAME))
		pr_warn(KBUILD_MODNAME ": no shrinker: out of memory\n");
}

static inline void shrinker_free(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(shrinker);
}
#endif

#endif /* _KTDP_COMPAT_SHRINKER_H */
