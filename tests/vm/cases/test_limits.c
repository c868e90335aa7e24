// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest, a VMM or the holder of a TDP fd can take: memory (charged to the
 * VMM's cgroup, and no more than its slots need), lines of the kernel log, time.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attempt.h"
#include "bed.h"
#include "klog.h"
#include "kmod.h"
#include "sys.h"

#define CGROUPS		"/sys/fs/cgroup/"
#define CGROUP		CGROUPS "ktdp/"
#define SLACK		(128 * (long)PAGE_4K)	/* that counters may lag behind */
#define FULL_TABLES	(2 + PAGE_1G / PAGE_2M)	/* with those above */
#define SIZE		(16 * PAGE_2M)
#define ROUNDS		20
#define SEED_SIZE	(128 * PAGE_2M)
#define PATIENCE	60000
#define FDS		1000
#define FLOOD		3000
#define FAULTS		500

static struct bed bed;
static struct mem mem;
static int kmod, handle;

static void begin(void)
{
	bed_open(&bed);
	mem_repeated(&mem, SIZE);
	vm_map(&bed.vm, 1, GPA, &mem);
}

static void end(void)
{
	bed_close(&bed);
	mem_free(&mem);
}

/* Memory: a VMM in a cgroup of its own tells what it has seen there. */

static struct figures {
	long before, full, after;	/* memory.current */
	uint64_t tables, kept;
	int at_limit, then;		/* answers of prefault */
	uint64_t dropped, ms;
	unsigned int refills;
} *figures;

/* A VM with a slot of 1G in 4K pages that are in the host, and nothing mapped. */
static void full_open(void)
{
	vm_open(&bed.vm);
	mem_repeated(&mem, PAGE_1G);
	vm_map(&bed.vm, 1, GPA, &mem);
	bed.tdp = must(kvm_tdp_create(bed.vm.fd, 0));
}

/* What is unmapped is freed by and by. */
static void settle(int tdp, uint64_t tables)
{
	unsigned int ms = PATIENCE;

	while (ktdp_stats(tdp).table_pages > tables && sys_step(&ms))
		;
}

static void vmm_full(void)
{
	full_open();
	figures->before = sys_read_long(CGROUP "memory.current");
	figures->then = ktdp_prefault(bed.tdp, GPA, PAGE_1G, ACC_W);
	figures->tables = ktdp_stats(bed.tdp).table_pages - 1;
	figures->full = sys_read_long(CGROUP "memory.current");
	vm_unmap(&bed.vm, 1);
	settle(bed.tdp, 2);	/* the root, and what had the entry of 1G that was cleared */
	figures->kept = ktdp_stats(bed.tdp).table_pages;
	figures->after = sys_read_long(CGROUP "memory.current");
}

static void vmm_limited(void)
{
	char limit[32];
	uint64_t some;
	int max;

	full_open();
	/* At the limit to open it would be one page too many. */
	max = must(open(CGROUP "memory.max", O_WRONLY | O_CLOEXEC));
	figures->before = sys_read_long(CGROUP "memory.current");
	snprintf(limit, sizeof(limit), "%ld",
		 figures->before + (long)FULL_TABLES / 2 * (long)PAGE_4K);
	must(write(max, limit, strlen(limit)));
	figures->at_limit = ktdp_prefault_some(bed.tdp, GPA, PAGE_1G, ACC_W, &some);
	figures->tables = ktdp_stats(bed.tdp).table_pages - 1;
	must(write(max, "max", 3));
	close(max);
	figures->then = ktdp_prefault(bed.tdp, GPA, PAGE_1G, ACC_W);
}

/*
 * A vCPU faults where the table has nothing, and no memory is to be had for it.  Ioctls
 * of KVM's take memory, so the vCPU runs all the time.
 */
