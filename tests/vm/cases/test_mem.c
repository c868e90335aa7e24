// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory as a file, /dev/kvm_tdp_mem: its contract, who may, the data it moves,
 * and that nobody reads a page that is not the guest's any more.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actor.h"
#include "dirty.h"
#include "engine.h"
#include "kmod.h"
#include "nobody.h"
#include "sys.h"
#include "vmm.h"

#define PAGES	(SIZE / PAGE_4K)
#define LOGGED	(GPA + PAGE_1G)
#define PROC_MEM "/proc/self/mem"

/* As user space calls it. */
static int mem_fd;

static int open_mem(int tdp, int flags)
{
	return must(sys(kvm_tdp_mem_open(tdp, getpid(), flags)));
}

static void begin(void)
{
	setup();
	mem_fd = open_mem(eb.tdp, O_RDWR);
}

static void end(void)
{
	close(mem_fd);
	teardown();
}

static struct result mem_read(uint64_t gpa, void *buf, size_t length)
{
	size_t done = -1;
	int ret = kvm_tdp_mem_read(mem_fd, gpa, buf, length, &done);

	return (struct result){ ret, done };
}

static struct result mem_write(uint64_t gpa, const void *buf, size_t length)
{
	size_t done = -1;
	int ret = kvm_tdp_mem_write(mem_fd, gpa, buf, length, &done);

	return (struct result){ ret, done };
}

static struct result mem_readv(const struct kvm_tdp_mem_vec *vecs, unsigned int nr,
			       unsigned int flags)
{
	unsigned int done = -1;
	int ret = kvm_tdp_mem_readv(mem_fd, vecs, nr, flags, &done);

	return (struct result){ ret, done };
}

static int attach(int fd, int tdp, int proc_mem)
{
	struct kvm_tdp_mem_attach arg = {
		.size = sizeof(arg),
		.tdp_fd = tdp,
		.proc_mem_fd = proc_mem,
	};

	return sys(ioctl(fd, KVM_TDP_MEM_ATTACH, &arg));
}

static int attach_path(int tdp, const char *path)
{
	int fd = must(open("/dev/kvm_tdp_mem", O_RDWR));
	int proc_mem = must(open(path, O_RDONLY));
	int ret = attach(fd, tdp, proc_mem);

	close(proc_mem);
	close(fd);
	return ret;
}

static void test_attach(void)
{
	int fd, proc_mem;
	char byte;

	begin();
	fd = must(open("/dev/kvm_tdp_mem", O_RDWR));
	proc_mem = must(open(PROC_MEM, O_RDONLY));
	is(sys(pread(fd, &byte, 1, GPA)), -ENOTCONN, "read, not attached");
	is(sys(pwrite(fd, &byte, 1, GPA)), -ENOTCONN, "write, not attached");
	is(attach(fd, -1, proc_mem), -EBADF, "no TDP fd");
	is(attach(fd, proc_mem, proc_mem), -EINVAL, "something else for a TDP fd");
	is(attach(fd, eb.tdp, -1), -EBADF, "no /proc/PID/mem");
	is(attach(fd, eb.tdp, eb.tdp), -EINVAL, "a TDP fd for it");
	is(ktdp_stats(eb.tdp).importers, 2, "nothing is left of those");
	is(attach(fd, eb.tdp, proc_mem), 0, "attach");
	is(attach(fd, eb.tdp, proc_mem), -EBUSY, "attach twice");
	is(ktdp_stats(eb.tdp).importers, 3, "one importer more");
	is(sys(pread(fd, &byte, 1, GPA)), 1, "read");
	is(sys(pwrite(fd, &byte, 1, GPA)), -EACCES, "write, attached for reading");
	close(proc_mem);
	is(sys(pread(fd, &byte, 1, GPA)), 1, "read, /proc/PID/mem closed");
	close(fd);
	is(ktdp_stats(eb.tdp).importers, 2, "gone with the file");

	is(attach_path(eb.tdp, "/proc/thread-self/mem"), 0, "that of a thread");
	is(attach_path(eb.tdp, "/proc/self/environ"), -EINVAL, "another file with an mm");
	is(attach_path(eb.tdp, "/proc/self/maps"), -EINVAL, "a file of procfs");
	sys_run("mkdir -p /tmp/mem.d && touch /tmp/mem.d/mem");
	is(attach_path(eb.tdp, "/tmp/mem.d/mem"), -EINVAL, "a file of that name");
	is(attach_path(eb.tdp, "/proc/1/mem"), -EACCES, "that of another process");
	end();
}

