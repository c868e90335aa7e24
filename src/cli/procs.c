// SPDX-License-Identifier: GPL-2.0-only
#include "procs.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "counters.h"
#include "kvm-tdp.h"
#include "proc.h"

/* Room for one more at the end of an array of @nr. */
static void *one_more(void *array, size_t nr, size_t size)
{
	array = realloc(array, (nr + 1) * size);
	if (!array)
		die("%s", strerror(ENOMEM));
	return array;
}

/* Read a TDP fd's fdinfo.  A descriptor that is gone by now is left out. */
static void add_holder(struct procs *procs, pid_t pid, const char *fd)
{
	struct holder holder = { .pid = pid };
	char path[64], line[256];
	pid_t thread;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.16s", pid, fd);
	file = fopen(path, "re");
	if (!file)
		return;
	holder.read_ns = now_ns();
	while (fgets(line, sizeof(line), file)) {
		if (counters_parse(&holder.stats, line))
			continue;
		if (sscanf(line, "kvm_tdp_vm_pid:\t%d", &thread) == 1)
			holder.vm_pid = vm_process(thread);
		else if (sscanf(line, "kvm_tdp_id:\t%" SCNu64, &holder.table) != 1 &&
			 sscanf(line, "kvm_tdp_as_id:\t%u", &holder.as_id) != 1)
			sscanf(line, "kvm_tdp_ram:\t%" SCNu64, &holder.ram);
	}
	fclose(file);
	procs->holders = one_more(procs->holders, procs->nr_holders, sizeof(holder));
	procs->holders[procs->nr_holders++] = holder;
}

static void add_proc(struct procs *procs, pid_t pid)
{
	static const char vcpu[] = "anon_inode:kvm-vcpu", vm[] = "anon_inode:kvm-vm";
	static const char tdp[] = "anon_inode:[kvm_tdp]";
	struct proc proc = { .pid = pid };
	char path[32], link[64];
	struct dirent *entry;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	proc.denied = !dir && (errno == EACCES || errno == EPERM);
	while (dir && (entry = readdir(dir))) {
		n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		if (n < 0)
			continue;
		link[n] = 0;
		proc.vcpus += !strncmp(link, vcpu, sizeof(vcpu) - 1);
		proc.has_vm |= !strcmp(link, vm);
		if (!strcmp(link, tdp))
			add_holder(procs, pid, entry->d_name);
	}
	if (dir)
		closedir(dir);
	procs->procs = one_more(procs->procs, procs->nr, sizeof(proc));
	procs->procs[procs->nr++] = proc;
}

void procs_read(struct procs *procs)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	if (!dir)
		die("/proc: %s", strerror(errno));
	*procs = (struct procs){ 0 };
	while ((entry = readdir(dir))) {
		if (atoi(entry->d_name) > 0)
			add_proc(procs, atoi(entry->d_name));
	}
	closedir(dir);
}

void procs_free(struct procs *procs)
{
	free(procs->procs);
	free(procs->holders);
	*procs = (struct procs){ 0 };
}
