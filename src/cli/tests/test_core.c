// SPDX-License-Identifier: GPL-2.0-only
/* What a core of a guest is made of. Prints TAP. */
#define _GNU_SOURCE
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../core.h"
#include "../kernel_map.h"
#include "../ram.h"
#include "../sparse.h"
#include "../vmcoreinfo.h"
#include "tap.h"

static void ram_of(struct ram *ram, const struct kvm_tdp_slot *slots, size_t nr,
		   uint64_t gpa, uint64_t end)
{
	size_t i;

	*ram = (struct ram){ 0 };
	for (i = 0; i < nr; i++)
		ram_add(ram, &slots[i], gpa, end);
}

static bool ram_is(const struct ram *ram, size_t i, uint64_t gpa, uint64_t length)
{
	return ram->pieces[i].gpa == gpa && ram->pieces[i].length == length;
}

static void test_ram(void)
{
	static const struct kvm_tdp_slot slots[] = {
		{ .gpa = 0x1000, .length = 0x3000 },
		{ .gpa = 0x4000, .length = 0x1000 },
		{ .gpa = 0x6000, .length = 0x2000 },
	};
	struct ram ram;

	ram_of(&ram, slots, 3, 0, -1ULL);
	ok(ram.nr == 2 && ram.length == 0x6000 && ram_is(&ram, 0, 0x1000, 0x4000) &&
	   ram_is(&ram, 1, 0x6000, 0x2000), "RAM", "neighbours are one");
	ram_free(&ram);
	ram_of(&ram, slots, 3, 0x2000, 0x7000);
	ok(ram.nr == 2 && ram.length == 0x4000 && ram_is(&ram, 0, 0x2000, 0x3000) &&
	   ram_is(&ram, 1, 0x6000, 0x1000), "RAM", "of a range");
	ram_free(&ram);
	ram_of(&ram, slots, 3, 0x5000, 0x6000);
	ok(!ram.nr && !ram.length, "RAM", "none in a hole");
	ram_free(&ram);
	ram_of(&ram, slots, 3, 0x6800, 0x6801);
	ok(ram.nr == 1 && ram_is(&ram, 0, 0x6800, 1), "RAM", "a byte");
	ram_free(&ram);
}

/* As Linux makes it: 5 bytes of the text are beyond a multiple of 4. */
#define INFO_TEXT	"OSRELEASE=6.1.0-56-amd64\nPAGESIZE=4096\n" \
			"SYMBOL(init_uts_ns)=ffffffff9de1b4c0\n" \
			"NUMBER(phys_base)=484442112\nKERNELOFFSET=1c000000\n"

static size_t make_note(uint8_t *note, const char *text)
{
	const Elf64_Nhdr nhdr = { .n_namesz = 11, .n_descsz = strlen(text) };

	memset(note, 0, VMCOREINFO_ROOM);
	memcpy(note, &nhdr, sizeof(nhdr));
	strcpy((char *)note + 12, "VMCOREINFO");
	memcpy(note + 24, text, strlen(text));
	return 24 + (strlen(text) + 3) / 4 * 4;
}

