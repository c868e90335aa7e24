// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory runs short: a process takes it until the host swaps, or until the OOM
 * killer comes, to a VMM that is marked for it.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress.h"
#include "sys.h"
#include "vmm.h"

#define SWAP_ENOUGH	(16UL << 10)	/* kB of it: the host reclaims */
#define PREFER_WRITER	PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP
#define PATIENCE	2000		/* ms */
#define HOG_PATIENCE	60000		/* steps; all others are slow meanwhile */
#define CHUNK		(4UL << 20)
#define GROUP		"/sys/fs/cgroup/scarce"
#define GROUP_LIMIT	"16777216"

/* The storm itself is never chosen; its children say what they want. */
#define SCORE_NEVER	"-1000"
#define SCORE_HOG	"-100"	/* less than any victim, whatever it has */
#define SCORE_VICTIM	"1000"
#define SCORE_DECOY	"-900"
#define NR_DECOYS	40

static pthread_rwlock_t *scarce_lock;	/* shared with the nursery */

static void scarce_init_lock(void)
{
	pthread_rwlockattr_t attr;

	scarce_lock = sys_shared(sizeof(*scarce_lock));
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_rwlockattr_setkind_np(&attr, PREFER_WRITER);
	pthread_rwlock_init(scarce_lock, &attr);
}

bool scarce_try(void)
{
	return !pthread_rwlock_tryrdlock(scarce_lock);
}

void scarce_leave(void)
{
	pthread_rwlock_unlock(scarce_lock);
}

void scarce_init(void)
{
	scarce_init_lock();
	if (!sys_alone())
		return;
	/* What is told of an OOM is long enough without all processes. */
	must(sys_write("/proc/sys/vm/oom_dump_tasks", "0"));
	must(sys_write("/proc/self/oom_score_adj", SCORE_NEVER));
	must(sys_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory"));
	must(mkdir(GROUP, 0700));
	must(sys_write(GROUP "/memory.max", GROUP_LIMIT));
	must(sys_write(GROUP "/memory.swap.max", "0"));
}

static void process_mark(pid_t pid, const char *score, bool group)
{
	char path[64], text[16];

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	must(sys_write(path, score));
	snprintf(text, sizeof(text), "%d", pid);
	if (group)
		must(sys_write(GROUP "/cgroup.procs", text));
}

/* A number of the host's, of a file of such. */
static unsigned long host_number(const char *path, const char *name)
{
	char text[16384] = "", *at;
	FILE *file = fopen(path, "re");

	if (!file || !fread(text, 1, sizeof(text) - 1, file))
		_exit(1);
	fclose(file);
	at = strstr(text, name);
	return at ? strtoul(at + strlen(name), NULL, 10) : 0;
}

static unsigned long swap_used(void)
{
	return host_number("/proc/meminfo", "SwapTotal:") -
	       host_number("/proc/meminfo", "SwapFree:");
}

static unsigned long oom_kills(void)
{
	return host_number("/proc/vmstat", "\noom_kill ");
}

static pid_t hog_start(bool group, unsigned long swap)
{
	unsigned int steps = HOG_PATIENCE;
	unsigned long kills = oom_kills();
	pid_t pid = must(fork());

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	process_mark(getpid(), SCORE_HOG, group);
	/* All others wait for what it has to do. */
	setpriority(PRIO_PROCESS, 0, -20);
	/*
	 * What is mapped is there at once, and others are swapped for it.  Once the OOM
	 * killer has chosen, what its victim gives is left to those that wait for it: it
	 * may choose the hog next, and panics if there is nobody left when the storm
	 * itself asks.
	 */
	mlockall(MCL_FUTURE);
	while (swap_used() < swap && oom_kills() == kills && sys_step(&steps))
		mmap(NULL, CHUNK, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	usleep(100000);
	_exit(0);
}

/*
 * The kernel panics if there is nobody left to kill when the storm itself asks for memory,
 * and the hog, once killed, takes seconds to give its memory: then these are killed, one
 * after the other.
 */
static void decoys_start(pid_t *decoys)
{
	int i;

	for (i = 0; i < NR_DECOYS; i++) {
		decoys[i] = must(fork());
		if (decoys[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		process_mark(getpid(), SCORE_DECOY, false);
		pause();
		_exit(0);
	}
}

static void decoys_end(const pid_t *decoys)
{
	int i, status;

	for (i = 0; i < NR_DECOYS; i++) {
		kill(decoys[i], SIGKILL);
		waitpid(decoys[i], &status, 0);
	}
}

void scarce_swap(void)
{
	int status;

	waitpid(hog_start(false, SWAP_ENOUGH), &status, 0);
}

static bool process_ended(pid_t pid)
{
	siginfo_t info = { 0 };

	must(waitid(P_PID, pid, &info, WEXITED | WNOWAIT | WNOHANG));
	return info.si_pid == pid;
}

static bool process_ends(pid_t pid)
{
	unsigned int ms = PATIENCE;

	while (!process_ended(pid))
		if (!sys_step(&ms))
			return false;
	return true;
}

/* Swap is never all that is wanted: the hog goes on until somebody is killed. */
bool scarce_kill(struct vmm *vmm, bool group)
{
	pid_t hog, decoys[NR_DECOYS];
	bool killed;
	int status;

	if (!group) {
		pthread_rwlock_wrlock(scarce_lock);
		decoys_start(decoys);
	}
	process_mark(vmm->pid, SCORE_VICTIM, group);
	hog = hog_start(group, ~0UL);
	while (!process_ended(vmm->pid) && !process_ended(hog))
		usleep(2000);
	/* The first victim may end after the second, which gives more. */
	killed = process_ends(vmm->pid);
	kill(hog, SIGKILL);
	waitpid(hog, &status, 0);
	if (!group) {
		decoys_end(decoys);
		pthread_rwlock_unlock(scarce_lock);
	}
	if (!killed)
		diag("the OOM killer chose another process, or none");
	else
		count(group ? FIG_OOM_GROUP : FIG_OOM, 1);
	return killed;
}
