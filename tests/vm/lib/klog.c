// SPDX-License-Identifier: GPL-2.0-only
#include "klog.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

int klog_open(void)
{
	int fd = must(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));

	must(lseek(fd, 0, SEEK_END));
	return fd;
}

const char *klog_next(int klog)
{
	static char record[8192];
	ssize_t size;
	char *text;

	size = read(klog, record, sizeof(record) - 1);
	if (size < 0 && errno == EAGAIN)
		return NULL;
	if (size < 0)
		bail("the kernel log ran over: errno %d", errno);
	record[size] = 0;
	text = strchr(record, ';');
	return text ? text + 1 : record;
}

unsigned int klog_count(int klog, const char *word)
{
	unsigned int nr = 0;
	const char *text;

	while ((text = klog_next(klog)))
		nr += !!strstr(text, word);
	return nr;
}
