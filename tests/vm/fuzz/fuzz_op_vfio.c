// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls of VFIO containers of kvm_tdp: how they are asked, what they answer. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz_box.h"
#include "fuzz_op.h"

#define READ		KVM_TDP_VFIO_READ
#define WRITE		KVM_TDP_VFIO_WRITE
#define HIT		KVM_TDP_VFIO_HIT

#define MAX_IOS		(KVM_TDP_VFIO_MAX_IOS + 1)
#define IOS_SIZE	(((MAX_IOS * sizeof(struct kvm_tdp_vfio_io)) | (PAGE_4K - 1)) + 1)
#define BATCH		32	/* that are read at once */
#define NO_ID		~0U
#define PATIENCE	10000	/* ms */

/*
 * The transfers of a call: they end where nothing is mapped any more.  What cannot be
 * written is the same memory.
 */
static uint8_t *ios_end, *ios_end_read;
static struct kvm_tdp_vfio_io *ios;
static unsigned int nr_ios;

static void *ios_map(int fd, int prot)
{
	void *map = mmap(NULL, IOS_SIZE + PAGE_4K, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED ||
	    mmap(map, IOS_SIZE, prot, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		bail("no memory");
	return map + IOS_SIZE;
}

static void ios_open(void)
{
	int fd;

	if (ios_end)
		return;
	fd = must(memfd_create("ios", MFD_CLOEXEC));
	must(ftruncate(fd, IOS_SIZE));
	ios_end = ios_map(fd, PROT_READ | PROT_WRITE);
	ios_end_read = ios_map(fd, PROT_READ);
	close(fd);
}

/* Of @nr; where the kernel is told that they are. */
static uint64_t ios_choose(unsigned int nr)
{
	size_t size = nr * sizeof(*ios);

	ios_open();
	nr_ios = nr;
	ios = (struct kvm_tdp_vfio_io *)(ios_end - size);
	memset(ios, 0, size);
	switch (roll(32)) {
	case 0:
		return odd_pointer();
	case 1:
		return (uintptr_t)ios_end_read - size;
	default:
		return (uintptr_t)ios;
	}
}

static bool ios_writable(const struct kvm_tdp_vfio_ios *arg)
{
	return arg->ios == (uintptr_t)ios;
}

/* Can the kernel read the batch that begins with number @i? */
static bool ios_readable(const struct kvm_tdp_vfio_ios *arg, unsigned int i)
{
	unsigned int nr = arg->nr - i < BATCH ? arg->nr - i : BATCH;

	if (!ios_writable(arg) &&
	    arg->ios != (uintptr_t)ios_end_read - nr_ios * sizeof(*ios))
		return false;
	return i + nr <= nr_ios;
}

/* KVM_TDP_VFIO_ATTACH, KVM_TDP_VFIO_DETACH */

static uint8_t *hits;	/* three pages, the second to be read, the third nobody's */

static uint64_t choose_hits(void)
{
	if (!hits) {
		hits = mmap(NULL, 3 * PAGE_4K, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (hits == MAP_FAILED)
			bail("no memory");
		must(mprotect(hits + PAGE_4K, PAGE_4K, PROT_READ));
		must(mprotect(hits + 2 * PAGE_4K, PAGE_4K, PROT_NONE));
	}
	switch (roll(16)) {
	case 0:
		return odd_pointer();
	case 1:
		return (uintptr_t)hits + 1 + roll(PAGE_4K);
	case 2:
		return (uintptr_t)hits + (1 + roll(2)) * PAGE_4K;
	case 3 ... 7:
		return 0;
	default:
		return (uintptr_t)hits;
	}
}

static int choose_pid(const struct beast *tdp)
{
	if (one_in(16))
		return odd_number();
	if (one_in(16))
		return 1;
	if (tdp && tdp->file && tdp->file->vm && tdp->file->vm->pid)
		return tdp->file->vm->pid;
	return one_in(4) ? getpid() : 0;
}

static void make_attach(void *arg, struct fuzz_call *call)
{
	struct kvm_tdp_vfio_attach *attach = arg;
	struct beast *eventfd;

	attach->tdp_fd = zoo_pick(FILE_TDP, &call->other);
	attach->pid = choose_pid(call->other);
	attach->eventfd = one_in(2) ? -1 : zoo_pick(FILE_EVENTFD, &eventfd);
	attach->hits = choose_hits();
}

/* Is it the process that is named whose VM it is?  If not, that may have no memory. */
static void answers_owner(const struct kvm_tdp_vfio_attach *attach, const struct fuzz_vm *vm,
			  struct answers *right)
{
	pid_t pid = attach->pid ? attach->pid : getpid();
	bool owns = vm && vm->owner != OWNER_DEAD && pid == (vm->pid ? vm->pid : getpid());

	if (vm && !owns)
		may(right, -EPERM);
	if (pid != getpid() && !owns)
		may(right, -ESRCH);
}

static void answers_attach(const void *arg, const struct fuzz_call *call,
			   struct answers *right)
{
	const struct kvm_tdp_vfio_attach *attach = arg;
	struct beast *tdp = beast_of(attach->tdp_fd);

	if (attach->flags || attach->pad)
		may(right, -EINVAL);
	if (attach->pid && !fuzz_is_admin)
		may(right, -EPERM);
	if (attach->eventfd != -1)
		answers_fd(attach->eventfd, FILE_EVENTFD, right);
	if (attach->hits && fuzz_in_child)
		may(right, -EPERM);
	if (attach->hits % PAGE_4K)
		may(right, -EINVAL);
	else if (attach->hits && attach->hits != (uintptr_t)hits)
		may(right, -EFAULT);
	if (call->file->vm)
		may(right, -EBUSY);
	answers_fd(attach->tdp_fd, FILE_TDP, right);
	answers_owner(attach, beast_kind(tdp) == FILE_TDP ? tdp->file->vm : NULL, right);
	if (!tdp && right->nr)
		may(right, -EPERM);
}

static void all_lost(struct fuzz_call *call)
{
	call->file->vm = NULL;
	box.hits = NULL;
	box_lose_all();
}

static void done_attach(const void *arg, const void *after, int ret,
			struct fuzz_call *call)
{
	const struct kvm_tdp_vfio_attach *attach = arg;
	struct beast *tdp = beast_of(attach->tdp_fd);

	if (ret)
		return;
	/* Nobody knows to what, if another thread has changed that. */
	if (box.eventfd >= 0)
		close(box.eventfd);
	box.eventfd = -1;
	if (!after || beast_kind(tdp) != FILE_TDP) {
		vfio_detach(&box.vfio);
		all_lost(call);
		return;
	}
	call->file->vm = tdp->file->vm;
	call->file->as_id = tdp->file->as_id;
	box.hits = attach->hits ? hits : NULL;
	if (attach->eventfd != -1)
		box.eventfd = must(fcntl(attach->eventfd, F_DUPFD_CLOEXEC, 0));
	box.told = ++box.time;
}

static void done_detach(const void *arg, const void *after, int ret,
			struct fuzz_call *call)
{
	if (!ret)
		all_lost(call);
}

/* KVM_TDP_VFIO_BEGIN */

static uint32_t odd_direction(void)
{
	return one_in(32) ? one_bit(32) : (1 + roll(3)) | (one_in(8) ? HIT : 0);
}

static uint64_t odd_length(void)
{
	if (one_in(32))
		return odd_number();
	return one_in(16) ? roll(40) * PAGE_4K : 1 + roll(PAGE_4K);
}

static void make_begin(void *arg, struct fuzz_call *call)
{
	unsigned int nr = one_in(16) ? roll(3 * BATCH) : 1 + roll(3), i;
	struct kvm_tdp_vfio_ios *begin = arg;
	bool all = one_in(1024);

	if (all)
		nr = MAX_IOS;
	begin->ios = ios_choose(nr);
	begin->nr = one_in(32) ? nr + roll(40) : nr;
	for (i = 0; i < nr; i++) {
		ios[i] = (struct kvm_tdp_vfio_io){
			.gpa = host_gpa(call->file) + (one_in(2) ? roll(PAGE_4K) : 0),
			.length = all ? 8 : odd_length(),
			.flags = odd_direction(),
			.id = NO_ID,
		};
		if (all && i)
			ios[i] = ios[0];
	}
}

/* What to begin it may answer, beside that there is no room. */
static void answers_io(const struct fuzz_call *call, const struct kvm_tdp_vfio_io *io,
		       struct answers *right)
{
	uint64_t last = io->gpa + io->length - 1, gpa;
	uint32_t direction = io->flags & ~HIT;
	struct answers page;
	unsigned int i;

	if (!direction || direction & ~(READ | WRITE)) {
		may(right, -EINVAL);
	} else if (!call->file->vm) {
		may(right, -ENOTCONN);
	} else if (!io->length || last < io->gpa) {
		may(right, -EINVAL);
	} else if (!box_reaches(io->gpa, last)) {
		may(right, -ERANGE);
	} else {
		for (gpa = io->gpa & -PAGE_4K; gpa <= last; gpa += PAGE_4K) {
			page.nr = 0;
			answers_fault(call, gpa, direction & WRITE, &page);
			for (i = 0; i < page.nr; i++)
				if (page.is[i])
					may(right, page.is[i]);
			if (page.is[0])
				return;
		}
		may(right, 0);
	}
}

static bool io_may_begin(const struct fuzz_call *call, const struct kvm_tdp_vfio_io *io)
{
	struct answers right = { 0 };
	unsigned int i;

	answers_io(call, io, &right);
	for (i = 0; i < right.nr; i++)
		if (!right.is[i])
			return true;
	return false;
}

static void answers_begin(const void *arg, const struct fuzz_call *call,
			  struct answers *right)
{
	const struct kvm_tdp_vfio_ios *begin = arg;
	unsigned int room = KVM_TDP_VFIO_MAX_IOS - box.nr, i, e;
	struct answers io = { 0 };

	answers_flags(arg, call, right);
	if (right->nr)
		return;
	for (i = 0; i < begin->nr; i++) {
		if (i % BATCH == 0 && !ios_readable(begin, i)) {
			may(right, -EFAULT);
			return;
		}
		if (i == room) {
			may(right, -ENOSPC);
			return;
		}
		if (!ios_writable(begin))
			may(right, -EFAULT);	/* none of them is left in flight */
		io.nr = 0;
		answers_io(call, &ios[i], &io);
		for (e = 0; e < io.nr; e++)
			if (io.is[e])
				may(right, io.is[e]);
		if (!io.nr || io.is[io.nr - 1])
			return;
	}
	if (!begin->nr || ios_writable(begin))
		may(right, 0);
}

/* A transfer is in flight from here on. */
static void io_flies(const struct fuzz_call *call, const struct kvm_tdp_vfio_io *io)
{
	struct box_io *known = &box.ios[io->id];
	const struct fuzz_vm *vm = call->file->vm;
	size_t page;

	*known = (struct box_io){
		.flies = true, .gpa = io->gpa, .last = io->gpa + io->length - 1,
		.flags = io->flags, .begun = ++box.time,
	};
	box.nr++;
	if (!vm || vm->owner != OWNER_SELF || !fuzz_is_admin || !one_in(4))
		return;
	/* What the device cannot reach now was taken from it since. */
	page = host_page(vm, call->file->as_id, io->gpa);
	if (page < FUZZ_RAM_PAGES)
		known->lost = box_translated(io->gpa & -PAGE_4K) != mem_hpa(host_hva(page));
}

static void done_begin(const void *arg, const void *after, int ret,
		       struct fuzz_call *call)
{
	const struct kvm_tdp_vfio_ios *asked = arg, *now = after;
	unsigned int i;

	/* They stand before those that were not begun, also if the struct says nothing. */
	for (i = 0; i < nr_ios && ios[i].id != NO_ID; i++) {
		if (ios[i].id >= KVM_TDP_VFIO_MAX_IOS || box.ios[ios[i].id].flies) {
			wrong("begin: id %u", ios[i].id);
			return;
		}
		if (ios[i].flags & HIT || !io_may_begin(call, &ios[i]))
			wrong("begin: done at %#llx + %#llx, %#x, where nothing may be had",
			      ios[i].gpa, ios[i].length, ios[i].flags);
		io_flies(call, &ios[i]);
	}
	if (now && ret != -E2BIG && ret != -EINVAL && now->done != i)
		wrong("begin: %u of %u, not %u, and %d", now->done, asked->nr, i, ret);
}

/* KVM_TDP_VFIO_DONE */

static uint32_t choose_id(void)
{
	uint32_t id = roll(KVM_TDP_VFIO_MAX_IOS), i;

	if (one_in(32))
		return odd_number();
	for (i = 0; i < KVM_TDP_VFIO_MAX_IOS; i++, id++)
		if (box.ios[id % KVM_TDP_VFIO_MAX_IOS].flies)
			break;
	return id % KVM_TDP_VFIO_MAX_IOS;
}

static void make_done(void *arg, struct fuzz_call *call)
{
	unsigned int nr = one_in(8) ? roll(3 * BATCH) : 1 + roll(8), i;
	struct kvm_tdp_vfio_ios *ends = arg;
	uint32_t id;

	/* Where it is full it becomes empty. */
	if (nr > box.nr && !one_in(8))
		nr = box.nr ? box.nr : 1;
	else if (box.nr > KVM_TDP_VFIO_MAX_IOS / 2)
		nr = box.nr;
	ends->ios = ios_choose(nr);
	ends->nr = one_in(32) ? nr + roll(40) : nr;
	for (i = 0, id = 0; i < nr; i++) {
		ios[i].flags = one_in(2) ? HIT : odd_direction();
		while (nr > 3 * BATCH && id < KVM_TDP_VFIO_MAX_IOS - 1 && !box.ios[id].flies)
			id++;
		ios[i].id = nr > 3 * BATCH ? id++ : choose_id();
	}
}

/* How many of them end, by what is in flight; the error is why not more. */
static unsigned int ios_to_end(const struct kvm_tdp_vfio_ios *ends, int *error)
{
	bool ended[KVM_TDP_VFIO_MAX_IOS] = { false };
	unsigned int i;
	uint32_t id;

	*error = 0;
	for (i = 0; i < ends->nr; i++) {
		if (i % BATCH == 0) {
			if (i && !ios_writable(ends))
				*error = -EFAULT;
			if (!ios_readable(ends, i))
				*error = -EFAULT;
			if (*error)
				return i;
		}
		id = ios[i].id;
		if (id >= KVM_TDP_VFIO_MAX_IOS || !box.ios[id].flies || ended[id])
			break;
		ended[id] = true;
	}
	if (i < ends->nr)
		*error = -ENOENT;
	if (i && !ios_writable(ends))
		*error = -EFAULT;
	return i;
}

static void answers_done(const void *arg, const struct fuzz_call *call,
			 struct answers *right)
{
	int error;

	answers_flags(arg, call, right);
	if (right->nr)
		return;
	ios_to_end(arg, &error);
	may(right, error);
}

/* Is the eventfd signalled, as it has to be for a hit, soon? */
static void check_told(const struct box_io *io)
{
	struct pollfd fd = { .fd = box.eventfd, .events = POLLIN };
	uint64_t nr;

	if (box.eventfd < 0 || io->begun < box.told)
		return;
	if (poll(&fd, 1, PATIENCE) != 1 || read(box.eventfd, &nr, sizeof(nr)) != sizeof(nr))
		wrong("done: it was hit, and the eventfd does not tell");
	box.told = ++box.time;
}

static void io_ended(const struct fuzz_call *call, uint32_t id, bool hit)
{
	struct box_io *io = &box.ios[id];

	if (io->lost && !hit)
		wrong("done: %#llx to %#llx, %#x, has lost memory, and was not hit",
		      (unsigned long long)io->gpa, (unsigned long long)io->last, io->flags);
	/* Of a child the page is another. */
	if (box.hits && !fuzz_in_child && !box.hits[id] != !hit)
		wrong("done: it was %shit, and its byte is %u", hit ? "" : "not ", box.hits[id]);
	if (hit)
		check_told(io);
	box_forget(io);
}

static void done_done(const void *arg, const void *after, int ret,
		      struct fuzz_call *call)
{
	const struct kvm_tdp_vfio_ios *ends = arg, *now = after;
	unsigned int i, nr;
	int error;

	if (ret == -E2BIG || (ret == -EINVAL && ends->flags))
		return;
	if (!now) {
		/* Some of them were ended, or none. */
		for (i = 0; i < nr_ios; i++) {
			vfio_done(&box.vfio, ios[i].id);
			if (ios[i].id < KVM_TDP_VFIO_MAX_IOS)
				box_forget(&box.ios[ios[i].id]);
		}
		return;
	}
	nr = ios_to_end(ends, &error);
	if (now->done != nr)
		wrong("done: %u of %u, not %u, and %d", now->done, ends->nr, nr, ret);
	for (i = 0; i < nr; i++) {
		if (ios_writable(ends))
			io_ended(call, ios[i].id, ios[i].flags & HIT);
		else
			box_forget(&box.ios[ios[i].id]);
	}
}

static bool writes_done(size_t offset)
{
	return offset >= offsetof(struct kvm_tdp_vfio_ios, done);
}

/* KVM_TDP_VFIO_MAP, KVM_TDP_VFIO_UNMAP */

static const struct box_own *own_at(uint64_t iova, uint64_t length)
{
	const struct box_own *own;

	for (own = box.own; own < box.own + BOX_OWN; own++)
		if (own->length && iova < own->iova + own->length && own->iova < iova + length)
			return own;
	return NULL;
}

static uint64_t odd_iova(void)
{
	if (one_in(16))
		return odd_number();
	if (one_in(16))
		return box.info.own_last + 1 - roll(3) * PAGE_4K;
	return box.info.own_first + (roll(BOX_OWN) - one_in(16)) * PAGE_4K;
}

static void make_map(void *arg, struct fuzz_call *call)
{
	struct kvm_tdp_vfio_map *map = arg;
	size_t first = roll(BOX_OWN_PAGES);

	map->flags = one_in(16) ? one_bit(32) : 1 + roll(3);
	map->iova = odd_iova();
	map->vaddr = (uintptr_t)box_memory + first * PAGE_4K;
	map->length = one_in(16) ? odd_number() : (1 + roll(3)) * PAGE_4K;
	if (one_in(16))
		map->vaddr = one_in(2) ? odd_pointer() : map->vaddr + roll(PAGE_4K);
}

static bool own_is_full(void)
{
	unsigned int i;

	for (i = 0; i < BOX_OWN && box.own[i].length; i++)
		;
	return i == BOX_OWN;
}

/* Of memory that is all ours, and can be written if it has to be. */
static bool own_can_pin(const struct kvm_tdp_vfio_map *map)
{
	size_t off = map->vaddr - (uintptr_t)box_memory;
	size_t pages = BOX_OWN_PAGES - !!(map->flags & WRITE);

	return off < pages * PAGE_4K && map->length <= pages * PAGE_4K - off;
}

static void answers_map(const void *arg, const struct fuzz_call *call,
			struct answers *right)
{
	const struct kvm_tdp_vfio_map *map = arg;

	if (fuzz_in_child)
		may(right, -EPERM);
	if (!map->flags || map->flags & ~(READ | WRITE) || !map->length ||
	    (map->iova | map->vaddr | map->length) % PAGE_4K ||
	    map->vaddr + map->length - 1 < map->vaddr ||
	    map->iova + map->length - 1 < map->iova)
		may(right, -EINVAL);
	if (map->iova < box.info.own_first || map->iova + map->length - 1 > box.info.own_last)
		may(right, -ERANGE);
	if (right->nr)
		return;
	if (!own_can_pin(map)) {
		may(right, -EFAULT);
		may(right, -ENOMEM);
	} else if (own_at(map->iova, map->length)) {
		may(right, -EEXIST);
	}
}

static void done_map(const void *arg, const void *after, int ret,
		     struct fuzz_call *call)
{
	const struct kvm_tdp_vfio_map *map = arg;
	struct box_own *own = box.own;

	if (ret)
		return;
	/* More than are kept in mind. */
	if (own_is_full()) {
		box_close();
		return;
	}
	while (own->length)
		own++;
	*own = (struct box_own){
		.iova = map->iova, .length = map->length,
		.vaddr = (uint8_t *)(uintptr_t)map->vaddr,
	};
}

static void make_unmap(void *arg, struct fuzz_call *call)
{
	struct kvm_tdp_vfio_unmap *unmap = arg;
	const struct box_own *own = &box.own[roll(BOX_OWN)];

	unmap->iova = own->length && !one_in(8) ? own->iova : odd_iova();
}

static void answers_unmap(const void *arg, const struct fuzz_call *call,
			  struct answers *right)
{
	const struct kvm_tdp_vfio_unmap *unmap = arg;
	const struct box_own *own = own_at(unmap->iova, 1);

	answers_flags(arg, call, right);
	if (!own || own->iova != unmap->iova)
		may(right, -ENOENT);
}

static void done_unmap(const void *arg, const void *after, int ret,
		       struct fuzz_call *call)
{
	const struct kvm_tdp_vfio_unmap *unmap = arg;
	struct box_own *own;

	if (ret)
		return;
	for (own = box.own; own < box.own + BOX_OWN; own++)
		if (own->length && own->iova == unmap->iova)
			own->length = 0;
	if (box_translated(unmap->iova))
		wrong("unmap: %#llx is still translated", unmap->iova);
}

/* KVM_TDP_VFIO_INFO */

static void done_info(const void *arg, const void *after, int ret,
		      struct fuzz_call *call)
{
	const struct kvm_tdp_vfio_info *info = after;
	const struct box_own *own;
	uint64_t bytes = 0;

	if (ret || !info)
		return;
	for (own = box.own; own < box.own + BOX_OWN; own++)
		bytes += own->length;
	if (info->own_bytes != bytes || info->own_first != box.info.own_first ||
	    info->own_last != box.info.own_last || info->gpa_last != box.info.gpa_last)
		wrong("info: %llu bytes of ours, at %#llx to %#llx, guests up to %#llx",
		      info->own_bytes, info->own_first, info->own_last, info->gpa_last);
	if (info->mapped % PAGE_4K || (info->mapped && !call->file->vm) ||
	    info->begun < box.nr)
		wrong("info: %llu mapped, %llu begun, %llu hits", info->mapped, info->begun,
		      info->hits);
}

static const int no_errors[] = { 0 };
static const int map_errors[] = { EPERM, ERANGE, EEXIST, ENOMEM, 0 };
static const int attach_errors[] = { EBUSY, EBADF, ESRCH, EPERM, 0 };
static const int detach_errors[] = { ENOTCONN, 0 };
static const int begin_errors[] = { ENOTCONN, ERANGE, ENOSPC, EACCES, EBUSY, EPERM, EAGAIN, 0 };
static const int done_errors[] = { ENOENT, 0 };

/* What an eventfd, or memory that is pinned, becomes is never left to another thread. */
const struct fuzz_op vfio_ops[] = {
	{ OP(VFIO_ATTACH, KVM_TDP_VFIO_ATTACH, VFIO, kvm_tdp_vfio_attach), .weight = 6,
	  .first = offsetof(struct kvm_tdp_vfio_attach, hits),
	  .pointer = offsetof(struct kvm_tdp_vfio_attach, hits), .silent = true,
	  .race = 0x2f, .errors = attach_errors, .make = make_attach,
	  .answers = answers_attach, .done = done_attach },
	{ OP(VFIO_DETACH, KVM_TDP_VFIO_DETACH, VFIO, kvm_tdp_vfio_detach), .weight = 1,
	  .silent = true, .race = 3, .errors = detach_errors, .make = make_nothing,
	  .answers = answers_detach, .done = done_detach },
	{ OP(VFIO_BEGIN, KVM_TDP_VFIO_BEGIN, VFIO, kvm_tdp_vfio_ios), .weight = 10,
	  .pointer = offsetof(struct kvm_tdp_vfio_ios, ios), .race = 0x33,
	  .errors = begin_errors, .make = make_begin, .answers = answers_begin,
	  .writes = writes_done, .writes_failing = writes_done, .done = done_begin },
	{ OP(VFIO_DONE, KVM_TDP_VFIO_DONE, VFIO, kvm_tdp_vfio_ios), .weight = 10,
	  .pointer = offsetof(struct kvm_tdp_vfio_ios, ios), .race = 0x33,
	  .errors = done_errors, .make = make_done, .answers = answers_done,
	  .writes = writes_done, .writes_failing = writes_done, .done = done_done },
	{ OP(VFIO_MAP, KVM_TDP_VFIO_MAP, VFIO, kvm_tdp_vfio_map), .weight = 4,
	  .pointer = offsetof(struct kvm_tdp_vfio_map, vaddr), .silent = true,
	  .errors = map_errors, .make = make_map, .answers = answers_map, .done = done_map },
	{ OP(VFIO_UNMAP, KVM_TDP_VFIO_UNMAP, VFIO, kvm_tdp_vfio_unmap), .weight = 3,
	  .silent = true, .errors = done_errors, .make = make_unmap,
	  .answers = answers_unmap, .done = done_unmap },
	{ OP(VFIO_INFO, KVM_TDP_VFIO_INFO, VFIO, kvm_tdp_vfio_info), .weight = 3,
	  .race = 3, .errors = no_errors, .make = make_nothing, .answers = answers_flags,
	  .writes = writes_all_else, .done = done_info },
	{ .name = NULL },
};
