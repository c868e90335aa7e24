// SPDX-License-Identifier: GPL-2.0-only
/* Where the bytes of a mounted file come from. Prints TAP. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../core.h"
#include "../image.h"
#include "../ram.h"
#include "tap.h"

/* The first two are one piece of RAM. */
static const struct kvm_tdp_slot slots[] = {
	{ .gpa = 0x1000, .length = 0x2000 },
	{ .gpa = 0x3000, .length = 0x1000 },
	{ .gpa = 0x100000000, .length = 0x5000 },
};

#define HIGH		0x100000000ULL
#define SIZE		(HIGH + 0x5000)

static void ram_of(struct ram *ram, size_t nr)
{
	size_t i;

	memset(ram, 0, sizeof(*ram));
	for (i = 0; i < nr; i++) {
		if (!ram_add(ram, &slots[i], 0, UINT64_MAX))
			abort();
	}
}

static bool is_part(const struct image *image, uint64_t offset, enum image_kind kind,
		    uint64_t at, uint64_t length)
{
	struct image_part part = image_at(image, offset);

	return part.kind == kind && part.at == at && part.length == length;
}

static void test_raw(void)
{
	struct image image;
	struct ram ram;

	ram_of(&ram, 3);
	if (!image_raw(&image, &ram))
		abort();
	ok(image.size == SIZE, "raw", "ends with the highest RAM");
	ok(image_data(&image) == 0x8000, "raw", "what is no hole");
	ok(is_part(&image, 0, IMAGE_HOLE, 0, 0x1000), "raw", "a hole at the beginning");
	ok(is_part(&image, 0x1000, IMAGE_RAM, 0x1000, 0x3000), "raw", "the first byte of RAM");
	ok(is_part(&image, 0x3fff, IMAGE_RAM, 0x3fff, 1), "raw", "the last byte of a piece");
	ok(is_part(&image, 0x4000, IMAGE_HOLE, 0, HIGH - 0x4000), "raw", "a hole");
	ok(is_part(&image, HIGH + 1, IMAGE_RAM, HIGH + 1, 0x4fff), "raw", "high RAM");
	ok(is_part(&image, SIZE, IMAGE_END, 0, 0), "raw", "the end");
	ok(is_part(&image, UINT64_MAX, IMAGE_END, 0, 0), "raw", "beyond it");
	image_free(&image);
	ram_free(&ram);
}

static void test_seek(void)
{
	struct image image;
	struct ram ram;

	ram_of(&ram, 3);
	if (!image_raw(&image, &ram))
		abort();
	ok(image_seek(&image, 0, SEEK_DATA) == 0x1000, "seek", "data behind a hole");
	ok(image_seek(&image, 0x2345, SEEK_DATA) == 0x2345, "seek", "data here");
	ok(image_seek(&image, 0x4000, SEEK_DATA) == HIGH, "seek", "the next data");
	ok(image_seek(&image, 0, SEEK_HOLE) == 0, "seek", "a hole here");
	ok(image_seek(&image, 0x1000, SEEK_HOLE) == 0x4000, "seek", "a hole behind data");
	ok(image_seek(&image, HIGH, SEEK_HOLE) == (int64_t)SIZE, "seek", "the hole at the end");
	ok(image_seek(&image, SIZE, SEEK_DATA) == -ENXIO, "seek", "no data at the end");
	ok(image_seek(&image, SIZE, SEEK_HOLE) == -ENXIO, "seek", "no hole beyond it");
	ok(image_seek(&image, 0, SEEK_CUR) == -EINVAL, "seek", "for something else");
	image_free(&image);
	ram_free(&ram);
}

/* The program headers say where guest memory has to be. */
static void test_elf(void)
{
	static const struct kernel_map map = {
		.has_image = true, .image = 0xffffffff81000000, .image_gpa = HIGH + 0x1000,
		.image_length = 0x200000,
	};
	static const char note[] = "a note of no kind..";
	const Elf64_Ehdr *ehdr;
	const Elf64_Phdr *phdr;
	struct image image;
	struct ram ram;
	bool good = true;
	size_t i;

	ram_of(&ram, 3);
	if (!image_elf(&image, &ram, note, sizeof(note), &map))
		abort();
	ehdr = (const void *)image.head;
	phdr = (const void *)(image.head + ehdr->e_phoff);
	ok(image.size == core_length(&ram) && image.size == image_data(&image), "elf",
	   "as long as a dump, without holes");
	ok(is_part(&image, 0x40, IMAGE_HEAD, 0x40, core_head_length(&ram) - 0x40), "elf",
	   "the head");
	ok(ehdr->e_phnum == 4 && phdr[0].p_type == PT_NOTE &&
	   !memcmp(image.head + phdr[0].p_offset, note, sizeof(note)), "elf", "the note");
	for (i = 1; i < ehdr->e_phnum; i++)
		good &= is_part(&image, phdr[i].p_offset, IMAGE_RAM, phdr[i].p_paddr,
				phdr[i].p_filesz) &&
			is_part(&image, phdr[i].p_offset + phdr[i].p_filesz - 1, IMAGE_RAM,
				phdr[i].p_paddr + phdr[i].p_filesz - 1, 1);
	ok(good, "elf", "segments");
	ok(image_seek(&image, 0, SEEK_HOLE) == (int64_t)image.size, "elf", "no hole");
	image_free(&image);
	ram_free(&ram);
}

static void test_none(void)
{
	static const struct kernel_map map = { 0 };
	struct image image;
	struct ram ram;

	ram_of(&ram, 0);
	if (!image_raw(&image, &ram))
		abort();
	ok(!image.size && is_part(&image, 0, IMAGE_END, 0, 0), "no RAM", "raw");
	ok(image_seek(&image, 0, SEEK_DATA) == -ENXIO, "no RAM", "no data");
	image_free(&image);
	if (!image_elf(&image, &ram, NULL, 0, &map))
		abort();
	ok(image.size == image.head_length && image.size == core_length(&ram), "no RAM", "elf");
	image_free(&image);
	ram_free(&ram);
}

static void test_text(void)
{
	struct image image;

	image_text(&image, strdup("[]\n"), 3);
	ok(image.size == 3 && is_part(&image, 1, IMAGE_HEAD, 1, 2), "text", "its bytes");
	ok(is_part(&image, 3, IMAGE_END, 0, 0), "text", "its end");
	image_free(&image);
}

int main(void)
{
	test_raw();
	test_seek();
	test_elf();
	test_none();
	test_text();
	return done();
}
