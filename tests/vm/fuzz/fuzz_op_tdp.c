// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls of /dev/kvm_tdp and of TDP fds: how they are asked, what they answer. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fuzz_op.h"
#include "uapi.h"

#define MAX_GPA		(1ULL << 57)	/* beyond what any table here reaches */

/* KVM_CREATE_TDP_FD */

static void make_create(void *arg, struct fuzz_call *call)
{
	struct kvm_create_tdp_fd *create = arg;

	create->vm_fd = zoo_pick(FILE_VM, &call->other);
	create->as_id = one_in(8);
	create->fd = roll(UINT32_MAX);
}

static void prepare_create(struct fuzz_call *call)
{
	call->free_fd = uapi_free_fd();
}

static void answers_create(const void *arg, const struct fuzz_call *call,
			   struct answers *right)
{
	const struct kvm_create_tdp_fd *create = arg;
	struct beast *beast = beast_of(create->vm_fd);
	const struct fuzz_vm *vm = NULL;

	if (create->mode || create->flags || create->pad[0] || create->pad[1] ||
	    create->as_id > 1)
		may(right, -EINVAL);
	answers_fd(create->vm_fd, FILE_VM, right);
	if (beast_kind(beast) == FILE_VM)
		vm = beast->file->vm;
	if (vm && vm->owner != OWNER_SELF && !fuzz_may_ptrace)
		may(right, -EIO);
	if (vm && vm->owner == OWNER_DEAD)
		may(right, -ENODEV);
}

static bool writes_create(size_t offset)
{
	return offset / 4 == offsetof(struct kvm_create_tdp_fd, fd) / 4;
}

static void done_create(const void *arg, const void *after, int ret,
			struct fuzz_call *call)
{
	const struct kvm_create_tdp_fd *create = after, *asked = arg;
	struct beast *beast = beast_of(asked->vm_fd);
	int fd = call->free_fd;

	if (ret) {
		if (uapi_free_fd() != fd)
			wrong("create failed and left a descriptor");
		return;
	}
	if (fcntl(fd, F_GETFD) != FD_CLOEXEC || (create && create->fd != fd)) {
		wrong("create: fd %d is not what it has to be",
		      create ? create->fd : fd);
		return;
	}
	if (!create || beast_kind(beast) != FILE_VM) {
		close(fd);
		return;
	}
	for (beast = beasts; beast < beasts + FUZZ_BEASTS; beast++)
		if (beast->used && !beast->file && beast->fd == fd)
			beast->used = false;
	beast = beast_of(asked->vm_fd);
	if (one_in(8))
		zoo_add(fd, file_new(FILE_TDP, beast->file->vm, asked->as_id));
	else
		close(fd);
}

/* KVM_TDP_GET_INFO, KVM_TDP_GET_STATS */

static void done_info(const void *arg, const void *after, int ret,
		      struct fuzz_call *call)
{
	const struct kvm_tdp_info *info = after;

	if (ret || !info)
		return;
	if (!info->root_hpa != !fuzz_is_admin || info->root_hpa % PAGE_4K)
		wrong("info: root_hpa %#llx to %s", info->root_hpa,
		      fuzz_is_admin ? "an administrator" : "anybody");
	if (info->as_id != call->file->as_id || info->pad ||
	    info->type < KVM_TDP_FORMAT_EPT || info->type > KVM_TDP_FORMAT_NPT)
		wrong("info: as_id %u, pad %u, type %u", info->as_id, info->pad,
		      info->type);
}

static void done_stats(const void *arg, const void *after, int ret,
		       struct fuzz_call *call)
{
	const struct kvm_tdp_stats *stats = after;

	if (ret || !stats)
		return;
	if (stats->entries_set - stats->entries_zapped !=
	    stats->leaves[0] + stats->leaves[1] + stats->leaves[2])
		wrong("stats: %llu leaves set, %llu removed, %llu there",
		      stats->entries_set, stats->entries_zapped, stats->leaves[0]);
	if (stats->leaves[0] && stats->table_pages < 4)
		wrong("stats: leaves without tables");
}

/* KVM_TDP_PREFAULT */

static void make_prefault(void *arg, struct fuzz_call *call)
{
	struct kvm_tdp_prefault *prefault = arg;

	prefault->gpa = odd_gpa(call->file);
	prefault->length = one_in(8) ? odd_number() & -PAGE_4K :
				       roll(20) * PAGE_4K;
	prefault->access = 1 + roll(7);
}

