// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slots whose memory is the pages of a guest_memfd, which user space maps, too (6.18):
 * what is at the slot's hva counts for fault() alone, and of most that takes a page only
 * KVM is told.  The case "poison" needs a kernel with CONFIG_MEMORY_FAILURE (Debian's
 * amd64 flavour, not its cloud flavour), "seed" KVM's TDP MMU.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define GPA	bed_gpa
#include "eager.h"
#include "gmem.h"
#include "sys.h"

#define SLOT	1
#define SIZE	0x20000UL
#define PAGES	(SIZE / PAGE_4K)
#define HOLE	(3 * PAGE_4K)		/* where one of two pages is punched */
#define HOLE_SIZE (2 * PAGE_4K)
#define WHOLE	(1ULL << 57)

static struct bed bed;
static struct mem mem;
static struct kvm_tdp_stats before;
static struct told told;
static const char *title;

#define T(text)		"%s: " text, title

static struct kvm_tdp_stats since(void)
{
	return eager_since(&bed, &before);
}

static void begin_with(const char *what, uint64_t flags)
{
	title = what;
	eager_open(&bed, &before);
	mem_new(&mem, SIZE, 0, MAP_SHARED, must(gmem_create(&bed.vm, SIZE, flags)));
	is(gmem_slot(&bed.vm, SLOT, GPA, &mem, 0, SIZE, 0), 0, T("slot"));
}

static void begin(const char *what)
{
	begin_with(what, GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED);
}

/* The table is right, by what the file has and KVM maps. */
static void check_verify(uint64_t pages)
{
	struct kvm_tdp_verify v;

	is(kvm_tdp_verify_range(bed.tdp, GPA, SIZE, &v), 0, T("verify"));
	is(ktdp_verify_wrong(&v) + v.undecided, 0, T("nothing is wrong"));
	is(v.pages, pages, T("of so many pages"));
}

static void end(void)
{
	struct kvm_tdp_verify v;

	is(kvm_tdp_verify_range(bed.tdp, 0, WHOLE, &v), 0, T("verify all"));
	is(ktdp_verify_wrong(&v) + v.undecided, 0, T("all is right"));
	ok(ktdp_counts_agree(bed.tdp), T("leaves are counted"));
	bed_close(&bed);
	mem_free(&mem);
}

static int punch(uint64_t offset, size_t size)
{
	return sys(fallocate(mem.fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
			     offset, size));
}

/*
 * All is in the table by the guest's faults, and the host's page table has none of it: of
 * what takes a page only KVM is told.  User space has the pages mapped elsewhere
 * meanwhile, for what it maps nowhere is not copied.
 */
static void fill_by_guest(unsigned int gen)
{
	void *other = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			   mem.fd, 0);

	if (other == MAP_FAILED)
		bail("mmap");
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(gen)), 0, T("guest writes"));
	must(munmap(other, SIZE));
	ok(eager_is(&bed, GPA, SIZE, 1, ALL_ACCESS), T("is in the table"));
	ok(!mem_is_present(mem.hva + HOLE), T("not in the host's"));
}

/* ... by fault(), and it is in the host's page table, too. */
static void fill_by_fault(unsigned int gen)
{
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(gen)), 0, T("guest writes"));
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W), 0, T("prefault"));
	ok(mem_is_present(mem.hva + HOLE), T("the host has it mapped"));
}

static void test_fault(void)
{
	begin("fault");
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(1)), 0, T("guest writes"));
	is(since().eager_not_ram, PAGES, T("pages nobody maps are left out"));
	ok(ktdp_absent(bed.tdp, GPA, SIZE), T("nothing is mapped"));
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W), 0, T("prefault"));
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), T("the host's pages"));
	check_verify(PAGES);
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, T("engine reads"));
	is(dma_fill(bed.dma, GPA, SIZE, GEN(2)), 0, T("engine writes"));
	is(guest_check(&bed.vm, GPA, SIZE, GEN(2)), 0, T("guest reads"));
	ok(mem_check(mem.hva, GPA, SIZE, GEN(2)), T("host reads"));
	end();

	begin("fault first");
	is(dma_fill(bed.dma, GPA, SIZE, GEN(3)), 0, T("engine writes, first of all"));
	ok(mem_check(mem.hva, GPA, SIZE, GEN(3)), T("to the file"));
	is(guest_check(&bed.vm, GPA, SIZE, GEN(3)), 0, T("guest reads"));
	end();
}

