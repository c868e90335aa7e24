// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reference importer, kvm_tdp_dma, as user space sees it: its ioctl
 * contract and the data it moves.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine.h"
#include "sys.h"

/* Struct sizes and reserved members, the same for all ioctls. */
static void check_struct(const char *what, unsigned long op, size_t size)
{
	_Alignas(8) unsigned char arg[512] = { 0 };
	uint32_t *words = (uint32_t *)arg;

	words[0] = size - 1;
	is(sys(ioctl(eb.dma, op, arg)), -EINVAL, "%s: too small", what);
	words[0] = 0;
	is(sys(ioctl(eb.dma, op, arg)), -EINVAL, "%s: no size", what);
	words[0] = size + 8;
	arg[size + 3] = 1;
	is(sys(ioctl(eb.dma, op, arg)), -E2BIG, "%s: unknown tail", what);
	arg[size + 3] = 0;
	words[1] = 1U << 31;
	is(sys(ioctl(eb.dma, op, arg)), -EINVAL, "%s: unknown flag", what);
	is(sys(ioctl(eb.dma, op, NULL)), -EFAULT, "%s: no struct", what);
	is(sys(ioctl(eb.dma, op, (void *)~0xfffUL)), -EFAULT, "%s: a bad one", what);
}

static void test_structs(void)
{
	_Alignas(8) unsigned char arg[sizeof(struct kvm_tdp_dma_stats) + 8];
	struct kvm_tdp_dma_stats *stats = (void *)arg;

	setup();
	check_struct("attach", KVM_TDP_DMA_ATTACH, sizeof(struct kvm_tdp_dma_attach));
	check_struct("detach", KVM_TDP_DMA_DETACH, sizeof(struct kvm_tdp_dma_detach));
	check_struct("read", KVM_TDP_DMA_READ, sizeof(struct kvm_tdp_dma_rw));
	check_struct("write", KVM_TDP_DMA_WRITE, sizeof(struct kvm_tdp_dma_rw));
	check_struct("copy", KVM_TDP_DMA_COPY, sizeof(struct kvm_tdp_dma_copy));
	check_struct("stats", KVM_TDP_DMA_STATS, sizeof(struct kvm_tdp_dma_stats));
	is(sys(ioctl(eb.dma, _IO(KVM_TDP_DMA_IOC_TYPE, 0xfe), arg)), -ENOTTY,
	   "unknown number");

	memset(arg, 0, sizeof(arg));
	stats->size = sizeof(arg);
	is(sys(ioctl(eb.dma, KVM_TDP_DMA_STATS, stats)), 0, "larger, zero tail");
	is(stats->size, sizeof(arg), "size is left alone");

	memset(arg, 0xaa, sizeof(arg));
	stats->size = sizeof(*stats);
	stats->flags = 0;
	is(sys(ioctl(eb.dma, KVM_TDP_DMA_STATS, stats)), 0, "the right size");
	ok(arg[sizeof(*stats)] == 0xaa && arg[sizeof(arg) - 1] == 0xaa,
	   "nothing is written beyond it");
	is(stats->faults | stats->bytes_read | stats->last_length, 0,
	   "all of it is written");
	teardown();
}

static void test_open(void)
{
	int fd;

	sys_cap(CAP_SYS_ADMIN, false);
	fd = sys(open("/dev/kvm_tdp_dma", O_RDWR));
	sys_cap(CAP_SYS_ADMIN, true);
	is(fd, -EPERM, "open without CAP_SYS_ADMIN");
}

