// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reference importer's IOTLB and its life: hits and misses, what is left of
 * a translation when the host has taken the page away, several engines, other
 * processes, every order of ends.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine.h"
#include "kmod.h"
#include "sys.h"

static void test_iotlb(void)
{
	static unsigned char buf[SIZE];
	struct kvm_tdp_dma_stats stats;

	setup();
	is(dma_read(eb.dma, GPA, buf, SIZE, 0), 0, "read");
	stats = dma_stats(eb.dma);
	is(stats.iotlb_misses, 16, "a miss for each page");
	is(stats.iotlb_hits, 0, "no hit");
	ok(stats.faults >= 1 && stats.faults <= 16, "%llu faults", stats.faults);
	is(dma_read(eb.dma, GPA, buf, SIZE, 0), 0, "read again");
	stats = dma_stats(eb.dma);
	is(stats.iotlb_misses, 16, "no miss");
	is(stats.iotlb_hits, 16, "a hit for each page");
	is(stats.bytes_read, 2 * SIZE, "bytes read");
	is(stats.bytes_written, 0, "bytes written");
	is(dma_copy(eb.dma, GPA, GPA + 100, 50, 0), 0, "copy");
	stats = dma_stats(eb.dma);
	is(stats.bytes_read, 2 * SIZE + 50, "bytes read");
	is(stats.bytes_written, 50, "bytes written");
	check(engine_read(HOLE, buf, 1, 0), -EFAULT, 0, "a hole");
	is(dma_stats(eb.dma).faults_failed, 1, "a failed fault");
	is(dma_stats(eb.dma).iotlb_misses, stats.iotlb_misses + 1, "and a miss");
	teardown();
}

static void test_iotlb_huge(void)
{
	unsigned char buf[64];
	struct kvm_tdp_dma_stats stats;
	unsigned int i, wrong = 0;
	size_t at;

	setup_with(mem_huge, 2 * PAGE_2M);
	for (i = 0; i < 512; i++)
		wrong += dma_read(eb.dma, GPA + i * PAGE_4K, buf, sizeof(buf), 0) ||
			 !holds(buf, i * PAGE_4K, sizeof(buf), 0);
	stats = dma_stats(eb.dma);
	is(wrong, 0, "every 4K of a 2M leaf");
	is(ktdp_level(eb.tdp, GPA), 2, "which it is");
	is(stats.iotlb_misses, 1, "one miss");
	is(stats.faults, 1, "one fault");
	is(stats.iotlb_hits, 511, "hits for the rest");
	at = 9 * PAGE_4K & -eb.mem.piece;
	must(madvise(eb.mem.hva + at, eb.mem.piece, MADV_DONTNEED));
	ok(dma_reaches_none(eb.dma, GPA, PAGE_4K), "%zuK of it gone: none of it",
	   eb.mem.piece >> 10);
	teardown();
}

/* More pages than the IOTLB holds, in an order that makes them collide. */
static void test_iotlb_evict(void)
{
	const unsigned int pages = 1024;
	unsigned char byte;
	unsigned int i, at, wrong = 0;
	struct kvm_tdp_dma_stats stats;

	setup_with(mem_small, pages * PAGE_4K);
	for (i = 0; i < 2 * pages; i++) {
		at = i % 4 * 256 + i / 4 % 256;
		wrong += dma_read(eb.dma, GPA + at * PAGE_4K, &byte, 1, 0) ||
			 !holds(&byte, at * PAGE_4K, 1, 0);
	}
	stats = dma_stats(eb.dma);
	is(wrong, 0, "each page's own data");
	is(stats.iotlb_hits + stats.iotlb_misses, 2 * pages,
	   "each access a hit or a miss");
	ok(stats.iotlb_misses > pages, "evictions: %llu misses",
	   stats.iotlb_misses);
	teardown();
}

