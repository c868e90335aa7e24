// SPDX-License-Identifier: GPL-2.0-only
#include "scan.h"

void scan_init(struct scan *scan, uint64_t gpa, uint64_t length)
{
	*scan = (struct scan){
		.gpa = gpa,
		.open_ended = !length,
		.end = gpa + length,
	};
	if (scan->open_ended)
		scan->end = (gpa > SCAN_LOW ? gpa : SCAN_LOW) + SCAN_FAR;
}

uint64_t scan_left(const struct scan *scan, uint64_t max)
{
	uint64_t left = scan->end - scan->gpa;

	return left < max ? left : max;
}

void scan_found(struct scan *scan, uint64_t length)
{
	scan->gpa += length;
	scan->ram += length;
	if (length && scan->open_ended && scan->gpa + SCAN_FAR > scan->end)
		scan->end = scan->gpa + SCAN_FAR;
}

void scan_skip(struct scan *scan, uint64_t step)
{
	uint64_t length = step - scan->gpa % step;

	if (length > scan->end - scan->gpa)
		length = scan->end - scan->gpa;
	scan->gpa += length;
	scan->skipped += length;
}
