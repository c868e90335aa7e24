// SPDX-License-Identifier: GPL-2.0-only
/*
 * A Linux guest under stock QEMU.  Whatever KVM has mapped for it is in the
 * exported table, without a fault: because its vCPUs put it there (TDP fd from
 * the first instruction on), or because creation copied it (TDP fd later).
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "corefile.h"
#include "kmod.h"
#include "ktdp.h"
#include "mem.h"
#include "qemu.h"
#include "sys.h"
#include "tap.h"

#define SPACE		(1ULL << 47)
/* The least a Linux that has done linux-init's work has touched. */
#define TOUCHED		(64UL << 20)
/* What one transfer reads. */
#define CHUNK		(1UL << 20)

#define THP		"/sys/kernel/mm/transparent_hugepage/"

/**
 * struct tally - KVM's table against ours; pages of 4K
 * @pages: that KVM maps: RAM in slots of the VMM
 * @huge: of them, in leaves of 2M and more
 * @skipped: that KVM maps, and nobody else may
 * @missing: not in ours
 * @missing_leaves: KVM's leaves that lack a page in ours, at least
 * @elsewhere: in ours with another host page
 * @read_only: KVM lets the guest write to them, ours does not
 */
struct tally {
	uint64_t pages;
	uint64_t huge;
	uint64_t skipped;
	uint64_t missing;
	uint64_t missing_leaves;
	uint64_t elsewhere;
	uint64_t read_only;
};

struct boot {
	struct qemu qemu;
	struct kmod_kvm_map kvm;
	int kmod;
	int tdp;
};

static struct boot boot;

static void switch_thp(bool on)
{
	if (mem_has_thp() && sys_write(THP "enabled", on ? "always" : "never"))
		bail("no huge pages to switch on or off");
}

static bool is_ram(const struct ktdp_test_kvm_run *run)
{
	return !(run->flags & (KTDP_TEST_KVM_PRIVATE | KTDP_TEST_KVM_NOT_RAM));
}

static const struct kvm_tdp_run *run_at(const struct ktdp_map *map, size_t *next,
					uint64_t gpa)
{
	while (*next < map->nr &&
	       map->runs[*next].gpa + map->runs[*next].length <= gpa)
		(*next)++;
	if (*next < map->nr && map->runs[*next].gpa <= gpa)
		return &map->runs[*next];
	return NULL;
}

static void tally_page(struct tally *tally, const struct ktdp_test_kvm_run *kvm,
		       uint64_t gpa, const struct kvm_tdp_run *ours)
{
	static uint64_t last;
	uint64_t leaf = gpa >> (3 + 9 * kvm->level);

	tally->pages++;
	tally->huge += kvm->level > 1;
	if (!ours) {
		tally->missing_leaves += !tally->missing || leaf != last;
		tally->missing++;
		last = leaf;
		return;
	}
	tally->elsewhere += ours->hpa + (gpa - ours->gpa) !=
			    kvm->hpa + (gpa - kvm->gpa);
	tally->read_only += kvm->flags & KTDP_TEST_KVM_WRITE &&
			    !(ours->access & ACC_W);
}

/* Both tables are read in order, so one pass does. */
static struct tally take_tally(void)
{
	struct tally tally = { 0 };
	struct ktdp_map map;
	uint64_t offset;
	size_t i, next = 0;

	kmod_read_kvm(boot.kmod, boot.qemu.vm_fd, 0, &boot.kvm);
	ktdp_read_map(boot.tdp, 0, SPACE, &map);
	for (i = 0; i < boot.kvm.nr; i++) {
		const struct ktdp_test_kvm_run *run = &boot.kvm.runs[i];

		if (!is_ram(run)) {
			tally.skipped += run->length / PAGE_4K;
			continue;
		}
		for (offset = 0; offset < run->length; offset += PAGE_4K)
			tally_page(&tally, run, run->gpa + offset,
				   run_at(&map, &next, run->gpa + offset));
	}
	ktdp_free_map(&map);
	return tally;
}

static uint64_t dropped(const struct kvm_tdp_stats *stats)
{
	return stats->eager_busy + stats->eager_no_pool + stats->eager_no_room +
	       stats->eager_no_slot + stats->eager_not_ram;
}

