// SPDX-License-Identifier: GPL-2.0-only
/*
 * A dirty ring takes entries from vCPUs alone, and KVM lets a VMM switch it on until
 * there is a vCPU.  So in a slot that logs no importer may write before there is
 * one, nor with a ring: in whatever order the VMM gets there, and however long a
 * fault is under way meanwhile.
 *
 * Needs two CPUs and ktdp_test, on the kernel's command line: ktdp.mod=ktdp_test
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "actor.h"
#include "attempt.h"
#include "bed.h"
#include "dirty.h"
#include "klog.h"
#include "kmod.h"
#include "slow.h"
#include "sys.h"

#define SLOT	1
#define PAGES	16UL
#define SIZE	(PAGES * PAGE_4K)
#define LOG	KVM_MEM_LOG_DIRTY_PAGES
#define NOFAULT	KVM_TDP_DMA_NOFAULT
#define RING	0x10000

static struct bed bed;
static struct mem mem;
static enum log_mode mode;
static char title[96];

/* What the VM is. */
static struct {
	bool logs, ring, vcpu;
	bool bad;
} now;

#define T(text)		"%s: " text, title

static void TAP_PRINTF(1, 2) bad(const char *fmt, ...)
{
	char text[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	diag("%s: %s", title, text);
	now.bad = true;
}

static int ring_on(void)
{
	struct kvm_enable_cap enable = {
		.cap = KVM_CAP_DIRTY_LOG_RING, .args = { RING },
	};

	return sys(ioctl(bed.vm.fd, KVM_ENABLE_CAP, &enable));
}

static int log_switch(bool on)
{
	int ret = vm_slot(&bed.vm, SLOT, GPA, SIZE, mem.hva, on ? LOG : 0);

	now.logs = on;
	return ret;
}

static bool is_writable(void)
{
	return ktdp_access(bed.tdp, GPA) & ACC_W;
}

/* What a write of an importer has to answer, as the VM is now. */
static int write_answer(void)
{
	return now.logs && (now.ring || !now.vcpu) ? -EBUSY : 0;
}

/* The page that is written is in a log, or else it is not writable. */
static void check_table(void)
{
	struct ktdp_map map;
	size_t i;

	if (bed.tdp < 0 || !write_answer())
		return;
	ktdp_read_map(bed.tdp, GPA, SIZE, &map);
	for (i = 0; i < map.nr; i++)
		if (map.runs[i].access & ACC_W)
			bad("writable, and no log has it");
	ktdp_free_map(&map);
}

static void write_it(void)
{
	uint64_t word = 1;
	int ret, want = write_answer();

	ret = ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_W);
	if (ret != want)
		bad("prefault for write: %d, not %d", ret, want);
	ret = dma_write(bed.dma, GPA + PAGE_4K, &word, 8, 0);
	if (ret != want)
		bad("engine writes: %d, not %d", ret, want);
	ret = dma_write(bed.dma, GPA, &word, 8, NOFAULT);
	if (ret != (want ? -ENXIO : 0))
		bad("engine writes without a fault: %d", ret);
	ret = dma_read(bed.dma, GPA, &word, 8, 0);
	if (ret)
		bad("engine reads: %d", ret);
}

/* The log has both pages; with a ring there is none to have. */
static void harvest_it(void)
{
	struct set set = { 0 };
	uint64_t word = 1;

	log_harvest(&bed.vm, mode, SLOT, PAGES, set.words);
	if (!set_holds(set, set_of(0, 2)))
		bad("the log lacks what was written");
	if (is_writable() || dma_write(bed.dma, GPA, &word, 8, NOFAULT) != -ENXIO)
		bad("still writable after the harvest");
}

enum step { STEP_TDP, STEP_LOG, STEP_RING, STEP_VCPU, STEP_WRITE, NR_STEPS };

static const char *const step_names[NR_STEPS] = {
	"TDP fd", "log", "ring", "vCPU", "write",
};

static void take(enum step step)
{
	int ret, want;

	switch (step) {
	case STEP_TDP:
		bed.tdp = must(sys(kvm_tdp_create(bed.vm.fd, 0)));
		bed.dma = dma_open_on(bed.tdp);
		break;
	case STEP_LOG:
		ret = log_switch(true);
		if (ret)
			bad("log on: %d", ret);
		break;
	case STEP_RING:
		want = now.vcpu ? -EINVAL : 0;
		ret = ring_on();
		if (ret != want)
			bad("ring on: %d, not %d", ret, want);
		now.ring = !ret;
		break;
	case STEP_VCPU:
		vm_add_vcpu(&bed.vm);
		now.vcpu = true;
		break;
	default:
		write_it();
	}
	check_table();
}

