// SPDX-License-Identifier: GPL-2.0-only
/*
 * The proof of the retry protocol (src/notifier.c), attacked line by line on the
 * way of a fault: the filler is a thread that prefaults, held where it has found
 * the page and not yet mapped it.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "proof.h"

/* Within mmap_lock, so only what leaves the VMA alone can come between. */
static const struct kmod_point point_found = {
	.symbol = "hmm_range_fault", .at_return = true,
};

/* Behind it, and not yet in the SRCU section of the commit: the second. */
static const struct kmod_point point_before_commit = {
	.symbol = "__srcu_read_lock", .skip = 1,
};

/* From there: in that section, behind the check of the slot. */
static const struct kmod_point point_slot_checked = {
	.symbol = "_raw_spin_lock", .after = FILLER + 1,
};

/* Under mirror.lock, when both checks are made. */
static const struct kmod_point point_mapping = {
	.symbol = "kvm_tdp:ktdp_mirror_map",
};

static const struct kmod_point point_our_start = {
	.symbol = "kvm_tdp:ktdp_notifier_start",
};

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

/*
 * The host is at it, and the fault waits; but what is unmapped is nowhere to be
 * found, as soon as that is announced.
 */
static int end_both(const struct change *change)
{
	bool waits = change != &changes[UNMAP];
	int ret = 0;

	if (waits)
		ok(actor_is_busy(&p.filler, 100), T("the fault waits"));
	else
		ret = actor_end(&p.filler);
	check_absent();
	proof_go(HOST);
	is(actor_end(&p.host), 0, T("the change"));
	return waits ? actor_end(&p.filler) : ret;
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

/* Begun and ended between find and commit. */
static void check_between_at(const struct change *change,
			     const struct kmod_point *at)
{
	int ret;

	proof_hold(FILLER, &p.filler, at);
	proof_run_to(FILLER, &p.filler, fill);
	is(change->make(), 0, T("the change"));
	proof_go(FILLER);
	ret = actor_end(&p.filler);
	ok(retries(), T("the fault starts over"));
	check_changed(change, ret);
}

static void check_between(const struct change *change)
{
	begin(change->name, "between");
	check_between_at(change, &point_before_commit);
}

static void test_between(void)
{
	for_changes(check_between);
	begin(changes[DROP].name, "between, as soon as found");
	check_between_at(&changes[DROP], &point_found);
}

/* Found and committed while the host is at it. */
static void check_during_at(const struct change *change,
			    const struct kmod_point *at)
{
	int ret;

	proof_hold(HOST, &p.host, at);
	proof_run_to(HOST, &p.host, change->make);
	actor_begin(&p.filler, fill);
	ret = end_both(change);
	/* The others hold mmap_lock. */
	if (change == &changes[DROP])
		ok(retries(), T("the fault starts over"));
	check_changed(change, ret);
}

static void check_during(const struct change *change)
{
	begin(change->name, "zapped");
	check_during_at(change, &point_zapped);
	begin(change->name, "announced");
	check_during_at(change, &point_announced);
	begin(change->name, "made");
	check_during_at(change, &point_made);
}

static void test_during(void)
{
	for_changes(check_during);
}

/* Found before, committed while the host is at it. */
static void check_into_at(const struct change *change,
			  const struct kmod_point *at)
{
	int ret;

	proof_hold(FILLER, &p.filler, &point_before_commit);
	proof_hold(HOST, &p.host, at);
	proof_run_to(FILLER, &p.filler, fill);
	proof_run_to(HOST, &p.host, change->make);
	proof_go(FILLER);
	ret = end_both(change);
	ok(retries(), T("the fault starts over"));
	check_changed(change, ret);
}

static void check_into(const struct change *change)
{
	begin(change->name, "found, zapped");
	check_into_at(change, &point_zapped);
	begin(change->name, "found, announced");
	check_into_at(change, &point_announced);
	begin(change->name, "found, made");
	check_into_at(change, &point_made);
}

static void test_into(void)
{
	for_changes(check_into);
}

/* Found while the host is at it, committed when that has ended. */
static void test_out_of(void)
{
	int ret;

	begin(changes[DROP].name, "announced, found, made");
	proof_hold(FILLER, &p.filler, &point_before_commit);
	proof_hold(HOST, &p.host, &point_announced);
	proof_run_to(HOST, &p.host, changes[DROP].make);
	proof_run_to(FILLER, &p.filler, fill);
	proof_go(HOST);
	is(actor_end(&p.host), 0, T("the change"));
	proof_go(FILLER);
	ret = actor_end(&p.filler);
	ok(retries(), T("the fault starts over"));
	check_changed(&changes[DROP], ret);
}

/* Announced while the commit is under way: it has to wait, and to zap. */
static void check_commit(const struct change *change)
{
	begin(change->name, "while committing");
	proof_hold(FILLER, &p.filler, &point_mapping);
	proof_watch(&p.host, &point_our_start);
	proof_run_to(FILLER, &p.filler, fill);
	actor_begin(&p.host, change->make);
	proof_saw(1);
	ok(actor_is_busy(&p.host, 50), T("the host waits"));
	proof_go(FILLER);
	is(actor_end(&p.filler), 0, T("the fault's answer"));
	is(actor_end(&p.host), 0, T("the change"));
	check_told();
	check_absent();
	proof_close();
}

static void test_commit(void)
{
	for_changes(check_commit);
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

/* One of the pages that are committed together. */
static void check_window(uint64_t first, int (*make)(void),
			 const struct kmod_point *at)
{
	begin(first == GPA ? "first of four" : "third of four", at->symbol);
	aim(first, 4 * PAGE_4K, ACC_W);
	proof_hold(FILLER, &p.filler, &point_before_commit);
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

/* The leaf would reach beyond what was asked for, into what is going. */
static void check_huge(const char *how, const struct kmod_point *at)
{
	snprintf(p.title, sizeof(p.title), "huge, %s", how);
	if (mem_skip_thp(p.title))
		return;
	proof_open_vm(mem_thp, PAGE_2M);
	proof_attach();
	aim(GPA + 9 * PAGE_4K, PAGE_4K, ACC_W);
	ok(mem_is_thp(p.mem.hva), T("the page is huge"));
	proof_hold(FILLER, &p.filler, &point_before_commit);
	proof_hold(HOST, &p.host, at);
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
	check_huge("announced", &point_announced);
	check_huge("made", &point_made);
}

/* The VMM changes the slot between lookup and commit. */
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

static void check_slot(const struct slot_change *change,
		       const struct kmod_point *at, const char *where)
{
	begin(change->name, where);
	access_wanted = change->access;
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

static void test_slot(void)
{
	size_t i;

	for (i = 0; i < sizeof(slot_changes) / sizeof(slot_changes[0]); i++) {
		check_slot(&slot_changes[i], &point_found, "found");
		check_slot(&slot_changes[i], &point_before_commit,
			   "before commit");
	}
}

/* Still there, but with other memory behind the page. */
static int slot_shift(void)
{
	return vm_slot(&p.bed.vm, SLOT, GPA - PAGE_4K, SIZE, p.mem.hva, 0);
}

static void test_slot_shifted(void)
{
	begin("slot shifted", "before commit");
	proof_hold(FILLER, &p.filler, &point_before_commit);
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
	begin("slot shrunk", "before commit");
	aim(GPA, 4 * PAGE_4K, ACC_W);
	proof_hold(FILLER, &p.filler, &point_before_commit);
	proof_run_to(FILLER, &p.filler, fill);
	is(slot_shrink(), 0, T("the change"));
	proof_go(FILLER);
	is(actor_end(&p.filler), -EFAULT, T("the fault's answer"));
	ok(ktdp_mapped(p.bed.tdp, GPA, 2 * PAGE_4K), T("what is left is mapped"));
	ok(ktdp_absent(p.bed.tdp, GPA + 2 * PAGE_4K, SIZE - 2 * PAGE_4K),
	   T("and no more"));
	proof_close();
}

/* What was found for a slot that logs is committed to one that does not. */
static void test_slot_unlogged(void)
{
	begin("slot not logged any more", "before commit");
	is(slot_log(), 0, T("logging"));
	proof_hold(FILLER, &p.filler, &point_before_commit);
	proof_run_to(FILLER, &p.filler, fill);
	is(slot_unlog(), 0, T("the change"));
	proof_go(FILLER);
	is(actor_end(&p.filler), 0, T("the fault's answer"));
	ok(ktdp_access(p.bed.tdp, GPA) & ACC_W, T("write access"));
	proof_close();
}

/*
 * In the SRCU section of the commit, behind the check: whoever changes the slot
 * waits, and takes away what was mapped.
 */
static void check_slot_commit(const struct slot_change *change)
{
	enum { CHECKED = WATCH };

	begin(change->name, "while committing");
	access_wanted = change->access;
	proof_hold(FILLER, &p.filler, &point_before_commit);
	proof_hold(CHECKED, &p.filler, &point_slot_checked);
	proof_run_to(FILLER, &p.filler, fill);
	proof_go(FILLER);
	ok(kmod_is_stopped(p.kmod, CHECKED, ACTOR_PATIENCE), T("checked"));
	actor_begin(&p.host, change->make);
	ok(actor_is_busy(&p.host, 100), T("the change waits"));
	ok(kmod_go(p.kmod, CHECKED), T("until now"));
	is(actor_end(&p.filler), 0, T("the fault's answer"));
	is(actor_end(&p.host), 0, T("the change"));
	ok(ktdp_grants_none(p.bed.tdp, GPA, SIZE, ACC_W), T("no write access"));
	if (change->make != slot_log)
		check_absent();
	check_told();
	proof_close();
}

static void test_slot_commit(void)
{
	size_t i;

	for (i = 0; i < sizeof(slot_changes) / sizeof(slot_changes[0]); i++)
		check_slot_commit(&slot_changes[i]);
}

/* The log is harvested between lookup and commit. */
static void test_harvest_between(void)
{
	begin("harvest", "between");
	is(slot_log(), 0, T("logging"));
	proof_hold(FILLER, &p.filler, &point_before_commit);
	proof_run_to(FILLER, &p.filler, fill);
	is(slot_harvest(), 0, T("nothing is in it"));
	proof_go(FILLER);
	is(actor_end(&p.filler), 0, T("the fault's answer"));
	check_logged();
	proof_close();
}

/* ... and between bit and leaf. */
static void test_harvest_commit(void)
{
	begin("harvest", "while committing");
	is(slot_log(), 0, T("logging"));
	proof_hold(FILLER, &p.filler, &point_mapping);
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
	{ "during", test_during },
	{ "into", test_into },
	{ "out_of", test_out_of },
	{ "commit", test_commit },
	{ "after", test_after },
	{ "two", test_two },
	{ "elsewhere", test_elsewhere },
	{ "window", test_window },
	{ "huge", test_huge },
	{ "slot", test_slot },
	{ "slot_shifted", test_slot_shifted },
	{ "slot_shrunk", test_slot_shrunk },
	{ "slot_unlogged", test_slot_unlogged },
	{ "slot_commit", test_slot_commit },
	{ "harvest_between", test_harvest_between },
	{ "harvest_commit", test_harvest_commit },
};

int main(int argc, char **argv)
{
	proof_start();
	return RUN_CASES(cases, argc, argv);
}
