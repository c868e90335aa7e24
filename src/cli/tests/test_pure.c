// SPDX-License-Identifier: GPL-2.0-only
/* The parts of kvm-tdp that need no VM. Prints TAP. */
#define _GNU_SOURCE
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../lib/run.h"
#include "../core.h"
#include "../counters.h"
#include "../event.h"
#include "../ram.h"
#include "../search.h"
#include "../sparse.h"
#include "../text.h"
#include "../top.h"
#include "../vmcoreinfo.h"
#include "tap.h"

static void ok_text(const char *got, const char *want)
{
	bool good = !strcmp(got, want);

	ok(good, "prints", want);
	if (!good)
		printf("# got: %s\n", got);
}

static void test_size_parse(void)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {
		{ "0", 0 }, { "4096", 4096 }, { "0x1000", 4096 },
		{ "0x1K", 1024 }, { "640k", 640 << 10 }, { "2M", 2 << 20 },
		{ "3G", 3ULL << 30 }, { "1t", 1ULL << 40 },
		{ "0xfffffffffffff000", 0xfffffffffffff000 },
		{ "18446744073709551615", UINT64_MAX },
		{ "16777215T", 16777215ULL << 40 },
	};
	static const char * const bad[] = {
		"", " 1", "-1", "+1", "x", "0x", "1KB", "1K ", "K", "1.5G",
		"18446744073709551616", "16777216T", "0x1g0", "4096,",
	};
	uint64_t value;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(size_parse(good[i].text, &value) && value == good[i].value,
		   "is a size", good[i].text);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!size_parse(bad[i], &value), "is no size", bad[i]);
}

static void test_size_format(void)
{
	char text[SIZE_TEXT];

	ok_text(size_format(0, text), "0");
	ok_text(size_format(4097, text), "4097");
	ok_text(size_format(4096, text), "4K");
	ok_text(size_format(1025 << 10, text), "1025K");
	ok_text(size_format(2 << 20, text), "2M");
	ok_text(size_format(1ULL << 57, text), "131072T");
	ok_text(size_format(UINT64_MAX, text), "18446744073709551615");
}

static void test_size_round(void)
{
	char text[SIZE_TEXT];

	ok_text(size_round(0, text), "0");
	ok_text(size_round(1023, text), "1023");
	ok_text(size_round(1024, text), "1.0K");
	ok_text(size_round(1536 << 10, text), "1.5M");
	ok_text(size_round(10 << 20, text), "10M");
	ok_text(size_round(1023ULL << 30, text), "1023G");
	ok_text(size_round(UINT64_MAX, text), "16E");
}

static void test_release_parse(void)
{
	static const struct {
		const char *text;
		unsigned int version;
	} good[] = {
		{ "6.1.0-56-cloud-amd64", 0x060100 }, { "6.12", 0x060c00 },
		{ "7.3.12+deb14-amd64", 0x07030c }, { "6.1.300", 0x0601ff },
	};
	static const char * const bad[] = { "", "6", "linux", "-6.1", " 6.1" };
	unsigned int version;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(release_parse(good[i].text, &version) &&
		   version == good[i].version, "is a release", good[i].text);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!release_parse(bad[i], &version), "is no release", bad[i]);
}

static void test_run_format(void)
{
	struct kvm_tdp_run run = {
		.gpa = 0x100000000, .length = 0x200000, .hpa = 0x40000000,
		.access = KVM_TDP_ACCESS_READ | KVM_TDP_ACCESS_EXEC, .level = 2,
	};
	const struct kvm_tdp_run longest = {
		.gpa = UINT64_MAX / 2 + 1, .length = UINT64_MAX / 2,
		.hpa = UINT64_MAX, .access = 7, .level = 9,
	};
	char text[RUN_TEXT];

	run_format_raw(&run, text);
	ok_text(text, "0x100000000\t0x200000\t2\tr-x\t0x40000000");
	run_format(&run, text);
	ok_text(text, "0x000100000000-0x0001001fffff        2M  2M     r-x     0x000040000000");
	run.hpa = 0;
	run.access = 7;
	run_format(&run, text);
	ok_text(text, "0x000100000000-0x0001001fffff        2M  2M     rwx     -");
	ok(run_format(&longest, text) < RUN_TEXT &&
	   run_format_raw(&longest, text) < RUN_TEXT, "run fits", "longest");
}

