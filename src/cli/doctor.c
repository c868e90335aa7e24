// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void found(struct doctor *d, enum verdict state, const char *fmt, ...)
{
	static const char * const names[] = {
		[GOOD] = "ok", [NOTE] = "note", [WRONG] = "wrong",
		[SKIPPED] = "-",
	};
	struct json_object *obj = json_object_new_object();
	char *text, *todo;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		die("%s", strerror(errno));
	va_end(args);
	todo = strchr(text, '\n');
	if (todo)
		*todo++ = 0;

	if (!d->array.json)
		printf("%-5s  %-12s  %s%s%s\n", names[state], d->check, text,
		       todo ? "; " : "", todo ? todo : "");
	json_add_str(obj, "check", d->check);
	json_add_str(obj, "state", state == SKIPPED ? "skipped" : names[state]);
	json_add_str(obj, "found", text);
	json_add_str(obj, "todo", todo ? todo : "");
	json_array_add(&d->array, obj);
	if (state == WRONG)
		d->wrong[d->nr_wrong++] = d->check;
	free(text);
}

bool follows(struct doctor *d, const char *what, const char *check)
{
	unsigned int i;

	for (i = 0; i < d->nr_wrong; i++) {
		if (strcmp(d->wrong[i], check))
			continue;
		found(d, SKIPPED, "%s: see %s", what, check);
		return true;
	}
	return false;
}
