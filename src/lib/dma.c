// SPDX-License-Identifier: GPL-2.0-only
#include "libkvm_tdp.h"

#include "sys.h"

int kvm_tdp_dma_open(void)
{
	return sys_open("/dev/kvm_tdp_dma");
}

int kvm_tdp_dma_attach(int dma, int tdp)
{
	struct kvm_tdp_dma_attach attach = {
		.size = sizeof(attach),
		.tdp_fd = tdp,
	};

	return sys_ioctl(dma, KVM_TDP_DMA_ATTACH, &attach);
}

int kvm_tdp_dma_detach(int dma)
{
	struct kvm_tdp_dma_detach detach = { .size = sizeof(detach) };

	return sys_ioctl(dma, KVM_TDP_DMA_DETACH, &detach);
}

static int transfer(int dma, unsigned long request, uint64_t gpa, uintptr_t buf,
		    size_t length, unsigned int flags, size_t *done)
{
	struct kvm_tdp_dma_rw rw = {
		.size = sizeof(rw),
		.flags = flags,
		.gpa = gpa,
		.buf = buf,
		.length = length,
	};
	int ret = sys_ioctl(dma, request, &rw);

	if (done)
		*done = rw.done;
	return ret;
}

int kvm_tdp_dma_read(int dma, uint64_t gpa, void *buf, size_t length, unsigned int flags,
		     size_t *done)
{
	return transfer(dma, KVM_TDP_DMA_READ, gpa, (uintptr_t)buf, length, flags, done);
}

int kvm_tdp_dma_write(int dma, uint64_t gpa, const void *buf, size_t length,
		      unsigned int flags, size_t *done)
{
	return transfer(dma, KVM_TDP_DMA_WRITE, gpa, (uintptr_t)buf, length, flags, done);
}

int kvm_tdp_dma_copy(int dma, uint64_t from, uint64_t to, size_t length,
		     unsigned int flags, size_t *done)
{
	struct kvm_tdp_dma_copy copy = {
		.size = sizeof(copy),
		.flags = flags,
		.src_gpa = from,
		.dst_gpa = to,
		.length = length,
	};
	int ret = sys_ioctl(dma, KVM_TDP_DMA_COPY, &copy);

	if (done)
		*done = copy.done;
	return ret;
}

int kvm_tdp_dma_get_stats(int dma, struct kvm_tdp_dma_stats *stats)
{
	*stats = (struct kvm_tdp_dma_stats){ .size = sizeof(*stats) };
	return sys_ioctl(dma, KVM_TDP_DMA_STATS, stats);
}
