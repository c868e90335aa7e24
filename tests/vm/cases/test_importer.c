// SPDX-License-Identifier: GPL-2.0-only
/*
 * The importer API as a driver in the kernel sees it: get, metadata, register,
 * fault, invalidate, unregister, put.  What it says in <linux/kvm_tdp_fd.h> is
 * asked here, sentence by sentence, through the helper module ktdp_test.
 *
 * Needs two CPUs (a callback must be seen while it runs) and ktdp_test.ko.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bed.h"
#include "kmod.h"
#include "sys.h"

#define SIZE		(32 * PAGE_4K)
#define ELSEWHERE	512	/* a page that no invalidation of the first holds up */
#define GFN		(GPA / PAGE_4K)
#define READ_ONLY_GPA	(GPA + PAGE_1G)

static struct vm vm;
static struct mem mem;
static int tdp, kmod, handle;

static void setup_with(void (*get)(struct mem *mem, size_t size), size_t size)
{
	vm_open(&vm);
	get(&mem, size);
	memset(mem.hva, 1, size);
	vm_map(&vm, 1, GPA, &mem);
	tdp = must(sys(kvm_tdp_create(vm.fd, 0)));
	kmod = kmod_open();
	handle = kmod_get(kmod, tdp);
	if (handle < 0)
		bail("kvm_tdp_fd_get: %d", handle);
}

static void setup(void)
{
	setup_with(mem_small, SIZE);
}

static void teardown(void)
{
	close(kmod);
	close(tdp);
	vm_close(&vm);
	mem_free(&mem);
}

static int map_page(unsigned int page)
{
	return kmod_fault(kmod, handle, GFN + page, KTDP_TEST_WRITE);
}

/* The host takes the page back, and gives another one at the next touch. */
static void drop_page(unsigned int page)
{
	must(madvise(mem.hva + page * PAGE_4K, PAGE_4K, MADV_DONTNEED));
}

/* Register, fault, take away: was importer @nr told, before madvise returned? */
static bool is_told(int nr)
{
	kmod_forget(kmod, nr);
	if (map_page(0))
		return false;
	drop_page(0);
	return kmod_covered(kmod, nr, GPA, PAGE_4K);
}

static void test_get(void)
{
	int fds[2], stdin_copy, got, fd;

	setup();
	must(pipe(fds));
	is(kmod_get(kmod, fds[0]), -EINVAL, "get of a pipe");
	close(fds[0]);
	close(fds[1]);
	is(kmod_get(kmod, fds[0]), -EBADF, "get of a closed fd");
	is(kmod_get(kmod, -1), -EBADF, "get of -1");
	is(kmod_get(kmod, 1 << 30), -EBADF, "get of a number beyond the table");
	is(kmod_get(kmod, vm.fd), -EINVAL, "get of a VM fd");
	fd = must(open("/dev/kvm_tdp", O_RDWR));
	is(kmod_get(kmod, fd), -EINVAL, "get of the device itself");
	close(fd);

	stdin_copy = must(dup(0));
	must(dup2(tdp, 0));
	got = kmod_get(kmod, 0);
	must(dup2(stdin_copy, 0));
	close(stdin_copy);
	if (ok(got >= 0, "get of fd 0"))
		kmod_put(kmod, got);
	teardown();
}

/* All that is constant from create to the last put. */
static bool same_metadata(const struct ktdp_test_metadata *a,
			  const struct ktdp_test_metadata *b)
{
	return !a->ret && !b->ret && a->type == b->type &&
	       a->level == b->level && a->root_hpa == b->root_hpa &&
	       a->max_huge_page_level == b->max_huge_page_level &&
	       !memcmp(a->rsvd_bits_mask, b->rsvd_bits_mask,
		       sizeof(a->rsvd_bits_mask));
}

static void check_metadata(const struct ktdp_test_metadata *md)
{
	struct kvm_tdp_info info;
	uint64_t all = ~0ULL;
	int level;

	for (level = 1; level <= md->level; level++)
		all &= md->rsvd_bits_mask[0][level - 1] &
		       md->rsvd_bits_mask[1][level - 1];
	is(md->ret, 0, "metadata can be had");
	ok(md->type == KVM_TDP_FORMAT_EPT || md->type == KVM_TDP_FORMAT_NPT,
	   "type %u is known", md->type);
	ok(md->level == 4 || md->level == 5, "%d levels", md->level);
	ok(md->root_hpa && !(md->root_hpa % PAGE_4K), "root is a page");
	ok(md->max_huge_page_level >= 1 && md->max_huge_page_level <= 3,
	   "largest leaf is of level %d", md->max_huge_page_level);
	ok(all & 1 << 11, "bit 11 is reserved at every level");

	is(kvm_tdp_get_info(tdp, &info), 0, "info can be had");
	ok(info.type == md->type && (int)info.level == md->level &&
	   (int)info.max_huge_page_level == md->max_huge_page_level &&
	   info.root_hpa == md->root_hpa &&
	   !memcmp(info.rsvd_bits_mask, md->rsvd_bits_mask,
		   sizeof(info.rsvd_bits_mask)),
	   "user space is told the same");
}

