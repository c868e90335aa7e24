// SPDX-License-Identifier: GPL-2.0-only
/*
 * Eager fill on every kind of memory: what the guest touches is in the table
 * without a fault, as KVM has it, and what must not get in does not.
 *
 * Needs a 1G page, secret memory and ktdp_test, on the kernel's command line:
 * hugepagesz=1G hugepages=1 secretmem.enable=1 ktdp.mod=ktdp_test
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GPA	bed_gpa
#include "eager.h"
#include "ksm.h"
#include "kmod.h"
#include "sys.h"

#define SLOT	1
#define LITTLE	0x20000UL		/* of memory of 2M */
#define PAGES	(LITTLE / PAGE_4K)
#define RO	(ACC_R | ACC_X)
#define APIC	0xfee00000UL
#define EAGER	"/sys/module/kvm_tdp/parameters/eager"

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
	eager_open(&bed, &before);
	vm_map(&bed.vm, SLOT, GPA, &mem);
}

static void end(void)
{
	ok(ktdp_counts_agree(bed.tdp), T("leaves are counted"));
	bed_close(&bed);
	mem_free(&mem);
}

/* The guest alone has brought this in. */
static void check_followed(size_t size, unsigned int level, unsigned int access)
{
	ok(eager_is(&bed, GPA, size, level, access), T("is in the table"));
	ok(bed_agrees(&bed, GPA, mem.hva, size), T("the host's pages"));
	is(since().faults, 0, T("nobody faulted"));
}

/* ... and the engine finds it there. */
static void check_no_fault(size_t size, unsigned int gen)
{
	is(dma_check(bed.dma, GPA, size, GEN(gen)), 0, T("engine reads"));
	is(dma_fill(bed.dma, GPA, size, GEN(gen + 1)), 0, T("engine writes"));
	is(guest_check(&bed.vm, GPA, size, GEN(gen + 1)), 0, T("guest reads"));
	is(dma_stats(bed.dma).faults, 0, T("engine never faulted"));
}

/* Memory that nobody has touched, then memory that is there. */
static void check_kind(const char *what, unsigned int level)
{
	static const size_t spans[] = { 0, LITTLE, PAGE_2M, PAGE_1G };
	size_t leaves = level == 1 ? PAGES : 1;

	begin(what);
	is(guest_fill(&bed.vm, GPA, LITTLE, GEN(1)), 0, T("guest writes"));
	is(since().eager_filled, leaves, T("leaves of vCPU faults"));
	check_followed(spans[level], level, ALL_ACCESS);
	check_no_fault(LITTLE, 1);
	bed_close(&bed);

	begin(what);
	is(guest_touch(&bed.vm, GPA, LITTLE), 0, T("guest reads"));
	ok(ktdp_mapped(bed.tdp, GPA, LITTLE), T("reads enter"));
	is(guest_fill(&bed.vm, GPA, LITTLE, GEN(3)), 0, T("guest writes what it read"));
	check_followed(spans[level], level, ALL_ACCESS);
	check_no_fault(LITTLE, 3);
	end();
}

static void check_thp(void)
{
	if (mem_skip_thp("THP"))
		return;
	mem_thp(&mem, PAGE_2M);
	if (!mem_is_thp(mem.hva))
		bail("the host has no THP to give");
	check_kind("THP", 2);
}

static void test_kinds(void)
{
	mem_small(&mem, PAGE_2M);
	check_kind("anonymous", 1);
	check_thp();
	mem_memfd(&mem, PAGE_2M);
	check_kind("memfd", 1);
	mem_file(&mem, "/tmp", PAGE_2M, MAP_SHARED);
	check_kind("tmpfs file", 1);
	mem_file(&mem, sys_disk(), PAGE_2M, MAP_SHARED);
	check_kind("disk file", 1);
}

static void test_hugetlb(void)
{
	if (mem_hugetlb(&mem, PAGE_2M, PAGE_2M))
		bail("no 2M pages");
	check_kind("hugetlb 2M", 2);
	if (mem_hugetlb(&mem, PAGE_1G, PAGE_1G))
		bail("no 1G page: boot with hugepagesz=1G hugepages=1");
	check_kind("hugetlb 1G", 3);
}