static void answers_prefault(const void *arg, const struct fuzz_call *call,
			     struct answers *right)
{
	const struct kvm_tdp_prefault *prefault = arg;

	if (prefault->flags || prefault->pad || !prefault->access ||
	    prefault->access > 7 || misaligned(prefault->gpa, prefault->length))
		may(right, -EINVAL);
	else if (!prefault->length)
		may(right, 0);
	else
		answers_fault(call, prefault->gpa, prefault->access & ACC_W,
			      right);
}

static bool writes_range(size_t offset)
{
	return offset >= offsetof(struct kvm_tdp_prefault, gpa) &&
	       offset < offsetof(struct kvm_tdp_prefault, access);
}

static void done_prefault(const void *arg, const void *after, int ret,
			  struct fuzz_call *call)
{
	const struct kvm_tdp_prefault *asked = arg, *now = after;
	uint64_t gpa;

	if (ret || !now)
		return;
	if (now->gpa - asked->gpa + now->length != asked->length ||
	    now->length > asked->length) {
		wrong("prefault: %#llx + %#llx became %#llx + %#llx", asked->gpa,
		      asked->length, now->gpa, now->length);
		return;
	}
	for (gpa = asked->gpa; gpa < now->gpa; gpa += PAGE_4K) {
		if (host_grants(call->file->vm, call->file->as_id, gpa,
				asked->access & ACC_W))
			continue;
		wrong("prefault: done at %#llx, where nothing may be had",
		      (unsigned long long)gpa);
		return;
	}
	if (now->length && host_grants(call->file->vm, call->file->as_id, gpa,
				       asked->access & ACC_W))
		wrong("prefault: not done at %#llx", (unsigned long long)gpa);
}

/* KVM_TDP_READ_MAP */

static void make_map(void *arg, struct fuzz_call *call)
{
	struct kvm_tdp_map *map = arg;

	map->gpa = one_in(2) ? 0 : odd_gpa(call->file);
	map->length = one_in(2) ? MAX_GPA - PAGE_4K : roll(300) * PAGE_4K;
	map->nr_runs = one_in(16) ? odd_number() : roll(200);
	window_choose_data(&call->data);
	map->runs = (uintptr_t)call->data.at;
}

static void answers_map(const void *arg, const struct fuzz_call *call,
			struct answers *right)
{
	const struct kvm_tdp_map *map = arg;

	if (map->flags || map->pad || !map->nr_runs ||
	    misaligned(map->gpa, map->length)) {
		may(right, -EINVAL);
		return;
	}
	may(right, 0);
	if (map->nr_runs * sizeof(struct kvm_tdp_run) > call->data.writable)
		may(right, -EFAULT);
}

static bool writes_map(size_t offset)
{
	return offset >= offsetof(struct kvm_tdp_map, gpa) &&
	       offset < offsetof(struct kvm_tdp_map, pad) &&
	       offset / 8 != offsetof(struct kvm_tdp_map, runs) / 8;
}

static bool run_is_right(const struct kvm_tdp_run *run, uint64_t from,
			 uint64_t to)
{
	return run->gpa >= from && run->gpa + run->length <= to && run->length &&
	       !misaligned(run->gpa, run->length) && run->level >= 1 &&
	       run->level <= 3 && run->access && run->access <= 7 &&
	       !run->hpa == !fuzz_is_admin && run->hpa % PAGE_4K == 0;
}

static void check_runs(const struct kvm_tdp_map *asked,
		       const struct kvm_tdp_map *now, const uint8_t *bytes)
{
	uint64_t from = asked->gpa;
	struct kvm_tdp_run run;
	unsigned int i;

	for (i = 0; i < now->nr_runs; i++) {
		memcpy(&run, bytes + i * sizeof(run), sizeof(run));
		if (!run_is_right(&run, from, now->gpa)) {
			wrong("map: run %u: %#llx + %#llx, hpa %#llx, access %u, level %u",
			      i, run.gpa, run.length, run.hpa, run.access,
			      run.level);
			return;
		}
		from = run.gpa + run.length;
	}
}

static void done_map(const void *arg, const void *after, int ret,
		     struct fuzz_call *call)
{
	const struct kvm_tdp_map *asked = arg, *now = after;
	size_t written = call->data.writable;

	if (!ret && now) {
		written = now->nr_runs * sizeof(struct kvm_tdp_run);
		if (now->nr_runs > asked->nr_runs ||
		    now->length > asked->length ||
		    now->gpa - asked->gpa + now->length != asked->length)
			wrong("map: %u runs, %#llx + %#llx became %#llx + %#llx",
			      now->nr_runs, asked->gpa, asked->length, now->gpa,
			      now->length);
		else if (call->data.alias)
			check_runs(asked, now, call->data.alias);
		if (!window_calm(&call->data, written))
			wrong("map: written beyond the runs");
	}
	window_clear(&call->data, written);
}