static void test_many(void)
{
	int fds[255], last, proc_mem = must(open(PROC_MEM, O_RDONLY));
	size_t i;

	setup();
	for (i = 0; i < NR(fds); i++)
		fds[i] = open_mem(eb.tdp, O_RDONLY);
	last = must(open("/dev/kvm_tdp_mem", O_RDWR));
	is(attach(last, eb.tdp, proc_mem), -ENOSPC, "as many importers as there may be");
	close(fds[0]);
	is(attach(last, eb.tdp, proc_mem), 0, "one less");
	close(last);
	for (i = 1; i < NR(fds); i++)
		close(fds[i]);
	close(proc_mem);
	teardown();
}

/* Of the test's own VM; for its children. */
static int self_tdp;

static int open_own(void)
{
	int ret = kvm_tdp_mem_open(self_tdp, getpid(), O_RDONLY);

	return ret < 0 ? ret : 1;
}

static int open_parents(void)
{
	int ret = kvm_tdp_mem_open(self_tdp, getppid(), O_RDONLY);

	return ret < 0 ? ret : 1;
}

/* Somebody opened it who was allowed to; a file is as good as its opener. */
static int inherited;

static int read_inherited(void)
{
	char byte;

	return sys(pread(inherited, &byte, 1, GPA));
}

static void test_who(void)
{
	begin();
	self_tdp = eb.tdp;
	inherited = mem_fd;
	is(as_nobody(open_own), -EACCES, "nobody may not open the node");
	must(chmod("/dev/kvm_tdp_mem", 0666));
	is(as_nobody(open_own), -EACCES, "nobody, with the TDP fd: not his VM");
	is(as_nobody(open_parents), -EACCES, "nobody has no right to ptrace it");
	is(as_ns_root(open_parents), -EACCES, "root of a namespace has none either");
	is(as_nobody(read_inherited), 1, "what was opened may be passed on");
	must(chmod("/dev/kvm_tdp_mem", 0660));
	end();
}

/* The VM is that of a process that knows nothing of it. */
static void test_other(void)
{
	struct vmm vmm;
	uint64_t word;
	int vm, tdp;

	vmm_start(&vmm);
	vm = must(sys(vmm_steal_fd(&vmm)));
	tdp = must(sys(kvm_tdp_create(vm, 0)));
	close(vm);
	is(kvm_tdp_mem_open(tdp, getpid(), O_RDONLY), -EACCES, "with one's own memory");
	is(kvm_tdp_mem_open(tdp, 1 << 29, O_RDONLY), -ESRCH, "with that of no process");
	is(kvm_tdp_mem_open(tdp, vmm.pid, O_WRONLY), -EINVAL, "for writing alone");
	mem_fd = must(sys(kvm_tdp_mem_open(tdp, vmm.pid, O_RDWR)));
	close(tdp);
	check(mem_read(GPA + VMM_SIZE - 8, &word, 8), 0, 8, "read");
	is(word, (GPA + VMM_SIZE - 8) ^ VMM_GEN, "what its guest has written");
	word = 5;
	check(mem_write(GPA + VMM_SIZE - 8, &word, 8), 0, 8, "write");
	ok(vmm_kill(&vmm), "killed");
	check(mem_read(GPA, &word, 8), -EPERM, 0, "its memory is gone");
	check(mem_write(GPA, &word, 8), -EPERM, 0, "for writing, too");
	close(mem_fd);
}

static bool read_is_right(size_t offset, size_t length)
{
	unsigned char buf[4 * PAGE_4K + 2];

	memset(buf, 0xee, sizeof(buf));
	return pread(mem_fd, buf + 1, length, GPA + offset) == (ssize_t)length &&
	       holds(buf + 1, offset, length, 0) &&
	       buf[0] == 0xee && buf[length + 1] == 0xee;
}

static bool write_is_right(size_t offset, size_t length)
{
	unsigned char *hva = eb.mem.hva, buf[4 * PAGE_4K];
	bool good;

	fill(buf, offset, length, 1);
	good = pwrite(mem_fd, buf, length, GPA + offset) == (ssize_t)length &&
	       holds(hva, 0, offset, 0) &&
	       holds(hva + offset, offset, length, 1) &&
	       holds(hva + offset + length, offset + length,
		     SIZE - offset - length, 0);
	fill(hva, 0, SIZE, 0);
	return good;
}

