// SPDX-License-Identifier: GPL-2.0-only
/*
 * Readers of guest memory through windows, mappings of /dev/kvm_tdp_mem.  Those of VM 0 are
 * processes of their own: they touch what they have mapped, whoever works on the page, and
 * go on after a SIGBUS.  The one of both VMs is a thread of the VMM, whose mappings go when
 * the table does; the kernel reads them for it, for a SIGBUS would be the end.
 *
 * What is seen is judged as everybody's (stress_page.c), but that a page may be older than
 * it may be when its slot has gone, and the worker that takes it from readers has yet to
 * run: such a page is held.  So what is old is wrong only if none was held meanwhile.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bed.h"
#include "stress.h"
#include "sys.h"
#include "vmm.h"

#define NR_READERS	2
#define READER		0x1000U		/* the number of the first, among the threads */
#define PIECE		(64 * PAGE_4K)	/* of the VMM's own */
#define PATIENCE	2000		/* ms, of a page that is held */

#define HELD		"kvm_tdp_mem_held:"
#define HELD_NOW	"kvm_tdp_mem_held_now:"

struct window {
	const char *name;
	int mem;		/* the file */
	uint64_t gpa;		/* that @at is of */
	const uint8_t *at;
	/* A page of it: 0, or -EFAULT, it is not there. */
	int (*copy)(void *buf, const void *page);
};

static int reader_socks[NR_READERS];
static pid_t readers[NR_READERS];

static sigjmp_buf look_again;
static volatile bool looking;

/* In a reader that is a process. */
static void on_signal(int sig)
{
	if (!looking)
		_exit(4);
	siglongjmp(look_again, sig);
}

static int touch_signal(void *buf, const void *page)
{
	const volatile uint64_t *from = page;
	uint64_t *to = buf;
	size_t i;
	int sig = sigsetjmp(look_again, 1);

	looking = !sig;
	for (i = 0; !sig && i < PAGE_4K / 8; i++)
		to[i] = from[i];
	looking = false;
	return sig;
}

static int touch(void *buf, const void *page)
{
	int sig = touch_signal(buf, page);

	if (sig == SIGSEGV)
		_exit(5);
	return sig ? -EFAULT : 0;
}

static void catch_signals(void)
{
	signal(SIGBUS, on_signal);
	signal(SIGSEGV, on_signal);
}

static int own_file;

static int copy_by_kernel(void *buf, const void *page)
{
	ssize_t ret = pwrite(own_file, page, PAGE_4K, 0);

	if (ret == PAGE_4K)
		ret = pread(own_file, buf, PAGE_4K, 0);
	return ret == PAGE_4K ? 0 : -EFAULT;
}

static const uint8_t *map_at(void *hint, const struct window *window, uint64_t gpa, size_t size)
{
	void *at = mmap(hint, size, PROT_READ, MAP_SHARED | (hint ? MAP_FIXED : 0), window->mem,
			gpa);

	if (at == MAP_FAILED)
		bail("%s: no window: errno %d", window->name, errno);
	count(FIG_WINDOW_MAPS, 1);
	return at;
}

/* It was old: was any page held, when it is looked at again?  Until that can be said. */
static void look_old(struct window *window, const struct arena *arena, size_t nr, uint64_t gpa)
{
	const void *page = window->at + (gpa - window->gpa);
	unsigned int ms = PATIENCE * stress_slowness;
	enum page_verdict verdict;
	char buf[PAGE_4K];
	unsigned long held;
	struct page_view view;

	count(FIG_WINDOW_OLD, 1);
	do {
		held = sys_fdinfo_number(window->mem, HELD);
		if (sys_fdinfo_number(window->mem, HELD_NOW))
			continue;
		view = page_view(arena, nr);
		if (window->copy(buf, page))
			return;
		verdict = page_judge(arena, nr, &view, buf, NULL);
		if (verdict == PAGE_RIGHT)
			return;
		if (verdict == PAGE_WRONG || (!sys_fdinfo_number(window->mem, HELD_NOW) &&
					      sys_fdinfo_number(window->mem, HELD) == held)) {
			page_wrong(arena, nr, &view, buf, window->name, gpa);
			return;
		}
	} while (sys_step(&ms));
	diag("%s: gpa %#llx is old, and pages are held all the time", window->name,
	     (unsigned long long)gpa);
}