static void vmm_faulting(void)
{
	static const struct kmod_point refill = {
		.symbol = "__ktdp_pool_topup",
		.skip = KMOD_COUNT_ONLY,
	};
	unsigned int patience = PATIENCE;
	uint64_t start, off;
	char limit[32];
	int max;

	kmod = kmod_open();
	vm_open(&bed.vm);
	vm_add_vcpu(&bed.vm);
	mem_repeated(&mem, SEED_SIZE);
	vm_map(&bed.vm, 1, GPA, &mem);
	bed.tdp = must(kvm_tdp_create(bed.vm.fd, 0));
	if (guest_touch(&bed.vm, GPA, SEED_SIZE))
		bail("the guest does not run");
	vm_spin(&bed.vm, GPA, SEED_SIZE, 0);
	max = must(open(CGROUP "memory.max", O_WRONLY | O_CLOEXEC));
	memset(figures, 0, sizeof(*figures));	/* present from here on */
	/* The table is given back, KVM's stays. */
	must(sys_write("/proc/sys/vm/drop_caches", "2"));
	settle(bed.tdp, 1);
	snprintf(limit, sizeof(limit), "%ld", sys_read_long(CGROUP "memory.current"));
	must(write(max, limit, strlen(limit)));
	kmod_stop(kmod, 0, &refill, 0);
	start = sys_now();
	do {
		for (off = 0; off < SEED_SIZE; off += PAGE_2M)
			must(madvise(mem.hva + off, PAGE_4K, MADV_DONTNEED));
		figures->dropped = ktdp_stats(bed.tdp).eager_no_pool;
	} while (figures->dropped < FAULTS && sys_step(&patience));
	figures->refills = kmod_passes(kmod, 0);
	figures->ms = sys_now() - start;
	must(write(max, "max", 3));
	vm_spin_stop(&bed.vm);
	kmod_unstop(kmod, 0);
}

/* Its wait status. */
static int in_cgroup(void (*vmm)(void))
{
	pid_t pid;

	must(sys_write(CGROUPS "cgroup.subtree_control", "+memory"));
	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		bail("no cgroup: errno %d", errno);
	figures = sys_shared(sizeof(*figures));
	pid = must(fork());
	if (!pid) {
		must(sys_write(CGROUP "cgroup.procs", "0"));
		vmm();
		_exit(0);
	}
	return sys_wait(pid, 5 * PATIENCE);
}

static void test_charged(void)
{
	long tables, grown, left;

	is(in_cgroup(vmm_full), 0, "a VMM has 1G mapped in 4K pages");
	is(figures->then, 0, "by a prefault");
	is(figures->tables, FULL_TABLES, "tables: one for 2M, and those above");
	tables = figures->tables * PAGE_4K;
	grown = figures->full - figures->before;
	left = figures->after - figures->before;
	diag("tables %ld bytes, charged %ld, left after %ld", tables, grown, left);
	ok(grown >= tables - SLACK, "they are charged to its cgroup");
	ok(grown <= tables + tables / 8 + SLACK, "with little else");
	is(figures->kept, 2, "until they are gone");
	ok(left <= SLACK, "nor is anything left");
	munmap(figures, sizeof(*figures));
}

static void test_limit(void)
{
	char events[256] = "";
	int fd;

	is(in_cgroup(vmm_limited), 0, "a VMM at its limit is not killed");
	is(figures->at_limit, -ENOMEM, "prefault fails");
	ok(figures->tables < FULL_TABLES, "there are no more tables than allowed");
	ok(figures->tables > FULL_TABLES / 8, "and those that are");
	is(figures->then, 0, "with a higher limit it goes on");
	fd = must(open(CGROUP "memory.events", O_RDONLY));
	must(read(fd, events, sizeof(events) - 1));
	close(fd);
	ok(strstr(events, "oom_kill 0\n"), "nobody was killed for it");
	munmap(figures, sizeof(*figures));
}

