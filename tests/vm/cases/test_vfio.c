// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device behind an IOMMU whose addresses are a guest's: "edu", driven from user space
 * by vfio-pci, in a container of kvm_tdp_vfio.  What the IOMMU translates is asked of
 * its driver.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actor.h"
#include "bed.h"
#include "dirty.h"
#include "edu.h"
#include "klog.h"
#include "kmod.h"
#include "sys.h"

#define SIZE	(4 * PAGE_2M)
#define READ	KVM_TDP_VFIO_READ
#define WRITE	KVM_TDP_VFIO_WRITE

static struct bed bed;
static struct mem mem;
static struct vfio edu;
static int kmod;

static uint64_t translated(uint64_t gpa)
{
	return kmod_iova(kmod, edu_name(), gpa);
}

/* What is translated of [gpa, gpa + size) is what the host has at @hva. */
static bool agrees(uint64_t gpa, const uint8_t *hva, size_t size)
{
	size_t off;
	uint64_t hpa;

	for (off = 0; off < size; off += PAGE_4K) {
		hpa = translated(gpa + off);
		if (hpa && hpa != mem_hpa(hva + off))
			return false;
	}
	return true;
}

static bool is_translated(uint64_t gpa, size_t size, bool all)
{
	size_t off;

	for (off = 0; off < size; off += PAGE_4K)
		if (!translated(gpa + off) == all)
			return false;
	return true;
}

static struct kvm_tdp_vfio_info info(void)
{
	struct kvm_tdp_vfio_info got;

	must(vfio_info(&edu, &got));
	return got;
}

static void begin(void)
{
	bed_open(&bed);
	mem_small(&mem, SIZE);
	vm_map(&bed.vm, 1, GPA, &mem);
	must(vfio_attach(&edu, bed.tdp, 0, -1, NULL));
}

static void end(void)
{
	must(vfio_detach(&edu));
	is(info().mapped, 0, "detached: nothing is mapped");
	bed_close(&bed);
	mem_free(&mem);
}

static void test_both_ways(void)
{
	uint8_t *hva;

	begin();
	hva = mem.hva;
	is(guest_fill(&bed.vm, GPA, PAGE_4K, GEN(1)), 0, "the guest writes a page");
	is(edu_once(&edu, GPA, false), 0, "the device reads it");
	is(edu_once(&edu, GPA + 8 * PAGE_4K, true), 0, "and writes another");
	ok(!memcmp(hva, hva + 8 * PAGE_4K, EDU_LENGTH), "the guest has it there");
	ok(translated(GPA) && agrees(GPA, hva, SIZE), "translations are the host's");
	is(edu_once(&edu, GPA + SIZE, false), -EFAULT, "where there is no slot");
	end();
}

/* An address at which the last owner of the memory would see a stale write. */
static void test_taken_away(void)
{
	uint32_t id;
	uint8_t *hva;

	begin();
	hva = mem.hva;
	memset(hva, 0x77, PAGE_4K);
	is(edu_once(&edu, GPA, false), 0, "the device takes a page in");
	is(edu_once(&edu, GPA + PAGE_4K, true), 0, "and writes another");
	must(madvise(hva + PAGE_4K, PAGE_4K, MADV_DONTNEED));
	is(translated(GPA + PAGE_4K), 0, "taken away: nothing is translated");
	edu_raw(&edu, GPA + PAGE_4K, true);
	is(hva[PAGE_4K], 0, "a write all the same goes nowhere");

	is(vfio_begin(&edu, GPA + PAGE_4K, EDU_LENGTH, WRITE, &id), 0, "a transfer begins");
	is(translated(GPA + PAGE_4K), mem_hpa(hva + PAGE_4K), "the new page is translated");
	must(madvise(hva + PAGE_4K, PAGE_4K, MADV_DONTNEED));
	edu_raw(&edu, GPA + PAGE_4K, true);
	is(vfio_done(&edu, id), -EAGAIN, "taken away in flight: it was hit");
	is(hva[PAGE_4K], 0, "nothing was written");
	is(edu_once(&edu, GPA + PAGE_4K, true), 0, "again");
	is(hva[PAGE_4K], 0x77, "now it is there");
	is(info().hits, 1, "one was hit");

	/* Another page is none of its concern. */
	is(vfio_begin(&edu, GPA, EDU_LENGTH, READ, &id), 0, "a transfer begins");
	must(madvise(hva + PAGE_4K, PAGE_4K, MADV_DONTNEED));
	is(vfio_done(&edu, id), 0, "the page beside it is taken: it was not hit");
	end();
}