/* A page, which anybody may be at work on. */
static void look(struct window *window, const struct arena *arena, size_t nr, uint64_t gpa)
{
	struct page_view view = page_view(arena, nr);
	char buf[PAGE_4K];

	if (window->copy(buf, window->at + (gpa - window->gpa))) {
		count(FIG_WINDOW_NONE, 1);
		return;
	}
	count(FIG_WINDOW_READS, 1);
	switch (page_judge(arena, nr, &view, buf, NULL)) {
	case PAGE_WRONG:
		page_wrong(arena, nr, &view, buf, window->name, gpa);
		break;
	case PAGE_OLD:
		look_old(window, arena, nr, gpa);
		break;
	default:
		break;
	}
}

/* One of the places where a slot of the arena may be. */
static uint64_t choose(struct dice *dice, struct arena **arena, size_t *nr)
{
	*nr = hot_choose(dice, arena);
	return ((*arena)->gpa + *nr * PAGE_4K + dice_roll(dice, 2) * PLACE_ALIAS) ^
	       dice_roll(dice, 2) * PLACE_FAR;
}

static void reader_look(struct window *window, struct dice *dice)
{
	struct arena *arena;
	size_t nr;
	uint64_t gpa = choose(dice, &arena, &nr);

	look(window, arena, nr, gpa);
}

/* A child has nothing of what its parent has mapped, and maps it for itself. */
static void reader_fork(struct window *window, struct dice *dice)
{
	struct window own = *window;
	char buf[PAGE_4K];
	pid_t pid = must(fork());
	int i, ret;

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (touch_signal(buf, window->at) != SIGSEGV)
			_exit(6);
		own.at = map_at(NULL, &own, own.gpa, WATCH_SIZE);
		for (i = 0; i < 100 && !stress_over(); i++)
			reader_look(&own, dice);
		_exit(0);
	}
	/* While it is at it. */
	for (i = 0; i < 20; i++)
		reader_look(window, dice);
	if (dice_one_in(dice, 2))
		kill(pid, SIGKILL);
	ret = sys_wait_exit(pid, 60000 * stress_slowness);
	if (ret && ret != -ECHILD) {
		diag("%s: its child ended with %d", window->name, ret);
		count(FIG_BAD_ERRNO, 1);
	}
	count(FIG_WINDOW_FORKS, 1);
}

static void reader_open(struct window *window, int tdp)
{
	window->mem = kvm_tdp_mem_open(tdp, getppid(), O_RDONLY);
	if (window->mem < 0)
		bail("%s: no file: %d", window->name, window->mem);
	window->at = map_at(NULL, window, window->gpa, WATCH_SIZE);
}

static void reader_close(struct window *window)
{
	must(munmap((void *)window->at, WATCH_SIZE));
	close(window->mem);
}

static void reader_run(int nr, uint64_t seed, int sock)
{
	struct window window = { .name = "reader", .gpa = GPA, .copy = touch };
	struct dice dice;
	uint64_t step = 0;
	int tdp;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	catch_signals();
	tdp = must(sys_recv_fd(sock));
	reader_open(&window, tdp);
	while (!stress_over()) {
		dice_seed(&dice, seed, READER + nr, ++step);
		reader_look(&window, &dice);
		if (dice_one_in(&dice, 1000)) {
			reader_close(&window);
			reader_open(&window, tdp);
		} else if (dice_one_in(&dice, 500)) {
			reader_fork(&window, &dice);
		} else if (dice_one_in(&dice, 8)) {
			usleep(dice_roll(&dice, 4000));
		}
	}
	_exit(0);
}

void readers_start(uint64_t seed)
{
	int socks[2], nr;

	for (nr = 0; nr < NR_READERS; nr++) {
		must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks));
		readers[nr] = must(fork());
		if (!readers[nr])
			reader_run(nr, seed, socks[1]);
		close(socks[1]);
		reader_socks[nr] = socks[0];
	}
}

void readers_attach(int tdp)
{
	int nr;

	for (nr = 0; nr < NR_READERS; nr++) {
		must(sys_send_fd(reader_socks[nr], tdp));
		close(reader_socks[nr]);
	}
}

