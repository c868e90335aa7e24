/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_ATTEMPT_H
#define TESTS_VM_ATTEMPT_H

/* A step in a thread of its own, so that a hang is a result. */

#include <pthread.h>

/* ms; what hangs is told from what is slow */
#define ATTEMPT_PATIENCE	20000

struct attempt {
	int (*run)(void);
	pthread_t thread;
};

void attempt_begin(struct attempt *attempt, int (*run)(void));
/* What run() returned; the test ends if it does not. */
int attempt_end(struct attempt *attempt);

#endif /* TESTS_VM_ATTEMPT_H */
