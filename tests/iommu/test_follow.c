// SPDX-License-Identifier: GPL-2.0-only
/*
 * What follows a guest (src/iommu), among drivers, devices, and a host that takes memory
 * away, in every order that is rolled: the rules at the top of follow.c.
 *
 *	RUNS=n	worlds
 *	SEED=n	of the first; the others have the numbers that follow
 */

#include <stdlib.h>

#include "tap.h"
#include "world.h"

#define DEFAULT_RUNS	600
#define MAX_RANGES	3
#define TRIES		64
#define LAST		(BIT_ULL(31) - 1)
/* No transfer can have these, in the last window. */
#define RESERVED_FIRST	(513ULL * SZ_2M + 0x180000)
#define RESERVED_LAST	(RESERVED_FIRST + SZ_4K - 1)
#define MANY		65	/* more ranges than a hold looks at */

static struct kvm_tdp_iommu iommu;
static struct reserved reserved = { .first = RESERVED_FIRST, .last = RESERVED_LAST };

/* A run that never met a case proves little. */
static struct {
	u64 begun, hit, failed, at_once, large, accesses, lost, detached, again[134];
} met;

static void begin_world(u64 seed)
{
	world_begin(seed);
	memset(&iommu, 0, sizeof(iommu));
	iommu.domain = &vm_domain;
	iommu.has_2m = true;
	iommu.sync_twice = true;
	iommu.own_first = LAST + 1;
	iommu.last = LAST;
	iommu.reserved.next = &reserved.list;
	reserved.list.next = &iommu.reserved;
	ktdp_follow_init(&iommu);
}

static void follow(void)
{
	int ret = kvm_tdp_iommu_attach(&iommu, 0, &vm_mm);

	if (ret)
		die("attach: %d", ret);
}

static void end_world(void)
{
	struct kvm_tdp_iommu_info *info = &iommu.info;

	kvm_tdp_iommu_detach(&iommu);
	if (info->mapped || info->in_flight || info->pid || iommu.ranges.first)
		die("counted: %llu bytes mapped, %llu in flight", info->mapped, info->in_flight);
	ktdp_follow_exit(&iommu);
	world_end();
}

/* A driver and its device */

struct driver {
	struct kvm_tdp_io io;
	struct kvm_tdp_range ranges[MAX_RANGES];
	unsigned int hits;	/* by the callback */
};

/* The running fiber is about to take [first, last], and then nothing. */
static void takes(u64 first, u64 last)
{
	world.self->first = first;
	world.self->last = last;
}

static void takes_nothing(void)
{
	takes(~0ULL, 0);
}

static bool writes(const struct kvm_tdp_io *io)
{
	return io->direction != DMA_TO_DEVICE;
}

static void told(struct kvm_tdp_io *io)
{
	struct driver *driver = (struct driver *)io;
	unsigned int i;

	shim_assert(shim_held(&iommu.lock), "hit is called in the hold");
	note("hit", io->ranges[0].gpa, io->ranges[0].length, 0);
	driver->hits++;
	for (i = 0; i < io->nr_ranges; i++)
		if (takes_some(io->ranges[i].gpa, io->ranges[i].gpa + io->ranges[i].length - 1))
			return;
	die("a transfer is hit that loses nothing");
}

/* Places where all meet. */
static u64 busy[3];

static u64 random_gpa(void)
{
	unsigned int window = roll(WINDOWS), page;

	if (!one_in(4))
		return busy[roll(3)] + roll(4 * SZ_4K);
	page = one_in(3) ? roll(WINDOW_PAGES) : one_in(2) ? roll(6) : WINDOW_PAGES - 1 - roll(6);
	return cell_gpa(window * WINDOW_PAGES + page) + roll(SZ_4K);
}

