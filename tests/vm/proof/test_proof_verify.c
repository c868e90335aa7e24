// SPDX-License-Identifier: GPL-2.0-only
/*
 * No false alarm: KVM_TDP_VERIFY while the host is in the midst of a change,
 * held where it looks worst.
 */
#include <stdio.h>

#include "proof.h"

/*
 * munmap() has taken the VMA away, and has mmap_lock for read; it has told
 * nobody yet, and all is mapped as it was.
 */
static const struct kmod_point point_vma_gone = { .symbol = "unmap_vmas" };

/* Pages that are wrong, or -errno. */
static int verify(void)
{
	struct kvm_tdp_verify verify;
	int ret = kvm_tdp_verify_range(p.bed.tdp, GPA, SIZE, &verify);

	if (ret)
		return ret;
	return ktdp_verify_wrong(&verify) + verify.undecided;
}

static void check_verify(const struct change *change,
			 const struct kmod_point *at)
{
	snprintf(p.title, sizeof(p.title), "%s, %s", change->name, at->symbol);
	proof_open();
	is(ktdp_prefault(p.bed.tdp, GPA, SIZE, ACC_W), 0, T("all is mapped"));
	proof_hold(HOST, &p.host, at);
	proof_run_to(HOST, &p.host, change->make);
	actor_begin(&p.filler, verify);
	actor_is_busy(&p.filler, 100);
	proof_go(HOST);
	is(actor_end(&p.host), 0, T("the change"));
	is(actor_end(&p.filler), 0, T("verify finds nothing wrong"));
	proof_close();
}

static void test_munmap(void)
{
	check_verify(&changes[UNMAP], &point_vma_gone);
}

static void test_during(void)
{
	size_t i;

	for (i = 0; i < NR_CHANGES; i++) {
		check_verify(&changes[i], &point_counted);
		check_verify(&changes[i], &point_cleared);
		check_verify(&changes[i], &point_announced);
		check_verify(&changes[i], &point_made);
	}
}

static const struct tap_case cases[] = {
	{ "munmap", test_munmap },
	{ "during", test_during },
};

int main(int argc, char **argv)
{
	proof_start();
	return RUN_CASES(cases, argc, argv);
}
