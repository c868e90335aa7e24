// SPDX-License-Identifier: GPL-2.0-only
#include "kmod.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mem.h"
#include "sys.h"
#include "tap.h"

#define KVM_RUNS	512
/* Beyond what any guest here has. */
#define KVM_SPACE	(1ULL << 47)

int kmod_open(void)
{
	return must(open("/dev/ktdp_test", O_RDWR | O_CLOEXEC));
}

void kmod_do(int kmod, unsigned long op, void *arg)
{
	if (ioctl(kmod, op, arg))
		bail("ktdp_test: ioctl %#lx: errno %d", op, errno);
}

static int kmod_call(int kmod, unsigned long op, struct ktdp_test_call *call)
{
	kmod_do(kmod, op, call);
	return call->ret;
}

int kmod_get(int kmod, int fd)
{
	struct ktdp_test_call call = { .fd = fd };
	int ret = kmod_call(kmod, KTDP_TEST_GET, &call);

	return ret ? ret : (int)call.handle;
}

uint64_t kmod_iova(int kmod, const char *device, uint64_t iova)
{
	struct ktdp_test_iova arg = { .iova = iova };

	snprintf(arg.device, sizeof(arg.device), "%s", device);
	kmod_do(kmod, KTDP_TEST_IOVA, &arg);
	return arg.hpa;
}

void kmod_put(int kmod, int handle)
{
	struct ktdp_test_call call = { .handle = handle };

	kmod_call(kmod, KTDP_TEST_PUT, &call);
}

struct ktdp_test_metadata kmod_metadata(int kmod, int handle)
{
	struct ktdp_test_metadata md = { .handle = handle };

	kmod_do(kmod, KTDP_TEST_METADATA, &md);
	return md;
}

int kmod_register(int kmod, int handle, int importer)
{
	struct ktdp_test_call call = { .handle = handle, .importer = importer };

	return kmod_call(kmod, KTDP_TEST_REGISTER, &call);
}

int kmod_unregister(int kmod, int handle, int importer)
{
	struct ktdp_test_call call = { .handle = handle, .importer = importer };

	kmod_call(kmod, KTDP_TEST_UNREGISTER, &call);
	return call.running_after;
}

int kmod_fault(int kmod, int handle, uint64_t gfn, unsigned int access)
{
	return kmod_fault_as(kmod, handle, gfn, access, KTDP_TEST_CALLER, 0);
}

int kmod_fault_as(int kmod, int handle, uint64_t gfn, unsigned int access,
		  unsigned int context, int mm)
{
	struct ktdp_test_call call = {
		.handle = handle, .gfn = gfn, .access = access,
		.context = context, .mm = mm,
	};

	return kmod_call(kmod, KTDP_TEST_FAULT, &call);
}

int kmod_fault_range(int kmod, int handle, uint64_t *gfn, uint64_t *nr,
		     unsigned int access, int mm)
{
	struct ktdp_test_call call = {
		.handle = handle, .gfn = *gfn, .nr = *nr, .access = access, .mm = mm,
	};
	int ret = kmod_call(kmod, KTDP_TEST_FAULT, &call);

	*gfn = call.gfn;
	*nr = call.nr;
	return ret;
}

struct kmod_gone kmod_gone(int kmod, int importer)
{
	struct ktdp_test_log log = { .importer = importer };

	kmod_do(kmod, KTDP_TEST_LOG, &log);
	return (struct kmod_gone){ .times = log.gone, .flags = log.gone_flags };
}

size_t kmod_log(int kmod, int importer, struct ktdp_test_record *records)
{
	struct ktdp_test_log log = {
		.importer = importer, .nr = KTDP_TEST_RECORDS,
		.records = (uintptr_t)records,
	};

	kmod_do(kmod, KTDP_TEST_LOG, &log);
	if (log.total > log.nr)
		bail("%llu callbacks, more than there is room for", log.total);
	return log.nr;
}

void kmod_forget(int kmod, int importer)
{
	struct ktdp_test_log log = { .importer = importer };

	kmod_do(kmod, KTDP_TEST_LOG, &log);
}

static bool record_is_full(const struct ktdp_test_record *record)
{
	return !record->start && record->size == KMOD_FULL;
}

static bool record_covers(const struct ktdp_test_record *record, uint64_t gpa,
			  uint64_t size)
{
	return record_is_full(record) ||
	       (record->start <= gpa &&
		record->start + record->size >= gpa + size);
}

static bool record_is_well_formed(const struct ktdp_test_record *record)
{
	if (record_is_full(record))
		return true;
	if (record->flags & KTDP_TEST_IN_TASK && record->size &&
	    !(record->start % PAGE_4K) && !(record->size % PAGE_4K) &&
	    record->start + record->size > record->start)
		return true;
	diag("bad callback: start %#llx size %#llx flags %#x",
	     record->start, record->size, record->flags);
	return false;
}

struct kmod_told kmod_told(int kmod, int importer, uint64_t gpa, uint64_t size)
{
	static struct ktdp_test_record records[KTDP_TEST_RECORDS];
	struct kmod_told told = { .well_formed = true };
	size_t i;

	told.nr = kmod_log(kmod, importer, records);
	for (i = 0; i < told.nr; i++) {
		told.covered |= record_covers(&records[i], gpa, size);
		told.full |= record_is_full(&records[i]);
		told.well_formed &= record_is_well_formed(&records[i]);
		told.last_order = records[i].order;
	}
	return told;
}