static void test_large(void)
{
	struct mem thp;
	uint64_t before, at = GPA + PAGE_1G;
	uint32_t id;

	if (mem_skip_thp("large"))
		return;
	begin();
	mem_thp(&thp, SIZE);
	vm_map(&bed.vm, 2, at, &thp);
	before = info().mapped;
	is(vfio_begin(&edu, at, SIZE, WRITE, &id), 0, "a transfer of 8M begins");
	is(info().mapped - before, SIZE, "all of it is mapped");
	ok(agrees(at, thp.hva, SIZE) && is_translated(at, SIZE, true), "as the host has it");
	must(madvise(thp.hva + 5 * PAGE_4K, PAGE_4K, MADV_DONTNEED));
	ok(is_translated(at, PAGE_2M, false), "4K are taken of 2M: the 2M go");
	ok(is_translated(at + PAGE_2M, SIZE - PAGE_2M, true), "and no more");
	is(vfio_done(&edu, id), -EAGAIN, "it was hit");
	is(vfio_begin(&edu, at, SIZE, WRITE, &id), 0, "again");
	ok(agrees(at, thp.hva, SIZE) && is_translated(at, SIZE, true), "all of it");
	is(vfio_done(&edu, id), 0, "it was not hit");
	is(edu_once(&edu, at + 5 * PAGE_4K, true), 0, "the device writes there");
	vm_unmap(&bed.vm, 2);
	ok(is_translated(at, SIZE, false), "the slot is deleted: nothing is left");
	end();
	mem_free(&thp);
}

static void test_read_only(void)
{
	uint64_t at = GPA + PAGE_1G;
	uint32_t id, other;
	uint8_t *hva;

	begin();
	hva = mem.hva;
	must(vm_slot(&bed.vm, 2, at, PAGE_2M, hva, KVM_MEM_READONLY));
	hva[0] = 0x11;
	is(edu_once(&edu, at, true), -EACCES, "the device cannot write a read-only slot");
	is(edu_once(&edu, at, false), 0, "but read it");
	edu_move(&edu, at + 8, true, 8);
	is(hva[8], 0, "a write all the same goes nowhere");
	vm_unmap(&bed.vm, 2);

	/* What the host has read-only becomes writable: readers in flight are hit. */
	must(madvise(hva, PAGE_4K, MADV_DONTNEED));
	is(*(volatile uint8_t *)hva, 0, "the zero page");
	is(vfio_begin(&edu, GPA, 8, READ, &id), 0, "a reader begins");
	hva[0] = 1;
	is(vfio_done(&edu, id), -EAGAIN, "the page is another: it was hit");
	must(madvise(hva, PAGE_4K, MADV_DONTNEED));
	is(*(volatile uint8_t *)hva, 0, "the zero page");
	is(vfio_begin(&edu, GPA, 8, READ, &id), 0, "a reader begins");
	is(vfio_begin(&edu, GPA, 8, WRITE, &other), 0, "and a writer");
	is(vfio_done(&edu, id), -EAGAIN, "the reader was hit");
	is(vfio_done(&edu, other), 0, "the writer was not");
	end();
}

/* The host may take memory while it is brought; whatever happened is told. */
static void test_paged_out(void)
{
	uint32_t id;
	uint8_t *hva;

	sys_swap();
	begin();
	hva = mem.hva;
	memset(hva, 0x55, PAGE_4K);
	is(edu_once(&edu, GPA, false), 0, "the device takes a page in");
	is(vfio_begin(&edu, GPA + PAGE_4K, EDU_LENGTH, WRITE, &id), 0, "a transfer begins");
	ok(mem_pageout(hva + PAGE_4K, PAGE_4K), "the host pages it out");
	is(vfio_done(&edu, id), -EAGAIN, "it was hit");
	is(edu_once(&edu, GPA + PAGE_4K, true), 0, "again: it is paged in");
	is(hva[PAGE_4K], 0x55, "the data are there");
	end();
}

