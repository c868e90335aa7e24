// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: stress [MINUTES [SEED [SLOWNESS]]]
 *
 * The storm, see stress.h.  In a run that is long enough everything that can
 * happen has to happen; on a slow machine it goes on until then, for up to four
 * times as many steps again.  The same seed gives each thread the same sequence of
 * acts; how the threads meet is up to the scheduler.
 *
 * On a machine that is not there for tests alone (sys_alone()) nothing is done to all of
 * it, no memory is taken from others, and no device; then not everything happens.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"
#include "sys.h"

#define PATIENCE	60000	/* ms; what hangs is told from what is slow */
#define REPORT		30000	/* ms */
#define LATE		5000	/* ms; from when all may have happened */
#define SCHED		"/sys/kernel/debug/sched/"
#define LONG		120	/* s; enough for everything to happen */

unsigned int stress_slowness = 1;

static bool *stress_ended;	/* shared with the nursery */
static struct worker workers[32];
static void *(*runs[32])(void *worker);
static size_t nr_workers;
static bool has_devices;

bool stress_over(void)
{
	return __atomic_load_n(stress_ended, __ATOMIC_RELAXED);
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

/*
 * Whoever is woken comes soon: threads meet more often, and nobody waits long for
 * the workers that end KVM's grace periods.  A debug kernel would do nothing else.
 */
static void sched_hurry(void)
{
	sys_write(SCHED "latency_ns", "3000000");
	sys_write(SCHED "min_granularity_ns", "500000");
	sys_write(SCHED "wakeup_granularity_ns", "100000");
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
	if (has_devices) {
		add("VM 0 edu", work_edu, &wards[0]);
		add("VM 0 disk", work_disk, &wards[0]);
	}
	add("memory 0", storm_memory, NULL);
	add("memory 1", storm_memory, NULL);
	add("slots 0", storm_slots, &wards[0]);
	add("slots 1", storm_slots, &wards[1]);
	add("drill", storm_drill, NULL);
	add("fds", storm_fds, NULL);
	add("system", storm_system, NULL);
	add("race 0", race_fault, &wards[0]);
	add("race 1", race_zap, NULL);
	add("watch", storm_watch, NULL);
	add("verify", storm_verify, NULL);
	add("window", storm_window, NULL);
}

/* What others wait for comes first, and who only looks on last. */
static int worker_nice(void *(*run)(void *worker))
{
	if (run == storm_slots || run == storm_memory || run == storm_drill)
		return -10;
	return run == storm_watch || run == storm_verify || run == storm_window ? 5 : 0;
}

static void *worker_run(void *arg)
{
	struct worker *worker = arg;
	void *(*run)(void *worker) = runs[worker - workers];

	if (sys_alone())
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
	unsigned int ms = PATIENCE * stress_slowness;
	size_t i;

	for (i = 0; i < nr_workers; i++)
		while (pthread_tryjoin_np(workers[i].thread, NULL))
			if (!sys_step(&ms))
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

static bool all_done(void)
{
	bool all = acts_all_done(memory_acts, nr_memory_acts);

	all &= acts_all_done(slot_acts, nr_slot_acts);
	all &= acts_all_done(fd_acts, nr_fd_acts);
	all &= acts_all_done(system_acts, nr_system_acts);
	all &= host_all_done();
	all &= figure_done(FIG_OOM_GROUP);
	/* Of the machine it takes a debug kernel too long. */
	all &= stress_slowness > 1 || figure_done(FIG_OOM);
	all &= figure_done(FIG_MERGED) & figure_done(FIG_UNMERGED);
	all &= figure_done(FIG_WINDOW_READS) & figure_done(FIG_WINDOW_NONE);
	all &= figure_done(FIG_WINDOW_FORKS) & figure_done(FIG_WINDOW_ENDS);
	if (has_devices) {
		all &= devices_hit();
		all &= figure_done(FIG_HELD) & figure_done(FIG_HELD_HITS);
	}
	return all;
}

static void wait_for_end(unsigned int seconds)
{
	uint64_t began = sys_now(), length = seconds * 1000ULL, gone, next = REPORT;
	bool all = seconds < LONG * stress_slowness || !sys_alone();
	unsigned int more = 4 * length;	/* in steps: see sys_step */

	while ((gone = sys_now() - began) < length || (!all && sys_step(&more))) {
		if (gone < length)
			usleep(100000);
		if (gone < next)
			continue;
		report(gone / 1000);
		next += gone < length ? REPORT : LATE;
		all = all || (gone >= length && all_done());
	}
	__atomic_store_n(stress_ended, true, __ATOMIC_RELAXED);
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

static void print_all(void)
{
	figures_print();
	if (sys_alone())
		host_print();
	act_print(memory_acts, nr_memory_acts);
	act_print(slot_acts, nr_slot_acts);
	act_print(fd_acts, nr_fd_acts);
	act_print(system_acts, nr_system_acts);
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? atof(argv[1]) * 60 : 120;
	uint64_t seed = strtoull(argc > 2 ? argv[2] : "1", NULL, 0);
	struct sigaction act = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };
	pthread_t handler;
	int nr;

	if (argc > 3)
		stress_slowness = atoi(argv[3]);
	diag("%u s, seed %llu", seconds, (unsigned long long)seed);
	sigaction(SIGBUS, &act, NULL);
	sys_heap_settle();
	if (stress_slowness == 1 && sys_alone())
		sched_hurry();
	figures_init();
	hot_init(seed);
	if (sys_alone())
		sys_swap();
	scarce_init();
	stress_began = time(NULL);
	stress_ended = sys_shared(sizeof(*stress_ended));
	arenas_share();
	nursery_start(seed);
	readers_start(seed);
	arenas_init();
	windows_init();
	has_devices = sys_alone() && devices_open();
	for (nr = 0; nr < NR_VMS; nr++)
		ward_open(&wards[nr], nr);
	readers_attach(wards[0].tdp);
	drill_open();
	must(-pthread_create(&handler, NULL, storm_uffd, NULL));
	host_begin();
	add_all();
	start_all(seed);
	wait_for_end(seconds);
	join_all();
	ok(nursery_end(), "other VMMs came and went");
	ok(readers_end(), "readers of windows never saw another signal than SIGBUS");
	settle();
	for (nr = 0; nr < NR_VMS; nr++)
		ward_close(&wards[nr]);
	devices_close();
	judge();
	if (seconds >= LONG * stress_slowness && sys_alone())
		ok(all_done(), "all that can happen has happened");
	if (!arenas_have_gmem()) {
		diag("no arena is a guest_memfd: the kernel has none that can be mapped");
		skip("an arena that is a guest_memfd", "guest_memfd");
	}
	print_all();
	return done();
}
