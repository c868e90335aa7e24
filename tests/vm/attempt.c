// SPDX-License-Identifier: GPL-2.0-only
#include "attempt.h"

#include <stdint.h>
#include <time.h>

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
	struct timespec end;
	void *ret;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += ATTEMPT_PATIENCE / 1000;
	/* Nothing can be torn down under a thread that hangs. */
	if (pthread_timedjoin_np(attempt->thread, &ret, &end))
		bail("a fault hangs");
	return (intptr_t)ret;
}
