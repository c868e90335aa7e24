/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_COUNTERS_H
#define KVM_TDP_COUNTERS_H

/* The members of struct kvm_tdp_stats, by name. Pure: no I/O. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/kvm_tdp.h>

/* NULL behind the last. */
const char *counter_name(size_t i);
uint64_t counter_get(const struct kvm_tdp_stats *stats, size_t i);

/* Take in a line of a TDP fd's fdinfo; false if it has no counter. */
bool counters_parse(struct kvm_tdp_stats *stats, const char *line);

/* Bytes that the leaves map. */
uint64_t counters_mapped(const struct kvm_tdp_stats *stats);

/* vCPUs' faults that were not copied into the table, and are not there for that. */
uint64_t counters_dropped(const struct kvm_tdp_stats *stats);

#endif /* KVM_TDP_COUNTERS_H */
