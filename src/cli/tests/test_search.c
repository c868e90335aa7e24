// SPDX-License-Identifier: GPL-2.0-only
/* Searches of memory that comes in pieces. Prints TAP. */
#include <stdlib.h>
#include <string.h>

#include "../search.h"
#include "tap.h"

struct matches {
	uint64_t gpa[64];
	size_t length[64];
	size_t nr, max;
};

static bool note(uint64_t gpa, const uint8_t *match, size_t length, void *data)
{
	struct matches *matches = data;

	(void)match;
	if (matches->nr < 64) {
		matches->gpa[matches->nr] = gpa;
		matches->length[matches->nr] = length;
	}
	return ++matches->nr < matches->max;
}

/* Memory is @text at @gpa, with a hole of 1000 bytes where it has a '|'. */
static void search_text(struct search *search, const char *text, uint64_t gpa,
			struct matches *matches)
{
	size_t n;

	search_skip(search, gpa, note, matches);
	while (*text) {
		if (*text == '|') {
			text++;
			gpa += 1000;
			if (!search_skip(search, gpa, note, matches))
				break;
			continue;
		}
		n = strcspn(text, "|");
		n = n < search->room ? n : search->room;
		memcpy(search_space(search), text, n);
		if (!search_feed(search, n, note, matches))
			break;
		text += n;
		gpa += n;
	}
	search_skip(search, gpa, note, matches);
	search_free(search);
}

static void expect_matches(const char *text, const char *pattern, size_t nr,
			   const uint64_t *gpa)
{
	size_t piece;

	/* Every way the pieces can cut the match. */
	for (piece = 1; piece <= strlen(text); piece++) {
		struct matches matches = { .max = 1000 };
		struct search search;
		char which[64];

		if (!search_init(&search, pattern, NULL, strlen(pattern), piece))
			abort();
		search_text(&search, text, 0x5000, &matches);
		snprintf(which, sizeof(which), "'%s' in pieces of %zu",
			 pattern, piece);
		ok(matches.nr == nr &&
		   (!nr || !memcmp(matches.gpa, gpa, nr * sizeof(*gpa))), "search",
		   which);
	}
}

static void test_search(void)
{
	struct matches matches = { .max = 2 };
	struct search search;

	expect_matches("xxneedlexx", "needle", 1, (uint64_t []){ 0x5002 });
	expect_matches("needleneedle", "needle", 2,
		       (uint64_t []){ 0x5000, 0x5006 });
	expect_matches("aaaa", "aa", 3, (uint64_t []){ 0x5000, 0x5001, 0x5002 });
	expect_matches("abc", "c", 1, (uint64_t []){ 0x5002 });
	expect_matches("nee|dle", "needle", 0, NULL);
	expect_matches("nee|needle", "needle", 1,
		       (uint64_t []){ 0x5000 + 3 + 1000 });
	expect_matches("needl", "needle", 0, NULL);

	if (!search_init(&search, "a", NULL, 1, 4))
		abort();
	search_text(&search, "aaaa", 0, &matches);
	ok(matches.nr == 2, "search", "ends when told to");
}

static void test_parse_hex(void)
{
	static const struct {
		const char *text;
		size_t length;
		uint8_t pattern[4], mask[4];
	} good[] = {
		{ "de ad be ef", 4, { 0xde, 0xad, 0xbe, 0xef }, { 1, 1, 1, 1 } },
		{ "DEADbeef", 4, { 0xde, 0xad, 0xbe, 0xef }, { 1, 1, 1, 1 } },
		{ "  00 ?? 7f  ", 3, { 0, 0, 0x7f }, { 1, 0, 1 } },
		{ "????01", 3, { 0, 0, 1 }, { 0, 0, 1 } },
	};
	static const char * const bad[] = {
		"", " ", "d", "de a", "d e", "0x10", "d?", "?d", "?", "?? ??", "de,ad", "gg",
		"de ad be ef 01", "de\tad",
	};
	uint8_t pattern[4], mask[4];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(search_parse_hex(good[i].text, pattern, mask, 4) == good[i].length &&
		   !memcmp(pattern, good[i].pattern, good[i].length) &&
		   !memcmp(mask, good[i].mask, good[i].length), "is hex", good[i].text);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!search_parse_hex(bad[i], pattern, mask, 4), "is no hex", bad[i]);
}

