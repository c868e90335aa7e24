// SPDX-License-Identifier: GPL-2.0-only
/*
 * The errors that each ioctl of the uapi headers documents, and what it keeps
 * from a caller without privilege.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys.h"
#include "uapi.h"

#define ROM_GPA		0x200000UL

static struct uapi u;

/* KVM_CREATE_TDP_FD */

/* The fd, closed again at once, as 0, or -errno; out members stay on error. */
static int create(int vm_fd, uint32_t as_id)
{
	struct kvm_create_tdp_fd arg = {
		.size = sizeof(arg), .vm_fd = vm_fd, .as_id = as_id, .fd = -77,
	};
	int ret = sys(ioctl(u.dev, KVM_CREATE_TDP_FD, &arg));

	if (ret)
		return arg.fd == -77 ? ret : -ECHILD;
	close(arg.fd);
	return 0;
}

static void test_create_fd(void)
{
	int fds[2], fd, before;

	uapi_open(&u);
	before = uapi_free_fd();
	is(create(-1, 0), -EBADF, "vm_fd -1");
	is(create(9999, 0), -EBADF, "vm_fd beyond the table");
	fd = must(dup(u.vm.fd));
	is(create(fd, 0), 0, "duplicate of the VM fd");
	close(fd);
	is(create(fd, 0), -EBADF, "closed VM fd");

	must(pipe(fds));
	is(create(fds[0], 0), -EINVAL, "pipe");
	close(fds[0]);
	close(fds[1]);
	fd = must(eventfd(0, 0));
	is(create(fd, 0), -EINVAL, "eventfd");
	close(fd);
	fd = must(open("/proc/self/maps", O_RDONLY));
	is(create(fd, 0), -EINVAL, "file");
	close(fd);
	fd = must(ioctl(u.vm.fd, KVM_GET_STATS_FD, NULL));
	is(create(fd, 0), -EINVAL, "statistics fd of the VM");
	close(fd);
	is(uapi_free_fd(), before, "no fd is left behind");

	vm_add_vcpu(&u.vm);
	is(create(u.vm.vcpu, 0), -EINVAL, "vCPU");
	is(create(u.vm.kvm, 0), -EINVAL, "/dev/kvm");
	is(create(u.dev, 0), -EINVAL, "/dev/kvm_tdp");
	is(create(u.tdp, 0), -EINVAL, "TDP fd");
	uapi_close(&u);
}

static void test_create_as_id(void)
{
	int spaces;

	uapi_open(&u);
	spaces = ioctl(u.vm.kvm, KVM_CHECK_EXTENSION, KVM_CAP_MULTI_ADDRESS_SPACE);
	is(spaces, 2, "KVM has two address spaces");
	is(create(u.vm.fd, 0), 0, "as_id 0");
	is(create(u.vm.fd, 1), 0, "as_id 1");
	is(create(u.vm.fd, 2), -EINVAL, "as_id 2");
	is(create(u.vm.fd, 0x80000000), -EINVAL, "as_id 0x80000000");
	is(create(u.vm.fd, UINT32_MAX), -EINVAL, "as_id 0xffffffff");
	uapi_close(&u);
}

