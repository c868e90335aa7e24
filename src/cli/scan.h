/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_SCAN_H
#define KVM_TDP_SCAN_H

/*
 * Walk over guest memory whose layout is unknown: what is RAM shows only by
 * trying. Holes are probed every SCAN_STEP bytes, which no usual memory layout
 * is finer than. Pure: the caller does the trying.
 */

#include <stdbool.h>
#include <stdint.h>

#define SCAN_STEP	0x10000ULL

/*
 * With no end given, go on to 4G and a hole of SCAN_FAR: RAM that does not fit
 * below the PCI hole continues at 4G.
 */
#define SCAN_LOW	0x100000000ULL
#define SCAN_FAR	0x40000000ULL

struct scan {
	uint64_t gpa;		/* what to try next */
	uint64_t end;
	bool open_ended;
	uint64_t ram;		/* bytes found to be RAM */
	uint64_t skipped;	/* bytes passed over */
};

/* @length 0: open-ended. @gpa + @length must not wrap. */
void scan_init(struct scan *scan, uint64_t gpa, uint64_t length);

/* Bytes to try at scan.gpa, at most @max; 0: the walk is over. */
uint64_t scan_left(const struct scan *scan, uint64_t max);

/* @length bytes at scan.gpa are RAM; 0 changes nothing. */
void scan_found(struct scan *scan, uint64_t length);

/* The bytes at scan.gpa are not: go on at the next multiple of @step. */
void scan_skip(struct scan *scan, uint64_t step);

#endif /* KVM_TDP_SCAN_H */
