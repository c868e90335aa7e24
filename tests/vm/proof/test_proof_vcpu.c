// SPDX-License-Identifier: GPL-2.0-only
/*
 * The proof of the rule of filling, attacked on the way of a vCPU's fault, which
 * is copied into the table as KVM maps it (src/eager.c): the filler is a vCPU
 * that writes to the page, held in KVM's fault handler.
 *
 * All is tried twice: where the vCPU's fault is the first in its 2M, and where
 * it is the second, for which the region's lock has a cursor to the table.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "proof.h"

#define EXIT(reason)	(1000 + (reason))	/* of guest_fill() */

/* Before KVM's mmu_lock, and so before KVM asks whether that is stale. */
static const struct kmod_point point_found = {
	.symbol = "kvm:__gfn_to_pfn_memslot|kvm:__kvm_faultin_pfn", .at_return = true,
};

/* In mmu_lock, behind that question: before KVM's entry, and behind it. */
static const struct kmod_point points_mapping[] = {
	{ .symbol = "kvm:kvm_tdp_mmu_map" },
	{ .symbol = "kvm:make_spte" },
	{ .symbol = "kvm_tdp:ktdp_eager_probe" },
	{ .symbol = "kvm_tdp:ktdp_eager_copy" },
};

/* The last of these is under the lock of the region. */
#define IS_LOCKED(at)	((at) == &points_mapping[3])

/* There as well: it was asked whether the host is at it, the entry is not written. */
static const struct kmod_point point_copying = {
	.symbol = "kvm_tdp:ktdp_table_map", .by_us = true,
};

/* Both entries are written. */
static const struct kmod_point point_mapped = {
	.symbol = "kvm:kvm_tdp_mmu_map", .at_return = true,
};

#define NR(array)	(sizeof(array) / sizeof((array)[0]))

static bool second;

