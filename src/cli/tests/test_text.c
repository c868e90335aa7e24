// SPDX-License-Identifier: GPL-2.0-only
/* Text from and to numbers and runs. Prints TAP. */
#include <string.h>

#include "../../lib/run.h"
#include "../text.h"
#include "tap.h"

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

int main(void)
{
	test_size_parse();
	test_size_format();
	test_size_round();
	test_release_parse();
	test_run_format();
	test_run_join();
	test_printable();
	test_progress();
	return done();
}
