// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty logging with an engine among the writers: what a VMM that migrates a
 * guest by the log relies on.
 */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define GPA	bed_gpa
#include "bed.h"
#include "dirty.h"
#include "sys.h"

#define SLOT		1
#define PAGE		70	/* one in the midst of the slot */
#define MAX_WRITE	0x10000UL
#define GUEST_PAGES	64UL
#define MIGRATIONS	20
#define NR_LAYOUTS	4

static const char *const modes[NR_LOG_MODES] = { "get", "clear", "initially set" };

/* The odd ones are not aligned to the words of the log, nor to 2M. */
static const struct layout {
	const char *name;
	size_t offset;		/* from GPA */
	size_t pages;
	unsigned int level;
} layouts[NR_LAYOUTS] = {
	{ "4K", 0, 1024, 1 },
	{ "4K odd", 3 * PAGE_4K, 1000, 1 },
	{ "2M", 0, 1024, 2 },
	{ "2M odd", PAGE_2M - 3 * PAGE_4K, 1030, 2 },
};

static struct bed bed;
static struct mem mem;

/* What is tested now. */
static enum log_mode mode;
static const struct layout *layout;
static char title[64];
static uint64_t base;		/* of the slot, gpa */
static size_t pages;

#define T(text)		"%s: " text, title

static void vm_enable(uint32_t cap, uint64_t arg)
{
	struct kvm_enable_cap enable = { .cap = cap, .args = { arg } };

	must(ioctl(bed.vm.fd, KVM_ENABLE_CAP, &enable));
}

/* Slots follow each other in guest and host. */
static int log_switch(int slot, bool on)
{
	size_t size = pages * PAGE_4K, at = (slot - SLOT) * size;

	return vm_slot(&bed.vm, slot, base + at, size, mem.hva + at,
		       on ? KVM_MEM_LOG_DIRTY_PAGES : 0);
}

static struct set harvest(int slot)
{
	struct set set = { 0 };

	log_harvest(&bed.vm, mode, slot, pages, set.words);
	return set;
}

static uint64_t page_gpa(size_t page)
{
	return base + page * PAGE_4K;
}

static bool is_writable(size_t page)
{
	return ktdp_access(bed.tdp, page_gpa(page)) & ACC_W;
}

static bool none_is_writable(size_t page, size_t nr)
{
	return ktdp_grants_none(bed.tdp, page_gpa(page), nr * PAGE_4K, ACC_W);
}

static int prefault_write(size_t page, size_t nr)
{
	return ktdp_prefault(bed.tdp, page_gpa(page), nr * PAGE_4K, ACC_W);
}

static int write_page(size_t page, unsigned int flags)
{
	uint64_t word = page;

	return dma_write(bed.dma, page_gpa(page), &word, sizeof(word), flags);
}

/* The engine has written all before anything is logged. */
static void begin(void)
{
	base = GPA + layout->offset;
	pages = layout->pages;
	snprintf(title, sizeof(title), "%s, %s", modes[mode], layout->name);
	if (layout->level == 2)
		mem_huge_at(&mem, pages * PAGE_4K, base % PAGE_2M);
	else
		mem_small_at(&mem, pages * PAGE_4K, base % PAGE_2M);
	bed_open(&bed);
	log_set_mode(&bed.vm, mode);
	vm_map(&bed.vm, SLOT, base, &mem);
	is(dma_fill(bed.dma, base, mem.size, GEN(1)), 0, T("engine writes"));
}

/* The same, and logging is on with an empty log. */
static void begin_logging(void)
{
	begin();
	is(log_switch(SLOT, true), 0, T("logging on"));
	harvest(SLOT);
}

static void end(void)
{
	ok(bed_agrees(&bed, base, mem.hva, mem.size), T("the host's pages"));
	ok(ktdp_counts_agree(bed.tdp), T("leaves are counted"));
	bed_close(&bed);
	mem_free(&mem);
}

static void for_all(void (*run)(void))
{
	size_t i;

	for (i = 0; i < NR_LOG_MODES * NR_LAYOUTS; i++) {
		mode = i % NR_LOG_MODES;
		layout = &layouts[i / NR_LOG_MODES];
		run();
	}
}

