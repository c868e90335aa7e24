// SPDX-License-Identifier: GPL-2.0-only
/* kvm-tdp mount: the files of a VM, mostly of this process, which is the VMM. */
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bed.h"
#include "ktdp.h"
#include "nobody.h"
#include "sys.h"
#include "tap.h"
#include "uffd.h"
#include "vm.h"
#include "vmm.h"

#define RAM_GPA		0x400000UL
#define RAM_SIZE	(6UL << 20)
#define HOLE_SIZE	0x3000UL
#define NEAR_GPA	(RAM_GPA + RAM_SIZE + HOLE_SIZE)
#define NEAR_SIZE	0x2000UL
#define HIGH_GPA	0x100000000UL
#define HIGH_SIZE	0x30000UL
#define TOTAL_SIZE	(VM_BOOT_SIZE + RAM_SIZE + NEAR_SIZE + HIGH_SIZE)

#define VM_DIR		"/tmp/vm"
#define RAW		VM_DIR "/memory.raw"
#define ELF		VM_DIR "/memory.elf"
#define SLOTS		VM_DIR "/slots.json"
#define SAID		"/tmp/said"
#define PATIENCE	60000

static struct vm vm;
static struct mem ram, near, high;
static int tdp;

static void begin(void)
{
	vm_open(&vm);
	/* Shared: children of this process are not to take it out of the table. */
	mem_memfd(&ram, RAM_SIZE);
	mem_shared(&near, NEAR_SIZE);
	mem_shared(&high, HIGH_SIZE);
	vm_map(&vm, 1, RAM_GPA, &ram);
	vm_map(&vm, 2, NEAR_GPA, &near);
	vm_map(&vm, 3, HIGH_GPA, &high);
	mem_fill(ram.hva, RAM_GPA, RAM_SIZE, GEN(1));
	mem_fill(near.hva, NEAR_GPA, NEAR_SIZE, GEN(2));
	mem_fill(high.hva, HIGH_GPA, HIGH_SIZE, GEN(3));
	tdp = must(kvm_tdp_create(vm.fd, 0));
}

static void end(void)
{
	close(tdp);
	vm_close(&vm);
	mem_free(&ram);
	mem_free(&near);
	mem_free(&high);
}

