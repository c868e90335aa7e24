// SPDX-License-Identifier: GPL-2.0-only
#include "top.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counters.h"
#include "text.h"

/* A narrow terminal cuts off the columns that are needed least. */
#define FORMAT	"%7s %5s  %-15.15s %7s %7s %7s %7s %7s %7s %7s %3s %8s %7s %5s"

static const struct top_row *find(const struct top_row *rows, size_t nr, uint64_t table)
{
	for (; nr--; rows++) {
		if (rows->table == table)
			return rows;
	}
	return NULL;
}

static double per_second(uint64_t now, uint64_t before, uint64_t ns)
{
	return now < before ? 0 : (now - before) * 1e9 / ns;
}

void top_rate(struct top_row *rows, size_t nr, const struct top_row *before,
	      size_t nr_before)
{
	struct top_row *row;

	for (row = rows; row < rows + nr; row++) {
		const struct top_row *old = find(before, nr_before, row->table);
		const struct kvm_tdp_stats *now = &row->stats;
		double *rates = row->rates;
		uint64_t ns;

		if (!row->table || !old || row->read_ns <= old->read_ns) {
			rates[TOP_FAULTS] = -1;
			rates[TOP_INVALIDATIONS] = -1;
			rates[TOP_FILLED] = -1;
			rates[TOP_DROPPED] = -1;
			continue;
		}
		ns = row->read_ns - old->read_ns;
		rates[TOP_FAULTS] = per_second(now->faults, old->stats.faults, ns);
		rates[TOP_INVALIDATIONS] = per_second(now->invalidations,
						      old->stats.invalidations, ns);
		rates[TOP_FILLED] = per_second(now->eager_filled, old->stats.eager_filled, ns);
		rates[TOP_DROPPED] = per_second(counters_dropped(now),
						counters_dropped(&old->stats), ns);
	}
}

static int compare_pid(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return (x->table > y->table) - (x->table < y->table);
}

static int compare_rate(const void *a, const void *b, enum top_rate rate)
{
	const struct top_row *x = a, *y = b;

	if (x->rates[rate] != y->rates[rate])
		return x->rates[rate] > y->rates[rate] ? -1 : 1;
	return compare_pid(a, b);
}

static int compare_faults(const void *a, const void *b)
{
	return compare_rate(a, b, TOP_FAULTS);
}

static int compare_invalidations(const void *a, const void *b)
{
	return compare_rate(a, b, TOP_INVALIDATIONS);
}

static int compare_filled(const void *a, const void *b)
{
	return compare_rate(a, b, TOP_FILLED);
}

static int compare_dropped(const void *a, const void *b)
{
	return compare_rate(a, b, TOP_DROPPED);
}

static int compare_mapped(const void *a, const void *b)
{
	uint64_t x = counters_mapped(&((const struct top_row *)a)->stats);
	uint64_t y = counters_mapped(&((const struct top_row *)b)->stats);

	return x == y ? compare_pid(a, b) : x > y ? -1 : 1;
}

bool top_sort(struct top_row *rows, size_t nr, char key)
{
	static const struct {
		char key;
		int (*compare)(const void *a, const void *b);
	} keys[] = {
		{ 'p', compare_pid },
		{ 'f', compare_faults },
		{ 'i', compare_invalidations },
		{ 'e', compare_filled },
		{ 'd', compare_dropped },
		{ 'm', compare_mapped },
	};
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].key != key)
			continue;
		if (nr)
			qsort(rows, nr, sizeof(*rows), keys[i].compare);
		return true;
	}
	return false;
}

const char *top_head(char text[TOP_TEXT])
{
	snprintf(text, TOP_TEXT, FORMAT, "PID", "TABLE", "COMMAND", "FAULT/S", "INVAL/S",
		 "FILL/S", "DROP/S", "MAPPED", "RAM", "RSS", "IMP", "4K", "2M", "1G");
	return text;
}

static const char *rate_text(double rate, char text[SIZE_TEXT])
{
	if (rate < 0)
		return "-";
	if (rate >= 999999.5)
		snprintf(text, SIZE_TEXT, "%.1fM", rate / 1e6);
	else
		snprintf(text, SIZE_TEXT, rate < 99.95 ? "%.1f" : "%.0f", rate);
	return text;
}

int top_format(const struct top_row *row, char text[TOP_TEXT])
{
	char pid[SIZE_TEXT], table[SIZE_TEXT], importers[SIZE_TEXT], leaves[3][SIZE_TEXT];
	char rates[TOP_NR_RATES][SIZE_TEXT], mapped[SIZE_TEXT], ram[SIZE_TEXT], rss[SIZE_TEXT];
	int i;

	snprintf(pid, sizeof(pid), "%d", row->pid);
	size_round(row->rss, rss);
	if (!row->table)
		return snprintf(text, TOP_TEXT, FORMAT, pid, "-", row->comm, "-", "-", "-", "-",
				"-", "-", rss, "-", "-", "-", "-");
	snprintf(table, sizeof(table), "%" PRIu64, row->table);
	snprintf(importers, sizeof(importers), "%llu", row->stats.importers);
	for (i = 0; i < 3; i++)
		snprintf(leaves[i], SIZE_TEXT, "%llu", row->stats.leaves[i]);
	return snprintf(text, TOP_TEXT, FORMAT, pid, table, row->comm,
			rate_text(row->rates[TOP_FAULTS], rates[TOP_FAULTS]),
			rate_text(row->rates[TOP_INVALIDATIONS], rates[TOP_INVALIDATIONS]),
			rate_text(row->rates[TOP_FILLED], rates[TOP_FILLED]),
			rate_text(row->rates[TOP_DROPPED], rates[TOP_DROPPED]),
			size_round(counters_mapped(&row->stats), mapped),
			size_round(row->ram, ram), rss, importers, leaves[0], leaves[1],
			leaves[2]);
}
