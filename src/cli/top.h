/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_TOP_H
#define KVM_TDP_TOP_H

/* The lines of kvm-tdp top. Pure: no I/O, no globals. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/kvm_tdp.h>

/* Told per second. */
enum top_rate {
	TOP_FAULTS,
	TOP_INVALIDATIONS,
	TOP_FILLED,
	TOP_DROPPED,
	TOP_NR_RATES
};

/* A table, or a VM that has none. */
struct top_row {
	pid_t pid;		/* of the VM */
	char comm[32];
	unsigned int vcpus;
	uint64_t rss;		/* bytes, of the process */
	uint64_t table;		/* 0: it has none, and what follows is 0 */
	unsigned int as_id;
	uint64_t ram;		/* bytes */
	uint64_t read_ns;	/* when the counters were read, by a clock that only goes on */
	struct kvm_tdp_stats stats;
	double rates[TOP_NR_RATES];	/* negative: not known yet */
};

/* @before: the same rows as they were, and others, in any order. */
void top_rate(struct top_row *rows, size_t nr, const struct top_row *before,
	      size_t nr_before);

/*
 * By p pid, or with the most first: f faults, i invalidations, e eager fills, d drops,
 * m mapped.  False: there is no such @key.
 */
bool top_sort(struct top_row *rows, size_t nr, char key);

#define TOP_TEXT	160
const char *top_head(char text[TOP_TEXT]);
int top_format(const struct top_row *row, char text[TOP_TEXT]);

#endif /* KVM_TDP_TOP_H */
