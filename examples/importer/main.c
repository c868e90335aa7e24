// SPDX-License-Identifier: GPL-2.0-only
/*
 * peek PID GPA LENGTH: write guest memory to standard output.
 *
 * cc -o peek main.c -lkvm_tdp
 */
#include <errno.h>
#include <fcntl.h>
#include <libkvm_tdp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "peek.h"

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "peek: %s: %s\n", what, why);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	int tdp, peek = open("/dev/ktdp_peek", O_RDWR | O_CLOEXEC);
	unsigned long long gpa, left;
	char buf[65536];
	ssize_t n;

	if (argc != 4) {
		fputs("usage: peek PID GPA LENGTH\n", stderr);
		return 2;
	}
	if (peek < 0)
		return fail("/dev/ktdp_peek", "modprobe ktdp_peek, and run as root");
	tdp = kvm_tdp_attach(atoi(argv[1]), -1, 0);
	if (tdp < 0)
		return fail(argv[1], kvm_tdp_create_strerror(-tdp));
	if (ioctl(peek, PEEK_ATTACH, tdp))
		return fail("attach", strerror(errno));

	gpa = strtoull(argv[2], NULL, 0);
	for (left = strtoull(argv[3], NULL, 0); left; left -= n) {
		n = pread(peek, buf, left < sizeof(buf) ? left : sizeof(buf), gpa);
		if (n < 0)
			return fail(argv[2], kvm_tdp_fault_strerror(errno));
		if (fwrite(buf, 1, n, stdout) != (size_t)n)
			return fail("standard output", strerror(errno));
		gpa += n;
	}
	return fflush(stdout) ? fail("standard output", strerror(errno)) : 0;
}
