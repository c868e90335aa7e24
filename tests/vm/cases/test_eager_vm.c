// SPDX-License-Identifier: GPL-2.0-only
/*
 * Eager fill where there is more than one address space about: SMM, nested
 * guests, several VMs; and where the table or the VMM's memory comes and goes
 * under a vCPU that runs.
 */
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GPA	bed_gpa
#include "eager.h"
#include "kmod.h"
#include "nested.h"
#include "smm.h"
#include "sys.h"

#define SLOT	1
#define SIZE	PAGE_2M
#define HALF	(SIZE / 2)
#define PAGES	(SIZE / PAGE_4K)
#define RO	(ACC_R | ACC_X)

static struct bed bed;
static struct mem mem;
static struct kvm_tdp_stats before;
static const char *title;

#define T(text)		"%s: " text, title

static struct kvm_tdp_stats since(void)
{
	return eager_since(&bed, &before);
}

static void begin(const char *what)
{
	title = what;
	mem_small(&mem, SIZE);
	eager_open(&bed, &before);
	vm_map(&bed.vm, SLOT, GPA, &mem);
}

static void end(void)
{
	ok(ktdp_counts_agree(bed.tdp), T("leaves are counted"));
	bed_close(&bed);
	mem_free(&mem);
}

/* SMM has other memory than the guest, at the same place. */
static void test_smm(void)
{
	struct bed other;	/* the same VM, as_id 1 */
	struct mem hidden;
	struct smm smm;

	begin("SMM");
	mem_small(&hidden, SIZE);
	smm_open(&smm, &bed.vm);
	vm_map(&bed.vm, 2, GPA_LOW, &mem);
	vm_map(&bed.vm, VM_SMM_SLOT(2), GPA_LOW, &hidden);
	other.vm = bed.vm;
	other.tdp = must(kvm_tdp_create(bed.vm.fd, 1));
	is(smm_touch(&smm, GPA_LOW, 0), 0, T("handler runs"));
	is(ktdp_stats(other.tdp).eager_filled, 2,
	   T("its code and arguments enter as_id 1"));
	is(guest_fill(&bed.vm, GPA_LOW, HALF, GEN(2)), 0, T("guest writes half"));
	before = ktdp_stats(bed.tdp);
	is(smm_fill(&smm, GPA_LOW, SIZE, GEN(1)), 0, T("handler writes all"));
	ok(eager_is(&other, GPA_LOW, SIZE, 1, ALL_ACCESS), T("as_id 1 has it"));
	ok(bed_agrees(&other, GPA_LOW, hidden.hva, SIZE), T("its own memory"));
	ok(bed_agrees(&bed, GPA_LOW, mem.hva, HALF), T("as_id 0 as before"));
	ok(ktdp_absent(bed.tdp, GPA_LOW + HALF, HALF), T("without the other half"));
	is(ktdp_stats(other.tdp).eager_filled, PAGES + 2, T("each page once"));
	is(since().eager_filled, 0, T("and as_id 0 nothing"));
	before = ktdp_stats(other.tdp);
	is(guest_fill(&bed.vm, GPA_LOW, SIZE, GEN(2)), 0, T("guest writes all"));
	ok(eager_is(&bed, GPA_LOW, SIZE, 1, ALL_ACCESS), T("as_id 0 has it now"));
	ok(bed_agrees(&bed, GPA_LOW, mem.hva, SIZE), T("its own memory"));
	ok(bed_agrees(&other, GPA_LOW, hidden.hva, SIZE), T("as_id 1 as before"));
	is(eager_since(&other, &before).eager_filled, 0, T("nothing was added to it"));
	is(dma_check(bed.dma, GPA_LOW, SIZE, GEN(2)), 0, T("engine reads as_id 0"));
	ok(mem_check(hidden.hva, GPA_LOW, SIZE, GEN(1)), T("SMM's is untouched"));
	is(ktdp_stats(bed.tdp).faults | ktdp_stats(other.tdp).faults, 0,
	   T("nobody faulted"));
	ok(ktdp_counts_agree(other.tdp), T("leaves are counted in as_id 1"));
	close(other.tdp);
	/* Without a table of its own, SMM's touches enter none. */
	before = ktdp_stats(bed.tdp);
	must(madvise(hidden.hva, SIZE, MADV_DONTNEED));
	is(smm_touch(&smm, GPA_LOW, SIZE), 0, T("handler reads"));
	ok(bed_agrees(&bed, GPA_LOW, mem.hva, SIZE), T("as_id 0 as before"));
	is(since().eager_filled, 0, T("nothing was added to it"));
	ok(since().eager_foreign >= PAGES, T("they were not for it"));
	must(sys_cap(CAP_SYS_ADMIN, false));
	is(ktdp_stats(bed.tdp).eager_foreign, 0, T("which is not for everybody to know"));
	must(sys_cap(CAP_SYS_ADMIN, true));
	end();
	mem_free(&hidden);
	smm_close(&smm);
}