/* The VMA has no 2M of its own, or to change its first page changes all. */
static void get_second(struct mem *mem, size_t size)
{
	mem_new(mem, size, SIZE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	mem_no_thp(mem->hva, size);
}

static void begin(const char *what, const char *how)
{
	struct kvm_tdp_info info;

	snprintf(p.title, sizeof(p.title), "%s, %s%s", what, how,
		 second ? ", second" : "");
	if (second)
		proof_open_vm(get_second, PAGE_2M);
	else
		proof_open_vm(mem_small, SIZE);
	proof_attach();
	is(kvm_tdp_get_info(p.bed.tdp, &info), 0, T("info"));
	is(info.eager, KVM_TDP_EAGER_ON, T("eager fill is on"));
}

/* All of it, so that the data are the same whoever came last. */
static int run_write(void)
{
	int ret = 0;

	if (second)
		ret = guest_fill(&p.bed.vm, GPA + 8 * PAGE_4K, 8, GEN(1));
	return ret ? ret : guest_fill(&p.bed.vm, GPA, PAGE_4K, GEN(2));
}

static void hold_vcpu(const struct kmod_point *at)
{
	struct kmod_point point = *at;

	point.skip += second;
	proof_hold(FILLER, &p.filler, &point);
}

static int write_page(void)
{
	actor_begin(&p.filler, run_write);
	return actor_end(&p.filler);
}

/* What KVM_RUN answers where a fault gets an error. */
static int run_error(const struct change *change)
{
	return change->fault ? -EFAULT : 0;
}

static uint64_t busy(void)
{
	return ktdp_stats(p.bed.tdp).eager_busy - p.before.eager_busy;
}

static void check_mapped(void)
{
	is(ktdp_hpa(p.bed.tdp, GPA), p.hpa, T("it is in the table"));
	ok(ktdp_access(p.bed.tdp, GPA) & ACC_W, T("with write access"));
}

static void check_changed(const struct change *change, int ret)
{
	is(ret, run_error(change), T("the vCPU goes on"));
	if (change->fault)
		check_absent();
	else
		check_new(2);
	proof_close();
}

/* The vCPU may have come back for the new page, or not. */
static void check_not_stale(const struct change *change, int ret)
{
	ok(!ret || ret == run_error(change), T("the vCPU goes on"));
	if (change == &changes[PROTECT])
		ok(ktdp_grants_none(p.bed.tdp, GPA, PAGE_4K, ACC_W),
		   T("nobody may write"));
	proof_close();
}

static void for_changes(void (*run)(const struct change *change))
{
	size_t i;

	for (i = 0; i < 2 * NR_CHANGES; i++) {
		second = i >= NR_CHANGES;
		run(&changes[i % NR_CHANGES]);
	}
}

/* The host is done before the vCPU comes. */
static void check_before(const struct change *change)
{
	begin(change->name, "before");
	is(change->make(), 0, T("the change"));
	check_changed(change, write_page());
}

static void test_before(void)
{
	for_changes(check_before);
}

/* Begun and ended while KVM has the page and not yet its lock. */
static void check_between(const struct change *change)
{
	begin(change->name, "between");
	hold_vcpu(&point_found);
	proof_run_to(FILLER, &p.filler, run_write);
	is(change->make(), 0, T("the change"));
	proof_go(FILLER);
	check_changed(change, actor_end(&p.filler));
}

static void test_between(void)
{
	for_changes(check_between);
}

/* KVM does not know of it, and maps the page that is going. */
static void check_ours(const struct change *change, const char *how,
		       const struct kmod_point *at)
{
	begin(change->name, how);
	proof_hold(HOST, &p.host, at);
	proof_run_to(HOST, &p.host, change->make);
	is(write_page(), 0, T("the vCPU goes on"));
	ok(busy(), T("its fault is not copied"));
	check_absent();
	proof_go(HOST);
	is(actor_end(&p.host), 0, T("the change"));
	check_absent();
	proof_close();
}

/*
 * KVM knows of it, and lets the vCPU try again and again.  Some kernels look for the page
 * before they ask that (up to 6.8, but it was backported), and what is unmapped is nowhere
 * to be found: that vCPU may be back before the change is made.
 */
static void check_refused(const struct change *change,
			  const struct kmod_point *at)
{
	proof_hold(HOST, &p.host, at);
	proof_run_to(HOST, &p.host, change->make);
	actor_begin(&p.filler, run_write);
	ok(actor_is_busy(&p.filler, 100) || change == &changes[UNMAP],
	   T("the vCPU waits"));
	check_absent();
	proof_go(HOST);
	is(actor_end(&p.host), 0, T("the change"));
	check_changed(change, actor_end(&p.filler));
}

static void check_during(const struct change *change)
{
	check_ours(change, "counted", &point_counted);
	check_ours(change, "cleared", &point_cleared);
	check_ours(change, "told", &point_told);
	check_ours(change, "announced to us", &point_announced);
	begin(change->name, "made");
	check_refused(change, &point_made);
	begin(change->name, "half ended");
	check_refused(change, &point_half_ended);
}

static void test_during(void)
{
	for_changes(check_during);
}

/*
 * Announced to us while the vCPU is in mmu_lock, for which KVM's part waits, or in
 * the lock of the region, for which ours does.
 */
static void check_into_at(const struct change *change,
			  const struct kmod_point *at)
{
	int ret;

	begin(change->name, at->symbol);
	hold_vcpu(at);
	proof_watch(&p.host, IS_LOCKED(at) ? &point_counted : &point_announced);
	proof_run_to(FILLER, &p.filler, run_write);
	actor_begin(&p.host, change->make);
	proof_saw(1);
	ok(actor_is_busy(&p.host, 50), T("the host waits"));
	proof_go(FILLER);
	ret = actor_end(&p.filler);
	is(actor_end(&p.host), 0, T("the change"));
	ok(busy(), T("the fault is not copied"));
	check_not_stale(change, ret);
}

static void check_into(const struct change *change)
{
	size_t i;

	for (i = 0; i < NR(points_mapping); i++)
		check_into_at(change, &points_mapping[i]);
}

static void test_into(void)
{
	for_changes(check_into);
}

/* It was not counted when the vCPU asked: what is copied has to be cleared. */
static void check_copying(const struct change *change)
{
	int ret;

	begin(change->name, "copying");
	hold_vcpu(&point_copying);
	proof_watch(&p.host, &point_counted);
	proof_run_to(FILLER, &p.filler, run_write);
	actor_begin(&p.host, change->make);
	proof_saw(1);
	ok(actor_is_busy(&p.host, 50), T("the host waits"));
	proof_go(FILLER);
	ret = actor_end(&p.filler);
	is(actor_end(&p.host), 0, T("the change"));
	check_told();
	check_not_stale(change, ret);
}

static void test_copying(void)
{
	for_changes(check_copying);
}

/* The same, when the fault has been copied. */
static void check_copied(const struct change *change)
{
	int ret;

	begin(change->name, "copied");
	hold_vcpu(&point_mapped);
	proof_watch(&p.host, &point_announced);
	proof_run_to(FILLER, &p.filler, run_write);
	check_mapped();
	actor_begin(&p.host, change->make);
	proof_saw(1);
	check_told();
	check_absent();
	ok(actor_is_busy(&p.host, 50), T("the host waits"));
	proof_go(FILLER);
	ret = actor_end(&p.filler);
	is(actor_end(&p.host), 0, T("the change"));
	check_not_stale(change, ret);
}

static void test_copied(void)
{
	for_changes(check_copied);
}

static void check_after(const struct change *change)
{
	begin(change->name, "after");
	is(write_page(), 0, T("the vCPU writes"));
	check_mapped();
	is(change->make(), 0, T("the change"));
	check_told();
	check_absent();
	check_changed(change, write_page());
}

static void test_after(void)
{
	for_changes(check_after);
}

/* The VMM changes the slot while the vCPU is in KVM's SRCU section. */
static const struct slot_change {
	const char *name;
	int (*make)(void);
} slot_changes[] = {
	{ "slot deleted", slot_delete },
	{ "slot moved", slot_move },
	{ "slot read-only", slot_read_only },
	{ "slot logged", slot_log },
};

static void hold_and_change(const struct kmod_point *at, int (*make)(void))
{
	hold_vcpu(at);
	proof_run_to(FILLER, &p.filler, run_write);
	if (at == &point_mapped)
		check_mapped();
	actor_begin(&p.host, make);
	ok(actor_is_busy(&p.host, 100), T("the change waits"));
	proof_go(FILLER);
}

/* Whoever may write is in the log. */
static void check_logged(void)
{
	bool writable = ktdp_access(p.bed.tdp, GPA) & ACC_W;
	int logged = slot_harvest();
	uint64_t word = 1;

	ok(logged >= writable, T("who may write is in the log"));
	ok(ktdp_grants_none(p.bed.tdp, GPA, p.mem.size, ACC_W),
	   T("a harvest takes it away"));
	is(dma_write(p.bed.dma, GPA, &word, sizeof(word), 0), 0, T("a write"));
	is(slot_harvest(), 1, T("is logged"));
}

static void check_slot(const struct slot_change *change,
		       const struct kmod_point *at)
{
	int ret;

	begin(change->name, at->symbol);
	hold_and_change(at, change->make);
	ret = actor_end(&p.filler);
	ok(!ret || ret == EXIT(KVM_EXIT_MMIO), T("the vCPU goes on"));
	is(actor_end(&p.host), 0, T("the change"));
	if (at == &point_mapped)
		check_told();
	if (change->make == slot_log) {
		check_logged();
	} else if (change->make == slot_read_only) {
		ok(ktdp_grants_none(p.bed.tdp, GPA, p.mem.size, ACC_W),
		   T("nobody may write"));
	} else {
		check_absent();
	}
	if (change->make == slot_move)
		is(guest_fill(&p.bed.vm, MOVED, SIZE, GEN(3)), 0,
		   T("it works where it is now"));
	proof_close();
}

static void check_slot_everywhere(const struct slot_change *change)
{
	size_t i;

	check_slot(change, &point_found);
	for (i = 0; i < NR(points_mapping); i++)
		check_slot(change, &points_mapping[i]);
	check_slot(change, &point_copying);
	check_slot(change, &point_mapped);
}

static void test_slot(void)
{
	size_t i;

	for (i = 0; i < 2 * NR(slot_changes); i++) {
		second = i >= NR(slot_changes);
		check_slot_everywhere(&slot_changes[i % NR(slot_changes)]);
	}
}

/* The log is harvested before KVM's lock, which the harvest takes. */
static void check_harvest_between(void)
{
	begin("harvest", "between");
	is(slot_log(), 0, T("logging"));
	hold_vcpu(&point_found);
	proof_run_to(FILLER, &p.filler, run_write);
	is(slot_harvest(), 0, T("nothing is in it"));
	proof_go(FILLER);
	is(actor_end(&p.filler), 0, T("the vCPU goes on"));
	check_mapped();
	check_logged();
	proof_close();
}

static void test_harvest_between(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		second = i;
		check_harvest_between();
	}
}

