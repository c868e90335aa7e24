/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_ACTOR_H
#define TESTS_VM_ACTOR_H

/*
 * A thread on a CPU of its own that does what it is told, one thing at a time.
 * It is there, with its memory, before anything is held anywhere.
 */

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <sys/types.h>

/* ms; what hangs is told from what is slow */
#define ACTOR_PATIENCE	30000

struct actor {
	int cpu;
	pid_t tid;
	pthread_t thread;
	sem_t go, done;
	int (*run)(void);	/* NULL: leave */
	int ret;
};

void actor_start(struct actor *actor, int cpu);
void actor_stop(struct actor *actor);
void actor_begin(struct actor *actor, int (*run)(void));
/* It is still at it, after @ms. */
bool actor_is_busy(struct actor *actor, unsigned int ms);
/* What run() returned; the test ends if it does not. */
int actor_end(struct actor *actor);

/* Bind the calling thread; the test ends if there is no such CPU. */
void actor_bind(int cpu);

#endif /* TESTS_VM_ACTOR_H */