static void test_run_join(void)
{
	const struct kvm_tdp_run base = {
		.gpa = 0x1000, .length = 0x1000, .hpa = 0x8000, .access = 3,
		.level = 1,
	};
	const struct kvm_tdp_run next = {
		.gpa = 0x2000, .length = 0x3000, .hpa = 0x9000, .access = 3,
		.level = 1,
	};
	struct kvm_tdp_run run = base, other;

	ok(run_join(&run, &next) && run.length == 0x4000 &&
	   run.gpa == 0x1000 && run.hpa == 0x8000, "runs join", "adjacent");

#define DIFFERS(member, value, what)					\
	do {								\
		run = base;						\
		other = next;						\
		other.member = value;					\
		ok(!run_join(&run, &other) && run.length == 0x1000,	\
		   "runs stay apart", what);				\
	} while (0)
	DIFFERS(gpa, 0x3000, "hole");
	DIFFERS(hpa, 0xa000, "elsewhere in the host");
	DIFFERS(hpa, 0, "one hidden");
	DIFFERS(access, 1, "other access");
	DIFFERS(level, 2, "other level");
#undef DIFFERS

	run = base;
	other = next;
	run.hpa = 0;
	other.hpa = 0;
	ok(run_join(&run, &other), "runs join", "hpa hidden");
}

