// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of the uapi headers: requests that are right, spoilt in every way,
 * and what has to come of each.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz_op.h"
#include "uapi.h"

#define SIZE_MAX_KNOWN	4096

/* A call: the struct as we made it, as the kernel sees it, as it came back. */
struct request {
	const struct fuzz_op *op;
	int fd;
	struct beast *beast;	/* NULL: none of ours */
	struct spot spot;
	struct fuzz_call call;
	uint32_t size;
	uint8_t image[SIZE_MAX_KNOWN + 64];
	size_t length;		/* of @image */
	bool compat;
};

static int issue(const struct request *req, unsigned long nr)
{
	if (req->compat)
		return uapi_ioctl_32(req->fd, nr, req->spot.at);
	return sys(ioctl(req->fd, nr, req->spot.at));
}

/* One of its words, not its pointer, becomes something else. */
static void spoil(const struct fuzz_op *op, uint8_t *arg)
{
	size_t at = 4 + 4 * roll(op->size / 4 - 1);
	uint32_t word = odd_number();

	if (op->pointer && at / 8 == op->pointer / 8)
		return;
	if (one_in(2))
		word = one_bit(32);
	memcpy(arg + at, &word, sizeof(word));
}

static size_t op_first(const struct fuzz_op *op)
{
	return op->first ?: op->size;
}

static uint32_t choose_size(const struct fuzz_op *op)
{
	switch (roll(48)) {
	case 0:
		return roll(op_first(op));
	case 1:
		return op_first(op) + roll(op->size - op_first(op) + 1);
	case 2:
		return op->size + 1 + roll(64);
	case 3:
		return op->size + roll(SIZE_MAX_KNOWN - op->size + 1);
	case 4:
		return SIZE_MAX_KNOWN + 1 + roll(SIZE_MAX_KNOWN);
	case 5:
		return odd_number();
	default:
		return op->size;
	}
}

static void request_make(struct request *req)
{
	const struct fuzz_op *op = req->op;

	req->size = choose_size(op);
	req->length = req->size < op->size ? op->size : req->size;
	if (req->length > sizeof(req->image))
		req->length = sizeof(req->image);
	memset(req->image, 0, req->length);
	op->make(req->image, &req->call);
	while (one_in(6))
		spoil(op, req->image);
	memcpy(req->image, &req->size, sizeof(req->size));
	if (req->length > op->size && one_in(2))
		req->image[op->size + roll(req->length - op->size)] = 1 + roll(255);
	window_choose(&req->spot, req->length);
	window_put(&req->spot, req->image, req->length);
	req->compat = one_in(8) && (uintptr_t)req->spot.at >> 32 == 0;
}

/* The last byte that is not zero, of what is beyond the struct we know. */
static bool tail_is_zero(const struct request *req)
{
	size_t end = req->size < req->length ? req->size : req->length;

	return end <= req->op->size ||
	       uapi_all_are(req->image + req->op->size, 0, end - req->op->size);
}

/*
 * The errors that all ioctls have in common.  Return: whether there are none,
 * so that the ioctl itself may find something.
 */
static bool common_answers(const struct request *req, struct answers *right)
{
	const struct spot *spot = &req->spot;

	if (spot->readable < sizeof(req->size)) {
		may(right, -EFAULT);
	} else if (req->size < op_first(req->op)) {
		may(right, -EINVAL);
	} else if (req->size > SIZE_MAX_KNOWN) {
		may(right, -E2BIG);
	} else if (spot->readable < req->size) {
		may(right, -EFAULT);
		if (!tail_is_zero(req))
			may(right, -E2BIG);
	} else if (!tail_is_zero(req)) {
		may(right, -E2BIG);
	}
	return !right->nr;
}

static size_t written_back(const struct request *req)
{
	if (req->op->silent)
		return 0;
	return req->size < req->op->size ? req->size : req->op->size;
}

/* Where the struct cannot be written back nothing succeeds. */
static void writing_answers(const struct request *req, struct answers *right)
{
	unsigned int i;

	if (req->spot.writable >= written_back(req))
		return;
	for (i = 0; i < right->nr; i++)
		if (!right->is[i])
			right->is[i] = -EFAULT;
	may(right, -EFAULT);
}

/* What the struct is to a kernel that knows a larger one, or a smaller one. */
static void request_seen(const struct request *req, uint8_t *seen)
{
	memset(seen, 0, FUZZ_STRUCT_MAX);
	memcpy(seen, req->image,
	       req->size < req->op->size ? req->size : req->op->size);
}

static void wild_answers(const struct fuzz_op *op, struct answers *right)
{
	const int *e;

	right->nr = 0;
	may(right, 0);
	may(right, -EFAULT);
	may(right, -EINVAL);
	may(right, -E2BIG);
	for (e = op->errors; *e; e++)
		may(right, -*e);
}

/* All of the struct but what the ioctl says that it writes is as it was. */
static void check_untouched(const struct request *req, int ret)
{
	bool (*writes)(size_t offset) = ret ? req->op->writes_failing :
					      req->op->writes;
	const uint8_t *after = req->spot.alias;
	size_t length = written_back(req), room = req->spot.writable, i;

	if (!after || req->spot.wild || (ret == -EFAULT && room < length))
		return;
	for (i = 0; i < req->length && i < req->spot.readable; i++) {
		if (after[i] == req->image[i] ||
		    (i < length && writes && writes(i)))
			continue;
		wrong("%s: %d, byte %zu of the struct has changed",
		      kind_name(req->op->kind), ret, i);
		return;
	}
}