static void test_eager(void)
{
	begin("eager");
	mem_fill(mem.hva, GPA, SIZE, GEN(1));
	is(guest_check(&bed.vm, GPA, SIZE, GEN(1)), 0, T("guest reads what the host wrote"));
	is(since().eager_filled, PAGES, T("leaves of vCPU faults"));
	is(since().faults, 0, T("nobody faulted"));
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), T("the host's pages"));
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, T("engine reads"));
	is(dma_stats(bed.dma).faults, 0, T("without a fault"));
	check_verify(PAGES);
	end();

	begin("eager, elsewhere");
	fill_by_guest(1);
	check_verify(PAGES);
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, T("engine reads"));
	is(dma_stats(bed.dma).faults, 0, T("without a fault"));
	end();
}

/* A table made when KVM's was full. */
static void test_seed(void)
{
	begin("seed");
	mem_fill(mem.hva, GPA, SIZE, GEN(1));
	is(guest_check(&bed.vm, GPA, SIZE, GEN(1)), 0, T("guest reads"));
	is(kvm_tdp_dma_detach(bed.dma), 0, T("the table's last user goes"));
	close(bed.tdp);
	bed.tdp = must(kvm_tdp_create(bed.vm.fd, 0));
	ok(ktdp_stats(bed.tdp).seeded >= PAGES, T("copied from KVM's"));
	must(kvm_tdp_dma_attach(bed.dma, bed.tdp));
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, T("engine reads"));
	check_verify(PAGES);
	told_begin(&told, bed.dma);
	is(punch(HOLE, HOLE_SIZE), 0, T("punch"));
	ok(told_of(&told, GPA + HOLE, HOLE_SIZE), T("importer was told"));
	check_verify(PAGES - 2);
	end();
}

static void check_rest(unsigned int gen)
{
	const uint64_t behind = HOLE + HOLE_SIZE;

	ok(told_of(&told, GPA + HOLE, HOLE_SIZE), T("importer was told"));
	ok(ktdp_absent(bed.tdp, GPA + HOLE, HOLE_SIZE), T("nothing is mapped"));
	ok(dma_reaches_none(bed.dma, GPA + HOLE, HOLE_SIZE), T("nor reached"));
	is(dma_check(bed.dma, GPA, HOLE, GEN(gen)), 0, T("data before"));
	is(dma_check(bed.dma, GPA + behind, SIZE - behind, GEN(gen)), 0, T("data behind"));
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(gen + 1)), 0, T("guest writes again"));
	is(dma_check(bed.dma, GPA, SIZE, GEN(gen + 1)), 0, T("engine reads that"));
	ok(mem_check(mem.hva, GPA, SIZE, GEN(gen + 1)), T("and the host"));
}

/* A hole is made, by the file and by the mapping, of pages in all tables or in KVM's. */
static void test_punch(void)
{
	begin("punch");
	fill_by_fault(1);
	told_begin(&told, bed.dma);
	is(punch(HOLE, HOLE_SIZE), 0, T("punch"));
	check_rest(1);
	end();

	begin("punch, told by KVM alone");
	fill_by_guest(1);
	told_begin(&told, bed.dma);
	is(punch(HOLE, HOLE_SIZE), 0, T("punch"));
	check_rest(1);
	end();

	begin("MADV_REMOVE");
	fill_by_fault(1);
	told_begin(&told, bed.dma);
	is(sys(madvise(mem.hva + HOLE, HOLE_SIZE, MADV_REMOVE)), 0, T("remove"));
	check_rest(1);
	end();
}

/* The last reference on the file goes, the slot stays: no memory is behind it. */
static void check_last(void)
{
	told_begin(&told, bed.dma);
	close(mem.fd);
	ok(told_of(&told, GPA, SIZE), T("importer was told"));
	ok(ktdp_absent(bed.tdp, GPA, SIZE), T("nothing is mapped"));
	is(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_R), -EFAULT, T("nor will be"));
	is(guest_touch(&bed.vm, GPA, SIZE), -EFAULT, T("the guest has none either"));
	ok(ktdp_absent(bed.tdp, GPA, SIZE), T("still nothing"));
	mem.fd = -1;
}

static void test_last(void)
{
	begin("closed, told by KVM alone");
	must(munmap(mem.hva, SIZE));
	fill_by_guest(1);
	check_last();
	mem.hva = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	end();

	begin("closed, still mapped");
	fill_by_fault(1);
	told_begin(&told, bed.dma);
	close(mem.fd);
	mem.fd = -1;
	ok(told_nothing(&told), T("the mapping keeps the file"));
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, T("engine reads"));
	must(munmap(mem.hva, SIZE));
	ok(told_of(&told, GPA, SIZE), T("importer was told"));
	ok(ktdp_absent(bed.tdp, GPA, SIZE), T("nothing is mapped"));
	is(guest_touch(&bed.vm, GPA, SIZE), -EFAULT, T("the guest has none either"));
	mem.hva = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	end();
}

