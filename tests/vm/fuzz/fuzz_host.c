// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memslots, and the memory behind them.  What is there is known page by page,
 * and with it what a fault has to answer.
 */
#include "fuzz.h"

#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define FIRST_GPA	0x100000UL
/* Where nobody else maps anything when there is a hole in it. */
#define RAM_HVA		((void *)(1UL << 40))
#define RW		(PROT_READ | PROT_WRITE)

const struct fuzz_slot host_first = {
	.gpa = FIRST_GPA, .pages = FUZZ_RAM_PAGES,
};

uint64_t fuzz_reach;
static uint8_t *ram;
static enum page_state states[FUZZ_RAM_PAGES];

void host_open(void)
{
	ram = mmap(RAM_HVA, FUZZ_RAM_PAGES * PAGE_4K, RW,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (ram == MAP_FAILED)
		bail("no guest memory");
	mem_no_thp(ram, FUZZ_RAM_PAGES * PAGE_4K);
}

void host_close(void)
{
	munmap(ram, FUZZ_RAM_PAGES * PAGE_4K);
}

static const struct fuzz_slot *host_slot(const struct fuzz_vm *vm,
					 unsigned int as_id, uint64_t gpa)
{
	const struct fuzz_slot *slot = vm->slots[as_id];
	unsigned int i;

	for (i = 0; i < FUZZ_SLOTS; i++, slot++)
		if (gpa >= slot->gpa && gpa - slot->gpa < slot->pages * PAGE_4K)
			return slot;
	return NULL;
}

size_t host_page(const struct fuzz_vm *vm, unsigned int as_id, uint64_t gpa)
{
	const struct fuzz_slot *slot = host_slot(vm, as_id, gpa);

	if (!slot || vm->neighbours)
		return FUZZ_RAM_PAGES;
	return slot->first + (gpa - slot->gpa) / PAGE_4K;
}

uint8_t *host_hva(size_t page)
{
	return ram + page * PAGE_4K;
}

bool host_writable(size_t page)
{
	return states[page] == PAGE_RW;
}

void host_answers(const struct fuzz_vm *vm, unsigned int as_id, uint64_t gpa,
		  bool write, struct answers *right)
{
	const struct fuzz_slot *slot = host_slot(vm, as_id, gpa);
	unsigned int before = right->nr;
	enum page_state state;

	if (!slot || gpa >= fuzz_reach) {
		may(right, -EFAULT);
		return;
	}
	state = states[slot->first + (gpa - slot->gpa) / PAGE_4K];
	if (vm->neighbours)	/* and stays as it was at first */
		state = PAGE_RW;
	if (write && (slot->flags & KVM_MEM_READONLY))
		may(right, -EACCES);
	else if (write && (slot->flags & KVM_MEM_LOG_DIRTY_PAGES) &&
		 (vm->ring || !vm->vcpu))
		may(right, -EBUSY);
	if (write && state == PAGE_RO)
		may(right, -EACCES);
	if (state == PAGE_GONE || state == PAGE_NONE)
		may(right, -EFAULT);
	if (right->nr == before)
		may(right, 0);
}

bool host_grants(const struct fuzz_vm *vm, unsigned int as_id, uint64_t gpa,
		 bool write)
{
	struct answers right = { 0 };

	host_answers(vm, as_id, gpa, write, &right);
	return !right.is[0];
}

/* Slots stand in a few places, some of them where things have an end. */
static uint64_t slot_gpa(void)
{
	static const uint64_t bases[] = {
		0, FIRST_GPA, 0x200000, 0x40000000, 0xfff00000, 0x100000000,
		0x7fffe00000, (1ULL << 47) - 0x100000, (1ULL << 48) - 0x10000,
		1ULL << 48, (1ULL << 48) + FIRST_GPA, (1ULL << 52) - 0x40000,
	};
	uint64_t base = bases[roll(sizeof(bases) / sizeof(bases[0]))];

	return base + (one_in(2) ? roll(64) * PAGE_4K : 0);
}

uint64_t odd_gpa(const struct fuzz_file *file)
{
	const struct fuzz_slot *slot = NULL;
	unsigned int id = roll(FUZZ_SLOTS);

	if (file && file->vm)
		slot = &file->vm->slots[file->as_id][one_in(2) ? id : 0];
	if (!slot || !slot->pages || one_in(16))
		return one_in(4) ? odd_number() : slot_gpa();
	return slot->gpa + (roll(slot->pages + 2) - 1) * PAGE_4K;
}

uint64_t host_gpa(const struct fuzz_file *file)
{
	const struct fuzz_slot *slot;
	unsigned int id = one_in(2) ? roll(FUZZ_SLOTS) : 0, i;

	for (i = 0; i < FUZZ_SLOTS && file && file->vm && !one_in(8); i++) {
		slot = &file->vm->slots[file->as_id][(id + i) % FUZZ_SLOTS];
		if (slot->pages)
			return slot->gpa + roll(slot->pages) * PAGE_4K;
	}
	return odd_gpa(file);
}

static int set_slot(int vm_fd, unsigned int as_id, unsigned int id,
		    const struct fuzz_slot *slot)
{
	struct kvm_userspace_memory_region region = {
		.slot = id | as_id << 16,
		.flags = slot->flags,
		.guest_phys_addr = slot->gpa,
		.memory_size = slot->pages * PAGE_4K,
		.userspace_addr = (uintptr_t)ram + slot->first * PAGE_4K,
	};

	return sys(ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region));
}

int host_first_slot(int vm_fd, struct fuzz_vm *vm)
{
	vm->slots[0][0] = host_first;
	return set_slot(vm_fd, 0, 0, &host_first);
}