static void test_printable(void)
{
	static const struct {
		const char *text;
		size_t length, want;
	} cases[] = {
		{ "abc\n", 4, 3 }, { "a\tb", 3, 3 }, { "", 0, 0 },
		{ "\0a", 2, 0 }, { "ab\177", 3, 2 }, { "a\200", 2, 1 },
		{ "whole", 5, 5 },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok(printable_prefix((const uint8_t *)cases[i].text,
				    cases[i].length) == cases[i].want,
		   "printable prefix", "as expected");
}

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

static void ram_of(struct ram *ram, const struct kvm_tdp_slot *slots, size_t nr,
		   uint64_t gpa, uint64_t end)
{
	size_t i;

	*ram = (struct ram){ 0 };
	for (i = 0; i < nr; i++)
		ram_add(ram, &slots[i], gpa, end);
}

static bool ram_is(const struct ram *ram, size_t i, uint64_t gpa, uint64_t length)
{
	return ram->pieces[i].gpa == gpa && ram->pieces[i].length == length;
}

static void test_ram(void)
{
	static const struct kvm_tdp_slot slots[] = {
		{ .gpa = 0x1000, .length = 0x3000 },
		{ .gpa = 0x4000, .length = 0x1000 },
		{ .gpa = 0x6000, .length = 0x2000 },
	};
	struct ram ram;

	ram_of(&ram, slots, 3, 0, -1ULL);
	ok(ram.nr == 2 && ram.length == 0x6000 && ram_is(&ram, 0, 0x1000, 0x4000) &&
	   ram_is(&ram, 1, 0x6000, 0x2000), "RAM", "neighbours are one");
	ram_free(&ram);
	ram_of(&ram, slots, 3, 0x2000, 0x7000);
	ok(ram.nr == 2 && ram.length == 0x4000 && ram_is(&ram, 0, 0x2000, 0x3000) &&
	   ram_is(&ram, 1, 0x6000, 0x1000), "RAM", "of a range");
	ram_free(&ram);
	ram_of(&ram, slots, 3, 0x5000, 0x6000);
	ok(!ram.nr && !ram.length, "RAM", "none in a hole");
	ram_free(&ram);
	ram_of(&ram, slots, 3, 0x6800, 0x6801);
	ok(ram.nr == 1 && ram_is(&ram, 0, 0x6800, 1), "RAM", "a byte");
	ram_free(&ram);
}

static void test_counters(void)
{
	struct kvm_tdp_stats stats = { 0 };
	size_t i;

	ok(counters_parse(&stats, "kvm_tdp_leaves_4k:\t3\n") &&
	   counters_parse(&stats, "kvm_tdp_leaves_2m:\t1\n") &&
	   counters_parse(&stats, "kvm_tdp_faults_failed:\t18446744073709551615\n") &&
	   counters_parse(&stats, "kvm_tdp_eager_no_pool:\t5\n"), "counters", "are known");
	ok(!counters_parse(&stats, "kvm_tdp_fault:\t3\n") &&
	   !counters_parse(&stats, "kvm_tdp_faults_:\t3\n") &&
	   !counters_parse(&stats, "faults:\t3\n") && !counters_parse(&stats, ""),
	   "counters", "others are not");
	ok(!stats.faults && stats.faults_failed == UINT64_MAX && !stats.leaves[2],
	   "counters", "each in its place");
	ok(counters_mapped(&stats) == 0x203000, "counters", "mapped");
	ok(counters_dropped(&stats) == 5, "counters", "dropped");
	for (i = 0; counter_name(i); i++)
		;
	ok(i == (sizeof(stats) - offsetof(struct kvm_tdp_stats, leaves)) / 8, "counters",
	   "all have a name");
}

static void test_top(void)
{
	const struct top_row before[] = {
		{ .pid = 9, .table = 4, .read_ns = 1000000000, .stats.faults = 10,
		  .stats.eager_filled = 7000 },
		{ .pid = 5, .table = 2, .read_ns = 1500000000, .stats.faults = 100 },
	};
	struct top_row rows[] = {
		{ .pid = 5, .comm = "qemu-system-x86_64", .table = 2, .read_ns = 3500000000,
		  .ram = 3 << 19, .rss = 12345, .stats.faults = 105, .stats.importers = 1,
		  .stats.invalidations = 300, .stats.leaves = { 10, 2, 0 } },
		{ .pid = 9, .comm = "vmm", .table = 4, .read_ns = 1500000000,
		  .stats.faults = 1000, .stats.eager_filled = 9007000,
		  .stats.eager_busy = 2, .stats.eager_no_slot = 1 },
		{ .pid = 7, .comm = "none", .rss = 1 << 20 },
		{ .pid = 5, .comm = "new", .table = 6, .read_ns = 3500000000,
		  .stats.faults = 1000 },
	};
	static const char keys[] = "pfiedm";
	static const char *const sorted[] = {
		"2 6 0 4", "4 2 6 0", "2 4 6 0", "4 2 6 0", "4 2 6 0", "2 6 0 4",
	};
	char text[TOP_TEXT];
	size_t i;

	top_rate(rows, 4, before, 2);
	ok_text(top_head(text), "    PID TABLE  COMMAND         FAULT/S INVAL/S  FILL/S  DROP/S  MAPPED     RAM     RSS IMP       4K      2M    1G");
	top_format(&rows[0], text);
	ok_text(text, "      5     2  qemu-system-x86     2.5     150     0.0     0.0    4.0M    1.5M     12K   1       10       2     0");
	top_format(&rows[1], text);
	ok_text(text, "      9     4  vmm                1980     0.0   18.0M     6.0       0       0       0   0        0       0     0");
	top_format(&rows[2], text);
	ok_text(text, "      7     -  none                  -       -       -       -       -       -    1.0M   -        -       -     -");
	top_format(&rows[3], text);
	ok_text(text, "      5     6  new                   -       -       -       -       0       0       0   0        0       0     0");

	for (i = 0; keys[i]; i++) {
		ok(top_sort(rows, 4, keys[i]), "sorts by", (char []){ keys[i], 0 });
		snprintf(text, sizeof(text), "%d %d %d %d", (int)rows[0].table,
			 (int)rows[1].table, (int)rows[2].table, (int)rows[3].table);
		ok_text(text, sorted[i]);
	}
	ok(!top_sort(rows, 4, 'x') && top_sort(NULL, 0, 'p'), "sorts", "no such key, nothing");
}

#define TASK	"  a: b-7 [0] 9-11      [001] d..1.  12.000345: "

static void test_event(void)
{
	static const struct {
		const char *line;
		const char *want;
	} good[] = {
		{
			"kvm_tdp_invalidate: vm_pid 7 table 3 gpa 405000 size 2000",
			"     12.000345       8  qemu             invalidate  0x000000405000-0x000000406fff",
		},
		{
			"kvm_tdp_invalidate: vm_pid 7 table 3 gpa 0 size ffffffffffffffff",
			"     12.000345       8  qemu             invalidate  all",
		},
		{
			"kvm_tdp_fault: vm_pid 7 table 3 gfn 405 write ret 16",
			"     12.000345       8  qemu             fault       0x000000405000                 write  16 mapped",
		},
		{
			"kvm_tdp_fault: vm_pid 7 table 3 gfn 405 read ret -14",
			"     12.000345       8  qemu             fault       0x000000405000                 read   no guest RAM there",
		},
		{
			"kvm_tdp_set_entry: vm_pid 7 table 3 gfn 405 level 1 0 -> 80000000003",
			"     12.000345       8  qemu             entry       0x000000405000-0x000000405fff  4K     set",
		},
		{
			"kvm_tdp_set_entry: vm_pid 7 table 3 gfn 405 level 2 80000000003 -> 0",
			"     12.000345       8  qemu             entry       0x000000400000-0x0000005fffff  2M     cleared",
		},
		{
			"kvm_tdp_set_entry: vm_pid 7 table 3 gfn 405 level 5 3 -> 7",
			"     12.000345       8  qemu             entry       0x000000000000-0xffffffffffff  256T   changed",
		},
		{
			"kvm_tdp_slot: vm_pid 7 table 3 slot 2 gfn 100000 pages 30 flags 10003 remove",
			"     12.000345       8  qemu             slot        0x000100000000-0x00010002ffff  remove  slot 2  ro,log",
		},
		{
			"kvm_tdp_slot: vm_pid 7 table 3 slot 2 gfn 100000 pages 30 flags 0 create",
			"     12.000345       8  qemu             slot        0x000100000000-0x00010002ffff  create  slot 2  -",
		},
	};
	static const char *const bad[] = {
		"", "CPU:", TASK, TASK "kvm_tdp_fault: ", TASK "kvm_tdp_other: vm_pid 7 table 3",
		TASK "kvm_tdp_fault: vm_pid 7 table 3 gfn 405 read",
		TASK "kvm_tdp_set_entry: vm_pid 7 table 3 gfn 405 level 6 0 -> 1",
		": kvm_tdp_invalidate: vm_pid 7 table 3 gpa 0 size 1000",
		/* what a task may call itself */
		"CPU: EVENTS]", "CPU:1 EVENTS]",
	};
	char line[256], text[EVENT_TEXT];
	struct event event;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(line, sizeof(line), TASK "%s", good[i].line);
		if (event_parse(line, &event) && event.vm_pid == 7 && event.table == 3)
			event_format(&event, 8, "qemu", text);
		else
			snprintf(text, sizeof(text), "not an event");
		ok_text(text, good[i].want);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!event_parse(bad[i], &event), "is no event", bad[i]);
	ok(event_parse("CPU:1 [LOST 12 EVENTS]", &event) && event.type == EVENT_LOST &&
	   event.lost == 12, "events", "lost");
	ok(event_parse("CPU:1 [LOST EVENTS]", &event) && event.type == EVENT_LOST &&
	   !event.lost, "events", "lost, nobody knows how many");
}