/* The host changes its mapping, which is nothing to the guest. */
static void test_host(void)
{
	void *to = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	begin("DONTNEED");
	fill_by_fault(1);
	told_begin(&told, bed.dma);
	must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	ok(told_of(&told, GPA, SIZE), T("importer was told"));
	is(guest_check(&bed.vm, GPA, SIZE, GEN(1)), 0, T("the guest keeps its data"));
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, T("and the engine"));
	check_verify(PAGES);
	end();

	begin("mprotect");
	fill_by_fault(1);
	told_begin(&told, bed.dma);
	must(mprotect(mem.hva, SIZE, PROT_READ));
	ok(told_covers(&told, GPA, SIZE), T("importer was told"));
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W), -EACCES, T("no fault for write"));
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_R), 0, T("one for read"));
	must(mprotect(mem.hva, SIZE, PROT_NONE));
	ok(ktdp_absent(bed.tdp, GPA, SIZE), T("nothing is mapped"));
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_R), -EFAULT, T("none at all"));
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(2)), 0, T("the guest writes all the same"));
	/* The protection at the hva is nothing to KVM, and so to what is copied from it. */
	check_verify(PAGES);
	must(mprotect(mem.hva, SIZE, PROT_READ | PROT_WRITE));
	is(dma_check(bed.dma, GPA, SIZE, GEN(2)), 0, T("engine reads"));
	end();

	begin("mremap");
	fill_by_fault(1);
	told_begin(&told, bed.dma);
	if (mremap(mem.hva, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		bail("mremap");
	ok(told_of(&told, GPA, SIZE), T("importer was told"));
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_R), -EFAULT, T("nothing at the hva"));
	is(guest_check(&bed.vm, GPA, SIZE, GEN(1)), 0, T("the guest keeps its data"));
	if (mremap(to, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, mem.hva) != mem.hva)
		bail("mremap");
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, T("engine reads"));
	check_verify(PAGES);
	end();
}

static void map_at_hva(size_t size, int flags, int fd, off_t offset)
{
	if (mmap(mem.hva, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd,
		 offset) != mem.hva)
		bail("mmap");
}

/* What is at the hva is not the memory of the slot: importers have none of it. */
static void check_other(const char *what, size_t size)
{
	memset(mem.hva, 0x55, size);
	is(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_R), -EFAULT, T("%s: read"), what);
	is(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_W), -EFAULT, T("%s: write"), what);
	is(dma_check(bed.dma, GPA, PAGE_4K, GEN(1)), -EFAULT, T("%s: engine"), what);
	is(guest_touch(&bed.vm, GPA, size), 0, T("%s: the guest has the file"), what);
	ok(ktdp_absent(bed.tdp, GPA, size), T("%s: nothing is mapped"), what);
}

static void test_identity(void)
{
	begin("identity");
	fill_by_fault(1);
	told_begin(&told, bed.dma);
	map_at_hva(SIZE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ok(told_of(&told, GPA, SIZE), T("importer was told"));
	check_other("anonymous", SIZE);
	map_at_hva(SIZE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check_other("shared", SIZE);
	map_at_hva(SIZE / 2, MAP_SHARED, mem.fd, SIZE / 2);
	check_other("another offset", SIZE / 2);
	map_at_hva(SIZE, MAP_SHARED, mem.fd, 0);
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(2)), 0, T("its own again: guest writes"));
	is(dma_check(bed.dma, GPA, SIZE, GEN(2)), 0, T("engine reads"));
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), T("the host's pages"));
	check_verify(PAGES);
	end();
}

static sigjmp_buf bus;

static void on_bus(int signal)
{
	siglongjmp(bus, 1);
}

static bool host_reads(const void *hva)
{
	struct sigaction act = { .sa_handler = on_bus }, old;
	bool reads = false;

	sigaction(SIGBUS, &act, &old);
	if (!sigsetjmp(bus, 1)) {
		*(const volatile char *)hva;
		reads = true;
	}
	sigaction(SIGBUS, &old, NULL);
	return reads;
}

