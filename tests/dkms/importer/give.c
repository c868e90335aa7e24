// SPDX-License-Identifier: GPL-2.0-only
/* Give the importer outside a TDP fd, and other fds. Prints TAP. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <linux/kvm_tdp.h>

#define PARAM	"/sys/module/outside/parameters/fd"

static int tests;

static void is(int got, int want, const char *what)
{
	tests++;
	printf("%sok %d - %s\n", got == want ? "" : "not ", tests, what);
	if (got != want)
		printf("# %s, not %s\n", strerror(got), strerror(want));
}

/* What the importer answers. */
static int give(int fd)
{
	char number[16];
	int param = open(PARAM, O_WRONLY);
	int error = 0;

	if (param < 0)
		return errno;
	snprintf(number, sizeof(number), "%d", fd);
	if (write(param, number, strlen(number)) < 0)
		error = errno;
	close(param);
	return error;
}

int main(void)
{
	struct kvm_create_tdp_fd create = { .size = sizeof(create) };
	int kvm = open("/dev/kvm", O_RDWR);
	int tdp = open("/dev/kvm_tdp", O_RDWR);

	create.vm_fd = ioctl(kvm, KVM_CREATE_VM, 0);
	is(ioctl(tdp, KVM_CREATE_TDP_FD, &create) ? errno : 0, 0, "there is a TDP fd");
	is(give(create.fd), 0, "the importer uses a TDP fd");
	is(give(create.vm_fd), EINVAL, "it is told that a VM fd is none");
	is(give(-1), EBADF, "it is told that there is no such fd");
	puts("1..4");
	return 0;
}