static void test_vmcoreinfo(void)
{
	static const struct {
		const char *text, *what;
	} bad[] = {
		{ "", "nothing in it" },
		{ "OSRELEASE=6.1.0", "a line without an end" },
		{ "OSRELEASE=6.1.0\nX=\1\n", "what is no text" },
		{ "PAGESIZE=4096\n", "no release" },
		{ "XOSRELEASE=6.1\n", "a key with another before it" },
		{ "OSRELEASE=\n", "an empty release" },
		{ "OSRELEASE=01234567890123456789012345678901234567890123456789012345678901234\n",
		  "a release of 65 bytes" },
	};
	uint8_t note[VMCOREINFO_ROOM];
	struct vmcoreinfo info;
	size_t length, i;

	length = make_note(note, INFO_TEXT);
	ok(vmcoreinfo_begins(note), "VMCOREINFO", "begins");
	ok(vmcoreinfo_parse(note, sizeof(note), &info) && info.length == length,
	   "VMCOREINFO", "found in more than it takes");
	ok(!strcmp(info.release, "6.1.0-56-amd64"), "VMCOREINFO", "its release");
	ok(info.has_uts && info.uts == 0x9de1b4c0 - 0x80000000 + 484442112,
	   "VMCOREINFO", "the GPA of a symbol");
	ok(vmcoreinfo_parse(note, length, &info), "VMCOREINFO", "found in just that");
	ok(!vmcoreinfo_parse(note, length - 4, &info), "VMCOREINFO", "cut off");
	ok(!vmcoreinfo_parse(note, 12, &info), "VMCOREINFO", "a header alone");
	note[12] = 'X';
	ok(!vmcoreinfo_begins(note) && !vmcoreinfo_parse(note, length, &info),
	   "VMCOREINFO", "another name");

	make_note(note, INFO_TEXT "SYMBOL(swapper_pg_dir)=ffffffff9de10000\n");
	ok(vmcoreinfo_parse(note, sizeof(note), &info) && info.has_table && info.levels == 4 &&
	   info.table == 0x9de10000 - 0x80000000 + 484442112 && info.phys_base == 484442112,
	   "VMCOREINFO", "the page table");
	make_note(note, INFO_TEXT "SYMBOL(swapper_pg_dir)=ffffffff9de10000\n"
			"NUMBER(pgtable_l5_enabled)=1\n");
	ok(vmcoreinfo_parse(note, sizeof(note), &info) && info.levels == 5, "VMCOREINFO",
	   "one of five levels");
	make_note(note, "OSRELEASE=5.10\nSYMBOL(swapper_pg_dir)=c1234000\n");
	ok(vmcoreinfo_parse(note, sizeof(note), &info) && !info.has_table, "VMCOREINFO",
	   "a page table without phys_base");

	make_note(note, "OSRELEASE=5.10\nSYMBOL(init_uts_ns)=c1234567\n");
	ok(vmcoreinfo_parse(note, sizeof(note), &info) && !info.has_uts, "VMCOREINFO",
	   "without phys_base");
	make_note(note, "OSRELEASE=6.1\nSYMBOL(init_uts_ns)=ffffffff81000000\n"
			"NUMBER(phys_base)=-4096\n");
	ok(vmcoreinfo_parse(note, sizeof(note), &info) && info.uts == 0xfff000, "VMCOREINFO",
	   "with a negative phys_base");
	make_note(note, "OSRELEASE=6.1\nNUMBER(phys_base)=4096\nSYMBOL(init_uts_ns)=\n");
	ok(vmcoreinfo_parse(note, sizeof(note), &info) && !info.has_uts, "VMCOREINFO",
	   "a key without a value");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		make_note(note, bad[i].text);
		ok(!vmcoreinfo_parse(note, sizeof(note), &info), "no VMCOREINFO", bad[i].what);
	}
}

#define LARGE_GPA	0x100000000ULL

static const struct kvm_tdp_slot core_slots[] = {
	{ .gpa = 0x0, .length = 0xa0000 },
	{ .gpa = 0xc0000, .length = 0x40000 },
	{ .gpa = LARGE_GPA, .length = 0x3000 },
};

static const struct kernel_map no_map;

static void test_core(void)
{
	uint8_t note[VMCOREINFO_ROOM];
	size_t length = make_note(note, INFO_TEXT), i, head_length;
	const Elf64_Ehdr *ehdr;
	const Elf64_Phdr *phdr;
	struct ram ram;
	bool good;

	ram_of(&ram, core_slots, 3, 0, -1ULL);
	head_length = core_head_length(&ram);
	ok(head_length % 4096 == 0 && head_length >= sizeof(*ehdr) + 4 * sizeof(*phdr) +
	   VMCOREINFO_ROOM, "core", "room for the longest note");

	ehdr = core_head(&ram, note, length, &no_map);
	phdr = (const void *)(ehdr + 1);
	ok(ehdr->e_phnum == 4 && phdr[0].p_type == PT_NOTE, "core", "the note is first");
	ok(phdr[0].p_filesz == length && phdr[0].p_offset + length <= head_length &&
	   !memcmp((const char *)ehdr + phdr[0].p_offset, note, length), "core",
	   "it is where it should be");
	for (good = true, i = 0; i < 3; i++)
		good &= phdr[i + 1].p_type == PT_LOAD &&
			phdr[i + 1].p_paddr == core_slots[i].gpa &&
			phdr[i + 1].p_filesz == core_slots[i].length;
	ok(good, "core", "a segment for each piece of RAM");
	ok(phdr[1].p_offset == head_length && phdr[2].p_offset == head_length + 0xa0000 &&
	   phdr[3].p_offset == head_length + 0xe0000, "core", "one after another");
	free((void *)ehdr);

	ehdr = core_head(&ram, NULL, 0, &no_map);
	phdr = (const void *)(ehdr + 1);
	ok(ehdr->e_phnum == 3 && phdr[0].p_type == PT_LOAD && phdr[0].p_offset == head_length,
	   "core", "without a note the RAM is in the same place");
	free((void *)ehdr);
	ram_free(&ram);
}