static u64 random_length(u64 gpa)
{
	u64 length, end = gpa < SZ_1G ? 4 * SZ_2M : 514ULL * SZ_2M;

	if (one_in(12))
		length = 1 + roll(3 * SZ_2M);
	else
		length = 1 + roll(SZ_4K << roll(8));
	if (end > RESERVED_FIRST)
		end = RESERVED_FIRST;
	return gpa < end ? min(length, end - gpa) : 0;
}

static void random_io(struct driver *driver)
{
	struct kvm_tdp_range *range;
	unsigned int i;

	*driver = (struct driver){ .io.hit = told };
	driver->io.ranges = driver->ranges;
	driver->io.nr_ranges = one_in(3) ? 1 + roll(MAX_RANGES) : 1;
	driver->io.direction = roll(3);
	for (i = 0; i < driver->io.nr_ranges; i++) {
		range = &driver->ranges[i];
		do {
			range->gpa = random_gpa();
			range->length = random_length(range->gpa);
		} while (!range->length);
	}
}

static enum host_page worst_page(const struct driver *driver)
{
	enum host_page worst = HOST_RW;
	unsigned int i;
	u64 gpa;

	for (i = 0; i < driver->io.nr_ranges; i++) {
		const struct kvm_tdp_range *range = &driver->ranges[i];

		for (gpa = range->gpa & PAGE_MASK; gpa < range->gpa + range->length; gpa += SZ_4K)
			worst = min(worst, world.host[cell_of(gpa)]);
	}
	return worst;
}

static bool may_fail(const struct driver *driver, int err)
{
	switch (err) {
	case -EFAULT:
		return worst_page(driver) == HOST_NONE;
	case -EACCES:
		return worst_page(driver) < HOST_RW && writes(&driver->io);
	case -ENOMEM:
		return world.scarce;
	case -ENOTCONN:
		return true;	/* it is being detached */
	default:
		return false;
	}
}

static u64 page_of(const struct driver *driver, unsigned int i, u64 nr)
{
	return (driver->ranges[i].gpa & PAGE_MASK) + nr * SZ_4K;
}

static u64 nr_pages(const struct driver *driver, unsigned int i)
{
	const struct kvm_tdp_range *range = &driver->ranges[i];

	return ((range->gpa + range->length - 1) / SZ_4K) - range->gpa / SZ_4K + 1;
}

/* In flight, and not hit: all of it is in the domain. */
static void check_mapped(const struct driver *driver)
{
	unsigned int i;
	u64 nr;

	if (driver->io.is_hit)
		return;
	for (i = 0; i < driver->io.nr_ranges; i++)
		for (nr = 0; nr < nr_pages(driver, i); nr++)
			if (!domain_has(page_of(driver, i, nr), writes(&driver->io)))
				die("%#llx is not mapped for a transfer that is not hit",
				    page_of(driver, i, nr));
}

/* The device does some of it.  Return: whether it missed something. */
static bool do_transfer(const struct driver *driver)
{
	bool lost = false;
	unsigned int i, n;

	for (n = 1 + roll(4); n--;) {
		i = roll(driver->io.nr_ranges);
		lost |= !device_access(page_of(driver, i, roll(nr_pages(driver, i))),
				       writes(&driver->io));
		met.accesses++;
		step_aside();
	}
	met.lost += lost;
	return lost;
}

static void check_done(struct driver *driver, bool lost)
{
	int ret;

	/* As an interrupt. */
	world.self->spins++;
	ret = kvm_tdp_iommu_done(&iommu, &driver->io);
	world.self->spins--;
	note("done", ret, lost, driver->hits);
	if (ret != (driver->hits ? -EAGAIN : 0))
		die("done answers %d, after %u calls of hit", ret, driver->hits);
	if (driver->hits > 1)
		die("hit %u times", driver->hits);
	if (lost && !ret)
		die("done answers 0, and the device has missed something");
	met.hit += !!ret;
}