static void begin(void (*get)(struct mem *mem, size_t size))
{
	memset(&now, 0, sizeof(now));
	vm_open(&bed.vm);
	log_set_mode(&bed.vm, mode);
	bed.tdp = -1;
	bed.dma = -1;
	if (get)
		get(&mem, SIZE);
}

/* Whatever the order, the VM is in one of two states then. */
static void end_order(void)
{
	take(STEP_WRITE);
	if (!now.ring)
		harvest_it();
	if (log_switch(false))
		bad("log off");
	take(STEP_WRITE);
	if (log_switch(true))
		bad("log on again");
	check_table();
	take(STEP_WRITE);
	if (!now.ring)
		harvest_it();
	bed_close(&bed);
}

/* @made: the slot comes with the flag, or is there before. */
static bool order_is_good(const enum step *steps, bool made)
{
	size_t i, length = 0;

	begin(NULL);
	for (i = 0; i < NR_STEPS; i++)
		length += snprintf(title + length, sizeof(title) - length, "%s%s",
				   i ? ", " : "", step_names[steps[i]]);
	if (made)
		strcat(title, " (new slot)");
	if (mode == LOG_INITIALLY_SET)
		strcat(title, " (bits set)");
	log_switch(false);
	for (i = 0; i < NR_STEPS; i++) {
		if (steps[i] == STEP_LOG && made)
			vm_unmap(&bed.vm, SLOT);
		take(steps[i]);
	}
	end_order();
	return !now.bad;
}

static size_t step_at(const enum step *steps, enum step step)
{
	size_t i = 0;

	while (steps[i] != step)
		i++;
	return i;
}

/* All orders of the steps from @first on; nobody writes without a TDP fd. */
static void try_orders(enum step *steps, size_t first, unsigned int *tried,
		       unsigned int *good)
{
	enum step step;
	size_t i;

	if (first == NR_STEPS) {
		if (step_at(steps, STEP_WRITE) < step_at(steps, STEP_TDP))
			return;
		for (mode = LOG_GET; mode < NR_LOG_MODES; mode++) {
			*tried += 2;
			*good += order_is_good(steps, false);
			*good += order_is_good(steps, true);
		}
		mode = LOG_GET;
		return;
	}
	for (i = first; i < NR_STEPS; i++) {
		step = steps[i];
		steps[i] = steps[first];
		steps[first] = step;
		try_orders(steps, first + 1, tried, good);
		steps[first] = steps[i];
		steps[i] = step;
	}
}

static void test_orders(void)
{
	enum step steps[NR_STEPS] = {
		STEP_TDP, STEP_LOG, STEP_RING, STEP_VCPU, STEP_WRITE,
	};
	unsigned int tried = 0, good = 0;

	mem_small(&mem, SIZE);
	try_orders(steps, 0, &tried, &good);
	is(tried, 360, "orders of TDP fd, log, ring, vCPU, write");
	is(good, tried, "in all of them no write is lost, and none is refused in vain");
	mem_free(&mem);
}

