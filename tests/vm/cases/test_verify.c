// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_TDP_VERIFY: finds what is wrong, each kind of it planted by the helper
 * module, and raises no alarm however much is going on.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define GPA	bed_gpa
#include "bed.h"
#include "kmod.h"
#include "sys.h"
#include "vmm.h"

#define SLOT	1
#define SIZE	(2 * PAGE_2M)
#define PAGES	(SIZE / PAGE_4K)
#define WHOLE	(1ULL << 57)

/* What makes a leaf writable; and no entry has bit 11. */
#define EPT_WRITABLE	(1ULL << 1 | 1ULL << 9)
#define NPT_WRITABLE	(1ULL << 1 | 1ULL << 6)
#define BIT_11		(1ULL << 11)

static struct bed bed;
static struct mem mem;
static int kmod, handle;

static bool is_clean(const struct kvm_tdp_verify *v)
{
	if (!ktdp_verify_wrong(v) && !v->first_bad)
		return true;
	diag("stale %llu excess %llu no_slot %llu reserved %llu kvm %llu counters %llu, first %#llx",
	     v->stale, v->excess, v->no_slot, v->reserved, v->kvm, v->counters,
	     v->first_bad);
	return false;
}

/* Twice the memory the slot has, so that there is a hole behind it. */
static void begin(uint32_t flags)
{
	bed_open(&bed);
	mem_small(&mem, SIZE);
	is(vm_slot(&bed.vm, SLOT, GPA, SIZE - PAGE_4K, mem.hva, flags), 0, "slot");
	kmod = kmod_open();
	handle = must(kmod_get(kmod, bed.tdp));
}

static void end(void)
{
	kmod_put(kmod, handle);
	close(kmod);
	bed_close(&bed);
	mem_free(&mem);
}

/* Flip bits at @gpa and return the entry. */
static uint64_t poke(uint64_t gpa, uint64_t flip)
{
	struct ktdp_test_poke poke = {
		.handle = handle, .gfn = gpa / PAGE_4K, .flip = flip,
	};

	kmod_do(kmod, KTDP_TEST_POKE, &poke);
	return poke.entry;
}

static void test_clean(void)
{
	struct kvm_tdp_verify v;
	struct mem huge;

	begin(0);
	mem_huge(&huge, PAGE_2M);
	vm_map(&bed.vm, 2, GPA_LOW, &huge);
	is(guest_fill(&bed.vm, GPA, PAGE_2M, GEN(1)), 0, "guest writes 4K pages");
	is(guest_fill(&bed.vm, GPA_LOW, PAGE_2M, GEN(1)), 0, "and a 2M page");
	is(ktdp_prefault(bed.tdp, GPA + PAGE_2M, PAGE_2M - PAGE_4K, ACC_R), 0,
	   "the rest is faulted in");
	is(kvm_tdp_verify_range(bed.tdp, 0, WHOLE, &v), 0, "verify all");
	ok(is_clean(&v), "nothing is wrong");
	is(v.undecided, 0, "nor undecided");
	ok(v.pages >= PAGES - 1 + 512, "pages of all kinds: %llu", v.pages);
	ok(v.leaves < v.pages - 510, "in fewer leaves: %llu", v.leaves);
	is(kvm_tdp_verify_range(bed.tdp, GPA, PAGE_4K, &v), 0, "verify a page");
	is(v.pages, 1, "is one page");
	is(v.gpa, GPA + PAGE_4K, "and ends behind it");
	is(kvm_tdp_verify_range(bed.tdp, GPA + SIZE, PAGE_1G, &v), 0, "verify nothing");
	is(v.pages, 0, "is no page");
	end();
	mem_free(&huge);
}

static void test_stale(void)
{
	struct kvm_tdp_verify v;
	uint64_t gpa = GPA + 7 * PAGE_4K, other, flip;

	begin(0);
	is(guest_fill(&bed.vm, GPA, PAGE_2M, GEN(1)), 0, "guest writes");
	other = poke(gpa + PAGE_4K, 0);
	flip = poke(gpa, 0) ^ other;
	poke(gpa, flip);
	is(kvm_tdp_verify_range(bed.tdp, 0, WHOLE, &v), 0, "another page is planted: verify");
	is(v.stale, 1, "one is stale");
	is(v.kvm, 1, "and not what KVM maps");
	is(ktdp_verify_wrong(&v), 2, "nothing else is wrong");
	is(v.first_bad, gpa, "it is that one");
	is(kvm_tdp_verify_range(bed.tdp, gpa + PAGE_4K, SIZE, &v), 0, "verify behind it");
	ok(is_clean(&v), "nothing is wrong");
	poke(gpa, flip);
	is(kvm_tdp_verify_range(bed.tdp, 0, WHOLE, &v), 0, "it is put right: verify");
	ok(is_clean(&v), "nothing is wrong");
	end();
}