/* Read first, from a page that the write then replaces. */
static void check_replaced(void)
{
	uint64_t first = ktdp_hpa(bed.tdp, GPA), second;
	uint64_t next = ktdp_hpa(bed.tdp, GPA + PAGE_4K);

	ok(first, T("read enters"));
	ok(ktdp_grants_none(bed.tdp, GPA, LITTLE, ACC_W), T("without write access"));
	ok(bed_agrees(&bed, GPA, mem.hva, LITTLE), T("the host's pages"));
	is(guest_fill(&bed.vm, GPA, PAGE_4K, GEN(1)), 0, T("guest writes"));
	second = ktdp_hpa(bed.tdp, GPA);
	ok(second && second != first, T("another page took its place"));
	is(ktdp_access(bed.tdp, GPA), ALL_ACCESS, T("with write access"));
	ok(bed_agrees(&bed, GPA, mem.hva, LITTLE), T("the host's again"));
	is(ktdp_hpa(bed.tdp, GPA + PAGE_4K), next, T("its neighbour stays"));
	is(since().faults, 0, T("nobody faulted"));
	check_no_fault(PAGE_4K, 1);
}

static void test_zero_page(void)
{
	uint64_t word = 1;

	mem_small(&mem, PAGE_2M);
	begin("zero page");
	is(guest_touch(&bed.vm, GPA, LITTLE), 0, T("guest reads"));
	is(ktdp_hpa(bed.tdp, GPA), ktdp_hpa(bed.tdp, GPA + PAGE_4K),
	   T("all of it is one page"));
	is(dma_write(bed.dma, GPA, &word, 8, KVM_TDP_DMA_NOFAULT), -ENXIO,
	   T("engine may not write"));
	check_replaced();
	end();
}

static void test_private_file(void)
{
	uint64_t word = 1;

	mem_file(&mem, sys_disk(), PAGE_2M, MAP_PRIVATE);
	begin("private file");
	is(guest_touch(&bed.vm, GPA, LITTLE), 0, T("guest reads"));
	check_replaced();
	is(pread(mem.fd, &word, 8, 0), 8, T("read the file"));
	is(word, 0, T("which nobody wrote"));
	end();
}

static void test_ksm(void)
{
	mem_small(&mem, PAGE_2M);
	memset(mem.hva, 0x5a, LITTLE);
	begin("KSM");
	is(guest_touch(&bed.vm, GPA, LITTLE), 0, T("guest reads"));
	check_followed(LITTLE, 1, ALL_ACCESS);
	must(madvise(mem.hva, LITTLE, MADV_MERGEABLE));
	ksm_start();
	ok(ksm_merges(mem.hva, LITTLE), T("the host merges"));
	ksm_set("run", "0");
	is(guest_touch(&bed.vm, GPA, LITTLE), 0, T("guest reads again"));
	is(ktdp_hpa(bed.tdp, GPA), ktdp_hpa(bed.tdp, GPA + PAGE_4K),
	   T("all of it is one page"));
	check_replaced();
	end();
}

