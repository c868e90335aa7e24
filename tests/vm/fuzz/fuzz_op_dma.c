// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls of /dev/kvm_tdp_dma: how they are asked, what they answer. */
#include <unistd.h>

#include "fuzz_op.h"

/* KVM_TDP_DMA_ATTACH, KVM_TDP_DMA_DETACH */

static void make_attach(void *arg, struct fuzz_call *call)
{
	struct kvm_tdp_dma_attach *attach = arg;

	attach->tdp_fd = zoo_pick(FILE_TDP, &call->other);
	attach->pid = one_in(8) ? (int)odd_number() : 0;
}

static void answers_attach(const void *arg, const struct fuzz_call *call,
			   struct answers *right)
{
	const struct kvm_tdp_dma_attach *attach = arg;

	if (attach->flags)
		may(right, -EINVAL);
	if (call->file->vm)
		may(right, -EBUSY);
	answers_fd(attach->tdp_fd, FILE_TDP, right);
}

static void done_attach(const void *arg, const void *after, int ret,
			struct fuzz_call *call)
{
	const struct kvm_tdp_dma_attach *attach = arg;
	struct beast *tdp = beast_of(attach->tdp_fd);
	struct beast *engine;

	if (ret)
		return;
	/* Nobody knows to what, if another thread has changed that. */
	if (!after || beast_kind(tdp) != FILE_TDP) {
		for (engine = beasts; engine->file != call->file; engine++)
			;
		kvm_tdp_dma_detach(engine->fd);
		return;
	}
	call->file->vm = tdp->file->vm;
	call->file->as_id = tdp->file->as_id;
}

static void done_detach(const void *arg, const void *after, int ret,
			struct fuzz_call *call)
{
	if (!ret)
		call->file->vm = NULL;
}

/* KVM_TDP_DMA_READ, KVM_TDP_DMA_WRITE, KVM_TDP_DMA_COPY */

static uint64_t odd_length(void)
{
	if (one_in(32))
		return odd_number();
	return one_in(4) ? roll(8000) : roll(200);
}

static void make_rw(void *arg, struct fuzz_call *call)
{
	struct kvm_tdp_dma_rw *rw = arg;

	rw->flags = one_in(8);
	rw->gpa = odd_gpa(call->file) + (one_in(2) ? roll(PAGE_4K) : 0);
	rw->length = odd_length();
	window_choose_data(&call->data);
	rw->buf = (uintptr_t)call->data.at;
}

/* What an access to a page, or several, of the engine's VM may answer. */
static void answers_access(const struct fuzz_call *call, uint64_t gpa,
			   uint64_t length, bool nofault, bool write,
			   struct answers *right)
{
	bool one_page = gpa % PAGE_4K + length <= PAGE_4K;

	if (!length)
		return;
	if (nofault)
		may(right, -ENXIO);
	answers_fault(call, gpa, write, right);
	if (!one_page) {
		may(right, -EFAULT);
		may(right, -EACCES);
		may(right, -EBUSY);
	}
}

static void answers_dma(const struct fuzz_call *call, uint64_t gpa,
			uint64_t length, uint32_t flags, bool write,
			struct answers *right)
{
	if (flags & ~KVM_TDP_DMA_NOFAULT ||
	    (length && gpa + (length - 1) < gpa))
		may(right, -EINVAL);
	if (!call->file->vm)
		may(right, -ENOTCONN);
	if (!right->nr)
		answers_access(call, gpa, length, flags, write, right);
}

static void answers_buffer(const struct fuzz_call *call, uint64_t length,
			   size_t room, struct answers *right)
{
	if (length > room)
		may(right, -EFAULT);
}

static void answers_read(const void *arg, const struct fuzz_call *call,
			 struct answers *right)
{
	const struct kvm_tdp_dma_rw *rw = arg;

	answers_dma(call, rw->gpa, rw->length, rw->flags, false, right);
	answers_buffer(call, rw->length, call->data.writable, right);
}

static void answers_write(const void *arg, const struct fuzz_call *call,
			  struct answers *right)
{
	const struct kvm_tdp_dma_rw *rw = arg;

	answers_dma(call, rw->gpa, rw->length, rw->flags, true, right);
	answers_buffer(call, rw->length, call->data.readable, right);
}

