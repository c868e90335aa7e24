// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "kvm-tdp.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

static void __attribute__((format(printf, 1, 0)))
say(const char *fmt, va_list args)
{
	progress_clear();
	/* Output from before the error comes first. */
	fflush(stdout);
	fputs("kvm-tdp: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

void die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
	exit(EXIT_FAILURE);
}

void warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
}

/* The line at the end of the terminal, if there is one. */
static struct {
	bool on, drawn;
	uint64_t total;
	uint64_t start, last;	/* ms */
} progress;

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

void progress_begin(uint64_t total, bool on)
{
	progress.on = on;
	progress.total = total;
	progress.start = now_ns() / 1000000;
	progress.last = progress.start;
}

void progress_update(uint64_t done)
{
	const bool terminal = isatty(STDERR_FILENO);
	char text[PROGRESS_TEXT];
	uint64_t time;

	if (!progress.on)
		return;
	time = now_ns() / 1000000;
	if (time - progress.last < (terminal ? 200 : 5000))
		return;
	progress.last = time;
	progress_format(done, progress.total, time - progress.start, text);
	fprintf(stderr, terminal ? "\r%s\033[K" : "%s\n", text);
	fflush(stderr);
	progress.drawn = terminal;
}

void progress_clear(void)
{
	if (progress.drawn)
		fputs("\r\033[K", stderr);
	fflush(stderr);
	progress.drawn = false;
}

void out_bytes(const void *buf, size_t length)
{
	if (fwrite(buf, 1, length, stdout) != length)
		die("standard output: %s", strerror(errno));
}

void out_hexdump(uint64_t gpa, const void *buf, size_t length)
{
	const unsigned char *bytes = buf;
	size_t at, i, n;

	for (at = 0; at < length; at += 16) {
		n = length - at < 16 ? length - at : 16;

		printf("%012llx ", (unsigned long long)(gpa + at));
		for (i = 0; i < 16; i++) {
			if (i < n)
				printf(" %02x", bytes[at + i]);
			else
				printf("   ");
			if (i == 7)
				putchar(' ');
		}

		printf("  |");
		for (i = 0; i < n; i++)
			putchar(isprint(bytes[at + i]) ? bytes[at + i] : '.');
		printf("|\n");
	}
}

void json_add_hex(struct json_object *obj, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	json_add_str(obj, key, text);
}

void json_add_num(struct json_object *obj, const char *key, uint64_t value)
{
	json_object_object_add(obj, key, json_object_new_uint64(value));
}

void json_add_str(struct json_object *obj, const char *key, const char *value)
{
	json_object_object_add(obj, key, json_object_new_string(value));
}

void json_add_bytes(struct json_object *obj, const char *key, const void *buf,
		    size_t length)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *bytes = buf;
	char *text = malloc(2 * length + 1);
	size_t i;

	if (!text)
		die("%zu bytes: %s", length, strerror(errno));

	for (i = 0; i < length; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 0xf];
	}
	text[2 * i] = 0;
	json_add_str(obj, key, text);
	free(text);
}

static const char *json_text(struct json_object *obj)
{
	return json_object_to_json_string_ext(obj, JSON_C_TO_STRING_SPACED |
					      JSON_C_TO_STRING_NOSLASHESCAPE);
}

void json_out(struct json_object *obj)
{
	puts(json_text(obj));
	json_object_put(obj);
}

void json_array_begin(struct json_array *array)
{
	if (array->json)
		fputc('[', array->to ?: stdout);
}

void json_array_add(struct json_array *array, struct json_object *obj)
{
	if (array->json)
		fprintf(array->to ?: stdout, "%s%s", array->any ? ",\n " : "\n ", json_text(obj));
	array->any = true;
	json_object_put(obj);
}

void json_array_end(struct json_array *array)
{
	if (array->json)
		fputs(array->any ? "\n]\n" : "]\n", array->to ?: stdout);
}

pid_t pipe_to(char *const argv[], int out, const char *option, const char *package, int *in)
{
	posix_spawn_file_actions_t actions;
	int pipes[2], err;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		die("%s", strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipes[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	err = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	if (err == ENOENT)
		die("%s: there is no program %s; install it: apt install %s", option, argv[0],
		    package);
	if (err)
		die("%s: %s", argv[0], strerror(err));
	posix_spawn_file_actions_destroy(&actions);
	close(pipes[0]);
	*in = pipes[1];
	/* That it has ended is an error of the next write. */
	signal(SIGPIPE, SIG_IGN);
	return pid;
}

void pipe_wait(pid_t pid, const char *program)
{
	int status;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		die("%s has failed", program);
}

int out_finish(int status)
{
	if (fflush(stdout) || ferror(stdout))
		die("standard output: %s", strerror(errno));
	return status;
}
