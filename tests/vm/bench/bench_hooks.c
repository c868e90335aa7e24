// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first TDP fd of the machine has the hooks armed, so this is the first program in
 * its VM; see figure.h for the clock.
 */
#include <unistd.h>

#include "figure.h"
#include "ktdp.h"
#include "tap.h"
#include "vm.h"

static struct vm vm;

static double create(const char *name)
{
	uint64_t begin = section_begin();
	int tdp = kvm_tdp_create(vm.fd, 0);
	double cost = section_end(begin, name, 1);

	ok(tdp >= 0, "%s is made", name);
	close(tdp);
	report(name, cost, "insns");
	return cost;
}

int main(void)
{
	double first, next;

	vm_open(&vm);
	first = create("the first TDP fd of the machine");
	next = create("one while hooks are armed");
	within(next < first, "hooks are armed once");
	within(next < first / 10, "no name is looked up for a VM's fd once one was seen");
	vm_close(&vm);
	return done();
}