/* One writer or the other, or access for one, to one page in eight. */
static int touch_some(struct set *set, unsigned int *seed)
{
	int ret = 0, how;
	size_t page;

	*set = set_of(0, 0);
	for (page = 0; !ret && page < pages; page++) {
		if (rand_r(seed) % 8)
			continue;
		set_add(set, page, 1);
		how = rand_r(seed) % 3;
		if (how == 0)
			ret = write_page(page, 0);
		else if (how == 1)
			ret = prefault_write(page, 1);
		else
			ret = guest_fill(&bed.vm, page_gpa(page), 8, GEN(5));
	}
	return ret;
}

static void check_exact(void)
{
	unsigned int seed = mode, good = 0, round;
	struct set wrote;
	int ret = 0;

	begin_logging();
	is(dma_check(bed.dma, base, mem.size, GEN(1)), 0, T("engine reads"));
	is(ktdp_prefault(bed.tdp, base, mem.size, ACC_R), 0, T("prefault for read"));
	ok(set_is(harvest(SLOT), set_of(0, 0)), T("reads are not logged"));
	for (round = 0; !ret && round < 5; round++) {
		ret = touch_some(&wrote, &seed);
		good += set_is(harvest(SLOT), wrote);
	}
	is(ret, 0, T("engine, guest and prefault get write access"));
	is(good, 5, T("the log has the pages that were written, no others"));
	/* It takes whole windows, and gets these page by page. */
	is(prefault_write(100, 700), 0, T("prefault for write"));
	ok(is_writable(100) && is_writable(799), T("is given"));
	ok(none_is_writable(0, 100) && none_is_writable(800, pages - 800),
	   T("for what was asked"));
	ok(set_is(harvest(SLOT), set_of(100, 700)), T("and logged"));
	ok(none_is_writable(0, pages), T("a harvest takes it away"));
	end();
}

static void check_access(void)
{
	struct told told;
	int round;

	begin_logging();
	for (round = 0; round < 2; round++) {
		is(write_page(PAGE, 0), 0, T("write"));
		ok(is_writable(PAGE), T("granted"));
		is(ktdp_level(bed.tdp, page_gpa(PAGE)), 1, T("to one page"));
		told_begin(&told, bed.dma);
		ok(set_is(harvest(SLOT), set_of(PAGE, 1)), T("logged"));
		ok(!is_writable(PAGE), T("write access is gone"));
		ok(told_covers(&told, page_gpa(PAGE), PAGE_4K), T("importer told"));
		is(write_page(PAGE, KVM_TDP_DMA_NOFAULT), -ENXIO, T("none is left"));
		ok(ktdp_mapped(bed.tdp, page_gpa(PAGE), PAGE_4K), T("but to read"));
		told_begin(&told, bed.dma);
		ok(set_is(harvest(SLOT), set_of(0, 0)), T("logged once"));
		ok(told_nothing(&told), T("an empty harvest takes nothing"));
	}
	end();
}

/* When logging begins readers go on with what they have. */
static void check_on(unsigned int level)
{
	struct told told;

	told_begin(&told, bed.dma);
	is(log_switch(SLOT, true), 0, T("on"));
	if (mode != LOG_INITIALLY_SET) {
		ok(told_covers(&told, base, mem.size), T("on: importer was told"));
		ok(none_is_writable(0, pages), T("on: write access is gone"));
	}
	ok(set_is(harvest(SLOT), set_of(0, mode == LOG_INITIALLY_SET ? pages : 0)),
	   T("on: the first harvest"));
	ok(none_is_writable(0, pages), T("on: all is protected"));
	is(ktdp_level(bed.tdp, page_gpa(3)), level, T("on: leaves stay"));
	ok(ktdp_mapped(bed.tdp, base, mem.size), T("on: all can be read"));
}