static void test_metadata(void)
{
	struct ktdp_test_metadata first, again, other;
	int tdp2, handle2;

	setup();
	first = kmod_metadata(kmod, handle);
	check_metadata(&first);
	is(map_page(0), 0, "fault");
	vm_unmap(&vm, 1);
	again = kmod_metadata(kmod, handle);
	ok(same_metadata(&first, &again) && first.cookie == again.cookie,
	   "the same after use, and after the slot is gone");

	tdp2 = must(sys(kvm_tdp_create(vm.fd, 0)));
	handle2 = kmod_get(kmod, tdp2);
	other = kmod_metadata(kmod, handle2);
	ok(same_metadata(&first, &other), "the same through a second TDP fd");
	kmod_put(kmod, handle);
	close(tdp);
	other = kmod_metadata(kmod, handle2);
	ok(same_metadata(&first, &other), "the same when the first fd is gone");
	tdp = tdp2;
	teardown();
}

static void test_register(void)
{
	setup();
	is(kmod_register(kmod, handle, KTDP_TEST_NULL_OPS), -EINVAL,
	   "register no ops");
	is(kmod_register(kmod, handle, KTDP_TEST_NO_CALLBACK), -EINVAL,
	   "register ops without invalidate");
	is(ktdp_stats(tdp).importers, 0, "nobody is registered after that");
	is(kmod_register(kmod, handle, 0), 0, "register");
	is(kmod_register(kmod, handle, 0), -EBUSY, "register again");
	is(ktdp_stats(tdp).importers, 1, "one is registered after that");
	ok(is_told(0), "the first registration still holds");
	is(kmod_register(kmod, handle, 1), 0, "register other ops");
	ok(is_told(0) && is_told(1), "both are told");

	kmod_unregister(kmod, handle, 2);
	is(ktdp_stats(tdp).importers, 2, "unregister of unknown ops: nothing");
	kmod_unregister(kmod, handle, 0);
	is(ktdp_stats(tdp).importers, 1, "unregister");
	ok(!is_told(0), "not told any more");
	ok(is_told(1), "the other one is");
	kmod_unregister(kmod, handle, 0);
	is(ktdp_stats(tdp).importers, 1, "unregister again: nothing");
	is(kmod_register(kmod, handle, 0), 0, "register again after that");
	ok(is_told(0), "told again");
	teardown();
}

static size_t times_told(void)
{
	kmod_forget(kmod, 0);
	if (map_page(0))
		return 0;
	drop_page(0);
	return kmod_told(kmod, 0, GPA, PAGE_4K).nr;
}

/* The same ops are known once per TDP fd, not once per table. */
static void test_two_fds(void)
{
	int tdp2, handle2;
	size_t once;

	setup();
	tdp2 = must(sys(kvm_tdp_create(vm.fd, 0)));
	handle2 = kmod_get(kmod, tdp2);
	is(kmod_register(kmod, handle, 0), 0, "register with the first fd");
	once = times_told();
	ok(once, "told %zu times", once);
	is(kmod_register(kmod, handle2, 0), 0, "register with the second fd");
	is(kmod_register(kmod, handle2, 0), -EBUSY, "and again");
	is(ktdp_stats(tdp2).importers, 2, "two are registered");
	is(times_told(), 2 * once, "told as often through each fd");
	kmod_unregister(kmod, handle, 0);
	ok(is_told(0), "told through the second fd alone");
	close(tdp2);
	ok(is_told(0), "the handle keeps the fd's file");
	kmod_unregister(kmod, handle2, 0);
	ok(!is_told(0), "not told any more");
	teardown();
}

static void *drop_page_thread(void *arg)
{
	drop_page((uintptr_t)arg);
	return NULL;
}

static void *drop_2m_thread(void *arg)
{
	must(madvise(mem.hva, PAGE_2M, MADV_DONTNEED));
	return NULL;
}

