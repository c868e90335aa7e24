// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM without two-dimensional paging: there is no TDP to export.  To be run
 * with kvm_amd.npt=0 (or kvm_intel.ept=0).
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktdp.h"
#include "tap.h"
#include "vm.h"

static struct vm vm;

static void test_without_vcpu(void)
{
	vm_open(&vm);
	is(kvm_tdp_create(vm.fd, 0), -EOPNOTSUPP, "no vCPU yet");
	vm_close(&vm);
}

static void test_with_vcpu(void)
{
	struct mem mem;

	mem_small(&mem, PAGE_4K);
	vm_open(&vm);
	vm_add_vcpu(&vm);
	vm_map(&vm, 1, PAGE_2M, &mem);
	is(guest_fill(&vm, PAGE_2M, PAGE_4K, 1), 0, "the guest runs");
	is(kvm_tdp_create(vm.fd, 0), -EOPNOTSUPP, "a VM that has run");
	is(kvm_tdp_create(vm.fd, 1), -EOPNOTSUPP, "its other address space");
	is(guest_check(&vm, PAGE_2M, PAGE_4K, 1), 0, "the guest goes on");
	vm_close(&vm);
	mem_free(&mem);
}

/* The command line tool tells, and so does what it tries. */
static void test_doctor(void)
{
	FILE *out = popen("kvm-tdp doctor", "r");
	bool said = false, tried = false;
	char line[512];
	int status;

	while (out && fgets(line, sizeof(line), out)) {
		said |= strstr(line, "wrong  tdp  ") && strstr(line, "pt=");
		tried |= !!strstr(line, "-      tdp-fd        refused: see tdp\n");
	}
	status = out ? pclose(out) : -1;
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 1, "doctor fails");
	ok(said, "for KVM's parameter is off");
	ok(tried, "and there is no TDP fd");
}

static const struct tap_case cases[] = {
	{ "without_vcpu", test_without_vcpu },
	{ "with_vcpu", test_with_vcpu },
	{ "doctor", test_doctor },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
