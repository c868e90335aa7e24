// SPDX-License-Identifier: GPL-2.0-only
/*
 * The proof of the rule of filling (src/notifier.c), attacked line by line on the way
 * of a fault: the filler is a thread that prefaults, held between any two steps,
 * while the host, or the VMM, does what it can do then.
 */
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proof.h"
#include "sys.h"

/* The steps of an attempt.  Before the slot is looked up: */
static const struct kmod_point point_begun = {
	.symbol = "__srcu_read_lock", .by_us = true,
};

/* The slot has been looked up, in the SRCU section. */
static const struct kmod_point point_slot = {
	.symbol = "kvm_tdp:ktdp_kvm_slot", .at_return = true, .by_us = true,
};

/* Before the lock of the region; interrupts are off from here on. */
static const struct kmod_point point_locking = {
	.symbol = "_raw_spin_lock", .by_us = true,
};

/* In the hold, before it is asked whether the host is at it ... */
static const struct kmod_point point_locked = {
	.symbol = "kvm_tdp:ktdp_notifier_is_busy", .by_us = true,
};

/* ... and behind that question. */
static const struct kmod_point point_checked = {
	.symbol = "kvm_tdp:ktdp_notifier_is_busy", .at_return = true, .by_us = true,
};

/* The host's table has been walked. */
static const struct kmod_point point_walked = {
	.symbol = "kvm_tdp:ktdp_fill_run", .by_us = true,
};

/* About to write: 4K leaves, and a larger one. */
static const struct kmod_point point_writing = {
	.symbol = "kvm_tdp:ktdp_table_window", .by_us = true,
};

static const struct kmod_point point_writing_large = {
	.symbol = "kvm_tdp:ktdp_table_map", .by_us = true,
};

/* The page's bit in the log is set, its leaf not yet written. */
static const struct kmod_point point_logged = {
	.symbol = "kvm_tdp:ktdp_slot_log_dirty", .at_return = true, .by_us = true,
};

/* GUP has brought what was absent; before the second attempt. */
static const struct kmod_point point_brought = {
	.symbol = "kvm_tdp:ktdp_host_lock", .skip = 1, .by_us = true,
};

#define NR(array)	(sizeof(array) / sizeof((array)[0]))

static uint64_t gpa = GPA;
static size_t size = PAGE_4K;
static unsigned int access_wanted = ACC_W;

/* EAGAIN: the host would not leave it alone for a second. */
static int fill(void)
{
	int ret;

	do {
		ret = ktdp_prefault(p.bed.tdp, gpa, size, access_wanted);
	} while (ret == -EAGAIN);
	return ret;
}

static void aim(uint64_t at, size_t length, unsigned int access)
{
	gpa = at;
	size = length;
	access_wanted = access;
}

static void begin(const char *what, const char *how)
{
	snprintf(p.title, sizeof(p.title), "%s, %s", what, how);
	aim(GPA, PAGE_4K, ACC_W);
	proof_open();
}

static uint64_t retries(void)
{
	return ktdp_stats(p.bed.tdp).retries - p.before.retries;
}

static void check_changed(const struct change *change, int ret)
{
	is(ret, change->fault, T("the fault's answer"));
	if (ret)
		check_absent();
	else
		check_new(2);
	proof_close();
}

/* The host is at it, and the fault waits. */
static int end_both(void)
{
	unsigned int ms = ACTOR_PATIENCE;
	int ret;

	while (!retries() && sys_step(&ms))
		;
	ok(actor_is_busy(&p.filler, 100), T("the fault waits"));
	check_absent();
	proof_go(HOST);
	is(actor_end(&p.host), 0, T("the change"));
	ret = actor_end(&p.filler);
	ok(retries(), T("the fault starts over"));
	return ret;
}

static void for_changes(void (*run)(const struct change *change))
{
	size_t i;

	for (i = 0; i < NR_CHANGES; i++)
		run(&changes[i]);
}