bool readers_end(void)
{
	bool well = true;
	int nr, ret;

	for (nr = 0; nr < NR_READERS; nr++) {
		ret = sys_wait_exit(readers[nr], 60000 * stress_slowness);
		if (ret)
			diag("reader %d ended with %d", nr, ret);
		well &= !ret;
	}
	return well;
}

/* Address space of the VMM's, in which nobody else maps anything. */
static void *own_space;

void windows_init(void)
{
	own_file = must(memfd_create("window", MFD_CLOEXEC));
	own_space = mmap(NULL, PIECE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			 -1, 0);
	if (own_space == MAP_FAILED)
		bail("no address space");
}

static void window_piece(struct window *window, struct dice *dice)
{
	struct arena *arena;
	size_t nr, i;
	uint64_t gpa = choose(dice, &arena, &nr);

	window->gpa = gpa - nr % (PIECE / PAGE_4K) * PAGE_4K;
	window->at = map_at(own_space, window, window->gpa, PIECE);
	for (i = 0; i < 8; i++)
		look(window, arena, nr, gpa);
	if (mmap(own_space, PIECE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
		 MAP_NORESERVE, -1, 0) == MAP_FAILED)
		bail("mmap: errno %d", errno);
}

void *storm_window(void *arg)
{
	struct worker *worker = arg;
	struct window window = { .name = worker->name, .copy = copy_by_kernel };
	struct dice *dice = &worker->dice;
	struct ward *ward;
	int i;

	while (stress_step(worker)) {
		ward = &wards[dice_roll(dice, NR_VMS)];
		pthread_rwlock_rdlock(&ward->lock);
		window.mem = kvm_tdp_mem_open(ward->tdp, getpid(), O_RDONLY);
		if (window.mem < 0)
			bail("no file: %d", window.mem);
		for (i = 0; i < 8; i++)
			window_piece(&window, dice);
		close(window.mem);
		pthread_rwlock_unlock(&ward->lock);
		usleep(dice_roll(dice, 10000));
	}
	return NULL;
}

/*
 * Who looks at a VMM's memory until it is gone, and never sees anything but what the guest
 * has written.
 */
static bool *vmm_is_gone;

static void witness_run(int mem)
{
	const struct window window = { .name = "witness", .mem = mem };
	const uint8_t *at = map_at(NULL, &window, GPA, VMM_SIZE);
	unsigned int ms = PATIENCE * stress_slowness;
	uint64_t buf[PAGE_4K / 8];
	bool gone, seen;
	size_t off;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	catch_signals();
	do {
		gone = __atomic_load_n(vmm_is_gone, __ATOMIC_ACQUIRE);
		for (off = 0, seen = false; off < VMM_SIZE; off += PAGE_4K) {
			if (touch(buf, at + off))
				continue;
			seen = true;
			if (!mem_check(buf, GPA + off, PAGE_4K, VMM_GEN))
				_exit(1);
		}
		/* Of a fault that was under way a worker may drop the memory. */
	} while (gone ? seen && sys_step(&ms) : !usleep(1000));
	_exit(seen ? 2 : 0);
}

pid_t witness_start(int tdp, pid_t vmm)
{
	int mem = kvm_tdp_mem_open(tdp, vmm, O_RDONLY);
	pid_t pid;

	if (!vmm_is_gone)
		vmm_is_gone = sys_shared(sizeof(*vmm_is_gone));
	if (mem < 0)
		bail("no file of another VMM's memory: %d", mem);
	*vmm_is_gone = false;
	pid = must(fork());
	if (!pid)
		witness_run(mem);
	close(mem);
	return pid;
}

void witness_end(pid_t pid)
{
	int ret;

	__atomic_store_n(vmm_is_gone, true, __ATOMIC_RELEASE);
	ret = sys_wait_exit(pid, 60000 * stress_slowness);
	if (ret) {
		diag("window on another VMM's memory: %s", ret == 1 ? "a wrong word" :
		     ret == 2 ? "it is there after the VMM's end" : "it ended badly");
		count(ret == 1 ? FIG_BAD_WORDS : FIG_BAD_ERRNO, 1);
	}
	count(FIG_WINDOW_ENDS, 1);
}