static void check_result(struct request *req, const uint8_t *seen, int ret)
{
	uint8_t after[FUZZ_STRUCT_MAX];
	bool whole = req->spot.alias && !req->spot.wild &&
		     req->size >= req->op->size &&
		     req->spot.readable >= req->size;

	if (whole && req->spot.writable >= req->op->size)
		memcpy(after, req->spot.alias, req->op->size);
	else
		whole = false;
	if (req->op->done)
		req->op->done(seen, whole ? after : NULL, ret, &req->call);
}

static void request_answers(const struct request *req, const uint8_t *seen,
			    struct answers *right)
{
	if (beast_kind(req->beast) != req->op->on) {
		may(right, -ENOTTY);
		may(right, -EINVAL);
		may(right, -EBADF);
		may(right, -EIO);	/* KVM, to another process */
	} else if (req->spot.wild) {
		wild_answers(req->op, right);
	} else if (common_answers(req, right)) {
		req->op->answers(seen, &req->call, right);
		if (!right->nr)
			may(right, 0);
		writing_answers(req, right);
	}
}

static void request_wrong(const struct request *req, int ret, const char *what)
{
	char text[200];
	size_t at = 0, i;

	for (i = 0; i < req->op->size && at < sizeof(text) - 4; i += 4)
		at += snprintf(text + at, sizeof(text) - at, " %08x",
			       *(const uint32_t *)(req->image + i));
	wrong("%s, size %u, at %p%s%s: %d: %s:%s", kind_name(req->op->kind),
	      req->size, req->spot.at, req->compat ? ", 32-bit" : "",
	      req->spot.wild ? ", changing" : "", ret, what, text);
}

static void request_issue(struct request *req)
{
	const struct fuzz_op *op = req->op;
	bool right_file = beast_kind(req->beast) == op->on;
	struct answers right = { 0 };
	uint8_t seen[FUZZ_STRUCT_MAX];
	int ret;

	request_seen(req, seen);
	if (right_file && op->race && one_in(512))
		window_race(&req->spot, op->race);
	if (op->prepare)
		op->prepare(&req->call);
	request_answers(req, seen, &right);
	ret = issue(req, op->ioctl);
	window_race_end(&req->spot);
	if (!judge(right_file ? op->kind : FUZZ_WRONG_FILE, ret, &right))
		request_wrong(req, ret, "is wrong");
	if (!window_calm(&req->spot, req->length))
		request_wrong(req, ret, "written around the struct");
	check_untouched(req, ret);
	if (right_file)
		check_result(req, seen, ret);
	window_clear(&req->spot, req->length);
}

void fuzz_ioctl(void)
{
	static struct request req;

	req.op = fuzz_op_choose();
	memset(&req.call, 0, sizeof(req.call));
	req.fd = zoo_pick(req.op->on, &req.beast);
	req.call.file = req.beast ? req.beast->file : NULL;
	request_make(&req);
	request_issue(&req);
}

/* A number that the file does not know, and that is not one of all files. */
void fuzz_wrong_number(void)
{
	static const enum file_kind kinds[] = { FILE_DEV, FILE_TDP, FILE_DMA, FILE_VFIO };
	enum file_kind kind = kinds[roll(4)];
	struct beast *beast = zoo_one(kind);
	unsigned long nr = _IO(KVM_TDP_IOC_TYPE, roll(256));
	struct request req = { .compat = one_in(8) };
	struct answers right = { 0 };
	const struct fuzz_op *op;
	unsigned int i;

	if (!beast)
		return;
	if (one_in(4))
		nr = (nr & 0xff) | (0x80 + roll(0x10)) << 8 | roll(0x10000) << 16;
	else if (one_in(2))
		nr |= roll(0x10000) << 16;
	for (i = 0; (op = fuzz_op_at(i)); i++)
		if (op->on == kind && op->ioctl == nr)
			return;
	req.fd = beast->fd;
	window_find(&req.spot, odd_pointer());
	req.compat &= (uintptr_t)req.spot.at >> 32 == 0;
	may(&right, -ENOTTY);
	judge(FUZZ_WRONG_NUMBER, issue(&req, nr), &right);
}

static int read_fdinfo(int fd)
{
	char path[64], text[4096];
	int info, ret;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = sys(open(path, O_RDONLY | O_CLOEXEC));
	if (info < 0)
		return info;
	ret = sys(read(info, text, sizeof(text)));
	close(info);
	return ret < 0 ? ret : 0;
}

static int map_file(int fd)
{
	void *at = mmap(NULL, PAGE_4K << roll(3), PROT_READ,
			one_in(2) ? MAP_SHARED : MAP_PRIVATE, fd,
			roll(4) * PAGE_4K);

	return at == MAP_FAILED ? -errno : 0;
}

/* What else can be done with a file. */
void fuzz_file_op(void)
{
	static const enum file_kind kinds[] = { FILE_DEV, FILE_TDP, FILE_DMA, FILE_VFIO };
	struct beast *beast = zoo_one(kinds[roll(4)]);
	struct answers right = { 0 };
	int ret = 0;
	char byte;

	if (!beast)
		return;
	switch (roll(5)) {
	case 0:
		ret = sys(read(beast->fd, &byte, 1));
		may(&right, -EINVAL);
		break;
	case 1:
		ret = sys(write(beast->fd, "", 1));
		may(&right, -EINVAL);
		break;
	case 2:
		ret = map_file(beast->fd);
		may(&right, -ENODEV);
		break;
	case 3:
		ret = sys(lseek(beast->fd, odd_number(), roll(3))) < 0 ? -errno : 0;
		may(&right, 0);
		may(&right, -ESPIPE);
		break;
	default:
		ret = read_fdinfo(beast->fd);
		may(&right, 0);
		break;
	}
	judge(FUZZ_FILE_OP, ret, &right);
}
