// SPDX-License-Identifier: GPL-2.0-only
#include "core.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

/* Where the note is: behind the program headers, as many as there can be. */
static size_t note_offset(const struct ram *ram)
{
	return sizeof(Elf64_Ehdr) + (ram->nr + 2) * sizeof(Elf64_Phdr);
}

size_t core_head_length(const struct ram *ram)
{
	size_t end = note_offset(ram) + VMCOREINFO_ROOM;

	return (end + CORE_PAGE - 1) / CORE_PAGE * CORE_PAGE;
}

uint64_t core_length(const struct ram *ram)
{
	return core_head_length(ram) + ram->length;
}

/* The part of a piece, whose segment this is, that is mapped as the kernel's image. */
static bool image_segment(const struct kernel_map *map, const Elf64_Phdr *piece,
			  Elf64_Phdr *image)
{
	uint64_t skip = map->image_gpa - piece->p_paddr;
	uint64_t length = map->image_length;

	if (!map->has_image || map->image_gpa < piece->p_paddr || skip >= piece->p_filesz)
		return false;
	if (length > piece->p_filesz - skip)
		length = piece->p_filesz - skip;
	*image = *piece;
	image->p_offset += skip;
	image->p_paddr += skip;
	image->p_vaddr = map->image;
	image->p_filesz = length;
	image->p_memsz = length;
	return true;
}

/*
 * KVM has fewer than 32768 slots, so the number of segments fits.
 *
 * As in what kexec makes for kdump, RAM has its addresses in the direct mapping, and the
 * kernel's image has a segment more: gdb knows no others, and drgn cannot read the
 * page table, by which it finds all others, without. Were p_align not 0, crash would take
 * it for a dump of another kind.
 */
void *core_head(const struct ram *ram, const void *note, size_t length,
		const struct kernel_map *map)
{
	uint64_t offset = core_head_length(ram);
	char *head = calloc(1, offset);
	Elf64_Ehdr *ehdr = (void *)head;
	Elf64_Phdr *phdr = (void *)(ehdr + 1), image;
	bool has_image = false;
	size_t i;

	if (!head)
		return NULL;
	*ehdr = (Elf64_Ehdr){
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
			     ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(*ehdr),
		.e_ehsize = sizeof(*ehdr),
		.e_phentsize = sizeof(*phdr),
		.e_phnum = ram->nr + !!length,
	};
	if (length) {
		*phdr++ = (Elf64_Phdr){
			.p_type = PT_NOTE,
			.p_offset = note_offset(ram),
			.p_filesz = length,
			.p_align = 4,
		};
		memcpy(head + note_offset(ram), note, length);
	}

	for (i = 0; i < ram->nr; i++) {
		*phdr++ = (Elf64_Phdr){
			.p_type = PT_LOAD,
			.p_flags = PF_R | PF_W | PF_X,
			.p_offset = offset,
			.p_vaddr = map->has_direct ? map->direct + ram->pieces[i].gpa : 0,
			.p_paddr = ram->pieces[i].gpa,
			.p_filesz = ram->pieces[i].length,
			.p_memsz = ram->pieces[i].length,
		};
		has_image |= image_segment(map, phdr - 1, &image);
		offset += ram->pieces[i].length;
	}
	if (has_image) {
		*phdr = image;
		ehdr->e_phnum++;
	}
	return head;
}
