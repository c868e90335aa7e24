// SPDX-License-Identifier: GPL-2.0-only
/*
 * The format is that of the host's hardware, to the bit: metadata, and entries
 * as they stand in the table.
 */
#include <cpuid.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define GPA	bed_gpa
#include "bed.h"
#include "kmod.h"

#define SLOT	1

/* All but the address, as the manuals of the hardware have them. */
struct format {
	unsigned int type;
	uint64_t table, leaf, writable;
};

#define LARGE	0x80ULL

static const struct format ept = {
	.type = KVM_TDP_FORMAT_EPT,
	.table = 0x107,		/* read, write, execute; accessed */
	.leaf = 0x175,		/* read, execute; write-back, no PAT; accessed */
	.writable = 0x377,	/* and write, dirty */
};

static const struct format npt = {
	.type = KVM_TDP_FORMAT_NPT,
	.table = 0x027,		/* present, write, user, accessed */
	.leaf = 0x025,		/* present, user, accessed */
	.writable = 0x067,	/* and write, dirty */
};

static const struct format *format;
static struct bed bed;
static struct mem mem;
static int kmod, handle;

static void begin(bool huge, uint32_t flags)
{
	format = vm_is_intel() ? &ept : &npt;
	bed_open(&bed);
	if (huge)
		mem_huge(&mem, PAGE_2M);
	else
		mem_small(&mem, PAGE_2M);
	is(vm_slot(&bed.vm, SLOT, GPA, PAGE_2M, mem.hva, flags), 0, "slot");
	kmod = kmod_open();
	handle = must(kmod_get(kmod, bed.tdp));
}

static void end(void)
{
	kmod_put(kmod, handle);
	close(kmod);
	bed_close(&bed);
	mem_free(&mem);
}

static uint64_t address_bits(void)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid(0x80000008, &a, &b, &c, &d))
		bail("CPUID does not tell the width of addresses");
	return (1ULL << (a & 0xff)) - PAGE_4K;
}

/*
 * NPT has as many levels as the host's tables; EPT has five where the CPU can and a vCPU,
 * which has the CPU's address bits here, needs them.
 */
static int host_levels(void)
{
	const char *feature = vm_is_intel() ? " ept_5level" : " la57";
	char *line = NULL;
	size_t room = 0;
	FILE *file = fopen("/proc/cpuinfo", "r");
	bool five = false;

	while (file && getline(&line, &room, file) > 0)
		five |= (!strncmp(line, "flags", 5) || !strncmp(line, "vmx flags", 9)) &&
			strstr(line, feature);
	if (file)
		fclose(file);
	free(line);
	return five && (!vm_is_intel() || address_bits() >> 48) ? 5 : 4;
}

/* What a leaf of @level can have; without one, what a table has. */
static uint64_t row1(const struct ktdp_test_metadata *md, int level)
{
	uint64_t low = (1ULL << (12 + 9 * (level - 1))) - 1;

	if (level == 1)
		return format->writable | address_bits();
	if (level > md->max_huge_page_level)
		return format->table | address_bits();
	return format->writable | LARGE | (address_bits() & ~low);
}

static void test_metadata(void)
{
	struct ktdp_test_metadata md;
	int level;

	begin(false, 0);
	md = kmod_metadata(kmod, handle);
	/* For the report of scripts/test-host. */
	diag("table: %s, %d levels, leaves up to %s", vm_is_intel() ? "EPT" : "NPT", md.level,
	     md.max_huge_page_level == 3 ? "1G" : "2M");
	is(md.type, format->type, "the format is the hardware's");
	is(md.level, host_levels(), "levels");
	ok(md.max_huge_page_level == 2 || md.max_huge_page_level == 3,
	   "largest leaf: level %d", md.max_huge_page_level);
	for (level = 1; level <= md.level; level++) {
		uint64_t row0 = (level == 1 ? format->writable : format->table) |
				address_bits();

		is(~md.rsvd_bits_mask[0][level - 1], row0,
		   "level %d: what is not reserved", level);
		is(~md.rsvd_bits_mask[1][level - 1], row1(&md, level),
		   "level %d, bit 7: what is not reserved", level);
	}
	end();
}

/* The entry at @gpa is the host's page, at @level, and @bits. */
static void check_entry(uint64_t gpa, int level, uint64_t bits, const char *what)
{
	struct ktdp_test_poke poke = { .handle = handle, .gfn = gpa / PAGE_4K };

	kmod_do(kmod, KTDP_TEST_POKE, &poke);
	is(poke.level, level, "%s: level", what);
	is(poke.entry, mem_hpa(mem.hva + (gpa - GPA)) | bits, "%s: entry", what);
}

static void test_4k(void)
{
	begin(false, 0);
	mem_fill(mem.hva, GPA, PAGE_2M, GEN(1));
	must(mprotect(mem.hva, PAGE_4K, PROT_READ));
	is(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_R), 0, "fault for read");
	check_entry(GPA, 1, format->leaf, "read-only");
	is(ktdp_prefault(bed.tdp, GPA + PAGE_4K, PAGE_4K, ACC_W), 0,
	   "fault for write");
	check_entry(GPA + PAGE_4K, 1, format->writable, "writable");
	is(guest_fill(&bed.vm, GPA + 2 * PAGE_4K, PAGE_4K, GEN(2)), 0,
	   "guest writes");
	check_entry(GPA + 2 * PAGE_4K, 1, format->writable, "of the guest");
	end();
}

static void test_2m(void)
{
	begin(true, 0);
	is(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_W), 0, "fault for write");
	check_entry(GPA, 2, format->writable | LARGE, "2M");
	end();

	begin(true, 0);
	is(guest_fill(&bed.vm, GPA, PAGE_4K, GEN(1)), 0, "guest writes");
	check_entry(GPA, 2, format->writable | LARGE, "2M of the guest");
	end();

	begin(true, KVM_MEM_READONLY);
	is(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_R), 0, "fault for read");
	check_entry(GPA, 2, format->leaf | LARGE, "read-only 2M");
	end();
}

/* Write-protecting takes both bits, writing brings both back. */
static void test_dirty(void)
{
	uint64_t bits[PAGE_2M / PAGE_4K / 64];
	struct kvm_dirty_log log = { .slot = SLOT };

	begin(false, KVM_MEM_LOG_DIRTY_PAGES);
	log.dirty_bitmap = bits;
	is(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_W), 0, "fault for write");
	check_entry(GPA, 1, format->writable, "written");
	must(ioctl(bed.vm.fd, KVM_GET_DIRTY_LOG, &log));
	is(bits[0], 1, "it is in the log");
	check_entry(GPA, 1, format->leaf, "harvested");
	is(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_W), 0, "fault for write");
	check_entry(GPA, 1, format->writable, "written again");
	end();
}

static const struct tap_case cases[] = {
	{ "metadata", test_metadata },
	{ "4k", test_4k },
	{ "2m", test_2m },
	{ "dirty", test_dirty },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
