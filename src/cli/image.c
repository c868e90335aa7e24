// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "image.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core.h"

static bool add_runs(struct image *image, const struct ram *ram)
{
	/* There may be none. */
	image->runs = calloc(ram->nr + 1, sizeof(*image->runs));
	if (!image->runs)
		return false;
	for (; image->nr < ram->nr; image->nr++) {
		image->runs[image->nr].gpa = ram->pieces[image->nr].gpa;
		image->runs[image->nr].length = ram->pieces[image->nr].length;
	}
	return true;
}

bool image_raw(struct image *image, const struct ram *ram)
{
	struct image_run *run;

	*image = (struct image){ 0 };
	if (!add_runs(image, ram))
		return false;
	for (run = image->runs; run < image->runs + image->nr; run++) {
		run->offset = run->gpa;
		image->size = run->offset + run->length;
	}
	return true;
}

/* Pieces follow one another, as core_head() says. */
bool image_elf(struct image *image, const struct ram *ram, const void *note, size_t length,
	       const struct kernel_map *map)
{
	struct image_run *run;

	*image = (struct image){ .head_length = core_head_length(ram) };
	image->head = core_head(ram, note, length, map);
	if (!image->head || !add_runs(image, ram)) {
		image_free(image);
		return false;
	}
	image->size = image->head_length;
	for (run = image->runs; run < image->runs + image->nr; run++) {
		run->offset = image->size;
		image->size += run->length;
	}
	return true;
}

void image_text(struct image *image, char *text, size_t length)
{
	*image = (struct image){ .head = text, .head_length = length, .size = length };
}

void image_free(struct image *image)
{
	free(image->head);
	free(image->runs);
	*image = (struct image){ 0 };
}

struct image_part image_at(const struct image *image, uint64_t offset)
{
	const struct image_run *run = image->runs, *end = run + image->nr;

	if (offset >= image->size)
		return (struct image_part){ .kind = IMAGE_END };
	if (offset < image->head_length)
		return (struct image_part){ IMAGE_HEAD, offset, image->head_length - offset };

	while (run < end && offset >= run->offset + run->length)
		run++;
	if (offset < run->offset)
		return (struct image_part){ IMAGE_HOLE, 0, run->offset - offset };
	offset -= run->offset;
	return (struct image_part){ IMAGE_RAM, run->gpa + offset, run->length - offset };
}

int64_t image_seek(const struct image *image, uint64_t offset, int whence)
{
	struct image_part part = image_at(image, offset);

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return -EINVAL;
	if (part.kind == IMAGE_END)
		return -ENXIO;
	/* No hole ends a file. */
	if (whence == SEEK_DATA)
		return part.kind == IMAGE_HOLE ? offset + part.length : offset;

	while (part.kind != IMAGE_HOLE && part.kind != IMAGE_END) {
		offset += part.length;
		part = image_at(image, offset);
	}
	return offset;
}

uint64_t image_data(const struct image *image)
{
	uint64_t data = image->head_length;
	size_t i;

	for (i = 0; i < image->nr; i++)
		data += image->runs[i].length;
	return data;
}
