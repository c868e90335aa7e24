// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ktdp.h"
#include "mem.h"
#include "tap.h"

int dma_open(void)
{
	return must(open("/dev/kvm_tdp_dma", O_RDWR | O_CLOEXEC));
}

int dma_attach(int dma, int tdp, pid_t pid)
{
	struct kvm_tdp_dma_attach attach = {
		.size = sizeof(attach), .tdp_fd = tdp, .pid = pid,
	};

	return sys(ioctl(dma, KVM_TDP_DMA_ATTACH, &attach));
}

int dma_open_on(int tdp)
{
	int dma = dma_open();
	int ret = dma_attach(dma, tdp, 0);

	if (ret)
		bail("engine cannot attach: %d", ret);
	return dma;
}

int dma_detach(int dma)
{
	struct kvm_tdp_dma_detach detach = { .size = sizeof(detach) };

	return sys(ioctl(dma, KVM_TDP_DMA_DETACH, &detach));
}

struct kvm_tdp_dma_stats dma_stats(int dma)
{
	struct kvm_tdp_dma_stats stats = { .size = sizeof(stats) };

	must(ioctl(dma, KVM_TDP_DMA_STATS, &stats));
	return stats;
}

/* Success has to mean that all was done. */
static int dma_rw(int dma, unsigned long op, uint64_t gpa, uintptr_t buf,
		  size_t size, unsigned int flags)
{
	struct kvm_tdp_dma_rw rw = {
		.size = sizeof(rw), .flags = flags, .gpa = gpa, .buf = buf,
		.length = size,
	};
	int ret = sys(ioctl(dma, op, &rw));

	return ret || rw.done == size ? ret : -ENODATA;
}

int dma_read(int dma, uint64_t gpa, void *buf, size_t size, unsigned int flags)
{
	return dma_rw(dma, KVM_TDP_DMA_READ, gpa, (uintptr_t)buf, size, flags);
}

int dma_write(int dma, uint64_t gpa, const void *buf, size_t size,
	      unsigned int flags)
{
	return dma_rw(dma, KVM_TDP_DMA_WRITE, gpa, (uintptr_t)buf, size, flags);
}

int dma_copy(int dma, uint64_t src, uint64_t dst, size_t size,
	     unsigned int flags)
{
	struct kvm_tdp_dma_copy copy = {
		.size = sizeof(copy), .flags = flags, .src_gpa = src,
		.dst_gpa = dst, .length = size,
	};
	int ret = sys(ioctl(dma, KVM_TDP_DMA_COPY, &copy));

	return ret || copy.done == size ? ret : -ENODATA;
}

static void *dma_buffer(size_t size)
{
	void *buf = malloc(size);

	if (!buf)
		bail("out of memory");
	return buf;
}

int dma_fill(int dma, uint64_t gpa, size_t size, uint64_t gen)
{
	void *buf = dma_buffer(size);
	int ret;

	mem_fill(buf, gpa, size, gen);
	ret = dma_write(dma, gpa, buf, size, 0);
	free(buf);
	return ret;
}

int dma_check(int dma, uint64_t gpa, size_t size, uint64_t gen)
{
	void *buf = dma_buffer(size);
	int ret;

	ret = dma_read(dma, gpa, buf, size, 0);
	if (!ret)
		ret = mem_check(buf, gpa, size, gen) ? 0 : 1;
	free(buf);
	return ret;
}

bool dma_reaches_none(int dma, uint64_t gpa, size_t size)
{
	uint64_t end = gpa + size, word;
	int ret;

	for (; gpa < end; gpa += PAGE_4K) {
		ret = dma_read(dma, gpa, &word, sizeof(word), KVM_TDP_DMA_NOFAULT);
		if (ret == -ENXIO)
			continue;
		diag("engine at gpa %#llx: %d, not ENXIO",
		     (unsigned long long)gpa, ret);
		return false;
	}
	return true;
}

void told_begin(struct told *told, int dma)
{
	told->dma = dma;
	told->before = dma_stats(dma);
}

/*
 * The counters name the last invalidation and the sum of all.  One that covers
 * the range by itself is what the table promises for a range that is one
 * notice of the host; where the host gives several, at least as much must have
 * been told in sum, and the last must lie in the range.
 */
bool told_covers(const struct told *told, uint64_t gpa, size_t size)
{
	struct kvm_tdp_dma_stats now = dma_stats(told->dma);
	uint64_t nr = now.invalidations - told->before.invalidations;
	uint64_t sum = now.invalidated_bytes - told->before.invalidated_bytes;
	bool whole, pieces;

	if (now.full_invalidations != told->before.full_invalidations)
		return true;
	whole = nr && now.last_start <= gpa &&
		now.last_start + now.last_length >= gpa + size;
	pieces = nr > 1 && sum >= size && now.last_start < gpa + size &&
		 now.last_start + now.last_length > gpa;
	if (!whole && !pieces)
		diag("told %llu times, %#llx bytes, last %#llx + %#llx, not %#llx + %#zx",
		     (unsigned long long)nr, (unsigned long long)sum,
		     now.last_start, now.last_length,
		     (unsigned long long)gpa, size);
	return whole || pieces;
}

bool told_of(const struct told *told, uint64_t gpa, size_t size)
{
	return told_covers(told, gpa, size) &&
	       dma_reaches_none(told->dma, gpa, size);
}

bool told_nothing(const struct told *told)
{
	struct kvm_tdp_dma_stats now = dma_stats(told->dma);

	if (now.invalidations == told->before.invalidations)
		return true;
	diag("told of %#llx + %#llx", now.last_start, now.last_length);
	return false;
}