/* Begin an invalidation whose callback spins until it is released. */
static pthread_t start_slow(void *(*drop)(void *), uintptr_t page)
{
	unsigned int ms = 5000;
	pthread_t thread;

	kmod_hold(kmod, 0);
	if (pthread_create(&thread, NULL, drop, (void *)page))
		bail("no thread");
	while (!kmod_running(kmod, 0) && sys_step(&ms))
		;
	return thread;
}

static pthread_t start_slow_callback(unsigned int page)
{
	return start_slow(drop_page_thread, page);
}

static void need_two_cpus(void)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		bail("needs two CPUs");
}

static void test_unregister_waits(void)
{
	struct ktdp_test_call call = { 0 };
	pthread_t thread;

	setup();
	call.handle = handle;
	is(kmod_register(kmod, handle, 0), 0, "register");
	is(map_page(0), 0, "fault");
	thread = start_slow_callback(0);
	kmod_do(kmod, KTDP_TEST_UNREGISTER, &call);
	is(call.running_before, 1, "a callback ran when unregister was called");
	is(call.running_after, 0, "and none when it returned");
	pthread_join(thread, NULL);
	ok(kmod_covered(kmod, 0, GPA, PAGE_4K), "that callback was the right one");
	teardown();
}

/* An invalidation that does not end is not waited for without end. */
static void test_bounded(void)
{
	pthread_t thread;

	setup();
	is(kmod_register(kmod, handle, 0), 0, "register");
	is(map_page(0), 0, "fault");
	thread = start_slow_callback(0);
	is(map_page(0), -EAGAIN, "fault of what is being invalidated");
	is(kmod_running(kmod, 0), 1, "before that is over");
	kmod_release(kmod, 0);
	pthread_join(thread, NULL);
	is(map_page(0), 0, "and when that is over");
	is(kmod_unregister(kmod, handle, 0), 0, "unregister");
	teardown();
}

/* Whatever the exporter locks, it has let go of when it calls. */
static void test_callback_holds_no_lock(void)
{
	struct kvm_tdp_info info;
	pthread_t thread;
	int ret[3];

	setup_with(mem_small, 2 * PAGE_2M);
	is(kmod_register(kmod, handle, 0), 0, "register");
	is(map_page(0), 0, "fault");
	thread = start_slow_callback(0);
	ret[0] = map_page(ELSEWHERE);
	ret[1] = kvm_tdp_get_info(tdp, &info);
	ret[2] = ktdp_absent(tdp, GPA, PAGE_4K) ? 0 : -EEXIST;
	is(kmod_running(kmod, 0), 1, "the callback still runs");
	is(ret[0], 0, "meanwhile a fault elsewhere succeeded");
	is(ret[1], 0, "and an ioctl");
	is(ret[2], 0, "and the page was out of the table");
	kmod_release(kmod, 0);
	pthread_join(thread, NULL);
	teardown();
}

/* What this thread was told of first, from @gpa on and in one piece: bytes. */
static uint64_t told_by_me(int nr, uint64_t gpa)
{
	static struct ktdp_test_record records[KTDP_TEST_RECORDS];
	size_t i, nr_records = kmod_log(kmod, nr, records);
	pid_t tid = gettid();

	for (i = 0; i < nr_records; i++) {
		if (records[i].tid == (uint32_t)tid && records[i].start <= gpa)
			return records[i].start + records[i].size - gpa;
	}
	return 0;
}

/*
 * One CPU has cleared a 2M leaf and not yet told of it, when the host takes other
 * 4K of the same: the importer is told of the whole leaf by the second, too, or
 * it would keep the leaf of which it was told a part.
 */
static void test_second_revoker(void)
{
	const unsigned int other = 100;
	pthread_t thread;
	uint64_t told;

	if (mem_skip_thp("second_revoker"))
		return;
	setup_with(mem_thp, PAGE_2M);
	is(kmod_register(kmod, handle, 0), 0, "register");
	is(map_page(0), 0, "fault");
	is(ktdp_level(tdp, GPA), 2, "maps a leaf of 2M");
	thread = start_slow_callback(0);
	is(kmod_running(kmod, 0), 1, "the first is telling");
	ok(ktdp_absent(tdp, GPA, PAGE_2M), "and has cleared the leaf");
	kmod_forget(kmod, 0);
	drop_page(other);
	told = told_by_me(0, GPA);
	is(told, PAGE_2M, "the second tells of the leaf, which is as large as any was");
	is(kmod_running(kmod, 0), 1, "while the first is still at it");
	kmod_release(kmod, 0);
	pthread_join(thread, NULL);
	kmod_forget(kmod, 0);
	drop_page(other);
	is(told_by_me(0, GPA), 0, "nothing mapped, nobody at it: nothing told");
	teardown();
}