static void one_transfer(struct driver *driver)
{
	bool lost = false;
	int ret;

	/* Where it unmaps to map for writing, it takes from itself alone. */
	takes(0, LAST);
	note("begin", driver->ranges[0].gpa, driver->ranges[0].length, driver->io.direction);
	ret = kvm_tdp_iommu_begin(&iommu, &driver->io);
	takes_nothing();
	note("begun", driver->ranges[0].gpa, ret, driver->io.is_hit);
	if (ret) {
		if (!may_fail(driver, ret))
			die("begin: %d", ret);
		if (driver->hits)
			die("hit, and has not begun");
		met.failed++;
		met.again[-ret]++;
		while (ret == -ENOTCONN && !iommu.tdp_fd)
			step_aside();
		return;
	}
	met.begun++;
	check_mapped(driver);
	/* Many transfers, as long as none is hit. */
	do {
		lost |= do_transfer(driver);
		if (kvm_tdp_iommu_is_hit(&driver->io))
			break;
		if (lost)
			die("not marked, and the device has missed something");
		check_mapped(driver);
	} while (!one_in(3));
	check_done(driver, lost);
}

static void run_driver(void)
{
	struct driver driver;
	unsigned int n;

	for (n = 0; n < 12; n++) {
		if (!n || one_in(2))
			random_io(&driver);
		driver.hits = 0;
		one_transfer(&driver);
	}
}

static void run_host(void)
{
	unsigned int n;
	u64 gpa;

	for (n = 0; n < 16; n++) {
		gpa = random_gpa();
		if (one_in(24))
			host_takes_all();
		else if (one_in(6))
			host_takes(gpa & ~(SZ_2M - 1ULL), gpa | (SZ_2M - 1), one_in(3));
		else
			host_takes(gpa, gpa + (SZ_4K << roll(9)), one_in(3));
		while (!one_in(4))
			step_aside();
	}
}

/* A device that does what nobody has told it to. */
static void run_rogue(void)
{
	while (!world.is_over) {
		device_access(random_gpa(), one_in(2));
		step_aside();
	}
}

static void run_other_domain(void)
{
	while (!world.is_over) {
		other_domain_syncs();
		step_aside();
	}
}

/* Detach, attach, and the removal of a group. */
static void run_admin(void)
{
	unsigned int n, i;
	int ret;

	for (n = 0; n < 3; n++) {
		for (i = roll(200); i--;)
			step_aside();
		takes(0, LAST);
		if (one_in(2)) {
			down_write(&iommu.sem);
			ktdp_guest_pause(&iommu);
			ktdp_guest_resume(&iommu);
			up_write(&iommu.sem);
			continue;
		}
		ret = kvm_tdp_iommu_detach(&iommu);
		if (ret || world.nr_mapped)
			die("detach: %d, and %u pages are mapped", ret, world.nr_mapped);
		met.detached++;
		if (kvm_tdp_iommu_detach(&iommu) != -ENOTCONN)
			die("detach a second time");
		while (one_in(2))
			step_aside();
		follow();
	}
}

/* While that removes a group, another detaches: it may meet a begin. */
static void run_remover(void)
{
	unsigned int i;

	for (i = roll(300); i--;)
		step_aside();
	takes(0, LAST);
	down_write(&iommu.sem);
	ktdp_guest_pause(&iommu);
	step();
	ktdp_guest_resume(&iommu);
	up_write(&iommu.sem);
}

static void choose_host(void)
{
	unsigned int cell;

	for (cell = WINDOW_PAGES; cell < 2 * WINDOW_PAGES; cell++) {
		if (cell % 16 == 5)
			world.host[cell] = HOST_NONE;
		else if (cell % 16 > 8)
			world.host[cell] = HOST_RO;
	}
}

