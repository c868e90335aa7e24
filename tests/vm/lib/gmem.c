// SPDX-License-Identifier: GPL-2.0-only
#include "gmem.h"

#include <errno.h>
#include <sys/ioctl.h>

#include "tap.h"

#ifndef KVM_CREATE_GUEST_MEMFD	/* newer than Debian 12's headers */
#define KVM_MEM_GUEST_MEMFD	(1U << 2)

struct kvm_userspace_memory_region2 {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__u64 userspace_addr;
	__u64 guest_memfd_offset;
	__u32 guest_memfd;
	__u32 pad1;
	__u64 pad2[14];
};

struct kvm_create_guest_memfd {
	__u64 size;
	__u64 flags;
	__u64 reserved[6];
};

#define KVM_SET_USER_MEMORY_REGION2 \
	_IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)
#define KVM_CREATE_GUEST_MEMFD \
	_IOWR(KVMIO, 0xd4, struct kvm_create_guest_memfd)
#endif

#ifndef KVM_CAP_GUEST_MEMFD_FLAGS	/* the same */
#define KVM_CAP_GUEST_MEMFD_FLAGS	244
#endif

int gmem_create(struct vm *vm, size_t size, uint64_t flags)
{
	struct kvm_create_guest_memfd memfd = { .size = size, .flags = flags };
	int has = must(ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS));

	if (flags & ~has)
		return -EOPNOTSUPP;
	return sys(ioctl(vm->fd, KVM_CREATE_GUEST_MEMFD, &memfd));
}

int gmem_slot(struct vm *vm, int id, uint64_t gpa, const struct mem *mem, size_t offset,
	      size_t size, uint32_t flags)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = id,
		.flags = KVM_MEM_GUEST_MEMFD | flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)mem->hva + offset,
		.guest_memfd_offset = offset,
		.guest_memfd = mem->fd,
	};

	return sys(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION2, &region));
}
