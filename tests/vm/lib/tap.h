/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_TAP_H
#define TESTS_VM_TAP_H

/*
 * Test Anything Protocol on stdout.
 *
 *	plan(2);			first, or not at all: then done() prints it
 *	ok(x > 0, "x is %d", x);
 *	is(got, want, "the counter");	integers; says both when they differ
 *	return done();			exit status of the program
 *
 * ok() and is() return whether the check held.  Every line is flushed, so a
 * program may fork at any time; only the process that began may report, and a
 * child tells its parent by exit status.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#define TAP_PRINTF(a, b)	__attribute__((format(printf, a, b)))

void plan(int nr);
void diag(const char *fmt, ...) TAP_PRINTF(1, 2);
int done(void);

/*
 * A case that cannot be on this kernel, which has no @what: neither passed nor
 * failed, where scripts/vm-test finds that it is so, and failed elsewhere.
 */
void skip(const char *name, const char *what);

bool tap_ok(const char *file, int line, bool good, const char *fmt, ...)
	TAP_PRINTF(4, 5);
bool tap_is(const char *file, int line, long long got, long long want,
	    const char *fmt, ...) TAP_PRINTF(5, 6);
void tap_bail(const char *file, int line, const char *fmt, ...)
	TAP_PRINTF(3, 4) __attribute__((noreturn));

#define ok(good, ...)		tap_ok(__FILE__, __LINE__, !!(good), __VA_ARGS__)
#define is(got, want, ...)	\
	tap_is(__FILE__, __LINE__, (long long)(got), (long long)(want), __VA_ARGS__)

/* The machine cannot run these tests at all: stop, and count as failed. */
#define bail(...)		tap_bail(__FILE__, __LINE__, __VA_ARGS__)

/*
 * A system call in the wrapper convention here: the result if it is not
 * negative, else -errno.
 */
#define sys(call) ({						\
	__typeof__(call) sys_ret = (call);			\
								\
	sys_ret < 0 ? (__typeof__(call))-errno : sys_ret;	\
})

/* A step that has to succeed before anything can be tested. */
#define must(call) ({						\
	__typeof__(call) must_ret = (call);			\
								\
	if (must_ret < 0)					\
		bail("%s: errno %d", #call, errno);		\
	must_ret;						\
})

/* A program as a table; arguments, if any, name the cases to run, or, as "-NAME", not to. */
struct tap_case {
	const char *name;
	void (*run)(void);
};

int run_cases(const struct tap_case *cases, size_t nr, int argc, char **argv);

#define RUN_CASES(cases, argc, argv) \
	run_cases(cases, sizeof(cases) / sizeof((cases)[0]), argc, argv)

#endif /* TESTS_VM_TAP_H */