static void test_attach(void)
{
	unsigned char byte;
	int fds[2];

	setup();
	is(kvm_tdp_dma_attach(eb.dma, eb.tdp), -EBUSY, "attach twice");
	is(kvm_tdp_dma_attach(eb.dma, -1), -EBUSY, "attached, and a bad fd");
	is(ktdp_stats(eb.tdp).importers, 1, "one importer");
	is(kvm_tdp_dma_detach(eb.dma), 0, "detach");
	is(ktdp_stats(eb.tdp).importers, 0, "no importer");
	is(kvm_tdp_dma_detach(eb.dma), -ENOTCONN, "detach twice");
	check(engine_read(GPA, &byte, 1, 0), -ENOTCONN, 0,
	      "read, not attached");
	check(engine_write(GPA, &byte, 1, 0), -ENOTCONN, 0,
	      "write, not attached");
	check(engine_copy(GPA, GPA, 1, 0), -ENOTCONN, 0, "copy, not attached");

	must(pipe(fds));
	is(kvm_tdp_dma_attach(eb.dma, fds[0]), -EINVAL, "attach to a pipe");
	close(fds[0]);
	close(fds[1]);
	is(kvm_tdp_dma_attach(eb.dma, fds[0]), -EBADF, "attach to a closed fd");
	is(ktdp_stats(eb.tdp).importers, 0, "nothing is left of those");
	is(kvm_tdp_dma_attach(eb.dma, eb.tdp), 0, "attach again");
	check(engine_read(GPA, &byte, 1, 0), 0, 1, "read");
	teardown();
}

static bool read_is_right(size_t offset, size_t length)
{
	unsigned char buf[4 * PAGE_4K + 2];

	memset(buf, 0xee, sizeof(buf));
	return !dma_read(eb.dma, GPA + offset, buf + 1, length, 0) &&
	       holds(buf + 1, offset, length, 0) &&
	       buf[0] == 0xee && buf[length + 1] == 0xee;
}

static bool write_is_right(size_t offset, size_t length)
{
	unsigned char *hva = eb.mem.hva, buf[4 * PAGE_4K];
	bool good;

	fill(buf, offset, length, 1);
	good = !dma_write(eb.dma, GPA + offset, buf, length, 0) &&
	       holds(hva, 0, offset, 0) &&
	       holds(hva + offset, offset, length, 1) &&
	       holds(hva + offset + length, offset + length,
		     SIZE - offset - length, 0);
	fill(eb.mem.hva, 0, SIZE, 0);
	return good;
}

static bool copy_is_right(size_t offset, size_t length)
{
	size_t src = 8 * PAGE_4K + 4093;
	unsigned char *hva = eb.mem.hva;
	bool good;

	good = !dma_copy(eb.dma, GPA + src, GPA + offset, length, 0) &&
	       holds(hva, 0, offset, 0) &&
	       holds(hva + offset, src, length, 0) &&
	       holds(hva + offset + length, offset + length,
		     SIZE - offset - length, 0);
	fill(eb.mem.hva, 0, SIZE, 0);
	return good;
}

static void test_data(void)
{
	setup();
	check_all("read", read_is_right);
	check_all("write", write_is_right);
	check_all("copy", copy_is_right);
	teardown();
}

/* What a byte by byte copy in ascending order leaves behind. */
static void copy_bytes(unsigned char *buf, size_t src, size_t dst, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		((volatile unsigned char *)buf)[dst + i] = buf[src + i];
}

static void test_overlap(void)
{
	static const struct {
		size_t src, dst, length;
	} cases[] = {
		{ 0, 1, 100 }, { 4090, 4093, 9000 }, { 100, 0, 9000 },
		{ 0, 4096, 12288 }, { 1, 4098, 12288 }, { 77, 77, 5000 },
	};
	static unsigned char want[SIZE];
	size_t i;

	for (i = 0; i < NR(cases); i++) {
		setup();
		memcpy(want, eb.mem.hva, SIZE);
		copy_bytes(want, cases[i].src, cases[i].dst, cases[i].length);
		check(engine_copy(GPA + cases[i].src, GPA + cases[i].dst,
				  cases[i].length, 0),
		      0, cases[i].length, "overlap");
		ok(!memcmp(want, eb.mem.hva, SIZE),
		   "copy of %zu from %zu to %zu: ascending order",
		   cases[i].length, cases[i].src, cases[i].dst);
		teardown();
	}
}