/* Memory that user space must not have, though it can mmap() it. */
static void test_private(void)
{
	begin_with("private", GUEST_MEMFD_FLAG_MMAP);
	ok(!host_reads(mem.hva), T("SIGBUS for the host"));
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(1)), 0, T("guest writes"));
	is(since().eager_filled, 0, T("which is not copied"));
	is(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_R), -EFAULT, T("nor faulted in"));
	ok(ktdp_absent(bed.tdp, GPA, SIZE), T("nothing is mapped"));
	is(kvm_tdp_dma_detach(bed.dma), 0, T("the table's last user goes"));
	close(bed.tdp);
	bed.tdp = must(kvm_tdp_create(bed.vm.fd, 0));
	ok(ktdp_absent(bed.tdp, GPA, SIZE), T("nor copied from KVM's table"));
	is(guest_check(&bed.vm, GPA, SIZE, GEN(1)), 0, T("the guest has its data"));
	end();
}

/* A page goes bad, which takes a kernel with CONFIG_MEMORY_FAILURE. */
static void check_poison(void)
{
	char hpa[32];

	snprintf(hpa, sizeof(hpa), "%#llx",
		 (unsigned long long)ktdp_hpa(bed.tdp, GPA + HOLE));
	told_begin(&told, bed.dma);
	/* That the file still has it the host calls a failure, with or without a table. */
	is(sys_write("/sys/devices/system/memory/hard_offline_page", hpa), -EBUSY,
	   T("the page goes bad"));
	ok(told_of(&told, GPA + HOLE, PAGE_4K), T("importer was told"));
	ok(ktdp_absent(bed.tdp, GPA + HOLE, PAGE_4K), T("it is not mapped"));
	is(ktdp_prefault(bed.tdp, GPA + HOLE, PAGE_4K, ACC_R), -EHWPOISON, T("read"));
	is(ktdp_prefault(bed.tdp, GPA + HOLE, PAGE_4K, ACC_W), -EHWPOISON, T("write"));
	ok(guest_touch(&bed.vm, GPA, SIZE) < 0, T("the guest cannot read it either"));
	ok(ktdp_absent(bed.tdp, GPA + HOLE, PAGE_4K), T("never mapped for that"));
	is(dma_check(bed.dma, GPA, HOLE, GEN(1)), 0, T("data before"));
	is(punch(HOLE, PAGE_4K), 0, T("punch"));
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(2)), 0, T("guest has another page"));
	/* The host's entry still says what there was. */
	must(madvise(mem.hva + HOLE, PAGE_4K, MADV_DONTNEED));
	is(dma_check(bed.dma, GPA, SIZE, GEN(2)), 0, T("engine reads that"));
}

static void test_poison(void)
{
	signal(SIGBUS, SIG_IGN);
	begin("poison");
	fill_by_fault(1);
	check_poison();
	end();

	begin("poison, told by KVM alone");
	fill_by_guest(1);
	check_poison();
	end();
	signal(SIGBUS, SIG_DFL);
}

static int is_listed(const struct kvm_tdp_slot *slot, void *data)
{
	return slot->gpa == GPA && slot->length == SIZE && !slot->flags &&
	       slot->backing == KVM_TDP_BACKING_GUEST_MEMFD ? 1 : -EINVAL;
}

static void test_slots(void)
{
	begin("slots");
	fill_by_guest(1);
	is(gmem_slot(&bed.vm, SLOT, GPA, &mem, 0, SIZE, KVM_MEM_LOG_DIRTY_PAGES), -EINVAL,
	   T("such slots cannot log"));
	is(gmem_slot(&bed.vm, SLOT, GPA, &mem, 0, SIZE, KVM_MEM_READONLY), -EINVAL,
	   T("nor be read-only"));
	is(kvm_tdp_read_slots(bed.tdp, GPA, is_listed, NULL), 1, T("is listed as mapped"));
	told_begin(&told, bed.dma);
	vm_unmap(&bed.vm, SLOT);
	ok(told_of(&told, GPA, SIZE), T("deleted: importer was told"));
	ok(ktdp_absent(bed.tdp, GPA, SIZE), T("nothing is mapped"));
	is(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_R), -EFAULT, T("nor will be"));
	is(gmem_slot(&bed.vm, SLOT, GPA + SIZE, &mem, 0, SIZE, 0), 0,
	   T("the file elsewhere"));
	is(ktdp_prefault(bed.tdp, GPA + SIZE, SIZE, ACC_W), 0, T("prefault"));
	ok(bed_agrees(&bed, GPA + SIZE, mem.hva, SIZE), T("the host's pages"));
	ok(ktdp_absent(bed.tdp, GPA, SIZE), T("nothing where it was"));
	vm_unmap(&bed.vm, SLOT);
	vm_map(&bed.vm, SLOT, GPA, &mem);
	is(guest_check(&bed.vm, GPA, PAGE_4K, GEN(1)), 0, T("a usual slot of the same"));
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W), 0, T("prefault"));
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), T("the host's pages"));
	end();
}

