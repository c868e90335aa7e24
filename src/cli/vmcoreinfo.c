// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "vmcoreinfo.h"

#include <ctype.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

static const char name[12] = "VMCOREINFO";	/* padded, as in a note */

#define TEXT_OFFSET	(sizeof(Elf64_Nhdr) + sizeof(name))

bool vmcoreinfo_begins(const void *buf)
{
	Elf64_Nhdr nhdr;

	memcpy(&nhdr, buf, sizeof(nhdr));
	return nhdr.n_namesz == strlen(name) + 1 && !nhdr.n_type &&
	       !memcmp((const char *)buf + sizeof(nhdr), name, sizeof(name));
}

/* All is lines of text, the last of them ended. */
static bool is_text(const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		if (text[i] != '\n' && !isprint((unsigned char)text[i]))
			return false;
	}
	return length && text[length - 1] == '\n';
}

/* The value of a line "KEY=VALUE", which is not empty, up to the end of the line; or NULL. */
static const char *value_of(const char *text, size_t length, const char *key)
{
	size_t key_length = strlen(key);
	const char *line = text, *end;

	while (line < text + length) {
		end = memchr(line, '\n', text + length - line);
		if ((size_t)(end - line) > key_length && line[key_length] == '=' &&
		    !memcmp(line, key, key_length) && isgraph((unsigned char)line[key_length + 1]))
			return line + key_length + 1;
		line = end + 1;
	}
	return NULL;
}

/* Where a symbol of the kernel's image is. */
static uint64_t gpa_of(const char *symbol, uint64_t phys_base)
{
	return strtoull(symbol, NULL, 16) - VMCOREINFO_KERNEL_MAP + phys_base;
}

bool vmcoreinfo_parse(const void *buf, size_t length, struct vmcoreinfo *info)
{
	const char *text = (const char *)buf + TEXT_OFFSET, *release, *base, *uts, *table, *five;
	Elf64_Nhdr nhdr;
	size_t n;

	if (length < TEXT_OFFSET || !vmcoreinfo_begins(buf))
		return false;
	memcpy(&nhdr, buf, sizeof(nhdr));
	if (nhdr.n_descsz > length - TEXT_OFFSET || !is_text(text, nhdr.n_descsz))
		return false;
	release = value_of(text, nhdr.n_descsz, "OSRELEASE");
	if (!release)
		return false;
	n = strchr(release, '\n') - release;
	if (!n || n >= sizeof(info->release))
		return false;

	*info = (struct vmcoreinfo){ .length = TEXT_OFFSET + (nhdr.n_descsz + 3) / 4 * 4 };
	memcpy(info->release, release, n);
	base = value_of(text, nhdr.n_descsz, "NUMBER(phys_base)");
	if (base)
		info->phys_base = strtoll(base, NULL, 10);
	uts = value_of(text, nhdr.n_descsz, "SYMBOL(init_uts_ns)");
	if (base && uts) {
		info->has_uts = true;
		info->uts = gpa_of(uts, info->phys_base);
	}
	table = value_of(text, nhdr.n_descsz, "SYMBOL(swapper_pg_dir)");
	five = value_of(text, nhdr.n_descsz, "NUMBER(pgtable_l5_enabled)");
	if (base && table) {
		info->has_table = true;
		info->table = gpa_of(table, info->phys_base);
		info->levels = five && *five == '1' ? 5 : 4;
	}
	return info->length <= length;
}