/* A table that is unlinked, and not yet told of, is no reason for an alarm. */
static void test_verify_while_telling(void)
{
	struct kvm_tdp_verify verify;
	pthread_t thread;

	setup_with(mem_small, PAGE_2M);
	is(kmod_register(kmod, handle, 0), 0, "register");
	is(ktdp_prefault(tdp, GPA, PAGE_2M, ACC_W), 0, "map a table of 4K leaves");
	is(ktdp_level(tdp, GPA), 1, "which they are");
	thread = start_slow(drop_2m_thread, 0);
	is(kmod_running(kmod, 0), 1, "all of it goes, and that is being told");
	must(sys(kvm_tdp_verify_range(tdp, 0, 1UL << 48, &verify)));
	is(kmod_running(kmod, 0), 1, "for as long as it was verified");
	is(ktdp_verify_wrong(&verify), 0, "nothing is wrong");
	kmod_release(kmod, 0);
	pthread_join(thread, NULL);
	must(sys(kvm_tdp_verify_range(tdp, 0, 1UL << 48, &verify)));
	is(ktdp_verify_wrong(&verify), 0, "nor is it then");
	teardown();
}

static void check_told(const char *what, uint64_t gpa, uint64_t size)
{
	struct kmod_told told = kmod_told(kmod, 0, gpa, size);

	ok(told.covered, "%s: told before it returned", what);
	ok(told.well_formed, "%s: whole pages, in task context", what);
}

static void test_invalidate(void)
{
	setup();
	is(kmod_register(kmod, handle, 0), 0, "register");
	is(ktdp_prefault(tdp, GPA, SIZE, ACC_W), 0, "map all");
	kmod_forget(kmod, 0);
	drop_page(0);
	check_told("madvise", GPA, PAGE_4K);
	must(mprotect(mem.hva + PAGE_4K, PAGE_4K, PROT_READ));
	check_told("mprotect", GPA + PAGE_4K, PAGE_4K);
	must(munmap(mem.hva + 4 * PAGE_4K, 2 * PAGE_4K));
	check_told("munmap", GPA + 4 * PAGE_4K, 2 * PAGE_4K);
	vm_unmap(&vm, 1);
	check_told("slot delete", GPA + 6 * PAGE_4K, SIZE - 6 * PAGE_4K);
	is(ktdp_stats(tdp).leaves[0], 0, "nothing is mapped then");
	teardown();
}

/* The one that may sleep has been told so, just before, of the same. */
static void check_revoked(const char *what, bool may_sleep)
{
	static struct ktdp_test_record records[KTDP_TEST_RECORDS];
	const struct ktdp_test_record *last;
	size_t nr = kmod_log(kmod, KTDP_TEST_IMPORTERS - 1, records);

	is(nr, may_sleep ? 2 : 1, "%s: callbacks", what);
	if (nr != (may_sleep ? 2 : 1))
		return;
	last = &records[nr - 1];
	ok(!(last->flags & KTDP_TEST_REVOKE), "%s: invalidate comes last", what);
	if (!may_sleep)
		return;
	is(records[0].flags, KTDP_TEST_REVOKE | KTDP_TEST_IN_TASK,
	   "%s: revoke comes first, and may sleep", what);
	ok(records[0].end_ns <= last->begin_ns, "%s: it has returned then", what);
	ok(records[0].start == last->start && records[0].size == last->size,
	   "%s: they are of the same range", what);
}

static void test_revoke(void)
{
	setup();
	vm_add_vcpu(&vm);
	is(kmod_register(kmod, handle, KTDP_TEST_IMPORTERS - 1), 0, "register");
	is(ktdp_prefault(tdp, GPA, SIZE, ACC_W), 0, "map all");
	kmod_forget(kmod, KTDP_TEST_IMPORTERS - 1);
	drop_page(0);
	check_revoked("madvise", true);
	drop_page(0);
	is(kmod_log(kmod, KTDP_TEST_IMPORTERS - 1, NULL), 0, "nothing is mapped: nothing told");
	must(sys(vm_slot(&vm, 1, GPA, SIZE, mem.hva, KVM_MEM_LOG_DIRTY_PAGES)));
	check_revoked("dirty log", false);
	vm_unmap(&vm, 1);
	check_revoked("slot delete", false);
	vm_map(&vm, 1, GPA, &mem);
	is(map_page(1), 0, "fault");
	kmod_forget(kmod, KTDP_TEST_IMPORTERS - 1);
	must(munmap(mem.hva, SIZE));
	check_revoked("munmap", true);
	teardown();
}

