// SPDX-License-Identifier: GPL-2.0-only
/* L1 with AMD's SVM. */
#include "nested_vendor.h"

#include <string.h>
#include <sys/ioctl.h>

#include "guest.h"
#include "tap.h"

#define NESTED_VMCB	NESTED_ARGS
#define NESTED_HSAVE	NESTED_OWN

#define MSR_VM_HSAVE_PA	0xc0010117
#define EFER_SVME	(1U << 12)

/* Members of the VMCB, by offset; the guest's code has two as numbers. */
#define VMCB_INTERCEPT3	0x00c
#define VMCB_INTERCEPT4	0x010
#define VMCB_ASID	0x058
#define VMCB_EXIT_CODE	0x070
#define VMCB_EXIT_INFO2	0x080
#define VMCB_NESTED_CTL	0x090
#define VMCB_NESTED_CR3	0x0b0
#define VMCB_ES		0x400
#define VMCB_CS		0x410
#define VMCB_SS		0x420
#define VMCB_DS		0x430
#define VMCB_EFER	0x4d0
#define VMCB_CR4	0x548
#define VMCB_CR3	0x550
#define VMCB_CR0	0x558
#define VMCB_DR7	0x560
#define VMCB_DR6	0x568
#define VMCB_RFLAGS	0x570
#define VMCB_RIP	0x578
#define VMCB_RSP	0x5d8
#define VMCB_PAT	0x668

#define INTERCEPT3_HLT		(1U << 24)
#define INTERCEPT3_SHUTDOWN	(1U << 31)
#define INTERCEPT4_VMRUN	(1U << 0)

#define DR6_RESET	0xffff0ff0
#define DR7_RESET	0x400
#define PAT_RESET	0x0007040600070406ULL

/* Attributes as the VMCB packs them. */
#define SEG_CODE64	0xa9b
#define SEG_DATA	0xc93

static void vmcb_set32(struct nested *nested, size_t offset, uint32_t value)
{
	memcpy(nested->mem.hva + NESTED_VMCB + offset, &value, sizeof(value));
}

static void vmcb_set(struct nested *nested, size_t offset, uint64_t value)
{
	memcpy(nested->mem.hva + NESTED_VMCB + offset, &value, sizeof(value));
}

static uint64_t vmcb_get(const struct nested *nested, size_t offset)
{
	uint64_t value;

	memcpy(&value, nested->mem.hva + NESTED_VMCB + offset, sizeof(value));
	return value;
}

/* Selector and attributes share a word with the limit. */
static void vmcb_set_segment(struct nested *nested, size_t offset,
			     uint64_t selector, uint64_t attributes)
{
	vmcb_set(nested, offset, selector | attributes << 16 | 0xffffffffULL << 32);
	vmcb_set(nested, offset + 8, 0);
}

/* What L2 is, as far as it is the same in each run. */
static void svm_set(struct nested *nested, bool paging)
{
	uint64_t shifted = NESTED_GPA + NESTED_PML4;

	vmcb_set32(nested, VMCB_INTERCEPT3, INTERCEPT3_HLT | INTERCEPT3_SHUTDOWN);
	vmcb_set32(nested, VMCB_INTERCEPT4, INTERCEPT4_VMRUN);
	vmcb_set32(nested, VMCB_ASID, 1);
	vmcb_set(nested, VMCB_NESTED_CTL, paging);
	vmcb_set(nested, VMCB_NESTED_CR3, paging ? shifted : 0);
	vmcb_set_segment(nested, VMCB_CS, 8, SEG_CODE64);
	vmcb_set_segment(nested, VMCB_DS, 16, SEG_DATA);
	vmcb_set_segment(nested, VMCB_ES, 16, SEG_DATA);
	vmcb_set_segment(nested, VMCB_SS, 16, SEG_DATA);
	vmcb_set(nested, VMCB_EFER, VM_EFER | EFER_SVME);
	vmcb_set(nested, VMCB_CR0, VM_CR0);
	vmcb_set(nested, VMCB_CR3, paging ? VM_BOOT_PML4 : shifted);
	vmcb_set(nested, VMCB_CR4, X86_CR4_PAE);
	vmcb_set(nested, VMCB_DR6, DR6_RESET);
	vmcb_set(nested, VMCB_DR7, DR7_RESET);
	vmcb_set(nested, VMCB_PAT, PAT_RESET);
}

static void svm_enable(struct vm *vm)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = {
		.head = { .nmsrs = 1 },
		.entry = {
			.index = MSR_VM_HSAVE_PA,
			.data = NESTED_GPA + NESTED_HSAVE,
		},
	};
	struct kvm_sregs sregs;

	must(ioctl(vm->vcpu, KVM_GET_SREGS, &sregs));
	sregs.efer |= EFER_SVME;
	must(ioctl(vm->vcpu, KVM_SET_SREGS, &sregs));
	if (must(ioctl(vm->vcpu, KVM_SET_MSRS, &msrs)) != 1)
		bail("vCPU without SVM");
}

/* L2's end has left its own in them. */
static void svm_start(struct nested *nested, uint64_t rip)
{
	vmcb_set(nested, VMCB_RIP, rip);
	vmcb_set(nested, VMCB_RSP, NESTED_GPA + NESTED_STACK);
	vmcb_set(nested, VMCB_RFLAGS, VM_RFLAGS);
}

static void svm_diag(const struct nested *nested)
{
	diag("L2: exit %#llx, %#llx",
	     (unsigned long long)vmcb_get(nested, VMCB_EXIT_CODE),
	     (unsigned long long)vmcb_get(nested, VMCB_EXIT_INFO2));
}

const struct nested_vendor nested_svm = {
	.l1 = guest_l1_svm,
	.l1_end = guest_l1_svm_end,
	.table = VM_PTE_TABLE,
	.leaf = VM_PTE_LEAF,
	.set = svm_set,
	.enable = svm_enable,
	.start = svm_start,
	.diag = svm_diag,
};
