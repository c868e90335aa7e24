/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_KSM_H
#define TESTS_VM_KSM_H

/* KSM, which merges pages that are alike. */

#include <stdbool.h>
#include <stddef.h>

/* The test ends if it cannot be set. */
void ksm_set(const char *knob, const char *text);
/* Fast. */
void ksm_start(void);
/* All pages of the range, which are alike, become one in time. */
bool ksm_merges(const void *hva, size_t size);

#endif /* TESTS_VM_KSM_H */
