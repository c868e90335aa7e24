// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first TDP fd of the machine has the hooks armed, so this is the first program in
 * its VM; see insns.h for the clock.
 */
#include <unistd.h>

#include "insns.h"
#include "ktdp.h"
#include "sys.h"
#include "tap.h"
#include "vm.h"

#define MOST	10e6	/* instructions */

static struct vm vm;
static double per_tick;

static double timed_create(int *tdp)
{
	uint64_t begin = ticks();

	*tdp = must(ktdp_create(vm.fd, 0));
	return (ticks() - begin) * per_tick;
}

int main(void)
{
	double first, next;
	int tdp;

	per_tick = insns_per_tick();
	vm_open(&vm);
	first = timed_create(&tdp);
	close(tdp);
	next = timed_create(&tdp);
	close(tdp);
	insns_show("the first TDP fd of the machine", first);
	insns_show("one while hooks are armed", next);
	ok(first < MOST, "the hooks are armed by one pass over ftrace's records, not by three");
	ok(next < 1e5, "no name is looked up for a VM's fd once one was seen");
	vm_close(&vm);
	return done();
}
