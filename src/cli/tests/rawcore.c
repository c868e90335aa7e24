// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: rawcore RAW GPA CORE
 *
 * What kvm-tdp dump writes of a guest whose RAM, one piece from GPA on, is the file RAW.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core.h"
#include "../guest.h"
#include "../kvm-tdp.h"

static uint64_t base;

int tdp_mem_read(int mem, uint64_t gpa, void *buf, size_t length, size_t *done)
{
	ssize_t n = gpa < base ? 0 : pread(mem, buf, length, gpa - base);

	*done = n < 0 ? 0 : n;
	return *done == length ? 0 : -ENXIO;
}

int tdp_mem_read_gaps(int mem, uint64_t gpa, void *buf, size_t length, size_t *done,
		      uint64_t *gaps)
{
	(void)gaps;
	return tdp_mem_read(mem, gpa, buf, length, done);
}

static int look(const struct guest_part *part, void *data)
{
	guest_look_in(data, part);
	return 0;
}

static int copy(const struct guest_part *part, void *data)
{
	return fwrite(part->bytes, 1, part->length, data) == part->length ? 0 : -EIO;
}

int main(int argc, char **argv)
{
	struct kvm_tdp_slot slot = { 0 };
	struct guest guest = { 0 };
	struct stat st;
	FILE *core;
	void *head;

	if (argc != 4)
		errx(1, "usage: rawcore RAW GPA CORE");
	guest.mem = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (guest.mem < 0 || fstat(guest.mem, &st))
		err(1, "%s", argv[1]);
	base = strtoull(argv[2], NULL, 0);
	slot.gpa = base;
	slot.length = st.st_size;
	if (!sparse_init(&guest.sparse, 0) || !ram_add(&guest.ram, &slot, 0, UINT64_MAX))
		errx(1, "no memory");

	core = fopen(argv[3], "we");
	if (!core || guest_walk(&guest, look, &guest))
		err(1, "%s", argv[3]);
	head = core_head(&guest.ram, guest.note, guest_note_length(&guest), &guest.map);
	if (!head || fwrite(head, core_head_length(&guest.ram), 1, core) != 1 ||
	    guest_walk(&guest, copy, core) || fclose(core))
		err(1, "%s", argv[3]);
	free(head);
	guest_free(&guest);
	return 0;
}
