// SPDX-License-Identifier: GPL-2.0-only
#include "sys.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"
#include "tap.h"

#define ZRAM_SIZE	(256UL << 20)
#define DISK_DIR	"/run/disk"

int sys_write(const char *path, const char *text)
{
	int fd = sys(open(path, O_WRONLY | O_CLOEXEC));
	ssize_t ret;

	if (fd < 0)
		return fd;
	ret = sys(write(fd, text, strlen(text)));
	close(fd);
	return ret < 0 ? ret : 0;
}

long sys_read_long(const char *path)
{
	char text[32] = "";
	int fd = sys(open(path, O_RDONLY | O_CLOEXEC));
	ssize_t ret;

	if (fd < 0)
		return fd;
	ret = sys(read(fd, text, sizeof(text) - 1));
	close(fd);
	return ret < 0 ? ret : strtol(text, NULL, 10);
}

void sys_read(const char *path, char *text, size_t size)
{
	int fd = must(open(path, O_RDONLY | O_CLOEXEC));
	ssize_t n = must(read(fd, text, size - 1));

	text[n] = 0;
	close(fd);
}

void sys_fdinfo(int fd, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	sys_read(path, text, size);
}

unsigned long sys_fdinfo_number(int fd, const char *name)
{
	char text[1024], *line;

	sys_fdinfo(fd, text, sizeof(text));
	line = strstr(text, name);
	if (!line)
		bail("fdinfo has no %s", name);
	return strtoul(line + strlen(name), NULL, 10);
}

bool sys_alone(void)
{
	return !getenv("KTDP_HOST");
}

bool sys_has_ftrace_switch(void)
{
	int ret = sys_write(SYS_FTRACE, "0");

	if (!ret)
		sys_write(SYS_FTRACE, "1");
	return ret != -EOPNOTSUPP;
}

int sys_ftrace_off(void)
{
	unsigned int ms = 60000;
	int ret;

	do {
		ret = sys_write(SYS_FTRACE, "0");
	} while (ret == -EBUSY && sys_step(&ms));
	return ret;
}

int sys_hugepages(size_t page, size_t nr)
{
	char dir[64], path[128], text[32];
	long total, available;

	snprintf(dir, sizeof(dir), "/sys/kernel/mm/hugepages/hugepages-%zukB",
		 page >> 10);
	snprintf(path, sizeof(path), "%s/free_hugepages", dir);
	available = sys_read_long(path);
	if (available < 0)
		return available;
	if ((size_t)available >= nr)
		return 0;
	snprintf(path, sizeof(path), "%s/nr_hugepages", dir);
	total = sys_read_long(path) + nr - available;
	snprintf(text, sizeof(text), "%ld", total);
	sys_write(path, text);
	return sys_read_long(path) >= total ? 0 : -ENOMEM;
}

void sys_run(const char *command)
{
	int ret = system(command);

	if (ret)
		bail("%s: status %#x", command, ret);
}

void sys_module(const char *name, const char *path)
{
	char command[128];

	if (!access(path, F_OK))
		return;
	snprintf(command, sizeof(command), "modprobe %s", name);
	sys_run(command);
	if (access(path, F_OK))
		bail("no %s after modprobe %s", path, name);
}

void sys_modules(void)
{
	sys_module("kvm_tdp", "/dev/kvm_tdp");
	sys_module("kvm_tdp_mem", "/dev/kvm_tdp_mem");
	sys_module("kvm_tdp_dma", "/dev/kvm_tdp_dma");
}

int sys_module_open(void)
{
	struct utsname name;
	char path[256];

	must(uname(&name));
	snprintf(path, sizeof(path), "/lib/modules/%s/kvm_tdp.ko", name.release);
	return must(open(path, O_RDONLY | O_CLOEXEC));
}

int sys_module_load(int fd)
{
	return sys(syscall(SYS_finit_module, fd, "", 0));
}

/* A new zram disk; @dev gets its path. */
static void sys_zram(char *dev, size_t size)
{
	char path[64], text[32];
	long id;

	sys_module("zram", "/sys/class/zram-control/hot_add");
	id = sys_read_long("/sys/class/zram-control/hot_add");
	if (id < 0)
		bail("no zram device: %ld", id);
	snprintf(path, sizeof(path), "/sys/block/zram%ld/disksize", id);
	snprintf(text, sizeof(text), "%lu", ZRAM_SIZE);
	if (sys_write(path, text))
		bail("cannot size %s", path);
	snprintf(dev, size, "/dev/zram%ld", id);
}

