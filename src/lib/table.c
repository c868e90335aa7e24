// SPDX-License-Identifier: GPL-2.0-only
#include "libkvm_tdp.h"

#include "run.h"
#include "sys.h"

#define RUNS_AT_ONCE	512
#define SLOTS_AT_ONCE	64

int kvm_tdp_get_info(int tdp, struct kvm_tdp_info *info)
{
	*info = (struct kvm_tdp_info){ .size = sizeof(*info) };
	return sys_ioctl(tdp, KVM_TDP_GET_INFO, info);
}

int kvm_tdp_get_stats(int tdp, struct kvm_tdp_stats *stats)
{
	*stats = (struct kvm_tdp_stats){ .size = sizeof(*stats) };
	return sys_ioctl(tdp, KVM_TDP_GET_STATS, stats);
}

int kvm_tdp_map_range(int tdp, uint64_t *gpa, uint64_t *length, unsigned int access)
{
	struct kvm_tdp_prefault arg = {
		.size = sizeof(arg),
		.gpa = *gpa,
		.length = *length,
		.access = access,
	};
	int ret;

	do {
		ret = sys_ioctl(tdp, KVM_TDP_PREFAULT, &arg);
	} while (!ret && arg.length);
	*gpa = arg.gpa;
	*length = arg.length;
	return ret;
}

int kvm_tdp_read_runs(int tdp, uint64_t gpa, uint64_t length, kvm_tdp_run_fn *fn,
		      void *data)
{
	struct kvm_tdp_run runs[RUNS_AT_ONCE], held = { 0 };
	struct kvm_tdp_map map = {
		.size = sizeof(map),
		.gpa = gpa,
		.length = length,
		.runs = (uintptr_t)runs,
	};
	unsigned int i;
	int ret;

	do {
		map.nr_runs = RUNS_AT_ONCE;
		ret = sys_ioctl(tdp, KVM_TDP_READ_MAP, &map);
		if (ret)
			return ret;
		/* A run may have been cut by the end of the array. */
		for (i = 0; i < map.nr_runs; i++) {
			if (held.length && run_join(&held, &runs[i]))
				continue;
			ret = held.length ? fn(&held, data) : 0;
			if (ret)
				return ret;
			held = runs[i];
		}
	} while (map.length);
	return held.length ? fn(&held, data) : 0;
}

int kvm_tdp_read_slots(int tdp, uint64_t gpa, kvm_tdp_slot_fn *fn, void *data)
{
	struct kvm_tdp_slot slots[SLOTS_AT_ONCE];
	struct kvm_tdp_slots arg = {
		.size = sizeof(arg),
		.gpa = gpa,
		.slots = (uintptr_t)slots,
	};
	unsigned int i;
	int ret;

	do {
		arg.nr_slots = SLOTS_AT_ONCE;
		ret = sys_ioctl(tdp, KVM_TDP_READ_SLOTS, &arg);
		for (i = 0; !ret && i < arg.nr_slots; i++)
			ret = fn(&slots[i], data);
	} while (!ret && arg.nr_slots == SLOTS_AT_ONCE);
	return ret;
}

int kvm_tdp_get_importers(int tdp, struct kvm_tdp_importer *importers, unsigned int nr)
{
	struct kvm_tdp_importers arg = {
		.size = sizeof(arg),
		.importers = (uintptr_t)importers,
		.nr_importers = nr,
	};
	int ret = sys_ioctl(tdp, KVM_TDP_READ_IMPORTERS, &arg);

	return ret ? ret : (int)arg.nr_importers;
}

int kvm_tdp_verify_range(int tdp, uint64_t gpa, uint64_t length,
			 struct kvm_tdp_verify *verify)
{
	int ret;

	*verify = (struct kvm_tdp_verify){
		.size = sizeof(*verify),
		.gpa = gpa,
		.length = length,
	};
	do {
		ret = sys_ioctl(tdp, KVM_TDP_VERIFY, verify);
	} while (!ret && verify->length);
	return ret;
}
