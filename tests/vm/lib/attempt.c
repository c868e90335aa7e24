// SPDX-License-Identifier: GPL-2.0-only
#include "attempt.h"

#include <stdint.h>

#include "sys.h"
#include "tap.h"

static void *attempt_thread(void *arg)
{
	struct attempt *attempt = arg;

	return (void *)(intptr_t)attempt->run();
}

void attempt_begin(struct attempt *attempt, int (*run)(void))
{
	attempt->run = run;
	if (pthread_create(&attempt->thread, NULL, attempt_thread, attempt))
		bail("no thread");
}

int attempt_end(struct attempt *attempt)
{
	unsigned int ms = ATTEMPT_PATIENCE;
	void *ret;

	/* Nothing can be torn down under a thread that hangs. */
	while (pthread_tryjoin_np(attempt->thread, &ret))
		if (!sys_step(&ms))
			bail("a fault hangs");
	return (intptr_t)ret;
}
