// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory under userfaultfd, as in post-copy migration: a fault waits for the
 * VMM's handler, holds nothing meanwhile that a memslot ioctl waits for, and
 * can be killed.
 */
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attempt.h"
#include "bed.h"
#include "sys.h"
#include "uffd.h"

#define SIZE	0x8000UL
#define PATIENCE	ATTEMPT_PATIENCE

static struct bed bed;
static struct mem mem;
static int uffd;

static int run_read(void)
{
	return dma_check(bed.dma, GPA, SIZE, GEN(1));
}

static int run_write(void)
{
	return dma_fill(bed.dma, GPA, SIZE, GEN(2));
}

static int run_prefault_read(void)
{
	return ktdp_prefault(bed.tdp, GPA, SIZE, ACC_R);
}

static int run_prefault_write(void)
{
	return ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W);
}

static int run_guest(void)
{
	return guest_check(&bed.vm, GPA, SIZE, GEN(1));
}

static void setup(uint64_t mode, uint64_t features)
{
	mem_small(&mem, SIZE);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	uffd = uffd_open(features);
	uffd_register(uffd, &mem, mode);
}

static void teardown(void)
{
	close(uffd);
	bed_close(&bed);
	mem_free(&mem);
}

/* What a handler may have to do before it has the page. */
static int churn_slots(void)
{
	static char other[2 * PAGE_4K] __attribute__((aligned(4096)));
	int ret;

	ret = vm_slot(&bed.vm, 5, GPA_LOW, PAGE_4K, other, 0);
	if (!ret)
		ret = vm_slot(&bed.vm, 5, GPA_LOW + PAGE_4K, PAGE_4K, other, 0);
	if (!ret)
		ret = vm_slot(&bed.vm, 5, 0, 0, NULL, 0);
	return ret;
}

static int serve(uint64_t hva)
{
	uint64_t off = (hva & -PAGE_4K) - (uintptr_t)mem.hva;
	char page[PAGE_4K];

	mem_fill(page, GPA + off, PAGE_4K, GEN(1));
	return uffd_copy(uffd, hva, page);
}

static int serve_one(bool churn)
{
	uint64_t hva = uffd_wait(uffd, PATIENCE);
	int ret;

	if (!hva)
		return -ETIMEDOUT;
	ret = churn ? churn_slots() : 0;
	return ret ? ret : serve(hva);
}

static int serve_all(bool churn)
{
	size_t served;
	int ret = 0;

	for (served = 0; !ret && served < SIZE; served += PAGE_4K)
		ret = serve_one(churn);
	return ret;
}

static void check_missing(const char *what, int (*run)(void), unsigned int gen)
{
	/* A vCPU that waits does so in KVM's SRCU section, which churn waits for. */
	bool by_guest = run == run_guest;
	struct attempt attempt;

	setup(UFFDIO_REGISTER_MODE_MISSING, 0);
	attempt_begin(&attempt, run);
	is(serve_all(!by_guest), 0, "%s: every page is asked for and given", what);
	is(attempt_end(&attempt), 0, "%s: then it succeeds", what);
	if (!by_guest)
		ok(ktdp_mapped(bed.tdp, GPA, SIZE), "%s: mapped", what);
	ok(mem_check(mem.hva, GPA, SIZE, GEN(gen)), "%s: data", what);
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), "%s: the host's pages", what);
	teardown();
}

static void test_missing(void)
{
	check_missing("engine reads", run_read, 1);
	check_missing("engine writes", run_write, 2);
	check_missing("prefault to read", run_prefault_read, 1);
	check_missing("prefault to write", run_prefault_write, 1);
	/* The handler and this test, without the table's part in it. */
	check_missing("guest reads", run_guest, 1);
}

/* The slot goes away while the fault for it waits. */
static void test_slot_gone(void)
{
	struct attempt attempt;
	char page[PAGE_4K];
	uint64_t hva;

	setup(UFFDIO_REGISTER_MODE_MISSING, 0);
	attempt_begin(&attempt, run_prefault_read);
	hva = uffd_wait(uffd, PATIENCE);
	ok(hva, "fault waits");
	is(vm_slot(&bed.vm, 1, 0, 0, NULL, 0), 0, "its slot can be deleted meanwhile");
	mem_fill(page, GPA, PAGE_4K, GEN(1));
	is(uffd_copy(uffd, hva, page), 0, "the page is given");
	is(attempt_end(&attempt), -EFAULT, "too late: there is no RAM now");
	ok(ktdp_absent(bed.tdp, GPA, SIZE), "and nothing is mapped");
	teardown();
}