/* Read-only first (the zero page), writable after a write fault. */
static void test_upgrade(void)
{
	struct kvm_tdp_dma_stats stats;
	struct told told;
	uint64_t word = ~0ULL;

	setup();
	must(madvise(eb.mem.hva, SIZE, MADV_DONTNEED));
	is(dma_read(eb.dma, GPA, &word, sizeof(word), 0), 0, "read");
	is(word, 0, "a page never written");
	told_begin(&told, eb.dma);
	word = 0x1234567890abcdef;
	is(dma_write(eb.dma, GPA, &word, sizeof(word), 0), 0, "write");
	is(*(uint64_t *)eb.mem.hva, word, "the host sees it");
	ok(told_covers(&told, GPA, PAGE_4K), "the page it replaced is gone");
	stats = dma_stats(eb.dma);
	word = 0;
	is(dma_read(eb.dma, GPA, &word, sizeof(word), 0), 0, "read");
	is(word, 0x1234567890abcdef, "the new page");
	is(dma_stats(eb.dma).iotlb_hits, stats.iotlb_hits + 1, "from the IOTLB");
	teardown();
}

static void check_gone(struct told *told, const char *what, uint64_t gpa)
{
	ok(told_of(told, gpa, PAGE_4K), "%s: told, and flushed", what);
}

static void warm(struct told *told)
{
	static unsigned char buf[SIZE];

	is(dma_read(eb.dma, GPA, buf, SIZE, 0), 0, "map all");
	told_begin(told, eb.dma);
}