static void test_limit_eager(void)
{
	is(in_cgroup(vmm_faulting), 0, "a VMM at its limit runs on");
	ok(figures->dropped >= FAULTS, "%llu faults find no table",
	   (unsigned long long)figures->dropped);
	/* A few times there is some left; then there is a pause of 100 ms after each. */
	ok(figures->refills <= figures->ms / 100 + 16,
	   "memory is asked for %u times in %llu ms", figures->refills,
	   (unsigned long long)figures->ms);
	munmap(figures, sizeof(*figures));
}

/* Where there is no slot there is no table either. */
static void test_holes(void)
{
	uint64_t before, word, seed = 12345, gpa;
	int i, wrong = 0;

	begin();
	before = ktdp_stats(bed.tdp).table_pages;
	for (i = 0; i < 5000; i++) {
		seed = seed * 6364136223846793005 + 1442695040888963407;
		gpa = GPA + SIZE + (seed >> 28) * PAGE_4K;
		wrong += ktdp_prefault(bed.tdp, gpa, PAGE_4K, ACC_R) != -EFAULT;
		wrong += dma_read(bed.dma, gpa, &word, 8, 0) != -EFAULT;
		if (i % 100 == 0)
			wrong += guest_touch(&bed.vm, GPA + SIZE + (seed >> 48) * PAGE_4K,
					     PAGE_4K) != 1000 + KVM_EXIT_MMIO;
	}
	is(wrong, 0, "guest, engine and prefault find nothing in holes");
	is(ktdp_stats(bed.tdp).table_pages, before + 3,
	   "no table but those for the guest's own code");
	end();
}

static void test_cycles(void)
{
	uint64_t need, peak = 0, now;
	int i;

	begin();
	must(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W));
	need = ktdp_stats(bed.tdp).table_pages;
	for (i = 0; i < 300; i++) {
		vm_unmap(&bed.vm, 1);
		vm_map(&bed.vm, 1, GPA, &mem);
		must(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W));
		now = ktdp_stats(bed.tdp).table_pages;
		peak = now > peak ? now : peak;
	}
	diag("%llu tables needed, at most %llu at a time", (unsigned long long)need,
	     (unsigned long long)peak);
	settle(bed.tdp, need);
	is(ktdp_stats(bed.tdp).table_pages, need,
	   "zapped and mapped 300 times, the table is as large as before");
	ok(ktdp_stats(bed.tdp).pool_pages <= 32, "and the reserve");
	end();
}

static void test_fds(void)
{
	uint64_t before;
	static int fds[FDS];
	int i, failed = 0;

	begin();
	must(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W));
	before = ktdp_stats(bed.tdp).table_pages;
	for (i = 0; i < FDS; i++) {
		fds[i] = kvm_tdp_create(bed.vm.fd, 0);
		failed += fds[i] < 0;
	}
	is(failed, 0, "%d TDP fds of one VM", FDS);
	is(ktdp_stats(fds[FDS - 1]).table_pages, before, "share its table");
	for (i = 0; i < FDS; i++)
		close(fds[i]);
	is(ktdp_stats(bed.tdp).table_pages, before, "which outlives them");
	end();
}

/* The kernel log: whatever is refused, again and again. */

static int export_encrypted(void)
{
	struct ktdp_test_encrypt encrypt = { .vm_fd = bed.vm.fd, .on = 1 };
	int ret;

	kmod_do(kmod, KTDP_TEST_ENCRYPT, &encrypt);
	ret = kvm_tdp_create(bed.vm.fd, 1);
	encrypt.on = 0;
	kmod_do(kmod, KTDP_TEST_ENCRYPT, &encrypt);
	return ret == -EOPNOTSUPP ? 0 : -1;
}

static int export_unhooked(void)
{
	return kvm_tdp_create(bed.vm.fd, 0) == -EBUSY ? 0 : -1;
}

static int read_spoilt(void)
{
	uint64_t word;

	return dma_read(bed.dma, GPA, &word, 8, KVM_TDP_DMA_NOFAULT) == -EIO ? 0 : -1;
}