static void show(const struct tally *tally, const struct kvm_tdp_stats *stats)
{
	diag("boot: kvm maps %" PRIu64 " pages (%" PRIu64 " huge), and %" PRIu64 " that are not RAM",
	     tally->pages, tally->huge, tally->skipped);
	diag("boot: ours has %" PRIu64 " of them, missing %" PRIu64 " in %" PRIu64 " leaves",
	     tally->pages - tally->missing, tally->missing,
	     tally->missing_leaves);
	diag("boot: elsewhere %" PRIu64 ", read-only %" PRIu64,
	     tally->elsewhere, tally->read_only);
	diag("boot: seeded %llu, eager filled %llu, present %llu, foreign %llu",
	     stats->seeded, stats->eager_filled, stats->eager_present,
	     stats->eager_foreign);
	diag("boot: dropped %llu busy, %llu no pool", stats->eager_busy,
	     stats->eager_no_pool);
	diag("boot: dropped %llu no room, %llu no slot, %llu not RAM",
	     stats->eager_no_room, stats->eager_no_slot, stats->eager_not_ram);
	diag("boot: faults %llu, leaves %llu + %llu + %llu, invalidations %llu",
	     stats->faults, stats->leaves[0], stats->leaves[1],
	     stats->leaves[2], stats->invalidations);
}

static bool below_1_percent(uint64_t part, uint64_t whole)
{
	return part * 100 < whole;
}

/* What is missing must have been counted as dropped, and be little. */
static struct tally check_tally(bool thp, uint64_t may_miss)
{
	struct kvm_tdp_stats stats = ktdp_stats(boot.tdp);
	struct tally tally = take_tally();

	show(&tally, &stats);
	ok(tally.pages >= TOUCHED / PAGE_4K, "KVM maps what Linux has touched");
	ok(thp ? tally.huge > tally.pages / 2 : !tally.huge,
	   thp ? "most of it in huge pages" : "none of it in huge pages");
	ok(below_1_percent(tally.missing, tally.pages),
	   "less than 1 %% of it is missing in ours");
	ok(tally.missing_leaves <= may_miss,
	   "what is missing (%" PRIu64 " leaves) was counted (%" PRIu64 ")",
	   tally.missing_leaves, may_miss);
	is(tally.elsewhere, 0, "ours maps no page elsewhere");
	ok(below_1_percent(tally.read_only, tally.pages),
	   "where KVM grants writes, so does ours");
	is(stats.faults, 0, "nobody has called fault");
	ok(ktdp_counts_agree(boot.tdp), "leaves are as counted");
	return tally;
}

static int read_run(int dma, const struct ktdp_test_kvm_run *run)
{
	static char buf[CHUNK];
	uint64_t done, nr;
	int ret = 0;

	for (done = 0; !ret && done < run->length; done += nr) {
		nr = run->length - done < CHUNK ? run->length - done : CHUNK;
		ret = dma_read(dma, run->gpa + done, buf, nr, 0);
	}
	return ret;
}

/* An importer reads all of it. */
static void check_reads(const struct tally *tally)
{
	struct kvm_tdp_dma_stats stats;
	int dma = dma_open(), failed = 0;
	size_t i;

	is(kvm_tdp_dma_attach(dma, boot.tdp), 0, "the engine attaches");
	for (i = 0; i < boot.kvm.nr; i++)
		failed += is_ram(&boot.kvm.runs[i]) &&
			  read_run(dma, &boot.kvm.runs[i]);
	stats = dma_stats(dma);
	diag("boot: engine read %llu bytes with %llu faults",
	     stats.bytes_read, stats.faults);
	is(failed, 0, "the engine reads all that KVM maps");
	is(stats.bytes_read, tally->pages * PAGE_4K, "every byte of it");
	ok(below_1_percent(stats.faults, tally->pages),
	   "with faults for less than 1 %% of it");
	ok(stats.faults <= tally->missing, "none for what is not missing");
	close(dma);
}

/* In pages; the host's page of zeroes is not counted. */
static long resident(pid_t pid)
{
	char path[32];
	long pages = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%*d %ld", &pages) != 1)
		bail("%s cannot be read", path);
	fclose(file);
	return pages;
}

