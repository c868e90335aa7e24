// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine.h"
#include "procs.h"

void vm_comm(pid_t pid, char *comm, size_t size)
{
	char path[32];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "r");
	if (!file || !fgets(comm, size, file))
		snprintf(comm, size, "?");
	if (file)
		fclose(file);
	comm[strcspn(comm, "\n")] = 0;
	/* Whatever a process calls itself, it is for terminals and JSON. */
	for (; *comm; comm++) {
		if (!isascii(*comm) || !isprint(*comm))
			*comm = '?';
	}
}

/* Tell of the processes that have a VM, in words; with @name of those of that name. */
static unsigned int find_named(const struct procs *procs, const char *name, FILE *text,
			       pid_t *pid)
{
	unsigned int nr = 0;
	char comm[32];
	size_t i;

	for (i = 0; i < procs->nr; i++) {
		if (!procs->procs[i].has_vm)
			continue;
		vm_comm(procs->procs[i].pid, comm, sizeof(comm));
		if (name && strcmp(comm, name))
			continue;
		*pid = procs->procs[i].pid;
		fprintf(text, "%s%d %s", nr++ ? ", " : "", *pid, comm);
	}
	return nr;
}

pid_t vm_named(const char *name)
{
	struct procs procs;
	unsigned int nr;
	size_t length;
	pid_t pid = 0;
	char *text;
	FILE *file;

	file = open_memstream(&text, &length);
	if (!file)
		die("%s", strerror(errno));
	procs_read(&procs);
	nr = find_named(&procs, name, file, &pid);
	if (nr != 1) {
		if (!nr && !find_named(&procs, NULL, file, &pid))
			fputs("there is none; root sees those of all users", file);
		fclose(file);
		die("'%s': %s of the processes with a VM has that name: %s", name,
		    nr ? "more than one" : "none", text);
	}
	fclose(file);
	free(text);
	procs_free(&procs);
	return pid;
}

bool vm_is_stopped(pid_t pid)
{
	char path[32], line[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && !state && fgets(line, sizeof(line), file))
		sscanf(line, "State: %c", &state);
	if (file)
		fclose(file);
	return state == 'T';
}

/* KVM has the number of the thread that created the VM. */
bool vm_is_of(int tdp, pid_t pid)
{
	char path[64], line[256];
	pid_t creator = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", tdp);
	file = fopen(path, "re");
	while (file && !creator && fgets(line, sizeof(line), file))
		sscanf(line, "kvm_tdp_vm_pid: %d", &creator);
	if (file)
		fclose(file);
	return creator && vm_process(creator) == pid;
}

static void die_process(pid_t pid, int err)
{
	if (err == ESRCH)
		die("process %d: no such process; 'kvm-tdp list' shows those that have VMs",
		    pid);
	if (err == EACCES || err == EPERM)
		die("process %d: no permission to look into it; run as root",
		    pid);
	die("process %d: %s", pid, strerror(err));
}

static void die_vm(const struct vm_opts *opts, int err)
{
	struct kvm_tdp_vms vms;

	switch (err) {
	case EINVAL:
		die("process %d: is a thread; give the PID of the process",
		    opts->pid);
	case ENOENT:
	case ENOTUNIQ:
		err = -kvm_tdp_list_vms(opts->pid, &vms);
		if (err)
			break;
		if (!vms.nr)
			die("process %d: has no VM; 'kvm-tdp list' shows the processes that have",
			    opts->pid);
		if (opts->vm >= 0)
			die("process %d: has no VM %d, only 0 to %d", opts->pid,
			    opts->vm, vms.nr - 1);
		die("process %d: has %d VMs; choose one with --vm 0 to --vm %d",
		    opts->pid, vms.nr, vms.nr - 1);
	}
	die_process(opts->pid, err);
}

static void die_create(const struct vm_opts *opts, int err)
{
	if (err == ENXIO || err == EACCES)
		die("/dev/kvm_tdp: %s", kvm_tdp_create_strerror(err));
	die("VM of process %d: cannot export its memory: %s", opts->pid,
	    kvm_tdp_create_strerror(err));
}

int vm_create_tdp_fd(const struct vm_opts *opts)
{
	int vm_fd = kvm_tdp_open_vm(opts->pid, opts->vm), tdp;

	if (vm_fd < 0)
		die_vm(opts, -vm_fd);
	tdp = kvm_tdp_create(vm_fd, opts->as_id);
	if (tdp < 0)
		die_create(opts, -tdp);
	close(vm_fd);
	return tdp;
}

void vm_tell_new(const struct vm_opts *opts, int tdp)
{
	char name[40], line[FILE_LINE];

	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", tdp);
	if (!opts->json && machine_find(name, "kvm_tdp_fds:", line) &&
	    !strcmp(line, "kvm_tdp_fds:\t1"))
		warn("the table is new, and goes with this command; 'kvm-tdp attach --pid %d -- sleep inf' keeps one",
		     opts->pid);
}
