// SPDX-License-Identifier: GPL-2.0-only
#include "uapi.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NR_IOCTL_32	54	/* of the 32-bit system call table */

static void uapi_scatter(struct mem *mem)
{
	size_t pages = mem->size / PAGE_4K, i;

	for (i = 0; i < pages; i++)
		memset(mem->hva + i * 7 % pages * PAGE_4K, i, PAGE_4K);
}

static void uapi_map_low(struct uapi *uapi)
{
	uapi->low = mmap(NULL, 3 * PAGE_4K, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (uapi->low == MAP_FAILED)
		bail("no memory below 4G");
	uapi->forbidden = uapi->low + PAGE_4K;
	uapi->data = uapi->forbidden + PAGE_4K;
	must(mprotect(uapi->forbidden, PAGE_4K, PROT_NONE));
}

void uapi_open(struct uapi *uapi)
{
	vm_open(&uapi->vm);
	mem_small(&uapi->ram, RAM_SIZE);
	uapi_scatter(&uapi->ram);
	vm_map(&uapi->vm, 1, RAM_GPA, &uapi->ram);
	uapi->dev = must(open("/dev/kvm_tdp", O_RDWR | O_CLOEXEC));
	uapi->tdp = kvm_tdp_create(uapi->vm.fd, 0);
	if (uapi->tdp < 0)
		bail("create: %d", uapi->tdp);
	uapi->dma = dma_open();
	uapi_map_low(uapi);
}

void uapi_close(struct uapi *uapi)
{
	munmap(uapi->low, 3 * PAGE_4K);
	close(uapi->dma);
	close(uapi->tdp);
	close(uapi->dev);
	vm_close(&uapi->vm);
	mem_free(&uapi->ram);
}

int uapi_free_fd(void)
{
	int fd = must(dup(0));

	close(fd);
	return fd;
}

int uapi_ioctl_32(int fd, unsigned long nr, void *arg)
{
	long ret;

	asm volatile("int $0x80" : "=a" (ret)
		     : "a" (NR_IOCTL_32), "b" ((long)fd), "c" (nr), "d" (arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

bool uapi_all_are(const uint8_t *bytes, int value, size_t length)
{
	while (length && *bytes == value) {
		bytes++;
		length--;
	}
	return !length;
}
