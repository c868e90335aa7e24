// SPDX-License-Identifier: GPL-2.0-only
/* kvm-tdp doctor: the device nodes, and what they are good for. */
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "text.h"

static bool in_group(gid_t gid)
{
	gid_t groups[NGROUPS_MAX];
	int i, nr = getgroups(NGROUPS_MAX, groups);

	for (i = 0; i < nr; i++)
		if (groups[i] == gid)
			return true;
	return getegid() == gid;
}

static bool is_listed(const struct group *group, const char *user)
{
	char **member;

	for (member = group->gr_mem; *member; member++)
		if (!strcmp(*member, user))
			return true;
	return false;
}

/* KVM's own comes with udev. */
static const char *udev_rule(struct doctor *d)
{
	return strcmp(d->check, TDP_NODE) ? "" :
	       "install 60-kvm_tdp.rules, then: udevadm control --reload && ";
}

static const char *user_text(void)
{
	static char number[16];
	const char *user = machine_user(getuid());

	snprintf(number, sizeof(number), "%u", getuid());
	return user ? user : number;
}

static bool is_for(const struct stat *st, const struct group *group)
{
	return st->st_gid == group->gr_gid && (st->st_mode & 0060) == 0060;
}

static void denied(struct doctor *d, const char *what, const struct stat *st)
{
	const struct group *kvm = machine_group("kvm", 0);
	const char *user = user_text();

	if (!geteuid() || (kvm && is_for(st, kvm) && in_group(kvm->gr_gid)))
		found(d, WRONG, "%s: not for you, though its mode allows it\na container or an ACL keeps it from you: let it in there",
		      what);
	else if (kvm && !is_for(st, kvm))
		found(d, WRONG, "%s: not for you, nor for the group kvm\n%sudevadm trigger %s",
		      what, udev_rule(d), d->check);
	else if (follows(d, what, KVM_NODE))
		return;
	else if (!kvm)
		found(d, WRONG, "%s: not for you, and there is no group kvm\naddgroup --system kvm, then: udevadm trigger %s",
		      what, d->check);
	else if (is_listed(kvm, user))
		found(d, WRONG, "%s: not for you, as you came into the group kvm after you had logged in\nlog in anew, or: newgrp kvm",
		      what);
	else
		found(d, WRONG, "%s: not for you, who are not in the group kvm\nadduser %s kvm, then log in anew",
		      what, user);
}

static void opened(struct doctor *d, const char *what, const struct stat *st)
{
	const struct group *kvm = machine_group("kvm", 0);

	if (!strcmp(d->check, TDP_NODE) && st->st_mode & 0007)
		found(d, NOTE, "%s: open to all users, see docs/SECURITY.md\nchmod o= %s, and look for the udev rule that does it",
		      what, TDP_NODE);
	else if (!kvm || st->st_gid != kvm->gr_gid)
		found(d, NOTE, "%s: yours, but not the group kvm's\n%sudevadm trigger %s",
		      what, udev_rule(d), d->check);
	else
		found(d, GOOD, "%s: yours; you are%s in the group kvm", what,
		      in_group(kvm->gr_gid) ? "" : " not");
}

/* "root:kvm 0660" */
static void node_text(const struct stat *st, char *text, size_t size)
{
	const struct group *group = machine_group(NULL, st->st_gid);
	const char *user = machine_user(st->st_uid);
	int n;

	n = user ? snprintf(text, size, "%s:", user) :
		   snprintf(text, size, "%u:", st->st_uid);
	if ((size_t)n < size)
		n += group ? snprintf(text + n, size - n, "%s", group->gr_name) :
			     snprintf(text + n, size - n, "%u", st->st_gid);
	if ((size_t)n < size)
		snprintf(text + n, size - n, " %04o", st->st_mode & 07777);
}

/* A node comes with its module, and works with it. */
static bool lacks_module(struct doctor *d, const char *what)
{
	if (!strcmp(d->check, KVM_NODE))
		return follows(d, what, "kvm");
	return follows(d, what, "module") || follows(d, what, "signature") ||
	       follows(d, what, "kernel") || follows(d, what, "config");
}

static int node_open(const char *node)
{
	char path[PATH_MAX];

	machine_path(path, node);
	return open(path, O_RDWR | O_CLOEXEC);
}

void check_node(struct doctor *d)
{
	char path[PATH_MAX], what[100];
	struct stat st;
	int fd;

	machine_path(path, d->check);
	if (stat(path, &st)) {
		if (!lacks_module(d, "not there"))
			found(d, WRONG, "%s\nit comes with the module, if /dev is a devtmpfs",
			      strerror(errno));
		return;
	}
	if (!S_ISCHR(st.st_mode)) {
		found(d, WRONG, "no device\nrm %s, then load the module again",
		      d->check);
		return;
	}
	node_text(&st, what, sizeof(what));
	fd = node_open(d->check);
	if (fd >= 0) {
		close(fd);
		opened(d, what, &st);
	} else if (errno == EACCES || errno == EPERM) {
		denied(d, what, &st);
	} else if (!lacks_module(d, what)) {
		found(d, WRONG, "%s: %s\nload the module again", what,
		      strerror(errno));
	}
}

static void check_info(struct doctor *d, int tdp_fd)
{
	struct kvm_tdp_info info;
	const char *format;
	int err = kvm_tdp_get_info(tdp_fd, &info);

	if (err) {
		found(d, WRONG, "KVM_TDP_GET_INFO: %s\nthis program and the module have to be of one version",
		      strerror(-err));
		return;
	}
	format = format_name(info.type);
	if (info.eager == KVM_TDP_EAGER_ON)
		found(d, GOOD, "created: %s, eager fill on", format);
	else if (info.eager == KVM_TDP_EAGER_OFF)
		found(d, NOTE, "created: %s, eager fill off\nwhile there is no TDP fd: echo 1 >/sys/module/kvm_tdp/parameters/eager",
		      format);
	else
		found(d, NOTE, "created: %s, eager fill not possible on this kernel: only importers' faults fill the table",
		      format);
}

static void create_tdp_fd(struct doctor *d, int vm)
{
	int tdp = kvm_tdp_create(vm, 0);

	if ((tdp == -EOPNOTSUPP && follows(d, "refused", "tdp")) ||
	    (tdp == -EBUSY && follows(d, "refused", "hooks")))
		return;
	if (tdp < 0) {
		found(d, WRONG, "KVM_CREATE_TDP_FD: %s\ndmesg may tell more",
		      kvm_tdp_create_strerror(-tdp));
		return;
	}
	check_info(d, tdp);
	close(tdp);
}

/* The proof: a VM of this process, for a moment. */
void check_tdp_fd(struct doctor *d)
{
	int kvm = node_open(KVM_NODE), tdp = node_open(TDP_NODE), vm;

	if (kvm < 0 || tdp < 0) {
		found(d, SKIPPED, "not tried");
	} else {
		vm = ioctl(kvm, KVM_CREATE_VM, 0);
		if (vm < 0)
			found(d, WRONG, "KVM_CREATE_VM: %s\ndmesg may tell more; EBUSY: another hypervisor has the CPU",
			      strerror(errno));
		else
			create_tdp_fd(d, vm);
		if (vm >= 0)
			close(vm);
	}
	if (kvm >= 0)
		close(kvm);
	if (tdp >= 0)
		close(tdp);
}