static int fault_badly(void)
{
	struct kvm_tdp_map map = { .size = 8 };
	int bad = 0;

	bad += ktdp_prefault(bed.tdp, GPA + SIZE, PAGE_4K, ACC_R) != -EFAULT;
	bad += ktdp_prefault(bed.tdp, 1, PAGE_4K, ACC_R) != -EINVAL;
	bad += kvm_tdp_create(0, 0) != -EINVAL;
	bad += kvm_tdp_create(bed.vm.fd, 9) != -EINVAL;
	bad += sys(ioctl(bed.tdp, KVM_TDP_READ_MAP, &map)) != -EINVAL;
	bad += kmod_fault_as(kmod, handle, GPA / PAGE_4K, KTDP_TEST_READ,
			     KTDP_TEST_CALLER, 1) != -EINVAL;
	return bad;
}

/* Ten in five seconds, and how many were left out, is what the kernel allows. */
static void check_flood(const char *what, int (*act)(void), int calls, bool silent)
{
	uint64_t start = sys_now(), seconds;
	int i, klog = klog_open(), wrong = 0;
	unsigned int lines;

	for (i = 0; i < calls; i++)
		wrong += !!act();
	seconds = (sys_now() - start) / 1000;
	is(wrong, 0, "%s: refused each time", what);
	lines = klog_count(klog, "tdp");
	close(klog);
	diag("%s: %u lines in %llu s for %d calls", what, lines,
	     (unsigned long long)seconds, calls);
	if (silent)
		is(lines, 0, "%s: not a line in the log", what);
	else
		ok(lines && lines <= 11 * (1 + (seconds + 4) / 5),
		   "%s: few lines in the log", what);
}

static void test_flood(void)
{
	kmod = kmod_open();
	begin();
	must(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_W));
	handle = must(kmod_get(kmod, bed.tdp));
	check_flood("bad arguments", fault_badly, FLOOD, true);
	check_flood("encrypted VM", export_encrypted, FLOOD, false);
	kmod_poke(kmod, handle, GPA / PAGE_4K, 1UL << 11);
	check_flood("spoilt entry", read_spoilt, FLOOD, false);
	kmod_poke(kmod, handle, GPA / PAGE_4K, 1UL << 11);
	kmod_put(kmod, handle);
	end();
	close(kmod);
	if (!sys_has_ftrace_switch())
		return;
	must(sys_ftrace_off());
	vm_open(&bed.vm);
	check_flood("no hooks", export_unhooked, FLOOD / 10, false);
	vm_close(&bed.vm);
	must(sys_write(SYS_FTRACE, "1"));
}

/* Time: somebody who takes memory back all the time. */

static bool stop_it;

static void *take_back(void *unused)
{
	while (!__atomic_load_n(&stop_it, __ATOMIC_RELAXED)) {
		madvise(mem.hva, PAGE_2M, MADV_DONTNEED);
		mprotect(mem.hva, PAGE_2M, PROT_NONE);
		mprotect(mem.hva, PAGE_2M, PROT_READ | PROT_WRITE);
	}
	return NULL;
}

static int prefault_2m(void)
{
	return ktdp_prefault(bed.tdp, GPA, PAGE_2M, ACC_W);
}

static void test_adversary(void)
{
	struct attempt attempt;
	pthread_t threads[3];
	uint64_t retries = 0;
	int i, ret, wrong = 0, again = 0, failed = 0;

	begin();
	for (i = 0; i < 3; i++)
		must(-pthread_create(&threads[i], NULL, take_back, NULL));
	/* How often they get their turn meanwhile is not in our hands. */
	for (i = 0; i < 1000 || (i < 20000 && retries + failed < 20); i++) {
		attempt_begin(&attempt, prefault_2m);
		ret = attempt_end(&attempt);
		retries = ktdp_stats(bed.tdp).retries;
		again += ret == -EAGAIN;
		failed += !!ret;
		wrong += ret && ret != -EAGAIN && ret != -EFAULT && ret != -EACCES;
	}
	__atomic_store_n(&stop_it, true, __ATOMIC_RELAXED);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	diag("%d rounds, %llu retries, %d failed, %d of them EAGAIN", i,
	     (unsigned long long)retries, failed, again);
	ok(retries + failed >= 20, "memory is taken back while it is faulted in");
	is(wrong, 0, "each prefault ends well, or with a reason, in a bounded time");
	is(prefault_2m(), 0, "and afterwards all is well");
	end();
}

