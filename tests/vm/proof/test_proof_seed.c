// SPDX-License-Identifier: GPL-2.0-only
/*
 * The proof of the rule of filling, attacked on the way of the seed: what KVM has
 * mapped is copied when a TDP fd is created (src/seed.c).  The filler creates it,
 * held before and behind the lock under which it copies the page, and in it.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "proof.h"

#define GFN	(GPA / PAGE_4K)
#define NR(array)	(sizeof(array) / sizeof((array)[0]))

/* The slot has been looked up; before the lock of the region. */
static const struct kmod_point point_slot = {
	.symbol = "kvm_tdp:ktdp_kvm_slot", .at_return = true,
	.arg_nr = 2, .arg = GFN,
};

/* In it, before the check and before KVM's entries are read.  The argument is the hva. */
static const struct kmod_point point_locked = {
	.symbol = "kvm_tdp:ktdp_notifier_is_busy", .arg_nr = 2,
};

/* ... and behind it. */
static const struct kmod_point point_copying = {
	.symbol = "kvm_tdp:ktdp_fill_run", .arg_nr = 3, .arg = GFN,
};

/* The lock has been let go; the next window is looked at. */
static const struct kmod_point point_written = {
	.symbol = "kvm_tdp:ktdp_kvm_walk",
	.arg_nr = 3, .arg = GFN + PAGE_2M / PAGE_4K,
};

/*
 * The hook has zapped the slot here, KVM not yet there.  The last two, of kernels
 * where no other function is left for a probe, are in KVM's mmu_lock.
 */
static const struct kmod_point point_half_flushed = {
	.symbol = "kvm:kvm_page_track_flush_slot|kvm:kvm_mmu_zap_all_fast|kvm:kvm_tdp_mmu_invalidate_all_roots|kvm:kvm_tdp_mmu_invalidate_roots",
};

/* The hook has taken write access away here, KVM not yet there. */
static const struct kmod_point point_half_protected = {
	.symbol = "kvm:kvm_tdp_mmu_clear_dirty_pt_masked",
};

static int run_create(void)
{
	return kvm_tdp_create(p.bed.vm.fd, 0);
}

static int run_guest(void)
{
	return guest_fill(&p.bed.vm, GPA, SPARE, GEN(1));
}

/* The guest has written all but the spare page. */
static void begin(const char *what, const char *how)
{
	snprintf(p.title, sizeof(p.title), "%s, %s", what, how);
	proof_open_vm(mem_small, SIZE);
	actor_begin(&p.filler, run_guest);
	is(actor_end(&p.filler), 0, T("the guest writes"));
}

static void create(void)
{
	actor_begin(&p.filler, run_create);
	proof_adopt(actor_end(&p.filler));
}

/* What is not in the way of the change has to be there, however it came. */
static void check_rest(void)
{
	ok(ktdp_mapped(p.bed.tdp, GPA + PAGE_4K, SPARE - PAGE_4K),
	   T("the other pages are there"));
}

static void for_changes(void (*run)(const struct change *change))
{
	size_t i;

	for (i = 0; i < NR_CHANGES; i++)
		run(&changes[i]);
}

static void test_undisturbed(void)
{
	begin("nothing", "undisturbed");
	create();
	is(ktdp_hpa(p.bed.tdp, GPA), p.hpa, T("it is in the table"));
	ok(ktdp_access(p.bed.tdp, GPA) & ACC_W, T("with write access"));
	check_rest();
	ok(p.before.seeded >= SPARE / PAGE_4K, T("%llu pages seeded"),
	   p.before.seeded);
	proof_close();
}

static void check_before(const struct change *change)
{
	begin(change->name, "before");
	is(change->make(), 0, T("the change"));
	create();
	check_absent();
	check_rest();
	proof_close();
}

static void test_before(void)
{
	for_changes(check_before);
}

/* Nobody becomes a notifier in the midst of a change. */
static void check_during(const struct change *change)
{
	begin(change->name, "announced to KVM");
	proof_hold(HOST, &p.host, &point_announced);
	proof_run_to(HOST, &p.host, change->make);
	actor_begin(&p.filler, run_create);
	ok(actor_is_busy(&p.filler, 100), T("creation waits"));
	proof_go(HOST);
	is(actor_end(&p.host), 0, T("the change"));
	proof_adopt(actor_end(&p.filler));
	check_absent();
	check_rest();
	proof_close();
}

