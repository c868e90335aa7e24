// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_TDP_READ_SLOTS: where the guest has memory, of what kind, and who may see where
 * that is in the VMM.
 */
#include <linux/capability.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bed.h"
#include "nobody.h"
#include "sys.h"

#define MANY	150	/* several batches of the kernel's, and of the library's */

static struct bed bed;

struct seen {
	struct kvm_tdp_slot slots[MANY + 8];
	unsigned int nr;
};

static int see(const struct kvm_tdp_slot *slot, void *data)
{
	struct seen *seen = data;

	if (seen->nr == MANY + 8)
		bail("more slots than there are");
	seen->slots[seen->nr++] = *slot;
	return 0;
}

/* From @gpa on. */
static void look(struct seen *seen, uint64_t gpa)
{
	seen->nr = 0;
	is(kvm_tdp_read_slots(bed.tdp, gpa, see, seen), 0, "the slots are read");
}

static void check_slot(const struct kvm_tdp_slot *slot, uint64_t gpa, const struct mem *mem,
		       uint32_t flags, uint32_t backing, const char *what)
{
	ok(slot->gpa == gpa && slot->length == mem->size, "%s: gpa %#llx, length %#llx", what,
	   slot->gpa, slot->length);
	is(slot->hva, (uintptr_t)mem->hva, "%s: hva", what);
	is(slot->flags, flags, "%s: flags", what);
	is(slot->backing, backing, "%s: backing", what);
}

static void test_kinds(void)
{
	struct mem anon, shared, file, huge, log, rom, gone;
	struct seen seen;

	bed_open(&bed);
	mem_small(&anon, PAGE_4K);
	mem_memfd(&shared, 3 * PAGE_4K);
	mem_file(&file, sys_disk(), PAGE_2M, MAP_SHARED);
	mem_small(&log, PAGE_4K);
	mem_small(&rom, PAGE_4K);
	mem_small(&gone, PAGE_4K);
	/* Not in the order of their addresses. */
	vm_map(&bed.vm, 5, GPA + PAGE_2M, &shared);
	vm_map(&bed.vm, 1, GPA, &anon);
	vm_map(&bed.vm, 2, GPA + 2 * PAGE_2M, &file);
	must(vm_slot(&bed.vm, 3, GPA + 3 * PAGE_2M, log.size, log.hva, KVM_MEM_LOG_DIRTY_PAGES));
	must(vm_slot(&bed.vm, 4, GPA + 4 * PAGE_2M, rom.size, rom.hva, KVM_MEM_READONLY));
	vm_map(&bed.vm, 6, GPA + 5 * PAGE_2M, &gone);
	must(munmap(gone.hva, gone.size));
	if (!mem_hugetlb(&huge, PAGE_2M, PAGE_2M))
		vm_map(&bed.vm, 7, GPA + 6 * PAGE_2M, &huge);
	else
		huge.size = 0;

	look(&seen, 0);
	is(seen.nr, 7 + !!huge.size, "all are seen");
	is(seen.slots[0].gpa, 0, "that of the guest's code first");
	check_slot(&seen.slots[1], GPA, &anon, 0, KVM_TDP_BACKING_ANON, "anonymous");
	check_slot(&seen.slots[2], GPA + PAGE_2M, &shared, 0, KVM_TDP_BACKING_SHMEM, "a memfd");
	check_slot(&seen.slots[3], GPA + 2 * PAGE_2M, &file, 0, KVM_TDP_BACKING_FILE, "a file");
	check_slot(&seen.slots[4], GPA + 3 * PAGE_2M, &log, KVM_TDP_SLOT_LOGGED,
		   KVM_TDP_BACKING_ANON, "one that logs");
	check_slot(&seen.slots[5], GPA + 4 * PAGE_2M, &rom, KVM_TDP_SLOT_READONLY,
		   KVM_TDP_BACKING_ANON, "one that is read-only");
	check_slot(&seen.slots[6], GPA + 5 * PAGE_2M, &gone, 0, KVM_TDP_BACKING_NONE,
		   "one of memory that is gone");
	if (huge.size)
		check_slot(&seen.slots[7], GPA + 6 * PAGE_2M, &huge, 0,
			   KVM_TDP_BACKING_HUGETLB, "hugetlb");

	look(&seen, GPA + PAGE_4K);
	is(seen.slots[0].gpa, GPA + PAGE_2M, "from the end of one on");
	look(&seen, GPA + PAGE_2M + PAGE_4K);
	is(seen.slots[0].gpa, GPA + PAGE_2M, "from within one on");
	look(&seen, GPA + PAGE_1G);
	is(seen.nr, 0, "behind the last");
	bed_close(&bed);
	mem_free(&anon);
	mem_free(&shared);
	mem_free(&file);
	mem_free(&log);
	mem_free(&rom);
	if (huge.size)
		mem_free(&huge);
}

