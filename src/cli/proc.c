// SPDX-License-Identifier: GPL-2.0-only
#include "proc.h"

#include <ctype.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool proc_field(char value[PROC_VALUE], const char *key, const char *path, ...)
{
	const size_t n = strlen(key);
	char name[64], line[PROC_VALUE];
	bool found = false;
	va_list args;
	FILE *file;

	va_start(args, path);
	vsnprintf(name, sizeof(name), path, args);
	va_end(args);
	*value = 0;
	file = fopen(name, "re");
	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = !strncmp(line, key, n) && line[n] == ':';
	fclose(file);
	if (!found)
		return false;
	line[strcspn(line, "\n")] = 0;
	strcpy(value, line + n + 1 + strspn(line + n + 1, " \t"));
	return true;
}

void vm_comm(pid_t pid, char *comm, size_t size)
{
	char path[32];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (!file || !fgets(comm, size, file))
		snprintf(comm, size, "?");
	if (file)
		fclose(file);
	comm[strcspn(comm, "\n")] = 0;
	/* Whatever a process calls itself. */
	for (; *comm; comm++) {
		if (!isascii(*comm) || !isprint(*comm))
			*comm = '?';
	}
}

pid_t vm_process(pid_t thread)
{
	char pid[PROC_VALUE];

	return proc_field(pid, "Tgid", "/proc/%d/status", thread) ? atoi(pid) : thread;
}

bool vm_is_stopped(pid_t pid)
{
	char path[32], state[PROC_VALUE];
	bool stopped = false, runs = false;
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && !runs && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)*entry->d_name))
			continue;
		proc_field(state, "State", "%s/%.16s/status", path, entry->d_name);
		/* Those that have ended, the first of all, may still be there. */
		stopped |= *state == 'T' || *state == 't';
		runs |= *state && !strchr("TtZX", *state);
	}
	if (dir)
		closedir(dir);
	return stopped && !runs;
}