/* ... and inside of it. */
static void check_harvest(const struct kmod_point *at)
{
	begin("harvest", at->symbol);
	is(slot_log(), 0, T("logging"));
	hold_and_change(at, slot_harvest);
	is(actor_end(&p.filler), 0, T("the vCPU goes on"));
	is(actor_end(&p.host), 1, T("the page is in it"));
	check_told();
	check_logged();
	proof_close();
}

static void test_harvest_into(void)
{
	size_t i, j;

	for (i = 0; i < 2; i++) {
		second = i;
		for (j = 0; j < NR(points_mapping); j++)
			check_harvest(&points_mapping[j]);
		check_harvest(&point_copying);
		check_harvest(&point_mapped);
	}
}

/*
 * KVM's entry grants write access before the page is in the log, as where another
 * vCPU's fast_page_fault() gets that far: what is copied puts it there.
 */
static void test_log_first(void)
{
	static const struct kmod_point at = { .symbol = "kvm_tdp:ktdp_eager_probe" };
	struct ktdp_test_unlog unlog = { .gfn = GPA / PAGE_4K };

	for (int i = 0; i < 2; i++) {
		second = i;
		begin("logging", "not yet in the log");
		is(slot_log(), 0, T("logging"));
		hold_vcpu(&at);
		proof_run_to(FILLER, &p.filler, run_write);
		unlog.vm_fd = p.bed.vm.fd;
		kmod_do(p.kmod, KTDP_TEST_UNLOG, &unlog);
		proof_go(FILLER);
		is(actor_end(&p.filler), 0, T("the vCPU goes on"));
		check_mapped();
		check_logged();
		proof_close();
	}
}

