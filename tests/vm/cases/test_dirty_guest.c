// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty logging and eager fill: what the guest writes while the log is on is
 * copied into the table with write access, and so importers can write there
 * without a fault that would log it.
 */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define GPA	bed_gpa
#include "dirty.h"
#include "eager.h"
#include "sys.h"

#define SLOT		1
#define PAGES		1024UL
#define SIZE		(PAGES * PAGE_4K)
#define LOG		KVM_MEM_LOG_DIRTY_PAGES
#define MIGRATIONS	6
#define RING_BYTES	0x10000UL
#define NOFAULT		KVM_TDP_DMA_NOFAULT

static const char *const modes[NR_LOG_MODES] = { "get", "clear", "initially set" };

static struct bed bed;
static struct mem mem;
static struct kvm_tdp_stats before;
static enum log_mode mode;
static bool huge;
static char title[64];

#define T(text)		"%s: " text, title

static struct kvm_tdp_stats since(void)
{
	return eager_since(&bed, &before);
}

static void begin(const char *what)
{
	snprintf(title, sizeof(title), "%s, %s, %s", what, huge ? "2M" : "4K",
		 modes[mode]);
	if (huge)
		mem_huge(&mem, SIZE);
	else
		mem_small(&mem, SIZE);
	eager_open(&bed, &before);
	log_set_mode(&bed.vm, mode);
}

static void end(void)
{
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), T("the host's pages"));
	ok(ktdp_counts_agree(bed.tdp), T("leaves are counted"));
	bed_close(&bed);
	mem_free(&mem);
}

static int log_switch(bool on)
{
	return vm_slot(&bed.vm, SLOT, GPA, SIZE, mem.hva, on ? LOG : 0);
}

static struct set harvest(void)
{
	struct set set = { 0 };

	log_harvest(&bed.vm, mode, SLOT, PAGES, set.words);
	return set;
}

static struct set writable(void)
{
	return set_writable(bed.tdp, GPA, PAGES);
}

static uint64_t page_gpa(size_t page)
{
	return GPA + page * PAGE_4K;
}

static int guest_write(size_t page)
{
	return guest_fill(&bed.vm, page_gpa(page), 8, GEN(1));
}

static int engine_write(size_t page, unsigned int flags)
{
	uint64_t word = page;

	return dma_write(bed.dma, page_gpa(page), &word, sizeof(word), flags);
}

static void for_all(void (*run)(void))
{
	int i;

	for (i = 0; i < 2 * NR_LOG_MODES; i++) {
		mode = i / 2;
		huge = i % 2;
		run();
	}
}

/* A page that KVM has not mapped yet, then one that it only protected. */
static void check_one(void)
{
	struct set two = set_of(7, 2);

	begin("one page");
	is(log_switch(true), 0, T("on"));
	harvest();
	is(guest_write(7), 0, T("guest writes"));
	is(since().faults, 0, T("nobody faulted"));
	ok(set_is(writable(), set_of(7, 1)), T("importers can write there"));
	is(ktdp_level(bed.tdp, page_gpa(7)), 1, T("to that page"));
	is(engine_write(7, NOFAULT), 0, T("the engine does"));
	ok(set_is(harvest(), set_of(7, 1)), T("it is in the log"));
	ok(set_is(writable(), set_of(0, 0)), T("and no longer writable"));
	is(engine_write(7, NOFAULT), -ENXIO, T("not without a fault"));
	is(engine_write(7, 0), 0, T("that the engine makes"));
	ok(set_is(harvest(), set_of(7, 1)), T("it is in the next log"));
	is(guest_write(7) | engine_write(8, 0), 0, T("guest and engine write"));
	ok(set_holds(two, writable()), T("to these two"));
	ok(set_is(harvest(), two), T("and both are in the log"));
	ok(set_is(writable(), set_of(0, 0)), T("none is writable"));
	is(engine_write(7, NOFAULT), -ENXIO, T("none without a fault"));
	end();
}

static void test_one(void)
{
	for_all(check_one);
}

