// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "search.h"

#include <stdlib.h>
#include <string.h>

bool search_init(struct search *search, const void *pattern, size_t length,
		 size_t room)
{
	*search = (struct search){
		.pattern = pattern,
		.pattern_length = length,
		.buf = malloc(length - 1 + room),
		.room = room,
	};
	return search->buf;
}

void search_free(struct search *search)
{
	free(search->buf);
}

uint8_t *search_space(struct search *search)
{
	return search->buf + search->kept;
}

bool search_feed(struct search *search, size_t length, search_fn fn,
		 void *data)
{
	size_t held = search->kept + length;
	const uint8_t *at = search->buf;
	size_t gone;

	while ((at = memmem(at, search->buf + held - at, search->pattern,
			    search->pattern_length))) {
		if (!fn(search->gpa + (at - search->buf), data))
			return false;
		at++;
	}

	/* Too short for a whole match, so nothing is ever reported twice. */
	search->kept = held < search->pattern_length - 1 ?
		       held : search->pattern_length - 1;
	gone = held - search->kept;
	memmove(search->buf, search->buf + gone, search->kept);
	search->gpa += gone;
	return true;
}

void search_skip(struct search *search, uint64_t gpa)
{
	search->kept = 0;
	search->gpa = gpa;
}