/* How often hooks are disarmed within three seconds of the last TDP fd, of ten. */
static unsigned int disarmed_early(void)
{
	unsigned int times, tries = 20;
	uint64_t start;

	do {
		start = sys_now();
		close(must(kvm_tdp_create(bed.vm.fd, 0)));
		times = kmod_passes(kmod, 0);
		usleep(3000000);
		times = kmod_passes(kmod, 0) - times;
	} while (sys_now() - start > 9000 && --tries);	/* the machine is busy */
	return times;
}

/*
 * To export and stop, again and again: the hooks, which take a grace period of RCU
 * Tasks to disarm, one for all, are not armed anew each time.
 */
static void test_rearm(void)
{
	static const struct kmod_point disarm = {
		.symbol = "synchronize_rcu_tasks",
		.skip = KMOD_COUNT_ONLY,
	};
	unsigned int times;
	int i;

	kmod = kmod_open();
	vm_open(&bed.vm);
	kmod_stop(kmod, 0, &disarm, 0);
	for (i = 0; i < ROUNDS; i++)
		close(must(kvm_tdp_create(bed.vm.fd, 0)));
	times = kmod_passes(kmod, 0);
	/* A round may take longer than they stay armed. */
	ok(times < ROUNDS, "%d times exported: %u times disarmed", ROUNDS, times);
	is(disarmed_early(), 0, "a pause of seconds disarms none");
	times = kmod_passes(kmod, 0);
	ok(kmod_has_passed(kmod, 0, times + 1, PATIENCE), "they are, afterwards");
	kmod_unstop(kmod, 0);
	close(kmod);
	vm_close(&bed.vm);
}

/*
 * KVM's mmu_lock, for write, is what a vCPU's fault waits for: to copy what KVM
 * has mapped takes it seldom, however much that is.
 */
static void test_seed_lock(void)
{
	static const struct kmod_point write_lock = {
		.symbol = "rt_write_lock|_raw_write_lock",
		.skip = KMOD_COUNT_ONLY,
	};
	const unsigned int windows = SEED_SIZE / PAGE_2M, enough = 1 + windows / 16;
	unsigned int taken = -1;
	int tdp = -1, i;

	kmod = kmod_open();
	vm_open(&bed.vm);
	vm_add_vcpu(&bed.vm);
	mem_repeated(&mem, SEED_SIZE);
	vm_map(&bed.vm, 1, GPA, &mem);
	is(guest_touch(&bed.vm, GPA, SEED_SIZE), 0, "the guest has %u windows",
	   windows);
	/* It is taken anew, too, after somebody else wanted this CPU. */
	for (i = 0; i < 20 && taken > enough; i++) {
		close(tdp);
		kmod_stop(kmod, 0, &write_lock, gettid());
		tdp = must(kvm_tdp_create(bed.vm.fd, 0));
		taken = kmod_passes(kmod, 0);
		kmod_unstop(kmod, 0);
	}
	ok(ktdp_stats(tdp).seeded >= SEED_SIZE / PAGE_4K, "all are copied");
	ok(taken <= enough, "a lock was taken for write %u times", taken);
	ok(ktdp_stats(tdp).pool_pages <= 32, "the tables in reserve are few");
	close(tdp);
	close(kmod);
	vm_close(&bed.vm);
	mem_free(&mem);
}

/* Somebody who asks for all at once, and is killed. */

static int ask_prefault(void)
{
	struct kvm_tdp_prefault pf = {
		.size = sizeof(pf), .gpa = GPA, .length = PAGE_1G, .access = ACC_W,
	};

	return sys(ioctl(bed.tdp, KVM_TDP_PREFAULT, &pf)) || pf.length;
}

