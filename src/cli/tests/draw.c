// SPDX-License-Identifier: GPL-2.0-only
/*
 * draw TITLE: print the picture of the guest that standard input tells of, in lines of
 * "slot GPA LENGTH", then "unmappable GPA LENGTH" and "run GPA LENGTH LEVEL ACCESS".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../picture.h"

static void add(struct picture *picture, const char *line)
{
	unsigned int level, access;
	uint64_t gpa, length;

	if (sscanf(line, "unmappable %" SCNi64 " %" SCNi64, &gpa, &length) == 2)
		picture_add(picture, gpa, length, PICTURE_UNMAPPABLE);
	else if (sscanf(line, "run %" SCNi64 " %" SCNi64 " %u %u", &gpa, &length, &level,
			&access) == 4)
		picture_add(picture, gpa, length, picture_kind(level, access));
	else
		abort();
}

int main(int argc, char **argv)
{
	struct picture *picture = NULL;
	struct kvm_tdp_slot slot = { 0 };
	struct ram ram = { 0 };
	uint64_t gpa, length;
	char line[128];

	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "slot %" SCNi64 " %" SCNi64, &gpa, &length) == 2) {
			slot.gpa = gpa;
			slot.length = length;
			if (!ram_add(&ram, &slot, 0, UINT64_MAX))
				abort();
			continue;
		}
		if (!picture)
			picture = picture_alloc(&ram);
		add(picture, line);
	}
	if (!picture)
		picture = picture_alloc(&ram);
	picture_print(picture, argc > 1 ? argv[1] : "", stdout);
	free(picture);
	ram_free(&ram);
	return 0;
}