static void test_edges(void)
{
	static unsigned char buf[2 * SIZE];
	const uint64_t top = -PAGE_4K;

	setup();
	check(engine_read(HOLE - 100, buf, 200, 0), -EFAULT, 100,
	      "read into a hole");
	ok(holds(buf, SIZE - 100, 100, 0), "the part before it");
	check(engine_write(HOLE - 100, buf, 200, 0), -EFAULT, 100,
	      "write into a hole");
	check(engine_read(HOLE + 5, buf, 5, 0), -EFAULT, 0, "a hole");
	check(engine_copy(GPA, HOLE - 100, 200, 0), -EFAULT, 100, "copy into a hole");
	check(engine_copy(HOLE - 100, GPA, 200, 0), -EFAULT, 100, "copy out of one");
	check(engine_read(GPA - 1, buf, 1, 0), -EFAULT, 0,
	      "before the slot");
	check(engine_read(UPPER + SIZE - 3, buf, 4, 0), -EFAULT, 3,
	      "behind the last slot");
	must(sys(vm_slot(&eb.vm, 3, HOLE, PAGE_4K, eb.mem.hva, 0)));
	check(engine_read(HOLE - 8, buf, PAGE_4K + 16, 0), 0,
	      PAGE_4K + 16, "over three slots");

	check(engine_read(top, buf, PAGE_4K, 0), -EFAULT, 0,
	      "the last page of all");
	check(engine_read(top, buf, PAGE_4K + 1, 0), -EINVAL, 0,
	      "a range that wraps");
	check(engine_copy(GPA, top, PAGE_4K + 1, 0), -EINVAL, 0, "a copy that wraps");
	check(engine_copy(top, GPA, PAGE_4K + 1, 0), -EINVAL, 0, "from there as well");
	check(engine_read(1ULL << 48, buf, 1, 0), -EFAULT, 0,
	      "beyond the table");
	check(engine_read((1ULL << 48) + GPA, buf, 1, NOFAULT), -ENXIO,
	      0, "beyond the table, low bits of a page that is mapped");
	check(engine_read(HOLE, buf, 0, 0), 0, 0, "nothing");
	check(engine_read(~0ULL, NULL, 0, 0), 0, 0, "nothing at ~0");
	teardown();
}

static void test_user_buffer(void)
{
	unsigned char *buf = cut_buffer(), *hva;

	setup();
	hva = eb.mem.hva;
	check(engine_read(GPA + 6, buf, 2 * PAGE_4K, 0), -EFAULT,
	      PAGE_4K, "read into a buffer that ends");
	ok(holds(buf, 6, PAGE_4K, 0), "what was done is there");
	fill(buf, 0, PAGE_4K, 5);
	check(engine_write(GPA + 6, buf, 2 * PAGE_4K, 0), -EFAULT,
	      PAGE_4K, "write from a buffer that ends");
	ok(holds(hva + 6, 0, PAGE_4K, 5) &&
	   holds(hva + 6 + PAGE_4K, 6 + PAGE_4K, PAGE_4K, 0),
	   "what was done is there, and no more");
	check(engine_read(GPA, NULL, 1, 0), -EFAULT, 0, "no buffer");
	check(engine_write(GPA, (void *)(1UL << 63), 1, 0), -EFAULT, 0,
	      "a kernel address");
	check(engine_read(GPA, hva + PAGE_4K, PAGE_4K, 0), 0, PAGE_4K,
	      "into guest memory itself");
	teardown();
	munmap(buf, PAGE_4K);
}

static void test_nofault(void)
{
	static unsigned char buf[SIZE];

	setup();
	check(engine_read(GPA, buf, SIZE, NOFAULT), -ENXIO, 0,
	      "not mapped");
	is(dma_stats(eb.dma).faults, 0, "fault was not called");
	/* None of those behind it is there to come along. */
	must(madvise(eb.mem.hva + PAGE_4K, SIZE - PAGE_4K, MADV_DONTNEED));
	is(ktdp_prefault(eb.tdp, GPA, PAGE_4K, ACC_R), 0, "map one page");
	check(engine_read(GPA + 1, buf, SIZE - 1, NOFAULT), -ENXIO,
	      PAGE_4K - 1, "up to its end");
	ok(holds(buf, 1, PAGE_4K - 1, 0), "its data");
	check(engine_copy(GPA, GPA + PAGE_4K, 1, NOFAULT), -ENXIO, 0,
	      "copy to what is not mapped");
	is(dma_stats(eb.dma).faults, 0, "fault was not called");
	teardown();
}

static const struct tap_case cases[] = {
	{ "structs", test_structs },
	{ "open", test_open },
	{ "attach", test_attach },
	{ "data", test_data },
	{ "overlap", test_overlap },
	{ "edges", test_edges },
	{ "user_buffer", test_user_buffer },
	{ "nofault", test_nofault },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