/* The slot comes to stand for other memory while the fault waits. */
static void test_slot_replaced(void)
{
	struct attempt attempt;
	struct mem other;
	char page[PAGE_4K];
	uint64_t hva;

	setup(UFFDIO_REGISTER_MODE_MISSING, 0);
	mem_small(&other, SIZE);
	mem_fill(other.hva, GPA, SIZE, GEN(1));
	attempt_begin(&attempt, run_read);
	hva = uffd_wait(uffd, PATIENCE);
	ok(hva, "fault waits");
	vm_unmap(&bed.vm, 1);
	vm_map(&bed.vm, 1, GPA, &other);
	mem_fill(page, GPA, PAGE_4K, GEN(9));
	is(uffd_copy(uffd, hva, page), 0, "the old memory's page is given");
	is(attempt_end(&attempt), 0, "the engine reads the new memory");
	ok(bed_agrees(&bed, GPA, other.hva, SIZE), "whose pages are mapped");
	teardown();
	mem_free(&other);
}

/* Write-protected by userfaultfd: reads go on, a write asks the handler. */
static void test_wp(void)
{
	struct attempt attempt;
	uint64_t hva, size;

	setup(UFFDIO_REGISTER_MODE_WP, UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	mem_fill(mem.hva, GPA, SIZE, GEN(1));
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W), 0, "writable first");
	is(uffd_protect(uffd, (uintptr_t)mem.hva, SIZE, 1), 0, "protect");
	ok(ktdp_grants_none(bed.tdp, GPA, SIZE, ACC_W), "no leaf can be written");
	is(dma_check(bed.dma, GPA, SIZE, GEN(1)), 0, "engine reads");
	ok(ktdp_grants_none(bed.tdp, GPA, SIZE, ACC_W), "which grants no write");
	attempt_begin(&attempt, run_write);
	for (size = 0; size < SIZE; size += PAGE_4K) {
		hva = uffd_wait(uffd, PATIENCE);
		if (!hva || uffd_protect(uffd, hva, PAGE_4K, 0))
			break;
	}
	is(size, SIZE, "a write asks for each page");
	is(attempt_end(&attempt), 0, "and then succeeds");
	ok(mem_check(mem.hva, GPA, SIZE, GEN(2)), "data");
	teardown();
}

#define STORM_TAKERS	4

static bool storm_stop;
static unsigned long storm_served;

static void *storm_handler(void *arg)
{
	uint64_t hva;

	(void)arg;
	while (!__atomic_load_n(&storm_stop, __ATOMIC_ACQUIRE)) {
		hva = uffd_wait(uffd, 100);
		if (!hva)
			continue;
		serve(hva);
		storm_served++;
	}
	return NULL;
}

static void *storm_taker(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&storm_stop, __ATOMIC_ACQUIRE))
		must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	return NULL;
}

/* What the handler gives is taken away again at once: late, but no error. */
static void test_storm(void)
{
	uint64_t until = sys_now() + 1000;
	unsigned int done = 0, again = 0;
	pthread_t handler, takers[STORM_TAKERS];
	int i, ret, error = 0;

	setup(UFFDIO_REGISTER_MODE_MISSING, 0);
	must(-pthread_create(&handler, NULL, storm_handler, NULL));
	for (i = 0; i < STORM_TAKERS; i++)
		must(-pthread_create(&takers[i], NULL, storm_taker, NULL));
	while (sys_now() < until || (!done && again < 1000)) {
		ret = ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W);
		if (!ret)
			done++;
		else if (ret == -EAGAIN)
			again++;
		else
			error = ret;
	}
	is(error, 0, "storm: no fault failed");
	ok(done, "storm: %u succeeded, %u of %lu pages later", done, again, storm_served);
	__atomic_store_n(&storm_stop, true, __ATOMIC_RELEASE);
	pthread_join(handler, NULL);
	for (i = 0; i < STORM_TAKERS; i++)
		pthread_join(takers[i], NULL);
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), "storm: the host's pages");
	teardown();
}

