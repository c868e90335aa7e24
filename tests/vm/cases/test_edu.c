// SPDX-License-Identifier: GPL-2.0-only
/*
 * The example driver in the kernel, examples/edu: a device copies from guest memory to
 * guest memory by guest physical address, while the host takes that memory away.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../../examples/edu/edu.h"
#include "bed.h"
#include "edu.h"
#include "kmod.h"
#include "sys.h"

#define SIZE		(64 * PAGE_4K)
#define ROUNDS		20
/* How often the host gets its turn while the device is at it is not in our hands. */
#define MANY_ROUNDS	500
#define HOST_PAUSE	350000	/* us; a transfer takes 100 ms */
#define UNBIND		"/sys/bus/pci/drivers/kvm_tdp_edu/unbind"
#define BIND		"/sys/bus/pci/drivers/kvm_tdp_edu/bind"

static struct bed bed;
static struct mem mem;
static int edu, kmod;
static bool stop;

static int attach(int tdp)
{
	return sys(ioctl(edu, EDU_ATTACH, &tdp));
}

static int copy(uint64_t source, uint64_t target, uint32_t length, uint32_t *again)
{
	struct edu_copy arg = { .source = source, .target = target, .length = length };
	int ret = sys(ioctl(edu, EDU_COPY, &arg));

	*again += arg.again;
	return ret;
}

static void begin(void)
{
	edu = must(open("/dev/kvm_tdp_edu", O_RDWR | O_CLOEXEC));
	bed_open(&bed);
	mem_small(&mem, SIZE);
	vm_map(&bed.vm, 1, GPA, &mem);
	is(attach(bed.tdp), 0, "attach");
}

static void end(void)
{
	close(edu);
	bed_close(&bed);
	mem_free(&mem);
}

static void test_copy(void)
{
	uint32_t again = 0;
	uint8_t *hva;

	begin();
	hva = mem.hva;
	is(attach(bed.tdp), -EBUSY, "once only");
	is(guest_fill(&bed.vm, GPA, PAGE_4K, GEN(1)), 0, "the guest writes a page");
	is(copy(GPA, GPA + 8 * PAGE_4K, EDU_MAX, &again), 0, "the device copies it");
	ok(!memcmp(hva, hva + 8 * PAGE_4K, EDU_MAX), "the guest has it there");
	is(again, 0, "nothing was done again");
	is(copy(GPA, GPA + SIZE, 8, &again), -EFAULT, "where there is no slot");
	is(copy(GPA, GPA, EDU_MAX + 1, &again), -EINVAL, "too much");
	is(sys(ioctl(edu, EDU_DETACH)), 0, "detach");
	is(sys(ioctl(edu, EDU_DETACH)), -ENOTCONN, "once only");
	is(kmod_iova(kmod, edu_name(), GPA), 0, "nothing is translated");
	is(copy(GPA, GPA, 8, &again), -ENOTCONN, "and nothing copied");
	end();
}

/* The source is written by us alone; its pages come and go. */
static void *host(void *unused)
{
	unsigned int i;

	for (i = 0; !__atomic_load_n(&stop, __ATOMIC_ACQUIRE); i++) {
		madvise(mem.hva, SIZE / 2, MADV_PAGEOUT);
		madvise(mem.hva + SIZE / 2, SIZE / 2, MADV_PAGEOUT);
		usleep(HOST_PAUSE);
	}
	return NULL;
}

static void test_paged_out(void)
{
	uint64_t source, target;
	uint32_t again = 0;
	pthread_t thread;
	int i, ret, wrong = 0;

	sys_swap();
	begin();
	mem_fill(mem.hva, GPA, SIZE / 2, GEN(1));
	stop = false;
	must(-pthread_create(&thread, NULL, host, NULL));
	for (i = 0; i < ROUNDS || (!again && i < MANY_ROUNDS); i++) {
		source = i % 8 * PAGE_4K;
		target = SIZE / 2 + i % 8 * PAGE_4K;
		ret = copy(GPA + source, GPA + target, EDU_MAX, &again);
		if (ret)
			diag("copy %d: %d", i, ret);
		wrong += !!ret;
		wrong += !!memcmp(mem.hva + source, mem.hva + target, EDU_MAX);
		memset(mem.hva + target, 0, EDU_MAX);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	is(wrong, 0, "%d copies are right", i);
	ok(again > 0, "%u transfers were hit and done again", again);
	end();
}

static void test_unbound(void)
{
	uint32_t again = 0;

	begin();
	is(copy(GPA, GPA + PAGE_4K, 8, &again), 0, "a copy");
	must(sys_write(UNBIND, edu_name()));
	is(copy(GPA, GPA + PAGE_4K, 8, &again), -ENODEV, "unbound: no device");
	end();
	must(sys_write(BIND, edu_name()));
	begin();
	is(copy(GPA, GPA + PAGE_4K, 8, &again), 0, "bound again: a copy");
	end();
}

/* Transfers, one after the other, until there is no device. */
static void *copies(void *done)
{
	uint32_t again = 0;
	int ret;

	do {
		ret = copy(GPA, GPA + PAGE_4K, EDU_LENGTH, &again);
		__atomic_add_fetch((int *)done, !ret, __ATOMIC_RELEASE);
	} while (!ret);
	return (void *)(intptr_t)ret;
}

/* It goes while it copies, and comes back. */
static void check_goes(const char *what, const char *go, const char *with, const char *back,
		       const char *with_what)
{
	unsigned int ms = 20000;
	pthread_t thread;
	int done = 0;
	void *ret;

	begin();
	must(-pthread_create(&thread, NULL, copies, &done));
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE) && sys_step(&ms))
		;
	must(sys_write(go, with));
	pthread_join(thread, &ret);
	is((intptr_t)ret, -ENODEV, "%s in flight: no device", what);
	is(ktdp_stats(bed.tdp).importers, 1, "%s: it is no importer any more", what);
	must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	end();
	must(sys_write(back, with_what));
	begin();
	ret = (void *)(intptr_t)copy(GPA, GPA + PAGE_4K, 8, &(uint32_t){ 0 });
	is((intptr_t)ret, 0, "%s, and there again: a copy", what);
	end();
}

static void test_goes_in_flight(void)
{
	char path[80];

	check_goes("unbound", UNBIND, edu_name(), BIND, edu_name());
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", edu_name());
	check_goes("unplugged", path, "1", "/sys/bus/pci/rescan", "1");
}

static const struct tap_case cases[] = {
	{ "copy", test_copy },
	{ "paged_out", test_paged_out },
	{ "unbound", test_unbound },
	{ "goes_in_flight", test_goes_in_flight },
};

int main(int argc, char **argv)
{
	kmod = kmod_open();
	return RUN_CASES(cases, argc, argv);
}