/* Where crash, drgn and gdb look for what a kernel's address is. */
static void test_core_map(void)
{
	struct kernel_map map = {
		.has_image = true, .image = 0xffffffff82000000, .image_gpa = LARGE_GPA + 0x1000,
		.image_length = 0x1000, .has_direct = true, .direct = 0xffff888000000000,
	};
	uint8_t note[VMCOREINFO_ROOM];
	size_t length = make_note(note, INFO_TEXT), i;
	const Elf64_Ehdr *ehdr;
	const Elf64_Phdr *phdr;
	struct ram ram;
	bool good;

	ram_of(&ram, core_slots, 3, 0, -1ULL);
	ehdr = core_head(&ram, note, length, &map);
	phdr = (const void *)(ehdr + 1);
	ok(phdr[0].p_type == PT_NOTE && ehdr->e_phnum == 5, "core", "a segment more");
	for (good = true, i = 0; i < 3; i++)
		good &= phdr[i + 1].p_vaddr == map.direct + core_slots[i].gpa &&
			!phdr[i + 1].p_align;
	ok(good, "core", "RAM has its addresses in the direct mapping");
	ok(phdr[4].p_vaddr == map.image && phdr[4].p_paddr == map.image_gpa &&
	   phdr[4].p_offset == phdr[3].p_offset + 0x1000 && phdr[4].p_filesz == 0x1000 &&
	   phdr[4].p_memsz == 0x1000, "core", "the image has its own");
	free((void *)ehdr);

	map.image_length = 0x200000;
	ehdr = core_head(&ram, note, length, &map);
	phdr = (const void *)(ehdr + 1);
	ok(ehdr->e_phnum == 5 && phdr[4].p_filesz == 0x2000, "core",
	   "no more of the image than there is RAM");
	free((void *)ehdr);

	map.image_gpa = LARGE_GPA - 0x1000;
	map.has_direct = false;
	ehdr = core_head(&ram, note, length, &map);
	phdr = (const void *)(ehdr + 1);
	ok(ehdr->e_phnum == 4 && !phdr[3].p_vaddr, "core", "an image that is in no RAM");
	free((void *)ehdr);
	ram_free(&ram);
}

/* Guest memory with a kernel's page table at its beginning. */
#define TABLE_PAGES	8

struct tables {
	uint64_t page[TABLE_PAGES][512];
	unsigned int reads;
};

static bool read_table(void *data, uint64_t gpa, void *buf, size_t length)
{
	struct tables *tables = data;

	tables->reads++;
	if (gpa > sizeof(tables->page) || length > sizeof(tables->page) - gpa)
		return false;
	memcpy(buf, (char *)tables->page + gpa, length);
	return true;
}

/*
 * Page 0 is the root; 32 MiB at 0xffffffff82000000 are the image, at GPA 16 MiB, with a
 * hole in it; the direct mapping is at 3 GiB of the index 273.
 */
static void make_tables(struct tables *tables, unsigned int levels)
{
	uint64_t (*page)[512] = tables->page;
	unsigned int root = levels - 4, i;

	memset(tables, 0, sizeof(*tables));
	if (levels == 5)
		page[0][511] = 0x1003;
	page[root][511] = 0x2003;
	page[2][510] = 0x3003;
	for (i = 0; i < 16; i++)
		page[3][16 + i] = i == 9 ? 0 : ((8 + i) << 21) | 0x83;
	page[root][273] = 0x4003;
	page[4][3] = 0x5003;
	page[5][0] = 0x6003;
	page[6][0] = 0x8000000000000003;
	page[6][1] = 0x1003;
	page[5][1] = 0x2000e3;
}

