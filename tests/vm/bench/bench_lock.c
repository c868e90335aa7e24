// SPDX-License-Identifier: GPL-2.0-only
/*
 * The longest time for which a table's locks are held, with preemption off, by
 * whatever a guest, a VMM or the holder of a TDP fd can have done; see figure.h
 * for the clock.  Holds into which an interrupt came do not count; each thing is
 * done three times, and the longest hold of all is told.
 *
 * The worst memslot is nearly 1T large: its ends are not aligned, and there is a
 * page in every piece of memory that is cut off there, at all levels.  Nothing
 * that is cut off costs more than its entry.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "figure.h"
#include "kmod.h"
#include "ktdp.h"
#include "mem.h"
#include "sys.h"
#include "tap.h"
#include "vm.h"

#define GPA		0x140000000UL
#define SMALL_SIZE	(16 * PAGE_2M)
#define FULL_GPA	(4 * PAGE_1G)
#define SKEW_GPA	(6 * PAGE_1G + PAGE_4K)
#define HUGE_GPA	(8 * PAGE_1G)
#define FOLIOS_GPA	(10 * PAGE_1G)
#define FOLIOS_SIZE	(4 * PAGE_2M)
#define FOLIO_PIECE	0x20000UL
#define SHMEM_THP	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define WIDE_END	(1UL << 40)
#define WIDE_GPA	0x7000UL		/* after the boot slot */
#define REPEATS		3

/* All of a table's entries are looked at, and some are changed. */
#define LIMIT		5000.0

enum { SLOT_SMALL = 1, SLOT_FULL, SLOT_HUGE, SLOT_THP, SLOT_FOLIOS };

static struct vm vm, wide;
static struct mem small, full, thp, huge, vast, folios;
static int tdp, wide_tdp = -1, kmod, handle;
static double worst;		/* instructions */

static struct ktdp_test_lock lock_do(unsigned int action)
{
	struct ktdp_test_lock lock = { .action = action, .handle = handle };

	kmod_do(kmod, KTDP_TEST_LOCK, &lock);
	return lock;
}

static void prefault(int fd, uint64_t gpa, uint64_t size, unsigned int access)
{
	int ret = ktdp_prefault(fd, gpa, size, access);

	if (ret)
		bail("prefault of %#lx: %d", gpa, ret);
}

/* What is done and timed, and what goes before it each time. */
struct op {
	const char *name;
	void (*prepare)(void);
	void (*run)(void);
};

static void show_op(const struct op *op)
{
	struct ktdp_test_lock lock, most = { 0 };
	char name[64];
	double cost;
	int i;

	for (i = 0; i < REPEATS; i++) {
		if (op->prepare)
			op->prepare();
		lock_do(KTDP_TEST_LOCK_WATCH);
		op->run();
		lock = lock_do(KTDP_TEST_LOCK_LOOK);
		if (lock.longest > most.longest)
			most = lock;
	}
	if (!most.holds)
		bail("%s: no lock was taken", op->name);
	cost = insns(most.longest);
	snprintf(name, sizeof(name), "longest hold: %s", op->name);
	report(name, cost, "insns");
	diag("%llu holds, the longest by %s", (unsigned long long)most.holds, most.holder);
	if (cost > worst)
		worst = cost;
}

static void take_back(const struct mem *mem, size_t size)
{
	must(madvise(mem->hva, size, MADV_DONTNEED));
}

/* Memory that is in the host, and not in the table. */
static void small_unmap(void)
{
	vm_unmap(&vm, SLOT_SMALL);
	vm_map(&vm, SLOT_SMALL, GPA, &small);
}

static void small_map(void)
{
	memset(small.hva, 1, SMALL_SIZE);
	prefault(tdp, GPA, SMALL_SIZE, ACC_W);
}

static void small_log(unsigned int flags)
{
	must(vm_slot(&vm, SLOT_SMALL, GPA, SMALL_SIZE, small.hva, flags));
}

static void small_log_on(void)
{
	small_log(KVM_MEM_LOG_DIRTY_PAGES);
}

static void small_not_logged(void)
{
	small_log(0);
	small_map();
}

static void small_logged(void)
{
	small_not_logged();
	small_log_on();
}

static void fault_page(void)
{
	prefault(tdp, GPA, PAGE_4K, ACC_W);
}

static void fault_window(void)
{
	prefault(tdp, GPA, PAGE_2M, ACC_W);
}

static void fault_small(void)
{
	prefault(tdp, GPA, SMALL_SIZE, ACC_W);
}

static void guest_small(void)
{
	if (guest_touch(&vm, GPA, SMALL_SIZE))
		bail("the guest failed");
}

static void guest_prepare(void)
{
	small_log(0);
	small_unmap();
}

static void zap_page(void)
{
	take_back(&small, PAGE_4K);
}

static void zap_half_window(void)
{
	take_back(&small, PAGE_2M / 2);
}

static void zap_window(void)
{
	take_back(&small, PAGE_2M);
}

static void harvest(void)
{
	static unsigned long bitmap[SMALL_SIZE / PAGE_4K / 64];
	struct kvm_dirty_log log = {
		.slot = SLOT_SMALL, .dirty_bitmap = bitmap,
	};

	must(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log));
}

