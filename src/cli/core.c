// SPDX-License-Identifier: GPL-2.0-only
#include "core.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

/* Where the note is: behind the program headers, as many as there can be. */
static size_t note_offset(const struct ram *ram)
{
	return sizeof(Elf64_Ehdr) + (ram->nr + 1) * sizeof(Elf64_Phdr);
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

/*
 * KVM has fewer than 32768 slots, so the number of segments fits. p_vaddr is 0, as in
 * what QEMU's dump-guest-memory writes without paging: tools for Linux cores find
 * virtual addresses by VMCOREINFO.
 */
void *core_head(const struct ram *ram, const void *note, size_t length)
{
	uint64_t offset = core_head_length(ram);
	char *head = calloc(1, offset);
	Elf64_Ehdr *ehdr = (void *)head;
	Elf64_Phdr *phdr = (void *)(ehdr + 1);
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
			.p_paddr = ram->pieces[i].gpa,
			.p_filesz = ram->pieces[i].length,
			.p_memsz = ram->pieces[i].length,
			.p_align = CORE_PAGE,
		};
		offset += ram->pieces[i].length;
	}
	return head;
}