static void one_world(u64 seed)
{
	unsigned int i;

	begin_world(seed);
	world.is_ept = one_in(2);
	world.has_1g = one_in(2);
	world.scarce = one_in(4) ? 2 + roll(40) : 0;
	iommu.has_2m = !one_in(4);
	choose_host();
	/* In the first, where the guest has all; maybe in one window. */
	for (i = 0; i < 3; i++)
		busy[i] = roll(2) * 2 * SZ_2M + roll(WINDOW_PAGES - 4) * SZ_4K;
	follow();
	for (i = 1 + roll(3); i--;)
		fiber_start("driver", run_driver, false);
	for (i = 1 + roll(2); i--;)
		fiber_start("host", run_host, false);
	if (one_in(3))
		fiber_start("admin", run_admin, false);
	if (one_in(3))
		fiber_start("remover", run_remover, false);
	fiber_start("rogue", run_rogue, true);
	fiber_start("other", run_other_domain, true);
	fibers_run();
	if (iommu.info.mapped != (u64)world.nr_mapped * SZ_4K)
		die("counted %llu bytes mapped, which are %u pages", iommu.info.mapped,
		    world.nr_mapped);
	met.large += world.nr_large;
	end_world();
}

static u64 number(const char *name, u64 def)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 0) : def;
}

static void test_random(void)
{
	u64 seed = number("SEED", 1), runs = number("RUNS", DEFAULT_RUNS), i;

	for (i = 0; i < runs; i++)
		one_world(seed + i);
	ok(true, "%llu worlds: nothing outlives its invalidate, done tells of all that is hit",
	   runs);
	if (runs < DEFAULT_RUNS)
		return;
	ok(met.begun > runs * 5, "%llu transfers have begun", met.begun);
	ok(met.hit > runs, "%llu were hit", met.hit);
	ok(met.lost > runs / 4, "the device missed something in %llu", met.lost);
	ok(met.detached > runs / 8, "%llu detaches", met.detached);
	ok(met.large > runs / 8, "%llu windows were 2M at the end", met.large);
	ok(met.again[EFAULT] && met.again[EACCES] && met.again[ENOTCONN] && met.again[ENOMEM],
	   "EFAULT %llu, EACCES %llu, ENOTCONN %llu, ENOMEM %llu", met.again[EFAULT],
	   met.again[EACCES], met.again[ENOTCONN], met.again[ENOMEM]);
}

/* Cases, each in a world of its own, with nobody else in it */

static struct kvm_tdp_range range(u64 gpa, u64 length)
{
	return (struct kvm_tdp_range){ .gpa = gpa, .length = length };
}

static int begin(struct driver *driver, u64 gpa, u64 length, enum dma_data_direction direction)
{
	*driver = (struct driver){
		.io = { .nr_ranges = 1, .direction = direction, .hit = told },
		.ranges = { range(gpa, length) },
	};
	driver->io.ranges = driver->ranges;
	return kvm_tdp_iommu_begin(&iommu, &driver->io);
}

static int done_with(struct driver *driver)
{
	return kvm_tdp_iommu_done(&iommu, &driver->io);
}

static void begins_wrong(void)
{
	struct driver d;

	is(begin(&d, 0, SZ_4K, DMA_TO_DEVICE), -ENOTCONN, "begin while nothing is followed");
	follow();
	is(begin(&d, 0, 0, DMA_TO_DEVICE), -EINVAL, "no length");
	is(begin(&d, ~0ULL, 2, DMA_TO_DEVICE), -EINVAL, "a range that wraps");
	is(begin(&d, 0, SZ_4K, DMA_NONE), -EINVAL, "no direction");
	d.io.nr_ranges = 0;
	d.io.direction = DMA_TO_DEVICE;
	is(kvm_tdp_iommu_begin(&iommu, &d.io), -EINVAL, "no range");
	is(begin(&d, LAST - 4, 8, DMA_TO_DEVICE), -ERANGE, "beyond the GPAs");
	is(begin(&d, RESERVED_FIRST - 8, 9, DMA_TO_DEVICE), -ERANGE, "a reserved byte");
	is(world.nr_faults, 1, "of all these nothing was asked for, but by attach");
	world.host[3] = HOST_NONE;
	world.host[4] = HOST_RO;
	is(begin(&d, 0, 4 * SZ_4K, DMA_TO_DEVICE), -EFAULT, "no memory at the last page");
	is(begin(&d, 4 * SZ_4K, 1, DMA_FROM_DEVICE), -EACCES, "a write to what is read-only");
	is(begin(&d, 4 * SZ_4K, 1, DMA_BIDIRECTIONAL), -EACCES, "or both");
	is(begin(&d, 4 * SZ_4K, 1, DMA_TO_DEVICE), 0, "a read of it");
	is(done_with(&d), 0, "which is done");
	is(d.hits, 0, "and was not hit");
	ok(!iommu.ranges.first, "nothing is left in the tree");
	is(iommu.info.begun, 1, "begun");
}