static void test_progress(void)
{
	char text[PROGRESS_TEXT];

	progress_format(430 << 20, 1 << 30, 2000, text);
	ok_text(text, " 41%  430M of 1G  215M/s  0:00:02 left");
	progress_format(0, 1ULL << 40, 0, text);
	ok_text(text, "  0%  0 of 1T  0/s  0:00:00 left");
	progress_format(1ULL << 39, 1ULL << 40, 7265000, text);
	ok_text(text, " 50%  512G of 1T  72M/s  2:01:05 left");
	progress_format(0, 0, 5, text);
	ok_text(text, "100%  0 of 0  0/s  0:00:00 left");
	progress_format(UINT64_MAX, UINT64_MAX, UINT64_MAX, text);
	ok(strlen(text) < PROGRESS_TEXT - 1, "progress fits", "longest");
}

/* As Linux makes it: 5 bytes of the text are beyond a multiple of 4. */
#define INFO_TEXT	"OSRELEASE=6.1.0-56-amd64\nPAGESIZE=4096\n" \
			"SYMBOL(init_uts_ns)=ffffffff9de1b4c0\n" \
			"NUMBER(phys_base)=484442112\nKERNELOFFSET=1c000000\n"

static size_t make_note(uint8_t *note, const char *text)
{
	const Elf64_Nhdr nhdr = { .n_namesz = 11, .n_descsz = strlen(text) };

	memset(note, 0, VMCOREINFO_ROOM);
	memcpy(note, &nhdr, sizeof(nhdr));
	strcpy((char *)note + 12, "VMCOREINFO");
	memcpy(note + 24, text, strlen(text));
	return 24 + (strlen(text) + 3) / 4 * 4;
}