/* Two slots of one file, each with its own half. */
static void test_halves(void)
{
	begin("halves");
	vm_unmap(&bed.vm, SLOT);
	is(gmem_slot(&bed.vm, SLOT, GPA, &mem, SIZE / 2, SIZE / 2, 0), 0,
	   T("the second half first"));
	is(gmem_slot(&bed.vm, SLOT + 1, GPA + SIZE / 2, &mem, 0, SIZE / 2, 0), 0,
	   T("the first behind it"));
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(1)), 0, T("guest writes"));
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, T("engine reads"));
	ok(mem_check(mem.hva, GPA + SIZE / 2, SIZE / 2, GEN(1)), T("in the first half"));
	check_verify(PAGES);
	told_begin(&told, bed.dma);
	is(punch(0, PAGE_4K), 0, T("punch"));
	ok(told_of(&told, GPA + SIZE / 2, PAGE_4K), T("importer was told"));
	check_verify(PAGES - 1);
	vm_unmap(&bed.vm, SLOT + 1);
	end();
}

/* A power of two: of others KVM tells more than once. */
#define RACE_SIZE	(16UL << 20)
#define RACE_ROUNDS	15	/* in which they meet */

struct race {
	pthread_barrier_t ready;
	bool stop;
};

static void *race_punch(void *arg)
{
	struct race *race = arg;

	while (pthread_barrier_wait(&race->ready), !race->stop) {
		if (punch(0, RACE_SIZE))
			bail("punch");
		pthread_barrier_wait(&race->ready);
	}
	return NULL;
}

/*
 * A table is made from KVM's while that loses all pages, of which it is long in the midst.
 * User space has them mapped, but not at the hva, where the notifier would be told.
 */
