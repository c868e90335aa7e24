// SPDX-License-Identifier: GPL-2.0-only
#include "ktdp.h"
#include "mem.h"
#include "tap.h"

int dma_open(void)
{
	int dma = kvm_tdp_dma_open();

	if (dma < 0)
		bail("no engine: %d", dma);
	return dma;
}

int dma_open_on(int tdp)
{
	int dma = dma_open();
	int ret = kvm_tdp_dma_attach(dma, tdp);

	if (ret)
		bail("engine cannot attach: %d", ret);
	return dma;
}

struct kvm_tdp_dma_stats dma_stats(int dma)
{
	struct kvm_tdp_dma_stats stats;
	int ret = kvm_tdp_dma_get_stats(dma, &stats);

	if (ret)
		bail("no counters of an engine: %d", ret);
	return stats;
}

int dma_read(int dma, uint64_t gpa, void *buf, size_t size, unsigned int flags)
{
	size_t done;
	int ret = kvm_tdp_dma_read(dma, gpa, buf, size, flags, &done);

	return ret || done == size ? ret : -ENODATA;
}

int dma_write(int dma, uint64_t gpa, const void *buf, size_t size,
	      unsigned int flags)
{
	size_t done;
	int ret = kvm_tdp_dma_write(dma, gpa, buf, size, flags, &done);

	return ret || done == size ? ret : -ENODATA;
}

int dma_copy(int dma, uint64_t src, uint64_t dst, size_t size,
	     unsigned int flags)
{
	size_t done;
	int ret = kvm_tdp_dma_copy(dma, src, dst, size, flags, &done);

	return ret || done == size ? ret : -ENODATA;
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

bool dma_all(int dma, uint64_t gpa, size_t size, int byte)
{
	unsigned char *buf = malloc(size);
	size_t i;
	int ret;

	ret = dma_read(dma, gpa, buf, size, 0);
	for (i = 0; !ret && i < size && buf[i] == byte; i++)
		;
	free(buf);
	if (ret || i < size)
		diag("engine reads: %d, byte %zu of %zu is not %#x", ret, i, size, byte);
	return !ret && i == size;
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