static void check_switch(void)
{
	unsigned int level = layout->level;

	begin();
	is(ktdp_level(bed.tdp, page_gpa(3)), level, T("the level"));
	check_on(level);
	is(write_page(PAGE, 0), 0, T("a write"));
	is(dma_check(bed.dma, base, PAGE * PAGE_4K, GEN(1)), 0, T("a read"));
	ok(is_writable(PAGE), T("does not take a neighbour's write access"));
	is(log_switch(SLOT, false), 0, T("off"));
	is(dma_fill(bed.dma, base, mem.size, GEN(2)), 0, T("off: writes"));
	is(prefault_write(0, pages), 0, T("off: prefault"));
	is(ktdp_level(bed.tdp, page_gpa(3)), level, T("off: the level"));
	ok(bed_works(&bed, base, mem.hva, mem.size, 3), T("off: all works"));
	end();
}

/* Slots 1 and 2 log, 3 does not. */
static void check_slots(void)
{
	struct set ends = set_of(0, 1);

	begin();
	vm_unmap(&bed.vm, SLOT);
	pages = 256;
	is(log_switch(1, true) | log_switch(2, true) | log_switch(3, false), 0,
	   T("two slots log, one does not"));
	harvest(1);
	harvest(2);
	is(dma_fill(bed.dma, page_gpa(256) - 8, 16, 0), 0, T("write to 1 and 2"));
	is(dma_fill(bed.dma, page_gpa(512) - 8, 16, 0), 0, T("write to 2 and 3"));
	ok(set_is(harvest(1), set_of(255, 1)), T("slot 1"));
	ok(!is_writable(255) && is_writable(256), T("alone is protected"));
	set_add(&ends, 255, 1);
	ok(set_is(harvest(2), ends), T("slot 2"));
	ok(!is_writable(256) && !is_writable(511), T("is protected"));
	ok(is_writable(512), T("slot 3 is let alone"));
	mem.size = 3 * pages * PAGE_4K;
	end();
}

/* Two words in the middle, then the short last one. */
static void check_partial(void)
{
	struct set all = set_of(0, layout->pages), rest = set_of(0, 64), logged = { 0 };
	size_t last = layout->pages & -64UL;

	if (mode == LOG_GET)
		return;
	begin_logging();
	is(dma_fill(bed.dma, base, mem.size, GEN(2)), 0, T("write all"));
	is(log_clear(&bed.vm, SLOT, 64, 128, all.words), 0, T("clear some"));
	ok(none_is_writable(64, 128), T("protected"));
	set_add(&rest, 192, pages - 192);
	ok(!log_get(&bed.vm, SLOT, logged.words) && set_is(logged, rest), T("the others stay"));
	is(dma_fill(bed.dma, base, mem.size, GEN(3)), 0, T("write all again"));
	ok(!log_get(&bed.vm, SLOT, logged.words) && set_is(logged, all), T("all is logged"));
	is(log_clear(&bed.vm, SLOT, last, pages - last, all.words), 0, T("clear the end"));
	ok(none_is_writable(last, pages - last), T("protected"));
	ok(set_is(harvest(SLOT), set_of(0, last)), T("the rest"));
	ok(none_is_writable(0, pages), T("none is left"));
	end();
}

static void test_quiet(void)
{
	for_all(check_exact);
	for_all(check_access);
	for_all(check_switch);
	for_all(check_slots);
	for_all(check_partial);
}

/*
 * An engine that writes here and there until stopped, and notes for each page
 * the phase that the last write to it fell in as a whole.  Phases are odd
 * between harvests and even in them.
 */
static struct writer {
	pthread_t thread;
	bool stop;
	unsigned int seed, phase;
	int error;
	unsigned int wrote[SET_PAGES];

	/* the harvester's: pages that must have been logged, and were not */
	unsigned long harvests, due, lost;
	unsigned char data[2 * MAX_WRITE];
} writer;

static int writer_write(unsigned int *seed, size_t offset, size_t size)
{
	unsigned char *data = writer.data + rand_r(seed) % MAX_WRITE;
	size_t src = rand_r(seed) % (mem.size - size);
	unsigned int how = rand_r(seed) % 8;
	int ret = 0;

	if (how == 0)
		return dma_copy(bed.dma, base + src, base + offset, size, 0);
	if (how == 1)
		ret = prefault_write(offset / PAGE_4K, 1);
	return ret ? ret : dma_write(bed.dma, base + offset, data, size, 0);
}