/* The host is done before the fault begins. */
static void check_before(const struct change *change)
{
	begin(change->name, "before");
	is(change->make(), 0, T("the change"));
	actor_begin(&p.filler, fill);
	check_changed(change, actor_end(&p.filler));
}

static void test_before(void)
{
	for_changes(check_before);
}

/* Begun and ended while the filler is held. */
static void check_between_at(const struct change *change,
			     const struct kmod_point *at)
{
	proof_hold(FILLER, &p.filler, at);
	proof_run_to(FILLER, &p.filler, fill);
	p.hpa = mem_hpa(p.mem.hva);
	is(change->make(), 0, T("the change"));
	proof_go(FILLER);
	check_changed(change, actor_end(&p.filler));
}

static void check_between(const struct change *change)
{
	begin(change->name, "before the slot");
	check_between_at(change, &point_begun);
	begin(change->name, "between slot and lock");
	check_between_at(change, &point_slot);
	begin(change->name, "between GUP and the next attempt");
	must(madvise(p.mem.hva, PAGE_4K, MADV_DONTNEED));
	check_between_at(change, &point_brought);
}

static void test_between(void)
{
	for_changes(check_between);
}

/*
 * The filler is another process, and so of another mm: what the host flushes is not in
 * its CPU's TLB, and the host comes to an end although interrupts are off there.
 */
struct far {
	sem_t ready, go;
	int ret;
};

static void far_fill(struct far *far)
{
	actor_bind(p.filler.cpu);
	sem_post(&far->ready);
	while (sem_wait(&far->go))
		;
	far->ret = fill();
	_exit(0);
}

static void test_far(void)
{
	struct far *far = sys_shared(sizeof(*far));
	struct actor filler = { 0 };

	begin(changes[DROP].name, "by another process, before the lock");
	must(sem_init(&far->ready, 1, 0));
	must(sem_init(&far->go, 1, 0));
	must(madvise(p.mem.hva, p.mem.size, MADV_DONTFORK));
	filler.tid = must(fork());
	if (!filler.tid)
		far_fill(far);
	while (sem_wait(&far->ready))
		;
	proof_hold(FILLER, &filler, &point_locking);
	sem_post(&far->go);
	ok(kmod_is_stopped(p.kmod, FILLER, ACTOR_PATIENCE), T("filler is held"));
	actor_begin(&p.host, changes[DROP].make);
	is(actor_end(&p.host), 0, T("the change"));
	proof_go(FILLER);
	is(sys_wait_exit(filler.tid, ACTOR_PATIENCE), 0, T("the process ends"));
	check_changed(&changes[DROP], far->ret);
	munmap(far, sizeof(*far));
}

/* All of the fault while the host is at it. */
static void check_during_at(const struct change *change, const char *how,
			    const struct kmod_point *at)
{
	begin(change->name, how);
	proof_hold(HOST, &p.host, at);
	proof_run_to(HOST, &p.host, change->make);
	actor_begin(&p.filler, fill);
	check_changed(change, end_both());
}

static void check_during(const struct change *change)
{
	check_during_at(change, "counted", &point_counted);
	check_during_at(change, "cleared", &point_cleared);
	check_during_at(change, "told", &point_told);
	check_during_at(change, "announced", &point_announced);
	check_during_at(change, "made", &point_made);
}

static void test_during(void)
{
	for_changes(check_during);
}

/* The host is at it for us no more, but for KVM: what it has now is mapped. */
static void test_half_ended(void)
{
	begin(changes[DROP].name, "half ended");
	proof_hold(HOST, &p.host, &point_half_ended);
	proof_run_to(HOST, &p.host, changes[DROP].make);
	actor_begin(&p.filler, fill);
	is(actor_end(&p.filler), 0, T("the fault's answer"));
	proof_go(HOST);
	is(actor_end(&p.host), 0, T("the change"));
	check_changed(&changes[DROP], 0);
}