static void test_logged(void)
{
	struct kvm_dirty_log log = { .slot = 2 };
	uint64_t at = GPA + PAGE_1G, bits[8] = { 0 };
	uint32_t id;

	begin();
	must(vm_slot(&bed.vm, 2, at, PAGE_2M, mem.hva, KVM_MEM_LOG_DIRTY_PAGES));
	log.dirty_bitmap = bits;
	must(ioctl(bed.vm.fd, KVM_GET_DIRTY_LOG, &log));
	is(edu_once(&edu, at + 3 * PAGE_4K, true), 0, "the device writes a page");
	must(ioctl(bed.vm.fd, KVM_GET_DIRTY_LOG, &log));
	is(bits[0], 1 << 3, "it is in the next harvest, alone");
	is(edu_once(&edu, at + 3 * PAGE_4K, false), 0, "the device reads it");
	must(ioctl(bed.vm.fd, KVM_GET_DIRTY_LOG, &log));
	is(bits[0], 0, "which is no write");
	is(vfio_begin(&edu, at + 4 * PAGE_4K, 8, WRITE, &id), 0, "a writer begins");
	must(ioctl(bed.vm.fd, KVM_GET_DIRTY_LOG, &log));
	is(bits[0], 1 << 4, "it counts from there");
	is(vfio_done(&edu, id), -EAGAIN, "the harvest hits it");
	end();
}

/* Each way in which the host, or the VMM, takes memory from under a transfer. */

#define EVENT_GPA	(GPA + PAGE_1G)

static struct mem taken;
static bool slot_is_there;

static void slot_flags(uint64_t gpa, uint32_t flags)
{
	must(vm_slot(&bed.vm, 2, gpa, taken.size, taken.hva, flags));
}

static void by_dontneed(void)
{
	must(madvise(taken.hva, PAGE_4K, MADV_DONTNEED));
}

static void by_neighbour(void)
{
	must(madvise(taken.hva + 5 * PAGE_4K, PAGE_4K, MADV_DONTNEED));
}

static void by_munmap(void)
{
	must(munmap(taken.hva, PAGE_4K));
}

static void by_mremap(void)
{
	void *other = mmap(NULL, PAGE_4K, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mremap(taken.hva, PAGE_4K, PAGE_4K, MREMAP_MAYMOVE | MREMAP_FIXED, other) != other)
		bail("mremap: %m");
}

static void by_prot_none(void)
{
	must(mprotect(taken.hva, PAGE_4K, PROT_NONE));
}

static void by_prot_read(void)
{
	must(mprotect(taken.hva, PAGE_4K, PROT_READ));
}

static void by_fork(void)
{
	pid_t pid = must(fork());

	if (!pid)
		_exit(0);
	is(sys_wait_exit(pid, 10000), 0, "a child comes and goes");
}

static void by_pageout(void)
{
	sys_swap();
	ok(mem_pageout(taken.hva, PAGE_4K), "the page is out");
}

static void by_punch(void)
{
	must(fallocate(taken.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE_4K));
}

static void by_truncate(void)
{
	must(ftruncate(taken.fd, 0));
}

static void by_collapse(void)
{
	must(madvise(taken.hva, PAGE_2M, MADV_HUGEPAGE));
	must(mem_collapse(taken.hva));
}

static void by_delete(void)
{
	vm_unmap(&bed.vm, 2);
	slot_is_there = false;
}

static void by_move(void)
{
	slot_flags(EVENT_GPA + PAGE_1G, 0);
}

static void by_log_on(void)
{
	slot_flags(EVENT_GPA, KVM_MEM_LOG_DIRTY_PAGES);
}

static void by_harvest(void)
{
	uint64_t bits[PAGE_2M / PAGE_4K / 64];

	log_harvest(&bed.vm, LOG_GET, 2, PAGE_2M / PAGE_4K, bits);
	is(bits[0] & 1, 1, "the page is in the log");
}

#define EVENT(what, mem, how)	.name = what, .get = mem, .happens = how

