// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: fuzz [CALLS [SEED [chance]]]
 *
 * The fuzzer, see fuzz.h.  Without a seed it takes a new one, and says which.
 * The same seed gives the same calls, but for what threads and the host do
 * meanwhile.  Where the kernel tells what is reached, that guides it, unless
 * all is to be left to chance.
 */
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "bed.h"
#include "fuzz.h"
#include "sys.h"
#include "uapi.h"

#define EVERYTHING	(1ULL << 52)
#define CHECK		8192	/* steps from one check to the next */
#define LOG		512	/* ... before there is no room for callbacks */
#define WORK		65536	/* ... of a VM that has nothing to do with it */
#define REPORT		60000	/* ms */

static struct bed bed;
static struct mem bed_ram;

void fuzz_one(void)
{
	unsigned int what = roll(10000);

	zoo_tend();
	if (what < 8300)
		fuzz_ioctl();
	else if (what < 8600)
		fuzz_pane();
	else if (what < 8900)
		fuzz_wrong_number();
	else if (what < 9600)
		fuzz_importer();
	else if (what < 9700)
		fuzz_file_op();
	else if (what < 9840)
		fuzz_memory();
	else if (what < 9880)
		fuzz_slot();
	else if (what < 9890)
		fuzz_cap();
	else if (what < 9970)
		fuzz_zoo();
	else if (what < 9997)
		fuzz_capability();
	else
		fuzz_process();
}

/* The host's tables agree with ours, for every VM that is alive. */
static void check_tables(void)
{
	struct beast *beast;

	must(sys_cap(CAP_SYS_ADMIN, true));	/* to verify */
	for (beast = beasts; beast < beasts + FUZZ_BEASTS; beast++) {
		struct kvm_tdp_verify verify;
		int ret;

		if (!beast->used || beast_kind(beast) != FILE_TDP ||
		    beast->file->vm->owner == OWNER_DEAD)
			continue;
		ret = kvm_tdp_verify_range(beast->fd, 0, EVERYTHING, &verify);
		if (ret)
			wrong("verify: %d", ret);
		if (ktdp_verify_wrong(&verify))
			wrong("verify: something is wrong at %#llx",
			      verify.first_bad);
		if (!ktdp_counts_agree(beast->fd))
			wrong("the counters do not agree with the table");
	}
	must(sys_cap(CAP_SYS_ADMIN, fuzz_is_admin));
}

static void check_work(uint64_t step)
{
	unsigned int gen = 2 * (step / WORK) + 1;

	must(sys_cap(CAP_SYS_ADMIN, true));	/* to see host addresses */
	if (!bed_works(&bed, GPA, bed_ram.hva, bed_ram.size, gen) ||
	    !bed_agrees(&bed, GPA, bed_ram.hva, bed_ram.size))
		wrong("a VM that has nothing to do with it does not work");
	must(sys_cap(CAP_SYS_ADMIN, fuzz_is_admin));
}

static void check(uint64_t step)
{
	if (step % LOG == 0)
		importers_check();
	if (step % CHECK)
		return;
	check_tables();
	box_check();
	panes_check();
	if (!window_all_calm())
		wrong("something was written where nothing may be");
	if (step % WORK == 0)
		check_work(step);
}

static void report(uint64_t began)
{
	static uint64_t next;
	uint64_t now = sys_now();

	if (!next)
		next = began + REPORT;
	if (now < next)
		return;
	next += REPORT;
	diag("%llu s: %llu calls, %llu wrong",
	     (unsigned long long)(now - began) / 1000,
	     (unsigned long long)nr_calls(), (unsigned long long)nr_wrong());
}

static bool fails(int kind)
{
	return kind == FUZZ_WRONG_NUMBER || kind == FUZZ_WRONG_FILE;
}

/* The first kind that was never done, or never refused where none can be done. */
static int never_called(void)
{
	int kind;

	for (kind = 0; kind < NR_FUZZ_KINDS; kind++) {
		bool device = kind >= FUZZ_VFIO_ATTACH && kind <= FUZZ_VFIO_GROUP;

		if (!nr_answered(kind, !fails(kind)) && (!device || box_has_device()))
			break;
	}
	return kind;
}

/* Some kinds succeed seldom: up to four times as many calls are made for them. */
static bool has_more(uint64_t calls)
{
	return nr_calls() < calls ||
	       (nr_calls() < 4 * calls && never_called() < NR_FUZZ_KINDS);
}

static void fuzz_run(uint64_t calls, uint64_t seed)
{
	uint64_t step, began = sys_now();

	for (step = 0; has_more(calls); step++) {
		count_step(seed, step);
		check(step);
		fuzz_step_begin(seed, step);
		fuzz_one();
		fuzz_step_end();
		if (step % 1024 == 0)
			report(began);
	}
	began = sys_now() - began;
	diag("%llu steps in %llu s", (unsigned long long)step,
	     (unsigned long long)began / 1000);
}

static void fuzz_open(void)
{
	struct kvm_tdp_info info;

	sys_heap_settle();
	count_open();
	bed_open(&bed);
	must(kvm_tdp_get_info(bed.tdp, &info));
	fuzz_reach = 1ULL << (12 + 9 * info.level);
	mem_small(&bed_ram, 16 * PAGE_4K);
	vm_map(&bed.vm, 1, GPA, &bed_ram);
	host_open();
	window_open();
	panes_open();
	importers_open();
	zoo_open();
}

static void fuzz_close(void)
{
	process_settle();
	check_tables();
	check_work(0);
	importers_settle();
	importers_check();
	panes_close();
	zoo_close();
	box_end();
	importers_close();
	window_close();
	host_close();
	bed_close(&bed);
	mem_free(&bed_ram);
}

static uint64_t new_seed(void)
{
	uint32_t seed;

	must(getrandom(&seed, sizeof(seed), 0));
	return seed;
}

int main(int argc, char **argv)
{
	uint64_t calls = argc > 1 ? strtoull(argv[1], NULL, 0) : 100000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : new_seed();
	bool guided = argc < 4 || strcmp(argv[3], "chance");
	int first, kind;

	if (argc > 2 && !strcmp(argv[1], FUZZ_EXECED))
		return fuzz_execed(atoi(argv[2]));
	diag("%llu calls, seed %llu", (unsigned long long)calls,
	     (unsigned long long)seed);
	if (!box_has_device())
		diag("no device behind an IOMMU: nothing of VFIO is called");
	first = uapi_free_fd();
	fuzz_open();
	if (cover_open(guided))
		diag("the kernel tells what is reached");
	fuzz_run(calls, seed);
	fuzz_close();
	is(nr_wrong(), 0, "every answer, and all that was written, is right");
	ok(nr_calls() >= calls, "%llu calls", (unsigned long long)nr_calls());
	kind = never_called();
	if (kind < NR_FUZZ_KINDS)
		diag("%s was never %s", kind_name(kind), fails(kind) ? "refused" : "done");
	is(kind, NR_FUZZ_KINDS, "every kind of call was made, and done");
	cover_close();
	is(uapi_free_fd(), first, "no descriptor is left");
	count_print();
	cover_print();
	return done();
}