static void test_seed_race(void)
{
	struct race race = { .stop = false };
	unsigned long wrong = 0, met = 0, seeded, round;
	struct kvm_tdp_verify v;
	unsigned char *other;
	pthread_t thread;

	title = "seed, as pages go";
	eager_open(&bed, &before);
	mem_new(&mem, RACE_SIZE, 0, MAP_SHARED,
		must(gmem_create(&bed.vm, RACE_SIZE,
				 GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)));
	is(gmem_slot(&bed.vm, SLOT, GPA, &mem, 0, RACE_SIZE, 0), 0, T("slot"));
	map_at_hva(RACE_SIZE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	other = mmap(NULL, RACE_SIZE, PROT_READ, MAP_SHARED, mem.fd, 0);
	if (other == MAP_FAILED)
		bail("mmap");
	pthread_barrier_init(&race.ready, NULL, 2);
	must(-pthread_create(&thread, NULL, race_punch, &race));
	for (round = 0; met < RACE_ROUNDS && round < 10 * RACE_ROUNDS; round++) {
		must(madvise(other, RACE_SIZE, MADV_POPULATE_READ));
		if (guest_touch(&bed.vm, GPA, RACE_SIZE))
			bail("the guest does not run");
		kvm_tdp_dma_detach(bed.dma);
		close(bed.tdp);
		pthread_barrier_wait(&race.ready);
		usleep(round % RACE_ROUNDS * 50);
		bed.tdp = must(kvm_tdp_create(bed.vm.fd, 0));
		pthread_barrier_wait(&race.ready);
		seeded = ktdp_stats(bed.tdp).seeded;
		met += seeded && seeded < RACE_SIZE / PAGE_4K;
		must(kvm_tdp_verify_range(bed.tdp, GPA, RACE_SIZE, &v));
		wrong += ktdp_verify_wrong(&v) + v.pages;
		must(kvm_tdp_dma_attach(bed.dma, bed.tdp));
	}
	race.stop = true;
	pthread_barrier_wait(&race.ready);
	pthread_join(thread, NULL);
	diag("met in %lu of %lu rounds", met, round);
	is(met, RACE_ROUNDS, T("pages went when some had been copied, and not all"));
	is(wrong, 0, T("no page of what is gone is mapped"));
	must(munmap(other, RACE_SIZE));
	end();
}

struct storm {
	bool stop;
	unsigned char *other;	/* another mapping of the file */
	unsigned long punched, mine, foreign, touched;
};

static bool is_over(struct storm *storm)
{
	return __atomic_load_n(&storm->stop, __ATOMIC_ACQUIRE);
}

static void *puncher(void *arg)
{
	struct storm *storm = arg;
	unsigned int seed = 1;

	while (!is_over(storm)) {
		if (punch(rand_r(&seed) % PAGES * PAGE_4K, PAGE_4K))
			bail("punch");
		__atomic_add_fetch(&storm->punched, 1, __ATOMIC_RELAXED);
		if (!(rand_r(&seed) % 16))
			must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	}
	return NULL;
}

/* Maps pages, so that those of vCPUs' faults may be copied. */
static void *toucher(void *arg)
{
	struct storm *storm = arg;
	unsigned int seed = 3;

	while (!is_over(storm)) {
		*(volatile unsigned char *)(storm->other + rand_r(&seed) % SIZE);
		__atomic_add_fetch(&storm->touched, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Takes the pages that the file gives back, and looks after them. */
static void *owner(void *arg)
{
	struct storm *storm = arg;
	size_t i;

	while (!is_over(storm)) {
		uint64_t *words = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (words == MAP_FAILED)
			bail("mmap");
		memset(words, 0, SIZE);
		usleep(200);
		for (i = 0; i < SIZE / 8; i++)
			storm->foreign += words[i] != 0;
		munmap(words, SIZE);
		__atomic_add_fetch(&storm->mine, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

#define STORM_ROUNDS	400

static bool was_everybody(const struct storm *storm, unsigned long faults, unsigned long writes)
{
	return storm->punched > STORM_ROUNDS && faults && writes && storm->mine &&
	       storm->touched && since().eager_filled;
}

static void test_storm(void)
{
	static void *(*const run[])(void *) = { puncher, owner, toucher };
	struct storm storm = { 0 };
	unsigned long faults = 0, writes = 0, wrong = 0, failed = 0, rounds, i;
	unsigned int seed = 2;
	pthread_t threads[sizeof(run) / sizeof(run[0])];
	struct kvm_tdp_verify v;

	begin("storm");
	storm.other = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, mem.fd, 0);
	if (storm.other == MAP_FAILED)
		bail("mmap");
	vm_spin(&bed.vm, GPA, SIZE, GEN(1));
	for (i = 0; i < sizeof(run) / sizeof(run[0]); i++)
		must(-pthread_create(&threads[i], NULL, run[i], &storm));
	for (rounds = 0; rounds < STORM_ROUNDS ||
	     (rounds < 10 * STORM_ROUNDS && !was_everybody(&storm, faults, writes)); rounds++) {
		for (i = 0; i < 50; i++) {
			uint64_t gpa = GPA + rand_r(&seed) % PAGES * PAGE_4K;

			faults += !ktdp_prefault(bed.tdp, gpa, PAGE_4K, ACC_W);
			writes += !dma_fill(bed.dma, gpa, PAGE_4K, GEN(1));
		}
		if (kvm_tdp_verify_range(bed.tdp, GPA, SIZE, &v))
			failed++;
		wrong += ktdp_verify_wrong(&v);
	}
	__atomic_store_n(&storm.stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < sizeof(run) / sizeof(run[0]); i++)
		pthread_join(threads[i], NULL);
	vm_spin_stop(&bed.vm);
	diag("storm: %lu holes, %lu faults, %lu writes, %lu times somebody else's, %llu by vCPU faults",
	     storm.punched, faults, writes, storm.mine, since().eager_filled);
	is(failed, 0, T("verify"));
	is(wrong, 0, T("nothing was ever wrong"));
	is(storm.foreign, 0, T("nobody wrote to another's memory"));
	ok(was_everybody(&storm, faults, writes), T("everybody was there"));
	must(munmap(storm.other, SIZE));
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(5)), 0, T("guest writes"));
	is(dma_check(bed.dma, GPA, SIZE, GEN(5)), 0, T("engine reads"));
	end();
}

static const struct tap_case cases[] = {
	{ "fault", test_fault },
	{ "eager", test_eager },
	{ "seed", test_seed },
	{ "seed_race", test_seed_race },
	{ "punch", test_punch },
	{ "last", test_last },
	{ "host", test_host },
	{ "identity", test_identity },
	{ "private", test_private },
	{ "poison", test_poison },
	{ "slots", test_slots },
	{ "halves", test_halves },
	{ "storm", test_storm },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