static void test_data(void)
{
	unsigned char a[100], b[5000];
	struct iovec iov[2] = { { a, sizeof(a) }, { b, sizeof(b) } };

	begin();
	check_all("read", read_is_right);
	check_all("write", write_is_right);
	is(sys(preadv(mem_fd, iov, 2, GPA + 9)), sizeof(a) + sizeof(b), "preadv");
	ok(holds(a, 9, sizeof(a), 0) && holds(b, 9 + sizeof(a), sizeof(b), 0), "in order");
	is(sys(lseek(mem_fd, GPA + 5, SEEK_SET)), GPA + 5, "lseek");
	is(sys(read(mem_fd, b, sizeof(b))), sizeof(b), "read");
	ok(holds(b, 5, sizeof(b), 0), "what is there");
	is(sys(lseek(mem_fd, 0, SEEK_CUR)), GPA + 5 + sizeof(b), "the offset goes on");
	is(sys(lseek(mem_fd, 0, SEEK_END)), -EINVAL, "it has no end");
	end();
}

static void test_edges(void)
{
	static unsigned char buf[2 * SIZE];
	uint64_t reach = 1ULL << 48;

	begin();
	is(sys(pread(mem_fd, buf, 200, HOLE - 100)), 100, "read into a hole");
	ok(holds(buf, SIZE - 100, 100, 0), "the part before it");
	is(sys(pread(mem_fd, buf, 1, HOLE)), -ENXIO, "a hole");
	is(sys(pwrite(mem_fd, buf, 1, HOLE)), -ENXIO, "write to it");
	is(sys(pwrite(mem_fd, eb.mem.hva, 200, HOLE - 100)), 100, "write into a hole");
	fill(eb.mem.hva, 0, SIZE, 0);
	is(sys(pread(mem_fd, buf, 1, GPA - 1)), -ENXIO, "before the slot");
	is(sys(pread(mem_fd, buf, 1, reach + GPA)), -ENXIO, "beyond the table");
	is(sys(pread(mem_fd, buf, 1, -PAGE_4K)), -EINVAL, "a negative offset");
	is(sys(pread(mem_fd, buf, 0, HOLE)), 0, "nothing");
	must(sys(vm_slot(&eb.vm, 3, LOGGED, SIZE, eb.mem.hva, KVM_MEM_READONLY)));
	is(sys(pread(mem_fd, buf, SIZE, LOGGED)), SIZE, "a read-only slot");
	is(sys(pwrite(mem_fd, buf, 1, LOGGED)), -EACCES, "write to it");
	end();
}

static void test_user_buffer(void)
{
	unsigned char *buf = cut_buffer(), *hva;

	begin();
	hva = eb.mem.hva;
	is(sys(pread(mem_fd, buf, 100, GPA + 6)), 100, "into a page that is not there");
	ok(holds(buf, 6, 100, 0), "it is right");
	must(madvise(buf, PAGE_4K, MADV_DONTNEED));
	is(sys(pread(mem_fd, buf, 2 * PAGE_4K, GPA + 6)), PAGE_4K, "into one that ends");
	ok(holds(buf, 6, PAGE_4K, 0), "what was done is there");
	is(sys(pread(mem_fd, buf + PAGE_4K, 1, GPA)), -EFAULT, "into none");
	fill(buf, 0, PAGE_4K, 5);
	is(sys(pwrite(mem_fd, buf, 2 * PAGE_4K, GPA + 6)), PAGE_4K, "from one that ends");
	ok(holds(hva + 6, 0, PAGE_4K, 5) &&
	   holds(hva + 6 + PAGE_4K, 6 + PAGE_4K, PAGE_4K, 0), "that, and no more");
	is(sys(pwrite(mem_fd, buf + PAGE_4K, 1, GPA)), -EFAULT, "from none");
	is(sys(pread(mem_fd, (void *)~0xfffUL, 1, GPA)), -EFAULT, "a kernel address");
	is(sys(pread(mem_fd, hva + PAGE_4K, PAGE_4K, GPA)), PAGE_4K,
	   "into guest memory itself");
	ok(holds(hva + PAGE_4K + 6, 0, PAGE_4K - 6, 5), "it is right");
	must(madvise(hva, SIZE, MADV_DONTNEED));
	is(sys(pread(mem_fd, hva + PAGE_4K, PAGE_4K, GPA)), PAGE_4K,
	   "into guest memory that is not there, from such");
	end();
	munmap(buf, PAGE_4K);
}