/* All of it, as the guest's writes come; then large leaves again. */
static void check_all(void)
{
	begin("all pages");
	is(log_switch(false), 0, T("off"));
	is(guest_fill(&bed.vm, GPA, SIZE / 2, GEN(1)), 0, T("guest writes half"));
	ok(eager_is(&bed, GPA, SIZE / 2, huge ? 2 : 1, ALL_ACCESS), T("enters"));
	is(log_switch(true), 0, T("on"));
	harvest();
	ok(set_is(writable(), set_of(0, 0)), T("all is protected"));
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(2)), 0, T("guest writes all"));
	ok(eager_is(&bed, GPA + SIZE / 2, SIZE / 2, 1, ALL_ACCESS),
	   T("what is new enters page by page"));
	is(dma_check(bed.dma, GPA, SIZE, GEN(2)), 0, T("engine reads"));
	is(since().faults, 0, T("nobody faulted"));
	ok(set_is(harvest(), set_of(0, PAGES)), T("all is in the log"));
	ok(set_is(writable(), set_of(0, 0)), T("and protected"));
	is(log_switch(false), 0, T("off again"));
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(3)), 0, T("guest writes all"));
	is(dma_check(bed.dma, GPA, SIZE, GEN(3)), 0, T("engine reads"));
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W), 0, T("prefault"));
	ok(eager_is(&bed, GPA, SIZE, huge ? 2 : 1, ALL_ACCESS), T("as before"));
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 4), T("all works"));
	end();
}

static void test_all(void)
{
	for_all(check_all);
}

/* The host takes everything back, or lets it be copied on write. */
static void shake(unsigned int *seed)
{
	pid_t pid;

	if (rand_r(seed) % 2) {
		must(madvise(mem.hva + rand_r(seed) % PAGES * PAGE_4K, PAGE_4K,
			     MADV_DONTNEED));
		return;
	}
	pid = must(fork());
	if (!pid)
		_exit(0);
	sys_wait_exit(pid, 10000);
}

/* Return: what was written; pages may be written and lost again. */
static struct set touch_some(unsigned int *seed)
{
	struct set wrote = { 0 };
	unsigned int i, how;
	size_t page;
	int ret = 0;

	for (i = 0; !ret && i < PAGES / 8; i++) {
		page = rand_r(seed) % PAGES;
		how = rand_r(seed) % 6;
		if (how < 3)
			ret = guest_write(page);
		else if (how == 3)
			ret = engine_write(page, 0);
		else if (how == 4)
			ret = guest_touch(&bed.vm, page_gpa(page), PAGE_4K);
		else
			ret = ktdp_prefault(bed.tdp, page_gpa(page), PAGE_4K, ACC_R);
		if (how < 4)
			set_add(&wrote, page, 1);
		if (i % 32 == 0)
			shake(seed);
	}
	is(ret, 0, T("reads and writes"));
	return wrote;
}

/* Whatever importers can write is in the next harvest, and so is what was. */
static void check_random(void)
{
	unsigned int seed = mode, round, good = 0;
	struct set wrote, could, logged;

	if (huge && mem_skip_thp("random, 2M"))
		return;
	begin("random");
	is(log_switch(false), 0, T("off"));
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(1)), 0, T("guest writes all"));
	is(log_switch(true), 0, T("on"));
	harvest();
	for (round = 0; round < 8 || (round < 100 && since().eager_filled <= PAGES / 8); round++) {
		wrote = touch_some(&seed);
		could = writable();
		logged = harvest();
		good += set_holds(logged, wrote) && set_holds(logged, could) &&
			set_is(writable(), set_of(0, 0));
	}
	is(good, round, T("the log has all that was or could be written"));
	ok(since().eager_filled > PAGES / 8, T("the guest faulted"));
	end();
}

static void test_random(void)
{
	for_all(check_random);
}

static void copy_pages(unsigned char *copy, struct set set)
{
	size_t page;

	for (page = 0; page < PAGES; page++)
		if (set_has(&set, page))
			memcpy(copy + page * PAGE_4K, mem.hva + page * PAGE_4K, PAGE_4K);
}

/*
 * The guest faults all along, for the host forks; how often in a round is up to the
 * scheduler.
 */