/*
 * L1 has @mem at GPA, which L2 has at GPA + NESTED_SHIFT; there L1 has other
 * memory, which nobody touches.
 */
static void check_nested(bool paging, const char *what)
{
	uint64_t table = NESTED_GPA + NESTED_TABLE;
	struct nested nested;
	struct mem decoy;

	begin(what);
	mem_small(&decoy, SIZE);
	mem_fill(decoy.hva, 0, SIZE, GEN(9));
	vm_map(&bed.vm, 2, GPA + NESTED_SHIFT, &decoy);
	nested_open(&nested, &bed.vm, paging);
	mem_fill(mem.hva, GPA + NESTED_SHIFT, SIZE, GEN(1));
	is(nested_check(&nested, GPA, HALF, GEN(1)), 0, T("L2 reads"));
	ok(ktdp_mapped(bed.tdp, GPA, HALF), T("it is where L1 has it"));
	is(nested_fill(&nested, GPA, SIZE, GEN(2)), 0, T("L2 writes"));
	ok(eager_is(&bed, GPA, SIZE, 1, ALL_ACCESS), T("all of it is there"));
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), T("the host's pages"));
	ok(ktdp_absent(bed.tdp, GPA + NESTED_SHIFT, SIZE),
	   T("nothing is where L2 has it"));
	ok(bed_agrees(&bed, NESTED_GPA, nested.mem.hva, nested.mem.size),
	   T("L1's part"));
	is(since().faults, 0, T("nobody faulted"));
	/* KVM shadows L1's nested page table, and keeps L1 from writing to it. */
	is(guest_touch(&bed.vm, table, PAGE_4K), 0, T("L1 reads the table"));
	is(ktdp_access(bed.tdp, table), paging ? RO : ALL_ACCESS,
	   T("with the access that KVM gives"));
	is(ktdp_prefault(bed.tdp, GPA + SIZE - PAGE_4K, PAGE_4K, ACC_W), 0,
	   T("a fault for what is there"));
	is(since().faults_spurious, 1, T("is spurious"));
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 3), T("all works"));
	ok(mem_check(decoy.hva, 0, SIZE, GEN(9)), T("no decoy was hit"));
	end();
	mem_free(&decoy);
	nested_close(&nested);
}

static void test_nested(void)
{
	check_nested(true, "nested");
	check_nested(false, "nested, no paging");
}

/* KVM maps for reading what an importer may write already. */
static void test_downgrade(void)
{
	uint64_t table = NESTED_GPA + NESTED_TABLE;
	struct nested nested;

	begin("downgrade");
	nested_open(&nested, &bed.vm, true);
	is(nested_fill(&nested, GPA, SIZE, GEN(1)), 0, T("L2 runs"));
	is(ktdp_prefault(bed.tdp, table, PAGE_4K, ACC_W), 0, T("fault for write"));
	before = ktdp_stats(bed.tdp);
	is(guest_touch(&bed.vm, table, PAGE_4K), 0, T("L1 reads"));
	is(since().eager_present, 1, T("it was present"));
	is(ktdp_access(bed.tdp, table), ALL_ACCESS, T("and keeps its access"));
	end();
	nested_close(&nested);
}

