// SPDX-License-Identifier: GPL-2.0-only
/*
 * Machines and devices for which kvm_tdp_iommu says no, in a sentence; each case wants a
 * machine of its own.
 */
#include <errno.h>
#include <unistd.h>

#include "edu.h"
#include "klog.h"
#include "pci.h"
#include "sys.h"
#include "tap.h"
#include "vfio.h"

#define UNSAFE	"/sys/module/kvm_tdp_vfio/parameters/allow_unsafe_interrupts"

static void is_refused(const char *name, const char *sentence)
{
	int klog = klog_open();
	struct vfio vfio;

	/* Not what this is about. */
	must(sys_write(UNSAFE, "Y"));
	must(vfio_bind(name));
	is(vfio_open(&vfio, name, VFIO_KVM_TDP_IOMMU), -EOPNOTSUPP, "%s is refused", name);
	is(klog_count(klog, sentence), 1, "which is told: %s", sentence);
	close(klog);
}

static void test_rt(void)
{
	is(sys_read_long("/sys/kernel/realtime"), 1, "this is PREEMPT_RT");
	is_refused(edu_name(), "not on PREEMPT_RT");
}

/* Its unmap allocates memory. */
static void test_virtio(void)
{
	sys_module("virtio_iommu", "/sys/module/virtio_iommu");
	is_refused(edu_name(), "its IOMMU is neither VT-d nor AMD-Vi");
}

/* A network device of virtio's that keeps translations of its own. */
static void test_ats(void)
{
	char name[32];

	if (!pci_find("device", "0x1041", name, sizeof(name)))
		bail("there is no network device");
	is_refused(name, "ATS is on");
}

static const struct tap_case cases[] = {
	{ "rt", test_rt },
	{ "virtio", test_virtio },
	{ "ats", test_ats },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
