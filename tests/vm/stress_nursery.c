// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that starts VMMs, exports their memory from outside, and ends them,
 * mostly by SIGKILL, at any moment; and one that fills the machine's memory.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bed.h"
#include "stress.h"
#include "sys.h"
#include "vmm.h"

#define SWAP_ENOUGH	(16UL << 10)	/* kB of it: the host reclaims */
#define NURSERY		~0U		/* its number among the threads */
#define CHUNK		(4UL << 20)

static pid_t nursery;

/* A number of /proc/meminfo, in kB. */
static unsigned long meminfo(const char *name)
{
	char text[4096] = "", *at;
	int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		_exit(1);
	close(fd);
	at = strstr(text, name);
	return at ? strtoul(at + strlen(name), NULL, 10) : 0;
}

/* Take memory until the host has begun to swap. */
static void hog(void)
{
	char *chunk;
	size_t off;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sys_write("/proc/self/oom_score_adj", "1000");
	while (meminfo("SwapTotal:") - meminfo("SwapFree:") < SWAP_ENOUGH) {
		chunk = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (chunk == MAP_FAILED)
			break;
		for (off = 0; off < CHUNK; off += PAGE_4K)
			chunk[off] = 1;
	}
	usleep(100000);
	_exit(0);
}

static void nurse_hog(void)
{
	pid_t pid = must(fork());
	int status;

	if (!pid)
		hog();
	waitpid(pid, &status, 0);
}

/* The tables of a VMM that is alive have what its guest has written. */
static void nurse_use(int dma)
{
	int ret = dma_check(dma, GPA, VMM_SIZE, VMM_GEN);

	if (!ret)
		return;
	diag("engine on another VMM's memory: %d", ret);
	count(ret == 1 ? FIG_BAD_WORDS : FIG_BAD_ERRNO, 1);
}

/* Take the memory of a process that was killed, as the OOM killer would. */
static void nurse_reap(pid_t pid)
{
	int pidfd = must(syscall(SYS_pidfd_open, pid, 0));

	kill(pid, SIGKILL);
	if (!syscall(SYS_process_mrelease, pidfd, 0))
		count(FIG_RELEASES, 1);
	close(pidfd);
}

static bool nurse_end(struct vmm *vmm, struct dice *dice)
{
	if (dice_one_in(dice, 4))
		return vmm_exit(vmm);
	count(FIG_KILLS, 1);
	if (dice_roll(dice, 2))
		nurse_reap(vmm->pid);
	return vmm_kill(vmm);
}

static void nurse_vmm(struct dice *dice)
{
	bool early = dice_one_in(dice, 2);
	int fd, tdp, dma;
	struct vmm vmm;
	char byte;

	vmm_start(&vmm);
	fd = must(vmm_steal_fd(&vmm));
	tdp = ktdp_create(fd, 0);
	if (tdp < 0)
		bail("no TDP fd of another VMM: %d", tdp);
	close(fd);
	dma = dma_open();
	if (dma_attach(dma, tdp, vmm.pid))
		bail("no engine on another VMM");
	count(FIG_VMMS, 1);
	count(FIG_TDP_FDS, 1);
	count(FIG_IMPORTERS, 1);
	nurse_use(dma);
	usleep(dice_roll(dice, 20000));
	if (early)
		close(tdp);
	if (!nurse_end(&vmm, dice))
		count(FIG_BAD_ERRNO, 1);
	if (dma_read(dma, GPA, &byte, 1, 0) != -EPERM) {
		diag("engine reads memory of a VMM that is gone");
		count(FIG_BAD_ERRNO, 1);
	}
	if (!early) {
		count_stats(tdp);
		close(tdp);
	}
	close(dma);
}

static void nursery_run(uint64_t seed, unsigned int seconds)
{
	uint64_t end = sys_now() + seconds * 1000ULL;
	struct dice dice;
	uint64_t step = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (sys_now() < end) {
		dice_seed(&dice, seed, NURSERY, ++step);
		if (dice_one_in(&dice, 8))
			nurse_hog();
		else
			nurse_vmm(&dice);
		usleep(dice_roll(&dice, 500000));
	}
	_exit(0);
}

void nursery_start(uint64_t seed, unsigned int seconds)
{
	nursery = must(fork());
	if (!nursery)
		nursery_run(seed, seconds);
}

bool nursery_end(void)
{
	return !sys_wait_exit(nursery, 60000);
}