static void test_nowait(void)
{
	unsigned char buf[3 * PAGE_4K];
	struct iovec iov = { buf, sizeof(buf) };
	uint64_t before;

	begin();
	before = ktdp_stats(eb.tdp).faults;
	is(sys(preadv2(mem_fd, &iov, 1, GPA, RWF_NOWAIT)), -EAGAIN, "not in the table");
	is(sys(pwritev2(mem_fd, &iov, 1, GPA, RWF_NOWAIT)), -EAGAIN, "to write neither");
	is(ktdp_stats(eb.tdp).faults, before, "it was not asked for");
	must(madvise(eb.mem.hva + PAGE_4K, SIZE - PAGE_4K, MADV_DONTNEED));
	is(ktdp_prefault(eb.tdp, GPA, PAGE_4K, ACC_R), 0, "map one page");
	is(sys(preadv2(mem_fd, &iov, 1, GPA + 1, RWF_NOWAIT)), PAGE_4K - 1, "up to its end");
	ok(holds(buf, 1, PAGE_4K - 1, 0), "its data");
	is(sys(preadv2(mem_fd, &iov, 1, GPA, 0)), sizeof(buf), "with patience");
	is(sys(preadv2(mem_fd, &iov, 1, GPA, RWF_NOWAIT)), sizeof(buf), "it is there now");
	end();
}

/* A file that was opened for writing is not read by way of an ioctl. */
static void check_write_only(const struct kvm_tdp_mem_vec *vec)
{
	int fd = must(open("/dev/kvm_tdp_mem", O_WRONLY));
	int proc_mem = must(open(PROC_MEM, O_RDWR));

	is(attach(fd, eb.tdp, proc_mem), 0, "attach a file for writing");
	is(kvm_tdp_mem_readv(fd, vec, 1, 0, NULL), -EBADF, "it is not for reading");
	close(proc_mem);
	close(fd);
}

/* So many reads of nothing that they take minutes: zeroes, of which there are few pages. */
static void check_killable(void)
{
	size_t size = sizeof(struct kvm_tdp_mem_vec) << 28;
	void *zeroes = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			    -1, 0);
	pid_t pid;

	if (zeroes == MAP_FAILED)
		bail("mmap: errno %d", errno);
	pid = must(fork());
	if (!pid)
		_exit(kvm_tdp_mem_readv(mem_fd, zeroes, 1U << 28, 0, NULL) != -EINTR);
	usleep(100000);
	kill(pid, SIGKILL);
	ok(WIFSIGNALED(sys_wait(pid, 5000)), "reads of nothing can be killed");
	munmap(zeroes, size);
}

static void test_readv(void)
{
	static unsigned char buf[300][32];
	struct kvm_tdp_mem_vec vecs[NR(buf)];
	bool good = true;
	size_t i;

	begin();
	for (i = 0; i < NR(buf); i++) {
		vecs[i] = (struct kvm_tdp_mem_vec){
			.gpa = GPA + i * 211,
			.buf = (uintptr_t)buf[i],
			.length = i % sizeof(buf[i]),
		};
	}
	check(mem_readv(vecs, NR(buf), KVM_TDP_MEM_NOWAIT), -EAGAIN, 1,
	      "not in the table: the empty read is done");
	check(mem_readv(vecs, NR(buf), 0), 0, NR(buf), "many reads");
	for (i = 0; i < NR(buf); i++)
		good &= holds(buf[i], i * 211, i % sizeof(buf[i]), 0);
	ok(good, "each is right");
	check(mem_readv(vecs, NR(buf), KVM_TDP_MEM_NOWAIT), 0, NR(buf), "they are there now");
	check(mem_readv(vecs, 0, 0), 0, 0, "none");
	vecs[37].gpa = HOLE - 1;
	vecs[37].length = 2;
	check(mem_readv(vecs, NR(buf), 0), -ENXIO, 37, "one in a hole");
	vecs[37].gpa = ~0ULL;
	check(mem_readv(vecs, NR(buf), 0), -EINVAL, 37, "one that wraps");
	vecs[20].buf = 1ULL << 63;
	check(mem_readv(vecs, NR(buf), 0), -EFAULT, 20, "one without a buffer");
	check(mem_readv((void *)~0xfffUL, 1, 0), -EFAULT, 0, "an array that is not there");
	check(mem_readv(vecs, 1, 1U << 31), -EINVAL, 0, "an unknown flag");
	check_write_only(&vecs[0]);
	check_killable();
	end();
}