static void test_invalidate(void)
{
	unsigned char buf[16], zero[16] = { 0 };
	struct told told;

	setup();
	warm(&told);
	must(madvise(eb.mem.hva, PAGE_4K, MADV_DONTNEED));
	check_gone(&told, "madvise", GPA);
	is(dma_read(eb.dma, GPA, buf, sizeof(buf), 0), 0, "read after it");
	ok(!memcmp(buf, zero, sizeof(buf)), "a page of zeroes");

	warm(&told);
	fill(eb.mem.hva, 0, SIZE, 9);
	mmap(eb.mem.hva, PAGE_4K, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	check_gone(&told, "mmap over it", GPA);
	fill(eb.mem.hva, 0, SIZE, 10);
	is(dma_read(eb.dma, GPA, buf, sizeof(buf), 0), 0, "read after it");
	ok(holds(buf, 0, sizeof(buf), 10), "what is there now");

	warm(&told);
	must(munmap(eb.mem.hva, PAGE_4K));
	check_gone(&told, "munmap", GPA);
	check(engine_read(GPA, buf, 1, 0), -EFAULT, 0, "read after it");

	told_begin(&told, eb.dma);
	vm_unmap(&eb.vm, 1);
	check_gone(&told, "slot delete", GPA + PAGE_4K);
	check(engine_read(GPA + PAGE_4K, buf, 1, 0), -EFAULT, 0,
	      "read after it");
	check(engine_read(UPPER + PAGE_4K, buf, 1, 0), 0, 1,
	      "the other slot of the same memory");
	teardown();
}

static void test_two_engines(void)
{
	struct told told, other;
	unsigned char byte;
	int second;

	setup();
	second = dma_open();
	is(kvm_tdp_dma_attach(second, eb.tdp), 0, "a second engine on the TDP fd");
	is(ktdp_stats(eb.tdp).importers, 2, "two importers");
	is(dma_read(second, GPA, &byte, 1, 0), 0, "it reads");
	warm(&told);
	told_begin(&other, second);
	must(madvise(eb.mem.hva, PAGE_4K, MADV_DONTNEED));
	ok(told_covers(&other, GPA, PAGE_4K), "the second is told");
	check_gone(&told, "the first", GPA);
	is(kvm_tdp_dma_detach(second), 0, "detach one");
	is(ktdp_stats(eb.tdp).importers, 1, "one importer");
	warm(&told);
	told_begin(&other, second);
	must(madvise(eb.mem.hva, PAGE_4K, MADV_DONTNEED));
	check_gone(&told, "the one that stays", GPA);
	ok(told_nothing(&other), "the one that is detached is not told");
	is(kvm_tdp_dma_attach(second, eb.tdp), 0, "attach again");
	check(engine_read(GPA, &byte, 1, 0), 0, 1, "and read");
	close(second);
	is(ktdp_stats(eb.tdp).importers, 1, "close detaches");
	teardown();
}

static int child_uses_engine(void)
{
	unsigned char buf[16];

	return dma_read(eb.dma, GPA + 8, buf, sizeof(buf), 0) ||
	       !holds(buf, 8, sizeof(buf), 0);
}

static int child_attaches(void)
{
	eb.dma = dma_open();
	return kvm_tdp_dma_attach(eb.dma, eb.tdp) || child_uses_engine();
}

static void test_fork(void)
{
	setup();
	is(in_child(child_uses_engine), 0, "an engine in a child");
	is(in_child(child_attaches), 0, "a child's engine on the parent's VM");
	is(ktdp_stats(eb.tdp).importers, 1, "their engines are gone");
	check(engine_read(GPA, &(char){ 0 }, 1, 0), 0, 1,
	      "the parent's works");
	teardown();
}

/* In a child: a VM whose TDP fd is sent to the parent. */
static void child_vm(int sock)
{
	setup();
	kvm_tdp_dma_detach(eb.dma);
	sys_send_fd(sock, eb.tdp);
	pause();
	_exit(0);
}

static void test_exited_vmm(void)
{
	unsigned char buf[16];
	struct told told;
	int socks[2];
	pid_t pid;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	pid = must(fork());
	if (!pid)
		child_vm(socks[1]);
	eb.tdp = sys_recv_fd(socks[0]);
	eb.dma = dma_open();
	is(kvm_tdp_dma_attach(eb.dma, eb.tdp), 0, "attach to another process's VM");
	is(dma_read(eb.dma, GPA, buf, sizeof(buf), 0), 0, "read");
	ok(holds(buf, 0, sizeof(buf), 0), "its memory");
	told_begin(&told, eb.dma);
	kill(pid, SIGKILL);
	sys_wait(pid, 10000);
	ok(told_of(&told, GPA, PAGE_4K), "told before the VMM had exited");
	check(engine_read(GPA, buf, 1, 0), -EPERM, 0, "read then");
	check(engine_write(GPA, buf, 1, 0), -EPERM, 0, "write then");
	is(kvm_tdp_dma_detach(eb.dma), 0, "detach");
	is(kvm_tdp_dma_attach(eb.dma, eb.tdp), 0, "attach once more");
	check(engine_read(GPA, buf, 1, 0), -EPERM, 0, "read then");
	close(eb.tdp);
	close(eb.dma);
	close(socks[0]);
	close(socks[1]);
}

/* A bad entry, which only a hand from outside can make. */
static void test_reserved_bits(void)
{
	int kmod, handle;
	char byte;

	setup();
	kmod = kmod_open();
	handle = kmod_get(kmod, eb.tdp);
	is(ktdp_prefault(eb.tdp, GPA, PAGE_4K, ACC_R), 0, "map a page");
	is(kmod_poke(kmod, handle, GPA / PAGE_4K, 1 << 11), 1, "set bit 11");
	check(engine_read(GPA, &byte, 1, 0), -EIO, 0, "read");
	is(dma_stats(eb.dma).faults, 0, "fault was not asked");
	kmod_poke(kmod, handle, GPA / PAGE_4K, 1 << 11);
	check(engine_read(GPA, &byte, 1, 0), 0, 1, "read, bit cleared");
	close(kmod);
	teardown();
}

/* Close the three in the order that @order names, with work in between. */
static bool close_in_order(const char *order)
{
	unsigned int wrong = 0;
	struct told told;
	char byte;

	setup();
	warm(&told);
	for (; *order; order++) {
		if (*order == 'e') {
			close(eb.dma);
			eb.dma = -1;
		} else if (*order == 't') {
			close(eb.tdp);
		} else {
			vm_close(&eb.vm);
		}
		must(madvise(eb.mem.hva, PAGE_4K, MADV_DONTNEED));
		if (eb.dma < 0)
			continue;
		/* the engine keeps TDP fd and VM, and is told as before */
		wrong += !told_covers(&told, GPA, PAGE_4K);
		told_begin(&told, eb.dma);
		wrong += engine_read(GPA, &byte, 1, 0).ret || byte;
	}
	mem_free(&eb.mem);
	return !wrong;
}

static void test_close(void)
{
	static const char *const orders[] = {
		"etv", "evt", "tev", "tve", "vet", "vte",
	};
	size_t i;

	for (i = 0; i < NR(orders); i++)
		ok(close_in_order(orders[i]), "close in the order %s", orders[i]);
}

/* A transfer without end goes away with its process. */
static void test_kill(void)
{
	pid_t pid;

	setup();
	pid = must(fork());
	if (!pid) {
		for (;;)
			engine_copy(GPA, GPA + 1, SIZE - 1, 0);
	}
	usleep(100000);
	kill(pid, SIGKILL);
	ok(sys_wait(pid, 5000) != -ETIMEDOUT, "a killed process goes");
	is(kvm_tdp_dma_detach(eb.dma), 0, "and the engine is free");
	teardown();
}

struct traffic {
	bool stop;
	bool failed;
};

/* Bytes the checker does not look at, of the page that comes and goes. */
static void *traffic_thread(void *arg)
{
	struct traffic *traffic = arg;
	char buf[512];
	int ret = 0;

	while (!ret && !__atomic_load_n(&traffic->stop, __ATOMIC_ACQUIRE)) {
		ret = dma_read(eb.dma, GPA, buf, sizeof(buf), 0) ?:
		      dma_write(eb.dma, GPA + 2048, buf, sizeof(buf), 0) ?:
		      dma_copy(eb.dma, GPA, GPA + 3000, sizeof(buf), 0);
	}
	traffic->failed |= ret != 0;
	return NULL;
}

/*
 * As soon as madvise() has returned, an access goes to the page that is there
 * now, whatever other accesses put into the IOTLB meanwhile.
 */
static void test_coherence(void)
{
	struct traffic traffic = { 0 };
	pthread_t threads[3];
	uint64_t turn, word, stale = 0, lost = 0;
	volatile uint64_t *hva;
	size_t i;

	setup();
	hva = eb.mem.hva;
	/* There already, so that each turn takes something away. */
	must(sys(dma_read(eb.dma, GPA, &word, sizeof(word), 0)));
	for (i = 0; i < NR(threads); i++)
		must(-pthread_create(&threads[i], NULL, traffic_thread, &traffic));
	for (turn = 1; turn <= 1000; turn++) {
		must(madvise(eb.mem.hva, PAGE_4K, MADV_DONTNEED));
		hva[0] = turn;
		must(sys(dma_read(eb.dma, GPA, &word, sizeof(word), 0)));
		stale += word != turn;
		word = ~turn;
		must(sys(dma_write(eb.dma, GPA + 8, &word, sizeof(word), 0)));
		lost += hva[1] != ~turn;
	}
	__atomic_store_n(&traffic.stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < NR(threads); i++)
		pthread_join(threads[i], NULL);
	is(stale, 0, "no read of a page that was gone");
	is(lost, 0, "no write to a page that was gone");
	ok(!traffic.failed, "no access failed");
	ok(dma_stats(eb.dma).invalidations >= 1000, "and there were invalidations");
	teardown();
}

static const struct tap_case cases[] = {
	{ "iotlb", test_iotlb },
	{ "iotlb_huge", test_iotlb_huge },
	{ "iotlb_evict", test_iotlb_evict },
	{ "upgrade", test_upgrade },
	{ "invalidate", test_invalidate },
	{ "two_engines", test_two_engines },
	{ "fork", test_fork },
	{ "exited_vmm", test_exited_vmm },
	{ "reserved_bits", test_reserved_bits },
	{ "close", test_close },
	{ "kill", test_kill },
	{ "coherence", test_coherence },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