/* The filler knows the slot when the host begins. */
static void check_into_at(const struct change *change,
			  const struct kmod_point *filler_at,
			  const struct kmod_point *host_at, const char *how)
{
	begin(change->name, how);
	proof_hold(FILLER, &p.filler, filler_at);
	proof_hold(HOST, &p.host, host_at);
	proof_run_to(FILLER, &p.filler, fill);
	proof_run_to(HOST, &p.host, change->make);
	proof_go(FILLER);
	check_changed(change, end_both());
}

static void check_into(const struct change *change)
{
	check_into_at(change, &point_slot, &point_announced, "slot, announced");
	check_into_at(change, &point_slot, &point_made, "slot, made");
	check_into_at(change, &point_locking, &point_counted,
		      "before the lock, counted");
	check_into_at(change, &point_locking, &point_cleared,
		      "before the lock, cleared");
	check_into_at(change, &point_locking, &point_announced,
		      "before the lock, announced");
}

static void test_into(void)
{
	for_changes(check_into);
}

/* The slot is looked up while the host is at it, the lock taken when that has ended. */
static void test_out_of(void)
{
	begin(changes[DROP].name, "announced, slot, made");
	proof_hold(FILLER, &p.filler, &point_slot);
	proof_hold(HOST, &p.host, &point_announced);
	proof_run_to(HOST, &p.host, changes[DROP].make);
	proof_run_to(FILLER, &p.filler, fill);
	proof_go(HOST);
	is(actor_end(&p.host), 0, T("the change"));
	proof_go(FILLER);
	check_changed(&changes[DROP], actor_end(&p.filler));
}

/* The host begins during the hold, for which it has to wait. */
static void begin_hold(const struct change *change, const struct kmod_point *at)
{
	proof_hold(FILLER, &p.filler, at);
	proof_watch(&p.host, &point_counted);
	proof_run_to(FILLER, &p.filler, fill);
	actor_begin(&p.host, change->make);
	proof_saw(1);
	ok(actor_is_busy(&p.host, 50), T("the host waits"));
	proof_go(FILLER);
}

/* It has been counted when the filler asks: nothing is mapped. */
static void check_hold_early(const struct change *change)
{
	int ret;

	begin(change->name, "in the hold, before the check");
	begin_hold(change, &point_locked);
	is(actor_end(&p.host), 0, T("the change"));
	ret = actor_end(&p.filler);
	ok(retries(), T("the fault starts over"));
	check_changed(change, ret);
}

/* Later: it has to clear, and to tell. */
static void check_hold_late(const struct change *change, const char *how,
			    const struct kmod_point *at)
{
	begin(change->name, how);
	begin_hold(change, at);
	is(actor_end(&p.filler), 0, T("the fault's answer"));
	is(actor_end(&p.host), 0, T("the change"));
	check_told();
	check_absent();
	proof_close();
}

static void check_hold(const struct change *change)
{
	check_hold_early(change);
	check_hold_late(change, "in the hold, checked", &point_checked);
	check_hold_late(change, "in the hold, walked", &point_walked);
	check_hold_late(change, "in the hold, writing", &point_writing);
}

static void test_hold(void)
{
	for_changes(check_hold);
}

static void check_after(const struct change *change)
{
	begin(change->name, "after");
	is(fill(), 0, T("the fault's answer"));
	is(ktdp_hpa(p.bed.tdp, GPA), p.hpa, T("mapped"));
	is(change->make(), 0, T("the change"));
	check_told();
	check_absent();
	check_changed(change, fill());
}

static void test_after(void)
{
	for_changes(check_after);
}

/* Two at once, of which one ends: the other's pages stay refused. */
static int other_drop(void)
{
	return sys(madvise(p.mem.hva + 8 * PAGE_4K, PAGE_4K, MADV_DONTNEED));
}

