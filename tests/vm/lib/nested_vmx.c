// SPDX-License-Identifier: GPL-2.0-only
/* L1 with Intel's VMX. */
#include "nested_vendor.h"

#include <string.h>
#include <sys/ioctl.h>

#include "guest.h"
#include "tap.h"

#define MSR_FEATURE_CONTROL	0x3a
#define MSR_VMX_BASIC		0x480
#define MSR_VMX_PINBASED	0x481
#define MSR_VMX_PROCBASED	0x482
#define MSR_VMX_EXIT		0x483
#define MSR_VMX_ENTRY		0x484

#define FEATURE_CONTROL_VMX	5	/* locked, VMXON outside SMX */

/* Fields of the VMCS. */
#define HOST_SEL_ES		0x0c00	/* then CS, SS, DS; the next by 2 */
#define HOST_SEL_TR		0x0c0c
#define HOST_CR0		0x6c00
#define HOST_CR3		0x6c02
#define HOST_CR4		0x6c04
#define HOST_RSP		0x6c14
#define HOST_RIP		0x6c16
#define CTL_PINBASED		0x4000
#define CTL_PROCBASED		0x4002
#define CTL_EXIT		0x400c
#define CTL_ENTRY		0x4012
#define CTL_SECONDARY		0x401e
#define CTL_EPT_POINTER		0x201a
#define GUEST_SELECTOR		0x0800	/* of segment 0, the others by 2 */
#define GUEST_LIMIT		0x4800
#define GUEST_ACCESS		0x4814
#define GUEST_LINK_POINTER	0x2800
#define GUEST_CR0		0x6800
#define GUEST_CR3		0x6802
#define GUEST_CR4		0x6804
#define GUEST_DR7		0x681a
#define GUEST_RSP		0x681c
#define GUEST_RIP		0x681e
#define GUEST_RFLAGS		0x6820

#define PROCBASED_HLT		(1U << 7)
#define PROCBASED_SECONDARY	(1U << 31)
#define SECONDARY_EPT		(1U << 1)
#define EXIT_HOST_64		(1U << 9)
#define ENTRY_GUEST_64		(1U << 9)

#define EPTP_WB_4_LEVELS	0x1e
#define EPT_TABLE		0x07	/* read, write, execute */
#define EPT_LEAF		0xb7	/* and write-back, large */

/* Fields that are not 0, and more than enough of them. */
#define NR_FIELDS		60

/* The guest's code has offsets in it as numbers. */
struct vmx_args {
	uint64_t vmxon, vmcs;
	uint64_t reason, info;	/* out; info of reason -1: the error of VMLAUNCH */
	struct {
		uint64_t field, value;
	} write[NR_FIELDS + 1];
};

static struct vmx_args *vmx_args(const struct nested *nested)
{
	return nested->mem.hva + NESTED_ARGS;
}

/* Each field once; to write it again is to replace it. */
static void vmcs_set(struct nested *nested, uint64_t field, uint64_t value)
{
	struct vmx_args *args = vmx_args(nested);
	unsigned int i = 0;

	while (args->write[i].field && args->write[i].field != field)
		i++;
	if (i == NR_FIELDS)
		bail("too many VMCS fields");
	args->write[i].field = field;
	args->write[i].value = value;
}

enum { ES, CS, SS, DS, FS, GS, LDTR, TR };

static void vmcs_set_segment(struct nested *nested, int segment,
			     uint64_t selector, uint64_t access, uint64_t limit)
{
	vmcs_set(nested, GUEST_SELECTOR + 2 * segment, selector);
	vmcs_set(nested, GUEST_ACCESS + 2 * segment, access);
	vmcs_set(nested, GUEST_LIMIT + 2 * segment, limit);
}

static int vmx_msr(struct vm *vm, unsigned long op, uint32_t index, uint64_t *data)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = {
		.head = { .nmsrs = 1 },
		.entry = { .index = index, .data = *data },
	};
	int ret = must(ioctl(vm->vcpu, op, &msrs));

	*data = msrs.entry.data;
	return ret;
}

/* What must be 1 in a control is the lower half of an MSR. */
static uint64_t vmx_control(const struct nested *nested, uint32_t index)
{
	uint64_t data = 0;

	if (vmx_msr(nested->vm, KVM_GET_MSRS, index, &data) != 1)
		bail("no MSR %#x", index);
	return (uint32_t)data;
}

static void vmx_enable(struct vm *vm)
{
	uint64_t data = FEATURE_CONTROL_VMX;
	struct kvm_sregs sregs;

	if (vmx_msr(vm, KVM_SET_MSRS, MSR_FEATURE_CONTROL, &data) != 1)
		bail("vCPU without VMX");
	must(ioctl(vm->vcpu, KVM_GET_SREGS, &sregs));
	sregs.cr0 |= X86_CR0_NE;
	sregs.cr4 |= X86_CR4_VMXE;
	must(ioctl(vm->vcpu, KVM_SET_SREGS, &sregs));
}