static void test_kernel_map(void)
{
	struct vmcoreinfo info = { .has_table = true, .phys_base = -(1LL << 24), .levels = 4 };
	const uint64_t direct = 0xffff888000000000 + 3 * (1ULL << 30);
	struct tables tables;
	struct kernel_map map;

	make_tables(&tables, 4);
	kernel_map_find(&map, &info, 0x1000, read_table, &tables);
	ok(map.has_image && map.image == 0xffffffff82000000 && map.image_gpa == 0x1000000 &&
	   map.image_length == 0x2000000, "kernel map", "the image");
	ok(map.has_direct && map.direct == direct, "kernel map", "the direct mapping");
	kernel_map_find(&map, &info, 0x200123, read_table, &tables);
	ok(map.has_direct && map.direct == direct, "kernel map", "by a large leaf");
	kernel_map_find(&map, &info, 0x2000, read_table, &tables);
	ok(map.has_image && !map.has_direct, "kernel map", "the note has to be in it");

	tables.page[6][0] += 0x1000;
	kernel_map_find(&map, &info, 0x1000, read_table, &tables);
	ok(!map.has_direct, "kernel map", "of another alignment");

	info.phys_base += 1 << 21;
	kernel_map_find(&map, &info, 0x1000, read_table, &tables);
	ok(!map.has_image, "kernel map", "an image that is elsewhere");
	info.phys_base -= 1 << 21;

	make_tables(&tables, 5);
	info.levels = 5;
	kernel_map_find(&map, &info, 0x1000, read_table, &tables);
	ok(map.has_image && map.image_length == 0x2000000, "kernel map", "five levels");
	ok(map.has_direct && map.direct == direct, "kernel map", "five levels, the last entry");
	tables.page[0][273] = 0x1003;
	kernel_map_find(&map, &info, 0x1000, read_table, &tables);
	ok(map.has_direct && map.direct == (-1ULL << 56) + (17ULL << 48) + (273ULL << 39) +
	   3 * (1ULL << 30), "kernel map", "five levels, the first entry");

	/* Every table is the same, and has nothing in the end. */
	memset(&tables, 0, sizeof(tables));
	for (info.table = 0; info.table < 512; info.table++)
		tables.page[0][info.table] = 0x1003;
	memcpy(tables.page[1], tables.page[0], 4096);
	for (info.table = 0; info.table < 512; info.table++)
		tables.page[1][info.table] = 0x2003;
	info.table = 0;
	kernel_map_find(&map, &info, 0x1000, read_table, &tables);
	ok(!map.has_direct && tables.reads < 100000, "kernel map", "one without an end");

	info.table = sizeof(tables.page);
	kernel_map_find(&map, &info, 0x1000, read_table, &tables);
	ok(!map.has_image && !map.has_direct, "kernel map", "what cannot be read");
	info.has_table = false;
	info.table = 0;
	make_tables(&tables, 4);
	kernel_map_find(&map, &info, 0x1000, read_table, &tables);
	ok(!map.has_image && !map.has_direct && !tables.reads, "kernel map", "none is told of");
}

/* As readelf reads it. */
static void test_readelf(void)
{
	static const char * const want[] = {
		"CORE (Core file)", "Advanced Micro Devices X86-64", " 0x0a0000 0x0a0000 RWE",
		" 0x0000000100000000 ", "VMCOREINFO",
	};
	char name[] = "/tmp/kvm-tdp-core.XXXXXX", command[64], out[8192];
	uint8_t note[VMCOREINFO_ROOM];
	size_t length = make_note(note, INFO_TEXT), i, n;
	struct ram ram;
	void *head;
	FILE *file;
	int fd;

	if (system("readelf --version >/dev/null 2>&1")) {
		ok(true, "readelf", "# SKIP there is none");
		return;
	}
	ram_of(&ram, core_slots, 3, 0, -1ULL);
	head = core_head(&ram, note, length, &no_map);
	fd = mkstemp(name);
	if (!head || fd < 0 ||
	    write(fd, head, core_head_length(&ram)) != (ssize_t)core_head_length(&ram) ||
	    ftruncate(fd, core_head_length(&ram) + ram.length))
		abort();
	close(fd);
	snprintf(command, sizeof(command), "readelf -hlnW %s 2>&1", name);
	file = popen(command, "r");
	n = file ? fread(out, 1, sizeof(out) - 1, file) : 0;
	out[n] = 0;
	ok(file && !pclose(file) && !strstr(out, "arning") && !strstr(out, "rror"), "readelf",
	   "does not complain");
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		ok(strstr(out, want[i]), "readelf says", want[i]);
	unlink(name);
	free(head);
	ram_free(&ram);
}