static void test_many(void)
{
	struct seen seen;
	struct mem mem;
	int i, wrong = 0;

	bed_open(&bed);
	mem_small(&mem, MANY * PAGE_4K);
	for (i = 0; i < MANY; i++)
		must(vm_slot(&bed.vm, 1 + i, GPA + 2 * i * PAGE_4K, PAGE_4K,
			     mem.hva + i * PAGE_4K, 0));
	look(&seen, 0);
	is(seen.nr, MANY + 1, "all are seen");
	for (i = 0; i < MANY; i++)
		wrong += seen.slots[1 + i].gpa != GPA + 2 * i * PAGE_4K;
	is(wrong, 0, "in order, each once");
	bed_close(&bed);
	mem_free(&mem);
}

static int read_slots(uint64_t gpa, void *slots, uint32_t nr, uint32_t flags)
{
	struct kvm_tdp_slots arg = {
		.size = sizeof(arg), .flags = flags, .gpa = gpa,
		.slots = (uintptr_t)slots, .nr_slots = nr,
	};

	return sys(ioctl(bed.tdp, KVM_TDP_READ_SLOTS, &arg)) ?: (int)arg.nr_slots;
}

static void test_errors(void)
{
	struct kvm_tdp_slot slot;

	bed_open(&bed);
	is(read_slots(0, &slot, 1, 0), 1, "room for one");
	is(read_slots(PAGE_1G, &slot, 1, 0), 0, "there is none");
	is(read_slots(~0ULL & -PAGE_4K, &slot, 1, 0), 0, "nor at the end of all");
	is(read_slots(0, &slot, 1, 1), -EINVAL, "an unknown flag");
	is(read_slots(8, &slot, 1, 0), -EINVAL, "not a page's address");
	is(read_slots(0, &slot, 0, 0), -EINVAL, "no room");
	is(read_slots(0, NULL, 1, 0), -EFAULT, "nowhere to write to");
	bed_close(&bed);
}

/* The TDP fd of a VM of root's, in the hands of a process that is not its VMM. */
static int hva_is_hidden(void)
{
	struct kvm_tdp_slot slot;

	if (read_slots(0, &slot, 1, 0) != 1)
		return 2;
	return slot.hva != 0;
}

static void test_who(void)
{
	struct kvm_tdp_slot slot;

	bed_open(&bed);
	is(read_slots(0, &slot, 1, 0), 1, "root reads");
	is(slot.hva, (uintptr_t)bed.vm.boot.hva, "and sees where");
	is(as_nobody(hva_is_hidden), 0, "nobody sees the rest");
	sys_cap(CAP_SYS_ADMIN, false);
	is(hva_is_hidden(), 1, "the VMM sees where, also without privilege");
	sys_cap(CAP_SYS_ADMIN, true);
	bed_close(&bed);
}

static const struct tap_case cases[] = {
	{ "kinds", test_kinds },
	{ "many", test_many },
	{ "errors", test_errors },
	{ "who", test_who },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
