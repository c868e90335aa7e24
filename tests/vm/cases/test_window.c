// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory that is mapped, of /dev/kvm_tdp_mem: what a reader sees when the host
 * takes memory away in every way there is, who may map what, and that nobody sees a
 * page that is somebody else's.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actor.h"
#include "dirty.h"
#include "engine.h"
#include "kmod.h"
#include "sys.h"
#include "vmm.h"

#define PAGES		(SIZE / PAGE_4K)
#define FOREIGN		0x66
#define WORK_CPUS	"/sys/devices/virtual/workqueue/cpumask"
#define DENIED		((void *)-1L)

static int mem_fd;
static const unsigned char *window;

/* A byte of it; -SIGBUS. */
static sigjmp_buf look_again;

static void on_bus(int sig)
{
	siglongjmp(look_again, sig);
}

static int peek(const volatile unsigned char *at)
{
	int sig = sigsetjmp(look_again, 1);

	return sig ? -sig : *at;
}

/* Is all of it there, as fill() wrote it? */
static bool shows(unsigned int gen)
{
	static unsigned char copy[SIZE];

	if (sigsetjmp(look_again, 1))
		return false;
	memcpy(copy, window, SIZE);
	return holds(copy, 0, SIZE, gen);
}

static const unsigned char *map_at(int fd, uint64_t gpa, size_t size)
{
	void *at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, gpa);

	if (at == MAP_FAILED)
		bail("mmap: errno %d", errno);
	return at;
}

static unsigned long nr_held(void)
{
	return sys_fdinfo_number(mem_fd, "kvm_tdp_mem_held:");
}

static void begin(void)
{
	signal(SIGBUS, on_bus);
	setup();
	mem_fd = must(sys(kvm_tdp_mem_open(eb.tdp, getpid(), O_RDWR)));
	window = map_at(mem_fd, GPA, SIZE);
}

static void end(void)
{
	munmap((void *)window, SIZE);
	close(mem_fd);
	teardown();
}

/* The reader sees what the VMM does, in all of its memory. */
static bool agrees(void)
{
	size_t at;

	for (at = 0; at < SIZE; at += 61) {
		if (peek(window + at) != ((unsigned char *)eb.mem.hva)[at])
			return false;
	}
	return true;
}

static void test_map(void)
{
	const unsigned char *more;

	begin();
	ok(agrees(), "a window shows the memory");
	fill(eb.mem.hva, 0, SIZE, 1);
	ok(shows(1), "and what is written then");
	is(sys(pwrite(mem_fd, "x", 1, GPA + 77)), 1, "a write through the file");
	is(peek(window + 77), 'x', "it is there");
	more = map_at(mem_fd, GPA - PAGE_4K, SIZE + 3 * PAGE_4K);
	is(peek(more), -SIGBUS, "before the slot");
	is(peek(more + PAGE_4K), *(unsigned char *)eb.mem.hva, "its first page");
	is(peek(more + PAGE_4K + SIZE), -SIGBUS, "the hole behind it");
	is(peek(more + 2 * PAGE_4K + SIZE), *(unsigned char *)eb.mem.hva, "the other slot");
	is(sys_fdinfo_number(mem_fd, "kvm_tdp_mem_mappings:"), 2, "mappings");
	munmap((void *)(more + 2 * PAGE_4K), PAGE_4K);
	is(sys_fdinfo_number(mem_fd, "kvm_tdp_mem_mappings:"), 3, "one in two pieces");
	munmap((void *)more, SIZE + 3 * PAGE_4K);
	more = map_at(mem_fd, (1ULL << 48) + GPA, PAGE_4K);
	is(peek(more), -SIGBUS, "beyond the table");
	munmap((void *)more, PAGE_4K);
	is(sys_fdinfo_number(mem_fd, "kvm_tdp_mem_mappings:"), 1, "the first is left");
	end();
}