static void gives_up(void)
{
	struct driver d;

	follow();
	world.nr_faults = 0;
	world.host_takes_back = true;
	is(begin(&d, 0, SZ_4K, DMA_TO_DEVICE), -EAGAIN, "a page that is gone as soon as it comes");
	ok(world.nr_faults <= TRIES + 1, "after %llu faults", world.nr_faults);
	world.nr_faults = 0;
	world.kill_at = 3;
	is(begin(&d, 0, SZ_4K, DMA_TO_DEVICE), -EINTR, "a process that is killed at it");
	is(world.nr_faults, 3, "faults");
	world.kill_at = 0;
	world.self->is_killed = false;
	world.host_takes_back = false;
	world.nr_faults = 0;
	world.host_swaps = true;
	is(begin(&d, 0, 2 * SZ_4K, DMA_TO_DEVICE), -EAGAIN, "two pages of which one is there");
	ok(world.nr_faults <= 2 * TRIES, "after %llu faults", world.nr_faults);
	world.host_swaps = false;
	world.no_memory = true;
	is(begin(&d, 0, SZ_4K, DMA_TO_DEVICE), -ENOMEM, "no memory for the IOMMU's tables");
	world.no_memory = false;
	world.self->is_killed = true;
	is(begin(&d, SZ_2M, SZ_4K, DMA_TO_DEVICE), -EINTR, "a process that is killed");
	is(kvm_tdp_iommu_attach(&iommu, 0, &vm_mm), -EINTR, "attach by it");
	world.self->is_killed = false;
	world.scarce = 1;
	is(begin(&d, 3 * SZ_2M, SZ_4K, DMA_TO_DEVICE), -ENOMEM, "no memory for bookkeeping");
	world.scarce = 0;
	is(begin(&d, 0, SZ_4K, DMA_TO_DEVICE), 0, "and after all that");
	is(done_with(&d), 0, "done");
	ok(!iommu.ranges.first, "nothing is left in the tree");
	is(iommu.info.in_flight, 0, "or in flight");
}

static void fails(void)
{
	struct driver d;

	follow();
	world.unit_fails = true;
	is(begin(&d, 0, SZ_4K, DMA_TO_DEVICE), -EIO, "an IOMMU's driver that cannot map");
	is(world.warns, 1, "which is told");
	world.unit_fails = false;
	world.is_damaged = true;
	is(begin(&d, SZ_2M, SZ_4K, DMA_TO_DEVICE), -EIO, "reserved bits in the table");
	is(world.complaints, 1, "which is told");
	is(world.nr_mapped, 0, "nothing is mapped");
}

static void pauses(void)
{
	struct driver d;

	follow();
	is(begin(&d, 0, SZ_4K, DMA_TO_DEVICE), 0, "a transfer");
	takes(0, LAST);
	ktdp_guest_pause(&iommu);
	takes_nothing();
	is(world.nr_mapped, 0, "a pause leaves nothing");
	is(done_with(&d), -EAGAIN, "and hits it");
	is(begin(&d, 0, SZ_4K, DMA_TO_DEVICE), -ENOTCONN, "a begin that has the sem meanwhile");
	is(world.nr_mapped, 0, "brings nothing back");
	down_write(&iommu.sem);
	ktdp_guest_resume(&iommu);
	up_write(&iommu.sem);
	is(begin(&d, 0, SZ_4K, DMA_TO_DEVICE), 0, "after it all is as before");
	is(done_with(&d), 0, "done");
}

