// SPDX-License-Identifier: GPL-2.0-only
/*
 * A timer of its own for a machine that QEMU emulates.
 *
 * While a CPU enters or leaves a guest, QEMU 7.2 may lose the request to look at
 * its local APIC (SVM: it changes interrupt_request without a lock).  The interrupt
 * stays pending until the next one, and where that one was to be the tick, which is
 * armed anew each time it expires, there is none: the machine sleeps for good.
 *
 * The HPET's third comparator is periodic in hardware: its next interrupt comes
 * whether or not the last one was seen, and everything pending is delivered with it.
 * It comes to one CPU; this program then moves from one CPU to the next, for which
 * the kernel interrupts each.  Each round leaves a byte in the emulator's debug
 * port, where the host sees that the machine is alive.
 *
 * usage: heart		it returns when the heart beats
 */
#include <err.h>
#include <fcntl.h>
#include <linux/hpet.h>
#include <sched.h>
#include <signal.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define HZ		2
#define DEBUG_PORT	0xe9

static int hpet;
static sigset_t sigio;

static void start_timer(void)
{
	sigemptyset(&sigio);
	sigaddset(&sigio, SIGIO);
	sigprocmask(SIG_BLOCK, &sigio, NULL);
	hpet = open("/dev/hpet", O_RDONLY | O_CLOEXEC);
	if (hpet < 0)
		err(1, "/dev/hpet");
	if (ioctl(hpet, HPET_IRQFREQ, HZ) || ioctl(hpet, HPET_EPI) ||
	    fcntl(hpet, F_SETFL, O_ASYNC) || ioctl(hpet, HPET_IE_ON))
		err(1, "the HPET's timer");
}

/* Run and stay in memory whatever the tests do to the machine. */
static void take_precedence(void)
{
	struct sched_param first = { .sched_priority = 1 };
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);

	if (fd < 0 || write(fd, "-1000", 5) != 5)
		err(1, "oom_score_adj");
	close(fd);
	if (sched_setscheduler(0, SCHED_FIFO, &first))
		err(1, "sched_setscheduler");
}

/* What does not survive a fork: the memory lock and whom the signal goes to. */
static void take_hold(void)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		err(1, "mlockall");
	if (fcntl(hpet, F_SETOWN, getpid()))
		err(1, "the HPET's owner");
}

/*
 * By a signal: a read() of /dev/hpet copies to its caller while it is about to
 * sleep, of which a kernel that looks for such mistakes warns.
 */
static void await_interrupt(void)
{
	if (sigwaitinfo(&sigio, NULL) != SIGIO)
		err(1, "sigwaitinfo");
}

static void visit(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "CPU %d", cpu);
}

static void beat(void)
{
	int cpu, nr = sysconf(_SC_NPROCESSORS_ONLN);

	await_interrupt();
	for (cpu = 0; nr > 1 && cpu < nr; cpu++)
		visit(cpu);
	outb('.', DEBUG_PORT);
}

int main(void)
{
	if (ioperm(DEBUG_PORT, 1, 1))
		err(1, "ioperm");
	take_precedence();
	start_timer();
	take_hold();
	beat();
	if (daemon(0, 0))
		err(1, "daemon");
	take_hold();
	for (;;)
		beat();
}
