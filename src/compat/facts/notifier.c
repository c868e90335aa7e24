// SPDX-License-Identifier: GPL-2.0-only
/* The host tells a notifier that it takes a range of memory, before and after. */
#include <linux/mmu_notifier.h>

#include "../check.h"

#define NOTICE	struct mmu_notifier *, const struct mmu_notifier_range *

member_is(struct mmu_notifier_ops, invalidate_range_start, int (*)(NOTICE));
member_is(struct mmu_notifier_ops, invalidate_range_end, void (*)(NOTICE));
member_is(struct mmu_notifier_ops, release,
	  void (*)(struct mmu_notifier *, struct mm_struct *));
member_is(struct mmu_notifier_range, start, unsigned long);
member_is(struct mmu_notifier_range, end, unsigned long);
function_is(mmu_notifier_range_blockable, bool (const struct mmu_notifier_range *));
function_is(__mmu_notifier_register, int (struct mmu_notifier *, struct mm_struct *));