/* The header that swapon() looks for: version, last page, magic. */
static void sys_mkswap(const char *dev)
{
	uint32_t header[PAGE_4K / 4] = { 0 };
	int fd = must(open(dev, O_WRONLY | O_CLOEXEC));

	header[256] = 1;
	header[257] = ZRAM_SIZE / PAGE_4K - 1;
	memcpy((char *)header + PAGE_4K - 10, "SWAPSPACE2", 10);
	if (write(fd, header, sizeof(header)) != sizeof(header))
		bail("write to %s: errno %d", dev, errno);
	close(fd);
}

static bool sys_has_swap(void)
{
	char line[256];
	FILE *swaps = fopen("/proc/swaps", "re");
	int lines = 0;

	while (swaps && fgets(line, sizeof(line), swaps))
		lines++;
	if (swaps)
		fclose(swaps);
	return lines > 1;
}

void sys_swap(void)
{
	char dev[32];

	if (sys_has_swap())
		return;
	sys_zram(dev, sizeof(dev));
	sys_mkswap(dev);
	must(swapon(dev, 0));
}

const char *sys_disk(void)
{
	char dev[32], command[64];
	struct stat disk, parent;

	mkdir(DISK_DIR, 0700);
	must(stat(DISK_DIR, &disk));
	must(stat(DISK_DIR "/..", &parent));
	if (disk.st_dev != parent.st_dev)
		return DISK_DIR;
	sys_zram(dev, sizeof(dev));
	snprintf(command, sizeof(command), "mke2fs -F -b 4096 %s >/dev/null", dev);
	sys_run(command);
	must(mount(dev, DISK_DIR, "ext4", 0, NULL));
	return DISK_DIR;
}

void sys_drop_caches(void)
{
	if (sys_write("/proc/sys/vm/drop_caches", "1"))
		bail("drop_caches: errno %d", errno);
}

void *sys_shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		bail("no shared memory: errno %d", errno);
	return memory;
}

void sys_heap_settle(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, 256 << 20);
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	free(memset(malloc(8 << 20), 1, 8 << 20));
}

uint64_t sys_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

bool sys_step(unsigned int *ms)
{
	if (!*ms)
		return false;
	--*ms;
	usleep(1000);
	return true;
}

int sys_wait(pid_t pid, unsigned int ms)
{
	int status;

	while (must(waitpid(pid, &status, WNOHANG)) != pid)
		if (!sys_step(&ms))
			return -ETIMEDOUT;
	return status;
}

int sys_wait_exit(pid_t pid, unsigned int ms)
{
	int status = sys_wait(pid, ms);

	if (status == -ETIMEDOUT) {
		kill(pid, SIGKILL);
		return status;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}

union fd_message {
	char room[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int sys_send_fd(int sock, int fd)
{
	union fd_message control = { 0 };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -errno;
}

int sys_recv_fd(int sock)
{
	union fd_message control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *head;
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -EPIPE;
	head = CMSG_FIRSTHDR(&msg);
	if (!head || head->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

int sys_pidfd_getfd(pid_t pid, int fd)
{
	int pidfd = sys(syscall(SYS_pidfd_open, pid, 0));
	int ret;

	if (pidfd < 0)
		return pidfd;
	ret = sys(syscall(SYS_pidfd_getfd, pidfd, fd, 0));
	close(pidfd);
	return ret;
}

int sys_delete_module(const char *name)
{
	return sys(syscall(SYS_delete_module, name, O_NONBLOCK));
}

int sys_unload(const char *name)
{
	unsigned int ms = 5000;
	int ret;

	do {
		ret = sys_delete_module(name);
	} while (ret == -EWOULDBLOCK && sys_step(&ms));
	return ret;
}

int sys_cap(int cap, bool on)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	int ret;

	ret = sys(syscall(SYS_capget, &head, data));
	if (ret)
		return ret;
	if (on)
		data[cap / 32].effective |= 1U << cap % 32;
	else
		data[cap / 32].effective &= ~(1U << cap % 32);
	return sys(syscall(SYS_capset, &head, data));
}