static void attaches(void)
{
	is(kvm_tdp_iommu_detach(&iommu), -ENOTCONN, "detach of nothing");
	is(kvm_tdp_iommu_attach(&iommu, 0, NULL), -EPERM, "attach without an mm");
	is(kvm_tdp_iommu_attach(&iommu, 0, &other_mm), -EPERM, "attach with another's");
	is(kvm_tdp_iommu_attach(&iommu, 1, &vm_mm), -EBADF, "attach to no fd");
	is(world.tdp_refs, 0, "TDP fds held");
	follow();
	is(kvm_tdp_iommu_attach(&iommu, 0, &vm_mm), -EBUSY, "attach twice");
	is(world.tdp_refs, 1, "TDP fds held");
	is(kvm_tdp_iommu_detach(&iommu), 0, "detach");
	follow();
}

/* With a callback of hit that finds that something is taken. */
static int begin_beside(struct driver *driver, u64 gpa, enum dma_data_direction direction)
{
	int ret;

	takes(gpa, gpa);
	ret = begin(driver, gpa, 8, direction);
	takes_nothing();
	return ret;
}

static void reads_then_writes(void)
{
	struct driver reader, other, writer;

	follow();
	world.leaves = LEAVES_4K;
	world.grants_little = true;
	is(begin(&reader, 0, 8, DMA_TO_DEVICE), 0, "a transfer that reads");
	is(begin(&other, SZ_4K, 8, DMA_TO_DEVICE), 0, "another, of the next page");
	ok(!domain_has(0, true), "the page is read-only");
	is(begin_beside(&writer, 100, DMA_FROM_DEVICE), 0, "one that writes to it");
	ok(domain_has(0, true), "it is writable");
	is(reader.hits, 1, "the first is hit, for the page was unmapped");
	is(done_with(&writer), 0, "the last is done");
	is(done_with(&reader), -EAGAIN, "the first is to be done again");
	is(begin(&reader, 0, 8, DMA_TO_DEVICE), 0, "and begins, while it is writable");
	host_takes(0, 0, true);
	is(done_with(&reader), -EAGAIN, "a log that takes write access hits it, too");
	is(done_with(&other), 0, "the next page was left alone");
}

static void large_leaves(void)
{
	struct driver d, reader;

	follow();
	world.leaves = LEAVES_2M;
	world.grants_little = true;
	is(begin(&d, 3 * SZ_4K, 8, DMA_TO_DEVICE), 0, "memory of 2M");
	is(world.nr_mapped, 512, "is mapped in one piece");
	is(iommu.info.mapped, SZ_2M, "counted");
	is(begin_beside(&reader, 5 * SZ_4K, DMA_FROM_DEVICE), 0, "a write to another page of it");
	is(d.hits, 1, "hits all that is in it");
	is(world.nr_mapped, 512, "all is mapped for writing");
	is(done_with(&d), -EAGAIN, "to be done again");
	host_takes(0, 0, false);
	is(world.nr_mapped, 0, "a page that goes takes all");
	is(done_with(&reader), -EAGAIN, "and hits all");
	is(begin(&d, 0, 8, DMA_TO_DEVICE), 0, "it comes back");
	ok(domain_is_large(0), "in one piece");
	is(done_with(&d), 0, "done");
	host_takes(0, 0, false);
	world.leaves = LEAVES_4K;
	is(begin(&d, 0, 8, DMA_TO_DEVICE), 0, "and in 4K");
	is(done_with(&d), 0, "done");
	host_takes(0, SZ_2M - 1, false);
	world.leaves = LEAVES_2M;
	is(begin(&d, 0, 8, DMA_TO_DEVICE), 0, "where 4K were");
	is(world.nr_mapped, 1, "a page is mapped of 2M");
	is(done_with(&d), 0, "done");
	is(begin(&d, RESERVED_FIRST & -SZ_2M, 8, DMA_TO_DEVICE), 0, "beside what is reserved");
	is(world.nr_mapped, 2, "likewise");
	is(done_with(&d), 0, "done");
	iommu.has_2m = false;
	is(begin(&d, SZ_2M, 8, DMA_TO_DEVICE), 0, "in a domain that has no 2M");
	is(world.nr_mapped, 3, "likewise");
	is(done_with(&d), 0, "done");
}

