/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_SEARCH_H
#define KVM_TDP_SEARCH_H

/*
 * Search for bytes, or a regular expression, in memory that arrives in pieces. A match
 * may lie across pieces, but not across a hole. Pure: the caller does the reading.
 */

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Of a regular expression. One that is longer is cut where a piece ends, and its rest
 * may match again.
 */
#define SEARCH_MATCH_MAX	65536

struct search {
	const uint8_t *pattern;
	const uint8_t *mask;	/* 0 where any byte will do; NULL: nowhere */
	size_t length;		/* of both */
	size_t anchor, anchor_length;	/* bytes of the pattern to look for first */
	const regex_t *regex;	/* in the place of a pattern, or NULL */
	int error;		/* of regexec(), which has ended the search */

	uint8_t *buf;		/* bytes kept, then room for a piece */
	size_t room;
	size_t kept;
	size_t seen;		/* of those kept, that no more match can begin in */
	uint64_t gpa;		/* of buf[0] */
};

/*
 * Called for each match, in order; false ends it. Those of a pattern may overlap, those
 * of a regular expression do not, and are not empty.
 */
typedef bool (*search_fn)(uint64_t gpa, const uint8_t *match, size_t length, void *data);

/*
 * What the bytes of "de ad ?? ef" are, at most @room: their number, or 0 if it is no
 * pattern, or has only bytes for which any will do.
 */
size_t search_parse_hex(const char *text, uint8_t *pattern, uint8_t *mask, size_t room);

/*
 * @pattern must not be empty and stays the caller's, as do @mask and @regex. False: no
 * memory.
 */
bool search_init(struct search *search, const void *pattern, const uint8_t *mask,
		 size_t length, size_t room);
bool search_init_regex(struct search *search, const regex_t *regex, size_t room);
void search_free(struct search *search);

/* Read up to search.room bytes to here, then report them. */
uint8_t *search_space(struct search *search);

/* @length bytes have arrived. False if @fn ended the search. */
bool search_feed(struct search *search, size_t length, search_fn fn,
		 void *data);

/*
 * Nothing follows what has arrived: report what is left of it. False if @fn ended the
 * search. The next piece begins at @gpa.
 */
bool search_skip(struct search *search, uint64_t gpa, search_fn fn, void *data);

#endif /* KVM_TDP_SEARCH_H */