/* No vCPU runs, so a dump has to be what QEMU has, and Linux's own note comes with it. */
static void check_dump(void)
{
	const Elf64_Nhdr *note;
	struct corefile core;
	char command[128];
	long before = resident(boot.qemu.pid);

	snprintf(command, sizeof(command), "kvm-tdp dump --pid %d /tmp/core 2>&1 | sed 's/^/# /'",
		 boot.qemu.pid);
	sys_run(command);
	ok(resident(boot.qemu.pid) < before + 256,
	   "a dump allocates nothing that QEMU has not touched");
	corefile_open(&core, "/tmp/core");
	is(corefile_differs(&core, boot.tdp, boot.qemu.pid), 0, "a dump is what QEMU has");
	note = corefile_note(&core);
	ok(note && !strcmp((const char *)(note + 1), "VMCOREINFO") &&
	   !strncmp((const char *)(note + 1) + 12, "OSRELEASE=", 10),
	   "the dump begins with VMCOREINFO");
	corefile_close(&core);
	unlink("/tmp/core");
}

static void create(void)
{
	uint64_t start = sys_now();

	boot.tdp = kvm_tdp_create(boot.qemu.vm_fd, 0);
	if (boot.tdp < 0)
		bail("no TDP fd: %d", boot.tdp);
	diag("boot: TDP fd created in %" PRIu64 " ms", sys_now() - start);
}

static void run_until(const char *line)
{
	uint64_t start = sys_now();

	qemu_cont(&boot.qemu);
	qemu_wait_for(&boot.qemu, line);
	qemu_stop(&boot.qemu);
	diag("boot: the guest took %" PRIu64 " ms", sys_now() - start);
	ok(!qemu_has_printed("guest: wrong"), "the guest finds its memory right");
}

static void begin(bool thp, unsigned int vcpus)
{
	switch_thp(thp);
	boot.kmod = kmod_open();
	qemu_start(&boot.qemu, vcpus);
}

static void end(void)
{
	kmod_free_kvm(&boot.kvm);
	close(boot.tdp);
	close(boot.kmod);
	qemu_kill(&boot.qemu);
}

/* The TDP fd is there before the guest is. */
static void boot_with(bool thp, unsigned int vcpus)
{
	struct kvm_tdp_stats stats;
	struct tally tally;

	begin(thp, vcpus);
	create();
	is(ktdp_stats(boot.tdp).seeded, 0, "KVM has mapped nothing yet");
	run_until("guest: worked");
	stats = ktdp_stats(boot.tdp);
	tally = check_tally(thp, dropped(&stats));
	check_reads(&tally);
	check_dump();
	end();
}

/* It comes when the guest is at work, which then goes on. */
static void seed_with(bool thp, unsigned int vcpus)
{
	struct kvm_tdp_stats stats;
	struct tally tally;

	begin(thp, vcpus);
	run_until("guest: worked");
	create();
	stats = ktdp_stats(boot.tdp);
	tally = check_tally(thp, 0);
	is(stats.eager_filled, 0, "no vCPU has run since");
	ok(stats.seeded >= tally.pages - tally.missing,
	   "all of it comes from KVM's table");
	kmod_free_kvm(&boot.kvm);
	run_until("guest: worked more");
	stats = ktdp_stats(boot.tdp);
	ok(stats.eager_filled, "what it touches from now on comes from the vCPU");
	tally = check_tally(thp, dropped(&stats));
	check_reads(&tally);
	end();
}

static void test_boot_4k(void)
{
	boot_with(false, 1);
}

static void test_boot_thp(void)
{
	if (!mem_skip_thp("boot_thp"))
		boot_with(true, 1);
}

static void test_boot_smp(void)
{
	boot_with(false, 2);
}

static void test_seed_4k(void)
{
	seed_with(false, 1);
}

static void test_seed_thp(void)
{
	if (!mem_skip_thp("seed_thp"))
		seed_with(true, 1);
}

static const struct tap_case cases[] = {
	{ "boot_4k", test_boot_4k },
	{ "boot_thp", test_boot_thp },
	{ "boot_smp", test_boot_smp },
	{ "seed_4k", test_seed_4k },
	{ "seed_thp", test_seed_thp },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
