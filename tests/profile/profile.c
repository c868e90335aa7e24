// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin for QEMU that counts how often each instruction of the guest's kernel is
 * executed between two marks (tests/kmod/marks.h).  For each section a line "section", and lines
 * "ADDRESS COUNT"; what is below the kernel's half, programs and guests of guests, is
 * counted as one, at 0.
 */
#include <inttypes.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_plugin.h"

#define EXPORT	__attribute__((visibility("default")))

EXPORT int qemu_plugin_version = 1;

/* One for each address; it stays where it is, for translated code adds to it. */
struct count {
	uint64_t address;
	uint64_t executed;
	uint64_t at_on;		/* executed, when counting was last switched on */
	uint64_t inside;	/* executed between marks, of this section */
	struct count *next;
};

static void *tree;
static struct count *counts;
static bool counting;
static FILE *out;

static int compare(const void *a, const void *b)
{
	uint64_t x = ((const struct count *)a)->address;
	uint64_t y = ((const struct count *)b)->address;

	return x < y ? -1 : x > y;
}

static struct count *count_of(uint64_t address)
{
	struct count *count = calloc(1, sizeof(*count)), **found;

	if (!count)
		abort();
	count->address = address;
	found = tsearch(count, &tree, compare);
	if (!found)
		abort();
	if (*found != count) {
		free(count);
		return *found;
	}
	count->next = counts;
	counts = count;
	return count;
}

static void on(unsigned int cpu, void *data)
{
	struct count *count;

	for (count = counts; count; count = count->next)
		count->at_on = count->executed;
	counting = true;
}

static void off(unsigned int cpu, void *data)
{
	struct count *count;

	if (!counting)
		return;
	for (count = counts; count; count = count->next)
		count->inside += count->executed - count->at_on;
	counting = false;
}

static void next(unsigned int cpu, void *data)
{
	struct count *count;

	off(cpu, data);
	fprintf(out, "section\n");
	for (count = counts; count; count = count->next) {
		if (count->inside)
			fprintf(out, "%016" PRIx64 " %" PRIu64 "\n", count->address,
				count->inside);
		count->inside = 0;
	}
	fflush(out);
}

static const struct {
	unsigned char code[3];
	void (*run)(unsigned int cpu, void *data);
} marks[] = {
	{ { 0x66, 0x87, 0xdb }, on },
	{ { 0x66, 0x87, 0xc9 }, off },
	{ { 0x66, 0x87, 0xd2 }, next },
};

static void watch(struct qemu_plugin_insn *insn)
{
	uint64_t address = qemu_plugin_insn_vaddr(insn);
	size_t i;

	if (!(address >> 63))
		address = 0;
	qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64,
						   &count_of(address)->executed, 1);
	if (qemu_plugin_insn_size(insn) != sizeof(marks[0].code))
		return;
	for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (!memcmp(qemu_plugin_insn_data(insn), marks[i].code,
			    sizeof(marks[i].code)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marks[i].run,
							       QEMU_PLUGIN_CB_NO_REGS,
							       NULL);
	}
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t i;

	for (i = 0; i < qemu_plugin_tb_n_insns(tb); i++)
		watch(qemu_plugin_tb_get_insn(tb, i));
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
			       int argc, char **argv)
{
	if (argc != 1 || strncmp(argv[0], "out=", 4))
		return -1;
	out = fopen(argv[0] + 4, "w");
	if (!out)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