static void check_two(const char *how, int first, int last)
{
	struct actor *actors[] = { [FILLER] = &p.filler, [HOST] = &p.host };

	begin("two at once", how);
	proof_hold(FILLER, &p.filler, &point_announced);
	proof_hold(HOST, &p.host, &point_announced);
	proof_run_to(HOST, &p.host, changes[DROP].make);
	proof_run_to(FILLER, &p.filler, other_drop);
	proof_go(first);
	is(actor_end(actors[first]), 0, T("one ends"));
	aim(last == HOST ? GPA : GPA + 8 * PAGE_4K, PAGE_4K, ACC_W);
	actor_begin(&p.other, fill);
	ok(actor_is_busy(&p.other, 100), T("a fault for the other waits"));
	ok(ktdp_absent(p.bed.tdp, GPA, SIZE), T("nothing is mapped"));
	proof_go(last);
	is(actor_end(actors[last]), 0, T("the other ends"));
	is(actor_end(&p.other), 0, T("and the fault"));
	ok(ktdp_mapped(p.bed.tdp, gpa, PAGE_4K), T("it is mapped"));
	proof_close();
}

static void test_two(void)
{
	check_two("first in, first out", HOST, FILLER);
	check_two("first in, last out", FILLER, HOST);
}

/* What goes on in another 2M holds nobody up. */
static void test_elsewhere(void)
{
	snprintf(p.title, sizeof(p.title), "elsewhere, announced");
	proof_open_vm(mem_small, 2 * PAGE_2M);
	proof_attach();
	proof_hold(HOST, &p.host, &point_announced);
	proof_run_to(HOST, &p.host, changes[DROP].make);
	aim(GPA + PAGE_2M, 4 * PAGE_4K, ACC_W);
	actor_begin(&p.filler, fill);
	is(actor_end(&p.filler), 0, T("the fault's answer"));
	proof_go(HOST);
	is(actor_end(&p.host), 0, T("the change"));
	is(retries(), 0, T("nothing is tried again"));
	ok(ktdp_mapped(p.bed.tdp, gpa, size), T("it is mapped"));
	proof_close();
}

/* Nor does a hold there. */
static void test_elsewhere_hold(void)
{
	snprintf(p.title, sizeof(p.title), "elsewhere, in the hold");
	proof_open_vm(mem_small, 2 * PAGE_2M);
	proof_attach();
	aim(GPA, PAGE_4K, ACC_W);
	proof_hold(FILLER, &p.filler, &point_locked);
	proof_run_to(FILLER, &p.filler, fill);
	is(ktdp_prefault(p.bed.tdp, GPA + PAGE_2M, PAGE_4K, ACC_W), 0,
	   T("another fault's answer"));
	proof_go(FILLER);
	is(actor_end(&p.filler), 0, T("the fault's answer"));
	is(ktdp_hpa(p.bed.tdp, GPA), p.hpa, T("it is mapped"));
	proof_close();
}

/* What is too large to be counted by pieces of 2M. */
#define LARGE_SIZE	(96 * PAGE_2M)

static int large_drop(void)
{
	return sys(madvise(p.mem.hva, LARGE_SIZE, MADV_DONTNEED));
}

static void test_large(void)
{
	snprintf(p.title, sizeof(p.title), "large, announced");
	proof_open_vm(mem_small, LARGE_SIZE);
	proof_attach();
	aim(GPA + 70 * PAGE_2M, PAGE_4K, ACC_W);
	proof_hold(HOST, &p.host, &point_announced);
	proof_run_to(HOST, &p.host, large_drop);
	actor_begin(&p.filler, fill);
	ok(actor_is_busy(&p.filler, 100), T("the fault waits"));
	ok(ktdp_absent(p.bed.tdp, gpa, PAGE_4K), T("nothing is mapped"));
	proof_go(HOST);
	is(actor_end(&p.host), 0, T("the change"));
	is(actor_end(&p.filler), 0, T("the fault's answer"));
	proof_close();
}

