// SPDX-License-Identifier: GPL-2.0-only
#include "vm.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "tap.h"

#define CPUID_ENTRIES	128

/* Half of what the guest's pages map. */
#define HALF		(256UL << 30)
#define HIGH_BASE	(VM_HIGH - HALF / 2)

bool vm_is_intel(void)
{
	return !access("/sys/module/kvm_intel", F_OK);
}

int vm_slot(struct vm *vm, int id, uint64_t gpa, size_t size, void *hva,
	    uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = id,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return sys(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region));
}

void vm_map(struct vm *vm, int id, uint64_t gpa, const struct mem *mem)
{
	int ret = vm_slot(vm, id, gpa, mem->size, mem->hva, 0);

	if (ret)
		bail("slot %d at %#llx: %d", id, (unsigned long long)gpa, ret);
}

void vm_unmap(struct vm *vm, int id)
{
	int ret = vm_slot(vm, id, 0, 0, NULL, 0);

	if (ret)
		bail("delete slot %d: %d", id, ret);
}

static void vm_load_guest(struct vm *vm)
{
	uint64_t *pml4 = vm->boot.hva + VM_BOOT_PML4;
	uint64_t *pdpt = vm->boot.hva + VM_BOOT_PDPT;
	uint64_t i;

	pml4[0] = VM_BOOT_PDPT | VM_PTE_TABLE;
	for (i = 0; i < 256; i++) {
		pdpt[i] = i << 30 | VM_PTE_LEAF;
		pdpt[256 + i] = (HIGH_BASE + (i << 30)) | VM_PTE_LEAF;
	}
	memcpy(vm->boot.hva + VM_BOOT_CODE, guest_code, guest_code_end - guest_code);
}

void vm_open(struct vm *vm)
{
	memset(vm, 0, sizeof(*vm));
	vm->vcpu = -1;
	vm->kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC));
	vm->fd = must(ioctl(vm->kvm, KVM_CREATE_VM, 0));
	mem_small(&vm->boot, VM_BOOT_SIZE);
	vm_load_guest(vm);
	vm_map(vm, VM_BOOT_SLOT, 0, &vm->boot);
}

static void vm_set_cpuid(struct vm *vm)
{
	struct kvm_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + CPUID_ENTRIES * sizeof(cpuid->entries[0]));
	if (!cpuid)
		bail("out of memory");
	cpuid->nent = CPUID_ENTRIES;
	must(ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid));
	must(ioctl(vm->vcpu, KVM_SET_CPUID2, cpuid));
	free(cpuid);
}

static void vm_set_long_mode(struct vm *vm)
{
	struct kvm_segment code = {
		.limit = ~0U, .selector = 8, .type = 11, .present = 1,
		.s = 1, .l = 1, .g = 1,
	};
	struct kvm_segment data = {
		.limit = ~0U, .selector = 16, .type = 3, .present = 1,
		.s = 1, .db = 1, .g = 1,
	};
	struct kvm_sregs sregs;

	must(ioctl(vm->vcpu, KVM_GET_SREGS, &sregs));
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.ss = data;
	sregs.cr0 = VM_CR0;
	sregs.cr3 = VM_BOOT_PML4;
	sregs.cr4 = X86_CR4_PAE;
	sregs.efer = VM_EFER;
	must(ioctl(vm->vcpu, KVM_SET_SREGS, &sregs));
}

void vm_add_vcpu(struct vm *vm)
{
	vm->vcpu = must(ioctl(vm->fd, KVM_CREATE_VCPU, vm->vcpu_id));
	vm->run_size = must(ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
	vm->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		bail("mmap of the vCPU: errno %d", errno);
	vm_set_cpuid(vm);
	vm_set_long_mode(vm);
}

static void vm_close_vcpu(struct vm *vm)
{
	if (vm->run)
		munmap(vm->run, vm->run_size);
	if (vm->vcpu >= 0)
		close(vm->vcpu);
}

void vm_open_vcpus(struct vm *vms, int nr)
{
	int i;

	for (i = 1; i < nr; i++) {
		vms[i] = vms[0];
		vms[i].vcpu_id = i;
	}
	for (i = 0; i < nr; i++)
		vm_add_vcpu(&vms[i]);
}

void vm_close_vcpus(struct vm *vms, int nr)
{
	int i;

	for (i = 1; i < nr; i++)
		vm_close_vcpu(&vms[i]);
	vm_close(&vms[0]);
}

void vm_close(struct vm *vm)
{
	vm_close_vcpu(vm);
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->kvm >= 0)
		close(vm->kvm);
	if (vm->boot.hva)
		mem_free(&vm->boot);
	memset(vm, 0, sizeof(*vm));
	vm->kvm = -1;
	vm->fd = -1;
	vm->vcpu = -1;
}

