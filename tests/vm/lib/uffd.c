// SPDX-License-Identifier: GPL-2.0-only
#include "uffd.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tap.h"

int uffd_open(uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int uffd = must(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));

	must(ioctl(uffd, UFFDIO_API, &api));
	return uffd;
}

void uffd_register(int uffd, const struct mem *mem, uint64_t mode)
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)mem->hva, mem->size }, .mode = mode,
	};

	must(ioctl(uffd, UFFDIO_REGISTER, &reg));
}

uint64_t uffd_wait(int uffd, unsigned int ms)
{
	struct pollfd pfd = { .fd = uffd, .events = POLLIN };
	struct uffd_msg msg;
	int ret;

	/* In steps, as sys_step() takes. */
	while (!(ret = poll(&pfd, 1, 1)) && ms--)
		;
	if (ret != 1 || read(uffd, &msg, sizeof(msg)) != sizeof(msg))
		return 0;
	return msg.event == UFFD_EVENT_PAGEFAULT ? msg.arg.pagefault.address : 0;
}

int uffd_copy(int uffd, uint64_t hva, const void *page)
{
	struct uffdio_copy copy = {
		.dst = hva & -PAGE_4K, .src = (uintptr_t)page, .len = PAGE_4K,
	};

	return sys(ioctl(uffd, UFFDIO_COPY, &copy));
}

int uffd_protect(int uffd, uint64_t hva, size_t size, int on)
{
	struct uffdio_writeprotect wp = {
		.range = { hva & -PAGE_4K, size },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return sys(ioctl(uffd, UFFDIO_WRITEPROTECT, &wp));
}

int uffd_rwprotect(int uffd, uint64_t hva, size_t size, int on)
{
	struct uffdio_rwprotect rwp = {
		.range = { hva & -PAGE_4K, size },
		.mode = on ? UFFDIO_RWPROTECT_MODE_RWP : 0,
	};

	return sys(ioctl(uffd, UFFDIO_RWPROTECT, &rwp));
}

long uffd_move(int uffd, void *dst, void *src, size_t size)
{
	struct uffdio_move move = {
		.dst = (uintptr_t)dst, .src = (uintptr_t)src, .len = size,
	};
	int ret = sys(ioctl(uffd, UFFDIO_MOVE, &move));

	return ret ? ret : move.move;
}