/* One of the pages that are mapped in one hold. */
static void check_window(uint64_t first, int (*make)(void),
			 const struct kmod_point *at)
{
	begin(first == GPA ? "first of four" : "third of four", at->symbol);
	aim(first, 4 * PAGE_4K, ACC_W);
	proof_hold(FILLER, &p.filler, &point_slot);
	proof_hold(HOST, &p.host, at);
	proof_run_to(FILLER, &p.filler, fill);
	proof_run_to(HOST, &p.host, make);
	proof_go(FILLER);
	ok(actor_is_busy(&p.filler, 100), T("the fault waits"));
	ok(ktdp_absent(p.bed.tdp, GPA, SIZE), T("nothing is mapped"));
	proof_go(HOST);
	is(actor_end(&p.host), 0, T("the change"));
	is(actor_end(&p.filler), 0, T("the fault's answer"));
	ok(ktdp_mapped(p.bed.tdp, gpa, size), T("all are mapped"));
	proof_close();
}

static void test_window(void)
{
	check_window(GPA, changes[DROP].make, &point_announced);
	check_window(GPA, changes[DROP].make, &point_made);
	check_window(GPA + 6 * PAGE_4K, other_drop, &point_announced);
	check_window(GPA + 6 * PAGE_4K, other_drop, &point_made);
}

/* What one hold maps (KTDP_HOLD_ENTRIES). */
#define HOLD	(32 * PAGE_4K)

/* There are several holds to one look at the slot; each asks anew. */
static int late_drop(void)
{
	return sys(madvise(p.mem.hva + 100 * PAGE_4K, PAGE_4K, MADV_DONTNEED));
}

static void test_batch(void)
{
	struct kmod_point second = point_locking;

	snprintf(p.title, sizeof(p.title), "between two holds");
	proof_open_vm(mem_small, PAGE_2M);
	mem_fill(p.mem.hva, GPA, PAGE_2M, GEN(1));
	proof_attach();
	aim(GPA, PAGE_2M / 4, ACC_W);
	/* The table is there, so that no lock is taken but the region's. */
	is(ktdp_prefault(p.bed.tdp, GPA + size, PAGE_4K, ACC_W), 0, T("a page"));
	second.skip = 1;
	proof_hold(FILLER, &p.filler, &second);
	proof_hold(HOST, &p.host, &point_announced);
	proof_run_to(FILLER, &p.filler, fill);
	ok(ktdp_mapped(p.bed.tdp, GPA, HOLD), T("the first hold's"));
	ok(ktdp_absent(p.bed.tdp, GPA + HOLD, size - HOLD),
	   T("and no more"));
	proof_run_to(HOST, &p.host, late_drop);
	proof_go(FILLER);
	ok(actor_is_busy(&p.filler, 100), T("the fault waits"));
	ok(ktdp_absent(p.bed.tdp, GPA + HOLD, size - HOLD),
	   T("nothing is added"));
	proof_go(HOST);
	is(actor_end(&p.host), 0, T("the change"));
	is(actor_end(&p.filler), 0, T("the fault's answer"));
	ok(ktdp_mapped(p.bed.tdp, GPA, size), T("all are mapped"));
	proof_close();
}

/* The leaf would reach beyond what was asked for, into what is going. */
static bool begin_huge(const char *what, const char *how)
{
	snprintf(p.title, sizeof(p.title), "%s, %s", what, how);
	if (mem_skip_thp(p.title))
		return false;
	proof_open_vm(mem_thp, PAGE_2M);
	proof_attach();
	aim(GPA + 9 * PAGE_4K, PAGE_4K, ACC_W);
	ok(mem_is_thp(p.mem.hva), T("the page is huge"));
	return true;
}

static void check_huge(const char *how, const struct kmod_point *filler_at,
		       const struct kmod_point *host_at)
{
	if (!begin_huge("huge", how))
		return;
	proof_hold(FILLER, &p.filler, filler_at);
	proof_hold(HOST, &p.host, host_at);
	proof_run_to(FILLER, &p.filler, fill);
	proof_run_to(HOST, &p.host, changes[DROP].make);
	proof_go(FILLER);
	actor_is_busy(&p.filler, 100);
	check_absent();
	proof_go(HOST);
	is(actor_end(&p.host), 0, T("the change"));
	is(actor_end(&p.filler), 0, T("the fault's answer"));
	is(ktdp_level(p.bed.tdp, gpa), 1, T("the leaf is small"));
	proof_close();
}

