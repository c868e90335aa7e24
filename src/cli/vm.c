// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc.h"
#include "procs.h"

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

/* KVM has the number of the thread that created the VM. */
bool vm_is_of(int tdp, pid_t pid)
{
	char creator[PROC_VALUE];

	return proc_field(creator, "kvm_tdp_vm_pid", "/proc/self/fdinfo/%d", tdp) &&
	       vm_process(atoi(creator)) == pid;
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
	char fds[PROC_VALUE];

	if (!opts->json && proc_field(fds, "kvm_tdp_fds", "/proc/self/fdinfo/%d", tdp) &&
	    !strcmp(fds, "1"))
		warn("the table is new, and goes with this command; 'kvm-tdp attach --pid %d -- sleep inf' keeps one",
		     opts->pid);
}