/*
 * In a child: a VM whose memory is never provided.  The descriptors go to the
 * parent, so that nothing but the signal ends the wait.
 */
static void child_vmm(int sock, int (*run)(void))
{
	setup(UFFDIO_REGISTER_MODE_MISSING, 0);
	if (sys_send_fd(sock, uffd) || sys_send_fd(sock, bed.tdp))
		_exit(1);
	if (run)
		run();
	pause();
	_exit(1);
}

static pid_t start_vmm(int (*run)(void), int *child_uffd, int *child_tdp)
{
	int socks[2];
	pid_t pid;

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks));
	pid = must(fork());
	if (!pid)
		child_vmm(socks[1], run);
	close(socks[1]);
	*child_uffd = must(sys_recv_fd(socks[0]));
	*child_tdp = must(sys_recv_fd(socks[0]));
	close(socks[0]);
	return pid;
}

static bool dies(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	status = sys_wait(pid, PATIENCE);
	if (status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return true;
	diag("wait status %d", status);
	return false;
}

static void check_kill(const char *what, int (*run)(void))
{
	int child_uffd, child_tdp;
	pid_t pid;

	pid = start_vmm(run, &child_uffd, &child_tdp);
	ok(uffd_wait(child_uffd, PATIENCE), "%s: fault waits", what);
	ok(dies(pid), "%s: kill -9 ends it", what);
	ok(ktdp_empties(child_tdp, PATIENCE), "%s: nothing is mapped", what);
	is(ktdp_prefault(child_tdp, GPA, PAGE_4K, ACC_R), -EPERM,
	   "%s: nor can be", what);
	close(child_uffd);
	close(child_tdp);
}

static void test_kill(void)
{
	check_kill("prefault", run_prefault_write);
	check_kill("engine", run_read);
}

/* A third process, whose engine waits for a page of the VMM. */
static pid_t start_engine(int tdp, pid_t vmm, int child_uffd)
{
	pid_t pid = must(fork());
	uint64_t word;
	int dma;

	if (pid)
		return pid;
	/* The last one holds up the wait; it must not be the waiter's. */
	close(child_uffd);
	dma = dma_open();
	if (kvm_tdp_dma_attach(dma, tdp))
		_exit(1);
	dma_read(dma, GPA, &word, sizeof(word), 0);
	_exit(0);
}

static void test_kill_engine(void)
{
	int child_uffd, child_tdp;
	pid_t vmm, engine;

	vmm = start_vmm(NULL, &child_uffd, &child_tdp);
	engine = start_engine(child_tdp, vmm, child_uffd);
	ok(uffd_wait(child_uffd, PATIENCE), "another process's engine waits");
	ok(dies(engine), "kill -9 ends that process");
	ok(dies(vmm), "and the VMM can be killed after it");
	is(ktdp_prefault(child_tdp, GPA, PAGE_4K, ACC_R), -EPERM,
	   "the VM's memory is gone");
	close(child_uffd);
	close(child_tdp);
}

/* The VMM dies under an engine that waits: that wait must end. */
static void test_kill_vmm(void)
{
	int child_uffd, child_tdp;
	pid_t vmm, engine;

	vmm = start_vmm(NULL, &child_uffd, &child_tdp);
	engine = start_engine(child_tdp, vmm, child_uffd);
	ok(uffd_wait(child_uffd, PATIENCE), "another process's engine waits");
	ok(dies(vmm), "the VMM is killed");
	close(child_uffd);
	is(sys_wait_exit(engine, PATIENCE), 0, "the engine's wait ends");
	is(ktdp_prefault(child_tdp, GPA, PAGE_4K, ACC_R), -EPERM,
	   "the VM's memory is gone");
	ok(ktdp_empties(child_tdp, PATIENCE), "and nothing is mapped");
	close(child_tdp);
}

static const struct tap_case cases[] = {
	{ "missing", test_missing },
	{ "slot_gone", test_slot_gone },
	{ "slot_replaced", test_slot_replaced },
	{ "wp", test_wp },
	{ "storm", test_storm },
	{ "kill", test_kill },
	{ "kill_engine", test_kill_engine },
	{ "kill_vmm", test_kill_vmm },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