bool kmod_covered(int kmod, int importer, uint64_t gpa, uint64_t size)
{
	struct kmod_told told = kmod_told(kmod, importer, gpa, size);

	return told.covered && told.well_formed;
}

static unsigned int kmod_control(int kmod, int importer, unsigned int action)
{
	struct ktdp_test_control control = {
		.importer = importer, .action = action,
	};

	kmod_do(kmod, KTDP_TEST_CONTROL, &control);
	return control.running;
}

void kmod_hold(int kmod, int importer)
{
	kmod_control(kmod, importer, KTDP_TEST_HOLD);
}

void kmod_release(int kmod, int importer)
{
	kmod_control(kmod, importer, KTDP_TEST_RELEASE);
}

unsigned int kmod_running(int kmod, int importer)
{
	return kmod_control(kmod, importer, KTDP_TEST_LOOK);
}

int kmod_poke(int kmod, int handle, uint64_t gfn, uint64_t flip)
{
	struct ktdp_test_poke poke = {
		.handle = handle, .gfn = gfn, .flip = flip,
	};

	kmod_do(kmod, KTDP_TEST_POKE, &poke);
	return poke.level;
}

void kmod_read_kvm(int kmod, int vm_fd, unsigned int as_id,
		   struct kmod_kvm_map *map)
{
	struct ktdp_test_kvm_map req = {
		.vm_fd = vm_fd, .as_id = as_id, .length = KVM_SPACE,
	};

	memset(map, 0, sizeof(*map));
	do {
		map->runs = realloc(map->runs,
				    (map->nr + KVM_RUNS) * sizeof(*map->runs));
		if (!map->runs)
			bail("out of memory");
		req.runs = (uintptr_t)(map->runs + map->nr);
		req.nr = KVM_RUNS;
		if (ioctl(kmod, KTDP_TEST_KVM_MAP, &req)) {
			if (errno != ENODEV)
				bail("ktdp_test: KVM_MAP: errno %d", errno);
			return;
		}
		map->nr += req.nr;
	} while (req.length);
}

void kmod_free_kvm(struct kmod_kvm_map *map)
{
	free(map->runs);
	memset(map, 0, sizeof(*map));
}

static struct ktdp_test_stop kmod_stop_do(int kmod, int stop,
					  unsigned int action)
{
	struct ktdp_test_stop arg = { .index = stop, .action = action };

	kmod_do(kmod, KTDP_TEST_STOP, &arg);
	return arg;
}

void kmod_stop(int kmod, int stop, const struct kmod_point *at, pid_t tid)
{
	struct ktdp_test_stop arg = {
		.index = stop, .action = KTDP_TEST_STOP_ARM,
		.flags = (at->at_return ? KTDP_TEST_AT_RETURN : 0) |
			 (at->by_us ? KTDP_TEST_BY_US : 0),
		.tid = tid, .skip = at->skip,
		.arg_nr = at->arg_nr, .arg = at->arg,
	};
	const char *symbol, *next;

	for (symbol = at->symbol; symbol; symbol = next) {
		next = strchr(symbol, '|');
		snprintf(arg.symbol, sizeof(arg.symbol), "%.*s",
			 (int)strcspn(symbol, "|"), symbol);
		if (!ioctl(kmod, KTDP_TEST_STOP, &arg))
			return;
		if (errno != ENOENT || !next++)
			break;
	}
	bail("cannot stop at %s: errno %d", at->symbol, errno);
}

bool kmod_is_stopped(int kmod, int stop, unsigned int ms)
{
	unsigned int state;

	do {
		state = kmod_stop_do(kmod, stop, KTDP_TEST_STOP_LOOK).state;
		if (state == KTDP_TEST_HELD)
			return true;
	} while (state == KTDP_TEST_AWAITED && sys_step(&ms));
	return false;
}

unsigned int kmod_passes(int kmod, int stop)
{
	return kmod_stop_do(kmod, stop, KTDP_TEST_STOP_LOOK).hits;
}

bool kmod_has_passed(int kmod, int stop, unsigned int nr, unsigned int ms)
{
	do {
		if (kmod_passes(kmod, stop) >= nr)
			return true;
	} while (sys_step(&ms));
	return false;
}

bool kmod_go(int kmod, int stop)
{
	unsigned int state;

	state = kmod_stop_do(kmod, stop, KTDP_TEST_STOP_LOOK).state;
	kmod_stop_do(kmod, stop, KTDP_TEST_STOP_RELEASE);
	return state == KTDP_TEST_HELD;
}

void kmod_unstop(int kmod, int stop)
{
	kmod_stop_do(kmod, stop, KTDP_TEST_STOP_DISARM);
}

void kmod_span(int kmod, const char *symbol)
{
	struct ktdp_test_span span = { .action = KTDP_TEST_SPAN_BEGIN };

	snprintf(span.symbol, sizeof(span.symbol), "%s", symbol);
	kmod_do(kmod, KTDP_TEST_SPAN, &span);
}

struct kmod_calls kmod_spanned(int kmod)
{
	struct ktdp_test_span span = { .action = KTDP_TEST_SPAN_LOOK };

	kmod_do(kmod, KTDP_TEST_SPAN, &span);
	return (struct kmod_calls){ .nr = span.calls, .ticks = span.ticks };
}

void kmod_break(int kmod, unsigned int what, const void *hva)
{
	struct ktdp_test_break arg = { .what = what, .hva = (uintptr_t)hva };

	kmod_do(kmod, KTDP_TEST_BREAK, &arg);
}