static void test_huge(void)
{
	check_huge("announced", &point_slot, &point_announced);
	check_huge("made", &point_slot, &point_made);
	check_huge("before the lock, announced", &point_locking, &point_announced);
}

/* What is going is a part of the leaf that is being written: all of that goes. */
static void test_huge_hold(void)
{
	if (!begin_huge("huge", "in the hold"))
		return;
	begin_hold(&changes[DROP], &point_writing_large);
	is(actor_end(&p.filler), 0, T("the fault's answer"));
	is(actor_end(&p.host), 0, T("the change"));
	ok(kmod_covered(p.kmod, 0, GPA, PAGE_2M), T("the importer was told of all"));
	ok(ktdp_absent(p.bed.tdp, GPA, PAGE_2M), T("nothing is mapped"));
	proof_close();
}

/*
 * Two who take the same away: the second finds nothing any more; but when it comes
 * back, the importer has been told, though the first one has not got there.
 */
static int drop_again(void)
{
	return sys(madvise(p.mem.hva, PAGE_4K, MADV_DONTNEED));
}

static void begin_second(void)
{
	static const struct kmod_point telling = {
		.symbol = "kvm_tdp:ktdp_importers_invalidate",
	};

	is(fill(), 0, T("the fault's answer"));
	proof_hold(HOST, &p.host, &telling);
}

static void end_second(uint64_t size_told)
{
	ok(kmod_covered(p.kmod, 0, GPA, size_told), T("the importer was told"));
	proof_go(HOST);
	is(actor_end(&p.host), 0, T("the change"));
	check_told();
}

static void check_second(int (*make)(void), int ret)
{
	begin_second();
	proof_run_to(HOST, &p.host, changes[DROP].make);
	check_absent();
	kmod_forget(p.kmod, 0);
	actor_begin(&p.other, make);
	is(actor_end(&p.other), ret, T("the second"));
	end_second(PAGE_4K);
	proof_close();
}

static void test_second(void)
{
	begin("a second one", "the same page");
	check_second(drop_again, 0);
	begin("a second one", "harvest");
	is(slot_log(), 0, T("logging"));
	check_second(slot_harvest, 1);
}

/* Another page of a leaf that is gone: told of all that, before it is split. */
static void test_second_huge(void)
{
	if (!begin_huge("a second one", "another page of the same leaf"))
		return;
	begin_second();
	proof_hold(FILLER, &p.filler, &point_told);
	proof_run_to(HOST, &p.host, changes[DROP].make);
	check_absent();
	kmod_forget(p.kmod, 0);
	proof_run_to(FILLER, &p.filler, other_drop);
	end_second(PAGE_2M);
	proof_go(FILLER);
	is(actor_end(&p.filler), 0, T("the second"));
	proof_close();
}

/* The VMM changes the slot before it is looked up. */
static const struct slot_change {
	const char *name;
	int (*make)(void);
	unsigned int access;
	int fault;
} slot_changes[] = {
	{ "slot deleted", slot_delete, ACC_W, -EFAULT },
	{ "slot moved", slot_move, ACC_W, -EFAULT },
	{ "slot read-only", slot_read_only, ACC_W, -EACCES },
	{ "slot read-only, read", slot_read_only, ACC_R, 0 },
	{ "slot logged", slot_log, ACC_W, 0 },
	{ "slot logged, read", slot_log, ACC_R, 0 },
};

/* Whoever may write is in the log. */
static void check_logged(void)
{
	bool writable = ktdp_access(p.bed.tdp, GPA) & ACC_W;

	is(writable, access_wanted == ACC_W, T("write access"));
	is(slot_harvest(), writable, T("the log"));
	ok(ktdp_grants_none(p.bed.tdp, GPA, SIZE, ACC_W), T("and that is all"));
}