static void test_vmcoreinfo(void)
{
	static const struct {
		const char *text, *what;
	} bad[] = {
		{ "", "nothing in it" },
		{ "OSRELEASE=6.1.0", "a line without an end" },
		{ "OSRELEASE=6.1.0\nX=\1\n", "what is no text" },
		{ "PAGESIZE=4096\n", "no release" },
		{ "XOSRELEASE=6.1\n", "a key with another before it" },
		{ "OSRELEASE=\n", "an empty release" },
		{ "OSRELEASE=01234567890123456789012345678901234567890123456789012345678901234\n",
		  "a release of 65 bytes" },
	};
	uint8_t note[VMCOREINFO_ROOM];
	struct vmcoreinfo info;
	size_t length, i;

	length = make_note(note, INFO_TEXT);
	ok(vmcoreinfo_begins(note), "VMCOREINFO", "begins");
	ok(vmcoreinfo_parse(note, sizeof(note), &info) && info.length == length,
	   "VMCOREINFO", "found in more than it takes");
	ok(!strcmp(info.release, "6.1.0-56-amd64"), "VMCOREINFO", "its release");
	ok(info.has_uts && info.uts == 0x9de1b4c0 - 0x80000000 + 484442112,
	   "VMCOREINFO", "the GPA of a symbol");
	ok(vmcoreinfo_parse(note, length, &info), "VMCOREINFO", "found in just that");
	ok(!vmcoreinfo_parse(note, length - 4, &info), "VMCOREINFO", "cut off");
	ok(!vmcoreinfo_parse(note, 12, &info), "VMCOREINFO", "a header alone");
	note[12] = 'X';
	ok(!vmcoreinfo_begins(note) && !vmcoreinfo_parse(note, length, &info),
	   "VMCOREINFO", "another name");

	make_note(note, "OSRELEASE=5.10\nSYMBOL(init_uts_ns)=c1234567\n");
	ok(vmcoreinfo_parse(note, sizeof(note), &info) && !info.has_uts, "VMCOREINFO",
	   "without phys_base");
	make_note(note, "OSRELEASE=6.1\nSYMBOL(init_uts_ns)=ffffffff81000000\n"
			"NUMBER(phys_base)=-4096\n");
	ok(vmcoreinfo_parse(note, sizeof(note), &info) && info.uts == 0xfff000, "VMCOREINFO",
	   "with a negative phys_base");
	make_note(note, "OSRELEASE=6.1\nNUMBER(phys_base)=4096\nSYMBOL(init_uts_ns)=\n");
	ok(vmcoreinfo_parse(note, sizeof(note), &info) && !info.has_uts, "VMCOREINFO",
	   "a key without a value");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		make_note(note, bad[i].text);
		ok(!vmcoreinfo_parse(note, sizeof(note), &info), "no VMCOREINFO", bad[i].what);
	}
}

