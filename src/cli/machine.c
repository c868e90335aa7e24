// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "machine.h"

#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const char *machine_root = "";

void machine_path(char path[PATH_MAX], const char *name)
{
	/* A name that was cut is found nowhere. */
	if (snprintf(path, PATH_MAX, "%s%s", machine_root, name) >= PATH_MAX)
		*path = 0;
}

static FILE *machine_open(const char *name)
{
	char path[PATH_MAX];

	machine_path(path, name);
	return fopen(path, "re");
}

bool machine_has(const char *name)
{
	char path[PATH_MAX];

	machine_path(path, name);
	return !access(path, F_OK);
}

static bool read_line(FILE *file, char line[FILE_LINE])
{
	bool got = fgets(line, FILE_LINE, file);

	if (!got)
		*line = 0;
	line[strcspn(line, "\n")] = 0;
	return got;
}

bool machine_line(const char *name, char line[FILE_LINE])
{
	return machine_find(name, "", line);
}

bool machine_find(const char *name, const char *text, char line[FILE_LINE])
{
	FILE *file = machine_open(name);
	bool found = false;

	*line = 0;
	if (!file)
		return false;
	while (!found && read_line(file, line))
		found = strstr(line, text);
	fclose(file);
	return found;
}

bool line_has_word(const char *line, const char *word)
{
	size_t n = strlen(word);

	while (*line) {
		line += strspn(line, " \t");
		if (!strncmp(line, word, n) && strchr(" \t", line[n]))
			return true;
		line += strcspn(line, " \t");
	}
	return false;
}

/* nftw() passes nothing on. */
static const char *wanted;
static char *wanted_path;

static int is_wanted(const char *path, const struct stat *st, int type,
		     struct FTW *ftw)
{
	const char *name = path + ftw->base;
	size_t n = strlen(wanted);

	(void)st;
	if (type == FTW_D || strncmp(name, wanted, n) ||
	    (name[n] && name[n] != '.'))
		return 0;
	snprintf(wanted_path, PATH_MAX, "%s", path);
	return 1;
}

bool machine_find_module(const char *dir, const char *module,
			 char path[PATH_MAX])
{
	char top[PATH_MAX], file[80];

	machine_path(top, dir);
	snprintf(file, sizeof(file), "%s.ko", module);
	wanted = file;
	wanted_path = path;
	/* FTW_PHYS: "build" and "source" lead to the headers. */
	return nftw(top, is_wanted, 16, FTW_PHYS) == 1;
}

static void module_exec(const char *path, const char *field, int out)
{
	const char *dirs = getenv("PATH");
	char all[PATH_MAX];

	/* Not everybody has it in his path. */
	snprintf(all, sizeof(all), "%s:/usr/sbin:/sbin", dirs ? dirs : "/bin");
	setenv("PATH", all, 1);
	dup2(out, STDOUT_FILENO);
	dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
	execlp("modinfo", "modinfo", "-F", field, path, NULL);
	_exit(127);
}

bool module_field(const char *path, const char *field, char line[FILE_LINE])
{
	int fds[2], status;
	FILE *file;
	pid_t pid;

	*line = 0;
	if (pipe2(fds, O_CLOEXEC))
		return false;
	pid = fork();
	if (!pid)
		module_exec(path, field, fds[1]);
	close(fds[1]);
	file = fdopen(fds[0], "r");
	if (file && pid > 0)
		read_line(file, line);
	if (file)
		fclose(file);
	else
		close(fds[0]);
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

/* Read the files, not through NSS: a static program has none. */
const struct group *machine_group(const char *name, gid_t gid)
{
	FILE *file = machine_open("/etc/group");
	struct group *group;

	if (!file)
		return NULL;
	do {
		group = fgetgrent(file);
	} while (group &&
		 (name ? strcmp(group->gr_name, name) : group->gr_gid != gid));
	fclose(file);
	return group;
}

const char *machine_user(uid_t uid)
{
	FILE *file = machine_open("/etc/passwd");
	struct passwd *user;

	if (!file)
		return NULL;
	do {
		user = fgetpwent(file);
	} while (user && user->pw_uid != uid);
	fclose(file);
	return user ? user->pw_name : NULL;
}

bool machine_module_loaded(const char *module)
{
	char name[80];

	snprintf(name, sizeof(name), "/sys/module/%s", module);
	return machine_has(name);
}

void machine_module_param(const char *module, const char *param,
			  char line[FILE_LINE])
{
	char name[120];

	snprintf(name, sizeof(name), "/sys/module/%s/parameters/%s", module,
		 param);
	machine_line(name, line);
}