static int map_error(int prot, int flags)
{
	void *at = mmap(NULL, PAGE_4K, prot, flags, mem_fd, GPA);

	if (at == MAP_FAILED)
		return -errno;
	munmap(at, PAGE_4K);
	return 0;
}

static void test_refused(void)
{
	int fd = must(open("/dev/kvm_tdp_mem", O_RDWR));

	begin();
	is(map_error(PROT_READ | PROT_WRITE, MAP_SHARED), -EACCES, "to be written");
	is(map_error(PROT_READ | PROT_EXEC, MAP_SHARED), -EACCES, "to be executed");
	is(map_error(PROT_READ, MAP_PRIVATE), -EINVAL, "private");
	is(map_error(PROT_NONE, MAP_SHARED), 0, "to be read later");
	ok(mmap(NULL, PAGE_4K, PROT_READ, MAP_SHARED, fd, GPA) == DENIED && errno == ENOTCONN,
	   "of a file that is not attached");
	is(sys(mprotect((void *)window, SIZE, PROT_READ | PROT_WRITE)), -EACCES, "made writable");
	is(sys(mprotect((void *)window, SIZE, PROT_READ | PROT_EXEC)), -EACCES, "executable");
	ok(mremap((void *)window, SIZE, 2 * SIZE, MREMAP_MAYMOVE) == DENIED, "it does not grow");
	ok(mremap((void *)window, 0, SIZE, MREMAP_MAYMOVE) == DENIED, "nor does it double");
	is(sys(madvise((void *)window, SIZE, MADV_DODUMP)), -EINVAL, "no part of a core");
	is(sys(madvise((void *)window, SIZE, MADV_DOFORK)), -EINVAL, "nor of a child");
	is(sys(madvise((void *)window, SIZE, MADV_DONTNEED)), -EINVAL, "entries are ours");
	close(fd);
	end();
}

/* By no way of the kernel's does anybody get a reference on one of its pages. */
static void test_pages(void)
{
	char buf[64];
	struct iovec here = { buf, sizeof(buf) }, there = { (void *)window, sizeof(buf) };
	int pipes[2], proc_mem = must(open("/proc/self/mem", O_RDONLY));
	const unsigned char *hole;

	begin();
	there.iov_base = (void *)window;
	is(peek(window), *(unsigned char *)eb.mem.hva, "it is mapped");
	is(sys(process_vm_readv(getpid(), &here, 1, &there, 1, 0)), -EFAULT, "process_vm_readv");
	is(sys(pread(proc_mem, buf, sizeof(buf), (uintptr_t)window)), -EIO, "/proc/self/mem");
	must(pipe(pipes));
	is(sys(vmsplice(pipes[1], &there, 1, 0)), -EFAULT, "vmsplice");
	is(sys(write(pipes[1], window, sizeof(buf))), sizeof(buf), "a copy by write()");
	hole = map_at(mem_fd, HOLE, PAGE_4K);
	is(sys(write(pipes[1], hole, sizeof(buf))), -EFAULT, "of what is not there");
	munmap((void *)hole, PAGE_4K);
	close(pipes[0]);
	close(pipes[1]);
	close(proc_mem);
	end();
}

static void test_many(void)
{
	const unsigned char *at[63];
	size_t i;
	int fd;

	begin();
	fd = must(sys(kvm_tdp_mem_open(eb.tdp, getpid(), O_RDONLY)));
	for (i = 0; i < NR(at); i++)
		at[i] = map_at(i % 2 ? fd : mem_fd, GPA, SIZE);
	is(map_error(PROT_READ, MAP_SHARED), -ENOSPC, "as many as there may be");
	munmap((void *)at[0], SIZE);
	is(map_error(PROT_READ, MAP_SHARED), 0, "one less");
	for (i = 1; i < NR(at); i++) {
		if (peek(at[i]) != *(unsigned char *)eb.mem.hva)
			break;
	}
	is(i, NR(at), "all of them show the page");
	must(madvise(eb.mem.hva, PAGE_4K, MADV_DONTNEED));
	for (i = 1; i < NR(at); i++) {
		if (peek(at[i]))
			break;
	}
	is(i, NR(at), "the page is gone from all of them");
	for (i = 1; i < NR(at); i++)
		munmap((void *)at[i], SIZE);
	close(fd);
	end();
}