static void test_create_result(void)
{
	struct kvm_create_tdp_fd arg = {
		.size = sizeof(arg), .fd = -1,
	};
	struct rlimit limit, none;
	int before;

	uapi_open(&u);
	arg.vm_fd = u.vm.fd;
	is(sys(ioctl(u.dev, KVM_CREATE_TDP_FD, &arg)), 0, "create");
	is(fcntl(arg.fd, F_GETFD), FD_CLOEXEC, "the fd is close-on-exec");
	close(arg.fd);

	before = uapi_free_fd();
	must(getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	none.rlim_cur = arg.fd;	/* the lowest free one */
	must(setrlimit(RLIMIT_NOFILE, &none));
	is(create(u.vm.fd, 0), -EMFILE, "no room in the descriptor table");
	must(setrlimit(RLIMIT_NOFILE, &limit));
	is(uapi_free_fd(), before, "no fd is left behind");
	is(create(u.vm.fd, 0), 0, "create again");
	uapi_close(&u);
}

/* CAP_SYS_ADMIN may open files beyond the system's limit. */
static void test_create_no_file(void)
{
	static const char limit[] = "/proc/sys/fs/file-max";
	char text[32];
	int before;

	uapi_open(&u);
	snprintf(text, sizeof(text), "%ld", sys_read_long(limit));
	before = uapi_free_fd();
	is(sys_write(limit, "0"), 0, "no more files in the system");
	must(sys_cap(CAP_SYS_ADMIN, false));
	is(create(u.vm.fd, 0), -ENFILE, "no room in the system's file table");
	must(sys_cap(CAP_SYS_ADMIN, true));
	is(sys_write(limit, text), 0, "the limit as it was");
	is(uapi_free_fd(), before, "no fd is left behind");
	is(create(u.vm.fd, 0), 0, "create again");
	uapi_close(&u);
}

static void keep_all(void)
{
}

static void drop_ptrace(void)
{
	must(sys_cap(CAP_SYS_PTRACE, false));
}

/* All capabilities there, none here. */
static void enter_user_ns(void)
{
	must(unshare(CLONE_NEWUSER));
}

/* create() in another process, after @before there: 0 or -errno. */
static int create_in_child(void (*before)(void))
{
	pid_t pid = must(fork());

	if (!pid) {
		before();
		_exit(-create(u.vm.fd, 0));
	}
	return -sys_wait_exit(pid, 10000);
}

static void test_create_other(void)
{
	uapi_open(&u);
	is(create_in_child(keep_all), 0, "other process with CAP_SYS_PTRACE");
	is(create_in_child(drop_ptrace), -EIO, "other process without");
	is(create_in_child(enter_user_ns), -EIO,
	   "CAP_SYS_PTRACE in a user namespace does not count");
	drop_ptrace();
	is(create(u.vm.fd, 0), 0, "the VM's own process needs no capability");
	must(sys_cap(CAP_SYS_PTRACE, true));
	uapi_close(&u);
}

static void test_create_dead(void)
{
	int sock[2], vm_fd, kvm;
	pid_t pid;

	uapi_open(&u);
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = must(fork());
	if (!pid) {
		kvm = must(open("/dev/kvm", O_RDWR));
		_exit(-sys_send_fd(sock[1], must(ioctl(kvm, KVM_CREATE_VM, 0))));
	}
	is(sys_wait_exit(pid, 10000), 0, "a process made a VM and is gone");
	vm_fd = must(sys_recv_fd(sock[0]));
	is(create(vm_fd, 0), -ENODEV, "its VM cannot be exported");
	close(vm_fd);
	close(sock[0]);
	close(sock[1]);
	uapi_close(&u);
}

static void test_create_ftrace(void)
{
	bool has_switch = sys_has_ftrace_switch();

	uapi_open(&u);
	is(sys_write(SYS_FTRACE, "0"), has_switch ? -EBUSY : -EOPNOTSUPP,
	   "hooks cannot be switched off while a table is exported");
	if (!has_switch) {
		uapi_close(&u);
		return;
	}
	close(u.tdp);
	u.tdp = -1;
	is(sys_ftrace_off(), 0, "ftrace off");
	is(create(u.vm.fd, 0), -EBUSY, "hooks cannot be armed");
	is(sys_write(SYS_FTRACE, "1"), 0, "ftrace on");
	is(create(u.vm.fd, 0), 0, "create");
	uapi_close(&u);
}

/* The other ioctls of a TDP fd */

static void test_info(void)
{
	struct kvm_tdp_info info, plain;
	int i;

	uapi_open(&u);
	is(kvm_tdp_get_info(u.tdp, &info), 0, "info");
	ok(info.type == KVM_TDP_FORMAT_EPT || info.type == KVM_TDP_FORMAT_NPT,
	   "format %u", info.type);
	ok(info.level == 4 || info.level == 5, "%u levels", info.level);
	ok(info.max_huge_page_level >= 1 && info.max_huge_page_level <= 3,
	   "largest leaf: level %u", info.max_huge_page_level);
	is(info.as_id, 0, "as_id");
	ok(info.eager >= KVM_TDP_EAGER_ON && info.eager <= KVM_TDP_EAGER_NONE,
	   "eager fill: %u", info.eager);
	diag("note: eager fill: %s", info.eager == KVM_TDP_EAGER_ON ? "on" : "off");
	ok(info.root_hpa && info.root_hpa % PAGE_4K == 0, "root_hpa");
	for (i = 0; i < 10; i++)
		ok(info.rsvd_bits_mask[i / 5][i % 5] & 1 << 11,
		   "bit 11 is reserved: bit 7 %d, level %d", i / 5, i % 5 + 1);

	must(sys_cap(CAP_SYS_ADMIN, false));
	is(kvm_tdp_get_info(u.tdp, &plain), 0, "info without CAP_SYS_ADMIN");
	must(sys_cap(CAP_SYS_ADMIN, true));
	is(plain.root_hpa, 0, "root_hpa is hidden");
	plain.root_hpa = info.root_hpa;
	ok(!memcmp(&plain, &info, sizeof(info)), "all else is the same");
	uapi_close(&u);
}

static int prefault(uint64_t gpa, uint64_t length, uint32_t access)
{
	struct kvm_tdp_prefault arg = {
		.size = sizeof(arg), .gpa = gpa, .length = length,
		.access = access,
	}, copy = arg;
	int ret = sys(ioctl(u.tdp, KVM_TDP_PREFAULT, &arg));

	return ret && memcmp(&arg, &copy, sizeof(arg)) ? -ECHILD : ret;
}

static void test_prefault(void)
{
	struct mem rom;
	uint64_t some;

	uapi_open(&u);
	is(prefault(RAM_GPA + 1, PAGE_4K, ACC_R), -EINVAL, "gpa not a page");
	is(prefault(RAM_GPA, PAGE_4K - 1, ACC_R), -EINVAL, "length not pages");
	is(prefault(-PAGE_4K, 2 * PAGE_4K, ACC_R), -EINVAL, "range wraps");
	is(prefault(RAM_GPA, -RAM_GPA, ACC_R), -EINVAL, "range wraps to 0");
	is(prefault(RAM_GPA, -RAM_GPA - PAGE_4K, ACC_R), 0,
	   "does not wrap: part is done");
	is(prefault(RAM_GPA, PAGE_4K, 0), -EINVAL, "no access");
	is(prefault(RAM_GPA, PAGE_4K, 8), -EINVAL, "unknown access");
	is(prefault(RAM_GPA, PAGE_4K, ACC_R | 1U << 31), -EINVAL,
	   "unknown access beside a known one");
	is(prefault(RAM_END, PAGE_4K, ACC_R), -EFAULT, "hole");
	is(prefault(1ULL << 60, PAGE_4K, ACC_R), -EFAULT, "beyond the table");

	is(ktdp_prefault_some(u.tdp, RAM_END - 2 * PAGE_4K, 4 * PAGE_4K, ACC_R,
			      &some), -EFAULT, "RAM, then a hole");
	is(some, 2 * PAGE_4K, "the RAM is done");

	mem_small(&rom, PAGE_4K);
	must(vm_slot(&u.vm, 2, ROM_GPA, PAGE_4K, rom.hva, KVM_MEM_READONLY));
	is(prefault(ROM_GPA, PAGE_4K, ACC_W), -EACCES, "write, read-only slot");
	is(prefault(ROM_GPA, PAGE_4K, ACC_R | ACC_X), 0, "read-only slot");
	must(mprotect(u.ram.hva, PAGE_4K, PROT_READ));
	is(prefault(RAM_GPA, PAGE_4K, ACC_W), -EACCES, "write, read-only VMA");
	is(prefault(RAM_GPA, PAGE_4K, ACC_R), 0, "read-only VMA");
	must(munmap(u.ram.hva, PAGE_4K));
	is(prefault(RAM_GPA, PAGE_4K, ACC_R), -EFAULT, "unmapped in the VMM");
	uapi_close(&u);
	mem_free(&rom);
}

static int read_map(uint64_t gpa, uint64_t length, void *runs, uint32_t *nr)
{
	struct kvm_tdp_map arg = {
		.size = sizeof(arg), .gpa = gpa, .length = length,
		.runs = (uintptr_t)runs, .nr_runs = *nr,
	};
	int ret = sys(ioctl(u.tdp, KVM_TDP_READ_MAP, &arg));

	*nr = arg.nr_runs;
	return ret;
}

static int map_error(uint64_t gpa, uint64_t length, void *runs, uint32_t nr)
{
	return read_map(gpa, length, runs, &nr);
}

static void test_map_errors(void)
{
	uint32_t nr = RAM_PAGES;
	struct kvm_tdp_run *run;

	uapi_open(&u);
	run = (void *)u.data;
	is(ktdp_prefault(u.tdp, RAM_GPA, RAM_SIZE, ACC_W), 0, "prefault");
	is(map_error(RAM_GPA + 8, PAGE_4K, u.data, 1), -EINVAL, "gpa not a page");
	is(map_error(RAM_GPA, 8, u.data, 1), -EINVAL, "length not pages");
	is(map_error(-PAGE_4K, 2 * PAGE_4K, u.data, 1), -EINVAL, "range wraps");
	is(map_error(RAM_GPA, PAGE_4K, u.data, 0), -EINVAL, "no room");
	is(map_error(RAM_GPA, PAGE_4K, NULL, 1), -EFAULT, "runs NULL");
	is(map_error(RAM_GPA, PAGE_4K, u.forbidden, 1), -EFAULT, "runs PROT_NONE");
	is(map_error(RAM_GPA, PAGE_4K, u.forbidden - 8, 1), -EFAULT,
	   "runs not whole");

	memset(u.data, 0xa5, PAGE_4K);
	is(read_map(RAM_GPA + PAGE_4K, PAGE_4K, u.data, &nr), 0, "inside a run");
	is(nr, 1, "one run");
	ok(run->gpa == RAM_GPA + PAGE_4K && run->length == PAGE_4K,
	   "clipped to the range");
	is(run->access & ACC_W, ACC_W, "writable");
	is(run->level, 1, "level 1");
	ok(uapi_all_are(u.data + sizeof(*run), 0xa5, PAGE_4K - sizeof(*run)),
	   "nothing after it is written");
	uapi_close(&u);
}

/* Are the runs the range of RAM, without a gap, and with hpa as wanted? */
static bool covers_ram(const struct ktdp_map *map, bool hpa)
{
	uint64_t gpa = RAM_GPA;
	size_t i;

	for (i = 0; i < map->nr; i++) {
		if (map->runs[i].gpa != gpa || !map->runs[i].hpa == hpa)
			return false;
		gpa += map->runs[i].length;
	}
	return gpa == RAM_END;
}

static void test_map_hpa(void)
{
	struct kvm_tdp_map one;
	struct kvm_tdp_run run;
	struct ktdp_map map;
	size_t nr = 0;

	uapi_open(&u);
	is(ktdp_prefault(u.tdp, RAM_GPA, RAM_SIZE, ACC_W), 0, "prefault");
	ktdp_read_map(u.tdp, RAM_GPA, RAM_SIZE, &map);
	ok(covers_ram(&map, true), "runs cover the RAM and show hpa");
	ok(map.nr > 1, "RAM is scattered in the host: %zu runs", map.nr);

	one = (struct kvm_tdp_map){
		.size = sizeof(one), .length = -PAGE_4K, .runs = (uintptr_t)&run,
	};
	do {
		one.nr_runs = 1;
		must(ioctl(u.tdp, KVM_TDP_READ_MAP, &one));
		if (!one.nr_runs)
			continue;
		if (nr >= map.nr || memcmp(&run, &map.runs[nr], sizeof(run)))
			break;
		nr++;
	} while (one.length);
	ok(nr == map.nr && !one.length, "one by one, all space: the same runs");
	ktdp_free_map(&map);

	must(sys_cap(CAP_SYS_ADMIN, false));
	ktdp_read_map(u.tdp, RAM_GPA, RAM_SIZE, &map);
	must(sys_cap(CAP_SYS_ADMIN, true));
	ok(covers_ram(&map, false), "without CAP_SYS_ADMIN hpa is hidden");
	is(map.nr, 1, "and runs do not show where the host breaks them");
	ktdp_free_map(&map);
	uapi_close(&u);
}

/* The value of a line "kvm_tdp_NAME:\tVALUE" of @text, or -1. */
static long long fdinfo_value(const char *text, const char *name)
{
	char key[64];
	const char *line;

	snprintf(key, sizeof(key), "\nkvm_tdp_%s:\t", name);
	line = strstr(text, key);
	return line ? atoll(line + strlen(key)) : -1;
}

static void test_fdinfo(void)
{
	static char text[8192], hpa[32];
	struct kvm_tdp_stats stats;
	struct kvm_tdp_info info;

	uapi_open(&u);
	is(ktdp_prefault(u.tdp, RAM_GPA, RAM_SIZE, ACC_W), 0, "prefault");
	sys_fdinfo(u.tdp, text, sizeof(text));
	stats = ktdp_stats(u.tdp);
	is(stats.leaves[0], RAM_PAGES, "leaves counted");
	is(fdinfo_value(text, "fds"), 1, "fdinfo: TDP fds");
	is(fdinfo_value(text, "leaves_4k"), stats.leaves[0], "fdinfo: 4K");
	is(fdinfo_value(text, "leaves_2m"), stats.leaves[1], "fdinfo: 2M");
	is(fdinfo_value(text, "leaves_1g"), stats.leaves[2], "fdinfo: 1G");
	is(fdinfo_value(text, "faults"), stats.faults, "fdinfo: faults");
	ok(fdinfo_value(text, "id") > 0, "fdinfo: the table's number");
	is(fdinfo_value(text, "ram"), VM_BOOT_SIZE + RAM_SIZE, "fdinfo: the VM's memory");
	must(kvm_tdp_get_info(u.tdp, &info));
	snprintf(hpa, sizeof(hpa), "%llx", info.root_hpa);
	ok(!strstr(text, hpa), "fdinfo does not show root_hpa");
	uapi_close(&u);
}

/* /dev/kvm_tdp_dma */

static int attach(int tdp_fd)
{
	int ret;

	kvm_tdp_dma_detach(u.dma);
	ret = kvm_tdp_dma_attach(u.dma, tdp_fd);
	kvm_tdp_dma_detach(u.dma);
	return ret;
}

static void test_dma_attach(void)
{
	int fd;

	uapi_open(&u);
	is(kvm_tdp_dma_detach(u.dma), -ENOTCONN, "detach, not attached");
	is(dma_read(u.dma, RAM_GPA, u.data, 8, 0), -ENOTCONN, "read, not attached");
	is(dma_write(u.dma, RAM_GPA, u.data, 8, 0), -ENOTCONN, "write, not attached");
	is(dma_copy(u.dma, RAM_GPA, RAM_GPA, 8, 0), -ENOTCONN, "copy, not attached");
	fd = must(dup(u.tdp));
	close(fd);
	is(attach(fd), -EBADF, "closed fd");
	is(attach(-1), -EBADF, "fd -1");
	is(attach(u.vm.fd), -EINVAL, "VM fd");
	is(attach(u.dma), -EINVAL, "itself");
	is(kvm_tdp_dma_attach(u.dma, u.tdp), 0, "attach");
	is(kvm_tdp_dma_attach(u.dma, u.tdp), -EBUSY, "attached already");
	is(kvm_tdp_dma_detach(u.dma), 0, "detach");

	must(sys_cap(CAP_SYS_ADMIN, false));
	is(sys(open("/dev/kvm_tdp_dma", O_RDWR)), -EPERM,
	   "open without CAP_SYS_ADMIN");
	must(sys_cap(CAP_SYS_ADMIN, true));
	uapi_close(&u);
}

static int dma_request(unsigned long nr, uint64_t gpa, void *buf,
		       uint64_t length, uint64_t *done)
{
	struct kvm_tdp_dma_rw rw = {
		.size = sizeof(rw), .gpa = gpa, .buf = (uintptr_t)buf,
		.length = length,
	};
	int ret = sys(ioctl(u.dma, nr, &rw));

	*done = rw.done;
	return ret;
}

static void test_dma_rw(void)
{
	uint64_t n;

	uapi_open(&u);
	must(kvm_tdp_dma_attach(u.dma, u.tdp));
	is(dma_read(u.dma, RAM_GPA, u.data, 8, KVM_TDP_DMA_NOFAULT), -ENXIO,
	   "NOFAULT, not mapped");
	is(dma_request(KVM_TDP_DMA_READ, RAM_END - 100, u.data, 200, &n), -EFAULT,
	   "read into a hole");
	is(n, 100, "the RAM before it is read");
	is(dma_request(KVM_TDP_DMA_WRITE, RAM_END, u.data, 8, &n), -EFAULT,
	   "write to a hole");
	is(n, 0, "nothing is written");
	is(dma_request(KVM_TDP_DMA_READ, -8ULL, u.data, 16, &n), -EINVAL,
	   "range wraps");
	is(dma_request(KVM_TDP_DMA_READ, RAM_GPA, u.forbidden, 8, &n), -EFAULT,
	   "buffer PROT_NONE");
	is(n, 0, "nothing is read");
	is(dma_request(KVM_TDP_DMA_WRITE, RAM_GPA, NULL, 8, &n), -EFAULT,
	   "buffer NULL");
	is(dma_copy(u.dma, RAM_GPA, RAM_END, 8, 0), -EFAULT, "copy to a hole");
	is(dma_copy(u.dma, -8ULL, RAM_GPA, 16, 0), -EINVAL, "copy source wraps");
	is(dma_copy(u.dma, RAM_GPA, -8ULL, 16, 0), -EINVAL, "copy target wraps");
	uapi_close(&u);
}

static const struct tap_case cases[] = {
	{ "create-fd", test_create_fd },
	{ "create-as-id", test_create_as_id },
	{ "create-result", test_create_result },
	{ "create-no-file", test_create_no_file },
	{ "create-other", test_create_other },
	{ "create-dead", test_create_dead },
	{ "create-ftrace", test_create_ftrace },
	{ "info", test_info },
	{ "prefault", test_prefault },
	{ "map-errors", test_map_errors },
	{ "map-hpa", test_map_hpa },
	{ "fdinfo", test_fdinfo },
	{ "dma-attach", test_dma_attach },
	{ "dma-rw", test_dma_rw },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
