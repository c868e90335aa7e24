// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bed.h"
#include "gmem.h"
#include "stress.h"
#include "sys.h"
#include "uffd.h"

struct arena arenas[NR_ARENAS] = {
	[ARENA_SMALL] = { .name = "small", .nr = 512 },
	[ARENA_THP] = { .name = "THP", .nr = 1024 },
	[ARENA_SHMEM] = { .name = "shmem", .nr = 512 },
	[ARENA_HUGETLB] = { .name = "hugetlb", .nr = 1024 },
	[ARENA_UFFD] = { .name = "userfaultfd", .nr = 128 },
	[ARENA_KSM] = { .name = "KSM", .nr = 256 },
	[ARENA_POISON] = { .name = "poison", .nr = 64 },
	[ARENA_GMEM] = { .name = "guest_memfd", .nr = 512 },
};

unsigned int nr_arenas = ARENA_GMEM;
int stress_uffd;
time_t stress_began;

#define ARENA_SPACE	(8UL << 20)
#define GMEM_FLAGS	(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)

static void arena_map(struct arena *arena, size_t size)
{
	switch (arena->kind) {
	case ARENA_THP:
		mem_thp(&arena->mem, size);
		break;
	case ARENA_SHMEM:
		mem_memfd(&arena->mem, size);
		break;
	case ARENA_HUGETLB:
		if (mem_hugetlb(&arena->mem, size, PAGE_2M))
			bail("no 2M pages");
		break;
	case ARENA_UFFD:
		mem_small(&arena->mem, size);
		uffd_register(stress_uffd, &arena->mem,
			      UFFDIO_REGISTER_MODE_MISSING |
			      UFFDIO_REGISTER_MODE_WP);
		break;
	default:
		mem_small(&arena->mem, size);
	}
}

static void arena_init(struct arena *arena)
{
	size_t size = arena->nr * PAGE_4K;

	arena->scratch = mmap(NULL, size, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena->scratch == MAP_FAILED)
		bail("out of memory");
	pthread_mutex_init(&arena->lock, NULL);
}

/* Can a VM have a guest_memfd that user space maps, too? */
static bool kernel_has_gmem(void)
{
	struct vm vm;
	int fd;

	vm_open(&vm);
	fd = gmem_create(&vm, PAGE_4K, GMEM_FLAGS);
	if (fd >= 0)
		close(fd);
	else if (fd != -EOPNOTSUPP)
		bail("no guest_memfd: %d", fd);
	vm_close(&vm);
	return fd >= 0;
}

bool arenas_have_gmem(void)
{
	return nr_arenas > ARENA_GMEM;
}

void arena_open_gmem(struct vm *vm)
{
	struct arena *arena = &arenas[ARENA_GMEM];
	size_t size = arena->nr * PAGE_4K;

	if (!arenas_have_gmem())
		return;
	mem_new(&arena->mem, size, 0, MAP_SHARED, must(gmem_create(vm, size, GMEM_FLAGS)));
	arena_init(arena);
}

void arenas_share(void)
{
	enum arena_kind kind;
	struct arena *arena;
	size_t i;

	nr_arenas += kernel_has_gmem();
	for (kind = 0; kind < nr_arenas; kind++) {
		arena = &arenas[kind];
		arena->kind = kind;
		arena->gpa = GPA + kind * ARENA_SPACE;
		arena->pages = sys_shared(arena->nr * sizeof(*arena->pages));
		/* Not yet written: zero is right. */
		for (i = 0; i < arena->nr; i++)
			arena->pages[i].drops = 2;
	}
}

void arenas_init(void)
{
	enum arena_kind kind;

	stress_uffd = uffd_open(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	for (kind = 0; kind < ARENA_GMEM; kind++) {
		arena_map(&arenas[kind], arenas[kind].nr * PAGE_4K);
		arena_init(&arenas[kind]);
	}
}

static void arena_count_drop(struct arena *arena, size_t first, size_t nr)
{
	for (; nr; first++, nr--)
		__atomic_fetch_add(&arena->pages[first].drops, 1,
				   __ATOMIC_SEQ_CST);
}

void arena_drop_begin(struct arena *arena, size_t first, size_t nr)
{
	arena_count_drop(arena, first, nr);
}

void arena_drop_end(struct arena *arena, size_t first, size_t nr)
{
	arena_count_drop(arena, first, nr);
}

void *arena_hva(const struct arena *arena, size_t page)
{
	return arena->mem.hva + page * PAGE_4K;
}