/* Pieces of a mapping count, too: the host looks at each. */
static void test_split(void)
{
	const unsigned int pages = 256;
	const unsigned char *at;
	unsigned int i;

	begin();
	at = map_at(mem_fd, GPA, pages * PAGE_4K);
	for (i = 1; i < pages; i += 2) {
		if (mprotect((void *)(at + i * PAGE_4K), PAGE_4K, PROT_NONE))
			break;
	}
	is(errno, ENOMEM, "one too many");
	is(sys_fdinfo_number(mem_fd, "kvm_tdp_mem_mappings:"), 64, "mappings");
	munmap((void *)at, pages * PAGE_4K);
	is(sys_fdinfo_number(mem_fd, "kvm_tdp_mem_mappings:"), 1, "mappings left");
	end();
}

/*
 * Windows on the same page by many files, each behind a slot of the same VM: a zap calls
 * the VM's notifier, which tells the other files.
 */
#define NESTED	48

static void test_nested(void)
{
	const unsigned char *at[NESTED];
	int files[NESTED];
	unsigned int i, seen = 0;

	begin();
	for (i = 0; i < NESTED; i++) {
		files[i] = must(sys(kvm_tdp_mem_open(eb.tdp, getpid(), O_RDONLY)));
		at[i] = map_at(files[i], GPA, PAGE_4K);
		must(sys(vm_slot(&eb.vm, 10 + i, GPA + PAGE_2M + i * PAGE_4K, PAGE_4K,
				 (void *)at[i], KVM_MEM_READONLY)));
		seen += peek(at[i]) == *(unsigned char *)eb.mem.hva;
	}
	is(seen, NESTED, "all show the page");
	must(madvise(eb.mem.hva, PAGE_4K, MADV_DONTNEED));
	fill(eb.mem.hva, 0, PAGE_4K, 7);
	for (i = ACTOR_PATIENCE, seen = 0; i && seen < NESTED; i--) {
		usleep(1000);
		for (seen = 0; seen < NESTED; seen++) {
			if (peek(at[seen]) != *(unsigned char *)eb.mem.hva)
				break;
		}
	}
	is(seen, NESTED, "all show what is there then, when the workers ran");
	for (i = 0; i < NESTED; i++) {
		vm_unmap(&eb.vm, 10 + i);
		munmap((void *)at[i], PAGE_4K);
		close(files[i]);
	}
	end();
}

/* A window as another VM's memory: what its vCPU has touched is no alarm. */
static void test_other(void)
{
	struct kvm_tdp_verify verify;
	struct vm other;
	int tdp;

	begin();
	vm_open(&other);
	vm_add_vcpu(&other);
	must(sys(vm_slot(&other, 1, GPA, PAGE_4K, (void *)window, KVM_MEM_READONLY)));
	tdp = must(sys(kvm_tdp_create(other.fd, 0)));
	is(guest_touch(&other, GPA, PAGE_4K), 0, "another VM reads it");
	ok(ktdp_mapped(tdp, GPA, PAGE_4K), "it is in that one's table");
	is(ktdp_access(tdp, GPA) & ACC_W, 0, "to read");
	must(sys(kvm_tdp_verify_range(tdp, GPA, PAGE_4K, &verify)));
	is(ktdp_verify_wrong(&verify), 0, "nothing is wrong");
	must(madvise(eb.mem.hva, PAGE_4K, MADV_DONTNEED));
	ok(ktdp_absent(tdp, GPA, PAGE_4K), "it goes when the memory does");
	close(tdp);
	vm_close(&other);
	end();
}