/* A huge page of zeroes either enters as it is, or is counted as left out. */
static void test_huge_zero_page(void)
{
	if (mem_skip_thp("huge zero page"))
		return;
	mem_new(&mem, PAGE_2M, 0, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	must(madvise(mem.hva, PAGE_2M, MADV_HUGEPAGE));
	begin("huge zero page");
	is(guest_touch(&bed.vm, GPA, PAGE_4K), 0, T("guest reads"));
	ok(ktdp_mapped(bed.tdp, GPA, PAGE_4K) ||
	   since().eager_not_ram, T("enters or counts"));
	ok(ktdp_grants_none(bed.tdp, GPA, PAGE_2M, ACC_W),
	   T("nobody may write to it"));
	ok(bed_agrees(&bed, GPA, mem.hva, PAGE_2M), T("the host's page"));
	is(guest_fill(&bed.vm, GPA, PAGE_4K, GEN(1)), 0, T("guest writes"));
	is(ktdp_access(bed.tdp, GPA), ALL_ACCESS, T("that enters"));
	ok(bed_agrees(&bed, GPA, mem.hva, PAGE_2M), T("the host's pages"));
	check_no_fault(PAGE_4K, 1);
	end();
}

static void test_read_only_slot(void)
{
	uint64_t word = 1;

	mem_small(&mem, PAGE_2M);
	mem_fill(mem.hva, GPA, LITTLE, GEN(7));
	begin("read-only slot");
	vm_unmap(&bed.vm, SLOT);
	is(vm_slot(&bed.vm, SLOT, GPA, mem.size, mem.hva, KVM_MEM_READONLY), 0,
	   T("made"));
	is(guest_check(&bed.vm, GPA, LITTLE, GEN(7)), 0, T("guest reads"));
	check_followed(LITTLE, 1, RO);
	is(guest_fill(&bed.vm, GPA, 8, 0), 1000 + KVM_EXIT_MMIO,
	   T("guest's write is MMIO"));
	check_followed(LITTLE, 1, RO);
	is(dma_write(bed.dma, GPA, &word, 8, 0), -EACCES, T("engine may not write"));
	is(dma_check(bed.dma, GPA, LITTLE, GEN(7)), 0, T("engine reads"));
	end();
}

static void test_read_only_vma(void)
{
	uint64_t word = 1;

	mem_small(&mem, PAGE_2M);
	mem_fill(mem.hva, GPA, LITTLE, GEN(7));
	begin("read-only VMA");
	must(mprotect(mem.hva, LITTLE, PROT_READ));
	is(guest_check(&bed.vm, GPA, LITTLE, GEN(7)), 0, T("guest reads"));
	check_followed(LITTLE, 1, RO);
	is(guest_fill(&bed.vm, GPA, 8, 0), -EFAULT, T("guest cannot write"));
	is(dma_write(bed.dma, GPA, &word, 8, 0), -EACCES, T("nor can the engine"));
	must(mprotect(mem.hva, LITTLE, PROT_READ | PROT_WRITE));
	before = ktdp_stats(bed.tdp);
	is(guest_fill(&bed.vm, GPA, LITTLE, GEN(1)), 0, T("now guest writes"));
	check_followed(LITTLE, 1, ALL_ACCESS);
	is(dma_fill(bed.dma, GPA, LITTLE, GEN(2)), 0, T("and the engine"));
	is(since().faults, 0, T("without a fault"));
	end();
}

/* What an importer asked for first, the guest finds done. */
static void test_present(void)
{
	mem_small(&mem, PAGE_2M);
	begin("present");
	is(ktdp_prefault(bed.tdp, GPA, LITTLE, ACC_W), 0, T("prefault"));
	is(guest_touch(&bed.vm, GPA, LITTLE), 0, T("guest reads"));
	is(guest_fill(&bed.vm, GPA, LITTLE, GEN(1)), 0, T("guest writes"));
	ok(eager_is(&bed, GPA, LITTLE, 1, ALL_ACCESS), T("all access"));
	is(since().eager_filled, 0, T("nothing was left to do"));
	ok(since().eager_present >= PAGES, T("which counts"));
	is(since().entries_set, PAGES, T("each entry was set once"));
	end();
}

/* Nothing comes of it, and nothing is remembered. */
static void check_nothing(uint64_t gpa, size_t size)
{
	ok(ktdp_absent(bed.tdp, gpa, size), T("nothing enters"));
	is(since().eager_filled, 0, T("nothing is counted as filled"));
	is(ktdp_prefault(bed.tdp, gpa, PAGE_4K, ACC_R), -EFAULT, T("nor by a fault"));
	ok(ktdp_absent(bed.tdp, gpa, size), T("still nothing"));
}

static void test_mmio(void)
{
	mem_small(&mem, PAGE_2M);
	begin("MMIO");
	is(guest_touch(&bed.vm, GPA_LOW, PAGE_4K), 1000 + KVM_EXIT_MMIO, T("read"));
	check_nothing(GPA_LOW, PAGE_4K);
	is(guest_fill(&bed.vm, GPA + PAGE_2M, 8, 0), 1000 + KVM_EXIT_MMIO, T("write"));
	check_nothing(GPA + PAGE_2M, PAGE_4K);
	end();
}

static void check_device(const char *what)
{
	begin(what);
	is(guest_touch(&bed.vm, GPA, PAGE_4K), 0, T("guest reads"));
	is(since().eager_not_ram, 1, T("not RAM, which counts"));
	check_nothing(GPA, PAGE_4K);
	is(dma_stats(bed.dma).faults_failed, 0, T("engine is still new"));
	end();
}

static void device_memory(const char *path, off_t offset, int prot)
{
	int fd = must(open(path, O_RDWR | O_CLOEXEC));

	mem.size = PAGE_4K;
	mem.fd = fd;
	mem.hva = mmap(NULL, PAGE_4K, prot, MAP_SHARED, fd, offset);
	if (mem.hva == MAP_FAILED)
		bail("mmap of %s at %#lx: errno %d", path, (long)offset, errno);
}

/* VM_PFNMAP: with and without a struct page, device and RAM. */
static void test_device(void)
{
	device_memory("/dev/mem", 0xe0000000, PROT_READ);
	check_device("no struct page");
	device_memory("/dev/mem", 0xe0000000, PROT_READ | PROT_WRITE);
	check_device("no struct page, writable");
	device_memory("/dev/mem", 0xf0000, PROT_READ);
	check_device("ROM");
	device_memory("/dev/ktdp_test", 0, PROT_READ | PROT_WRITE);
	check_device("a driver's RAM");
}

static void test_secret(void)
{
	int fd = syscall(SYS_memfd_secret, O_CLOEXEC);

	if (fd < 0)
		bail("no secret memory: boot with secretmem.enable=1");
	must(ftruncate(fd, LITTLE));
	mem_new(&mem, LITTLE, 0, MAP_SHARED, fd);
	mem_fill(mem.hva, GPA, LITTLE, GEN(7));
	begin("secret");
	is(guest_touch(&bed.vm, GPA, LITTLE), -EFAULT, T("the guest may not either"));
	check_nothing(GPA, LITTLE);
	end();
}

/* In-kernel irqchip: on some machines KVM maps a page of its own at the APIC. */
static void test_private_slots(void)
{
	/* mov eax, APIC + 0x30; mov eax, [rax]; out 0x80, al */
	static const unsigned char code[] = {
		0xb8, 0x30, 0x00, 0xe0, 0xfe, 0x8b, 0x00, 0xe6, 0x80,
	};
	uint64_t identity_map = 0xfffbc000;
	char apicv = 0;
	int fd;

	title = "private slots";
	fd = must(open(vm_is_intel() ? "/sys/module/kvm_intel/parameters/enable_apicv" :
				       "/sys/module/kvm_amd/parameters/avic", O_RDONLY));
	must(read(fd, &apicv, 1));
	close(fd);
	mem_small(&mem, PAGE_2M);
	memcpy(mem.hva, code, sizeof(code));
	vm_open(&bed.vm);
	must(ioctl(bed.vm.fd, KVM_SET_TSS_ADDR, 0xfffbd000UL));
	must(ioctl(bed.vm.fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map));
	must(ioctl(bed.vm.fd, KVM_CREATE_IRQCHIP, 0));
	vm_add_vcpu(&bed.vm);
	bed.tdp = must(kvm_tdp_create(bed.vm.fd, 0));
	bed.dma = dma_open();
	vm_map(&bed.vm, SLOT, GPA, &mem);
	before = ktdp_stats(bed.tdp);
	is(guest_call(&bed.vm, GPA), 1000 + KVM_EXIT_IO, T("guest reads its APIC"));
	is(since().eager_no_slot, apicv == 'Y',
	   T("%s"), apicv == 'Y' ? "its page is KVM's" : "no page is behind it");
	ok(ktdp_mapped(bed.tdp, GPA, PAGE_4K), T("its code enters"));
	ok(ktdp_absent(bed.tdp, APIC, PAGE_4K), T("the APIC does not"));
	ok(ktdp_absent(bed.tdp, identity_map, 4 * PAGE_4K), T("nor the TSS"));
	is(ktdp_prefault(bed.tdp, APIC, PAGE_4K, ACC_R), -EFAULT, T("nor by a fault"));
	end();
}

/* More tables than the reserve holds, as fast as a guest can ask for them. */
static void test_windows(void)
{
	size_t stride = 8 * PAGE_2M, nr = 200, i;
	unsigned int tries = 10;
	uint64_t lost, word;
	int ret = 0;

	mem_new(&mem, nr * stride, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		-1);
	mem_no_thp(mem.hva, mem.size);
	begin("windows");
	/* The worker that fills the pool shares the CPU with the guest. */
	do {
		vm_unmap(&bed.vm, SLOT);
		vm_map(&bed.vm, SLOT, GPA, &mem);
		before = ktdp_stats(bed.tdp);
		for (i = 0; !ret && i < nr; i++)
			ret = guest_fill(&bed.vm, GPA + i * stride, 8, GEN(1));
		lost = since().eager_no_pool;
		diag("%llu of %zu found the pool empty", (unsigned long long)lost, nr);
	} while (!ret && lost > nr / 4 && --tries);
	is(ret, 0, T("guest writes to each"));
	ok(lost <= nr / 4, T("the pool is seldom empty"));
	is(since().eager_filled + lost, nr, T("all is accounted for"));
	for (i = 0; !ret && i < nr; i++) {
		ret = dma_read(bed.dma, GPA + i * stride, &word, 8, 0);
		ret |= word != ((GPA + i * stride) ^ GEN(1));
	}
	is(ret, 0, T("engine reads each"));
	ok(dma_stats(bed.dma).faults <= lost, T("and faults for no more"));
	ok(bed_agrees(&bed, GPA, mem.hva, mem.size), T("the host's pages"));
	end();
}

/*
 * The guest's code and what it touches first are far apart, and the worker may not
 * have run in between.
 */
static void test_reserve(void)
{
	struct kvm_tdp_info info;

	title = "reserve";
	bed_open(&bed);
	must(kvm_tdp_get_info(bed.tdp, &info));
	ok(ktdp_stats(bed.tdp).pool_pages >= 2 * (info.level - 1),
	   T("tables for two pages with nothing in common but the root"));
	bed_close(&bed);
}

/* The switch counts when the first TDP fd is created. */
static void test_switch(void)
{
	struct kvm_tdp_info info;
	int other;

	is(sys_write(EAGER, "N"), 0, "switch it off");
	mem_small(&mem, PAGE_2M);
	begin("off");
	kvm_tdp_get_info(bed.tdp, &info);
	is(info.eager, KVM_TDP_EAGER_OFF, T("says so"));
	is(sys_write(EAGER, "Y"), 0, T("switch it on again"));
	other = must(kvm_tdp_create(bed.vm.fd, 0));
	kvm_tdp_get_info(other, &info);
	is(info.eager, KVM_TDP_EAGER_OFF, T("too late"));
	close(other);
	is(guest_fill(&bed.vm, GPA, LITTLE, GEN(1)), 0, T("guest writes"));
	ok(ktdp_absent(bed.tdp, 0, GPA + LITTLE), T("nothing enters"));
	is(ktdp_stats(bed.tdp).eager_filled | ktdp_stats(bed.tdp).eager_present |
	   eager_dropped(&bed), 0, T("nothing is counted"));
	ok(bed_works(&bed, GPA, mem.hva, LITTLE, 2), T("faults do all"));
	ok(ktdp_counts_agree(bed.tdp), T("leaves are counted"));
	bed_close(&bed);
	begin("on");
	kvm_tdp_get_info(bed.tdp, &info);
	is(info.eager, KVM_TDP_EAGER_ON, T("says so"));
	is(guest_fill(&bed.vm, GPA, LITTLE, GEN(1)), 0, T("guest writes"));
	check_followed(LITTLE, 1, ALL_ACCESS);
	end();
}

static const struct tap_case cases[] = {
	{ "kinds", test_kinds },
	{ "hugetlb", test_hugetlb },
	{ "zero_page", test_zero_page },
	{ "private_file", test_private_file },
	{ "ksm", test_ksm },
	{ "huge_zero_page", test_huge_zero_page },
	{ "read_only_slot", test_read_only_slot },
	{ "read_only_vma", test_read_only_vma },
	{ "present", test_present },
	{ "mmio", test_mmio },
	{ "device", test_device },
	{ "secret", test_secret },
	{ "private_slots", test_private_slots },
	{ "windows", test_windows },
	{ "reserve", test_reserve },
	{ "switch", test_switch },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
