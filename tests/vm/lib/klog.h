/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_KLOG_H
#define TESTS_VM_KLOG_H

/* The kernel log, from now on. */

#include <stddef.h>

/* A descriptor; the test ends if there is none. */
int klog_open(void);
/* The next record's text, or NULL: there is no more yet. */
const char *klog_next(int klog);
/* How many records there are from here on with @word in them. */
unsigned int klog_count(int klog, const char *word);

#endif /* TESTS_VM_KLOG_H */