static void harvest_prepare(void)
{
	small_logged();
	fault_small();
}

/* Seeding is what creating does, when nothing is there yet. */
static void seed_prepare(void)
{
	guest_small();
	close(tdp);
}

static void seed_prepare_logged(void)
{
	small_log_on();
	seed_prepare();
}

/* The end of each folio of 2M is all of it that is mapped. */
static void folios_prepare(void)
{
	uint64_t end;

	take_back(&folios, FOLIOS_SIZE);
	for (end = FOLIOS_GPA + PAGE_2M; end <= FOLIOS_GPA + FOLIOS_SIZE; end += PAGE_2M)
		if (guest_touch(&vm, end - FOLIO_PIECE, FOLIO_PIECE))
			bail("the guest failed");
	close(tdp);
}

static void folios_unmap(void)
{
	vm_unmap(&vm, SLOT_FOLIOS);
	vm_map(&vm, SLOT_FOLIOS, FOLIOS_GPA, &folios);
}

static void folios_fault(void)
{
	prefault(tdp, FOLIOS_GPA, FOLIOS_SIZE, ACC_W);
}

static void seed(void)
{
	tdp = must(kvm_tdp_create(vm.fd, 0));
}

static void teardown(void)
{
	close(tdp);
}

static void teardown_prepare(void)
{
	small_log(0);
	if (fcntl(tdp, F_GETFD) < 0)
		tdp = must(kvm_tdp_create(vm.fd, 0));
	fault_small();
}

static void shrink_prepare(void)
{
	seed();
	fault_small();
}

static void shrink(void)
{
	if (sys_write("/proc/sys/vm/drop_caches", "2"))
		bail("slabs cannot be shrunk");
}

/* A slot of 1G in 4K pages: the same 2M again and again. */
static void full_map_at(uint64_t gpa)
{
	vm_slot(&vm, SLOT_FULL, 0, 0, NULL, 0);	/* if it is there */
	must(vm_slot(&vm, SLOT_FULL, gpa, PAGE_1G, full.hva, 0));
	prefault(tdp, gpa, PAGE_1G, ACC_W);
}

static void full_delete(void)
{
	vm_unmap(&vm, SLOT_FULL);
}

static void full_map(void)
{
	full_map_at(FULL_GPA);
}

static void full_map_skew(void)
{
	full_map_at(SKEW_GPA);
}

static void full_log(void)
{
	must(vm_slot(&vm, SLOT_FULL, FULL_GPA, PAGE_1G, full.hva,
		     KVM_MEM_LOG_DIRTY_PAGES));
}

static void full_verify(void)
{
	struct kvm_tdp_verify verify;

	must(kvm_tdp_verify_range(tdp, 0, -PAGE_4K, &verify));
	if (ktdp_verify_wrong(&verify))
		bail("the table is wrong");
}

static void full_protect(void)
{
	full_map();
	full_log();
}

static void full_write(void)
{
	prefault(tdp, FULL_GPA + PAGE_1G / 2, PAGE_4K, ACC_W);
}

static void huge_unmap(void)
{
	vm_unmap(&vm, SLOT_HUGE);
	vm_map(&vm, SLOT_HUGE, HUGE_GPA, &huge);
}

static void huge_fault(void)
{
	prefault(tdp, HUGE_GPA, PAGE_4K, ACC_W);
	if (ktdp_level(tdp, HUGE_GPA) != 3)
		bail("that is no leaf of 1G");
}

static void thp_unmap(void)
{
	vm_unmap(&vm, SLOT_THP);
	vm_map(&vm, SLOT_THP, HUGE_GPA + PAGE_1G, &thp);
}

static void thp_fault(void)
{
	prefault(tdp, HUGE_GPA + PAGE_1G, PAGE_4K, ACC_W);
	if (ktdp_level(tdp, HUGE_GPA + PAGE_1G) != 2)
		bail("that is no leaf of 2M");
}

/* A page in each piece of @step from @from up to @to. */
static void wide_touch(uint64_t from, uint64_t to, uint64_t step)
{
	for (; from < to; from += step)
		prefault(wide_tdp, from, PAGE_4K, ACC_W);
}

static void wide_slot(unsigned int flags)
{
	must(vm_slot(&wide, 1, WIDE_GPA, vast.size, vast.hva, flags));
}

static void wide_map(void)
{
	vm_slot(&wide, 1, 0, 0, NULL, 0);	/* if it is there */
	wide_slot(0);
	prefault(wide_tdp, WIDE_GPA, PAGE_2M - WIDE_GPA, ACC_W);
	wide_touch(PAGE_2M, PAGE_1G, PAGE_2M);
	wide_touch(PAGE_1G, WIDE_END - PAGE_1G, PAGE_1G);
	wide_touch(WIDE_END - PAGE_1G, WIDE_END - PAGE_2M, PAGE_2M);
	prefault(wide_tdp, WIDE_END - PAGE_2M, PAGE_2M - PAGE_4K, ACC_W);
}