static struct kvm_tdp_run *runs;

/* Of the pages some may happen to follow each other, and make one run. */
static uint64_t length_of(const struct kvm_tdp_map *map)
{
	uint64_t length = 0;
	size_t i;

	for (i = 0; i < map->nr_runs; i++)
		length += runs[i].length;
	return length;
}

static int ask_map(void)
{
	struct kvm_tdp_map map = {
		.size = sizeof(map), .length = 1UL << 40, .runs = (uintptr_t)runs,
		.nr_runs = PAGE_1G / PAGE_4K,
	};

	return sys(ioctl(bed.tdp, KVM_TDP_READ_MAP, &map)) || map.length ||
	       length_of(&map) != PAGE_1G;
}

static int ask_verify(void)
{
	struct kvm_tdp_verify verify = {
		.size = sizeof(verify), .length = 1UL << 40,
	};

	return sys(ioctl(bed.tdp, KVM_TDP_VERIFY, &verify)) ||
	       verify.pages != PAGE_1G / PAGE_4K;
}

/* ms from the kill on, @ms after the beginning. */
static uint64_t killed_after(int (*ask)(void), unsigned int ms)
{
	uint64_t until;
	int pipes[2];
	char byte = 0;
	pid_t pid;

	must(pipe(pipes));
	pid = must(fork());
	if (!pid) {
		must(write(pipes[1], &byte, 1));
		ask();
		_exit(0);
	}
	must(read(pipes[0], &byte, 1));
	until = sys_now() + ms;
	usleep(1000 * ms);
	kill(pid, SIGKILL);
	if (sys_wait(pid, PATIENCE) < 0)
		bail("it cannot be killed");
	close(pipes[0]);
	close(pipes[1]);
	return sys_now() - until;
}

/* The shortest of a few, for the machine is shared; it need not be too short. */
static void check_kill(const char *what, int (*ask)(void), void (*prepare)(void))
{
	uint64_t start, whole, took, shortest = ~0ULL;
	int i;

	prepare();
	start = sys_now();
	is(ask(), 0, "%s: all of it", what);
	whole = sys_now() - start;
	for (i = 0; i < 5 || (i < 50 && shortest >= whole / 2); i++) {
		prepare();
		took = killed_after(ask, whole / 8);
		shortest = took < shortest ? took : shortest;
	}
	diag("%s: %llu ms in all, killed %llu ms after the signal", what,
	     (unsigned long long)whole, (unsigned long long)shortest);
	ok(shortest < whole / 2, "%s: ends when it is killed", what);
}

static void empty_table(void)
{
	vm_unmap(&bed.vm, 1);
	vm_map(&bed.vm, 1, GPA, &mem);
}

static void leave_table(void)
{
}

static void test_kill(void)
{
	full_open();
	runs = mmap(NULL, PAGE_1G / PAGE_4K * sizeof(*runs), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (runs == MAP_FAILED)
		bail("no room for runs");
	check_kill("prefault", ask_prefault, empty_table);
	must(ktdp_prefault(bed.tdp, GPA, PAGE_1G, ACC_W));
	check_kill("map", ask_map, leave_table);
	check_kill("verify", ask_verify, leave_table);
	munmap(runs, PAGE_1G / PAGE_4K * sizeof(*runs));
	close(bed.tdp);
	vm_close(&bed.vm);
	mem_free(&mem);
}

static const struct tap_case cases[] = {
	{ "charged", test_charged },
	{ "limit", test_limit },
	{ "limit_eager", test_limit_eager },
	{ "holes", test_holes },
	{ "cycles", test_cycles },
	{ "fds", test_fds },
	{ "flood", test_flood },
	{ "adversary", test_adversary },
	{ "rearm", test_rearm },
	{ "seed_lock", test_seed_lock },
	{ "kill", test_kill },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
