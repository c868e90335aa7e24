// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that starts VMMs, exports their memory from outside, and ends them,
 * mostly by SIGKILL, at any moment, or by running out of memory.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bed.h"
#include "stress.h"
#include "sys.h"
#include "vmm.h"

#define NURSERY		~0U		/* its number among the threads */
#define OOM_EVERY	4		/* steps: in a memory cgroup */
#define OOM_GLOBAL	64		/* steps: of the whole machine */

static pid_t nursery;

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

/*
 * Of the whole machine seldom: all others stand still for it, or for too long.  The other
 * comes first.
 */
static bool nurse_starve(struct vmm *vmm, uint64_t step)
{
	bool machine = figure(FIG_OOM_GROUP) &&
		       (step % OOM_GLOBAL == OOM_EVERY || !figure(FIG_OOM));

	return scarce_kill(vmm, stress_slowness > 1 || !machine);
}

static bool nurse_end(struct vmm *vmm, struct dice *dice, uint64_t step)
{
	if (sys_alone() && step % OOM_EVERY == 0 && nurse_starve(vmm, step))
		return vmm_kill(vmm);
	/* The first is killed: a short storm may have no other. */
	if (step > 1 && dice_one_in(dice, 4))
		return vmm_exit(vmm);
	count(FIG_KILLS, 1);
	if (dice_roll(dice, 2))
		nurse_reap(vmm->pid);
	return vmm_kill(vmm);
}

static void nurse_vmm(struct dice *dice, uint64_t step)
{
	bool early = dice_one_in(dice, 2);
	int fd, tdp, dma;
	struct vmm vmm;
	pid_t witness;
	char byte;

	vmm_start(&vmm);
	fd = must(vmm_steal_fd(&vmm));
	tdp = kvm_tdp_create(fd, 0);
	if (tdp < 0)
		bail("no TDP fd of another VMM: %d", tdp);
	close(fd);
	dma = dma_open();
	if (kvm_tdp_dma_attach(dma, tdp))
		bail("no engine on another VMM");
	count(FIG_VMMS, 1);
	count(FIG_TDP_FDS, 1);
	count(FIG_IMPORTERS, 1);
	nurse_use(dma);
	witness = witness_start(tdp, vmm.pid);
	usleep(dice_roll(dice, 20000));
	if (early)
		close(tdp);
	if (!nurse_end(&vmm, dice, step))
		count(FIG_BAD_ERRNO, 1);
	witness_end(witness);
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

static void nursery_run(uint64_t seed)
{
	struct dice dice;
	uint64_t step = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!stress_over()) {
		dice_seed(&dice, seed, NURSERY, ++step);
		if (dice_one_in(&dice, 8) && sys_alone())
			scarce_swap();
		nurse_vmm(&dice, step);
		usleep(dice_roll(&dice, 500000));
	}
	_exit(0);
}

void nursery_start(uint64_t seed)
{
	nursery = must(fork());
	if (!nursery)
		nursery_run(seed);
}

bool nursery_end(void)
{
	return !sys_wait_exit(nursery, 60000 * stress_slowness);
}