static const struct {
	const char *name;
	void (*get)(struct mem *mem, size_t size);
	void (*happens)(void);
	int after;	/* what begin answers then */
	bool logs;	/* the slot does, before */
} events[] = {
	{ EVENT("DONTNEED", mem_small, by_dontneed) },
	{ EVENT("DONTNEED of another page of 2M", mem_thp, by_neighbour) },
	{ EVENT("munmap", mem_small, by_munmap), .after = -EFAULT },
	{ EVENT("mremap", mem_small, by_mremap), .after = -EFAULT },
	{ EVENT("PROT_NONE", mem_small, by_prot_none), .after = -EFAULT },
	{ EVENT("PROT_READ", mem_small, by_prot_read), .after = -EACCES },
	{ EVENT("fork", mem_small, by_fork) },
	{ EVENT("page out", mem_small, by_pageout) },
	{ EVENT("a hole in the file", mem_memfd, by_punch) },
	{ EVENT("the file's end", mem_memfd, by_truncate), .after = -EFAULT },
	{ EVENT("collapse to 2M", mem_small, by_collapse) },
	{ EVENT("slot deleted", mem_small, by_delete), .after = -EFAULT },
	{ EVENT("slot moved", mem_small, by_move), .after = -EFAULT },
	{ EVENT("dirty log on", mem_small, by_log_on) },
	{ EVENT("dirty log harvested", mem_small, by_harvest), .logs = true },
};

static void check_event(size_t i)
{
	const char *name = events[i].name;
	uint32_t id;

	events[i].get(&taken, PAGE_2M);
	memset(taken.hva, 1, PAGE_2M);
	slot_flags(EVENT_GPA, events[i].logs ? KVM_MEM_LOG_DIRTY_PAGES : 0);
	slot_is_there = true;
	is(vfio_begin(&edu, EVENT_GPA, PAGE_4K, WRITE, &id), 0, "%s: a transfer begins", name);
	ok(translated(EVENT_GPA), "%s: it can reach the page", name);
	events[i].happens();
	is(vfio_done(&edu, id), -EAGAIN, "%s: it was hit", name);
	is(edu_once(&edu, EVENT_GPA, true), events[i].after, "%s: again", name);
	if (events[i].after)
		is(translated(EVENT_GPA), 0, "%s: nothing is translated", name);
	else
		ok(!memcmp(taken.hva, mem.hva, EDU_LENGTH) &&
		   agrees(EVENT_GPA, taken.hva, PAGE_4K), "%s: it is there now", name);
	if (slot_is_there)
		vm_unmap(&bed.vm, 2);
	mem_free(&taken);
}

static void test_events(void)
{
	int klog = klog_open();
	size_t i;

	begin();
	memset(mem.hva, 0x77, PAGE_4K);
	is(edu_once(&edu, GPA, false), 0, "the device takes a page in");
	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if ((events[i].get == mem_thp || events[i].happens == by_collapse) &&
		    mem_skip_thp(events[i].name))
			continue;
		check_event(i);
	}
	is(klog_count(klog, "DMAR: [DMA") + klog_count(klog, "AMD-Vi: Event logged"), 0,
	   "the IOMMU has logged no fault");
	close(klog);
	end();
}

static void test_many(void)
{
	enum { NR = 100 };
	struct kvm_tdp_vfio_io ios[NR] = { 0 };
	struct kvm_tdp_vfio_ios arg = { .size = sizeof(arg), .ios = (uintptr_t)ios, .nr = NR };
	int i, hit = 0;

	begin();
	for (i = 0; i < NR; i++) {
		ios[i].gpa = GPA + i * 2 * PAGE_4K + 0xff0;
		ios[i].length = 0x20;
		ios[i].flags = i % 2 ? READ : WRITE;
	}
	is(sys(ioctl(edu.container, KVM_TDP_VFIO_BEGIN, &arg)), 0, "a hundred transfers begin");
	is(arg.done, NR, "all of them");
	ok(is_translated(GPA, NR * 2 * PAGE_4K, true), "each is on two pages");
	must(madvise(mem.hva + PAGE_4K, PAGE_4K, MADV_DONTNEED));
	must(madvise(mem.hva + 50 * PAGE_4K, PAGE_4K, MADV_DONTNEED));
	is(sys(ioctl(edu.container, KVM_TDP_VFIO_DONE, &arg)), 0, "they are done");
	for (i = 0; i < NR; i++)
		hit += !!(ios[i].flags & KVM_TDP_VFIO_HIT);
	is(hit, 2, "two were hit");
	ok(ios[0].flags & KVM_TDP_VFIO_HIT && ios[25].flags & KVM_TDP_VFIO_HIT, "the right ones");
	is(sys(ioctl(edu.container, KVM_TDP_VFIO_DONE, &arg)), -ENOENT, "once only");
	is(arg.done, 0, "of none");

	/* The tenth is wrong: those before it are in flight. */
	ios[10].length = 0;
	is(sys(ioctl(edu.container, KVM_TDP_VFIO_BEGIN, &arg)), -EINVAL, "one is wrong");
	is(arg.done, 10, "those before it have begun");
	arg.nr = 10;
	is(sys(ioctl(edu.container, KVM_TDP_VFIO_DONE, &arg)), 0, "and are done");
	end();
}