static void slot_change(struct fuzz_slot *slot)
{
	if (!slot->pages) {
		slot->gpa = slot_gpa();
		slot->pages = 1 + roll(one_in(8) ? FUZZ_RAM_PAGES : 32);
		slot->first = roll(FUZZ_RAM_PAGES - slot->pages + 1);
		slot->flags = one_in(4) ? roll(4) : 0;
		return;
	}
	switch (roll(3)) {
	case 0:
		slot->pages = 0;
		break;
	case 1:
		slot->gpa = slot_gpa();
		break;
	default:
		slot->flags ^= KVM_MEM_LOG_DIRTY_PAGES;
		break;
	}
}

void fuzz_slot(void)
{
	struct beast *beast = zoo_one(FILE_VM);
	unsigned int as_id = one_in(6), id = roll(FUZZ_SLOTS);
	struct fuzz_slot slot, was;
	int ret;

	if (!beast || beast->file->vm->owner != OWNER_SELF || fuzz_in_child)
		return;
	slot = beast->file->vm->slots[as_id][id];
	was = slot;
	/* Most of the time there is something to be seen in the first. */
	if (!as_id && !id && slot.pages && !one_in(8))
		slot.flags ^= KVM_MEM_LOG_DIRTY_PAGES;
	else
		slot_change(&slot);
	ret = set_slot(beast->fd, as_id, id, &slot);
	count_call(FUZZ_SLOT, ret);
	if (ret)
		return;
	beast->file->vm->slots[as_id][id] = slot;
	beast->file->vm->changes++;
	if (was.pages && (slot.gpa != was.gpa || !slot.pages))
		box_lose_slot(beast->file->vm, as_id, &was);
}

/* Those that change nothing of what is known here; and the ring. */
static const struct {
	uint32_t cap;
	uint64_t arg;
} caps[] = {
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 0 },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
					     KVM_DIRTY_LOG_INITIALLY_SET },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, -1 },
	{ KVM_CAP_X86_DISABLE_EXITS, KVM_X86_DISABLE_EXITS_HLT },
	{ KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_UNKNOWN },
	{ KVM_CAP_DISABLE_QUIRKS, 0 },
	{ KVM_CAP_DIRTY_LOG_RING, 0x1000 },
	{ KVM_CAP_DIRTY_LOG_RING, 0x10000 },
	{ KVM_CAP_DIRTY_LOG_RING, 0x10001 },
	{ KVM_CAP_DIRTY_LOG_RING, -1 },
	{ KVM_CAP_DIRTY_LOG_RING_ACQ_REL, 0x2000 },
	{ KVM_CAP_DIRTY_LOG_RING_ACQ_REL, 0 },
};

void fuzz_cap(void)
{
	size_t nr = roll(sizeof(caps) / sizeof(caps[0]));
	struct kvm_enable_cap enable = {
		.cap = caps[nr].cap, .args = { caps[nr].arg },
	};
	struct beast *beast = zoo_one(FILE_VM);
	bool ring = enable.cap == KVM_CAP_DIRTY_LOG_RING ||
		    enable.cap == KVM_CAP_DIRTY_LOG_RING_ACQ_REL;
	int ret;

	if (!beast || beast->file->vm->owner != OWNER_SELF || fuzz_in_child)
		return;
	ret = sys(ioctl(beast->fd, KVM_ENABLE_CAP, &enable));
	count_call(ring ? FUZZ_RING : FUZZ_CAP, ret);
	if (!ring || ret)
		return;
	if (beast->file->vm->vcpu)
		wrong("KVM takes a dirty ring with a vCPU");
	beast->file->vm->ring = true;
}

static const int prots[] = {
	[PAGE_RW] = RW, [PAGE_RO] = PROT_READ, [PAGE_NONE] = PROT_NONE,
};

static int memory_set(size_t first, size_t nr, enum page_state state)
{
	uint8_t *hva = ram + first * PAGE_4K;
	bool gone = false;
	size_t i;

	for (i = first; i < first + nr; i++) {
		gone |= states[i] == PAGE_GONE;
		states[i] = state;
	}
	if (state == PAGE_GONE) {
		box_lose_pages(first, nr, false);
		return sys(munmap(hva, nr * PAGE_4K));
	}
	if (!gone && !one_in(4)) {
		if (state != PAGE_RW)
			box_lose_pages(first, nr, state == PAGE_RO);
		return sys(mprotect(hva, nr * PAGE_4K, prots[state]));
	}
	box_lose_pages(first, nr, false);
	hva = mmap(hva, nr * PAGE_4K, prots[state],
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return hva == MAP_FAILED ? -errno : 0;
}

void fuzz_memory(void)
{
	static const int advice[] = {
		MADV_DONTNEED, MADV_FREE, MADV_COLD, MADV_PAGEOUT, MADV_HUGEPAGE,
		MADV_NOHUGEPAGE,
	};
	size_t nr = 1 + roll(one_in(4) ? FUZZ_RAM_PAGES / 2 : 4);
	size_t first = roll(FUZZ_RAM_PAGES - nr + 1);
	int what, ret;

	if (fuzz_in_child)
		return;
	if (one_in(2)) {
		what = advice[roll(sizeof(advice) / sizeof(advice[0]))];
		ret = sys(madvise(ram + first * PAGE_4K, nr * PAGE_4K, what));
		if (!ret && what == MADV_DONTNEED)
			box_lose_pages(first, nr, false);
	} else {
		ret = memory_set(first, nr, one_in(2) ? PAGE_RW : roll(4));
	}
	count_call(FUZZ_MEMORY, ret);
	if (ret && ret != -ENOMEM && ret != -EINVAL)
		wrong("memory: %d", ret);
}
