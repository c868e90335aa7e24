// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls of /dev/kvm_tdp_mem: how they are asked, what they answer. */
#include <errno.h>
#include <sys/mman.h>

#include "fuzz_op.h"

#define MAX_VECS	4
#define MAX_LENGTH	(0x7fffffffUL & -PAGE_4K)	/* of a read */

/* KVM_TDP_MEM_ATTACH */

static void make_attach(void *arg, struct fuzz_call *call)
{
	struct kvm_tdp_mem_attach *attach = arg;
	struct beast *proc_mem;

	attach->tdp_fd = zoo_pick(FILE_TDP, &call->other);
	attach->proc_mem_fd = zoo_pick(FILE_PROC_MEM, &proc_mem);
}

static void answers_attach(const void *arg, const struct fuzz_call *call,
			   struct answers *right)
{
	const struct kvm_tdp_mem_attach *attach = arg;
	struct beast *tdp = beast_of(attach->tdp_fd);

	answers_flags(arg, call, right);
	answers_fd(attach->tdp_fd, FILE_TDP, right);
	answers_fd(attach->proc_mem_fd, FILE_PROC_MEM, right);
	if (call->file->vm)
		may(right, -EBUSY);
	/* It is the memory of the process that opened it. */
	if (fuzz_in_child || (tdp && tdp->file->vm && tdp->file->vm->owner != OWNER_SELF)) {
		may(right, -EACCES);
		may(right, 0);
	}
}

static void drop_all_of(const struct fuzz_file *file)
{
	struct beast *beast;

	for (beast = beasts; beast < beasts + FUZZ_BEASTS; beast++)
		if (beast->used && beast->file == file)
			zoo_drop(beast);
}

static void done_attach(const void *arg, const void *after, int ret,
			struct fuzz_call *call)
{
	const struct kvm_tdp_mem_attach *attach = arg;
	struct beast *tdp = beast_of(attach->tdp_fd);

	if (ret)
		return;
	/* Nobody knows to what, if another thread has changed that; it is for good. */
	if (!after || beast_kind(tdp) != FILE_TDP) {
		drop_all_of(call->file);
		return;
	}
	call->file->vm = tdp->file->vm;
	call->file->as_id = tdp->file->as_id;
}

/* KVM_TDP_MEM_READV */

static uint8_t sink[8192];
/* With zeroes behind, and then nothing: no number of reads finds others there. */
static struct kvm_tdp_mem_vec *vecs;

static struct kvm_tdp_mem_vec *vecs_map(void)
{
	void *map = mmap(NULL, 2 * PAGE_4K, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		bail("out of memory");
	must(mprotect(map + PAGE_4K, PAGE_4K, PROT_NONE));
	return map;
}

static void make_readv(void *arg, struct fuzz_call *call)
{
	struct kvm_tdp_mem_readv *readv = arg;
	size_t i;

	if (!vecs)
		vecs = vecs_map();
	readv->flags = one_in(4);
	readv->nr = roll(MAX_VECS + 1);
	for (i = 0; i < MAX_VECS; i++) {
		vecs[i] = (struct kvm_tdp_mem_vec){
			.gpa = odd_gpa(call->file) + (one_in(2) ? roll(PAGE_4K) : 0),
			.buf = (uintptr_t)sink,
			.length = roll(sizeof(sink)),
		};
		if (one_in(16)) {
			vecs[i].buf = odd_pointer();
			vecs[i].length = odd_number();
		}
	}
	/* Never what might be read as reads to addresses of ours. */
	readv->vecs = one_in(8) ? odd_pointer() : (uintptr_t)vecs;
}

/* As of a fault, but that an address without memory is not a bad buffer. */
static void answers_vec(const struct kvm_tdp_mem_vec *vec, bool nowait,
			const struct fuzz_call *call, struct answers *right)
{
	struct answers fault = { 0 };
	unsigned int i;

	if (vec->gpa + vec->length < vec->gpa || vec->length > MAX_LENGTH)
		may(right, -EINVAL);
	if (!vec->length)
		return;
	if (nowait)
		may(right, -EAGAIN);
	if (vec->buf != (uintptr_t)sink)
		may(right, -EFAULT);
	answers_fault(call, vec->gpa, false, &fault);
	if (vec->gpa % PAGE_4K + vec->length > PAGE_4K)
		may(&fault, -EFAULT);
	for (i = 0; i < fault.nr; i++)
		if (fault.is[i])
			may(right, fault.is[i] == -EFAULT ? -ENXIO : fault.is[i]);
}

static const int attach_errors[] = { EBUSY, EBADF, EACCES, 0 };
static const int readv_errors[] = { ENOTCONN, ENXIO, EAGAIN, EPERM, EHWPOISON, 0 };

static void answers_readv(const void *arg, const struct fuzz_call *call,
			  struct answers *right)
{
	const struct kvm_tdp_mem_readv *readv = arg;
	struct answers found = { 0 };
	size_t i;

	if (readv->flags & ~KVM_TDP_MEM_NOWAIT)
		may(right, -EINVAL);
	if (!call->file->vm)
		may(right, -ENOTCONN);
	if (right->nr)
		return;
	if (readv->nr && readv->vecs != (uintptr_t)vecs) {
		may(right, -EFAULT);
		return;
	}
	/* Behind them there are reads of nothing, and then no more. */
	if (readv->nr > MAX_VECS)
		may(right, -EFAULT);
	for (i = 0; i < readv->nr && i < MAX_VECS; i++)
		answers_vec(&vecs[i], readv->flags, call, &found);
	for (i = 0; i < found.nr; i++)
		may(right, found.is[i]);
	if (right->nr)
		may(right, 0);
}

static bool writes_done(size_t offset)
{
	return offset >= offsetof(struct kvm_tdp_mem_readv, done);
}

static void done_readv(const void *arg, const void *after, int ret,
		       struct fuzz_call *call)
{
	const struct kvm_tdp_mem_readv *asked = arg, *now = after;

	if (now && ret != -E2BIG && ret != -EINVAL &&
	    (now->done > asked->nr || (!ret && now->done != asked->nr)))
		wrong("readv: %u of %u reads, and %d", now->done, asked->nr, ret);
}

const struct fuzz_op mem_ops[] = {
	{ OP(MEM_ATTACH, KVM_TDP_MEM_ATTACH, MEM, kvm_tdp_mem_attach), .weight = 8,
	  .silent = true, .race = 0xf, .errors = attach_errors,
	  .make = make_attach, .answers = answers_attach, .done = done_attach },
	{ OP(READV, KVM_TDP_MEM_READV, MEM, kvm_tdp_mem_readv), .weight = 10,
	  .pointer = offsetof(struct kvm_tdp_mem_readv, vecs), .race = 0x33,
	  .errors = readv_errors, .make = make_readv, .answers = answers_readv,
	  .writes = writes_done, .writes_failing = writes_done, .done = done_readv },
	{ .name = NULL },
};