static void test_during(void)
{
	for_changes(check_during);
}

/* All of a change falls where creation is held. */
static void check_all_at(const struct change *change, const char *what,
			 const struct kmod_point *point)
{
	begin(change->name, what);
	proof_hold(FILLER, &p.filler, point);
	proof_run_to(FILLER, &p.filler, run_create);
	is(change->make(), 0, T("the change"));
	proof_go(FILLER);
	proof_adopt(actor_end(&p.filler));
	check_absent();
	check_rest();
	proof_close();
}

static void check_between(const struct change *change)
{
	check_all_at(change, "between", &point_slot);
}

static void test_between(void)
{
	for_changes(check_between);
}

/* The host is at it when the lock is taken. */
static void check_into_at(const struct change *change,
			  const struct kmod_point *at)
{
	proof_hold(FILLER, &p.filler, &point_slot);
	proof_hold(HOST, &p.host, at);
	proof_run_to(FILLER, &p.filler, run_create);
	proof_run_to(HOST, &p.host, change->make);
	proof_go(FILLER);
	actor_is_busy(&p.filler, 100);
	proof_go(HOST);
	is(actor_end(&p.host), 0, T("the change"));
	proof_adopt(actor_end(&p.filler));
	check_absent();
	proof_close();
}

static void check_into(const struct change *change)
{
	begin(change->name, "counted");
	check_into_at(change, &point_counted);
	begin(change->name, "cleared");
	check_into_at(change, &point_cleared);
	begin(change->name, "announced");
	check_into_at(change, &point_announced);
	begin(change->name, "made");
	check_into_at(change, &point_made);
	begin(change->name, "half ended");
	check_into_at(change, &point_half_ended);
}

static void test_into(void)
{
	for_changes(check_into);
}

/* The host begins during the hold: it has to wait, and to clear. */
static void check_hold_at(const struct change *change,
			  const struct kmod_point *at)
{
	proof_hold(FILLER, &p.filler, at);
	proof_watch(&p.host, &point_counted);
	proof_run_to(FILLER, &p.filler, run_create);
	actor_begin(&p.host, change->make);
	proof_saw(1);
	ok(actor_is_busy(&p.host, 50), T("the host waits"));
	proof_go(FILLER);
	is(actor_end(&p.host), 0, T("the change"));
	proof_adopt(actor_end(&p.filler));
	check_absent();
}

static void check_hold(const struct change *change)
{
	struct kmod_point locked = point_locked;

	begin(change->name, "in the hold");
	locked.arg = (uintptr_t)p.mem.hva;
	check_hold_at(change, &locked);
	proof_close();
	begin(change->name, "in the hold, copying");
	check_hold_at(change, &point_copying);
	check_rest();
	proof_close();
}

static void test_hold(void)
{
	for_changes(check_hold);
}

/* Written, and not yet created. */
static void check_written(const struct change *change)
{
	check_all_at(change, "written", &point_written);
}

static void test_written(void)
{
	for_changes(check_written);
}

static void check_after(const struct change *change)
{
	begin(change->name, "after");
	create();
	is(ktdp_hpa(p.bed.tdp, GPA), p.hpa, T("it is in the table"));
	is(change->make(), 0, T("the change"));
	check_told();
	check_absent();
	check_rest();
	proof_close();
}

static void test_after(void)
{
	for_changes(check_after);
}

/* The VMM changes the slot: it waits. */
static const struct slot_change {
	const char *name;
	int (*make)(void);
} slot_changes[] = {
	{ "slot deleted", slot_delete },
	{ "slot moved", slot_move },
	{ "slot read-only", slot_read_only },
	{ "slot logged", slot_log },
};

static void change_while_held(const struct kmod_point *at, int (*make)(void))
{
	proof_hold(FILLER, &p.filler, at);
	proof_run_to(FILLER, &p.filler, run_create);
	actor_begin(&p.host, make);
	actor_is_busy(&p.host, 100);
	proof_go(FILLER);
	proof_adopt(actor_end(&p.filler));
}

/* Whoever may write is in the log. */
static void check_logged(void)
{
	bool writable = ktdp_access(p.bed.tdp, GPA) & ACC_W;
	uint64_t word = 1;

	ok(slot_harvest() >= writable, T("who may write is in the log"));
	ok(ktdp_grants_none(p.bed.tdp, GPA, SIZE, ACC_W),
	   T("a harvest takes it away"));
	is(dma_write(p.bed.dma, GPA, &word, sizeof(word), 0), 0, T("a write"));
	is(slot_harvest(), 1, T("is logged"));
}

