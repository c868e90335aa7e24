/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_IMAGE_H
#define KVM_TDP_IMAGE_H

/*
 * A file that is made as it is read: bytes of its own, and runs of guest memory, with
 * holes between them. Pure: it says where the bytes come from.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel_map.h"
#include "ram.h"

struct image {
	char *head;		/* the bytes that it begins with */
	size_t head_length;
	struct image_run {
		uint64_t offset;
		uint64_t gpa;
		uint64_t length;
	} *runs;		/* behind the head, ascending by offset */
	size_t nr;
	uint64_t size;
};

/* At the offset of each byte what is at that GPA. False: no memory, of this and the next. */
bool image_raw(struct image *image, const struct ram *ram);
/* A core (core_head()). */
bool image_elf(struct image *image, const struct ram *ram, const void *note, size_t length,
	       const struct kernel_map *map);
/* Just these bytes, from malloc(): they are the image's then. */
void image_text(struct image *image, char *text, size_t length);
void image_free(struct image *image);

enum image_kind { IMAGE_HEAD, IMAGE_RAM, IMAGE_HOLE, IMAGE_END };

struct image_part {
	enum image_kind kind;
	uint64_t at;		/* in the head, or a GPA */
	uint64_t length;	/* from there on; of the end 0 */
};

struct image_part image_at(const struct image *image, uint64_t offset);

/* As lseek(): SEEK_DATA or SEEK_HOLE; -ENXIO or -EINVAL. */
int64_t image_seek(const struct image *image, uint64_t offset, int whence);

/* How much of it is no hole. */
uint64_t image_data(const struct image *image);

#endif /* KVM_TDP_IMAGE_H */
