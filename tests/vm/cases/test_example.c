// SPDX-License-Identifier: GPL-2.0-only
/* examples/importer, the importer to copy from: it reads, and follows the host. */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ktdp.h"
#include "peek.h"
#include "tap.h"
#include "vm.h"
#include "vmm.h"

#define GPA	0x140000000UL
#define SIZE	(16 * PAGE_4K)
#define ROUNDS	2000

static struct vm vm;
static struct mem mem;
static int tdp, peek;
static bool stop;

static int open_peek(void)
{
	return must(open("/dev/ktdp_peek", O_RDWR | O_CLOEXEC));
}

static int attach(int fd, int tdp_fd)
{
	return sys(ioctl(fd, PEEK_ATTACH, tdp_fd));
}

static ssize_t read_at(uint64_t gpa, void *buf, size_t size)
{
	return sys(pread(peek, buf, size, gpa));
}

static void begin(void)
{
	vm_open(&vm);
	mem_small(&mem, SIZE);
	mem_fill(mem.hva, GPA, SIZE, 1);
	vm_map(&vm, 1, GPA, &mem);
	tdp = must(kvm_tdp_create(vm.fd, 0));
	peek = open_peek();
	is(attach(peek, tdp), 0, "attach");
}

static void end(void)
{
	close(peek);
	close(tdp);
	vm_close(&vm);
	mem_free(&mem);
}

static void test_read(void)
{
	static char buf[2 * SIZE];

	begin();
	is(read_at(GPA, buf, SIZE), SIZE, "read all");
	ok(mem_check(buf, GPA, SIZE, 1), "it is what is there");
	is(read_at(GPA + 4090, buf, 100), 100, "across pages");
	ok(!memcmp(buf, mem.hva + 4090, 100), "it is what is there");
	is(read_at(GPA + SIZE - 10, buf, 100), 10, "to the end of the slot");
	is(read_at(GPA + SIZE, buf, 1), -EFAULT, "beyond it");
	must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	is(read_at(GPA, buf, SIZE), SIZE, "the host has taken it");
	ok(!buf[0] && !memcmp(buf, buf + 1, SIZE - 1), "it is zero now");
	is(read_at(VM_BOOT_CODE, buf, 1), 1, "the guest's code is there as well");
	vm_unmap(&vm, 1);
	is(read_at(GPA, buf, 1), -EFAULT, "the slot goes");
	end();
}

static void test_attach(void)
{
	int fds[2], second = open_peek();
	char byte;

	begin();
	is(attach(peek, tdp), -EBUSY, "twice");
	must(pipe(fds));
	is(attach(second, fds[0]), -EINVAL, "to a pipe");
	is(attach(second, vm.fd), -EINVAL, "to a VM fd");
	is(attach(second, -1), -EBADF, "to nothing");
	is(sys(pread(second, &byte, 1, GPA)), -ENOTCONN, "read, not attached");
	is(attach(second, tdp), 0, "two at once");
	is(sys(ioctl(second, PEEK_ATTACH + 1, tdp)), -ENOTTY, "no such ioctl");
	is(ktdp_stats(tdp).importers, 2, "both are importers");
	close(second);
	is(ktdp_stats(tdp).importers, 1, "one has gone");
	close(tdp);
	tdp = -1;
	is(read_at(GPA, &byte, 1), 1, "it keeps the TDP fd");
	close(fds[0]);
	close(fds[1]);
	end();
}

static void test_vmm_ends(void)
{
	struct vmm vmm;
	char byte;
	int fd;

	vmm_start(&vmm);
	fd = must(vmm_steal_fd(&vmm));
	tdp = must(kvm_tdp_create(fd, 0));
	close(fd);
	peek = open_peek();
	is(attach(peek, tdp), 0, "attach to another process's VM");
	is(read_at(GPA, &byte, 1), 1, "read");
	ok(vmm_kill(&vmm), "the VMM is killed");
	is(read_at(GPA, &byte, 1), -EPERM, "read then");
	close(peek);
	close(tdp);
}

/* A page that the host takes back is another's at once: that must not be seen. */
static void *host(void *unused)
{
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		mem_fill(mem.hva, GPA, PAGE_4K, 1);
		madvise(mem.hva, PAGE_4K, MADV_DONTNEED);
	}
	return NULL;
}

static void test_host_takes(void)
{
	uint64_t words[512];
	pthread_t thread;
	int i, wrong = 0;
	size_t at;

	begin();
	stop = false;
	must(-pthread_create(&thread, NULL, host, NULL));
	for (i = 0; i < ROUNDS; i++) {
		if (read_at(GPA, words, sizeof(words)) != sizeof(words))
			wrong++;
		for (at = 0; at < 512; at++)
			wrong += words[at] && words[at] != ((GPA + 8 * at) ^ 1);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	is(wrong, 0, "%d reads while the host takes the page again and again", ROUNDS);
	end();
}

static const struct tap_case cases[] = {
	{ "read", test_read },
	{ "attach", test_attach },
	{ "vmm_ends", test_vmm_ends },
	{ "host_takes", test_host_takes },
};

int main(int argc, char **argv)
{
	vmm_main(argc, argv);
	return RUN_CASES(cases, argc, argv);
}