static void *writer_thread(void *arg)
{
	unsigned int *seed = &writer.seed, phase;
	size_t size, offset, at;

	while (!writer.error && !__atomic_load_n(&writer.stop, __ATOMIC_ACQUIRE)) {
		size = 1 + rand_r(seed) % (rand_r(seed) % 4 ? 16 : MAX_WRITE);
		offset = rand_r(seed) % (mem.size - size);
		phase = __atomic_load_n(&writer.phase, __ATOMIC_SEQ_CST);
		writer.error = writer_write(seed, offset, size);
		if (phase != __atomic_load_n(&writer.phase, __ATOMIC_SEQ_CST))
			continue;
		for (at = offset & -PAGE_4K; at < offset + size; at += PAGE_4K)
			__atomic_store_n(&writer.wrote[at / PAGE_4K], phase,
					 __ATOMIC_RELAXED);
	}
	return arg;
}

static void writer_start(unsigned int seed)
{
	size_t i;

	memset(&writer, 0, sizeof(writer));
	writer.seed = seed;
	writer.phase = 1;
	for (i = 0; i < sizeof(writer.data); i++)
		writer.data[i] = rand_r(&seed);
	must(-pthread_create(&writer.thread, NULL, writer_thread, NULL));
}

static void writer_end(void)
{
	__atomic_store_n(&writer.stop, true, __ATOMIC_RELEASE);
	pthread_join(writer.thread, NULL);
	is(writer.error, 0, T("engine wrote all along"));
}

static struct set harvest_due(void)
{
	unsigned int phase = __atomic_fetch_add(&writer.phase, 1, __ATOMIC_SEQ_CST);
	struct set logged = harvest(SLOT);
	size_t i;

	for (i = 0; i < pages; i++) {
		if (__atomic_load_n(&writer.wrote[i], __ATOMIC_RELAXED) != phase)
			continue;
		writer.due++;
		writer.lost += !set_has(&logged, i);
	}
	writer.harvests++;
	__atomic_fetch_add(&writer.phase, 1, __ATOMIC_SEQ_CST);
	return logged;
}

/* Bound for the wait until each page of the guest was logged. */
#define RACE_ROUNDS	1000

/*
 * The log goes on and off under a guest and an engine that write, until each page was
 * logged, and one of the engine's before it was harvested.
 * Return: pages that were logged once at least.
 */
static struct set race(void)
{
	const uint64_t all = set_of(0, GUEST_PAGES).words[0];
	struct set seen = { 0 };
	unsigned int rounds = 0;
	uint64_t until;
	int ret = 0, i;

	vm_spin(&bed.vm, base, GUEST_PAGES * PAGE_4K, GEN(9));
	writer_start(mode);
	for (until = sys_now() + 2500; sys_now() < until || rounds < 8 ||
	     ((seen.words[0] != all || !writer.due) && rounds < RACE_ROUNDS); rounds++) {
		usleep(rand() % 2000);
		ret |= log_switch(SLOT, true);
		__atomic_fetch_add(&writer.phase, 2, __ATOMIC_SEQ_CST);
		for (i = rand() % 8; i >= 0; i--) {
			usleep(rand() % 8000);
			seen.words[0] |= harvest_due().words[0];
		}
		ret |= log_switch(SLOT, false);
	}
	writer_end();
	vm_spin_stop(&bed.vm);
	is(ret, 0, T("the log goes on and off"));
	return seen;
}

static void check_race(void)
{
	unsigned int seed = 7;
	struct set wrote;

	begin();
	ok(set_is(race(), set_of(0, GUEST_PAGES)), T("all of the guest was logged"));
	ok(writer.due, T("%lu harvests, %lu pages written by then"), writer.harvests,
	   writer.due);
	is(writer.lost, 0, T("all of them are in the harvest"));
	is(log_switch(SLOT, true), 0, T("on again"));
	harvest(SLOT);
	ok(none_is_writable(0, pages), T("all is protected"));
	is(touch_some(&wrote, &seed), 0, T("writes"));
	ok(set_is(harvest(SLOT), wrote), T("are logged"));
	is(log_switch(SLOT, false), 0, T("off again"));
	ok(bed_works(&bed, base, mem.hva, mem.size, 3), T("all works"));
	end();
}