static void only_what_goes_is_hit(void)
{
	struct driver a, b, c;

	follow();
	world.leaves = LEAVES_4K;
	is(begin(&a, 0, SZ_4K, DMA_TO_DEVICE), 0, "a page");
	is(begin(&b, SZ_4K, SZ_4K, DMA_TO_DEVICE), 0, "the next");
	is(begin(&c, 2 * SZ_4K, 3 * SZ_2M, DMA_TO_DEVICE), 0, "and all behind it");
	is(iommu.info.in_flight, 3, "in flight");
	host_takes(SZ_4K, 2 * SZ_4K - 1, false);
	is(done_with(&a), 0, "the first is done");
	is(done_with(&b), -EAGAIN, "the second was taken");
	host_takes(3 * SZ_2M, 3 * SZ_2M, false);
	is(done_with(&c), -EAGAIN, "the last loses one page");
	is(iommu.info.in_flight, 0, "in flight");
	is(iommu.info.hits, 2, "hit");
	is(begin(&a, 0, SZ_4K, DMA_TO_DEVICE), 0, "the first again");
	takes(0, LAST);
	kvm_tdp_iommu_detach(&iommu);
	is(world.nr_mapped, 0, "a detach leaves nothing");
	is(done_with(&a), -EAGAIN, "and hits it");
}

static void costs(void)
{
	static struct kvm_tdp_range ranges[MANY];
	struct driver d;
	unsigned int i;

	follow();
	world.leaves = LEAVES_4K;
	is(begin(&d, 0, SZ_2M, DMA_TO_DEVICE), 0, "512 pages");
	world.nr_faults = 0;
	is(done_with(&d), 0, "done");
	world.nr_holds = 0;
	is(begin(&d, 0, SZ_2M, DMA_TO_DEVICE), 0, "again");
	is(world.nr_holds, 1, "in a hold");
	is(done_with(&d), 0, "done");
	is(world.nr_faults, 0, "of pages that are mapped none is asked for");
	host_takes(0, SZ_2M - 1, false);
	is(world.nr_unmaps, 8, "a call for each hold of 64 pages that follow each other");
	is(world.nr_syncs, 16, "and a sync, on AMD's two");
	world.nr_syncs = 0;
	host_takes_all();
	is(world.nr_syncs, 0, "where nothing is mapped, none");
	iommu.sync_twice = false;
	is(begin(&d, 0, 8, DMA_TO_DEVICE), 0, "a page");
	host_takes_all();
	is(done_with(&d), -EAGAIN, "which is taken");
	is(world.nr_syncs, 1, "a sync, on VT-d");

	for (i = 0; i < MANY; i++)
		ranges[i] = range((i % 4) * SZ_2M + i * SZ_4K, 8);
	d.io.ranges = ranges;
	d.io.nr_ranges = MANY;
	for (i = 0; i < 2; i++) {
		is(kvm_tdp_iommu_begin(&iommu, &d.io), 0, "more ranges than a hold looks at");
		is(done_with(&d), 0, "done");
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "begins_wrong", begins_wrong },
	{ "gives_up", gives_up },
	{ "fails", fails },
	{ "pauses", pauses },
	{ "attaches", attaches },
	{ "reads_then_writes", reads_then_writes },
	{ "large_leaves", large_leaves },
	{ "only_what_goes_is_hit", only_what_goes_is_hit },
	{ "costs", costs },
};

int main(void)
{
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		diag("%s", cases[i].name);
		begin_world(0);
		cases[i].run();
		end_world();
	}
	test_random();
	return done();
}