/* Exit status of a shell's command; SAID has what it said. */
static int TAP_PRINTF(1, 2) run(const char *fmt, ...)
{
	char command[512];
	int length = 0, status;
	va_list ap;

	length = snprintf(command, sizeof(command), "exec >" SAID " 2>&1; ");
	va_start(ap, fmt);
	vsnprintf(command + length, sizeof(command) - length, fmt, ap);
	va_end(ap);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void said(const char *text)
{
	char all[4096] = "";
	int fd = must(open(SAID, O_RDONLY | O_CLOEXEC));

	must(read(fd, all, sizeof(all) - 1));
	close(fd);
	if (!ok(strstr(all, text), "says '%.*s'", (int)strcspn(text, "\n"), text))
		diag("said: %.200s", all);
}

/* Of this VM; the process that serves it is a child from then on. */
static pid_t mount_vm(const char *options)
{
	struct kvm_tdp_importer importer = { 0 };

	is(run("kvm-tdp mount --pid %d %s " VM_DIR, getpid(), options), 0, "mount %s", options);
	is(kvm_tdp_get_importers(tdp, &importer, 1), 1, "it uses the table");
	ok(importer.pid > 0 && !kill(importer.pid, 0), "as a process that is there");
	return importer.pid;
}

static bool is_mounted(void)
{
	struct stat dir, parent;

	if (stat(VM_DIR, &dir))
		return true;	/* by one that has ended */
	must(stat("/tmp", &parent));
	return dir.st_dev != parent.st_dev;
}

static void unmount(pid_t server)
{
	must(umount(VM_DIR));
	is(sys_wait_exit(server, PATIENCE), 0, "its process ends when it is unmounted");
}

/* In the foreground, of any process. */
static pid_t serve(pid_t vmm)
{
	unsigned int ms = PATIENCE;
	char pid[16];
	pid_t server;

	snprintf(pid, sizeof(pid), "%d", vmm);
	server = must(fork());
	if (!server) {
		int fd = open(SAID, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		dup2(fd, STDERR_FILENO);
		execlp("kvm-tdp", "kvm-tdp", "mount", "-f", "--pid", pid, VM_DIR, NULL);
		_exit(99);
	}
	while (access(SLOTS, F_OK) && sys_step(&ms))
		;
	ok(!access(SLOTS, F_OK), "mount -f");
	return server;
}

/* What is read there, in one piece, is what is at @hva, or zero. */
static bool reads(int fd, uint64_t offset, const void *hva, size_t size)
{
	static char buf[RAM_SIZE + PAGE_4K], zeroes[sizeof(buf)];

	memset(buf, 'x', size);
	return pread(fd, buf, size, offset) == (ssize_t)size &&
	       !memcmp(buf, hva ? hva : zeroes, size);
}

static void test_raw(void)
{
	const uint64_t size = HIGH_GPA + HIGH_SIZE;
	struct stat st;
	pid_t server;
	int fd;

	begin();
	server = mount_vm("");
	is(run("ls " VM_DIR " | xargs"), 0, "ls");
	said("memory.elf memory.raw slots.json\n");
	fd = must(open(RAW, O_RDONLY | O_CLOEXEC));
	must(fstat(fd, &st));
	is(st.st_size, size, "its size");
	is(st.st_blocks * 512, TOTAL_SIZE, "what it takes");
	is(st.st_mode, S_IFREG | 0400, "its mode");

	ok(reads(fd, 0, vm.boot.hva, VM_BOOT_SIZE), "the lowest memory");
	ok(reads(fd, RAM_GPA, ram.hva, RAM_SIZE), "all of a slot");
	ok(reads(fd, RAM_GPA + 1, ram.hva + 1, 3), "a few bytes");
	ok(reads(fd, RAM_GPA + PAGE_4K - 5, ram.hva + PAGE_4K - 5, 11), "across pages");
	ok(reads(fd, HIGH_GPA + 0x1234, high.hva + 0x1234, 0x12345), "beyond 32 bits");
	ok(reads(fd, VM_BOOT_SIZE, NULL, 0x10000), "a hole is zero");
	is(pread(fd, &st, sizeof(st), size - 2), 2, "its end");
	is(pread(fd, &st, sizeof(st), size), 0, "behind its end");

	((char *)ram.hva)[5]++;
	ok(reads(fd, RAM_GPA, ram.hva, 16), "memory that has changed");
	must(madvise(ram.hva + PAGE_2M, PAGE_2M, MADV_REMOVE));
	ok(reads(fd, RAM_GPA + PAGE_2M, NULL, PAGE_2M), "memory that was taken away");

	is(lseek(fd, VM_BOOT_SIZE, SEEK_DATA), RAM_GPA, "data behind a hole");
	is(lseek(fd, RAM_GPA + 1, SEEK_HOLE), RAM_GPA + RAM_SIZE, "a hole behind data");
	is(lseek(fd, NEAR_GPA + NEAR_SIZE, SEEK_DATA), HIGH_GPA, "data far behind");
	is(sys(lseek(fd, size, SEEK_DATA)), -ENXIO, "no data at the end");
	close(fd);
	unmount(server);
	ok(!is_mounted(), "the directory is what it was");
	end();
}

/* One read across the end of a slot, a hole, another slot with a bad page, and a hole. */
static void test_holes(void)
{
	static char buf[PAGE_4K + HOLE_SIZE + NEAR_SIZE + PAGE_4K], want[sizeof(buf)];
	pid_t server;
	int fd;

	begin();
	server = mount_vm("");
	memcpy(want, ram.hva + RAM_SIZE - PAGE_4K, PAGE_4K);
	memcpy(want + PAGE_4K + HOLE_SIZE, near.hva, NEAR_SIZE);
	fd = must(open(RAW, O_RDONLY | O_CLOEXEC));
	is(pread(fd, buf, sizeof(buf), NEAR_GPA - HOLE_SIZE - PAGE_4K), sizeof(buf), "one read");
	ok(!memcmp(buf, want, sizeof(buf)), "across two holes");

	must(mprotect(near.hva, PAGE_4K, PROT_NONE));
	memset(want + PAGE_4K + HOLE_SIZE, 0, PAGE_4K);
	is(pread(fd, buf, sizeof(buf), NEAR_GPA - HOLE_SIZE - PAGE_4K), sizeof(buf), "one read");
	ok(!memcmp(buf, want, sizeof(buf)), "what the VMM may not touch is zero");
	must(mprotect(near.hva, PAGE_4K, PROT_READ | PROT_WRITE));
	close(fd);
	unmount(server);
	end();
}

static int map_it(void)
{
	int fd = open(RAW, O_RDONLY | O_CLOEXEC);
	char *map = mmap(NULL, PAGE_2M, PROT_READ, MAP_PRIVATE, fd, RAM_GPA);

	return fd < 0 || map == MAP_FAILED || memcmp(map, ram.hva, PAGE_2M);
}

static int read_it(void)
{
	int fd = open(RAW, O_RDONLY | O_CLOEXEC);

	return fd < 0 || !reads(fd, RAM_GPA, ram.hva, RAM_SIZE) ||
	       !reads(fd, HIGH_GPA, high.hva, HIGH_SIZE);
}

static pid_t in_child(int (*what)(void))
{
	pid_t pid = must(fork());

	if (!pid)
		_exit(what());
	return pid;
}

static void test_many(void)
{
	pid_t server, readers[12];
	size_t i;

	begin();
	server = mount_vm("");
	is(sys_wait_exit(in_child(map_it), PATIENCE), 0, "a private mapping");
	for (i = 0; i < 12; i++)
		readers[i] = in_child(read_it);
	for (i = 0; i < 12; i++)
		is(sys_wait_exit(readers[i], PATIENCE), 0, "one of many readers");
	unmount(server);
	end();
}

static void test_read_only(void)
{
	pid_t server;

	begin();
	server = mount_vm("");
	is(sys(open(RAW, O_RDWR)), -EROFS, "open for writing");
	is(sys(open(RAW, O_RDONLY | O_TRUNC)), -EROFS, "cut it off");
	is(sys(open(VM_DIR "/new", O_WRONLY | O_CREAT, 0600)), -EROFS, "a new file");
	is(sys(unlink(RAW)), -EROFS, "remove one");
	is(sys(chmod(RAW, 0644)), -EROFS, "another mode");
	must(mount("", VM_DIR, "", MS_REMOUNT | MS_NOSUID | MS_NODEV, ""));
	is(sys(open(RAW, O_WRONLY)), -EROFS, "open for writing, mounted for it");
	is(sys(open(SLOTS, O_RDWR)), -EROFS, "another file");
	ok(sys(unlink(RAW)) < 0, "remove one, mounted for it");
	ok(mem_check(ram.hva, RAM_GPA, RAM_SIZE, GEN(1)), "memory is as it was");
	unmount(server);
	end();
}

static void put_note(char *at)
{
	static const char text[] = "OSRELEASE=6.1.0-test\nPAGESIZE=4096\n";
	const Elf64_Nhdr nhdr = { .n_namesz = 11, .n_descsz = sizeof(text) - 1 };

	memset(at, 0, PAGE_4K);
	memcpy(at, &nhdr, sizeof(nhdr));
	strcpy(at + sizeof(nhdr), "VMCOREINFO");
	memcpy(at + sizeof(nhdr) + 12, text, sizeof(text) - 1);
}

static void is_dump(const char *what)
{
	is(run("rm -f /tmp/core; kvm-tdp dump -p %d /tmp/core && cmp /tmp/core " ELF, getpid()), 0,
	   "memory.elf is a dump: %s", what);
}

/* Nothing changes memory meanwhile: there is no vCPU. */
static void test_elf(void)
{
	char buf[64];
	struct stat st;
	pid_t server;
	int fd;

	begin();
	server = mount_vm("");
	is_dump("without a note");
	said("no VMCOREINFO found\n");
	put_note(ram.hva + 0x5000);
	is_dump("with a note");
	said("VMCOREINFO of Linux 6.1.0-test\n");
	memset(ram.hva + 0x5000, 0, PAGE_4K);
	put_note(high.hva + 0x2000);
	is_dump("with a note elsewhere");
	said("VMCOREINFO of Linux 6.1.0-test\n");
	must(mprotect(near.hva, PAGE_4K, PROT_NONE));
	is_dump("with a page that cannot be read");
	said("4K could not be read");
	must(mprotect(near.hva, PAGE_4K, PROT_READ | PROT_WRITE));

	/* Where a segment is does not change while it is open. */
	fd = must(open(ELF, O_RDONLY | O_CLOEXEC));
	must(fstat(fd, &st));
	is(pread(fd, buf, sizeof(buf), st.st_size - sizeof(buf)), sizeof(buf), "its end");
	ok(!memcmp(buf, high.hva + HIGH_SIZE - sizeof(buf), sizeof(buf)), "is that of RAM");
	vm_unmap(&vm, 2);
	is(pread(fd, buf, sizeof(buf), st.st_size - sizeof(buf)), sizeof(buf), "with a slot less");
	ok(!memcmp(buf, high.hva + HIGH_SIZE - sizeof(buf), sizeof(buf)), "it is where it was");
	is(pread(fd, buf, 1, st.st_size), 0, "and it has the same end");
	close(fd);
	is_dump("with a slot less");
	unlink("/tmp/core");
	unmount(server);
	end();
}

static void test_slots(void)
{
	pid_t server;

	begin();
	server = mount_vm("");
	is(run("kvm-tdp slots -j -p %d >/tmp/slots && cmp /tmp/slots " SLOTS, getpid()), 0,
	   "slots.json");
	must(vm_slot(&vm, 4, HIGH_GPA + PAGE_1G, PAGE_4K, ram.hva, KVM_MEM_READONLY));
	is(run("kvm-tdp slots -j -p %d >/tmp/slots && cmp /tmp/slots " SLOTS, getpid()), 0,
	   "with one more");
	is(run("cat " SLOTS), 0, "cat");
	said("\"gpa\": \"0x140000000\", \"length\": 4096, \"flags\": [ \"ro\" ], ");
	unmount(server);
	end();
}

static int nobody_reads(void)
{
	int fd = sys(open(RAW, O_RDONLY | O_CLOEXEC));

	if (fd < 0)
		return fd;
	return reads(fd, RAM_GPA, ram.hva, PAGE_4K);
}

static void test_others(void)
{
	pid_t server;

	begin();
	must(chmod("/tmp", 0755));
	server = mount_vm("");
	is(as_nobody(nobody_reads), -EACCES, "it is for nobody else");
	unmount(server);
	server = mount_vm("-o allow_other");
	is(as_nobody(nobody_reads), 1, "it is for all");
	is(run("cat " SLOTS), 0, "cat");
	said("\"backing\": \"shmem\", \"hva\": null }");
	unmount(server);
	end();
}

static void test_errors(void)
{
	pid_t server;

	begin();
	must(rename("/dev/fuse", "/dev/fuse-away"));
	is(run("kvm-tdp mount -p %d " VM_DIR, getpid()), 1, "no /dev/fuse");
	said("/dev/fuse: no such device; load the module: modprobe fuse\n");
	must(rename("/dev/fuse-away", "/dev/fuse"));
	is(run("kvm-tdp mount -p 1 " VM_DIR), 1, "no VM");
	said("process 1: has no VM");
	ok(!is_mounted(), "nothing is mounted");

	server = serve(getpid());
	is(run("kvm-tdp mount -p %d " VM_DIR, getpid()), 1, "it is mounted already");
	said(VM_DIR ": is not empty\n");
	must(kill(server, SIGKILL));
	sys_wait(server, PATIENCE);
	is(run("kvm-tdp mount -p %d " VM_DIR, getpid()), 1, "its server was killed");
	said(VM_DIR ": something is mounted there that has ended: umount " VM_DIR "\n");
	must(umount(VM_DIR));
	end();
}

static void test_signals(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM };
	pid_t server;
	size_t i;

	begin();
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		server = serve(getpid());
		must(kill(server, signals[i]));
		is(sys_wait_exit(server, PATIENCE), 0, "signal %d ends it", signals[i]);
		ok(!is_mounted(), "and unmounts it");
	}
	end();
}

