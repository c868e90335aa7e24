// SPDX-License-Identifier: GPL-2.0-only
/*
 * What all ioctls of the uapi headers have in common, as a caller sees it who
 * makes every mistake: a table of requests that succeed, each of which is then
 * spoilt in one way. It is run by 64-bit and by 32-bit system calls.
 */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "uapi.h"

#define BEYOND		64	/* bytes after a struct that are looked at */
#define IOC_TYPE	KVM_TDP_IOC_TYPE

static struct uapi u;

static int call_64(int fd, unsigned long nr, void *arg)
{
	return sys(ioctl(fd, nr, arg));
}

static int (*call)(int fd, unsigned long nr, void *arg) = call_64;

/* Requests that succeed. Members that are only written are left alone. */

static void prepare_create(void *arg)
{
	struct kvm_create_tdp_fd *create = arg;

	create->size = sizeof(*create);
	create->vm_fd = u.vm.fd;
	create->as_id = 0;
	create->mode = 0;
	create->flags = 0;
	memset(create->pad, 0, sizeof(create->pad));
}

static void finish_create(void *arg)
{
	struct kvm_create_tdp_fd *create = arg;

	must(close(create->fd));
}

static void prepare_info(void *arg)
{
	struct kvm_tdp_info *info = arg;

	info->size = sizeof(*info);
	info->flags = 0;
}

static void prepare_prefault(void *arg)
{
	*(struct kvm_tdp_prefault *)arg = (struct kvm_tdp_prefault){
		.size = sizeof(struct kvm_tdp_prefault),
		.gpa = RAM_GPA, .length = RAM_SIZE, .access = ACC_R,
	};
}

static void prepare_map(void *arg)
{
	*(struct kvm_tdp_map *)arg = (struct kvm_tdp_map){
		.size = sizeof(struct kvm_tdp_map),
		.gpa = RAM_GPA, .length = RAM_SIZE,
		.runs = (uintptr_t)u.data, .nr_runs = RAM_PAGES,
	};
}

static void prepare_stats(void *arg)
{
	struct kvm_tdp_stats *stats = arg;

	stats->size = sizeof(*stats);
	stats->flags = 0;
}

static void prepare_verify(void *arg)
{
	*(struct kvm_tdp_verify *)arg = (struct kvm_tdp_verify){
		.size = sizeof(struct kvm_tdp_verify),
		.gpa = RAM_GPA, .length = RAM_SIZE,
	};
}

static void prepare_slots(void *arg)
{
	*(struct kvm_tdp_slots *)arg = (struct kvm_tdp_slots){
		.size = sizeof(struct kvm_tdp_slots),
		.slots = (uintptr_t)u.data, .nr_slots = 8,
	};
}

static void prepare_importers(void *arg)
{
	*(struct kvm_tdp_importers *)arg = (struct kvm_tdp_importers){
		.size = sizeof(struct kvm_tdp_importers),
		.importers = (uintptr_t)u.data, .nr_importers = 8,
	};
}

static void prepare_attach(void *arg)
{
	*(struct kvm_tdp_dma_attach *)arg = (struct kvm_tdp_dma_attach){
		.size = sizeof(struct kvm_tdp_dma_attach), .tdp_fd = u.tdp,
	};
	kvm_tdp_dma_detach(u.dma);
}

static void prepare_detach(void *arg)
{
	*(struct kvm_tdp_dma_detach *)arg = (struct kvm_tdp_dma_detach){
		.size = sizeof(struct kvm_tdp_dma_detach),
	};
	kvm_tdp_dma_attach(u.dma, u.tdp);
}

static void prepare_rw(void *arg)
{
	struct kvm_tdp_dma_rw *rw = arg;

	rw->size = sizeof(*rw);
	rw->flags = 0;
	rw->gpa = RAM_GPA;
	rw->buf = (uintptr_t)u.data;
	rw->length = 1000;
	kvm_tdp_dma_attach(u.dma, u.tdp);
}