/* A part of a large leaf is gone: the whole leaf is. */
static void test_invalidate_huge(void)
{
	if (mem_skip_thp("4K of 2M"))
		return;
	setup_with(mem_thp, 2 * PAGE_2M);
	is(kmod_register(kmod, handle, 0), 0, "register");
	is(map_page(3), 0, "fault");
	is(ktdp_level(tdp, GPA), 2, "mapped by a 2M leaf");
	kmod_forget(kmod, 0);
	drop_page(7);
	check_told("4K of 2M", GPA, PAGE_2M);
	teardown();
}

/* A put leaves no registration behind that would not be told of its end. */
static void test_leaked_registration(void)
{
	struct kmod_told told;
	int handle2;

	setup();
	handle2 = kmod_get(kmod, tdp);
	is(kmod_register(kmod, handle, 0), 0, "register");
	is(map_page(0), 0, "fault");
	kmod_forget(kmod, 0);
	kmod_put(kmod, handle);
	close(tdp);
	is(kmod_told(kmod, 0, 0, 0).nr, 0, "a put that is not the last: silence");
	kmod_put(kmod, handle2);
	told = kmod_told(kmod, 0, 0, 0);
	ok(told.full, "last put: a final invalidate(0, -1)");
	drop_page(0);
	vm_unmap(&vm, 1);
	is(kmod_told(kmod, 0, 0, 0).nr, 0, "and nothing after that");

	tdp = must(sys(kvm_tdp_create(vm.fd, 0)));
	is(ktdp_stats(tdp).importers, 0, "a new table knows no importer");
	teardown();
}

static void test_fault(void)
{
	struct ktdp_test_call call = { .gfn = GFN, .access = KTDP_TEST_READ };
	struct kvm_tdp_stats stats;

	setup();
	call.handle = handle;
	call.flags = KTDP_TEST_NULL_TDP_FD;
	kmod_do(kmod, KTDP_TEST_FAULT, &call);
	is(call.ret, -EINVAL, "fault without a TDP fd");
	is(kmod_fault(kmod, handle, GFN, 0), -EINVAL, "fault for no access");
	is(kmod_fault(kmod, handle, GFN + SIZE / PAGE_4K, KTDP_TEST_READ),
	   -EFAULT, "beyond the slot");
	is(kmod_fault(kmod, handle, 1ULL << 50, KTDP_TEST_READ), -EFAULT,
	   "beyond the table");
	is(kmod_fault(kmod, handle, ~0ULL, KTDP_TEST_READ), -EFAULT,
	   "gfn ~0");
	ok(ktdp_absent(tdp, 0, 1ULL << 47), "nothing was mapped by that");

	is(kmod_fault(kmod, handle, GFN, KTDP_TEST_READ), 0, "read");
	is(kmod_fault(kmod, handle, GFN, KTDP_TEST_READ), 0, "read again");
	is(kmod_fault(kmod, handle, GFN, KTDP_TEST_WRITE), 0, "write");
	ok(ktdp_access(tdp, GPA) & ACC_W, "the table grants it");
	is(kmod_fault(kmod, handle, GFN, KTDP_TEST_EXEC), 0, "exec");
	is(kmod_fault(kmod, handle, GFN,
		      KTDP_TEST_READ | KTDP_TEST_WRITE | KTDP_TEST_EXEC), 0,
	   "all at once");
	stats = ktdp_stats(tdp);
	ok(stats.faults_spurious >= 2, "%llu faults found it mapped",
	   stats.faults_spurious);
	teardown();
}

static void test_fault_read_only(void)
{
	setup();
	must(sys(vm_slot(&vm, 2, READ_ONLY_GPA, SIZE, mem.hva,
			 KVM_MEM_READONLY)));
	is(kmod_fault(kmod, handle, READ_ONLY_GPA / PAGE_4K, KTDP_TEST_WRITE),
	   -EACCES, "write to a read-only slot");
	is(kmod_fault(kmod, handle, READ_ONLY_GPA / PAGE_4K, KTDP_TEST_READ), 0,
	   "read of it");
	is(ktdp_access(tdp, READ_ONLY_GPA) & ACC_W, 0, "and no more is granted");
	must(mprotect(mem.hva, PAGE_4K, PROT_READ));
	is(map_page(0), -EACCES, "write to memory that is read-only in the VMM");
	is(kmod_fault(kmod, handle, GFN, KTDP_TEST_READ), 0, "read of it");
	must(munmap(mem.hva, PAGE_4K));
	is(kmod_fault(kmod, handle, GFN, KTDP_TEST_READ), -EFAULT,
	   "memory that is unmapped in the VMM");
	teardown();
}