/* Two VMs with different memory at the same place, then one without a table. */
static void test_two_vms(void)
{
	struct kvm_tdp_stats other_before;
	struct mem other_mem;
	struct bed other;

	begin("two VMs");
	mem_small(&other_mem, SIZE);
	eager_open(&other, &other_before);
	vm_map(&other.vm, SLOT, GPA, &other_mem);
	before = ktdp_stats(bed.tdp);
	is(guest_fill(&other.vm, GPA, HALF, GEN(1)), 0, T("second guest writes half"));
	ok(eager_is(&other, GPA, HALF, 1, ALL_ACCESS), T("its table has it"));
	ok(bed_agrees(&other, GPA, other_mem.hva, HALF), T("its own memory"));
	ok(ktdp_absent(bed.tdp, GPA, SIZE), T("the first one's has not"));
	is(guest_fill(&bed.vm, GPA + HALF, HALF, GEN(2)), 0,
	   T("first guest writes the other half"));
	ok(ktdp_absent(other.tdp, GPA + HALF, HALF), T("the second one's has not"));
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(2)), 0, T("first guest writes all"));
	is(guest_fill(&other.vm, GPA, SIZE, GEN(1)), 0, T("second guest writes all"));
	ok(eager_is(&bed, GPA, SIZE, 1, ALL_ACCESS), T("its table has it"));
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), T("its own memory"));
	ok(bed_agrees(&other, GPA, other_mem.hva, SIZE), T("no mixture"));
	is(since().eager_filled, PAGES, T("each page once"));
	is(eager_since(&other, &other_before).eager_filled, PAGES, T("in both"));
	is(dma_check(bed.dma, GPA, SIZE, GEN(2)) |
	   dma_check(other.dma, GPA, SIZE, GEN(1)), 0, T("engines read"));
	ok(ktdp_counts_agree(other.tdp), T("leaves are counted"));
	close(other.dma);
	close(other.tdp);
	must(madvise(other_mem.hva, SIZE, MADV_DONTNEED));
	before = ktdp_stats(bed.tdp);
	is(guest_fill(&other.vm, GPA, SIZE, GEN(3)), 0,
	   T("second guest writes without a table"));
	ok(since().eager_foreign >= PAGES, T("which is nobody's"));
	is(since().eager_filled, 0, T("nothing is filled"));
	is(eager_dropped(&bed), 0, T("nor dropped"));
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), T("the first one's as before"));
	vm_close(&other.vm);
	mem_free(&other_mem);
	end();
}

/* The guest has to fault again and again. */
static void shake(size_t offset)
{
	must(madvise(mem.hva + offset, SIZE / 4, MADV_DONTNEED));
}

static bool is_filled(unsigned int ms)
{
	while (!ktdp_stats(bed.tdp).eager_filled && sys_step(&ms))
		;
	return ktdp_stats(bed.tdp).eager_filled;
}

/* Tables come and go under a vCPU that faults; every other one lives longer. */
static void check_life(const char *what)
{
	unsigned int i, wrong = 0, filled = 0;
	uint64_t until = sys_now() + 1000;

	title = what;
	for (i = 0; i < 8 || sys_now() < until; i++) {
		bed.tdp = must(kvm_tdp_create(bed.vm.fd, 0));
		shake(i % 4 * SIZE / 4);
		usleep(rand() % 4000);
		filled += is_filled(i % 2 * 2000);
		wrong += !bed_agrees(&bed, GPA, mem.hva, SIZE) ||
			 !ktdp_absent(bed.tdp, GPA + SIZE, SIZE);
		close(bed.tdp);
		if (i % 2)
			shake(i % 4 * SIZE / 4);
	}
	is(wrong, 0, T("no table was wrong"));
	ok(filled && filled >= i / 2, T("%u of %u were filled by vCPU faults"), filled, i);
}

static void test_life(void)
{
	struct bed other;

	begin("life");
	close(bed.dma);
	close(bed.tdp);
	vm_spin(&bed.vm, GPA, SIZE, GEN(1));
	check_life("life, hooks come and go");
	bed_open(&other);
	check_life("life, hooks stay");
	bed_close(&other);
	bed.tdp = must(kvm_tdp_create(bed.vm.fd, 0));
	bed.dma = dma_open();
	is(kvm_tdp_dma_attach(bed.dma, bed.tdp), 0, T("attach"));
	shake(0);
	usleep(20000);
	vm_spin_stop(&bed.vm);
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), T("the host's pages"));
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), T("all works"));
	end();
}