/* The VM goes: as its process is killed, or becomes another program. */
static void test_gone(void)
{
	static char buf[VMM_SIZE / 2];
	struct vmm vmm;
	pid_t server;
	int fd, dir, ret;

	vmm_start(&vmm);
	server = serve(vmm.pid);
	fd = must(open(RAW, O_RDONLY | O_CLOEXEC));
	dir = must(open(VM_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	is(pread(fd, buf, sizeof(buf), GPA), sizeof(buf), "its memory");
	ok(mem_check(buf, GPA, sizeof(buf), VMM_GEN), "as its guest writes it");
	ok(vmm_kill(&vmm), "the VMM is killed");
	is(sys_wait_exit(server, PATIENCE), 0, "it ends by itself, in use");
	said("has ended, and with it the mount");
	ok(!is_mounted(), "it is unmounted");
	is(sys(pread(fd, buf, sizeof(buf), GPA)), -ENOTCONN, "a file that is open");
	is(sys(openat(dir, "slots.json", O_RDONLY)), -ENOTCONN, "a directory that is open");
	close(fd);
	close(dir);

	vmm_start(&vmm);
	server = serve(vmm.pid);
	fd = must(open(RAW, O_RDONLY | O_CLOEXEC));
	ok(vmm_exec(&vmm), "another is something else now");
	/* Or the mount, already. */
	ret = sys(pread(fd, buf, sizeof(buf), GPA));
	ok(ret == -EIO || ret == -ENOTCONN, "its memory is gone: %d", ret);
	is(sys_wait_exit(server, PATIENCE), 0, "it ends by itself");
	ok(!is_mounted(), "it is unmounted");
	is(sys(pread(fd, buf, sizeof(buf), GPA)), -ENOTCONN, "a file that is open");
	close(fd);
	vmm_kill(&vmm);
}

static int read_handled(void)
{
	char buf[PAGE_4K];
	int fd = open(RAW, O_RDONLY | O_CLOEXEC);

	if (pread(fd, buf, PAGE_4K, RAM_GPA) != PAGE_4K)
		return errno;
	return buf[0] == 'u' ? 0 : 99;
}

/* A page that does not come holds up nobody else, nor the end. */
static void test_waiting(void)
{
	static char page[PAGE_4K];
	pid_t server, reader;
	int uffd, status;

	begin();
	must(madvise(ram.hva, RAM_SIZE, MADV_REMOVE));
	uffd = uffd_open(0);
	uffd_register(uffd, &ram, UFFDIO_REGISTER_MODE_MISSING);
	server = serve(getpid());
	memset(page, 'u', sizeof(page));

	reader = in_child(read_handled);
	is(uffd_wait(uffd, PATIENCE), (uintptr_t)ram.hva, "a read waits for a page");
	is(run("cat " SLOTS), 0, "another file is there");
	is(uffd_copy(uffd, (uintptr_t)ram.hva, page), 0, "the page comes");
	is(sys_wait_exit(reader, PATIENCE), 0, "it is read");

	must(madvise(ram.hva, PAGE_4K, MADV_REMOVE));
	reader = in_child(read_handled);
	is(uffd_wait(uffd, PATIENCE), (uintptr_t)ram.hva, "another waits");
	must(kill(server, SIGTERM));
	is(sys_wait_exit(server, PATIENCE), 0, "a signal ends the server");
	status = sys_wait_exit(reader, PATIENCE);
	ok(status == ENOTCONN || status == ECONNABORTED, "the reader is told: %d", status);
	ok(!is_mounted(), "it is unmounted");
	close(uffd);
	end();
}

static const struct tap_case cases[] = {
	{ "raw", test_raw },
	{ "holes", test_holes },
	{ "many", test_many },
	{ "read-only", test_read_only },
	{ "elf", test_elf },
	{ "slots", test_slots },
	{ "others", test_others },
	{ "errors", test_errors },
	{ "signals", test_signals },
	{ "gone", test_gone },
	{ "waiting", test_waiting },
};

int main(int argc, char **argv)
{
	vmm_main(argc, argv);
	sys_module("fuse", "/dev/fuse");
	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	must(mkdir(VM_DIR, 0755));
	return RUN_CASES(cases, argc, argv);
}
