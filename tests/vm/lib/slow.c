// SPDX-License-Identifier: GPL-2.0-only
#include "slow.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sys.h"
#include "tap.h"

#define SLOW_DIR	"/run/slow"
#define SLOW_FILE	"file"
#define SLOW_NODE	2	/* the file; 1 is the root */
#define SLOW_REQUEST	(64UL << 10)

static const char slow_page[PAGE_4K];

static void slow_reply(struct slow *slow, uint64_t unique, int error,
		       const void *data, size_t size)
{
	struct fuse_out_header head = {
		.len = sizeof(head) + size, .error = error, .unique = unique,
	};
	struct iovec iov[] = { { &head, sizeof(head) }, { (void *)data, size } };

	/* Whoever asked may have been killed meanwhile. */
	if (writev(slow->dev, iov, 2) < 0 && errno != ENOENT)
		diag("slow: reply: errno %d", errno);
}

static void slow_init(struct slow *slow, uint64_t unique,
		      const struct fuse_init_in *in)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = in->minor,
		.max_write = PAGE_4K,
	};

	/* No readahead: each page is asked for by itself. */
	slow_reply(slow, unique, 0, &out, sizeof(out));
}

static struct fuse_attr slow_attr(const struct slow *slow, uint64_t node)
{
	struct fuse_attr attr = {
		.ino = node,
		.size = node == SLOW_NODE ? slow->size : 0,
		.mode = node == SLOW_NODE ? S_IFREG | 0600 : S_IFDIR | 0700,
		.nlink = 1,
		.blksize = PAGE_4K,
	};

	return attr;
}

static void slow_lookup(struct slow *slow, uint64_t unique, const char *name)
{
	struct fuse_entry_out out = {
		.nodeid = SLOW_NODE, .entry_valid = 1000, .attr_valid = 1000,
		.attr = slow_attr(slow, SLOW_NODE),
	};

	if (strcmp(name, SLOW_FILE))
		slow_reply(slow, unique, -ENOENT, NULL, 0);
	else
		slow_reply(slow, unique, 0, &out, sizeof(out));
}

static void slow_getattr(struct slow *slow, uint64_t unique, uint64_t node)
{
	struct fuse_attr_out out = {
		.attr_valid = 1000, .attr = slow_attr(slow, node),
	};

	slow_reply(slow, unique, 0, &out, sizeof(out));
}

static void slow_read(struct slow *slow, uint64_t unique)
{
	if (__atomic_exchange_n(&slow->hold, false, __ATOMIC_ACQ_REL))
		__atomic_store_n(&slow->held, unique, __ATOMIC_RELEASE);
	else
		slow_reply(slow, unique, 0, slow_page, PAGE_4K);
}

static void slow_serve(struct slow *slow, const struct fuse_in_header *head)
{
	static const struct fuse_open_out opened;

	switch (head->opcode) {
	case FUSE_INIT:
		return slow_init(slow, head->unique, (const void *)(head + 1));
	case FUSE_LOOKUP:
		return slow_lookup(slow, head->unique, (const char *)(head + 1));
	case FUSE_GETATTR:
		return slow_getattr(slow, head->unique, head->nodeid);
	case FUSE_OPEN:
		return slow_reply(slow, head->unique, 0, &opened, sizeof(opened));
	case FUSE_READ:
		return slow_read(slow, head->unique);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;
	case FUSE_RELEASE:
	case FUSE_FLUSH:
		return slow_reply(slow, head->unique, 0, NULL, 0);
	default:
		return slow_reply(slow, head->unique, -ENOSYS, NULL, 0);
	}
}

static void *slow_thread(void *arg)
{
	struct slow *slow = arg;
	char *request = malloc(SLOW_REQUEST);

	/* Ends with ENODEV when the filesystem is unmounted. */
	while (read(slow->dev, request, SLOW_REQUEST) > 0 || errno == EINTR)
		slow_serve(slow, (const void *)request);
	free(request);
	return NULL;
}

void slow_open(struct slow *slow, struct mem *mem, size_t size)
{
	char options[96];
	int fd;

	memset(slow, 0, sizeof(*slow));
	slow->size = size;
	sys_module("fuse", "/dev/fuse");
	slow->dev = must(open("/dev/fuse", O_RDWR | O_CLOEXEC));
	mkdir(SLOW_DIR, 0700);
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0", slow->dev);
	must(mount("slow", SLOW_DIR, "fuse", MS_NOSUID | MS_NODEV, options));
	must(-pthread_create(&slow->thread, NULL, slow_thread, slow));
	fd = must(open(SLOW_DIR "/" SLOW_FILE, O_RDONLY | O_CLOEXEC));
	mem_new(mem, size, 0, MAP_PRIVATE, fd);
}

void slow_close(struct slow *slow, struct mem *mem)
{
	mem_free(mem);
	must(umount(SLOW_DIR));
	pthread_join(slow->thread, NULL);
	close(slow->dev);
}

void slow_hold(struct slow *slow)
{
	__atomic_store_n(&slow->hold, true, __ATOMIC_RELEASE);
}

bool slow_is_waiting(struct slow *slow, unsigned int ms)
{
	while (!__atomic_load_n(&slow->held, __ATOMIC_ACQUIRE))
		if (!sys_step(&ms))
			return false;
	return true;
}

void slow_give(struct slow *slow)
{
	uint64_t unique = __atomic_exchange_n(&slow->held, 0, __ATOMIC_ACQ_REL);

	if (unique)
		slow_reply(slow, unique, 0, slow_page, PAGE_4K);
}