static int in_child(int (*run)(void))
{
	pid_t pid = must(fork());

	if (!pid)
		_exit(run() ? 1 : 0);
	return sys_wait_exit(pid, 10000);
}

static int child_faults_for_parent(void)
{
	return kmod_fault_as(kmod, handle, GFN, KTDP_TEST_WRITE,
			     KTDP_TEST_CALLER, getppid());
}

static int child_faults_for_itself(void)
{
	return kmod_fault(kmod, handle, GFN + 1, KTDP_TEST_WRITE) != -EINVAL;
}

static void test_fault_contexts(void)
{
	int fault = KTDP_TEST_WRITE;

	setup();
	is(kmod_fault_as(kmod, handle, GFN, fault, KTDP_TEST_CALLER,
			 KTDP_TEST_MM_NULL), 0, "fault without an mm: the VM's");
	is(kmod_fault_as(kmod, handle, GFN, fault, KTDP_TEST_KTHREAD,
			 KTDP_TEST_MM_NULL), 0, "kthread, no mm");
	ok(ktdp_mapped(tdp, GPA, PAGE_4K), "it is mapped");
	must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	is(kmod_fault_as(kmod, handle, GFN, fault, KTDP_TEST_CALLER, 1),
	   -EINVAL, "in the name of another process");
	is(kmod_fault_as(kmod, handle, GFN, fault, KTDP_TEST_KTHREAD, 1),
	   -EINVAL, "kthread, in the name of another process");
	ok(ktdp_absent(tdp, GPA, SIZE), "nothing was mapped by that");
	is(kmod_fault_as(kmod, handle, GFN + 1, fault, KTDP_TEST_KTHREAD, 0), 0,
	   "kthread");
	is(kmod_fault_as(kmod, handle, GFN + 2, fault, KTDP_TEST_KTHREAD_MM, 0),
	   0, "kthread in the VM's mm");
	ok(ktdp_mapped(tdp, GPA + PAGE_4K, 2 * PAGE_4K), "both are mapped");
	is(in_child(child_faults_for_parent), 0, "another process, the VM's mm");
	ok(ktdp_mapped(tdp, GPA, PAGE_4K), "mapped as well");
	is(in_child(child_faults_for_itself), 0, "another process, its own mm");
	teardown();
}

static void check_range(uint64_t gfn, uint64_t nr, int want, uint64_t left,
			const char *what)
{
	uint64_t end = gfn + nr;
	int ret = kmod_fault_range(kmod, handle, &gfn, &nr, KTDP_TEST_WRITE,
				   KTDP_TEST_MM_NULL);

	is(ret, want, "%s: result", what);
	is(nr, left, "%s: pages left", what);
	is(gfn + nr, end, "%s: where to go on", what);
}

static void test_fault_range(void)
{
	uint64_t gfn = GFN, nr = 1;

	setup();
	check_range(GFN, SIZE / PAGE_4K, 0, 0, "all of a slot");
	ok(ktdp_mapped(tdp, GPA, SIZE), "it is mapped");
	check_range(GFN + 3, SIZE / PAGE_4K, 0, 3, "beyond its end");
	check_range(GFN + SIZE / PAGE_4K, 3, -EFAULT, 3, "where there is none");
	check_range(1ULL << 45, 1, -EFAULT, 1, "beyond the table");
	is(kmod_fault_range(kmod, handle, &gfn, &nr, 0, 0), -EINVAL, "no access");
	is(kmod_fault_range(kmod, handle, &gfn, &nr, KTDP_TEST_READ, 1), -EINVAL,
	   "in the name of another process");
	teardown();
}

static struct kvm_tdp_importers read_importers(struct kvm_tdp_importer *to, unsigned int nr)
{
	struct kvm_tdp_importers arg = {
		.size = sizeof(arg), .importers = (uintptr_t)to, .nr_importers = nr,
	};

	must(ioctl(tdp, KVM_TDP_READ_IMPORTERS, &arg));
	return arg;
}