static void check_slot_at(const struct slot_change *change,
			  const struct kmod_point *at)
{
	proof_hold(FILLER, &p.filler, at);
	proof_run_to(FILLER, &p.filler, fill);
	is(change->make(), 0, T("the change"));
	proof_go(FILLER);
	is(actor_end(&p.filler), change->fault, T("the fault's answer"));
	is(ktdp_mapped(p.bed.tdp, GPA, PAGE_4K), !change->fault, T("mapped"));
	if (change->make == slot_log)
		check_logged();
	else
		ok(ktdp_grants_none(p.bed.tdp, GPA, SIZE, ACC_W),
		   T("no write access"));
	if (change->make == slot_move)
		is(ktdp_prefault(p.bed.tdp, MOVED, SIZE, ACC_W), 0,
		   T("it can be had where it is now"));
	proof_close();
}

static void check_slot(const struct slot_change *change)
{
	begin(change->name, "before the slot");
	access_wanted = change->access;
	check_slot_at(change, &point_begun);
}

static void test_slot(void)
{
	size_t i;

	for (i = 0; i < NR(slot_changes); i++)
		check_slot(&slot_changes[i]);
}

/* ... or between two attempts. */
static void check_slot_brought(const struct slot_change *change)
{
	begin(change->name, "between GUP and the next attempt");
	access_wanted = change->access;
	must(madvise(p.mem.hva, PAGE_4K, MADV_DONTNEED));
	check_slot_at(change, &point_brought);
}

static void test_slot_brought(void)
{
	size_t i;

	for (i = 0; i < NR(slot_changes); i++)
		check_slot_brought(&slot_changes[i]);
}

/* Still there, but with other memory behind the page. */
static int slot_shift(void)
{
	return vm_slot(&p.bed.vm, SLOT, GPA - PAGE_4K, SIZE, p.mem.hva, 0);
}

static void test_slot_shifted(void)
{
	begin("slot shifted", "before the slot");
	proof_hold(FILLER, &p.filler, &point_begun);
	proof_run_to(FILLER, &p.filler, fill);
	is(slot_shift(), 0, T("the change"));
	proof_go(FILLER);
	is(actor_end(&p.filler), 0, T("the fault's answer"));
	is(ktdp_hpa(p.bed.tdp, GPA), mem_hpa(p.mem.hva + PAGE_4K),
	   T("what is mapped is the slot's"));
	is(slot_delete(), 0, T("delete the slot"));
	proof_close();
}

/* Still there, but not all of it. */
static int slot_shrink(void)
{
	int ret = slot_delete();

	return ret ? ret : vm_slot(&p.bed.vm, SLOT, GPA, 2 * PAGE_4K,
				   p.mem.hva, 0);
}

static void test_slot_shrunk(void)
{
	begin("slot shrunk", "before the slot");
	aim(GPA, 4 * PAGE_4K, ACC_W);
	proof_hold(FILLER, &p.filler, &point_begun);
	proof_run_to(FILLER, &p.filler, fill);
	is(slot_shrink(), 0, T("the change"));
	proof_go(FILLER);
	is(actor_end(&p.filler), -EFAULT, T("the fault's answer"));
	ok(ktdp_mapped(p.bed.tdp, GPA, 2 * PAGE_4K), T("what is left is mapped"));
	ok(ktdp_absent(p.bed.tdp, GPA + 2 * PAGE_4K, SIZE - 2 * PAGE_4K),
	   T("and no more"));
	proof_close();
}

/* Not logged any more. */
static void test_slot_unlogged(void)
{
	begin("slot not logged any more", "before the slot");
	is(slot_log(), 0, T("logging"));
	proof_hold(FILLER, &p.filler, &point_begun);
	proof_run_to(FILLER, &p.filler, fill);
	is(slot_unlog(), 0, T("the change"));
	proof_go(FILLER);
	is(actor_end(&p.filler), 0, T("the fault's answer"));
	ok(ktdp_access(p.bed.tdp, GPA) & ACC_W, T("write access"));
	proof_close();
}

