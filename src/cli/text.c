// SPDX-License-Identifier: GPL-2.0-only
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/version.h>

static int unit_shift(char unit)
{
	switch (toupper((unsigned char)unit)) {
	case 'K':
		return 10;
	case 'M':
		return 20;
	case 'G':
		return 30;
	case 'T':
		return 40;
	}
	return -1;
}

bool size_parse(const char *text, uint64_t *value)
{
	unsigned long long number;
	char *end;
	int shift = 0;

	/* strtoull() takes blanks and signs, which make no size. */
	if (!isdigit((unsigned char)text[0]))
		return false;

	errno = 0;
	number = strtoull(text, &end, 0);
	if (errno)
		return false;

	if (*end) {
		shift = unit_shift(*end);
		if (shift < 0 || end[1])
			return false;
	}
	if (number > UINT64_MAX >> shift)
		return false;

	*value = (uint64_t)number << shift;
	return true;
}

const char *size_format(uint64_t value, char text[SIZE_TEXT])
{
	static const char units[] = { 0, 'K', 'M', 'G', 'T' };
	size_t unit = 0;

	while (value && value % 1024 == 0 && unit + 1 < sizeof(units)) {
		value /= 1024;
		unit++;
	}

	/* Without a unit the terminating 0 of "%c" ends the text. */
	snprintf(text, SIZE_TEXT, "%" PRIu64 "%c", value, units[unit]);
	return text;
}

const char *size_round(uint64_t value, char text[SIZE_TEXT])
{
	static const char units[] = "KMGTPE";
	double shown = value;
	int unit = -1;

	for (; shown >= 1024; unit++)
		shown /= 1024;
	if (unit < 0)
		snprintf(text, SIZE_TEXT, "%" PRIu64, value);
	else
		snprintf(text, SIZE_TEXT, shown < 9.95 ? "%.1f%c" : "%.0f%c", shown,
			 units[unit]);
	return text;
}

const char *level_name(unsigned int level)
{
	static const char * const names[] = { "?", "4K", "2M", "1G", "512G", "256T" };

	return names[level < 6 ? level : 0];
}

const char *format_name(unsigned int type)
{
	switch (type) {
	case KVM_TDP_FORMAT_EPT:
		return "EPT";
	case KVM_TDP_FORMAT_NPT:
		return "NPT";
	}
	return "unknown";
}

const char *access_format(unsigned int access, char text[ACCESS_TEXT])
{
	text[0] = access & KVM_TDP_ACCESS_READ ? 'r' : '-';
	text[1] = access & KVM_TDP_ACCESS_WRITE ? 'w' : '-';
	text[2] = access & KVM_TDP_ACCESS_EXEC ? 'x' : '-';
	text[3] = 0;
	return text;
}

int run_format_raw(const struct kvm_tdp_run *run, char text[RUN_TEXT])
{
	char access[ACCESS_TEXT];

	return snprintf(text, RUN_TEXT,
			"0x%llx\t0x%llx\t%u\t%s\t0x%llx",
			(unsigned long long)run->gpa,
			(unsigned long long)run->length, run->level,
			access_format(run->access, access),
			(unsigned long long)run->hpa);
}

int run_format(const struct kvm_tdp_run *run, char text[RUN_TEXT])
{
	char access[ACCESS_TEXT], size[SIZE_TEXT], hpa[SIZE_TEXT] = "-";

	if (run->hpa)
		snprintf(hpa, sizeof(hpa), "0x%012llx",
			 (unsigned long long)run->hpa);

	return snprintf(text, RUN_TEXT,
			"0x%012llx-0x%012llx %9s  %-5s  %-6s  %s",
			(unsigned long long)run->gpa,
			(unsigned long long)(run->gpa + run->length - 1),
			size_format(run->length, size), level_name(run->level),
			access_format(run->access, access), hpa);
}

size_t printable_prefix(const uint8_t *buf, size_t length)
{
	size_t n = 0;

	while (n < length && ((buf[n] >= 0x20 && buf[n] < 0x7f) || buf[n] == '\t'))
		n++;
	return n;
}

bool release_parse(const char *text, unsigned int *version)
{
	unsigned int part[3] = { 0 };

	if (!isdigit((unsigned char)text[0]) ||
	    sscanf(text, "%3u.%3u.%5u", &part[0], &part[1], &part[2]) < 2)
		return false;
	*version = KERNEL_VERSION(part[0], part[1], part[2]);
	return true;
}

void progress_format(uint64_t done, uint64_t total, uint64_t ms,
		     char text[PROGRESS_TEXT])
{
	char done_text[SIZE_TEXT], total_text[SIZE_TEXT], rate_text[SIZE_TEXT];
	const uint64_t round = ~0ULL << 20;	/* whole M, or the unit is another each time */
	uint64_t left = done ? (double)ms / 1000 * (total - done) / done : 0;
	uint64_t rate = ms ? (double)done * 1000 / ms : 0;

	snprintf(text, PROGRESS_TEXT, "%3u%%  %s of %s  %s/s  %" PRIu64 ":%02u:%02u left",
		 total ? (unsigned int)(100.0 * done / total) : 100,
		 size_format(done & round, done_text), size_format(total, total_text),
		 size_format(rate & round, rate_text), left / 3600,
		 (unsigned int)(left / 60 % 60), (unsigned int)(left % 60));
}