/* Protected by one entry; each level below has 512 of its own. */
static void top_map(void)
{
	uint64_t gpa = WIDE_END / 2, size = WIDE_END / 2;

	vm_slot(&wide, 1, 0, 0, NULL, 0);	/* if it is there */
	must(vm_slot(&wide, 1, gpa, size, vast.hva, 0));
	prefault(wide_tdp, gpa, PAGE_2M, ACC_W);
	wide_touch(gpa + PAGE_2M, gpa + PAGE_1G, PAGE_2M);
	wide_touch(gpa + PAGE_1G, gpa + size, PAGE_1G);
	must(vm_slot(&wide, 1, gpa, size, vast.hva, KVM_MEM_LOG_DIRTY_PAGES));
}

static void wide_delete(void)
{
	vm_unmap(&wide, 1);
}

static void wide_log(void)
{
	wide_slot(KVM_MEM_LOG_DIRTY_PAGES);
}

static void wide_protect(void)
{
	wide_map();
	wide_log();
}

static void wide_write(void)
{
	prefault(wide_tdp, WIDE_END / 2 + PAGE_1G, PAGE_4K, ACC_W);
}

static void top_write(void)
{
	prefault(wide_tdp, WIDE_END / 2, PAGE_4K, ACC_W);
}

static const struct op ops[] = {
	{ "fault of a 4K page", small_unmap, fault_page },
	{ "fault of a 2M page", thp_unmap, thp_fault },
	{ "fault of a 1G page", huge_unmap, huge_fault },
	{ "prefault of 2M in 4K pages", small_unmap, fault_window },
	{ "vCPU's faults, 32M in 4K pages", guest_prepare, guest_small },
	{ "prefault of large folios in 4K pages", folios_unmap, folios_fault },
	{ "zap of a page", small_map, zap_page },
	{ "zap of 1M", small_map, zap_half_window },
	{ "zap of 2M", small_map, zap_window },
	{ "log on, 32M in 4K pages", small_not_logged, small_log_on },
	{ "prefault of 32M that logs", small_logged, fault_small },
	{ "harvest of the log", harvest_prepare, harvest },
	{ "seeding 32M that logs", seed_prepare_logged, seed },
	{ "seeding ends of large folios", folios_prepare, seed },
	{ "teardown, 32M", teardown_prepare, teardown },
	{ "shrinker, 32M", shrink_prepare, shrink },
	{ "slot of 1G deleted", full_map, full_delete },
	{ "slot of 1G that is not aligned deleted", full_map_skew, full_delete },
	{ "slot of 1G, log on", full_map, full_log },
	{ "slot of 1G that logs, first write", full_protect, full_write },
	{ "slot of 1G, verify", NULL, full_verify },
	{ "worst slot of 1T, log on", wide_map, wide_log },
	{ "worst slot of 1T that logs, first write", wide_protect, wide_write },
	{ "worst slot of 1T deleted", wide_map, wide_delete },
	{ "slot of 512G that logs, first write", top_map, top_write },
};

/* Where they are not aligned, the host maps huge pages of a file by small ones. */
static void folios_open(void)
{
	int fd = must(memfd_create("folios", MFD_CLOEXEC));

	must(ftruncate(fd, FOLIOS_SIZE));
	must(sys_write(SHMEM_THP, "force"));
	must(fallocate(fd, 0, 0, FOLIOS_SIZE));
	must(sys_write(SHMEM_THP, "never"));
	mem_new(&folios, FOLIOS_SIZE, PAGE_4K, MAP_SHARED, fd);
	vm_map(&vm, SLOT_FOLIOS, FOLIOS_GPA, &folios);
}

static void setup(void)
{
	vm_open(&vm);
	vm_add_vcpu(&vm);
	vm_open(&wide);
	vm_add_vcpu(&wide);
	mem_small(&small, SMALL_SIZE);
	mem_thp(&thp, PAGE_2M);
	mem_new(&vast, WIDE_END - WIDE_GPA - PAGE_4K, 0,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	mem_no_thp(vast.hva, vast.size);
	must(mem_hugetlb(&huge, PAGE_1G, PAGE_1G));
	mem_repeated(&full, PAGE_1G);
	vm_map(&vm, SLOT_SMALL, GPA, &small);
	vm_map(&vm, SLOT_THP, HUGE_GPA + PAGE_1G, &thp);
	vm_map(&vm, SLOT_HUGE, HUGE_GPA, &huge);
	folios_open();
	vm_map(&wide, 1, WIDE_GPA, &vast);

	tdp = must(kvm_tdp_create(vm.fd, 0));
	wide_tdp = must(kvm_tdp_create(wide.fd, 0));
	kmod = kmod_open();
	handle = must(kmod_get(kmod, wide_tdp));
	lock_do(KTDP_TEST_LOCK_BEGIN);
}

int main(void)
{
	size_t i;

	setup();
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		show_op(&ops[i]);
	within(worst < LIMIT, "the longest hold is %.0f instructions", worst);
	close(kmod);
	close(wide_tdp);
	close(tdp);
	vm_close(&wide);
	vm_close(&vm);
	return done();
}