/* What the host does to the first pages, and what is there then. */
static void lose_zeroed(void)
{
	must(madvise(eb.mem.hva, PAGE_4K, MADV_DONTNEED));
}

/* They were new to another CPU, which has not told the host's lists of them. */
static void lose_swapped(void)
{
	actor_bind(1);
	must(madvise(eb.mem.hva, SIZE, MADV_DONTNEED));
	fill(eb.mem.hva, 0, SIZE, 2);
	ok(agrees(), "new pages");
	actor_bind(0);
	ok(mem_pageout(eb.mem.hva, SIZE), "all is out");
}

static void lose_mapped_over(void)
{
	void *at = mmap(eb.mem.hva, PAGE_4K, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (at != eb.mem.hva)
		bail("mmap: errno %d", errno);
	fill(at, 0, PAGE_4K, 3);
}

/* Away from the guest, to be written there. */
static void move_away(void *page)
{
	void *to = mmap(NULL, PAGE_4K, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *at = mremap(page, PAGE_4K, PAGE_4K, MREMAP_MAYMOVE | MREMAP_FIXED, to);

	if (at == MAP_FAILED)
		bail("mremap: errno %d", errno);
	memset(at, FOREIGN, PAGE_4K);
	munmap(at, PAGE_4K);
}

static void lose_moved(void)
{
	move_away(eb.mem.hva);
	is(peek(window), -SIGBUS, "nothing is there");
	lose_mapped_over();
}

/* The VMM writes, and gets a copy; the child has the page. */
static void lose_to_child(void)
{
	pid_t pid = must(fork());

	if (!pid) {
		pause();
		_exit(0);
	}
	fill(eb.mem.hva, 0, PAGE_4K, 4);
	ok(agrees(), "while the child has it");
	kill(pid, SIGKILL);
	sys_wait(pid, 5000);
}

static void lose_protected(void)
{
	must(mprotect(eb.mem.hva, PAGE_4K, PROT_NONE));
	is(peek(window), -SIGBUS, "the VMM itself may not read it");
	is(peek(window + PAGE_4K), ((unsigned char *)eb.mem.hva)[PAGE_4K], "but the next");
	must(mprotect(eb.mem.hva, PAGE_4K, PROT_READ | PROT_WRITE));
}

static void lose_unmapped(void)
{
	must(munmap(eb.mem.hva, PAGE_4K));
	is(peek(window), -SIGBUS, "there is none");
	lose_mapped_over();
}

static const struct lose {
	const char *name;
	void (*run)(void);
} lose[] = {
	{ "DONTNEED", lose_zeroed },
	{ "pageout", lose_swapped },
	{ "mmap over it", lose_mapped_over },
	{ "mremap", lose_moved },
	{ "fork and write", lose_to_child },
	{ "PROT_NONE", lose_protected },
	{ "munmap", lose_unmapped },
};

static void test_lost(void)
{
	size_t i;

	sys_swap();
	for (i = 0; i < NR(lose); i++) {
		begin();
		ok(agrees(), "%s: before", lose[i].name);
		lose[i].run();
		ok(agrees(), "%s: the reader sees what is there", lose[i].name);
		fill(eb.mem.hva, 0, SIZE, 5);
		ok(shows(5), "%s: and what is written then", lose[i].name);
		is(nr_held(), 0, "%s: no page had to be held", lose[i].name);
		end();
	}
}

/* Where KVM's hook must not sleep, pages are held until a worker has zapped. */
static void test_slot(void)
{
	static const struct kmod_point at = { .symbol = "kvm_tdp_mem:window_work" };
	unsigned char *poison;
	int kmod = kmod_open();
	size_t i;

	/* The worker is not to be held where we run. */
	actor_bind(0);
	is(sys_write(WORK_CPUS, "6"), 0, "workers run elsewhere");
	begin();
	ok(agrees(), "it is mapped");
	kmod_stop(kmod, 0, &at, 0);
	vm_unmap(&eb.vm, 1);
	ok(kmod_is_stopped(kmod, 0, ACTOR_PATIENCE), "the slot goes, and the worker is held");
	is(nr_held(), PAGES, "all of its pages are");
	must(munmap(eb.mem.hva, SIZE));
	/* Whoever gets memory now would get those. */
	poison = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	memset(poison, FOREIGN, 64 << 20);
	ok(shows(0), "a reader sees what was there, and nobody else's");
	munmap(poison, 64 << 20);
	ok(kmod_go(kmod, 0), "the worker goes on");
	for (i = ACTOR_PATIENCE; peek(window) >= 0 && i; i--)
		usleep(1000);
	is(peek(window), -SIGBUS, "then it is gone");
	is(peek(window + SIZE - 1), -SIGBUS, "all of it");
	for (i = ACTOR_PATIENCE; !sys_fdinfo_number(mem_fd, "kvm_tdp_mem_held_us:") && i; i--)
		usleep(1000);
	ok(sys_fdinfo_number(mem_fd, "kvm_tdp_mem_held_us:") > 0, "how long it was held is told");
	kmod_unstop(kmod, 0);
	close(kmod);
	is(sys_write(WORK_CPUS, "7"), 0, "workers run anywhere");
	mem_small(&eb.mem, SIZE);
	fill(eb.mem.hva, 0, SIZE, 6);
	vm_map(&eb.vm, 1, GPA, &eb.mem);
	ok(shows(6), "a slot comes in its place");
	end();
}

/* A harvest takes write access alone, and nothing from a reader. */
static void test_logged(void)
{
	uint64_t bitmap[SET_PAGES / 64] = { 0 };

	begin();
	vm_add_vcpu(&eb.vm);
	must(sys(vm_slot(&eb.vm, 1, GPA, SIZE, eb.mem.hva, KVM_MEM_LOG_DIRTY_PAGES)));
	is(sys(pwrite(mem_fd, "x", 1, GPA)), 1, "a page is writable");
	ok(agrees(), "all are mapped");
	is(log_get(&eb.vm, 1, bitmap), 0, "harvest");
	is(bitmap[0], 1, "what was written");
	is(nr_held(), 0, "no page is held for that");
	ok(agrees(), "the reader sees all");
	end();
}

/* The VMM's own, in which it may do what it likes. */
static void test_own(void)
{
	struct vm other;
	struct mem mem = { .hva = (void *)window, .size = SIZE, .fd = -1 };
	int tdp;
	char byte;

	begin();
	mem.hva = (void *)window;
	vm_open(&other);
	must(sys(vm_slot(&other, 1, GPA, SIZE, mem.hva, KVM_MEM_READONLY)));
	tdp = must(sys(kvm_tdp_create(other.fd, 0)));
	is(ktdp_prefault(tdp, GPA, PAGE_4K, ACC_R), -EFAULT, "it is no memory for a table");
	ok(agrees(), "as a window it is mapped");
	must(madvise(eb.mem.hva, SIZE, MADV_DONTNEED));
	ok(agrees(), "a VM that uses it is told, by the notifier that tells us");
	is(sys(pread(mem_fd, (void *)&byte, 1, GPA)), 1, "and all works on");
	close(tdp);
	vm_close(&other);
	end();
}

/* @ms: of patience with a worker, to whom somebody who must not wait leaves it. */
static void check_gone(const char *how, bool (*leave)(const struct vmm *vmm), unsigned int ms)
{
	const unsigned char *at;
	struct vmm vmm;
	int vm, tdp, fd;

	signal(SIGBUS, on_bus);
	vmm_start(&vmm);
	vm = must(sys(vmm_steal_fd(&vmm)));
	tdp = must(sys(kvm_tdp_create(vm, 0)));
	close(vm);
	fd = must(sys(kvm_tdp_mem_open(tdp, vmm.pid, O_RDONLY)));
	close(tdp);
	at = map_at(fd, GPA, VMM_SIZE);
	close(fd);
	is(*(uint64_t *)(at + VMM_SIZE - 8), (GPA + VMM_SIZE - 8) ^ VMM_GEN,
	   "%s: the memory of another VMM", how);
	ok(leave(&vmm), "%s: it is gone", how);
	while ((peek(at) >= 0 || peek(at + VMM_SIZE - 1) >= 0) && sys_step(&ms))
		;
	is(peek(at), -SIGBUS, "%s: its memory too", how);
	is(peek(at + VMM_SIZE - 1), -SIGBUS, "%s: all of it", how);
	munmap((void *)at, VMM_SIZE);
}

static bool leave_by_kill(const struct vmm *vmm)
{
	return vmm_kill((struct vmm *)vmm);
}

static bool leave_by_exec(const struct vmm *vmm)
{
	return vmm_exec((struct vmm *)vmm);
}

/* Memory is taken by somebody who must not sleep, as the OOM killer does. */
static bool leave_reaped(const struct vmm *vmm)
{
	int pidfd = syscall(SYS_pidfd_open, vmm->pid, 0);
	bool reaped = false;

	kill(vmm->pid, SIGKILL);
	reaped = !syscall(SYS_process_mrelease, pidfd, 0) || errno == ESRCH;
	close(pidfd);
	return reaped && vmm_kill((struct vmm *)vmm);
}

static void test_gone(void)
{
	check_gone("kill", leave_by_kill, 0);
	check_gone("exec", leave_by_exec, 0);
	check_gone("reaped", leave_reaped, ACTOR_PATIENCE);
}

/* The storm: readers in processes of their own, a VMM that never rests. */
/* So many, or on a kernel that is slow as many as there are in that time, but not too few. */
#define STORM_ROUNDS	1500
#define STORM_LEAST	300
#define STORM_MS	120000

static struct storm {
	_Atomic unsigned int least[PAGES];	/* generation: none before it may be seen */
	_Atomic unsigned int most[PAGES];
	_Atomic bool stop;
	_Atomic unsigned long reads, buses, foreign, old;
} *storm;

/* A word of its page, and of the generation in which it was written; 0: zeroed. */
static uint64_t storm_word(unsigned int page, unsigned int gen)
{
	return ((uint64_t)gen << 32 | page << 16 | 0xa5) * 0x9e3779b97f4a7c15ULL | 1;
}

static int peek_word(const volatile uint64_t *at, uint64_t *word)
{
	int sig = sigsetjmp(look_again, 1);

	if (!sig)
		*word = *at;
	return sig;
}

static void storm_look(const unsigned char *at, unsigned int page, unsigned int word)
{
	unsigned int least = storm->least[page], most, gen;
	uint64_t seen;

	if (peek_word((uint64_t *)(at + page * PAGE_4K) + word, &seen)) {
		storm->buses++;
		return;
	}
	storm->reads++;
	if (!seen)
		return;
	most = storm->most[page];
	for (gen = most; gen && seen != storm_word(page, gen); gen--)
		;
	if (!gen)
		storm->foreign++;
	else if (gen < least)
		storm->old++;
}

static void storm_read(unsigned int seed)
{
	const unsigned char *at = map_at(mem_fd, GPA, SIZE);
	unsigned int round;

	for (round = 0; !storm->stop; round++) {
		storm_look(at, rand_r(&seed) % PAGES, rand_r(&seed) % 512);
		if (round % 4096)
			continue;
		munmap((void *)at, SIZE);
		at = map_at(mem_fd, GPA, SIZE);
	}
	_exit(0);
}

/* What is held may be seen. */
static void storm_settle(void)
{
	while (sys_fdinfo_number(mem_fd, "kvm_tdp_mem_held_now:"))
		usleep(1000);
}

static void storm_write(unsigned int page)
{
	uint64_t *at = eb.mem.hva + page * PAGE_4K;
	unsigned int gen = storm->most[page] + 1, i;

	storm->most[page] = gen;
	for (i = 0; i < 512; i++)
		*(volatile uint64_t *)&at[i] = storm_word(page, gen);
	storm_settle();
	storm->least[page] = gen;
}

/* The page goes to somebody else, full of what nobody may see. */
static void storm_poison(void)
{
	size_t size = 2 << 20;
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(at, FOREIGN, size);
	munmap(at, size);
}

static void storm_round(unsigned int *seed)
{
	unsigned int page = rand_r(seed) % PAGES;
	void *at = eb.mem.hva + page * PAGE_4K;
	pid_t pid;

	switch (rand_r(seed) % 8) {
	case 0:
	case 1:
		must(madvise(at, PAGE_4K, MADV_DONTNEED));
		break;
	case 2:
		madvise(eb.mem.hva, SIZE, MADV_PAGEOUT);
		return;
	case 3:
		pid = must(fork());
		if (!pid)
			_exit(0);
		storm_write(page);
		waitpid(pid, NULL, 0);
		return;
	case 4:
		move_away(at);
		must((long)mmap(at, PAGE_4K, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		break;
	case 5:
		must(mprotect(at, PAGE_4K, PROT_NONE));
		must(mprotect(at, PAGE_4K, PROT_READ | PROT_WRITE));
		break;
	case 6:
		vm_unmap(&eb.vm, 1);
		storm_settle();
		vm_map(&eb.vm, 1, GPA, &eb.mem);
		return;
	case 7:
		sys_write("/proc/sys/vm/compact_memory", "1");
		return;
	}
	storm_poison();
	storm_write(page);
}

static bool storm_goes_on(unsigned int round, uint64_t until)
{
	if (round < STORM_LEAST || storm->reads < STORM_LEAST)
		return true;
	return round < STORM_ROUNDS && sys_now() < until;
}

static void test_storm(void)
{
	unsigned int seed = 20261130, round, page, i;
	uint64_t until = sys_now() + STORM_MS;
	pid_t readers[3];

	sys_swap();
	begin();
	storm = sys_shared(sizeof(*storm));
	for (page = 0; page < PAGES; page++)
		storm_write(page);
	for (i = 0; i < NR(readers); i++) {
		readers[i] = must(fork());
		if (!readers[i])
			storm_read(i + 1);
	}
	for (round = 0; storm_goes_on(round, until); round++) {
		storm_round(&seed);
		if (round % 50)
			continue;
		/* One dies in the midst of it, and another comes. */
		i = rand_r(&seed) % NR(readers);
		kill(readers[i], SIGKILL);
		waitpid(readers[i], NULL, 0);
		readers[i] = must(fork());
		if (!readers[i])
			storm_read(round);
	}
	storm->stop = true;
	for (i = 0; i < NR(readers); i++)
		is(sys_wait_exit(readers[i], 20000), 0, "reader %u", i);
	is(storm->foreign, 0, "words that are somebody else's");
	is(storm->old, 0, "words that had been written over");
	diag("%u rounds, %lu reads, %lu SIGBUS", round, storm->reads, storm->buses);
	diag("%lu pages held, %lu us at most", nr_held(),
	     sys_fdinfo_number(mem_fd, "kvm_tdp_mem_held_us:"));
	munmap(storm, sizeof(*storm));
	end();
}

static const struct tap_case cases[] = {
	{ "map", test_map },
	{ "refused", test_refused },
	{ "pages", test_pages },
	{ "many", test_many },
	{ "split", test_split },
	{ "nested", test_nested },
	{ "other", test_other },
	{ "lost", test_lost },
	{ "slot", test_slot },
	{ "logged", test_logged },
	{ "own", test_own },
	{ "gone", test_gone },
	{ "storm", test_storm },
};

int main(int argc, char **argv)
{
	vmm_main(argc, argv);
	return RUN_CASES(cases, argc, argv);
}