static void prepare_copy(void *arg)
{
	struct kvm_tdp_dma_copy *copy = arg;

	copy->size = sizeof(*copy);
	copy->flags = 0;
	copy->src_gpa = RAM_GPA;
	copy->dst_gpa = RAM_GPA + PAGE_4K;
	copy->length = 1000;
	kvm_tdp_dma_attach(u.dma, u.tdp);
}

static void prepare_dma_stats(void *arg)
{
	struct kvm_tdp_dma_stats *stats = arg;

	stats->size = sizeof(*stats);
	stats->flags = 0;
	kvm_tdp_dma_attach(u.dma, u.tdp);
}

#define FIELD(type, member) \
	{ offsetof(struct type, member), sizeof(((struct type *)0)->member) }
#define OP(nr, on, type) \
	.name = #nr, .fd = &(on), .ioctl = nr, .size = sizeof(struct type), \
	.flags = offsetof(struct type, flags)

static const struct op {
	const char *name;
	int *fd;
	unsigned long ioctl;
	size_t size;
	size_t first;			/* size when it was new; 0: it has not grown */
	size_t flags;			/* offset */
	uint32_t known_flags;
	struct { size_t offset, length; } zero[2];	/* must be zero */
	void (*prepare)(void *arg);
	void (*finish)(void *arg);
	bool silent;			/* nothing is written back */
} ops[] = {
	{ OP(KVM_CREATE_TDP_FD, u.dev, kvm_create_tdp_fd),
	  .zero = { FIELD(kvm_create_tdp_fd, mode), FIELD(kvm_create_tdp_fd, pad) },
	  .prepare = prepare_create, .finish = finish_create },
	{ OP(KVM_TDP_GET_INFO, u.tdp, kvm_tdp_info),
	  .first = offsetof(struct kvm_tdp_info, eager), .prepare = prepare_info },
	{ OP(KVM_TDP_PREFAULT, u.tdp, kvm_tdp_prefault),
	  .zero = { FIELD(kvm_tdp_prefault, pad) }, .prepare = prepare_prefault },
	{ OP(KVM_TDP_READ_MAP, u.tdp, kvm_tdp_map),
	  .zero = { FIELD(kvm_tdp_map, pad) }, .prepare = prepare_map },
	{ OP(KVM_TDP_GET_STATS, u.tdp, kvm_tdp_stats),
	  .first = offsetof(struct kvm_tdp_stats, seeded),
	  .prepare = prepare_stats },
	{ OP(KVM_TDP_VERIFY, u.tdp, kvm_tdp_verify), .prepare = prepare_verify },
	{ OP(KVM_TDP_READ_SLOTS, u.tdp, kvm_tdp_slots),
	  .zero = { FIELD(kvm_tdp_slots, pad) }, .prepare = prepare_slots },
	{ OP(KVM_TDP_READ_IMPORTERS, u.tdp, kvm_tdp_importers),
	  .zero = { FIELD(kvm_tdp_importers, pad) }, .prepare = prepare_importers },
	{ OP(KVM_TDP_DMA_ATTACH, u.dma, kvm_tdp_dma_attach),
	  .prepare = prepare_attach, .silent = true },
	{ OP(KVM_TDP_DMA_DETACH, u.dma, kvm_tdp_dma_detach),
	  .prepare = prepare_detach, .silent = true },
	{ OP(KVM_TDP_DMA_READ, u.dma, kvm_tdp_dma_rw),
	  .known_flags = KVM_TDP_DMA_NOFAULT, .prepare = prepare_rw },
	{ OP(KVM_TDP_DMA_WRITE, u.dma, kvm_tdp_dma_rw),
	  .known_flags = KVM_TDP_DMA_NOFAULT, .prepare = prepare_rw },
	{ OP(KVM_TDP_DMA_COPY, u.dma, kvm_tdp_dma_copy),
	  .known_flags = KVM_TDP_DMA_NOFAULT, .prepare = prepare_copy },
	{ OP(KVM_TDP_DMA_STATS, u.dma, kvm_tdp_dma_stats),
	  .prepare = prepare_dma_stats },
};