/* Writes are logged; reads are not. */
static void test_dirty(void)
{
	uint64_t bitmap[SET_PAGES / 64] = { 0 };
	unsigned char buf[2 * PAGE_4K];

	begin();
	vm_add_vcpu(&eb.vm);
	must(sys(vm_slot(&eb.vm, 3, LOGGED, SIZE, eb.mem.hva, KVM_MEM_LOG_DIRTY_PAGES)));
	is(sys(pread(mem_fd, buf, sizeof(buf), LOGGED)), sizeof(buf), "read");
	is(log_get(&eb.vm, 3, bitmap), 0, "harvest");
	is(bitmap[0], 0, "reads are not logged");
	is(sys(pwrite(mem_fd, buf, PAGE_4K, LOGGED + 2 * PAGE_4K + 8)), PAGE_4K, "write");
	is(log_get(&eb.vm, 3, bitmap), 0, "harvest");
	is(bitmap[0], 0xc, "two pages were written");
	is(sys(pwrite(mem_fd, buf, 1, LOGGED + 3 * PAGE_4K)), 1, "write again");
	is(log_get(&eb.vm, 3, bitmap), 0, "harvest");
	is(bitmap[0], 8, "it is logged again");
	end();
}

static char held_buf[PAGE_4K];

static int read_page(void)
{
	return sys(pread(mem_fd, held_buf, PAGE_4K, GPA));
}

static int drop_page(void)
{
	return sys(madvise(eb.mem.hva, PAGE_4K, MADV_DONTNEED));
}

/* The host does not get a page back while it is being read. */
static void test_in_flight(void)
{
	static const struct kmod_point at = { .symbol = "kvm_tdp_mem:mem_move" };
	struct actor reader, host;
	int kmod = kmod_open();

	sys_heap_settle();
	actor_bind(0);
	actor_start(&reader, 1);
	actor_start(&host, 2);
	begin();
	memset(held_buf, 1, sizeof(held_buf));
	is(read_page(), PAGE_4K, "the page is mapped");
	kmod_stop(kmod, 0, &at, reader.tid);
	actor_begin(&reader, read_page);
	ok(kmod_is_stopped(kmod, 0, ACTOR_PATIENCE), "a reader is held on it");
	actor_begin(&host, drop_page);
	ok(actor_is_busy(&host, 200), "the host does not get it back");
	ok(kmod_go(kmod, 0), "until the reader goes on");
	is(actor_end(&reader), PAGE_4K, "it has read all");
	ok(holds((void *)held_buf, 0, PAGE_4K, 0), "of the page that was the guest's");
	is(actor_end(&host), 0, "and the host has it back");
	is(read_page(), PAGE_4K, "read again");
	ok(!held_buf[0] && !memcmp(held_buf, held_buf + 1, PAGE_4K - 1), "what is there now");
	kmod_unstop(kmod, 0);
	actor_stop(&host);
	actor_stop(&reader);
	end();
	close(kmod);
}

static void test_replaced(void)
{
	unsigned char buf[PAGE_4K];
	unsigned int round;

	begin();
	for (round = 1; round < 200; round++) {
		must(madvise(eb.mem.hva, SIZE, MADV_DONTNEED));
		fill(eb.mem.hva, 0, SIZE, round);
		if (pread(mem_fd, buf, PAGE_4K, GPA + round % PAGES * PAGE_4K) != PAGE_4K ||
		    !holds(buf, round % PAGES * PAGE_4K, PAGE_4K, round))
			break;
	}
	is(round, 200, "rounds in which what was read is what is there");
	end();
}

static const struct tap_case cases[] = {
	{ "attach", test_attach },
	{ "many", test_many },
	{ "who", test_who },
	{ "other", test_other },
	{ "data", test_data },
	{ "edges", test_edges },
	{ "user_buffer", test_user_buffer },
	{ "nowait", test_nowait },
	{ "readv", test_readv },
	{ "dirty", test_dirty },
	{ "in_flight", test_in_flight },
	{ "replaced", test_replaced },
};

int main(int argc, char **argv)
{
	vmm_main(argc, argv);
	return RUN_CASES(cases, argc, argv);
}