/* Somebody else is in the lock of the region: the vCPU waits, and is not left out. */
static int fill_other(void)
{
	return ktdp_prefault(p.bed.tdp, GPA + 4 * PAGE_4K, PAGE_4K, ACC_W);
}

static void test_contended(void)
{
	static const struct kmod_point at = {
		.symbol = "kvm_tdp:ktdp_notifier_is_busy", .by_us = true,
	};

	for (int i = 0; i < 2; i++) {
		second = i;
		begin("another fill", "in the hold");
		proof_hold(HOST, &p.host, &at);
		proof_run_to(HOST, &p.host, fill_other);
		actor_begin(&p.filler, run_write);
		ok(actor_is_busy(&p.filler, 100), T("the vCPU waits"));
		proof_go(HOST);
		is(actor_end(&p.host), 0, T("the fill"));
		is(actor_end(&p.filler), 0, T("the vCPU goes on"));
		check_mapped();
		proof_close();
	}
}

static const struct tap_case cases[] = {
	{ "before", test_before },
	{ "between", test_between },
	{ "during", test_during },
	{ "into", test_into },
	{ "copying", test_copying },
	{ "copied", test_copied },
	{ "after", test_after },
	{ "slot", test_slot },
	{ "harvest_between", test_harvest_between },
	{ "harvest_into", test_harvest_into },
	{ "log_first", test_log_first },
	{ "contended", test_contended },
};

int main(int argc, char **argv)
{
	proof_start();
	return RUN_CASES(cases, argc, argv);
}