/* Where the guest has what is at @gpa. */
static uint64_t guest_gva(uint64_t gpa)
{
	return gpa < HALF ? gpa : gpa - HIGH_BASE + HALF;
}

static void guest_start(struct vm *vm, const char *op, uint64_t gpa,
			size_t size, uint64_t gen, uint64_t stride)
{
	uint64_t gva = guest_gva(gpa);
	struct kvm_regs regs = {
		.rip = VM_BOOT_CODE + (op - guest_code),
		.rsp = VM_BOOT_STACK_END,
		.rflags = VM_RFLAGS,
		.rsi = gva,
		.rdx = gva + size,
		.rcx = gen,
		.rdi = stride,
		.r10 = gpa - gva,
	};

	must(ioctl(vm->vcpu, KVM_SET_REGS, &regs));
}

/* What an exit leaves half done must not be done by the next entry. */
static void vm_finish(struct vm *vm)
{
	vm->run->immediate_exit = 1;
	ioctl(vm->vcpu, KVM_RUN, 0);
	vm->run->immediate_exit = 0;
}

int vm_run(struct vm *vm)
{
	int ret;

	do {
		ret = sys(ioctl(vm->vcpu, KVM_RUN, 0));
	} while (ret == -EINTR && !__atomic_load_n(&vm->stop, __ATOMIC_ACQUIRE));
	if (ret)
		return ret;
	if (vm->run->exit_reason == KVM_EXIT_HLT)
		return 0;
	ret = 1000 + (int)vm->run->exit_reason;
	vm_finish(vm);
	return ret;
}

static int guest_do(struct vm *vm, const char *op, uint64_t gpa, size_t size,
		    uint64_t gen, uint64_t stride)
{
	struct kvm_regs regs;
	int ret;

	guest_start(vm, op, gpa, size, gen, stride);
	ret = vm_run(vm);
	if (ret)
		return ret;
	must(ioctl(vm->vcpu, KVM_GET_REGS, &regs));
	if (regs.rax)
		diag("guest: wrong word at gpa %#llx", regs.rsi + regs.r10);
	return regs.rax;
}

int guest_fill(struct vm *vm, uint64_t gpa, size_t size, uint64_t gen)
{
	return guest_do(vm, guest_op_fill, gpa, size, gen, 8);
}

int guest_check(struct vm *vm, uint64_t gpa, size_t size, uint64_t gen)
{
	return guest_do(vm, guest_op_check, gpa, size, gen, 8);
}

int guest_touch(struct vm *vm, uint64_t gpa, size_t size)
{
	return guest_do(vm, guest_op_touch, gpa, size, 0, PAGE_4K);
}

int guest_copy(struct vm *vm, uint64_t gpa, size_t size, uint64_t to)
{
	return guest_do(vm, guest_op_copy, gpa, size, guest_gva(to), 8);
}

int guest_call(struct vm *vm, uint64_t gpa)
{
	return guest_do(vm, guest_op_call, gpa, 0, 0, 0);
}

int guest_time(struct vm *vm, uint64_t gpa, size_t size, uint64_t stride,
	       uint64_t log)
{
	return guest_do(vm, guest_op_time, gpa, size, guest_gva(log), stride);
}

static void vm_kick(int sig)
{
	(void)sig;
}

static void *vm_spin_thread(void *arg)
{
	return (void *)(intptr_t)vm_run(arg);
}

void vm_spin(struct vm *vm, uint64_t gpa, size_t size, uint64_t gen)
{
	struct sigaction act = { .sa_handler = vm_kick };

	sigaction(SIGUSR1, &act, NULL);
	vm->stop = false;
	guest_start(vm, guest_op_spin, gpa, size, gen, 8);
	if (pthread_create(&vm->thread, NULL, vm_spin_thread, vm))
		bail("no vCPU thread");
}

void vm_spin_stop(struct vm *vm)
{
	__atomic_store_n(&vm->stop, true, __ATOMIC_RELEASE);
	/*
	 * immediate_exit makes the kick stick if it comes before KVM_RUN; a
	 * signal alone would be lost there.
	 */
	vm->run->immediate_exit = 1;
	pthread_kill(vm->thread, SIGUSR1);
	pthread_join(vm->thread, NULL);
	vm->run->immediate_exit = 0;
	vm->stop = false;
}