#define NR_OPS	(sizeof(ops) / sizeof(ops[0]))

/* Issue what stands at @arg, prepared before. */
static int issue(const struct op *op, void *arg)
{
	int ret = call(*op->fd, op->ioctl, arg);

	if (!ret && op->finish)
		op->finish(arg);
	return ret;
}

static void set_size(void *arg, uint32_t size)
{
	memcpy(arg, &size, sizeof(size));
}

/* A request for @op at @arg, all else in the page filled with @pattern. */
static void prepare(const struct op *op, void *arg, int pattern)
{
	memset(u.low, pattern, PAGE_4K);
	op->prepare(arg);
}

static void test_bad_pointer(const struct op *op)
{
	int before = uapi_free_fd(), ret;

	is(call(*op->fd, op->ioctl, NULL), -EFAULT, "%s: NULL", op->name);
	is(call(*op->fd, op->ioctl, u.forbidden), -EFAULT, "%s: PROT_NONE",
	   op->name);
	prepare(op, u.low, 0);
	memmove(u.forbidden - op->size + 4, u.low, op->size - 4);
	is(call(*op->fd, op->ioctl, u.forbidden - op->size + 4), -EFAULT,
	   "%s: the last 4 bytes are PROT_NONE", op->name);

	prepare(op, u.low, 0);
	must(mprotect(u.low, PAGE_4K, PROT_READ));
	ret = call(*op->fd, op->ioctl, u.low);
	must(mprotect(u.low, PAGE_4K, PROT_READ | PROT_WRITE));
	is(ret, op->silent ? 0 : -EFAULT, "%s: read-only struct", op->name);
	is(uapi_free_fd(), before, "%s: no fd is left behind", op->name);
}

static void test_size(const struct op *op)
{
	static const uint32_t small[] = { 0, 1, 4, 7 };
	uint8_t *arg = u.low + 128, copy[512];
	size_t i, first = op->first ?: op->size;
	bool refused = true, untouched = true;
	int ret;

	for (i = 0; i <= 4; i++) {
		prepare(op, arg, 0xa5);
		set_size(arg, i < 4 ? small[i] : first - 1);
		memcpy(copy, u.low, sizeof(copy));
		refused &= issue(op, arg) == -EINVAL;
		untouched &= !memcmp(copy, u.low, sizeof(copy));
	}
	ok(refused, "%s: size too small", op->name);
	ok(untouched, "%s: size too small, nothing written", op->name);

	prepare(op, arg, 0xa5);
	set_size(arg, first);
	is(issue(op, arg), 0, "%s: as small as it was at first", op->name);
	ok(uapi_all_are(arg + first, 0xa5, op->size - first),
	   "%s: not more is written then", op->name);

	prepare(op, arg, 0xa5);
	set_size(arg, op->size + BEYOND);
	memset(arg + op->size, 0, BEYOND);
	is(issue(op, arg), 0, "%s: larger, tail zero", op->name);
	ok(uapi_all_are(arg + op->size, 0, BEYOND), "%s: tail stays zero", op->name);

	prepare(op, arg, 0xa5);
	set_size(arg, op->size + BEYOND);
	memset(arg + op->size, 0, BEYOND - 1);
	is(issue(op, arg), -E2BIG, "%s: larger, last byte not zero", op->name);
	prepare(op, arg, 0);
	set_size(arg, op->size + 1);
	arg[op->size] = 1;
	is(issue(op, arg), -E2BIG, "%s: larger by one byte that is not zero",
	   op->name);

	prepare(op, arg, 0);
	set_size(arg, UINT32_MAX);
	ret = issue(op, arg);
	ok(ret == -EFAULT || ret == -E2BIG, "%s: size 0xffffffff is refused",
	   op->name);
}

