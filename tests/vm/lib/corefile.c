// SPDX-License-Identifier: GPL-2.0-only
#include "corefile.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ktdp.h"
#include "mem.h"
#include "tap.h"

void corefile_open(struct corefile *core, const char *path)
{
	int fd = must(open(path, O_RDONLY | O_CLOEXEC));
	const Elf64_Ehdr *ehdr;
	struct stat st;
	unsigned int i;

	must(fstat(fd, &st));
	core->size = st.st_size;
	core->blocks = st.st_blocks * 512;
	core->bytes = mmap(NULL, core->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (core->bytes == MAP_FAILED)
		bail("%s cannot be mapped", path);
	close(fd);

	ehdr = (const void *)core->bytes;
	if (core->size < sizeof(*ehdr) || memcmp(ehdr->e_ident, ELFMAG, SELFMAG) ||
	    ehdr->e_ident[EI_CLASS] != ELFCLASS64 || ehdr->e_type != ET_CORE ||
	    ehdr->e_machine != EM_X86_64 || ehdr->e_phentsize != sizeof(Elf64_Phdr))
		bail("%s is no core", path);
	core->phdrs = (const void *)(core->bytes + ehdr->e_phoff);
	core->nr_phdrs = ehdr->e_phnum;
	for (i = 0; i < core->nr_phdrs; i++) {
		if (core->phdrs[i].p_offset + core->phdrs[i].p_filesz > core->size)
			bail("%s is cut off", path);
	}
}

void corefile_close(struct corefile *core)
{
	munmap((void *)core->bytes, core->size);
}

const Elf64_Nhdr *corefile_note(const struct corefile *core)
{
	unsigned int i;

	for (i = 0; i < core->nr_phdrs; i++) {
		if (core->phdrs[i].p_type == PT_NOTE)
			return (const void *)(core->bytes + core->phdrs[i].p_offset);
	}
	return NULL;
}

const void *corefile_page(const struct corefile *core, uint64_t gpa)
{
	const Elf64_Phdr *phdr = core->phdrs;
	unsigned int i;

	for (i = 0; i < core->nr_phdrs; i++, phdr++) {
		if (phdr->p_type == PT_LOAD && gpa >= phdr->p_paddr &&
		    gpa - phdr->p_paddr < phdr->p_filesz)
			return core->bytes + phdr->p_offset + (gpa - phdr->p_paddr);
	}
	return NULL;
}

struct compare {
	const struct corefile *core;
	int mem;
	uint64_t differ;
};

static int compare_slot(const struct kvm_tdp_slot *slot, void *data)
{
	struct compare *compare = data;
	char want[PAGE_4K];
	const void *page;
	uint64_t at;

	for (at = 0; at < slot->length; at += PAGE_4K) {
		if (pread(compare->mem, want, PAGE_4K, slot->hva + at) != PAGE_4K)
			memset(want, 0, PAGE_4K);
		page = corefile_page(compare->core, slot->gpa + at);
		if (page && !memcmp(page, want, PAGE_4K))
			continue;
		if (!compare->differ++)
			diag("core: %s at %#llx", page ? "another page" : "no page",
			     slot->gpa + at);
	}
	return 0;
}

uint64_t corefile_differs(const struct corefile *core, int tdp, pid_t pid)
{
	struct compare compare = { .core = core };
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	compare.mem = must(open(path, O_RDONLY | O_CLOEXEC));
	must(kvm_tdp_read_slots(tdp, 0, compare_slot, &compare));
	close(compare.mem);
	return compare.differ;
}