static void vmx_set_controls(struct nested *nested, bool paging)
{
	uint64_t proc = vmx_control(nested, MSR_VMX_PROCBASED) | PROCBASED_HLT;

	if (paging) {
		proc |= PROCBASED_SECONDARY;
		vmcs_set(nested, CTL_SECONDARY, SECONDARY_EPT);
		vmcs_set(nested, CTL_EPT_POINTER,
			 (NESTED_GPA + NESTED_PML4) | EPTP_WB_4_LEVELS);
	}
	vmcs_set(nested, CTL_PROCBASED, proc);
	vmcs_set(nested, CTL_PINBASED, vmx_control(nested, MSR_VMX_PINBASED));
	vmcs_set(nested, CTL_EXIT,
		 vmx_control(nested, MSR_VMX_EXIT) | EXIT_HOST_64);
	vmcs_set(nested, CTL_ENTRY,
		 vmx_control(nested, MSR_VMX_ENTRY) | ENTRY_GUEST_64);
}

/* What L1 is when L2 has ended. */
static void vmx_set_host(struct nested *nested)
{
	uint64_t exit = guest_l1_vmx_exit - guest_l1_vmx;

	vmcs_set(nested, HOST_SEL_ES + 2 * ES, 16);
	vmcs_set(nested, HOST_SEL_ES + 2 * CS, 8);
	vmcs_set(nested, HOST_SEL_ES + 2 * SS, 16);
	vmcs_set(nested, HOST_SEL_ES + 2 * DS, 16);
	vmcs_set(nested, HOST_SEL_TR, 24);
	vmcs_set(nested, HOST_CR0, VM_CR0 | X86_CR0_NE);
	vmcs_set(nested, HOST_CR3, VM_BOOT_PML4);
	vmcs_set(nested, HOST_CR4, X86_CR4_PAE | X86_CR4_VMXE);
	vmcs_set(nested, HOST_RSP, VM_BOOT_STACK_END);
	vmcs_set(nested, HOST_RIP, NESTED_GPA + NESTED_CODE + exit);
}

static void vmx_set_guest(struct nested *nested, bool paging)
{
	vmcs_set_segment(nested, CS, 8, 0xa09b, ~0U);
	vmcs_set_segment(nested, DS, 16, 0xc093, ~0U);
	vmcs_set_segment(nested, ES, 16, 0xc093, ~0U);
	vmcs_set_segment(nested, SS, 16, 0xc093, ~0U);
	vmcs_set_segment(nested, FS, 0, 0x10000, 0);
	vmcs_set_segment(nested, GS, 0, 0x10000, 0);
	vmcs_set_segment(nested, LDTR, 0, 0x10000, 0);
	vmcs_set_segment(nested, TR, 24, 0x8b, 0x67);
	vmcs_set(nested, GUEST_LINK_POINTER, -1);
	vmcs_set(nested, GUEST_CR0, VM_CR0 | X86_CR0_NE);
	vmcs_set(nested, GUEST_CR3, paging ? VM_BOOT_PML4 : NESTED_GPA + NESTED_PML4);
	vmcs_set(nested, GUEST_CR4, X86_CR4_PAE | X86_CR4_VMXE);
	vmcs_set(nested, GUEST_DR7, 0x400);
	vmcs_set(nested, GUEST_RSP, NESTED_GPA + NESTED_STACK);
	vmcs_set(nested, GUEST_RFLAGS, VM_RFLAGS);
}

static void vmx_set(struct nested *nested, bool paging)
{
	uint32_t revision = vmx_control(nested, MSR_VMX_BASIC);

	memcpy(nested->mem.hva + NESTED_OWN, &revision, sizeof(revision));
	memcpy(nested->mem.hva + NESTED_VMCS, &revision, sizeof(revision));
	vmx_args(nested)->vmxon = NESTED_GPA + NESTED_OWN;
	vmx_args(nested)->vmcs = NESTED_GPA + NESTED_VMCS;
	vmx_set_controls(nested, paging);
	vmx_set_host(nested);
	vmx_set_guest(nested, paging);
}

static void vmx_start(struct nested *nested, uint64_t rip)
{
	vmcs_set(nested, GUEST_RIP, rip);
}

static void vmx_diag(const struct nested *nested)
{
	const struct vmx_args *args = vmx_args(nested);

	diag("L2: exit %lld, %#llx", (long long)args->reason,
	     (unsigned long long)args->info);
}

const struct nested_vendor nested_vmx = {
	.l1 = guest_l1_vmx,
	.l1_end = guest_l1_vmx_end,
	.table = EPT_TABLE,
	.leaf = EPT_LEAF,
	.enable = vmx_enable,
	.set = vmx_set,
	.start = vmx_start,
	.diag = vmx_diag,
};
