// SPDX-License-Identifier: GPL-2.0-only
#include "actor.h"

#include <sched.h>
#include <unistd.h>

#include "sys.h"
#include "tap.h"

void actor_bind(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		bail("needs CPU %d", cpu);
}

static void *actor_thread(void *arg)
{
	struct actor *actor = arg;

	actor_bind(actor->cpu);
	actor->tid = gettid();
	for (;;) {
		sem_post(&actor->done);
		while (sem_wait(&actor->go))
			;
		if (!actor->run)
			return NULL;
		actor->ret = actor->run();
	}
}

void actor_start(struct actor *actor, int cpu)
{
	actor->cpu = cpu;
	actor->ret = 0;
	if (sem_init(&actor->go, 0, 0) || sem_init(&actor->done, 0, 0) ||
	    pthread_create(&actor->thread, NULL, actor_thread, actor))
		bail("no thread");
	actor_end(actor);
}

void actor_begin(struct actor *actor, int (*run)(void))
{
	actor->run = run;
	sem_post(&actor->go);
}

void actor_stop(struct actor *actor)
{
	actor_begin(actor, NULL);
	pthread_join(actor->thread, NULL);
}

bool actor_is_busy(struct actor *actor, unsigned int ms)
{
	int done;

	usleep(ms * 1000);
	sem_getvalue(&actor->done, &done);
	return !done;
}

int actor_end(struct actor *actor)
{
	unsigned int ms = ACTOR_PATIENCE;

	/* Nothing can be torn down under a thread that hangs. */
	while (sem_trywait(&actor->done))
		if (!sys_step(&ms))
			bail("a thread hangs");
	return actor->ret;
}
