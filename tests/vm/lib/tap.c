// SPDX-License-Identifier: GPL-2.0-only
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int planned;
static int ran;
static int failed;
static pid_t reporter;

/* A forked child that reports would break the numbering unseen. */
static void tap_owner(void)
{
	if (!reporter)
		reporter = getpid();
	if (reporter != getpid())
		_exit(99);
}

static void tap_diag(const char *fmt, va_list ap)
{
	printf("# ");
	vprintf(fmt, ap);
	printf("\n");
	fflush(stdout);
}

void plan(int nr)
{
	tap_owner();
	planned = nr;
	printf("1..%d\n", nr);
	fflush(stdout);
}

void diag(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_diag(fmt, ap);
	va_end(ap);
}

static void tap_result(bool good, const char *fmt, va_list ap)
{
	tap_owner();
	printf("%sok %d - ", good ? "" : "not ", ++ran);
	vprintf(fmt, ap);
	printf("\n");
	if (!good)
		failed++;
	fflush(stdout);
}

bool tap_ok(const char *file, int line, bool good, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_result(good, fmt, ap);
	va_end(ap);
	if (!good)
		diag("at %s:%d", file, line);
	return good;
}

bool tap_is(const char *file, int line, long long got, long long want,
	    const char *fmt, ...)
{
	bool good = got == want;
	va_list ap;

	va_start(ap, fmt);
	tap_result(good, fmt, ap);
	va_end(ap);
	if (!good)
		diag("at %s:%d: got %lld (%#llx), expected %lld (%#llx)",
		     file, line, got, (unsigned long long)got,
		     want, (unsigned long long)want);
	return good;
}

void skip(const char *name, const char *what)
{
	tap_owner();
	printf("ok %d - %s # SKIP no %s\n", ++ran, name, what);
	fflush(stdout);
}

int done(void)
{
	tap_owner();
	if (!planned)
		printf("1..%d\n", ran);
	else if (ran != planned)
		printf("# planned %d tests, ran %d\n", planned, ran);
	if (failed)
		printf("# %d of %d failed\n", failed, ran);
	fflush(stdout);
	return failed || !ran || (planned && ran != planned);
}

void tap_bail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	printf("Bail out! %s:%d: ", file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(2);
}

/* "-NAME" leaves a case out; other arguments are all that are wanted. */
static bool tap_wanted(const char *name, int argc, char **argv)
{
	bool wanted = argc < 2 || *argv[1] == '-';
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], name))
			wanted = true;
		else if (*argv[i] == '-' && !strcmp(argv[i] + 1, name))
			return false;
	}
	return wanted;
}

/* One that is misspelt would run too little, or too much. */
static void tap_check_names(const struct tap_case *cases, size_t nr, int argc, char **argv)
{
	const char *name;
	size_t k;
	int i;

	for (i = 1; i < argc; i++) {
		name = argv[i] + (*argv[i] == '-');
		for (k = 0; k < nr && strcmp(cases[k].name, name); k++)
			;
		if (k == nr)
			bail("there is no case %s", name);
	}
}

int run_cases(const struct tap_case *cases, size_t nr, int argc, char **argv)
{
	size_t i;

	tap_check_names(cases, nr, argc, argv);
	for (i = 0; i < nr; i++) {
		if (!tap_wanted(cases[i].name, argc, argv))
			continue;
		diag("%s", cases[i].name);
		cases[i].run();
	}
	return done();
}