static void expect_hex(const char *text, const char *hex, size_t nr, const uint64_t *gpa)
{
	uint8_t pattern[16], mask[16];
	size_t length = search_parse_hex(hex, pattern, mask, sizeof(pattern)), piece;

	for (piece = 1; piece <= strlen(text); piece++) {
		struct matches matches = { .max = 1000 };
		struct search search;
		char which[64];

		if (!search_init(&search, pattern, mask, length, piece))
			abort();
		search_text(&search, text, 0x5000, &matches);
		snprintf(which, sizeof(which), "'%s' in pieces of %zu", hex, piece);
		ok(matches.nr == nr && (!nr || !memcmp(matches.gpa, gpa, nr * sizeof(*gpa))) &&
		   (!nr || matches.length[0] == length), "search", which);
	}
}

static void test_search_hex(void)
{
	expect_hex("abcabdab", "61 62 ??", 2, (uint64_t []){ 0x5000, 0x5003 });
	expect_hex("xabcxab", "?? 61 62", 2, (uint64_t []){ 0x5000, 0x5004 });
	expect_hex("aXbcaYbc", "61 ?? 62 63", 2, (uint64_t []){ 0x5000, 0x5004 });
	expect_hex("abbcabXc", "61 62 ?? 63", 2, (uint64_t []){ 0x5000, 0x5004 });
	expect_hex("aXbdab", "61 ?? 62 63", 0, NULL);
	expect_hex("ab|ab", "?? 61 62", 0, NULL);
	expect_hex("aaaa", "61 ?? 61", 2, (uint64_t []){ 0x5000, 0x5001 });
}

/* Memory larger than the longest match, of dots; @length bytes of @text are at @at. */
#define REGEX_MEMORY	(3 * SEARCH_MATCH_MAX)

static void expect_regex(const char *text, size_t length, size_t at, const char *pattern,
			 size_t piece, size_t nr, size_t gpa, size_t match)
{
	struct matches matches = { .max = 1000 };
	uint8_t *memory = malloc(REGEX_MEMORY);
	struct search search;
	size_t done, n;
	regex_t regex;
	char which[80];

	if (!memory || regcomp(&regex, pattern, REG_EXTENDED | REG_NEWLINE) ||
	    !search_init_regex(&search, &regex, piece))
		abort();
	memset(memory, '.', REGEX_MEMORY);
	memcpy(memory + at, text, length);
	search_skip(&search, 0, note, &matches);
	for (done = 0; done < REGEX_MEMORY; done += n) {
		n = REGEX_MEMORY - done < piece ? REGEX_MEMORY - done : piece;
		memcpy(search_space(&search), memory + done, n);
		search_feed(&search, n, note, &matches);
	}
	search_skip(&search, 0, note, &matches);
	snprintf(which, sizeof(which), "'%s' at %zu in pieces of %zu", pattern, at, piece);
	ok(matches.nr == nr && (!nr || (matches.gpa[0] == gpa && matches.length[0] == match)),
	   "regex", which);
	search_free(&search);
	regfree(&regex);
	free(memory);
}

static void test_search_regex(void)
{
	static const size_t pieces[] = {
		1000, SEARCH_MATCH_MAX - 1, SEARCH_MATCH_MAX, 100000, REGEX_MEMORY,
	};
	static const char text[] = "\nLinux\0version 6.1\n";
	static char far[32001];
	const size_t length = sizeof(text) - 1;
	size_t i, piece, at;

	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		piece = pieces[i];
		for (at = piece - length; at <= piece && at + length <= REGEX_MEMORY; at += 5) {
			expect_regex(text, length, at, "ver[a-z]* [0-9.]+", piece, 1, at + 7, 11);
			expect_regex(text, length, at, "^Lin", piece, 1, at + 1, 3);
			expect_regex(text, length, at, "Linux.version", piece, 0, 0, 0);
		}
	}
	expect_regex(text, length, 0, "(x|y)*", 1000, 1, 5, 1);
	expect_regex(text, length, REGEX_MEMORY - length, "6.1$", 1000, 1, REGEX_MEMORY - 4, 3);
	expect_regex("", 0, 0, "x*", SEARCH_MATCH_MAX, 0, 0, 0);
	/* A long one is one, whatever cuts it. */
	memset(far, 'a', sizeof(far));
	far[0] = '<';
	expect_regex(far, sizeof(far), 70000, "<a*", 1000, 1, 70000, sizeof(far));
}

int main(void)
{
	test_search();
	test_parse_hex();
	test_search_hex();
	test_search_regex();
	return done();
}