static void test_reserved(const struct op *op)
{
	bool refused = true;
	size_t i, j;
	uint32_t flag;

	for (flag = 1; flag; flag <<= 1) {
		if (flag & op->known_flags)
			continue;
		prepare(op, u.low, 0);
		memcpy(u.low + op->flags, &flag, sizeof(flag));
		refused &= issue(op, u.low) == -EINVAL;
	}
	ok(refused, "%s: each unknown flag is refused", op->name);

	if (!op->zero[0].length)
		return;
	refused = true;
	for (i = 0; i < 2; i++) {
		for (j = 0; j < op->zero[i].length; j++) {
			prepare(op, u.low, 0);
			u.low[op->zero[i].offset + j] = 0x80;
			refused &= issue(op, u.low) == -EINVAL;
		}
	}
	ok(refused, "%s: each reserved byte is refused", op->name);
}

/* Neither bytes of the kernel nor of an earlier call come back. */
static void test_output(const struct op *op)
{
	uint8_t *arg = u.low + 128, first[256];
	int ret[2], stale = 0;
	bool around = true;
	size_t i;

	prepare(op, arg, 0xa5);
	ret[0] = issue(op, arg);
	memcpy(first, arg, op->size);
	around &= uapi_all_are(u.low, 0xa5, 128) &&
		  uapi_all_are(arg + op->size, 0xa5, BEYOND);
	prepare(op, arg, 0x5a);
	ret[1] = issue(op, arg);
	around &= uapi_all_are(u.low, 0x5a, 128) &&
		  uapi_all_are(arg + op->size, 0x5a, BEYOND);

	ok(!ret[0] && !ret[1], "%s: succeeds", op->name);
	for (i = 0; i < op->size; i++)
		stale += first[i] == 0xa5 && arg[i] == 0x5a;
	is(stale, 0, "%s: every byte is written", op->name);
	ok(around, "%s: no byte beyond is written", op->name);

	arg = u.forbidden - op->size;
	prepare(op, arg, 0);
	is(issue(op, arg), 0, "%s: struct at the end of its page", op->name);
}

static bool is_known(int fd, unsigned int nr)
{
	size_t i;

	for (i = 0; i < NR_OPS; i++) {
		if (*ops[i].fd == fd && _IOC_NR(ops[i].ioctl) == nr)
			return true;
	}
	return false;
}

static void test_unknown(int fd, const char *name)
{
	bool refused = true;
	unsigned int nr;
	size_t i;

	for (nr = 0; nr < 256; nr++) {
		if (!is_known(fd, nr))
			refused &= call(fd, _IO(IOC_TYPE, nr), NULL) == -ENOTTY;
	}
	ok(refused, "%s: each unknown number of our type is ENOTTY", name);

	refused = true;
	for (i = 0; i < NR_OPS; i++) {
		nr = _IOC_NR(ops[i].ioctl);
		refused &= call(fd, _IO('x', nr), NULL) == -ENOTTY;
		refused &= call(fd, _IOC(_IOC_READ | _IOC_WRITE, IOC_TYPE, nr,
					 ops[i].size), NULL) == -ENOTTY;
	}
	ok(refused, "%s: other types, directions and sizes are ENOTTY", name);
}

static void test_all(void)
{
	size_t i;

	uapi_open(&u);
	is(ktdp_prefault(u.tdp, RAM_GPA, RAM_SIZE, ACC_W), 0, "prefault");
	for (i = 0; i < NR_OPS; i++) {
		test_bad_pointer(&ops[i]);
		test_size(&ops[i]);
		test_reserved(&ops[i]);
		test_output(&ops[i]);
	}
	test_unknown(u.dev, "/dev/kvm_tdp");
	test_unknown(u.tdp, "TDP fd");
	test_unknown(u.dma, "/dev/kvm_tdp_dma");
	uapi_close(&u);
}

static void test_64(void)
{
	call = call_64;
	test_all();
}

static void test_32(void)
{
	call = uapi_ioctl_32;
	test_all();
}

static const struct tap_case cases[] = {
	{ "64-bit", test_64 },
	{ "32-bit", test_32 },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