/* KVM_TDP_VERIFY */

static void make_verify(void *arg, struct fuzz_call *call)
{
	struct kvm_tdp_verify *verify = arg;

	verify->gpa = one_in(2) ? 0 : odd_gpa(call->file);
	verify->length = one_in(2) ? MAX_GPA : roll(64) * PAGE_4K;
}

static void answers_verify(const void *arg, const struct fuzz_call *call,
			   struct answers *right)
{
	const struct kvm_tdp_verify *verify = arg;

	if (verify->flags || misaligned(verify->gpa, verify->length))
		may(right, -EINVAL);
	else if (!fuzz_is_admin || is_dead(call))
		may(right, -EPERM);
}

static void done_verify(const void *arg, const void *after, int ret,
			struct fuzz_call *call)
{
	const struct kvm_tdp_verify *asked = arg, *now = after;

	if (ret || !now)
		return;
	if (now->stale != asked->stale || now->excess != asked->excess ||
	    now->no_slot != asked->no_slot || now->reserved != asked->reserved ||
	    now->kvm != asked->kvm || now->counters != asked->counters)
		wrong("verify: something is wrong at %#llx", now->first_bad);
	if (now->length)
		wrong("verify: %#llx bytes are left", now->length);
}

/* KVM_TDP_READ_SLOTS */

static void make_slots(void *arg, struct fuzz_call *call)
{
	struct kvm_tdp_slots *slots = arg;

	slots->gpa = one_in(2) ? 0 : odd_gpa(call->file);
	slots->nr_slots = one_in(16) ? odd_number() : roll(40);
	window_choose_data(&call->data);
	slots->slots = (uintptr_t)call->data.at;
}

static void answers_slots(const void *arg, const struct fuzz_call *call,
			  struct answers *right)
{
	const struct kvm_tdp_slots *slots = arg;

	if (slots->flags || slots->pad || !slots->nr_slots || misaligned(slots->gpa, 0)) {
		may(right, -EINVAL);
		return;
	}
	may(right, 0);
	if (slots->nr_slots * sizeof(struct kvm_tdp_slot) > call->data.writable)
		may(right, -EFAULT);
}

static bool writes_slots(size_t offset)
{
	return offset / 8 == offsetof(struct kvm_tdp_slots, gpa) / 8 ||
	       offset / 4 == offsetof(struct kvm_tdp_slots, nr_slots) / 4;
}

static void check_slots(const struct kvm_tdp_slots *asked, const struct kvm_tdp_slots *now,
			const struct fuzz_call *call)
{
	bool shown = fuzz_is_admin || call->file->vm->owner == OWNER_SELF;
	uint64_t end = asked->gpa;
	struct kvm_tdp_slot slot;
	unsigned int i;

	for (i = 0; i < now->nr_slots; i++) {
		memcpy(&slot, call->data.alias + i * sizeof(slot), sizeof(slot));
		/* The first may begin before what was asked for. */
		if (!slot.length || slot.gpa + slot.length <= end || (i && slot.gpa < end) ||
		    misaligned(slot.gpa, slot.length) || !slot.hva != !shown ||
		    slot.backing > KVM_TDP_BACKING_GUEST_MEMFD) {
			wrong("slots: slot %u: %#llx + %#llx, hva %#llx, backing %u", i,
			      slot.gpa, slot.length, slot.hva, slot.backing);
			return;
		}
		end = slot.gpa + slot.length;
	}
	if (now->gpa != end)
		wrong("slots: to go on at %#llx, not %#llx", now->gpa,
		      (unsigned long long)end);
}

static void done_slots(const void *arg, const void *after, int ret,
		       struct fuzz_call *call)
{
	const struct kvm_tdp_slots *asked = arg, *now = after;
	size_t written = call->data.writable;

	if (!ret && now) {
		written = now->nr_slots * sizeof(struct kvm_tdp_slot);
		if (now->nr_slots > asked->nr_slots)
			wrong("slots: %u where there was room for %u", now->nr_slots,
			      asked->nr_slots);
		else if (call->data.alias)
			check_slots(asked, now, call);
		if (!window_calm(&call->data, written))
			wrong("slots: written beyond them");
	}
	window_clear(&call->data, written);
}