/* A copy of the VMM's memory must not see what is written after the fork. */
static void test_fork(void)
{
	int go[2];
	char byte;
	pid_t pid;

	begin("fork");
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(1)), 0, T("guest writes"));
	must(pipe(go));
	pid = must(fork());
	if (!pid) {
		close(go[1]);
		if (read(go[0], &byte, 1))
			_exit(2);
		_exit(!mem_check(mem.hva, GPA, SIZE, GEN(1)));
	}
	close(go[0]);
	ok(ktdp_grants_none(bed.tdp, GPA, SIZE, ACC_W), T("write access is gone"));
	is(guest_check(&bed.vm, GPA, SIZE, GEN(1)), 0, T("guest reads"));
	ok(ktdp_grants_none(bed.tdp, GPA, SIZE, ACC_W), T("and is given none"));
	is(guest_fill(&bed.vm, GPA, HALF, GEN(2)), 0, T("guest writes"));
	ok(eager_is(&bed, GPA, HALF, 1, ALL_ACCESS), T("copies enter"));
	is(dma_fill(bed.dma, GPA, HALF, GEN(3)), 0, T("engine writes to them"));
	is(since().faults, 0, T("without a fault"));
	is(dma_fill(bed.dma, GPA + HALF, HALF, GEN(3)), 0,
	   T("engine writes to the others"));
	close(go[1]);
	is(sys_wait_exit(pid, 10000), 0, T("the child has what was there"));
	is(guest_check(&bed.vm, GPA, SIZE, GEN(3)), 0, T("and the guest the new"));
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), T("the host's pages"));
	end();
}

static void test_fork_storm(void)
{
	unsigned int i, wrong = 0;
	pid_t pid;

	begin("fork storm");
	vm_spin(&bed.vm, GPA, SIZE, GEN(1));
	for (i = 0; i < 100 || (i < 10000 && since().eager_filled <= PAGES); i++) {
		pid = must(fork());
		if (!pid)
			_exit(0);
		usleep(rand() % 1000);
		wrong += sys_wait_exit(pid, 10000) != 0;
	}
	vm_spin_stop(&bed.vm);
	is(wrong, 0, T("all children came and went"));
	ok(since().eager_filled > PAGES, T("the guest had to fault"));
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), T("the host's pages"));
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), T("all works"));
	end();
}

/* To the host an encrypted VM's memory is of no use. */
static void test_encrypted(void)
{
	struct ktdp_test_encrypt encrypt = { .on = 1 };
	int kmod = kmod_open(), tdp;
	struct vm vm;

	vm_open(&vm);
	encrypt.vm_fd = vm.fd;
	kmod_do(kmod, KTDP_TEST_ENCRYPT, &encrypt);
	tdp = kvm_tdp_create(vm.fd, 0);
	ok(tdp >= 0, "encrypted: not known before there is a vCPU");
	close(tdp);
	vm_add_vcpu(&vm);
	kmod_do(kmod, KTDP_TEST_ENCRYPT, &encrypt);
	is(kvm_tdp_create(vm.fd, 0), -EOPNOTSUPP, "encrypted: refused");
	encrypt.on = 0;
	kmod_do(kmod, KTDP_TEST_ENCRYPT, &encrypt);
	tdp = kvm_tdp_create(vm.fd, 0);
	ok(tdp >= 0, "not encrypted: exported");
	close(tdp);
	vm_close(&vm);
	close(kmod);
}

#define MEMORY	"/sys/devices/system/memory"

/* Some block of the host's memory that can go: its number. */
static int offline_some(char *path, size_t size)
{
	int block;

	for (block = 63; block >= 0; block--) {
		snprintf(path, size, MEMORY "/memory%d/state", block);
		if (!sys_write(path, "offline"))
			return block;
	}
	return -1;
}

/* The host loses memory and gets it back; what is mapped moves elsewhere. */
static void test_memory_offline(void)
{
	char path[64];
	int block;

	begin("memory offline");
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(1)), 0, T("guest writes"));
	block = offline_some(path, sizeof(path));
	ok(block >= 0, T("block %d goes"), block);
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), T("the host's pages"));
	must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(2)), 0, T("guest writes again"));
	ok(eager_is(&bed, GPA, SIZE, 1, ALL_ACCESS), T("copies enter"));
	is(sys_write(path, "online"), 0, T("block %d comes back"), block);
	must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(3)), 0, T("guest writes again"));
	ok(eager_is(&bed, GPA, SIZE, 1, ALL_ACCESS), T("copies enter"));
	is(dma_check(bed.dma, GPA, SIZE, GEN(3)), 0, T("engine reads"));
	is(since().faults, 0, T("without a fault"));
	end();
}

static const struct tap_case cases[] = {
	{ "smm", test_smm },
	{ "nested", test_nested },
	{ "downgrade", test_downgrade },
	{ "two_vms", test_two_vms },
	{ "life", test_life },
	{ "fork", test_fork },
	{ "fork_storm", test_fork_storm },
	{ "encrypted", test_encrypted },
	{ "memory_offline", test_memory_offline },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
