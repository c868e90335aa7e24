// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: stress [MINUTES [SEED]]
 *
 * The storm, see stress.h.  The same seed gives each thread the same sequence
 * of acts; how the threads meet is up to the scheduler.
 */
#include <signal.h>
#include <stdio.h>
#include <malloc.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"
#include "sys.h"

#define PATIENCE	60	/* s; what hangs is told from what is slow */
#define REPORT		30000	/* ms */

static uint64_t stress_end;
static struct worker workers[32];
static void *(*runs[32])(void *worker);
static size_t nr_workers;

static bool stress_over(void)
{
	return sys_now() >= stress_end;
}

bool stress_step(struct worker *worker)
{
	dice_seed(&worker->dice, worker->seed, worker->nr, ++worker->step);
	return !stress_over();
}

/* Of memory that the host found bad; any other is a bug of ours. */
static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	if (info->si_code != BUS_MCEERR_AR && info->si_code != BUS_MCEERR_AO)
		_exit(3);
}

/* No thread maps memory later: there may be holes where the arenas are. */
static void heap_settle(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, 256 << 20);
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	free(memset(malloc(8 << 20), 1, 8 << 20));
}

static struct worker *add(const char *name, void *(*run)(void *worker),
			  struct ward *ward)
{
	struct worker *worker = &workers[nr_workers];

	worker->name = name;
	worker->ward = ward;
	runs[nr_workers++] = run;
	return worker;
}

static void add_vcpu(const char *name, struct ward *ward, struct vm *vm,
		     int nr)
{
	struct worker *worker = add(name, work_vcpu, ward);

	worker->vm = vm;
	worker->box = WARD_BOX + nr * PAGE_4K;
}

static void add_all(void)
{
	add_vcpu("VM 0 vCPU 0", &wards[0], &wards[0].vm, 0);
	add_vcpu("VM 0 vCPU 1", &wards[0], &wards[0].second, 1);
	add_vcpu("VM 1 vCPU 0", &wards[1], &wards[1].vm, 0);
	add("VM 0 engine", work_engine, &wards[0]);
	add("VM 1 engine", work_engine, &wards[1]);
	add("host", work_host, &wards[0]);
	add("memory 0", storm_memory, NULL);
	add("memory 1", storm_memory, NULL);
	add("slots 0", storm_slots, &wards[0]);
	add("slots 1", storm_slots, &wards[1]);
	add("fds", storm_fds, NULL);
	add("system", storm_system, NULL);
	add("race 0", race_fault, &wards[0]);
	add("race 1", race_zap, NULL);
	add("watch", storm_watch, NULL);
	add("verify", storm_verify, NULL);
}

/* What others wait for comes first, and who only looks on last. */
static int worker_nice(void *(*run)(void *worker))
{
	if (run == storm_slots || run == storm_memory)
		return -10;
	return run == storm_watch || run == storm_verify ? 5 : 0;
}

static void *worker_run(void *arg)
{
	struct worker *worker = arg;
	void *(*run)(void *worker) = runs[worker - workers];

	setpriority(PRIO_PROCESS, gettid(), worker_nice(run));
	return run(worker);
}

static void start_all(uint64_t seed)
{
	size_t i;

	for (i = 0; i < nr_workers; i++) {
		workers[i].seed = seed;
		workers[i].nr = i;
		if (pthread_create(&workers[i].thread, NULL, worker_run,
				   &workers[i]))
			bail("no thread");
	}
}

static void join_all(void)
{
	struct timespec end;
	size_t i;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += PATIENCE;
	for (i = 0; i < nr_workers; i++)
		if (pthread_timedjoin_np(workers[i].thread, NULL, &end))
			bail("%s hangs", workers[i].name);
}

static void report(unsigned int seconds)
{
	diag("%u s: %llu written, %llu checked, %llu memslot changes, %llu bad",
	     seconds, (unsigned long long)figure(FIG_WRITES),
	     (unsigned long long)figure(FIG_READS),
	     (unsigned long long)figure(FIG_SLOT_CHANGES),
	     (unsigned long long)(figure(FIG_BAD_WORDS) +
				  figure(FIG_BAD_VERIFY) + figure(FIG_BAD_LOG) +
				  figure(FIG_BAD_ERRNO)));
}

static void wait_for_end(uint64_t began)
{
	uint64_t next = began + REPORT;

	while (!stress_over()) {
		usleep(100000);
		if (sys_now() < next)
			continue;
		report((next - began) / 1000);
		next += REPORT;
	}
}

/* The storm is over: all is as it was written, for everybody. */
static void settle(void)
{
	size_t i;
	int nr;

	for (nr = 0; nr < NR_VMS; nr++)
		ward_calm(&wards[nr]);
	for (i = 0; i < nr_workers; i++)
		if (runs[i] == work_vcpu || runs[i] == work_engine)
			work_sweep(&workers[i]);
	for (nr = 0; nr < NR_VMS; nr++)
		verify_all(&wards[nr]);
}

static void judge(void)
{
	is(figure(FIG_BAD_WORDS), 0, "every word is what was written there");
	is(figure(FIG_BAD_WATCH), 0,
	   "every translation was good until its importer was told");
	is(figure(FIG_BAD_VERIFY), 0, "verify finds nothing wrong");
	is(figure(FIG_BAD_LOG), 0, "every page written is in the dirty log");
	is(figure(FIG_BAD_ERRNO), 0, "no error that must not be");
	ok(figure(FIG_WRITES) && figure(FIG_READS) && figure(FIG_WATCH_CHECKS) &&
	   figure(FIG_SENT) && figure(FIG_LOGGED) && figure(FIG_KILLS),
	   "there was something to find");
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? atof(argv[1]) * 60 : 120;
	uint64_t seed = strtoull(argc > 2 ? argv[2] : "1", NULL, 0);
	struct sigaction act = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };
	pthread_t handler;
	int nr;

	diag("%u s, seed %llu", seconds, (unsigned long long)seed);
	sigaction(SIGBUS, &act, NULL);
	heap_settle();
	figures_init();
	hot_init(seed);
	sys_swap();
	stress_began = time(NULL);
	nursery_start(seed, seconds);
	arenas_init();
	for (nr = 0; nr < NR_VMS; nr++)
		ward_open(&wards[nr], nr);
	must(-pthread_create(&handler, NULL, storm_uffd, NULL));
	stress_end = sys_now() + seconds * 1000ULL;
	host_begin();
	add_all();
	start_all(seed);
	wait_for_end(sys_now());
	join_all();
	ok(nursery_end(), "other VMMs came and went");
	settle();
	for (nr = 0; nr < NR_VMS; nr++)
		ward_close(&wards[nr]);
	judge();
	figures_print();
	host_print();
	act_print(memory_acts, nr_memory_acts);
	act_print(slot_acts, nr_slot_acts);
	act_print(fd_acts, nr_fd_acts);
	act_print(system_acts, nr_system_acts);
	return done();
}
