// SPDX-License-Identifier: GPL-2.0-only
#include "nested_vendor.h"

#include <string.h>
#include <sys/ioctl.h>

#include "guest.h"
#include "tap.h"

static void nested_set_table(struct nested *nested, uint64_t table, uint64_t leaf)
{
	uint64_t *pml4 = nested->mem.hva + NESTED_PML4;
	uint64_t *pdpt = nested->mem.hva + NESTED_TABLE;
	uint64_t shift = NESTED_SHIFT / PAGE_1G, i;

	pml4[0] = (NESTED_GPA + NESTED_TABLE) | table;
	pdpt[0] = leaf;
	for (i = shift + 1; i < 512; i++)
		pdpt[i] = (i - shift) << 30 | leaf;
}

void nested_open(struct nested *nested, struct vm *vm, bool paging)
{
	const struct nested_vendor *vendor = vm_is_intel() ? &nested_vmx : &nested_svm;

	nested->vm = vm;
	nested->vendor = vendor;
	mem_small(&nested->mem, NESTED_SIZE);
	memcpy(nested->mem.hva + NESTED_CODE, vendor->l1, vendor->l1_end - vendor->l1);
	if (paging)
		nested_set_table(nested, vendor->table, vendor->leaf);
	else
		nested_set_table(nested, VM_PTE_TABLE, VM_PTE_LEAF);
	vm_map(vm, NESTED_SLOT, NESTED_GPA, &nested->mem);
	vendor->enable(vm);
	vendor->set(nested, paging);
}

void nested_close(struct nested *nested)
{
	mem_free(&nested->mem);
}

static int nested_do(struct nested *nested, const char *op, uint64_t gpa,
		     size_t size, uint64_t gen, uint64_t stride)
{
	struct kvm_regs regs = {
		.rip = NESTED_GPA + NESTED_CODE,
		.rsp = VM_BOOT_STACK_END,
		.rflags = VM_RFLAGS,
		.rbx = NESTED_GPA + NESTED_ARGS,
		.rsi = gpa + NESTED_SHIFT,
		.rdx = gpa + NESTED_SHIFT + size,
		.rcx = gen,
		.rdi = stride,
	};
	int ret;

	nested->vendor->start(nested, VM_BOOT_CODE + (op - guest_code));
	must(ioctl(nested->vm->vcpu, KVM_SET_REGS, &regs));
	ret = vm_run(nested->vm);
	if (ret)
		return ret;
	must(ioctl(nested->vm->vcpu, KVM_GET_REGS, &regs));
	if (regs.rax) {
		diag("L2: %#llx at %#llx", regs.rax, regs.rsi);
		nested->vendor->diag(nested);
	}
	return regs.rax;
}

int nested_fill(struct nested *nested, uint64_t gpa, size_t size, uint64_t gen)
{
	return nested_do(nested, guest_op_fill, gpa, size, gen, 8);
}

int nested_check(struct nested *nested, uint64_t gpa, size_t size, uint64_t gen)
{
	return nested_do(nested, guest_op_check, gpa, size, gen, 8);
}

int nested_touch(struct nested *nested, uint64_t gpa, size_t size)
{
	return nested_do(nested, guest_op_touch, gpa, size, 0, PAGE_4K);
}
