// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "search.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a piece that are kept for the next. */
static size_t overlap(const struct search *search)
{
	/* And a byte before it, for what looks back: ^, \b. */
	return search->regex ? SEARCH_MATCH_MAX + 1 : search->length - 1;
}

static int hex_digit(char digit)
{
	const char *digits = "0123456789abcdef", *at;

	at = digit ? strchr(digits, tolower((unsigned char)digit)) : NULL;
	return at ? at - digits : -1;
}

size_t search_parse_hex(const char *text, uint8_t *pattern, uint8_t *mask, size_t room)
{
	size_t length = 0, known = 0;
	bool any;

	for (text += strspn(text, " "); *text; text += 2 + strspn(text + 2, " ")) {
		any = text[0] == '?' && text[1] == '?';
		if (!any && (hex_digit(text[0]) < 0 || hex_digit(text[1]) < 0))
			return 0;
		if (length == room)
			return 0;
		mask[length] = !any;
		pattern[length++] = any ? 0 : hex_digit(text[0]) << 4 | hex_digit(text[1]);
		known += !any;
	}
	return known ? length : 0;
}

/* The longest run of bytes of which none is any: most of memory fails there at once. */
static void find_anchor(struct search *search)
{
	size_t at, begin = 0;

	search->anchor = 0;
	search->anchor_length = search->mask ? 0 : search->length;
	for (at = 0; search->mask && at < search->length; at++) {
		if (!search->mask[at])
			begin = at + 1;
		if (at + 1 - begin > search->anchor_length) {
			search->anchor = begin;
			search->anchor_length = at + 1 - begin;
		}
	}
}

static bool make_room(struct search *search)
{
	search->buf = malloc(overlap(search) + search->room);
	return search->buf;
}

bool search_init(struct search *search, const void *pattern, const uint8_t *mask,
		 size_t length, size_t room)
{
	*search = (struct search){
		.pattern = pattern,
		.mask = mask,
		.length = length,
		.room = room,
	};
	find_anchor(search);
	return make_room(search);
}

bool search_init_regex(struct search *search, const regex_t *regex, size_t room)
{
	*search = (struct search){ .regex = regex, .room = room };
	return make_room(search);
}

void search_free(struct search *search)
{
	free(search->buf);
}

uint8_t *search_space(struct search *search)
{
	return search->buf + search->kept;
}

static bool matches(const struct search *search, const uint8_t *at)
{
	size_t i;

	for (i = 0; search->mask && i < search->length; i++) {
		if (search->mask[i] && at[i] != search->pattern[i])
			return false;
	}
	return true;
}

static bool find_pattern(struct search *search, size_t held, search_fn fn, void *data)
{
	const uint8_t *at = search->buf + search->anchor, *end = search->buf + held;

	if (held < search->length)
		return true;
	/* Behind the anchor there have to be as many bytes as in the pattern. */
	end -= search->length - search->anchor - search->anchor_length;
	while ((at = memmem(at, end - at, search->pattern + search->anchor,
			    search->anchor_length))) {
		const uint8_t *match = at - search->anchor;

		if (matches(search, match) &&
		    !fn(search->gpa + (match - search->buf), match, search->length, data))
			return false;
		at++;
	}
	return true;
}

/*
 * Matches that begin where the next piece could make them longer wait for it, unless
 * this is the @last.
 */
static bool find_regex(struct search *search, size_t held, bool last, search_fn fn,
		       void *data)
{
	size_t end = last ? held : held > SEARCH_MATCH_MAX ? held - SEARCH_MATCH_MAX : 0;
	regmatch_t match;
	int ret;

	while (search->seen < end) {
		match.rm_so = search->seen;
		match.rm_eo = held;
		ret = regexec(search->regex, (char *)search->buf, 1, &match, REG_STARTEND);
		if (ret && ret != REG_NOMATCH) {
			search->error = ret;
			return false;
		}
		if (ret || (size_t)match.rm_so >= end) {
			search->seen = end;
			break;
		}
		search->seen = match.rm_eo;
		if (match.rm_so == match.rm_eo)
			search->seen++;
		else if (!fn(search->gpa + match.rm_so, search->buf + match.rm_so,
			     match.rm_eo - match.rm_so, data))
			return false;
	}
	return true;
}

bool search_feed(struct search *search, size_t length, search_fn fn,
		 void *data)
{
	size_t held = search->kept + length;
	size_t gone;

	if (search->regex ? !find_regex(search, held, false, fn, data) :
			    !find_pattern(search, held, fn, data))
		return false;

	/* Too short for a whole match of a pattern, so nothing is ever reported twice. */
	search->kept = held < overlap(search) ? held : overlap(search);
	gone = held - search->kept;
	memmove(search->buf, search->buf + gone, search->kept);
	search->seen -= search->seen < gone ? search->seen : gone;
	search->gpa += gone;
	return true;
}

bool search_skip(struct search *search, uint64_t gpa, search_fn fn, void *data)
{
	if (search->regex && !find_regex(search, search->kept, true, fn, data))
		return false;
	search->kept = 0;
	search->seen = 0;
	search->gpa = gpa;
	return true;
}
