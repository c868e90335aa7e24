// SPDX-License-Identifier: GPL-2.0-only
/* What the ioctls have in common, and the choice of one. */
#include "fuzz_op.h"

#include <fcntl.h>

#define MAX_OPS		32

static const struct fuzz_op *ops[MAX_OPS];	/* and NULL */
static unsigned int weights;

static void ops_list(void)
{
	const struct fuzz_op *op;
	unsigned int nr = 0;

	for (op = tdp_ops; op->name; op++)
		ops[nr++] = op;
	for (op = dma_ops; op->name; op++)
		ops[nr++] = op;
	for (op = mem_ops; op->name; op++)
		ops[nr++] = op;
	for (op = vfio_ops; op->name && box_has_device(); op++)
		ops[nr++] = op;
	while (nr--)
		weights += ops[nr]->weight;
}

const struct fuzz_op *fuzz_op_at(unsigned int nr)
{
	if (!weights)
		ops_list();
	return ops[nr];
}

const struct fuzz_op *fuzz_op_choose(void)
{
	const struct fuzz_op **op = ops;
	unsigned int weight;

	if (!weights)
		ops_list();
	weight = roll(weights);
	while (weight >= (*op)->weight)
		weight -= (*op++)->weight;
	return *op;
}

bool misaligned(uint64_t gpa, uint64_t length)
{
	return (gpa | length) % PAGE_4K || gpa + length < gpa;
}

/* Of the file's VM, in the eyes of whoever calls. */
bool is_dead(const struct fuzz_call *call)
{
	return call->file->vm && call->file->vm->owner == OWNER_DEAD;
}

struct beast *beast_of(int fd)
{
	struct beast *beast;

	for (beast = beasts; beast < beasts + FUZZ_BEASTS; beast++)
		if (beast->used && beast->file && beast->fd == fd)
			return beast;
	return NULL;
}

void answers_fd(int fd, enum file_kind kind, struct answers *right)
{
	struct beast *beast = beast_of(fd);

	if (fcntl(fd, F_GETFD) < 0) {
		may(right, -EBADF);
	} else if (beast_kind(beast) != kind) {
		may(right, -EINVAL);
		/* A number made up may be that of what we work with. */
		if (!beast) {
			may(right, 0);
			may(right, -EIO);
		}
	}
}

void answers_fault(const struct fuzz_call *call, uint64_t gpa, bool write,
		   struct answers *right)
{
	if (is_dead(call))
		may(right, -EPERM);
	if (!is_dead(call) || !host_grants(call->file->vm, call->file->as_id, gpa,
					   false))
		host_answers(call->file->vm, call->file->as_id, gpa, write, right);
}

void make_nothing(void *arg, struct fuzz_call *call)
{
}

/* All structs but one have their flags after the size. */
void answers_flags(const void *arg, const struct fuzz_call *call,
		   struct answers *right)
{
	if (((const uint32_t *)arg)[1])
		may(right, -EINVAL);
}

void answers_detach(const void *arg, const struct fuzz_call *call,
		    struct answers *right)
{
	answers_flags(arg, call, right);
	if (!call->file->vm)
		may(right, -ENOTCONN);
}

bool writes_all_else(size_t offset)
{
	return offset >= 8;
}