static int migrate(unsigned int *seed, unsigned char *copy)
{
	unsigned int round, i;
	int ret = 0;
	pid_t pid;

	for (round = 0; round < 8 || (round < 1000 && since().eager_filled <= PAGES); round++) {
		vm_spin(&bed.vm, page_gpa(rand_r(seed) % (PAGES / 2)), SIZE / 2,
			GEN(0x80 + round));
		for (i = 0; i < 8; i++) {
			pid = must(fork());
			if (!pid)
				_exit(0);
			ret |= engine_write(rand_r(seed) % PAGES, 0);
			ret |= sys_wait_exit(pid, 10000);
			ret |= engine_write(rand_r(seed) % PAGES, 0);
			if (i % 4 == 0)
				copy_pages(copy, harvest());
		}
		vm_spin_stop(&bed.vm);
	}
	return ret;
}

static void test_migrate(void)
{
	static unsigned char copy[SIZE];
	unsigned int i, seed = 1;

	for (i = 0; i < MIGRATIONS; i++) {
		mode = i / 2;
		huge = i % 2;
		if (huge && mem_skip_thp("migrate, 2M"))
			continue;
		begin("migrate");
		is(log_switch(true), 0, T("on"));
		memcpy(copy, mem.hva, SIZE);
		is(migrate(&seed, copy), 0, T("engine writes, host forks"));
		copy_pages(copy, harvest());
		ok(!memcmp(copy, mem.hva, SIZE), T("copy is equal"));
		ok(since().eager_filled > PAGES, T("the guest faulted"));
		end();
	}
}

/* A ring is not reset: pages of the slot that are in it. */
static struct set ring_pages(struct kvm_dirty_gfn *ring, size_t *next, bool take)
{
	struct set set = { 0 };
	size_t i;

	for (i = *next; ring[i].flags == KVM_DIRTY_GFN_F_DIRTY; i++) {
		if (ring[i].slot == SLOT)
			set_add(&set, ring[i].offset, 1);
		if (take)
			__atomic_store_n(&ring[i].flags, KVM_DIRTY_GFN_F_RESET,
					 __ATOMIC_RELEASE);
	}
	if (take)
		*next = i;
	return set;
}

static void *ring_open(void)
{
	struct kvm_enable_cap enable = {
		.cap = KVM_CAP_DIRTY_LOG_RING, .args = { RING_BYTES },
	};
	void *ring;

	mem_small(&mem, SIZE);
	vm_open(&bed.vm);
	must(ioctl(bed.vm.fd, KVM_ENABLE_CAP, &enable));
	vm_add_vcpu(&bed.vm);
	bed.tdp = must(kvm_tdp_create(bed.vm.fd, 0));
	bed.dma = dma_open_on(bed.tdp);
	ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		    bed.vm.vcpu, KVM_DIRTY_LOG_PAGE_OFFSET * PAGE_4K);
	if (ring == MAP_FAILED)
		bail("no dirty ring: errno %d", errno);
	return ring;
}

/* Importers can write, if at all, what is in the ring until that is reset. */
static void test_ring(void)
{
	struct kvm_dirty_gfn *ring = ring_open();
	size_t next = 0, first;
	struct set logged;

	strcpy(title, "ring");
	is(log_switch(true), 0, T("on"));
	for (first = 0; first < 4; first++) {
		is(guest_fill(&bed.vm, page_gpa(first * 16), 32 * PAGE_4K, GEN(first)),
		   0, T("guest writes"));
		is(guest_touch(&bed.vm, page_gpa(600), 8 * PAGE_4K), 0,
		   T("and reads"));
		logged = ring_pages(ring, &next, false);
		ok(set_holds(logged, set_of(first * 16, 32)), T("the ring has it"));
		ok(set_holds(logged, writable()), T("and all that is writable"));
		is(engine_write(300, 0), -EBUSY, T("not the engine's"));
		ring_pages(ring, &next, true);
		ok(must(ioctl(bed.vm.fd, KVM_RESET_DIRTY_RINGS)) >= 32, T("reset"));
		ok(set_is(writable(), set_of(0, 0)), T("nothing is writable"));
		is(engine_write(first * 16, NOFAULT), -ENXIO, T("to the engine"));
	}
	is(log_switch(false), 0, T("off"));
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), T("all works"));
	munmap(ring, RING_BYTES);
	end();
}

static const struct tap_case cases[] = {
	{ "one", test_one },
	{ "all", test_all },
	{ "random", test_random },
	{ "migrate", test_migrate },
	{ "ring", test_ring },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