static void check_slot(const struct slot_change *change, const char *how,
		       const struct kmod_point *at)
{
	begin(change->name, how);
	change_while_held(at, change->make);
	is(actor_end(&p.host), 0, T("the change"));
	if (change->make == slot_log)
		check_logged();
	else if (change->make == slot_read_only)
		ok(ktdp_grants_none(p.bed.tdp, GPA, SIZE, ACC_W),
		   T("nobody may write"));
	else
		ok(ktdp_absent(p.bed.tdp, GPA, SIZE), T("nothing is left of it"));
	proof_close();
}

static void test_slot(void)
{
	size_t i;

	for (i = 0; i < NR(slot_changes); i++) {
		check_slot(&slot_changes[i], "slot", &point_slot);
		check_slot(&slot_changes[i], "copying", &point_copying);
		check_slot(&slot_changes[i], "written", &point_written);
	}
}

/* KVM's entries are there still; but there was time to copy only before. */
static void check_slot_half(const struct slot_change *change)
{
	begin(change->name, "half done");
	proof_hold(FILLER, &p.filler, &point_slot);
	proof_hold(HOST, &p.host, &point_half_flushed);
	proof_run_to(FILLER, &p.filler, run_create);
	actor_begin(&p.host, change->make);
	ok(actor_is_busy(&p.host, 100), T("the change waits"));
	proof_go(FILLER);
	actor_is_busy(&p.filler, 100);
	ok(kmod_is_stopped(p.kmod, HOST, ACTOR_PATIENCE), T("and goes on"));
	proof_go(HOST);
	is(actor_end(&p.host), 0, T("the change"));
	proof_adopt(actor_end(&p.filler));
	ok(ktdp_absent(p.bed.tdp, GPA, SIZE), T("nothing is left of it"));
	proof_close();
}

static void test_slot_half(void)
{
	check_slot_half(&slot_changes[0]);
	check_slot_half(&slot_changes[1]);
}

/* The log has all that was writable when it was on, then it is harvested. */
static int run_relog(void)
{
	int ret = slot_log();

	return ret ? ret : run_guest();
}

static void check_harvest(const char *how, const struct kmod_point *at)
{
	begin("harvest", how);
	actor_begin(&p.filler, run_relog);
	is(actor_end(&p.filler), 0, T("the guest writes to the log"));
	change_while_held(at, slot_harvest);
	is(actor_end(&p.host), 1, T("the page is in it"));
	check_logged();
	proof_close();
}

static void test_harvest(void)
{
	check_harvest("slot", &point_slot);
	check_harvest("copying", &point_copying);
	check_harvest("written", &point_written);
}

/* KVM's entry is writable still, and the bit is in the harvest that goes on. */
static void test_harvest_half(void)
{
	begin("harvest", "half done");
	actor_begin(&p.filler, run_relog);
	is(actor_end(&p.filler), 0, T("the guest writes to the log"));
	proof_hold(FILLER, &p.filler, &point_slot);
	proof_hold(HOST, &p.host, &point_half_protected);
	proof_run_to(FILLER, &p.filler, run_create);
	proof_run_to(HOST, &p.host, slot_harvest);
	proof_go(FILLER);
	actor_is_busy(&p.filler, 100);
	proof_go(HOST);
	is(actor_end(&p.host), 1, T("the page is in it"));
	proof_adopt(actor_end(&p.filler));
	ok(ktdp_grants_none(p.bed.tdp, GPA, SIZE, ACC_W), T("nobody may write"));
	check_logged();
	proof_close();
}

static const struct tap_case cases[] = {
	{ "undisturbed", test_undisturbed },
	{ "before", test_before },
	{ "during", test_during },
	{ "between", test_between },
	{ "into", test_into },
	{ "hold", test_hold },
	{ "written", test_written },
	{ "after", test_after },
	{ "slot", test_slot },
	{ "slot_half", test_slot_half },
	{ "harvest", test_harvest },
	{ "harvest_half", test_harvest_half },
};

int main(int argc, char **argv)
{
	proof_start();
	return RUN_CASES(cases, argc, argv);
}