/* KVM_TDP_READ_IMPORTERS */

static void make_importers(void *arg, struct fuzz_call *call)
{
	struct kvm_tdp_importers *importers = arg;

	importers->nr_importers = one_in(16) ? odd_number() : roll(20);
	window_choose_data(&call->data);
	importers->importers = (uintptr_t)call->data.at;
}

static void answers_importers(const void *arg, const struct fuzz_call *call,
			      struct answers *right)
{
	const struct kvm_tdp_importers *importers = arg;

	if (importers->flags || importers->pad || !importers->nr_importers) {
		may(right, -EINVAL);
		return;
	}
	may(right, 0);
	if (importers->nr_importers * sizeof(struct kvm_tdp_importer) > call->data.writable)
		may(right, -EFAULT);
}

static bool writes_importers(size_t offset)
{
	return offset / 8 == offsetof(struct kvm_tdp_importers, nr_importers) / 8;
}

static void done_importers(const void *arg, const void *after, int ret,
			   struct fuzz_call *call)
{
	const struct kvm_tdp_importers *asked = arg, *now = after;
	size_t written = call->data.writable;

	if (!ret && now) {
		written = now->nr_importers * sizeof(struct kvm_tdp_importer);
		if (now->nr_importers > asked->nr_importers ||
		    now->nr_importers > now->nr_all)
			wrong("importers: %u of %u where there was room for %u",
			      now->nr_importers, now->nr_all, asked->nr_importers);
		if (!window_calm(&call->data, written))
			wrong("importers: written beyond them");
	}
	window_clear(&call->data, written);
}

static const int no_errors[] = { 0 };
static const int create_errors[] = { EBADF, EIO, ENODEV, 0 };
static const int fault_errors[] = { EACCES, EBUSY, EPERM, 0 };
static const int verify_errors[] = { EPERM, 0 };

const struct fuzz_op tdp_ops[] = {
	{ OP(CREATE, KVM_CREATE_TDP_FD, DEV, kvm_create_tdp_fd), .weight = 5,
	  .race = 0xff, .errors = create_errors, .make = make_create,
	  .prepare = prepare_create, .answers = answers_create,
	  .writes = writes_create, .done = done_create },
	{ OP(INFO, KVM_TDP_GET_INFO, TDP, kvm_tdp_info), .weight = 14,
	  .first = offsetof(struct kvm_tdp_info, eager), .race = 3,
	  .errors = no_errors, .make = make_nothing, .answers = answers_flags,
	  .writes = writes_all_else, .done = done_info },
	{ OP(PREFAULT, KVM_TDP_PREFAULT, TDP, kvm_tdp_prefault), .weight = 18,
	  .race = 0xff, .errors = fault_errors, .make = make_prefault,
	  .answers = answers_prefault, .writes = writes_range,
	  .done = done_prefault },
	{ OP(MAP, KVM_TDP_READ_MAP, TDP, kvm_tdp_map), .weight = 10,
	  .pointer = offsetof(struct kvm_tdp_map, runs), .race = 0x33f,
	  .errors = no_errors, .make = make_map, .answers = answers_map,
	  .writes = writes_map, .done = done_map },
	{ OP(STATS, KVM_TDP_GET_STATS, TDP, kvm_tdp_stats), .weight = 13,
	  .first = offsetof(struct kvm_tdp_stats, seeded), .race = 3,
	  .errors = no_errors, .make = make_nothing, .answers = answers_flags,
	  .writes = writes_all_else, .done = done_stats },
	{ OP(VERIFY, KVM_TDP_VERIFY, TDP, kvm_tdp_verify), .weight = 2,
	  .race = 0x3f, .errors = verify_errors, .make = make_verify,
	  .answers = answers_verify, .writes = writes_all_else,
	  .done = done_verify },
	{ OP(SLOTS_READ, KVM_TDP_READ_SLOTS, TDP, kvm_tdp_slots), .weight = 6,
	  .pointer = offsetof(struct kvm_tdp_slots, slots), .race = 0xcf,
	  .errors = no_errors, .make = make_slots, .answers = answers_slots,
	  .writes = writes_slots, .done = done_slots },
	{ OP(IMPORTERS, KVM_TDP_READ_IMPORTERS, TDP, kvm_tdp_importers), .weight = 4,
	  .pointer = offsetof(struct kvm_tdp_importers, importers), .race = 0xf3,
	  .errors = no_errors, .make = make_importers, .answers = answers_importers,
	  .writes = writes_importers, .done = done_importers },
	{ .name = NULL },
};
