// SPDX-License-Identifier: GPL-2.0-only
#include "eager.h"

void eager_open(struct bed *bed, struct kvm_tdp_stats *before)
{
	bed_open(bed);
	if (guest_touch(&bed->vm, 0, 0))
		bail("the guest does not run");
	*before = ktdp_stats(bed->tdp);
}

struct kvm_tdp_stats eager_since(struct bed *bed,
				 const struct kvm_tdp_stats *before)
{
	struct kvm_tdp_stats since = ktdp_stats(bed->tdp);
	const __aligned_u64 *old = before->leaves;
	__aligned_u64 *now = since.leaves, *end = (void *)(&since + 1);

	while (now < end)
		*now++ -= *old++;
	return since;
}

static bool eager_run_is(const struct kvm_tdp_run *run, unsigned int level,
			 unsigned int access)
{
	if (run->level == level && run->access == access)
		return true;
	diag("gpa %#llx: level %u, access %#x", run->gpa, run->level, run->access);
	return false;
}

bool eager_is(struct bed *bed, uint64_t gpa, size_t size, unsigned int level,
	      unsigned int access)
{
	struct ktdp_map map;
	bool good;
	size_t i;

	good = ktdp_mapped(bed->tdp, gpa, size);
	ktdp_read_map(bed->tdp, gpa, size, &map);
	for (i = 0; good && i < map.nr; i++)
		good = eager_run_is(&map.runs[i], level, access);
	ktdp_free_map(&map);
	return good;
}

uint64_t eager_dropped(struct bed *bed)
{
	struct kvm_tdp_stats stats = ktdp_stats(bed->tdp);

	return stats.eager_busy + stats.eager_no_pool + stats.eager_no_room +
	       stats.eager_no_slot + stats.eager_not_ram;
}