/* HMM does not look at memory that may be written and not read; KVM does. */
static void test_write_only(void)
{
	struct kvm_tdp_verify v;

	begin(0);
	must(mprotect(mem.hva, PAGE_2M, PROT_WRITE));
	is(ktdp_prefault(bed.tdp, GPA, 2 * PAGE_4K, ACC_W), 0, "two pages");
	is(kvm_tdp_verify_range(bed.tdp, 0, WHOLE, &v), 0, "verify all");
	is(ktdp_verify_wrong(&v), 0, "nothing is wrong");
	is(v.undecided, 2, "but of two pages it is not known");
	end();
}

/* The host has nothing where a leaf is. */
static void test_stale_gone(void)
{
	struct kvm_tdp_verify v;
	uint64_t entry;

	begin(0);
	is(ktdp_prefault(bed.tdp, GPA, 2 * PAGE_4K, ACC_W), 0, "two pages");
	entry = poke(GPA, 0);
	must(madvise(mem.hva, PAGE_4K, MADV_DONTNEED));
	poke(GPA, entry);
	is(kvm_tdp_verify_range(bed.tdp, 0, WHOLE, &v), 0, "a leaf outlived its page: verify");
	is(v.stale, 1, "it is stale");
	is(v.first_bad, GPA, "it is that one");
	poke(GPA, entry);
	is(kvm_tdp_verify_range(bed.tdp, 0, WHOLE, &v), 0, "it is put right: verify");
	ok(is_clean(&v), "nothing is wrong");
	end();
}

static void check_excess(const char *what, uint64_t gpa)
{
	uint64_t writable = vm_is_intel() ? EPT_WRITABLE : NPT_WRITABLE;
	struct kvm_tdp_verify v;

	is(kvm_tdp_verify_range(bed.tdp, 0, WHOLE, &v), 0, "%s: verify", what);
	ok(is_clean(&v), "%s: nothing is wrong", what);
	poke(gpa, writable);
	is(kvm_tdp_verify_range(bed.tdp, 0, WHOLE, &v), 0, "%s: made writable: verify", what);
	is(v.excess, 1, "%s: one page too much", what);
	is(ktdp_verify_wrong(&v), 1, "%s: nothing else", what);
	is(v.first_bad, gpa, "%s: that one", what);
	poke(gpa, writable);
}

static void test_excess(void)
{
	begin(KVM_MEM_READONLY);
	memset(mem.hva, 1, SIZE);
	is(ktdp_prefault(bed.tdp, GPA, PAGE_2M, ACC_R), 0, "read-only slot");
	check_excess("slot", GPA + PAGE_4K);
	end();

	begin(0);
	memset(mem.hva, 1, SIZE);
	must(mprotect(mem.hva, PAGE_2M, PROT_READ));
	is(ktdp_prefault(bed.tdp, GPA, PAGE_2M, ACC_R), 0, "read-only in the host");
	check_excess("host", GPA + PAGE_2M - PAGE_4K);
	end();

	begin(KVM_MEM_LOG_DIRTY_PAGES);
	memset(mem.hva, 1, SIZE);
	is(ktdp_prefault(bed.tdp, GPA, PAGE_2M, ACC_R), 0, "a slot that logs");
	is(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_W), 0, "one page in the log");
	check_excess("log", GPA + PAGE_4K);
	end();
}

static void test_no_slot(void)
{
	uint64_t gpa = GPA + SIZE - PAGE_4K, entry;
	struct kvm_tdp_verify v;

	begin(0);
	is(ktdp_prefault(bed.tdp, gpa - PAGE_4K, PAGE_4K, ACC_W), 0,
	   "the last page of the slot");
	entry = poke(gpa - PAGE_4K, 0);
	poke(gpa, entry);
	is(kvm_tdp_verify_range(bed.tdp, 0, WHOLE, &v), 0, "a leaf behind the slot: verify");
	is(v.no_slot, 1, "one is in no slot");
	is(v.stale, 0, "which is all there is to say of it");
	ok(v.counters, "but that it is not counted");
	is(v.first_bad, gpa, "it is that one");
	poke(gpa, entry);
	end();
}

static void test_reserved(void)
{
	struct kvm_tdp_verify v;

	begin(0);
	is(ktdp_prefault(bed.tdp, GPA, PAGE_2M, ACC_W), 0, "pages");
	poke(GPA + PAGE_4K, BIT_11);
	is(kvm_tdp_verify_range(bed.tdp, 0, WHOLE, &v), 0, "a reserved bit: verify");
	is(v.reserved, 1, "one has reserved bits");
	is(ktdp_verify_wrong(&v), 1, "nothing else is wrong");
	is(v.first_bad, GPA + PAGE_4K, "it is that one");
	poke(GPA + PAGE_4K, BIT_11);
	end();
}