#define LARGE_GPA	0x100000000ULL

static const struct kvm_tdp_slot core_slots[] = {
	{ .gpa = 0x0, .length = 0xa0000 },
	{ .gpa = 0xc0000, .length = 0x40000 },
	{ .gpa = LARGE_GPA, .length = 0x3000 },
};

static void test_core(void)
{
	uint8_t note[VMCOREINFO_ROOM];
	size_t length = make_note(note, INFO_TEXT), i, head_length;
	const Elf64_Ehdr *ehdr;
	const Elf64_Phdr *phdr;
	struct ram ram;
	bool good;

	ram_of(&ram, core_slots, 3, 0, -1ULL);
	head_length = core_head_length(&ram);
	ok(head_length % 4096 == 0 && head_length >= sizeof(*ehdr) + 4 * sizeof(*phdr) +
	   VMCOREINFO_ROOM, "core", "room for the longest note");

	ehdr = core_head(&ram, note, length);
	phdr = (const void *)(ehdr + 1);
	ok(ehdr->e_phnum == 4 && phdr[0].p_type == PT_NOTE, "core", "the note is first");
	ok(phdr[0].p_filesz == length && phdr[0].p_offset + length <= head_length &&
	   !memcmp((const char *)ehdr + phdr[0].p_offset, note, length), "core",
	   "it is where it should be");
	for (good = true, i = 0; i < 3; i++)
		good &= phdr[i + 1].p_type == PT_LOAD &&
			phdr[i + 1].p_paddr == core_slots[i].gpa &&
			phdr[i + 1].p_filesz == core_slots[i].length;
	ok(good, "core", "a segment for each piece of RAM");
	ok(phdr[1].p_offset == head_length && phdr[2].p_offset == head_length + 0xa0000 &&
	   phdr[3].p_offset == head_length + 0xe0000, "core", "one after another");
	free((void *)ehdr);

	ehdr = core_head(&ram, NULL, 0);
	phdr = (const void *)(ehdr + 1);
	ok(ehdr->e_phnum == 3 && phdr[0].p_type == PT_LOAD && phdr[0].p_offset == head_length,
	   "core", "without a note the RAM is in the same place");
	free((void *)ehdr);
	ram_free(&ram);
}

/* As readelf reads it. */
static void test_readelf(void)
{
	static const char * const want[] = {
		"CORE (Core file)", "Advanced Micro Devices X86-64", " 0x0a0000 0x0a0000 RWE",
		" 0x0000000100000000 ", "VMCOREINFO",
	};
	char name[] = "/tmp/kvm-tdp-core.XXXXXX", command[64], out[8192];
	uint8_t note[VMCOREINFO_ROOM];
	size_t length = make_note(note, INFO_TEXT), i, n;
	struct ram ram;
	void *head;
	FILE *file;
	int fd;

	if (system("readelf --version >/dev/null 2>&1")) {
		ok(true, "readelf", "# SKIP there is none");
		return;
	}
	ram_of(&ram, core_slots, 3, 0, -1ULL);
	head = core_head(&ram, note, length);
	fd = mkstemp(name);
	if (!head || fd < 0 ||
	    write(fd, head, core_head_length(&ram)) != (ssize_t)core_head_length(&ram) ||
	    ftruncate(fd, core_head_length(&ram) + ram.length))
		abort();
	close(fd);
	snprintf(command, sizeof(command), "readelf -hlnW %s 2>&1", name);
	file = popen(command, "r");
	n = file ? fread(out, 1, sizeof(out) - 1, file) : 0;
	out[n] = 0;
	ok(file && !pclose(file) && !strstr(out, "arning") && !strstr(out, "rror"), "readelf",
	   "does not complain");
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		ok(strstr(out, want[i]), "readelf says", want[i]);
	unlink(name);
	free(head);
	ram_free(&ram);
}