static void test_too_many(void)
{
	static struct kvm_tdp_vfio_io ios[KVM_TDP_VFIO_MAX_IOS + 1];
	struct kvm_tdp_vfio_ios arg = {
		.size = sizeof(arg), .ios = (uintptr_t)ios, .nr = KVM_TDP_VFIO_MAX_IOS + 1,
	};
	int i;

	begin();
	for (i = 0; i <= KVM_TDP_VFIO_MAX_IOS; i++)
		ios[i] = (struct kvm_tdp_vfio_io){ .gpa = GPA, .length = 8, .flags = READ };
	is(sys(ioctl(edu.container, KVM_TDP_VFIO_BEGIN, &arg)), -ENOSPC, "one too many");
	is(arg.done, KVM_TDP_VFIO_MAX_IOS, "all others are in flight");
	must(vfio_detach(&edu));
	arg.nr = KVM_TDP_VFIO_MAX_IOS;
	is(sys(ioctl(edu.container, KVM_TDP_VFIO_DONE, &arg)), 0, "they can be done when detached");
	ok(ios[0].flags & KVM_TDP_VFIO_HIT && ios[4095].flags & KVM_TDP_VFIO_HIT, "and were hit");
	must(vfio_attach(&edu, bed.tdp, 0, -1, NULL));
	end();
}

/* By a worker, within @ms. */
static bool signalled(int fd, int ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, ms) == 1;
}

static void test_eventfd(void)
{
	int fd = must(eventfd(0, EFD_CLOEXEC));
	uint32_t id;

	begin();
	must(vfio_detach(&edu));
	is(vfio_attach(&edu, bed.tdp, 0, bed.tdp, NULL), -EINVAL, "no eventfd");
	is(vfio_attach(&edu, bed.tdp, 0, 999, NULL), -EBADF, "no fd at all");
	must(vfio_attach(&edu, bed.tdp, 0, fd, NULL));
	must(vfio_begin(&edu, GPA, 8, WRITE, &id));
	ok(!signalled(fd, 100), "in flight: no signal");
	must(madvise(mem.hva + PAGE_4K, PAGE_4K, MADV_DONTNEED));
	ok(!signalled(fd, 100), "another page is taken: no signal");
	must(madvise(mem.hva, PAGE_4K, MADV_DONTNEED));
	ok(signalled(fd, ACTOR_PATIENCE), "its page is taken: a signal");
	is(vfio_done(&edu, id), -EAGAIN, "it was hit");
	end();
	close(fd);
}

