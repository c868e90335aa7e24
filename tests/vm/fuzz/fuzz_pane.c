// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory that is mapped, of /dev/kvm_tdp_mem: what mmap(), munmap(), mprotect(),
 * madvise() and mremap() answer, and what is seen there, the memory or a signal.  Mappings,
 * here panes, stand in a space that is set aside, of which each page is known.
 */
#include "fuzz.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sys.h"

#define SPACE		192	/* pages */
#define MAX_PANES	64	/* on one table */
#define MAX_GFN		((1ULL << 52) - 1)
#define PATIENCE	10000	/* ms */

static struct page {
	struct fuzz_file *file;		/* NULL: nothing is mapped here */
	uint64_t gfn;
	int prot, advice;
	unsigned int pane;		/* number of the mapping */
	unsigned int changes;		/* of the VM's slots, when it was looked at last */
} pages[SPACE];

static uint8_t *space;
static unsigned int last_pane;
static int sink;		/* for what the kernel reads */

static sigjmp_buf look_away;
static volatile bool looking;

static void on_signal(int sig)
{
	if (!looking)
		bail("signal %d", sig);
	siglongjmp(look_away, sig);
}

static void set_aside(size_t first, size_t nr)
{
	if (mmap(space + first * PAGE_4K, nr * PAGE_4K, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		bail("no address space");
}

void panes_open(void)
{
	struct sigaction act = { .sa_handler = on_signal };

	space = mmap(NULL, SPACE * PAGE_4K, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (space == MAP_FAILED)
		bail("no address space");
	sink = must(memfd_create("sink", MFD_CLOEXEC));
	must(sigaction(SIGBUS, &act, NULL));
	must(sigaction(SIGSEGV, &act, NULL));
}

static void forget(size_t first, size_t nr)
{
	for (; nr; first++, nr--) {
		file_put(pages[first].file);
		pages[first].file = NULL;
	}
}

void panes_close(void)
{
	must(munmap(space, SPACE * PAGE_4K));
	forget(0, SPACE);
	close(sink);
}

/* Is the page the same pane's as that before it? */
static bool goes_on(size_t at)
{
	return at && at < SPACE && pages[at].file && pages[at - 1].file &&
	       pages[at].pane == pages[at - 1].pane;
}

/* On the table of @file's, or @only of that file. */
static unsigned int nr_panes(const struct fuzz_file *file, bool only)
{
	const struct fuzz_file *of;
	unsigned int nr = 0;
	size_t at;

	for (at = 0; at < SPACE; at++) {
		of = pages[at].file;
		nr += of && !goes_on(at) &&
		      (only ? of == file : of->vm == file->vm && of->as_id == file->as_id);
	}
	return nr;
}

/* A pane becomes two: 0, or -ENOMEM. */
static int split(size_t at)
{
	unsigned int was;

	if (!goes_on(at))
		return 0;
	if (nr_panes(pages[at].file, false) >= MAX_PANES)
		return -ENOMEM;
	was = pages[at].pane;
	last_pane++;
	for (; at < SPACE && pages[at].file && pages[at].pane == was; at++)
		pages[at].pane = last_pane;
	return 0;
}

/* Of a child the parent's panes count, too, and nobody here knows how many there are. */
static bool judge_pane(enum fuzz_kind kind, int ret, struct answers *right)
{
	if (fuzz_in_child) {
		may(right, -ENOMEM);
		may(right, -EAGAIN);
		if (kind == FUZZ_PANE_MAP)
			may(right, -ENOSPC);
	}
	return judge(kind, ret, right);
}

static bool unmap(size_t first, size_t nr)
{
	struct answers right = { 0 };
	int ret;

	may(&right, split(first) ?: split(first + nr));
	ret = sys(munmap(space + first * PAGE_4K, nr * PAGE_4K));
	judge_pane(FUZZ_PANE_UNMAP, ret, &right);
	if (ret)
		return false;
	forget(first, nr);
	set_aside(first, nr);
	return true;
}

static uint64_t odd_offset(const struct fuzz_file *file)
{
	if (one_in(32))
		return odd_number();
	return (host_gpa(file) & -PAGE_4K) - roll(4) * PAGE_4K;
}

static int odd_flags(void)
{
	static const int extra[] = {
		MAP_POPULATE, MAP_LOCKED, MAP_NORESERVE, MAP_POPULATE | MAP_NONBLOCK, MAP_SYNC,
		MAP_STACK,
	};
	int flags = one_in(8) ? extra[roll(sizeof(extra) / sizeof(extra[0]))] : 0;

	if (one_in(16))
		return MAP_PRIVATE | flags;
	return (one_in(16) ? MAP_SHARED_VALIDATE : MAP_SHARED) | flags;
}

static int odd_prot(void)
{
	return one_in(16) ? (int)roll(8) : one_in(8) ? PROT_NONE : PROT_READ;
}

static void answers_map(const struct beast *beast, size_t length, int prot, int flags,
			uint64_t offset, struct answers *right)
{
	uint64_t nr = length / PAGE_4K + !!(length % PAGE_4K);

	if (!beast || !beast->file)
		may(right, -EBADF);
	else if (!beast->file->vm)
		may(right, -ENOTCONN);
	if (!length || offset % PAGE_4K)
		may(right, -EINVAL);
	if (offset / PAGE_4K + nr > MAX_GFN) {
		may(right, -EINVAL);
		may(right, -EOVERFLOW);
	}
	if ((flags & MAP_TYPE) == MAP_PRIVATE)
		may(right, -EINVAL);
	if ((flags & MAP_TYPE) == MAP_SHARED_VALIDATE && flags & MAP_SYNC)
		may(right, -EOPNOTSUPP);
	if (prot & (PROT_WRITE | PROT_EXEC))
		may(right, -EACCES);
	if (prot & PROT_EXEC)
		may(right, -EPERM);	/* of what is on a file system without programs */
	if (!right->nr)
		may(right, nr_panes(beast->file, false) < MAX_PANES ? 0 : -ENOSPC);
	if (length > SPACE * PAGE_4K)
		may(right, -ENOMEM);
}

static void map(void)
{
	size_t first = roll(SPACE), nr = 1 + roll(one_in(8) ? SPACE : 8), length, at;
	struct beast *beast = one_in(64) ? NULL : zoo_one(FILE_MEM);
	struct answers right = { 0 };
	int prot = odd_prot(), flags = odd_flags(), ret;
	uint64_t offset;
	void *hva;

	offset = odd_offset(beast ? beast->file : NULL);
	nr = nr < SPACE - first ? nr : SPACE - first;
	length = one_in(8) ? nr * PAGE_4K - roll(PAGE_4K) : nr * PAGE_4K;
	if (one_in(32))
		length = odd_number();
	if (length > SPACE * PAGE_4K)
		hva = NULL;
	else if (unmap(first, nr))
		hva = space + first * PAGE_4K;
	else
		return;
	if (hva && length > nr * PAGE_4K)
		length = nr * PAGE_4K;
	answers_map(beast, length, prot, flags, offset, &right);
	hva = mmap(hva, length, prot, flags | (hva ? MAP_FIXED : 0), beast ? beast->fd : -1,
		   offset);
	ret = hva == MAP_FAILED ? -errno : 0;
	if (!judge_pane(FUZZ_PANE_MAP, ret, &right))
		wrong("mmap: length %#zx, prot %d, flags %#x, offset %#llx", length, prot, flags,
		      (unsigned long long)offset);
	if (length > SPACE * PAGE_4K) {
		if (!ret)
			must(munmap(hva, length));
		return;
	}
	if (ret) {
		set_aside(first, nr);
		return;
	}
	last_pane++;
	for (at = first; at < first + (length + PAGE_4K - 1) / PAGE_4K; at++, offset += PAGE_4K) {
		beast->file->refs++;
		pages[at] = (struct page){
			.file = beast->file, .gfn = offset / PAGE_4K, .prot = prot,
			.pane = last_pane, .changes = beast->file->vm->changes,
		};
	}
}

/* A mapped page, and how many follow it, of any pane, or of the same; 0: there is none. */
static size_t choose(size_t *first, bool same)
{
	size_t at = roll(SPACE), i, nr;

	for (i = 0; i < SPACE && !pages[at].file; i++)
		at = (at + 1) % SPACE;
	if (!pages[at].file)
		return 0;
	*first = at;
	for (nr = 1; at + nr < SPACE && pages[at + nr].file; nr++)
		if (same && !goes_on(at + nr))
			break;
	return 1 + roll(nr);
}

/* What the host does to a range, pane by pane: 0 or -ENOMEM. */
static int change(size_t first, size_t nr, const int *prot, const int *advice)
{
	size_t at = first, end = first + nr, stop;
	int ret;

	for (; at < end; at = stop) {
		for (stop = at + 1; stop < end && goes_on(stop); stop++)
			;
		if ((!prot || pages[at].prot == *prot) &&
		    (!advice || pages[at].advice == *advice))
			continue;
		ret = split(at) ?: split(stop);
		if (ret)
			return ret;
		for (; at < stop; at++) {
			pages[at].prot = prot ? *prot : pages[at].prot;
			pages[at].advice = advice ? *advice : pages[at].advice;
		}
	}
	return 0;
}

static void protect(void)
{
	size_t first, nr = choose(&first, false), shift = one_in(32) ? 1 + roll(PAGE_4K - 1) : 0;
	struct answers right = { 0 };
	int prot = one_in(2) ? odd_prot() : one_in(2) ? PROT_NONE : PROT_READ, ret;

	/* A child may fail in the midst, and would not know where. */
	if (!nr || fuzz_in_child)
		return;
	if (one_in(32))
		prot |= one_in(2) ? PROT_GROWSDOWN : 0x10;
	if (shift || prot & (PROT_GROWSDOWN | 0x10))
		may(&right, -EINVAL);
	if (prot & (PROT_WRITE | PROT_EXEC))
		may(&right, -EACCES);
	if (!right.nr)
		may(&right, change(first, nr, &prot, NULL));
	ret = sys(mprotect(space + first * PAGE_4K + shift, nr * PAGE_4K, prot));
	judge(FUZZ_PANE_PROTECT, ret, &right);
}

static const struct {
	int advice;
	int answers[2];		/* any of them */
	bool keeps;		/* the panes as they are */
} advices[] = {
	{ MADV_NORMAL, { 0, 0 }, false },
	{ MADV_RANDOM, { 0, 0 }, false },
	{ MADV_SEQUENTIAL, { 0, 0 }, false },
	{ MADV_WILLNEED, { 0, 0 }, true },
	{ MADV_DONTNEED, { -EINVAL, -EINVAL }, true },
	{ MADV_FREE, { -EINVAL, -EINVAL }, true },
	{ MADV_REMOVE, { -EACCES, -EACCES }, true },
	{ MADV_DONTFORK, { 0, 0 }, true },
	{ MADV_DOFORK, { -EINVAL, -EINVAL }, true },
	{ MADV_MERGEABLE, { 0, -EINVAL }, true },
	{ MADV_UNMERGEABLE, { 0, -EINVAL }, true },
	{ MADV_COLLAPSE, { -EINVAL, -EINVAL }, true },
	{ MADV_DONTDUMP, { 0, 0 }, true },
	{ MADV_DODUMP, { -EINVAL, -EINVAL }, true },
	{ MADV_WIPEONFORK, { -EINVAL, -EINVAL }, true },
	{ MADV_KEEPONFORK, { 0, 0 }, true },
	{ MADV_COLD, { -EINVAL, -EINVAL }, true },
	{ MADV_PAGEOUT, { -EINVAL, -EINVAL }, true },
	{ MADV_POPULATE_READ, { -EFAULT, -EINVAL }, true },
	{ MADV_POPULATE_WRITE, { -EFAULT, -EINVAL }, true },
};

static void advise(void)
{
	size_t what = roll(sizeof(advices) / sizeof(advices[0]));
	size_t first, nr = choose(&first, false);
	struct answers right = { 0 };
	int advice = advices[what].advice, ret = 0;

	if (!nr)
		return;
	if (!advices[what].keeps)
		ret = change(first, nr, NULL, &advice);
	if (ret) {
		may(&right, ret);
		may(&right, -EAGAIN);
	} else {
		may(&right, advices[what].answers[0]);
		may(&right, advices[what].answers[1]);
	}
	ret = sys(madvise(space + first * PAGE_4K, nr * PAGE_4K, advice));
	if (!judge_pane(FUZZ_PANE_ADVISE, ret, &right))
		wrong("madvise: %d", advice);
}

static int remap(void *from, size_t size, size_t new_size, int flags, void *to)
{
	void *hva = mremap(from, size, new_size, flags, to);

	return hva == MAP_FAILED ? -errno : 0;
}

/* To where nothing is mapped.  Of a part both pieces count for a while. */
static void move(size_t first, size_t nr)
{
	bool whole = !goes_on(first) && !goes_on(first + nr);
	size_t to = roll(SPACE - nr + 1), at;
	struct answers right = { 0 };
	int ret;

	for (at = to; at < to + nr; at++)
		if (pages[at].file)
			return;
	if (!whole && (fuzz_in_child || nr_panes(pages[first].file, false) > MAX_PANES - 4))
		return;
	may(&right, 0);
	ret = remap(space + first * PAGE_4K, nr * PAGE_4K, nr * PAGE_4K,
		    MREMAP_MAYMOVE | MREMAP_FIXED, space + to * PAGE_4K);
	judge(FUZZ_PANE_REMAP, ret, &right);
	if (ret) {
		set_aside(to, nr);
		return;
	}
	split(first);
	split(first + nr);
	last_pane++;
	for (at = 0; at < nr; at++) {
		pages[to + at] = pages[first + at];
		pages[to + at].pane = last_pane;
		pages[first + at].file = NULL;
	}
	set_aside(first, nr);
}

static void shrink(size_t first, size_t nr)
{
	size_t left = 1 + roll(nr);
	struct answers right = { 0 };
	int ret;

	if (left >= nr)
		return;
	may(&right, split(first + left) ?: split(first + nr));
	ret = remap(space + first * PAGE_4K, nr * PAGE_4K, left * PAGE_4K, 0, NULL);
	judge_pane(FUZZ_PANE_REMAP, ret, &right);
	if (ret)
		return;
	forget(first + left, nr - left);
	set_aside(first + left, nr - left);
}

static void move_or_not(void)
{
	size_t first, nr = choose(&first, true), size = nr * PAGE_4K;
	struct answers right = { 0 };
	uint8_t *at;
	int ret;

	if (!nr)
		return;
	at = space + first * PAGE_4K;
	may(&right, -EINVAL);
	may(&right, -EFAULT);
	switch (roll(8)) {
	case 0:
		ret = remap(at, size, size + (1 + roll(16)) * PAGE_4K, MREMAP_MAYMOVE, NULL);
		break;
	case 1:
		ret = remap(at, 0, size, MREMAP_MAYMOVE, NULL);
		break;
	case 2:
		ret = remap(at, size, size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
		break;
	case 3:
		ret = remap(at + 1 + roll(PAGE_4K - 1), size, size, MREMAP_MAYMOVE, NULL);
		break;
	case 4:
	case 5:
		shrink(first, nr);
		return;
	default:
		move(first, nr);
		return;
	}
	judge(FUZZ_PANE_REMAP, ret, &right);
}

/* How it is looked at. */
enum way { BY_LOAD, BY_WRITE, BY_OTHERS, NR_WAYS };

static int by_load(const volatile uint64_t *at, uint64_t *word)
{
	int sig = sigsetjmp(look_away, 1);

	if (!sig) {
		looking = true;
		*word = *at;
	}
	looking = false;
	return sig == SIGBUS ? -ENXIO : sig ? -EFAULT : 0;
}

/* The kernel reads it, and finds no more than we would. */
static int by_write(const void *at, uint64_t *word)
{
	ssize_t ret = sys(pwrite(sink, at, sizeof(*word), 0));

	if (ret < 0)
		return ret;
	return pread(sink, word, sizeof(*word), 0) == sizeof(*word) ? 0 : -EIO;
}

/* Who wants a reference on the page gets none. */
static int by_others(void *at, uint64_t *word)
{
	struct iovec here = { word, sizeof(*word) }, there = { at, sizeof(*word) };
	ssize_t ret = sys(process_vm_readv(getpid(), &here, 1, &there, 1, 0));

	return ret < 0 ? ret : 0;
}

static int look(enum way way, void *at, uint64_t *word)
{
	switch (way) {
	case BY_LOAD:
		return by_load(at, word);
	case BY_WRITE:
		return by_write(at, word);
	default:
		return by_others(at, word);
	}
}

/* The page of ours that is there for all; FUZZ_RAM_PAGES: none, or who knows. */
static size_t page_seen(const struct page *page)
{
	const struct fuzz_vm *vm = page->file->vm;

	if (fuzz_in_child || vm->owner != OWNER_SELF)
		return FUZZ_RAM_PAGES;
	return host_page(vm, page->file->as_id, page->gfn * PAGE_4K);
}

static int look_answer(const struct page *page, enum way way)
{
	const struct fuzz_file *file = page->file;

	if (!file || !(page->prot & PROT_READ) || way == BY_OTHERS)
		return -EFAULT;
	if (file->vm->owner == OWNER_DEAD || page->gfn >= MAX_GFN ||
	    !host_grants(file->vm, file->as_id, page->gfn * PAGE_4K, false))
		return way == BY_LOAD ? -ENXIO : -EFAULT;
	return 0;
}

static void touch(void)
{
	struct page *page = &pages[roll(SPACE)];
	size_t off = 8 * roll(PAGE_4K / 8), mine = FUZZ_RAM_PAGES, first;
	struct answers right = { 0 };
	enum way way = one_in(4) ? roll(NR_WAYS) : BY_LOAD;
	uint64_t word = 0, *is = NULL;
	unsigned int ms = 0;
	int ret;

	if (!one_in(16) && choose(&first, true))
		page = &pages[first];
	ret = look_answer(page, way);
	may(&right, ret);
	if (!ret)
		mine = page_seen(page);
	if (mine < FUZZ_RAM_PAGES) {
		is = (uint64_t *)(host_hva(mine) + off);
		if (host_writable(mine) && one_in(2))
			*(volatile uint64_t *)is = roll(UINT64_MAX);
	}
	/* Only when KVM deletes a slot may it take some time. */
	if (page->file && page->changes != page->file->vm->changes) {
		page->changes = page->file->vm->changes;
		ms = PATIENCE;
	}
	do {
		ret = look(way, space + (page - pages) * PAGE_4K + off, &word);
	} while ((ret != right.is[0] || (is && word != *is)) && sys_step(&ms));
	if (!judge(FUZZ_PANE_TOUCH, ret, &right))
		wrong("a window's page %#llx, protection %d", (unsigned long long)page->gfn,
		      page->prot);
	else if (is && word != *is)
		wrong("a window's page %#llx has %#llx at %#zx, and not %#llx",
		      (unsigned long long)page->gfn, (unsigned long long)word, off,
		      (unsigned long long)*is);
}

/* A child has none of them. */
void panes_child(void)
{
	uint64_t word;
	size_t first;

	if (choose(&first, true) && by_load((void *)(space + first * PAGE_4K), &word) != -EFAULT)
		wrong("a child sees what its parent has mapped");
	set_aside(0, SPACE);
	forget(0, SPACE);
}

/* Each file counts its own. */
void panes_check(void)
{
	const struct beast *beast;
	unsigned int nr, is;

	for (beast = beasts; beast < beasts + FUZZ_BEASTS; beast++) {
		if (!beast->used || beast_kind(beast) != FILE_MEM)
			continue;
		is = sys_fdinfo_number(beast->fd, "kvm_tdp_mem_mappings:");
		nr = nr_panes(beast->file, true);
		if (is != nr)
			wrong("a file has %u mappings, and not %u", is, nr);
	}
}

void fuzz_pane(void)
{
	switch (roll(16)) {
	case 0 ... 2:
		map();
		break;
	case 3:
		unmap(roll(SPACE - 8), 1 + roll(8));
		break;
	case 4:
	case 5:
		protect();
		break;
	case 6:
		advise();
		break;
	case 7:
		move_or_not();
		break;
	default:
		touch();
		break;
	}
}
