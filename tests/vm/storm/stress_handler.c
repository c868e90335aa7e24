// SPDX-License-Identifier: GPL-2.0-only
/* Who provides the pages of userfaultfd: zeroes, as the host would. */
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "stress.h"
#include "uffd.h"

static void handler_serve(const struct uffd_msg *msg)
{
	uint64_t hva = msg->arg.pagefault.address & -PAGE_4K;
	struct uffdio_zeropage zero = { .range = { hva, PAGE_4K } };
	struct uffdio_range wake = { hva, PAGE_4K };

	if (msg->event != UFFD_EVENT_PAGEFAULT)
		return;
	if (msg->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP)
		uffd_protect(stress_uffd, hva, PAGE_4K, false);
	else if (ioctl(stress_uffd, UFFDIO_ZEROPAGE, &zero))
		ioctl(stress_uffd, UFFDIO_WAKE, &wake);
}

/* Until the main thread cancels it: everybody else may wait for it. */
void *storm_uffd(void *worker)
{
	struct pollfd pfd = { .fd = stress_uffd, .events = POLLIN };
	struct uffd_msg msg;

	setpriority(PRIO_PROCESS, gettid(), -20);
	for (;;) {
		poll(&pfd, 1, -1);
		if (read(stress_uffd, &msg, sizeof(msg)) == sizeof(msg))
			handler_serve(&msg);
	}
	return NULL;
}
