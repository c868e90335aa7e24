// SPDX-License-Identifier: GPL-2.0-only
/*
 * What calls reach in our modules, by kcov, where the kernel has it and they were
 * built for it (scripts/modules, the debug kernel).
 */
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define KCOV_INIT_TRACE	_IOR('c', 1, unsigned long)
#define KCOV_ENABLE	_IO('c', 100)
#define KCOV_TRACE_PC	0

#define WORDS		(1UL << 16)
#define POINTS		(1UL << 20)	/* bytes of text that are told apart */

static struct module {
	const char *name;
	unsigned long base, size;
	uint8_t *reached;		/* by offset */
	unsigned long nr;
} modules[] = {
	{ .name = "kvm_tdp" },
	{ .name = "kvm_tdp_dma" },
	{ .name = "kvm_tdp_mem" },
	{ .name = "kvm_tdp_iommu" },
	{ .name = "kvm_tdp_vfio" },
};

#define NR_MODULES	(sizeof(modules) / sizeof(modules[0]))

bool cover_guides;

static unsigned long *trace;
static int kcov;

static void find_module(struct module *module)
{
	FILE *file = fopen("/proc/modules", "re");
	char line[256], name[64];
	unsigned long size, base;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %lu %*s %*s %*s 0x%lx", name, &size,
			   &base) != 3 || strcmp(name, module->name))
			continue;
		module->base = base;
		module->size = size;
	}
	if (file)
		fclose(file);
	module->reached = calloc(POINTS, 1);
	if (!module->reached)
		bail("no memory for what is reached");
}

bool cover_open(bool guided)
{
	size_t i;

	kcov = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	if (kcov < 0)
		return false;
	must(ioctl(kcov, KCOV_INIT_TRACE, WORDS));
	trace = mmap(NULL, WORDS * sizeof(*trace), PROT_READ | PROT_WRITE,
		     MAP_SHARED, kcov, 0);
	if (trace == MAP_FAILED)
		bail("no memory for kcov");
	must(ioctl(kcov, KCOV_ENABLE, KCOV_TRACE_PC));
	for (i = 0; i < NR_MODULES; i++)
		find_module(&modules[i]);
	cover_guides = guided;
	return true;
}

/* A child traces nothing: kcov is its parent's. */
void cover_begin(void)
{
	if (trace && !fuzz_in_child)
		__atomic_store_n(&trace[0], 0, __ATOMIC_RELAXED);
}

static bool reach(unsigned long pc)
{
	struct module *module;

	for (module = modules; module < modules + NR_MODULES; module++) {
		unsigned long at = pc - module->base;

		if (at >= module->size || at >= POINTS || module->reached[at])
			continue;
		module->reached[at] = 1;
		module->nr++;
		return true;
	}
	return false;
}

bool cover_end(void)
{
	unsigned long nr, i;
	bool news = false;

	if (!trace || fuzz_in_child)
		return false;
	nr = __atomic_load_n(&trace[0], __ATOMIC_RELAXED);
	for (i = 1; i <= nr && i < WORDS; i++)
		news |= reach(trace[i]);
	return news;
}

void cover_close(void)
{
	if (trace)
		close(kcov);
}

void cover_print(void)
{
	size_t i;

	if (!trace)
		return;
	for (i = 0; i < NR_MODULES; i++)
		printf("fuzz: reached in %-25s %10lu points\n", modules[i].name,
		       modules[i].nr);
	printf("fuzz: %-36s %10zu\n",
	       cover_guides ? "steps in the corpus" : "no corpus, all by chance",
	       fuzz_corpus());
	fflush(stdout);
}