static void test_mapping(void)
{
	struct mapping mapping = { 0 };

	ok(mapping_parse("7f0000000000-7f0000400000 rw-s 00200000 00:01 17    /memfd:ram (deleted)\n",
			 &mapping) && mapping.shared && mapping.start == 0x7f0000000000 &&
	   mapping.end == 0x7f0000400000 && mapping.offset == 0x200000, "mapping", "a memfd");
	ok(!mapping_parse("FilePmdMapped:         0 kB\n", &mapping) &&
	   !mapping_parse("VmFlags: rd wr sh mr mw me ms sd ", &mapping) && mapping.shared,
	   "mapping", "more of it");
	ok(!mapping_parse("VmFlags: rd wr sh um ", &mapping) && !mapping.shared, "mapping",
	   "a userfaultfd has it");
	ok(mapping_parse("7f0000000000-7f0000400000 rw-p 00000000 00:01 17    /memfd:ram\n",
			 &mapping) && !mapping.shared, "mapping", "private");
	ok(mapping_parse("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n",
			 &mapping) && mapping.end == 0xffffffffff601000, "mapping", "no file");
}

static bool sparse_is(struct sparse *sparse, uint64_t gpa, bool hole, uint64_t length)
{
	uint64_t got = 0x10000;

	return sparse_at(sparse, gpa, &got) == hole && got == length;
}

/* This process is the VMM: a slot with a shared and then a private mapping behind it. */
static void test_sparse(void)
{
	int fd = memfd_create("ram", 0);
	struct kvm_tdp_slot slot = { .gpa = 0x100000, .length = 0xc000 };
	struct sparse sparse;
	char *hva;

	hva = mmap(NULL, 0xc000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || ftruncate(fd, 0x10000) || hva == MAP_FAILED ||
	    mmap(hva, 0x8000, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0x2000) != hva)
		abort();
	slot.hva = (uintptr_t)hva;
	hva[0x3000] = 1;

	if (!sparse_init(&sparse, getpid()) || !sparse_add(&sparse, &slot))
		abort();
	ok(sparse_is(&sparse, 0xff000, false, 0x10000), "sparse", "no slot");
	if (geteuid()) {
		ok(true, "sparse", "# SKIP takes root");
	} else {
		ok(sparse_is(&sparse, 0x100000, true, 0x3000), "sparse", "a hole");
		ok(sparse_is(&sparse, 0x103000, false, 0x1000), "sparse", "data");
		ok(sparse_is(&sparse, 0x105000, true, 0x3000), "sparse", "to the mapping's end");
	}
	ok(sparse_is(&sparse, 0x108000, false, 0x4000), "sparse", "private memory");
	sparse_free(&sparse);

	if (!sparse_init(&sparse, 0) || !sparse_add(&sparse, &slot))
		abort();
	ok(sparse_is(&sparse, 0x100000, false, 0xc000), "sparse", "of no process");
	sparse_free(&sparse);
	munmap(hva, 0xc000);
	close(fd);
}

int main(void)
{
	test_size_round();
	test_counters();
	test_top();
	test_event();
	test_size_parse();
	test_size_format();
	test_release_parse();
	test_run_format();
	test_run_join();
	test_printable();
	test_search();
	test_parse_hex();
	test_search_hex();
	test_search_regex();
	test_ram();
	test_progress();
	test_vmcoreinfo();
	test_core();
	test_readelf();
	test_mapping();
	test_sparse();
	return done();
}