/*
 * The slot has been looked up: whoever changes it waits for the SRCU section, and
 * takes away what was mapped.
 */
static void check_slot_held(const struct slot_change *change,
			    const struct kmod_point *at, const char *how)
{
	begin(change->name, how);
	access_wanted = change->access;
	proof_hold(FILLER, &p.filler, at);
	proof_run_to(FILLER, &p.filler, fill);
	actor_begin(&p.host, change->make);
	ok(actor_is_busy(&p.host, 100), T("the change waits"));
	proof_go(FILLER);
	is(actor_end(&p.filler), 0, T("the fault's answer"));
	is(actor_end(&p.host), 0, T("the change"));
	ok(ktdp_grants_none(p.bed.tdp, GPA, SIZE, ACC_W), T("no write access"));
	if (change->make != slot_log)
		check_absent();
	check_told();
	proof_close();
}

static void test_slot_held(void)
{
	size_t i;

	for (i = 0; i < NR(slot_changes); i++) {
		check_slot_held(&slot_changes[i], &point_slot,
				"between slot and lock");
		check_slot_held(&slot_changes[i], &point_locking,
				"before the lock");
		check_slot_held(&slot_changes[i], &point_writing,
				"in the hold, writing");
	}
}

/* The log is harvested before the page's bit is set. */
static void check_harvest_early(const char *how, const struct kmod_point *at)
{
	begin("harvest", how);
	is(slot_log(), 0, T("logging"));
	proof_hold(FILLER, &p.filler, at);
	proof_run_to(FILLER, &p.filler, fill);
	is(slot_harvest(), 0, T("nothing is in it"));
	proof_go(FILLER);
	is(actor_end(&p.filler), 0, T("the fault's answer"));
	check_logged();
	proof_close();
}

static void test_harvest_early(void)
{
	check_harvest_early("before the slot", &point_begun);
	check_harvest_early("between slot and lock", &point_slot);
	check_harvest_early("in the hold", &point_writing);
}

/* ... and between bit and leaf. */
static void test_harvest_hold(void)
{
	begin("harvest", "between bit and leaf");
	is(slot_log(), 0, T("logging"));
	proof_hold(FILLER, &p.filler, &point_logged);
	proof_run_to(FILLER, &p.filler, fill);
	actor_begin(&p.host, slot_harvest);
	ok(actor_is_busy(&p.host, 50), T("the harvest waits"));
	proof_go(FILLER);
	is(actor_end(&p.filler), 0, T("the fault's answer"));
	is(actor_end(&p.host), 1, T("the page is in it"));
	ok(ktdp_mapped(p.bed.tdp, GPA, PAGE_4K), T("it is mapped"));
	ok(ktdp_grants_none(p.bed.tdp, GPA, SIZE, ACC_W), T("to read"));
	check_told();
	proof_close();
}

static const struct tap_case cases[] = {
	{ "before", test_before },
	{ "between", test_between },
	{ "far", test_far },
	{ "during", test_during },
	{ "half_ended", test_half_ended },
	{ "into", test_into },
	{ "out_of", test_out_of },
	{ "hold", test_hold },
	{ "after", test_after },
	{ "two", test_two },
	{ "elsewhere", test_elsewhere },
	{ "elsewhere_hold", test_elsewhere_hold },
	{ "large", test_large },
	{ "window", test_window },
	{ "batch", test_batch },
	{ "huge", test_huge },
	{ "huge_hold", test_huge_hold },
	{ "second", test_second },
	{ "second_huge", test_second_huge },
	{ "slot", test_slot },
	{ "slot_brought", test_slot_brought },
	{ "slot_shifted", test_slot_shifted },
	{ "slot_shrunk", test_slot_shrunk },
	{ "slot_unlogged", test_slot_unlogged },
	{ "slot_held", test_slot_held },
	{ "harvest_early", test_harvest_early },
	{ "harvest_hold", test_harvest_hold },
};

int main(int argc, char **argv)
{
	proof_start();
	return RUN_CASES(cases, argc, argv);
}
