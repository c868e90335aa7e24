// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs on the host: make it take one page of guest RAM away from a VMM, as
 * memory pressure would, and see that it lies in swap.
 *
 * usage: pageout PID RAM-BYTES GPA TAG
 *
 * The VMM's RAM is its one anonymous mapping of RAM-BYTES, and guest physical
 * address 0 is its beginning; TAG, at the start of the page, proves it.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "mailbox.h"

#define PAGEMAP_SWAPPED	(1ULL << 62)
#define TRIES		50

static FILE *proc_open(const char *pid, const char *name)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	file = fopen(path, "r");
	if (!file)
		err(1, "%s", path);
	return file;
}

static uint64_t find_ram(const char *pid, uint64_t bytes)
{
	FILE *maps = proc_open(pid, "maps");
	uint64_t start, end, ram = 0;
	char line[512];

	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) == 2 &&
		    end - start == bytes && !strchr(line, '/'))
			ram = start;
	}
	fclose(maps);
	if (!ram)
		errx(1, "process %s has no %" PRIu64 " bytes of anonymous memory",
		     pid, bytes);
	return ram;
}

static void read_at(FILE *file, uint64_t offset, void *buf, size_t length)
{
	if (pread(fileno(file), buf, length, offset) != (ssize_t)length)
		err(1, "reading at %#" PRIx64, offset);
}

static void check_tag(const char *pid, uint64_t hva, const char *tag)
{
	FILE *mem = proc_open(pid, "mem");
	char buf[MAILBOX_TEXT];
	size_t length = strlen(tag);

	if (length > sizeof(buf))
		errx(1, "the tag is too long");
	read_at(mem, hva, buf, length);
	fclose(mem);
	if (memcmp(buf, tag, length))
		errx(1, "no tag at host address %#" PRIx64, hva);
}

static bool is_swapped(FILE *pagemap, uint64_t hva)
{
	uint64_t entry;

	read_at(pagemap, hva / MAILBOX_PAGE * sizeof(entry), &entry,
		sizeof(entry));
	return entry & PAGEMAP_SWAPPED;
}

/* The advice is a hint; a page that is busy at the moment stays. */
static bool page_out(const char *pid, uint64_t hva)
{
	struct iovec range = { (void *)hva, MAILBOX_PAGE };
	FILE *pagemap = proc_open(pid, "pagemap");
	int pidfd = syscall(SYS_pidfd_open, atoi(pid), 0);
	bool swapped = false;
	int i;

	if (pidfd < 0)
		err(1, "pidfd_open");
	for (i = 0; i < TRIES && !swapped; i++) {
		if (syscall(SYS_process_madvise, pidfd, &range, 1, MADV_PAGEOUT,
			    0) < 0)
			err(1, "process_madvise");
		swapped = is_swapped(pagemap, hva);
		if (!swapped)
			usleep(20000);
	}
	close(pidfd);
	fclose(pagemap);
	return swapped;
}

int main(int argc, char **argv)
{
	uint64_t hva;

	if (argc != 5)
		errx(2, "usage: pageout PID RAM-BYTES GPA TAG");
	hva = find_ram(argv[1], strtoull(argv[2], NULL, 0)) +
	      strtoull(argv[3], NULL, 0);
	check_tag(argv[1], hva, argv[4]);
	if (!page_out(argv[1], hva))
		errx(1, "the host did not take the page away");
	printf("pageout: the page at host address %#" PRIx64 " is in swap now\n",
	       hva);
	return 0;
}