static void test_race(void)
{
	for_all(check_race);
}

static void copy_pages(unsigned char *copy, struct set set)
{
	size_t at;

	for (at = 0; at < mem.size; at += PAGE_4K)
		if (set_has(&set, at / PAGE_4K))
			memcpy(copy + at, mem.hva + at, PAGE_4K);
}

/* Return: whether there was something to copy when all writers had stopped. */
static bool migrate(unsigned int seed, unsigned char *copy)
{
	unsigned int round, nr = pages / 4;
	bool left;

	memcpy(copy, mem.hva, mem.size);
	writer_start(seed);
	for (round = 0; round < 8; round++) {
		vm_spin(&bed.vm, page_gpa(rand_r(&seed) % (pages - nr)), nr * PAGE_4K,
			GEN(0x80 + round));
		usleep(rand_r(&seed) % 20000);
		copy_pages(copy, harvest(SLOT));
		vm_spin_stop(&bed.vm);
	}
	writer_end();
	left = memcmp(copy, mem.hva, mem.size);
	copy_pages(copy, harvest(SLOT));
	return left;
}

static void test_migrate(void)
{
	static unsigned char copy[SET_PAGES * PAGE_4K];
	unsigned int i, equal = 0, busy = 0;

	for (i = 0; i < MIGRATIONS || (busy <= MIGRATIONS / 2 && i < 10 * MIGRATIONS); i++) {
		mode = i % NR_LOG_MODES;
		layout = &layouts[i % NR_LAYOUTS];
		begin();
		is(log_switch(SLOT, true), 0, T("migrate"));
		busy += migrate(i, copy);
		equal += ok(!memcmp(copy, mem.hva, mem.size), T("copy is equal"));
		end();
	}
	is(equal, i, "migrations whose copy is equal");
	ok(busy > MIGRATIONS / 2, "the last harvest counted in %u of them", busy);
}

/* A ring belongs to a vCPU, and an engine is none. */
static void test_ring(void)
{
	struct told told;

	strcpy(title, "ring");
	base = GPA;
	pages = 16;
	mem_small(&mem, pages * PAGE_4K);
	vm_open(&bed.vm);
	vm_enable(KVM_CAP_DIRTY_LOG_RING, 0x10000);
	vm_add_vcpu(&bed.vm);
	bed.tdp = must(kvm_tdp_create(bed.vm.fd, 0));
	bed.dma = dma_open();
	is(kvm_tdp_dma_attach(bed.dma, bed.tdp), 0, T("attach"));
	vm_map(&bed.vm, SLOT, base, &mem);
	is(dma_fill(bed.dma, base, mem.size, GEN(1)), 0, T("writes without a log"));
	told_begin(&told, bed.dma);
	is(log_switch(SLOT, true), 0, T("on"));
	ok(told_covers(&told, base, mem.size), T("importer was told"));
	ok(none_is_writable(0, pages), T("protected"));
	is(write_page(1, 0), -EBUSY, T("engine may not write"));
	is(prefault_write(0, 1), -EBUSY, T("nor prefault"));
	is(dma_check(bed.dma, base, mem.size, GEN(1)), 0, T("engine reads"));
	is(guest_fill(&bed.vm, base, mem.size, GEN(2)), 0, T("guest writes"));
	is(dma_check(bed.dma, base, mem.size, GEN(2)), 0, T("engine sees it"));
	is(log_switch(SLOT, false), 0, T("off"));
	ok(bed_works(&bed, base, mem.hva, mem.size, 3), T("all works"));
	end();
}

static const struct tap_case cases[] = {
	{ "quiet", test_quiet },
	{ "race", test_race },
	{ "migrate", test_migrate },
	{ "ring", test_ring },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
