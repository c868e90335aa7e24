// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory in a file on persistent memory (DAX): the host maps the memory of the
 * device itself, and there is no page cache.
 *
 * Needs such memory, on the kernel's command line: memmap=64M!1G
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bed.h"
#include "sys.h"

#define SIZE	0x20000UL
#define DIR	"/tmp/dax"
#define DEVICE	"/dev/pmem0"

static struct bed bed;
static struct mem mem;

static void setup(void)
{
	sys_module("nd_e820", "/sys/bus/nd");
	sys_module("nd_pmem", DEVICE);
	if (access(DEVICE, F_OK))
		bail("no persistent memory: boot with memmap=64M!1G");
	must(mkdir(DIR, 0700));
	sys_run("mke2fs -F -b 4096 " DEVICE " >/dev/null");
	must(mount(DEVICE, DIR, "ext4", 0, "dax"));
	mem_file(&mem, DIR, SIZE, MAP_SHARED);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
}

static void teardown(void)
{
	bed_close(&bed);
	mem_free(&mem);
	must(umount(DIR));
	must(rmdir(DIR));
}

static void test_data(void)
{
	struct kvm_tdp_verify verify;
	uint64_t word = 0;

	setup();
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_R), 0, "read");
	ok(ktdp_mapped(bed.tdp, GPA, SIZE), "maps all");
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W), 0, "write");
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), "the host's frames");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 1), "guest, engine and host see the same");
	is(dma_fill(bed.dma, GPA, SIZE, GEN(2)), 0, "the engine writes");
	is(pread(mem.fd, &word, sizeof(word), PAGE_4K), sizeof(word), "the file is read");
	is(word, (GPA + PAGE_4K) ^ GEN(2), "it has that");
	must(kvm_tdp_verify_range(bed.tdp, GPA, SIZE, &verify));
	is(ktdp_verify_wrong(&verify), 0, "nothing is wrong");
	is(verify.undecided, 0, "nothing undecided");
	teardown();
}

/* What is clean has to be asked for before it is written again. */
static void test_sync(void)
{
	setup();
	is(dma_fill(bed.dma, GPA, SIZE, GEN(3)), 0, "the engine writes");
	ok(ktdp_access(bed.tdp, GPA) & ACC_W, "write is granted");
	must(msync(mem.hva, SIZE, MS_SYNC));
	ok(ktdp_grants_none(bed.tdp, GPA, SIZE, ACC_W), "not when the file was synced");
	is(dma_fill(bed.dma, GPA, SIZE, GEN(4)), 0, "it writes again");
	ok(mem_check(mem.hva, GPA, SIZE, GEN(4)), "the host has that");
	teardown();
}

static void test_truncate(void)
{
	struct told told;

	setup();
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W), 0, "write");
	is(dma_fill(bed.dma, GPA, SIZE, GEN(5)), 0, "the engine has it");
	told_begin(&told, bed.dma);
	must(ftruncate(mem.fd, 0));
	ok(told_of(&told, GPA, SIZE), "the engine is told when the blocks go");
	ok(ktdp_absent(bed.tdp, GPA, SIZE), "nothing is mapped");
	is(ktdp_prefault(bed.tdp, GPA, PAGE_4K, ACC_R), -EFAULT, "nor can it be");
	teardown();
}

static const struct tap_case cases[] = {
	{ "data", test_data },
	{ "sync", test_sync },
	{ "truncate", test_truncate },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
