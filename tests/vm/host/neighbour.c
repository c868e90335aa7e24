// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: neighbour FILE
 *
 * A VM on a machine where scripts/test-host runs, that has nothing to do with it: its guest
 * writes and reads its memory until SIGTERM.  FILE has how often it has, so far.  The exit
 * status is 0 if it always ran, and found what it had written.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "guest.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x140000000UL
#define SIZE	(64 * PAGE_4K)

static bool ends;

static void on_term(int sig)
{
	__atomic_store_n(&ends, true, __ATOMIC_RELAXED);
}

static void tell(int file, unsigned int rounds)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u\n", rounds);

	must(pwrite(file, text, n, 0));
}

int main(int argc, char **argv)
{
	unsigned int round = 0;
	struct mem mem;
	struct vm vm;
	int file;

	if (argc != 2)
		bail("which file?");
	file = must(open(argv[1], O_CREAT | O_TRUNC | O_WRONLY, 0644));
	signal(SIGTERM, on_term);
	vm_open(&vm);
	vm_add_vcpu(&vm);
	mem_small(&mem, SIZE);
	vm_map(&vm, 1, GPA, &mem);
	while (!__atomic_load_n(&ends, __ATOMIC_RELAXED)) {
		round++;
		if (guest_fill(&vm, GPA, SIZE, round) || !mem_check(mem.hva, GPA, SIZE, round) ||
		    guest_check(&vm, GPA, SIZE, round))
			bail("round %u", round);
		tell(file, round);
		usleep(500000);	/* all in between is for what is tested */
	}
	vm_close(&vm);
	return 0;
}
