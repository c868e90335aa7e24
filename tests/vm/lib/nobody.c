// SPDX-License-Identifier: GPL-2.0-only
#include "nobody.h"

#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sys.h"
#include "tap.h"

#define PATIENCE	60000

static int in_child(void (*become)(void), int (*run)(void))
{
	pid_t pid = must(fork());
	int ret;

	if (!pid) {
		become();
		_exit(run() & 0xff);
	}
	ret = sys_wait_exit(pid, PATIENCE);
	return ret < 0 ? ret : (signed char)ret;
}

static void become_nobody(void)
{
	must(setgroups(0, NULL));
	must(setresgid(NOBODY, NOBODY, NOBODY));
	must(setresuid(NOBODY, NOBODY, NOBODY));
	/* As after an exec: else its own files in /proc are root's. */
	must(prctl(PR_SET_DUMPABLE, 1));
}

static void become_ns_root(void)
{
	become_nobody();
	must(unshare(CLONE_NEWUSER));
}

int as_nobody(int (*run)(void))
{
	return in_child(become_nobody, run);
}

int as_ns_root(int (*run)(void))
{
	return in_child(become_ns_root, run);
}
