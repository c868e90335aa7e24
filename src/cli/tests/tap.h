/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_TESTS_TAP_H
#define KVM_TDP_TESTS_TAP_H

/* TAP of one program. */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int ran, failed;

static inline void ok(bool good, const char *what, const char *which)
{
	printf("%sok %d - %s: %s\n", good ? "" : "not ", ++ran, what, which);
	failed += !good;
}

static inline void ok_text(const char *got, const char *want)
{
	ok(!strcmp(got, want), "prints", want);
	if (strcmp(got, want))
		printf("# got: %s\n", got);
}

/* The program's exit status. */
static inline int done(void)
{
	printf("1..%d\n", ran);
	return failed != 0;
}

#endif /* KVM_TDP_TESTS_TAP_H */