static void test_importers_are_seen(void)
{
	struct kvm_tdp_importers arg;
	struct kvm_tdp_importer seen[3];
	char text[4096];

	setup();
	is(read_importers(seen, 3).nr_all, 0, "nobody has registered");
	is(kmod_register(kmod, handle, 0), 0, "one without a name");
	is(kmod_register(kmod, handle, 1), 0, "one with a name");
	ok(is_told(1), "both are told");
	arg = read_importers(seen, 3);
	is(arg.nr_importers, 2, "both are seen");
	ok(!strcmp(seen[0].name, "unnamed"), "by no name: %s", seen[0].name);
	ok(!strcmp(seen[1].name, "ktdp_test/1"), "by its name: %s", seen[1].name);
	is(seen[1].pid, getpid(), "who had it register");
	ok(seen[1].invalidations && seen[1].invalidations == seen[0].invalidations,
	   "how often it was told: %llu", seen[1].invalidations);
	is(ktdp_stats(tdp).invalidations_sent, 2 * seen[1].invalidations,
	   "which is counted in sum");
	arg = read_importers(seen, 1);
	ok(arg.nr_importers == 1 && arg.nr_all == 2, "room for one of two");
	sys_fdinfo(tdp, text, sizeof(text));
	ok(strstr(text, "kvm_tdp_importer:\tktdp_test/1 "), "fdinfo has it");
	is(kmod_unregister(kmod, handle, 0), 0, "one goes");
	is(kmod_unregister(kmod, handle, 1), 0, "and the other");
	is(ktdp_stats(tdp).invalidations_sent, 2 * seen[0].invalidations,
	   "what they were told stays in the sum");
	teardown();
}

#define ALIASES	40

static uint64_t alias(int i)
{
	return GPA + PAGE_1G + 2 * i * PAGE_4K;
}

static bool is_among(const struct ktdp_test_record *records, size_t nr, uint64_t gpa)
{
	while (nr--) {
		if (records[nr].start <= gpa &&
		    records[nr].start + records[nr].size >= gpa + PAGE_4K)
			return true;
	}
	return false;
}

/* A page in many slots goes from all, of which importers are told in a few calls. */
static void test_aliases(void)
{
	static struct ktdp_test_record records[KTDP_TEST_RECORDS];
	int i, mapped = 0, absent = 0, told = 0, alone = 0;
	uint64_t sent;
	size_t nr;

	setup();
	is(kmod_register(kmod, handle, 0), 0, "one importer");
	is(kmod_register(kmod, handle, 1), 0, "and another");
	for (i = 0; i < ALIASES; i++) {
		must(sys(vm_slot(&vm, 2 + i, alias(i), PAGE_4K, mem.hva, 0)));
		mapped += !kmod_fault(kmod, handle, alias(i) / PAGE_4K, KTDP_TEST_WRITE);
	}
	is(mapped, ALIASES, "slots have the page");
	kmod_forget(kmod, 1);
	sent = ktdp_stats(tdp).invalidations_sent;
	drop_page(0);
	nr = kmod_log(kmod, 1, records);
	for (i = 0; i < ALIASES; i++) {
		absent += ktdp_absent(tdp, alias(i), PAGE_4K);
		told += is_among(records, nr, alias(i));
	}
	is(absent, ALIASES, "have it no more");
	is(told, ALIASES, "that is told of");
	is(nr, 4, "in so many calls, as the first slot has lost nothing");
	is(ktdp_stats(tdp).invalidations_sent, sent + 2 * nr, "of each importer");
	for (i = 0; i < ALIASES; i++) {
		must(kmod_fault(kmod, handle, alias(i) / PAGE_4K, KTDP_TEST_WRITE));
		kmod_forget(kmod, 1);
		drop_page(0);
		alone += kmod_log(kmod, 1, records) == 1 && records[0].start == alias(i) &&
			 records[0].size == PAGE_4K;
	}
	is(alone, ALIASES, "where one slot has it, of that one alone");
	teardown();
}

/* In a child: a VM with a TDP fd, which is sent to the parent. */
static void child_vm(int sock)
{
	setup();
	sys_send_fd(sock, tdp);
	pause();
	_exit(0);
}

