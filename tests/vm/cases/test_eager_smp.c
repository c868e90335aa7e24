// SPDX-License-Identifier: GPL-2.0-only
/* vCPUs that touch memory for the first time, all at once. */
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "bed.h"

#define VCPUS	4
#define SIZE	(32 * PAGE_2M)
#define PAGES	(SIZE / PAGE_4K)

static struct vm vms[VCPUS];
static struct mem mem;
static int tdp;

static uint64_t step;		/* what a vCPU touches in a row; then it is the next one's */

static void *touch(void *arg)
{
	struct vm *vm = arg;
	uint64_t off;

	for (off = vm->vcpu_id * step; off < SIZE; off += VCPUS * step) {
		if (guest_touch(vm, GPA + off, step))
			return "the guest failed";
	}
	return NULL;
}

static void check(const char *what)
{
	pthread_t threads[VCPUS];
	struct kvm_tdp_stats st;
	uint64_t dropped;
	void *result;
	int i;

	vm_open(&vms[0]);
	vm_open_vcpus(vms, VCPUS);
	mem_small(&mem, SIZE);
	memset(mem.hva, 1, SIZE);
	vm_map(&vms[0], 1, GPA, &mem);
	tdp = must(kvm_tdp_create(vms[0].fd, 0));
	for (i = 0; i < VCPUS; i++)
		must(-pthread_create(&threads[i], NULL, touch, &vms[i]));
	for (i = 0; i < VCPUS; i++) {
		pthread_join(threads[i], &result);
		ok(!result, "%s: vCPU %d: %s", what, i, result ? (char *)result : "done");
	}
	st = ktdp_stats(tdp);
	dropped = st.eager_busy + st.eager_no_pool + st.eager_no_room + st.eager_no_slot +
		  st.eager_not_ram;
	ok(st.eager_filled + dropped >= PAGES, "%s: each page is filled or dropped", what);
	ok(dropped < PAGES / 1000, "%s: %" PRIu64 " of %lu are dropped", what, dropped, PAGES);
	ok(ktdp_counts_agree(tdp), "%s: leaves are counted", what);
	close(tdp);
	vm_close_vcpus(vms, VCPUS);
	mem_free(&mem);
}

static void test_apart(void)
{
	step = PAGE_2M;
	check("apart");
}

/* They meet at every lock. */
static void test_close(void)
{
	step = PAGE_4K;
	check("close");
}

static const struct tap_case cases[] = {
	{ "apart", test_apart },
	{ "close", test_close },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