static bool writes_done(size_t offset)
{
	return offset >= offsetof(struct kvm_tdp_dma_rw, done);
}

static void done_read(const void *arg, const void *after, int ret,
		      struct fuzz_call *call)
{
	const struct kvm_tdp_dma_rw *asked = arg, *now = after;
	size_t written = call->data.writable;

	if (now && ret != -E2BIG && ret != -EINVAL) {
		if (now->done > asked->length || (!ret && now->done != asked->length))
			wrong("read: %llu of %llu bytes, and %d", now->done,
			      asked->length, ret);
		else if (!ret && !window_calm(&call->data, now->done))
			wrong("read: written beyond its length");
	}
	window_clear(&call->data, written);
}

static void done_write(const void *arg, const void *after, int ret,
		       struct fuzz_call *call)
{
	const struct kvm_tdp_dma_rw *asked = arg, *now = after;

	if (now && ret != -E2BIG && ret != -EINVAL &&
	    (now->done > asked->length || (!ret && now->done != asked->length)))
		wrong("write: %llu of %llu bytes, and %d", now->done,
		      asked->length, ret);
}

static void make_copy(void *arg, struct fuzz_call *call)
{
	struct kvm_tdp_dma_copy *copy = arg;

	copy->flags = one_in(8);
	copy->src_gpa = odd_gpa(call->file) + (one_in(2) ? roll(PAGE_4K) : 0);
	copy->dst_gpa = one_in(4) ? copy->src_gpa + roll(64) : odd_gpa(call->file);
	copy->length = one_in(256) ? odd_length() : roll(4000);
}

static void answers_copy(const void *arg, const struct fuzz_call *call,
			 struct answers *right)
{
	const struct kvm_tdp_dma_copy *copy = arg;
	uint64_t length = copy->length;

	answers_dma(call, copy->src_gpa, length, copy->flags, false, right);
	if (length && copy->dst_gpa + (length - 1) < copy->dst_gpa)
		may(right, -EINVAL);
	if (length && call->file->vm) {
		may(right, -EFAULT);
		may(right, -EACCES);
		may(right, -EBUSY);
	}
}

static const int no_errors[] = { 0 };
static const int attach_errors[] = { EBUSY, EBADF, ESRCH, 0 };
static const int dma_errors[] = { ENOTCONN, ENXIO, EACCES, EBUSY, EPERM, 0 };

const struct fuzz_op dma_ops[] = {
	{ OP(ATTACH, KVM_TDP_DMA_ATTACH, DMA, kvm_tdp_dma_attach), .weight = 6,
	  .silent = true, .race = 0xf, .errors = attach_errors,
	  .make = make_attach, .answers = answers_attach, .done = done_attach },
	{ OP(DETACH, KVM_TDP_DMA_DETACH, DMA, kvm_tdp_dma_detach), .weight = 2,
	  .silent = true, .race = 3, .errors = dma_errors,
	  .make = make_nothing, .answers = answers_detach, .done = done_detach },
	{ OP(READ, KVM_TDP_DMA_READ, DMA, kvm_tdp_dma_rw), .weight = 10,
	  .pointer = offsetof(struct kvm_tdp_dma_rw, buf), .race = 0x3cf,
	  .errors = dma_errors, .make = make_rw, .answers = answers_read,
	  .writes = writes_done, .writes_failing = writes_done,
	  .done = done_read },
	{ OP(WRITE, KVM_TDP_DMA_WRITE, DMA, kvm_tdp_dma_rw), .weight = 10,
	  .pointer = offsetof(struct kvm_tdp_dma_rw, buf), .race = 0x3cf,
	  .errors = dma_errors, .make = make_rw, .answers = answers_write,
	  .writes = writes_done, .writes_failing = writes_done,
	  .done = done_write },
	{ OP(COPY, KVM_TDP_DMA_COPY, DMA, kvm_tdp_dma_copy), .weight = 6,
	  .race = 0x3ff, .errors = dma_errors, .make = make_copy,
	  .answers = answers_copy, .writes = writes_done,
	  .writes_failing = writes_done },
	{ OP(DMA_STATS, KVM_TDP_DMA_STATS, DMA, kvm_tdp_dma_stats), .weight = 4,
	  .race = 3, .errors = no_errors, .make = make_nothing,
	  .answers = answers_flags, .writes = writes_all_else },
	{ .name = NULL },
};
