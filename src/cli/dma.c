// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int open_dma(void)
{
	int fd = open("/dev/kvm_tdp_dma", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
		die("/dev/kvm_tdp_dma: no such device; load the module: modprobe kvm_tdp_dma");
	if (errno == EACCES || errno == EPERM)
		die("/dev/kvm_tdp_dma: no permission; run as root");
	die("/dev/kvm_tdp_dma: %s", strerror(errno));
}

void dma_open(struct dma *dma, const struct vm_opts *opts)
{
	struct kvm_tdp_dma_attach attach = {
		.size = sizeof(attach),
		.pid = opts->pid,
	};

	dma->tdp_fd = vm_create_tdp_fd(opts);
	dma->fd = open_dma();
	attach.tdp_fd = dma->tdp_fd;
	if (ioctl(dma->fd, KVM_TDP_DMA_ATTACH, &attach))
		die("attaching a DMA engine to process %d: %s", opts->pid,
		    strerror(errno));
}

void dma_close(struct dma *dma)
{
	close(dma->fd);
	close(dma->tdp_fd);
}

static int dma_rw(struct dma *dma, unsigned long op, uint64_t gpa,
		  const void *buf, size_t length, size_t *done)
{
	struct kvm_tdp_dma_rw rw = {
		.size = sizeof(rw),
		.gpa = gpa,
		.buf = (uintptr_t)buf,
		.length = length,
	};
	int err = ioctl(dma->fd, op, &rw) ? -errno : 0;

	*done = rw.done;
	return err;
}

int dma_read(struct dma *dma, uint64_t gpa, void *buf, size_t length,
	     size_t *done)
{
	return dma_rw(dma, KVM_TDP_DMA_READ, gpa, buf, length, done);
}

int dma_write(struct dma *dma, uint64_t gpa, const void *buf, size_t length,
	      size_t *done)
{
	return dma_rw(dma, KVM_TDP_DMA_WRITE, gpa, buf, length, done);
}

void dma_get_stats(struct dma *dma, struct kvm_tdp_dma_stats *stats)
{
	*stats = (struct kvm_tdp_dma_stats){ .size = sizeof(*stats) };
	if (ioctl(dma->fd, KVM_TDP_DMA_STATS, stats))
		die("reading the engine's counters: %s", strerror(errno));
}
