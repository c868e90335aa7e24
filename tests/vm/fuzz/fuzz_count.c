// SPDX-License-Identifier: GPL-2.0-only
/* Calls by kind and answer, in memory that child processes share. */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>

#include "sys.h"

#define ERRNOS		134
#define TOLD		20	/* that many are told at length */

struct shared {
	uint64_t calls[NR_FUZZ_KINDS][ERRNOS];
	uint64_t nr;
	uint64_t wrong;
	uint64_t seed, step;
};

static struct shared *shared;

static const char * const names[NR_FUZZ_KINDS] = {
	[FUZZ_CREATE] = "KVM_CREATE_TDP_FD",
	[FUZZ_INFO] = "KVM_TDP_GET_INFO",
	[FUZZ_PREFAULT] = "KVM_TDP_PREFAULT",
	[FUZZ_MAP] = "KVM_TDP_READ_MAP",
	[FUZZ_STATS] = "KVM_TDP_GET_STATS",
	[FUZZ_VERIFY] = "KVM_TDP_VERIFY",
	[FUZZ_SLOTS_READ] = "KVM_TDP_READ_SLOTS",
	[FUZZ_IMPORTERS] = "KVM_TDP_READ_IMPORTERS",
	[FUZZ_ATTACH] = "KVM_TDP_DMA_ATTACH",
	[FUZZ_DETACH] = "KVM_TDP_DMA_DETACH",
	[FUZZ_READ] = "KVM_TDP_DMA_READ",
	[FUZZ_WRITE] = "KVM_TDP_DMA_WRITE",
	[FUZZ_COPY] = "KVM_TDP_DMA_COPY",
	[FUZZ_DMA_STATS] = "KVM_TDP_DMA_STATS",
	[FUZZ_MEM_ATTACH] = "KVM_TDP_MEM_ATTACH",
	[FUZZ_READV] = "KVM_TDP_MEM_READV",
	[FUZZ_VFIO_ATTACH] = "KVM_TDP_VFIO_ATTACH",
	[FUZZ_VFIO_DETACH] = "KVM_TDP_VFIO_DETACH",
	[FUZZ_VFIO_BEGIN] = "KVM_TDP_VFIO_BEGIN",
	[FUZZ_VFIO_DONE] = "KVM_TDP_VFIO_DONE",
	[FUZZ_VFIO_MAP] = "KVM_TDP_VFIO_MAP",
	[FUZZ_VFIO_UNMAP] = "KVM_TDP_VFIO_UNMAP",
	[FUZZ_VFIO_INFO] = "KVM_TDP_VFIO_INFO",
	[FUZZ_VFIO_GROUP] = "device leaves its container",
	[FUZZ_PANE_MAP] = "guest memory mapped",
	[FUZZ_PANE_UNMAP] = "... unmapped",
	[FUZZ_PANE_PROTECT] = "... mprotect",
	[FUZZ_PANE_ADVISE] = "... madvise",
	[FUZZ_PANE_REMAP] = "... mremap",
	[FUZZ_PANE_TOUCH] = "... touched (ENXIO: SIGBUS)",
	[FUZZ_WRONG_NUMBER] = "unknown ioctl number",
	[FUZZ_WRONG_FILE] = "ioctl on another kind of file",
	[FUZZ_FILE_OP] = "read, write, mmap, seek, fdinfo",
	[FUZZ_GET] = "kvm_tdp_fd_get()",
	[FUZZ_PUT] = "kvm_tdp_fd_put()",
	[FUZZ_REGISTER] = "register_importer()",
	[FUZZ_UNREGISTER] = "unregister_importer()",
	[FUZZ_FAULT] = "fault()",
	[FUZZ_METADATA] = "get_metadata()",
	[FUZZ_SLOT] = "memslot added, changed, deleted",
	[FUZZ_CAP] = "KVM_ENABLE_CAP",
	[FUZZ_RING] = "... of the dirty ring",
	[FUZZ_MEMORY] = "memory behind slots changed",
	[FUZZ_OPEN] = "file opened, VM created",
	[FUZZ_DUP] = "fd duplicated",
	[FUZZ_CLOSE] = "fd closed",
	[FUZZ_PASS] = "fd passed over a socket, or stolen",
	[FUZZ_CAPABILITY] = "capability dropped, raised",
	[FUZZ_FORK] = "process forked, makes calls",
	[FUZZ_EXEC] = "... and executes a program",
	[FUZZ_NEIGHBOUR] = "process forked, with a VM",
	[FUZZ_KILL] = "... and killed",
};

void may(struct answers *answers, int answer)
{
	unsigned int i;

	for (i = 0; i < answers->nr; i++)
		if (answers->is[i] == answer)
			return;
	if (answers->nr < sizeof(answers->is) / sizeof(answers->is[0]))
		answers->is[answers->nr++] = answer;
}

void count_open(void)
{
	shared = sys_shared(sizeof(*shared));
}

void count_step(uint64_t seed, uint64_t step)
{
	shared->seed = seed;
	shared->step = step;
}

void count_call(enum fuzz_kind kind, int ret)
{
	shared->nr++;
	shared->calls[kind][ret < 0 && -ret < ERRNOS ? -ret : 0]++;
}

void wrong(const char *fmt, ...)
{
	char text[512];
	va_list args;

	if (shared->wrong++ >= TOLD)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	diag("seed %llu, step %llu: %s", (unsigned long long)shared->seed,
	     (unsigned long long)shared->step, text);
}

bool judge(enum fuzz_kind kind, int ret, const struct answers *right)
{
	unsigned int i;

	count_call(kind, ret);
	for (i = 0; i < right->nr; i++)
		if (ret == right->is[i])
			return true;
	wrong("%s: %d, and right is %d%s", names[kind], ret,
	      right->nr ? right->is[0] : 1, right->nr > 1 ? " or another" : "");
	return false;
}

const char *kind_name(enum fuzz_kind kind)
{
	return names[kind];
}

uint64_t nr_answered(enum fuzz_kind kind, bool success)
{
	uint64_t nr = 0;
	int i;

	if (success)
		return shared->calls[kind][0];
	for (i = 1; i < ERRNOS; i++)
		nr += shared->calls[kind][i];
	return nr;
}

uint64_t nr_calls(void)
{
	return shared->nr;
}

uint64_t nr_wrong(void)
{
	return shared->wrong;
}

void count_print(void)
{
	int kind, i;

	printf("fuzz: %-36s %10s %10s  %s\n", "", "calls", "succeeded", "failed");
	for (kind = 0; kind < NR_FUZZ_KINDS; kind++) {
		printf("fuzz: %-36s %10llu %10llu ", names[kind],
		       (unsigned long long)(nr_answered(kind, true) +
					    nr_answered(kind, false)),
		       (unsigned long long)nr_answered(kind, true));
		for (i = 1; i < ERRNOS; i++)
			if (shared->calls[kind][i])
				printf(" %s %llu", strerrorname_np(i),
				       (unsigned long long)shared->calls[kind][i]);
		printf("\n");
	}
	printf("fuzz: %-36s %10llu\n", "all", (unsigned long long)nr_calls());
	fflush(stdout);
}