static void test_counters(void)
{
	struct kvm_tdp_verify v;
	uint64_t entry;

	begin(0);
	is(ktdp_prefault(bed.tdp, GPA, PAGE_2M, ACC_W), 0, "pages");
	entry = poke(GPA, 0);
	poke(GPA, entry);
	is(kvm_tdp_verify_range(bed.tdp, 0, WHOLE, &v), 0, "a leaf vanishes: verify");
	is(v.counters, 1, "one counter is wrong");
	is(ktdp_verify_wrong(&v), 1, "nothing else is");
	is(kvm_tdp_verify_range(bed.tdp, GPA, SIZE, &v), 0, "a part only: verify");
	ok(is_clean(&v), "the counters are not looked at");
	poke(GPA, entry);
	is(kvm_tdp_verify_range(bed.tdp, 0, WHOLE, &v), 0, "it is put right: verify");
	ok(is_clean(&v), "nothing is wrong");
	end();
}

struct churn {
	bool stop;
	unsigned long rounds;
};

/* All that makes leaves come, go, and change their access. */
static void *churn_thread(void *arg)
{
	struct churn *churn = arg;
	struct kvm_dirty_log log = { .slot = SLOT };
	uint64_t bits[PAGES / 64];

	log.dirty_bitmap = bits;
	while (!__atomic_load_n(&churn->stop, __ATOMIC_ACQUIRE)) {
		size_t at = rand() % (PAGES - 2) * PAGE_4K;

		ktdp_prefault(bed.tdp, GPA + at, PAGE_4K, rand() & 1 ? ACC_W : ACC_R);
		switch (rand() % 6) {
		case 0:
			madvise(mem.hva + at, PAGE_4K, MADV_DONTNEED);
			break;
		case 1:
			mprotect(mem.hva + at, PAGE_4K, PROT_READ);
			mprotect(mem.hva + at, PAGE_4K, PROT_READ | PROT_WRITE);
			break;
		case 2:
			vm_slot(&bed.vm, SLOT, GPA, SIZE - PAGE_4K, mem.hva,
				rand() & 1 ? KVM_MEM_LOG_DIRTY_PAGES : 0);
			break;
		case 3:
			ioctl(bed.vm.fd, KVM_GET_DIRTY_LOG, &log);
			break;
		case 4:
			vm_slot(&bed.vm, SLOT, 0, 0, NULL, 0);
			vm_slot(&bed.vm, SLOT, GPA, SIZE - PAGE_4K, mem.hva, 0);
			break;
		}
		__atomic_add_fetch(&churn->rounds, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_live(void)
{
	uint64_t bad = 0, pages = 0, retries = 0, undecided = 0;
	struct churn churn = { 0 };
	struct kvm_tdp_verify v;
	unsigned int round;
	pthread_t thread;

	begin(0);
	must(-pthread_create(&thread, NULL, churn_thread, &churn));
	/* It is short of time where all of KVM's locks sleep (PREEMPT_RT). */
	for (round = 0; round < 150 ||
	     (round < 4000 && (pages <= 100 ||
			       __atomic_load_n(&churn.rounds, __ATOMIC_RELAXED) <= 100));
	     round++) {
		guest_touch(&bed.vm, GPA, SIZE - PAGE_4K);
		must(kvm_tdp_verify_range(bed.tdp, GPA, SIZE, &v));
		bad += !is_clean(&v);
		pages += v.pages;
		retries += v.retries;
		undecided += v.undecided;
	}
	__atomic_store_n(&churn.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	is(bad, 0, "no alarm while everything changes");
	ok(churn.rounds > 100, "as it did, %lu times", churn.rounds);
	ok(pages > 100, "pages looked at: %llu", (unsigned long long)pages);
	ok(undecided * 10 <= pages, "undecided: %llu", (unsigned long long)undecided);
	diag("retries: %llu", (unsigned long long)retries);
	end();
}

static void test_exiting(void)
{
	struct kvm_tdp_verify v;
	struct vmm vmm;
	int vm, tdp;

	vmm_start(&vmm);
	vm = must(vmm_steal_fd(&vmm));
	tdp = must(kvm_tdp_create(vm, 0));
	is(kvm_tdp_verify_range(tdp, 0, WHOLE, &v), 0, "another process's VM: verify");
	ok(is_clean(&v), "nothing is wrong");
	ok(v.pages, "pages: %llu", v.pages);
	ok(vmm_kill(&vmm), "the process is killed");
	is(kvm_tdp_verify_range(tdp, 0, WHOLE, &v), -EPERM, "verify");
	close(tdp);
	close(vm);
}

static const struct tap_case cases[] = {
	{ "clean", test_clean },
	{ "stale", test_stale },
	{ "write_only", test_write_only },
	{ "stale_gone", test_stale_gone },
	{ "excess", test_excess },
	{ "no_slot", test_no_slot },
	{ "reserved", test_reserved },
	{ "counters", test_counters },
	{ "live", test_live },
	{ "exiting", test_exiting },
};

int main(int argc, char **argv)
{
	vmm_main(argc, argv);
	return RUN_CASES(cases, argc, argv);
}