static void test_exited_vmm(void)
{
	struct ktdp_test_call call = { 0 };
	struct kmod_told told;
	int socks[2];
	pid_t pid;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	pid = must(fork());
	if (!pid)
		child_vm(socks[1]);
	tdp = sys_recv_fd(socks[0]);
	kmod = kmod_open();
	handle = kmod_get(kmod, tdp);
	ok(handle >= 0, "get of a TDP fd of another process");
	call.mm = pid;
	kmod_do(kmod, KTDP_TEST_HOLD_MM, &call);
	is(kmod_register(kmod, handle, 0), 0, "register");
	is(kmod_fault_as(kmod, handle, GFN, KTDP_TEST_WRITE, KTDP_TEST_CALLER,
			 KTDP_TEST_MM_HELD), 0, "fault while the VMM lives");
	kmod_forget(kmod, 0);

	kill(pid, SIGKILL);
	sys_wait(pid, 10000);
	told = kmod_told(kmod, 0, GPA, PAGE_4K);
	ok(told.covered, "told before the VMM had exited");
	is(kmod_gone(kmod, 0).times, 1, "and that it is gone, once");
	ok(!(kmod_gone(kmod, 0).flags & (KTDP_TEST_ATOMIC | KTDP_TEST_IRQS_OFF)),
	   "where it may sleep");
	is(kmod_gone(kmod, 1).times, 0, "one that comes later");
	is(kmod_register(kmod, handle, 1), 0, "registers");
	is(kmod_gone(kmod, 1).times, 1, "and is told as well");
	is(kmod_fault_as(kmod, handle, GFN, KTDP_TEST_WRITE, KTDP_TEST_CALLER,
			 KTDP_TEST_MM_HELD), -EPERM, "fault when it has exited");
	is(kmod_fault_as(kmod, handle, GFN, KTDP_TEST_WRITE, KTDP_TEST_KTHREAD,
			 KTDP_TEST_MM_HELD), -EPERM, "fault of a kthread then");
	ok(ktdp_absent(tdp, 0, 1ULL << 47), "nothing is mapped");
	is(kmod_metadata(kmod, handle).ret, 0, "the metadata is still there");
	close(kmod);
	close(tdp);
	close(socks[0]);
	close(socks[1]);
}

#define STORM_TURNS	300

static void *storm_thread(void *arg)
{
	unsigned int page = (uintptr_t)arg;
	int turn;

	for (turn = 0; turn < STORM_TURNS; turn++) {
		if (map_page(page + turn % 8))
			return "fault failed";
		drop_page(page + turn % 8);
	}
	return NULL;
}

static void test_storm(void)
{
	pthread_t threads[2];
	struct kmod_told told[2];
	const char *error = NULL;
	void *result;
	int i;

	setup();
	for (i = 0; i < 2; i++)
		is(kmod_register(kmod, handle, i), 0, "register");
	for (i = 0; i < 2; i++)
		must(-pthread_create(&threads[i], NULL, storm_thread,
				     (void *)(uintptr_t)(i * 8)));
	for (i = 0; i < 2; i++) {
		pthread_join(threads[i], &result);
		error = error ?: result;
	}
	for (i = 0; i < 2; i++)
		told[i] = kmod_told(kmod, i, GPA, PAGE_4K);
	ok(!error, "faults and invalidations at once: %s", error ?: "no error");
	ok(told[0].well_formed && told[1].well_formed, "callbacks well formed");
	ok(told[0].nr >= 2 * STORM_TURNS, "one for each page taken away");
	is(told[0].nr, told[1].nr, "both importers told alike");
	/* What is behind them may have come along. */
	ok(ktdp_absent(tdp, GPA, 16 * PAGE_4K), "none of those pages is left");
	teardown();
}

static const struct tap_case cases[] = {
	{ "get", test_get },
	{ "metadata", test_metadata },
	{ "register", test_register },
	{ "two_fds", test_two_fds },
	{ "unregister_waits", test_unregister_waits },
	{ "bounded", test_bounded },
	{ "callback_holds_no_lock", test_callback_holds_no_lock },
	{ "second_revoker", test_second_revoker },
	{ "verify_while_telling", test_verify_while_telling },
	{ "invalidate", test_invalidate },
	{ "revoke", test_revoke },
	{ "invalidate_huge", test_invalidate_huge },
	{ "leaked_registration", test_leaked_registration },
	{ "fault", test_fault },
	{ "fault_read_only", test_fault_read_only },
	{ "fault_contexts", test_fault_contexts },
	{ "fault_range", test_fault_range },
	{ "importers_are_seen", test_importers_are_seen },
	{ "aliases", test_aliases },
	{ "exited_vmm", test_exited_vmm },
	{ "storm", test_storm },
};

int main(int argc, char **argv)
{
	need_two_cpus();
	return RUN_CASES(cases, argc, argv);
}
