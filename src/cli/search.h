/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_SEARCH_H
#define KVM_TDP_SEARCH_H

/*
 * Search for a byte string in memory that arrives in pieces. A match may lie
 * across pieces, but not across a hole. Pure: the caller does the reading.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct search {
	const uint8_t *pattern;
	size_t pattern_length;
	uint8_t *buf;		/* bytes kept, then room for a piece */
	size_t room;
	size_t kept;
	uint64_t gpa;		/* of buf[0] */
};

/* Called for each match, overlapping ones too, in order; false ends it. */
typedef bool (*search_fn)(uint64_t gpa, void *data);

/* @pattern must not be empty and stays the caller's. False: no memory. */
bool search_init(struct search *search, const void *pattern, size_t length,
		 size_t room);
void search_free(struct search *search);

/* Read up to search.room bytes to here, then report them. */
uint8_t *search_space(struct search *search);

/* @length bytes have arrived. False if @fn ended the search. */
bool search_feed(struct search *search, size_t length, search_fn fn,
		 void *data);

/* The next piece begins at @gpa, with a hole before it. */
void search_skip(struct search *search, uint64_t gpa);

#endif /* KVM_TDP_SEARCH_H */