/* A page in which the process sees what was hit, without a call. */
static void test_hits(void)
{
	uint8_t *hits = mmap(NULL, 2 * PAGE_4K, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t id, other;
	uint8_t *hva;

	begin();
	hva = mem.hva;
	is(vfio_attach(&edu, bed.tdp, 0, -1, hits), -EBUSY, "attached already");
	must(vfio_detach(&edu));
	is(vfio_attach(&edu, bed.tdp, 0, -1, hits + 8), -EINVAL, "not a page");
	is(vfio_attach(&edu, bed.tdp, 0, -1, (void *)PAGE_4K), -EFAULT, "where there is nothing");
	is(vfio_attach(&edu, bed.tdp, 0, -1, hits), 0, "a page of hits");
	memset(hits, 0xff, PAGE_4K);
	is(vfio_begin(&edu, GPA, 2 * PAGE_4K, WRITE, &id), 0, "a transfer begins");
	is(vfio_begin(&edu, GPA + 8 * PAGE_4K, PAGE_4K, READ, &other), 0, "and another");
	ok(!hits[id] && !hits[other], "none was hit");
	must(madvise(hva + PAGE_4K, PAGE_4K, MADV_DONTNEED));
	ok(hits[id] && !hits[other], "one was hit, the other was not");
	is(vfio_done(&edu, id), -EAGAIN, "it is told so");
	is(vfio_begin(&edu, GPA, 2 * PAGE_4K, WRITE, &id), 0, "it begins again");
	ok(!hits[id], "not hit any more");

	/* Of one that was in flight before, the page of the next attach tells as well. */
	must(vfio_detach(&edu));
	ok(hits[id] && hits[other], "detached: both were hit");
	memset(hits, 0, PAGE_4K);
	is(vfio_attach(&edu, bed.tdp, 0, -1, hits), 0, "attached again");
	ok(hits[id] && hits[other], "they still are");
	is(vfio_done(&edu, id), -EAGAIN, "it is told so");
	is(vfio_begin(&edu, GPA, 2 * PAGE_4K, WRITE, &id), 0, "it begins again");
	ok(!hits[id], "not hit any more");

	/* It is pinned, wherever the process has it. */
	must(munmap(hits, PAGE_4K));
	must(madvise(hva, PAGE_4K, MADV_DONTNEED));
	is(vfio_done(&edu, id), -EAGAIN, "hit, and nobody looks");
	must(vfio_detach(&edu));
	is(vfio_attach(&edu, bed.tdp, 0, -1, hits + PAGE_4K), 0, "another page");
	is(vfio_begin(&edu, GPA, PAGE_4K, WRITE, &id), 0, "a transfer begins");
	vm_unmap(&bed.vm, 1);
	ok(hits[PAGE_4K + id], "the slot goes: it was hit");
	is(vfio_done(&edu, other), -EAGAIN, "that from before was hit, too");
	is(vfio_done(&edu, id), -EAGAIN, "it is told so");
	end();
	must(munmap(hits + PAGE_4K, PAGE_4K));
}

static void test_own_memory(void)
{
	struct kvm_tdp_vfio_info got = info();
	uint64_t iova = got.own_first;
	uint8_t *own = mmap(NULL, 4 * PAGE_4K, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	begin();
	ok(got.own_first == got.gpa_last + 1 && got.own_last > got.own_first,
	   "there are addresses above all GPAs");
	memset(own, 0x33, PAGE_4K);
	is(vfio_map(&edu, GPA, own, PAGE_4K, READ), -ERANGE, "not at a GPA");
	is(vfio_map(&edu, got.own_last + 1 - PAGE_4K, own, 2 * PAGE_4K, READ), -ERANGE,
	   "not beyond the last");
	is(vfio_map(&edu, iova + 1, own, PAGE_4K, READ), -EINVAL, "not aligned");
	is(vfio_map(&edu, iova, own, 0, READ), -EINVAL, "nothing");
	is(vfio_map(&edu, iova, own, PAGE_4K, 0), -EINVAL, "for nothing");
	is(vfio_map(&edu, iova, (void *)(GPA & ~0xfffUL), PAGE_4K, READ), -EFAULT,
	   "where there is no memory");
	is(vfio_map(&edu, iova, own, 3 * PAGE_4K, READ | WRITE), 0, "memory of the driver's");
	is(info().own_bytes, 3 * PAGE_4K, "is counted");
	is(vfio_map(&edu, iova + 2 * PAGE_4K, own, PAGE_4K, READ), -EEXIST, "once only");
	is(translated(iova + PAGE_4K), mem_hpa(own + PAGE_4K), "and translated");
	edu_raw(&edu, iova, false);
	edu_raw(&edu, iova + PAGE_4K, true);
	is(own[PAGE_4K + EDU_LENGTH - 1], 0x33, "the device reads and writes it");
	is(vfio_begin(&edu, iova, 8, READ, &(uint32_t){ 0 }), -ERANGE, "which is no GPA");
	is(vfio_unmap(&edu, iova + PAGE_4K), -ENOENT, "a part of it is not unmapped");
	is(vfio_unmap(&edu, iova), 0, "all of it is");
	is(translated(iova), 0, "and not translated any more");
	is(info().own_bytes, 0, "nor counted");
	/* Left to the end of the container. */
	is(vfio_map(&edu, iova, own, PAGE_4K, READ), 0, "mapped again");
	end();
	munmap(own, 4 * PAGE_4K);
}

/* Pages that count against RLIMIT_MEMLOCK. */
static unsigned long locked(void)
{
	char status[4096], *line;

	sys_read("/proc/self/status", status, sizeof(status));
	line = strstr(status, "VmLck:");
	if (!line)
		bail("status has no VmLck");
	return strtoul(line + strlen("VmLck:"), NULL, 10) * 1024 / PAGE_4K;
}

/* Tables of the IOMMU's stay, and count, where memory was mapped. */
static void test_own_tables(void)
{
	uint64_t iova = info().own_first + 64 * PAGE_2M;
	struct rlimit old, limit;
	unsigned int i;
	void *own = mmap(NULL, PAGE_4K, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ret = 0;

	must(getrlimit(RLIMIT_MEMLOCK, &old));
	limit = old;
	limit.rlim_cur = (locked() + 4) * PAGE_4K;
	must(setrlimit(RLIMIT_MEMLOCK, &limit));
	must(sys_cap(CAP_IPC_LOCK, false));
	for (i = 0; !ret && i < 3 * 3; i++) {
		ret = vfio_map(&edu, iova + i / 3 * PAGE_2M, own, PAGE_4K, READ);
		if (!ret)
			ret = vfio_unmap(&edu, iova + i / 3 * PAGE_2M);
	}
	is(ret, 0, "a page, three times at each of three tables, with room for four");
	is(vfio_map(&edu, iova + 3 * PAGE_2M, own, PAGE_4K, READ), -ENOMEM, "not at a fourth");
	must(sys_cap(CAP_IPC_LOCK, true));
	must(setrlimit(RLIMIT_MEMLOCK, &old));
	vfio_close(&edu);
	is(locked(), 0, "closed: nothing counts");
	edu_open(&edu);
	munmap(own, PAGE_4K);
}

static void test_errors(void)
{
	struct kvm_tdp_vfio_info got = info();
	uint32_t id;
	struct vm other;

	is(vfio_begin(&edu, GPA, 8, READ, &id), -ENOTCONN, "begin without a guest");
	is(vfio_detach(&edu), -ENOTCONN, "detach without a guest");
	is(vfio_done(&edu, 0), -ENOENT, "nothing is in flight");
	is(vfio_done(&edu, ~0U), -ENOENT, "nor of that name");
	is(vfio_attach(&edu, -1, 0, -1, NULL), -EBADF, "attach to no fd");
	is(vfio_attach(&edu, edu.group, 0, -1, NULL), -EINVAL, "attach to another fd");
	begin();
	is(vfio_attach(&edu, bed.tdp, 0, -1, NULL), -EBUSY, "attach twice");
	is(vfio_begin(&edu, GPA, 0, READ, &id), -EINVAL, "no length");
	is(vfio_begin(&edu, GPA, 8, 0, &id), -EINVAL, "no direction");
	is(vfio_begin(&edu, GPA, 8, 8 | READ, &id), -EINVAL, "another flag");
	is(vfio_begin(&edu, GPA, -GPA + 1, READ, &id), -EINVAL, "it wraps");
	is(vfio_begin(&edu, got.gpa_last, 2, READ, &id), -ERANGE, "beyond the last GPA");
	is(vfio_begin(&edu, 0xfee00000, 8, WRITE, &id), -ERANGE, "where interrupts go");
	is(vfio_begin(&edu, GPA + SIZE - 8, 16, READ, &id), -EFAULT, "half of it is in no slot");
	is(vfio_detach(&edu), 0, "detach");
	vm_open(&other);
	is(vfio_attach(&edu, bed.tdp, getppid(), -1, NULL), -EPERM, "the VM is not that process's");
	is(vfio_attach(&edu, bed.tdp, 99999, -1, NULL), -ESRCH, "no such process");
	sys_cap(CAP_SYS_ADMIN, false);
	is(vfio_attach(&edu, bed.tdp, getpid(), -1, NULL), -EPERM, "a pid, unprivileged");
	is(vfio_attach(&edu, bed.tdp, 0, -1, NULL), 0, "one's own VM, unprivileged");
	sys_cap(CAP_SYS_ADMIN, true);
	vm_close(&other);
	end();
}

/* The VMM is another process, and dies while a transfer is in flight. */
static void test_vmm_dies(void)
{
	int socks[2], tdp;
	uint32_t id;
	pid_t pid;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	pid = must(fork());
	if (!pid) {
		bed_open(&bed);
		mem_small(&mem, SIZE);
		vm_map(&bed.vm, 1, GPA, &mem);
		must(sys_send_fd(socks[1], bed.tdp));
		pause();
		_exit(0);
	}
	tdp = must(sys_recv_fd(socks[0]));
	is(vfio_attach(&edu, tdp, 0, -1, NULL), -EPERM, "another process's VM");
	is(vfio_attach(&edu, tdp, pid, -1, NULL), 0, "said to be its");
	must(edu_once(&edu, GPA, true));
	is(vfio_begin(&edu, GPA, 8, WRITE, &id), 0, "a transfer begins");
	ok(translated(GPA), "the device reaches the guest");
	kill(pid, SIGKILL);
	must(waitpid(pid, NULL, 0));
	is(translated(GPA), 0, "the VMM is dead: nothing is translated");
	is(vfio_done(&edu, id), -EAGAIN, "the transfer was hit");
	is(vfio_begin(&edu, GPA, 8, WRITE, &id), -EPERM, "no other can begin");
	is(vfio_detach(&edu), 0, "detach");
	close(tdp);
	close(socks[0]);
	close(socks[1]);
}

/* All is closed with a transfer in flight, and opened again. */
static void test_closed(void)
{
	uint32_t id;

	begin();
	must(vfio_begin(&edu, GPA, SIZE, WRITE, &id));
	ok(translated(GPA), "the device reaches the guest");
	vfio_close(&edu);
	is(translated(GPA), 0, "closed: nothing is translated");
	edu_open(&edu);
	is(info().begun, 0, "another container");
	must(vfio_attach(&edu, bed.tdp, 0, -1, NULL));
	is(edu_once(&edu, GPA, true), 0, "the device writes");
	end();
}

static int call(void)
{
	struct kvm_tdp_vfio_info got;

	return vfio_info(&edu, &got);
}

static int unload(void)
{
	return sys_delete_module("kvm_tdp_vfio");
}

/* The kernel's stack of a thread has a function of the module. */
static bool is_in_vfio(pid_t tid)
{
	char path[64], stack[4096];

	snprintf(path, sizeof(path), "/proc/self/task/%d/stack", tid);
	sys_read(path, stack, sizeof(stack));
	return strstr(stack, "[kvm_tdp_vfio]");
}

/* VFIO has no reference on the module for a call that is on its way when the group leaves. */
static void test_unload(void)
{
	const struct kmod_point at = { .symbol = "down_read_killable" };
	struct actor caller, remover;
	unsigned int ms = ACTOR_PATIENCE;

	actor_start(&caller, 1);
	actor_start(&remover, 0);
	kmod_stop(kmod, 0, &at, caller.tid);
	actor_begin(&caller, call);
	ok(kmod_is_stopped(kmod, 0, ACTOR_PATIENCE), "a call is on its way");
	vfio_close(&edu);
	actor_begin(&remover, unload);
	while (!is_in_vfio(remover.tid) && sys_step(&ms))
		;
	ok(is_in_vfio(remover.tid) && actor_is_busy(&remover, 500),
	   "the module waits for it to be unloaded");
	ok(kmod_go(kmod, 0), "the call goes on");
	is(actor_end(&caller), -ENODEV, "there is no IOMMU any more");
	is(actor_end(&remover), 0, "the module is unloaded");
	kmod_unstop(kmod, 0);
	actor_stop(&caller);
	actor_stop(&remover);
	sys_module("kvm_tdp_vfio", "/sys/module/kvm_tdp_vfio");
	edu_open(&edu);
}

static const struct tap_case cases[] = {
	{ "errors", test_errors },
	{ "both_ways", test_both_ways },
	{ "taken_away", test_taken_away },
	{ "large", test_large },
	{ "read_only", test_read_only },
	{ "paged_out", test_paged_out },
	{ "logged", test_logged },
	{ "events", test_events },
	{ "many", test_many },
	{ "too_many", test_too_many },
	{ "eventfd", test_eventfd },
	{ "hits", test_hits },
	{ "own_memory", test_own_memory },
	{ "own_tables", test_own_tables },
	{ "vmm_dies", test_vmm_dies },
	{ "closed", test_closed },
	{ "unload", test_unload },
};

int main(int argc, char **argv)
{
	int ret;

	kmod = kmod_open();
	edu_open(&edu);
	is(ioctl(edu.container, VFIO_CHECK_EXTENSION, VFIO_KVM_TDP_IOMMU), 1, "the extension");
	is(ioctl(edu.container, VFIO_CHECK_EXTENSION, VFIO_TYPE1_IOMMU), 0, "and no other");
	ret = RUN_CASES(cases, argc, argv);
	vfio_close(&edu);
	close(kmod);
	return ret;
}