static void test_mapping(void)
{
	struct mapping mapping = { 0 };

	ok(mapping_parse("7f0000000000-7f0000400000 rw-s 00200000 00:01 17    /memfd:ram (deleted)\n",
			 &mapping) && mapping.shared && mapping.start == 0x7f0000000000 &&
	   mapping.end == 0x7f0000400000 && mapping.offset == 0x200000, "mapping", "a memfd");
	ok(!mapping_parse("FilePmdMapped:         0 kB\n", &mapping) &&
	   !mapping_parse("VmFlags: rd wr sh mr mw me ms sd ", &mapping) && mapping.shared,
	   "mapping", "more of it");
	ok(!mapping_parse("VmFlags: rd wr sh um ", &mapping) && !mapping.shared, "mapping",
	   "a userfaultfd has it");
	ok(mapping_parse("7f0000000000-7f0000400000 rw-p 00000000 00:01 17    /memfd:ram\n",
			 &mapping) && !mapping.shared, "mapping", "private");
	ok(mapping_parse("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n",
			 &mapping) && mapping.end == 0xffffffffff601000, "mapping", "no file");
}

static bool sparse_is(struct sparse *sparse, uint64_t gpa, bool hole, uint64_t length)
{
	uint64_t got = 0x10000;

	return sparse_at(sparse, gpa, &got) == hole && got == length;
}

/* This process is the VMM: a slot with a shared and then a private mapping behind it. */
static void test_sparse(void)
{
	int fd = memfd_create("ram", 0);
	struct kvm_tdp_slot slot = { .gpa = 0x100000, .length = 0xc000 };
	struct sparse sparse;
	char *hva;

	hva = mmap(NULL, 0xc000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || ftruncate(fd, 0x10000) || hva == MAP_FAILED ||
	    mmap(hva, 0x8000, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0x2000) != hva)
		abort();
	slot.hva = (uintptr_t)hva;
	hva[0x3000] = 1;

	if (!sparse_init(&sparse, getpid()) || !sparse_add(&sparse, &slot))
		abort();
	ok(sparse_is(&sparse, 0xff000, false, 0x10000), "sparse", "no slot");
	if (geteuid()) {
		ok(true, "sparse", "# SKIP takes root");
	} else {
		ok(sparse_is(&sparse, 0x100000, true, 0x3000), "sparse", "a hole");
		ok(sparse_is(&sparse, 0x103000, false, 0x1000), "sparse", "data");
		ok(sparse_is(&sparse, 0x105000, true, 0x3000), "sparse", "to the mapping's end");
		hva[0x7000] = 1;
		if (ftruncate(fd, 0x2000 + 0x7000 + 100))
			abort();
		ok(sparse_is(&sparse, 0x107000, false, 0x1000), "sparse",
		   "the whole page in which a file ends");
	}
	ok(sparse_is(&sparse, 0x108000, false, 0x4000), "sparse", "private memory");
	sparse_free(&sparse);

	if (!sparse_init(&sparse, 0) || !sparse_add(&sparse, &slot))
		abort();
	ok(sparse_is(&sparse, 0x100000, false, 0xc000), "sparse", "of no process");
	sparse_free(&sparse);
	munmap(hva, 0xc000);
	close(fd);
}

int main(void)
{
	test_ram();
	test_vmcoreinfo();
	test_core();
	test_core_map();
	test_kernel_map();
	test_readelf();
	test_mapping();
	test_sparse();
	return done();
}