/* A vCPU that comes to nothing is none, and a ring may still be had. */
static void test_failed_vcpu(void)
{
	struct rlimit limit, none;
	int ret;

	strcpy(title, "failed vCPU");
	begin(mem_small);
	log_switch(true);
	take(STEP_TDP);
	must(getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	none.rlim_cur = 0;
	must(setrlimit(RLIMIT_NOFILE, &none));
	ret = sys(ioctl(bed.vm.fd, KVM_CREATE_VCPU, 0));
	must(setrlimit(RLIMIT_NOFILE, &limit));
	is(ret, -EMFILE, T("no descriptor for it"));
	take(STEP_WRITE);
	take(STEP_RING);
	take(STEP_WRITE);
	take(STEP_VCPU);
	end_order();
	ok(!now.bad, T("no write is lost"));
	mem_free(&mem);
}

static int make_vcpu(void)
{
	return sys(ioctl(bed.vm.fd, KVM_CREATE_VCPU, 0));
}

/*
 * The same, held in the midst of it: KVM counts the vCPU already, and takes that
 * back when it comes to nothing.
 */
static void test_half_vcpu(void)
{
	static const struct kmod_point at = { .symbol = "kvm:kvm_arch_vcpu_create" };
	int kmod = kmod_open();
	struct actor actor;

	strcpy(title, "half a vCPU");
	sys_heap_settle();
	actor_bind(0);
	actor_start(&actor, 1);
	begin(mem_small);
	log_switch(true);
	take(STEP_TDP);
	kmod_stop(kmod, 0, &at, actor.tid);
	actor_begin(&actor, make_vcpu);
	ok(kmod_is_stopped(kmod, 0, ACTOR_PATIENCE), T("held"));
	take(STEP_WRITE);
	ok(kmod_go(kmod, 0), T("until now"));
	bed.vm.vcpu = actor_end(&actor);
	ok(bed.vm.vcpu >= 0, T("it comes to something"));
	kmod_unstop(kmod, 0);
	now.vcpu = true;
	end_order();
	ok(!now.bad, T("no write is lost"));
	actor_stop(&actor);
	mem_free(&mem);
	close(kmod);
}

/* What the VMM does while a fault for write waits for its page. */
struct held {
	const char *name;
	bool logs, vcpu;	/* at first */
	const char *steps;	/* L, l: log on, off; R: ring; V: vCPU */
};

static const struct held helds[] = {
	{ "log; off, ring, on", .logs = true, .steps = "lRL" },
	{ "log; ring", .logs = true, .steps = "R" },
	{ "log; vCPU", .logs = true, .steps = "V" },
	{ "log; ring, vCPU", .logs = true, .steps = "RV" },
	{ "log; off, on", .logs = true, .steps = "lL" },
	{ "no log; on", .steps = "L" },
	{ "no log; ring, on", .steps = "RL" },
	{ "no log; on, ring", .steps = "LR" },
	{ "no log; on, vCPU", .steps = "LV" },
	{ "no log; on, ring, off", .steps = "LRl" },
	{ "no log; ring, on, vCPU", .steps = "RLV" },
	{ "vCPU; on", .vcpu = true, .steps = "L" },
	{ "vCPU, log; off, ring, on", .vcpu = true, .logs = true, .steps = "lRL" },
};

static int held_write(void)
{
	return ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_W);
}

/* mmap_lock is held meanwhile: nothing here may map memory. */
static void held_step(char step)
{
	int ret, want = 0;

	switch (step) {
	case 'L':
	case 'l':
		ret = log_switch(step == 'L');
		break;
	case 'R':
		want = now.vcpu ? -EINVAL : 0;
		ret = ring_on();
		now.ring |= !ret;
		break;
	default:
		ret = make_vcpu();
		bed.vm.vcpu = ret;
		ret = ret < 0 ? ret : 0;
		now.vcpu = true;
		break;
	}
	if (ret != want)
		bad("step %c: %d, not %d", step, ret, want);
}

static void check_held(const struct held *held)
{
	struct attempt attempt;
	struct slow slow;
	const char *step;
	int ret, klog = klog_open();
	bool waits;

	begin(NULL);
	snprintf(title, sizeof(title), "held: %s", held->name);
	slow_open(&slow, &mem, SIZE);
	if (held->vcpu)
		take(STEP_VCPU);
	log_switch(held->logs);
	take(STEP_TDP);
	slow_hold(&slow);
	attempt_begin(&attempt, held_write);
	waits = slow_is_waiting(&slow, write_answer() ? 2000 : ATTEMPT_PATIENCE);
	is(waits, !write_answer(), T("the fault waits, unless it is refused"));
	for (step = held->steps; *step; step++)
		held_step(*step);
	slow_give(&slow);
	ret = attempt_end(&attempt);
	is(ret, waits ? write_answer() : -EBUSY, T("its answer"));
	check_table();
	if (!waits)
		__atomic_store_n(&slow.hold, false, __ATOMIC_RELEASE);
	take(STEP_WRITE);
	if (now.logs && !write_answer())
		harvest_it();
	ok(!now.bad, T("no write is lost"));
	is(klog_count(klog, "WARNING"), 0, T("no warning"));
	close(klog);
	bed_close(&bed);
	slow_close(&slow, &mem);
}

static void test_held(void)
{
	size_t i;

	sys_heap_settle();
	for (i = 0; i < sizeof(helds) / sizeof(helds[0]); i++)
		check_held(&helds[i]);
}

static const struct tap_case cases[] = {
	{ "orders", test_orders },
	{ "failed_vcpu", test_failed_vcpu },
	{ "half_vcpu", test_half_vcpu },
	{ "held", test_held },
};

int main(int argc, char **argv)
{
	struct bed other;

	/* So that the hooks stay, or they would take most of the time. */
	bed_open(&other);
	return RUN_CASES(cases, argc, argv);
}
