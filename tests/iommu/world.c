// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <sanitizer/common_interface_defs.h>

#include "tap.h"
#include "world.h"

#define FIBERS		12
#define STACK_SIZE	(256 << 10)
#define HUNG		200000		/* steps aside, one after the other */
#define ENDLESS		2000000		/* steps of a world */
#define HOLD_ENTRIES	64
#define NOTES		48

#define GIB		BIT_ULL(30)
#define LAST_GPA	(2 * GIB - 1)
#define POOL_HPA	0x100000ULL
#define POOL_PAGES	64
#define LEAF		BIT_ULL(7)
#define RESERVED	BIT_ULL(11)
#define NR_NAMES	(1 << 18)
#define MAX_GONE	8192

struct world world;
struct mm_struct vm_mm, other_mm;
struct iommu_domain vm_domain;

static u64 seed, rng;

/* splitmix64 */
u64 roll(u64 below)
{
	u64 z = rng += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (z ^ (z >> 31)) % below;
}

bool one_in(u64 sides)
{
	return !roll(sides);
}

/* The last of what happened */

static struct {
	const char *fiber;
	const char *what;
	u64 a, b, c;
} notes[NOTES];
static u64 nr_notes;

void note(const char *what, u64 a, u64 b, u64 c)
{
	__typeof__(*notes) *at = &notes[nr_notes++ % NOTES];

	at->fiber = world.self->name;
	at->what = what;
	at->a = a;
	at->b = b;
	at->c = c;
}

void die(const char *fmt, ...)
{
	char why[200];
	va_list args;
	u64 i;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	ok(false, "%s: %s", world.self->name, why);
	diag("SEED=%llu, before that:", seed);
	for (i = nr_notes > NOTES ? nr_notes - NOTES : 0; i < nr_notes; i++)
		diag("%-9s %s %#llx %#llx %#llx", notes[i % NOTES].fiber, notes[i % NOTES].what,
		     notes[i % NOTES].a, notes[i % NOTES].b, notes[i % NOTES].c);
	_Exit(done());
}

void shim_assert(bool good, const char *what)
{
	if (!good)
		die("not so: %s", what);
}

void world_warns(const char *fmt, ...)
{
	(void)fmt;
	world.warns++;
	if (!world.unit_fails)
		die("warns: %s", fmt);
}

void world_complains(const char *fmt, ...)
{
	(void)fmt;
	world.complaints++;
}

/* Fibers; the first is the program */

/* There with sanitizers alone, which want to know of each stack. */
#pragma weak __sanitizer_start_switch_fiber
#pragma weak __sanitizer_finish_switch_fiber

static struct {
	struct fiber fiber;
	void *sp;
	void *stack;
	size_t stack_size;
	bool background;
	bool is_over;
	/* An access of a device that is under way. */
	int latched_cell;
	u32 latched;
} fibers[FIBERS];
static unsigned int nr_fibers = 1, at_fiber;
static unsigned int steps_aside;

/* What a call keeps is on the stack that is left. */
__attribute__((naked, noinline)) static void fiber_switch(void **sp, void *to)
{
	asm("push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15\n\t"
	    "mov %rsp, (%rdi)\n\t"
	    "mov %rsi, %rsp\n\t"
	    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n\t"
	    "ret");
}

static void arrived(void *fake)
{
	const void *bottom;
	size_t size;

	if (!__sanitizer_finish_switch_fiber)
		return;
	__sanitizer_finish_switch_fiber(fake, &bottom, &size);
	if (fibers[0].stack)
		return;
	fibers[0].stack = (void *)bottom;
	fibers[0].stack_size = size;
}

static void go_to(unsigned int to)
{
	unsigned int from = at_fiber;
	void *fake = NULL;

	if (to == from)
		return;
	at_fiber = to;
	world.self = &fibers[to].fiber;
	if (__sanitizer_start_switch_fiber)
		__sanitizer_start_switch_fiber(fibers[from].is_over ? NULL : &fake,
					       fibers[to].stack, fibers[to].stack_size);
	fiber_switch(&fibers[from].sp, fibers[to].sp);
	arrived(fake);
}

static unsigned int any_fiber(void)
{
	unsigned int i;

	do
		i = roll(nr_fibers);
	while (fibers[i].is_over);
	return i;
}

void step(void)
{
	if (++world.nr_steps > ENDLESS)
		die("goes on for ever");
	if (!one_in(3))
		return;
	steps_aside = 0;
	go_to(any_fiber());
}

void step_aside(void)
{
	if (++steps_aside > HUNG)
		die("waits for what does not come");
	go_to(any_fiber());
}

static void fiber_main(void)
{
	arrived(NULL);
	world.self->run();
	fibers[at_fiber].is_over = true;
	for (;;)
		step_aside();
}

void fiber_start(const char *name, void (*run)(void), bool background)
{
	unsigned int i = nr_fibers++;
	void **sp;

	if (i == FIBERS)
		die("too many fibers");
	fibers[i].fiber = (struct fiber){ .name = name, .run = run, .first = ~0ULL };
	fibers[i].background = background;
	fibers[i].is_over = false;
	fibers[i].latched = 0;
	if (!fibers[i].stack)
		fibers[i].stack = malloc(STACK_SIZE);
	fibers[i].stack_size = STACK_SIZE;
	/* Registers, of which none matters, and where to go; as if by a call. */
	sp = fibers[i].stack + STACK_SIZE - 8 * sizeof(*sp);
	sp[6] = fiber_main;
	fibers[i].sp = sp;
}

static bool some_run(bool background)
{
	unsigned int i;

	for (i = 1; i < nr_fibers; i++)
		if (!fibers[i].is_over && fibers[i].background == background)
			return true;
	return false;
}

void fibers_run(void)
{
	while (some_run(false))
		step_aside();
	world.is_over = true;
	while (some_run(true))
		step_aside();
	nr_fibers = 1;
}

/* Locks */

void might_sleep(void)
{
	shim_assert(!world.self->spins && !world.self->in_rcu, "may sleep");
	step();
}

bool world_signal(void)
{
	return world.self->is_killed;
}

bool shim_holds(const struct fiber *owner)
{
	return owner == world.self;
}

static void check_hold_end(void);

void spin_lock(spinlock_t *lock)
{
	step();
	shim_assert(lock->owner != world.self, "the lock is not held already");
	while (lock->owner)
		step_aside();
	lock->owner = world.self;
	world.self->spins++;
	world.self->maps = 0;
	world.self->unmaps = 0;
	world.self->looks = 0;
	world.nr_holds++;
}

void spin_unlock(spinlock_t *lock)
{
	shim_assert(lock->owner == world.self, "the lock that is dropped is held");
	check_hold_end();
	lock->owner = NULL;
	world.self->spins--;
	step();
}

void mutex_lock(struct mutex *lock)
{
	might_sleep();
	while (lock->owner)
		step_aside();
	lock->owner = world.self;
}

int mutex_lock_killable(struct mutex *lock)
{
	if (world.self->is_killed)
		return -EINTR;
	mutex_lock(lock);
	return 0;
}

void mutex_unlock(struct mutex *lock)
{
	shim_assert(lock->owner == world.self, "the mutex is held");
	lock->owner = NULL;
	step();
}

void down_read(struct rw_semaphore *sem)
{
	might_sleep();
	while (sem->owner)
		step_aside();
	sem->readers++;
}

int down_read_killable(struct rw_semaphore *sem)
{
	if (world.self->is_killed)
		return -EINTR;
	down_read(sem);
	return 0;
}

void up_read(struct rw_semaphore *sem)
{
	shim_assert(sem->readers, "the sem is held");
	sem->readers--;
	step();
}

void down_write(struct rw_semaphore *sem)
{
	might_sleep();
	while (sem->owner || sem->readers)
		step_aside();
	sem->owner = world.self;
}

int down_write_killable(struct rw_semaphore *sem)
{
	if (world.self->is_killed)
		return -EINTR;
	down_write(sem);
	return 0;
}

void up_write(struct rw_semaphore *sem)
{
	shim_assert(sem->owner == world.self, "the sem is held for write");
	sem->owner = NULL;
	step();
}

void rcu_read_lock(void)
{
	world.self->in_rcu = true;
	step();
}

void rcu_read_unlock(void)
{
	step();
	world.self->in_rcu = false;
}

bool rcu_read_lock_held(void)
{
	return world.self->in_rcu;
}

/* Memory */

static unsigned int nr_allocated;

void *kzalloc(size_t size, gfp_t gfp)
{
	if (gfp & __GFP_DIRECT_RECLAIM)
		might_sleep();
	if (world.scarce && one_in(world.scarce))
		return NULL;
	if (++nr_allocated > XA_INDICES)
		die("allocates for ever");
	return calloc(1, size);
}

void kfree(void *p)
{
	nr_allocated -= !!p;
	free(p);
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	world.self->looks++;
	return index < XA_INDICES ? xa->at[index] : NULL;
}

void *xa_cmpxchg(struct xarray *xa, unsigned long index, void *old, void *new, gfp_t gfp)
{
	void *was;

	if (gfp & __GFP_DIRECT_RECLAIM)
		might_sleep();
	if (world.scarce && one_in(world.scarce))
		return ERR_PTR(-ENOMEM);
	was = xa->at[index];
	if (was == old)
		xa->at[index] = new;
	return was;
}

void shim_insert(struct rb_node *node, struct rb_root_cached *root)
{
	shim_assert(!node->linked, "a range is put into the tree once");
	node->linked = true;
	node->next = root->first;
	root->first = node;
}

void shim_remove(struct rb_node *node, struct rb_root_cached *root)
{
	struct rb_node **at = &root->first;

	shim_assert(node->linked, "what is taken out of the tree is in it");
	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	node->linked = false;
}

/* Where things are */

int cell_of(u64 gpa)
{
	u64 window = gpa / SZ_2M;

	if (window >= 512 && window < 514)
		window -= 508;
	else if (window >= 4)
		return -1;
	return window * WINDOW_PAGES + gpa / SZ_4K % WINDOW_PAGES;
}

u64 cell_gpa(unsigned int cell)
{
	u64 window = cell / WINDOW_PAGES;

	return (window < 4 ? window : window + 508) * SZ_2M + (u64)(cell % WINDOW_PAGES) * SZ_4K;
}

/* The first that is not below @gpa. */
static unsigned int cell_from(u64 gpa)
{
	u64 window = (gpa + SZ_4K - 1) / SZ_2M;

	if (gpa > LAST_GPA || window >= 514)
		return CELLS;
	if (window >= 4 && window < 512)
		return 4 * WINDOW_PAGES;
	return cell_of(gpa + SZ_4K - 1);
}

#define for_each_cell(cell, first, last) \
	for (cell = cell_from(first); cell < CELLS && cell_gpa(cell) <= (last); cell++)

/*
 * Memory of the host that is, or was, the guest's.  An entry has a name of it, and what
 * may be written to by one that is not to be so any more gets another name: the host
 * physical address of a byte is NAME << 30, and where the byte is in its gigabyte.
 */
struct memory {
	u64 gpa;
	u64 size;
	bool is_foreign;
};

struct name {
	struct memory *memory;
	bool no_write;
};

static struct memory memories[NR_NAMES];
static struct name names[NR_NAMES];
static u32 nr_names, nr_memories;

static u32 name_new(struct memory *memory)
{
	if (nr_names == NR_NAMES)
		die("out of names");
	names[nr_names] = (struct name){ .memory = memory };
	return nr_names++;
}

static u32 memory_new(u64 gpa, u64 size)
{
	struct memory *memory = &memories[nr_memories++];

	*memory = (struct memory){ .gpa = gpa, .size = size };
	return name_new(memory);
}

/* The table */

static u64 pool[POOL_PAGES][512];
static enum { PAGE_FREE, PAGE_USED } pool_state[POOL_PAGES];

bool pfn_valid(u64 pfn)
{
	return pfn;
}

static u64 *page_at(u64 hpa)
{
	u64 page = ((hpa & GENMASK_ULL(51, 12)) - POOL_HPA) >> 12;

	if (page >= POOL_PAGES || pool_state[page] != PAGE_USED)
		die("reads a table at %#llx, where there is none", hpa);
	return pool[page];
}

void *phys_to_virt(u64 hpa)
{
	step();
	return page_at(hpa);
}

static u64 bits_of(bool write)
{
	if (world.is_ept)
		return write ? 7 : 5;
	return write ? 7 : 5 | BIT_ULL(63);
}

static bool entry_writes(u64 entry)
{
	return entry & 2;
}

static u64 entry_table(unsigned int page)
{
	return (POOL_HPA + (u64)page * SZ_4K) | bits_of(true);
}

static u32 entry_name(u64 entry)
{
	return (entry & GENMASK_ULL(51, 30)) >> 30;
}

static u64 entry_leaf(u32 name, bool write)
{
	u64 gpa = names[name].memory->gpa, entry;

	entry = ((u64)name << 30) | (gpa & (GIB - 1)) | bits_of(write);
	if (names[name].memory->size > SZ_4K)
		entry |= LEAF;
	return world.is_damaged ? entry | RESERVED : entry;
}

static unsigned int page_get(void)
{
	unsigned int i;

	for (i = 0; i < POOL_PAGES; i++) {
		if (pool_state[i] == PAGE_FREE) {
			pool_state[i] = PAGE_USED;
			memset(pool[i], 0, sizeof(pool[i]));
			return i;
		}
	}
	die("out of table pages");
}

/* The root is page 0, below it is page 1. */
static u64 *entry_of_1g(u64 gpa)
{
	return &pool[1][gpa / GIB % 512];
}

/* The leaf there, or the entry where one could be; @size: of that. */
static u64 *table_find(u64 gpa, u64 *size)
{
	u64 *entry = entry_of_1g(gpa);

	*size = GIB;
	if (!*entry || *entry & LEAF)
		return entry;
	entry = &page_at(*entry)[gpa / SZ_2M % 512];
	*size = SZ_2M;
	if (!*entry || *entry & LEAF)
		return entry;
	*size = SZ_4K;
	return &page_at(*entry)[gpa / SZ_4K % 512];
}

bool table_has(u64 gpa, bool write)
{
	u64 size, entry = *table_find(gpa, &size);

	return entry && (!write || entry_writes(entry));
}

static struct kvm_exported_tdp_meta_svm svm;
static struct kvm_exported_tdp_meta_vmx vmx;

static void table_begin(void)
{
	int i;

	memset(pool_state, 0, sizeof(pool_state));
	page_get();
	pool[0][0] = entry_table(page_get());
	svm = (struct kvm_exported_tdp_meta_svm){
		.type = KVM_TDP_TYPE_NPT, .level = 4, .root_hpa = POOL_HPA,
		.max_huge_page_level = 3,
	};
	for (i = 0; i < 5; i++)
		svm.rsvd_bits_mask[0][i] = RESERVED;
	memcpy(svm.rsvd_bits_mask[1], svm.rsvd_bits_mask[0], sizeof(svm.rsvd_bits_mask[0]));
	vmx = (struct kvm_exported_tdp_meta_vmx){
		.type = KVM_TDP_TYPE_EPT, .level = 4, .root_hpa = POOL_HPA,
		.max_huge_page_level = 3,
	};
	memcpy(vmx.rsvd_bits_mask, svm.rsvd_bits_mask, sizeof(vmx.rsvd_bits_mask));
}

/* All of [gpa, gpa + size) that the guest has can be written to. */
static bool host_has_all(u64 gpa, u64 size)
{
	unsigned int cell;

	for_each_cell(cell, gpa, gpa + size - 1)
		if (world.host[cell] != HOST_RW)
			return false;
	return true;
}

/* Grant the access, in one piece. */
static void table_fill(u64 gpa, bool write)
{
	u64 size, *entry = table_find(gpa, &size);

	if (*entry) {
		/* The same memory: nobody is told. */
		if (write && !entry_writes(*entry))
			*entry = entry_leaf(name_new(names[entry_name(*entry)].memory), true);
		return;
	}
	if (size == GIB && (gpa < GIB || !world.has_1g || one_in(2) ||
			    !host_has_all(gpa & ~(GIB - 1), GIB))) {
		*entry = entry_table(page_get());
		entry = table_find(gpa, &size);
	}
	if (size == SZ_2M && (world.leaves == LEAVES_4K ||
			      (world.leaves == LEAVES_ANY && one_in(2)) ||
			      !host_has_all(gpa & ~(SZ_2M - 1ULL), SZ_2M))) {
		*entry = entry_table(page_get());
		entry = table_find(gpa, &size);
	}
	if (world.host[cell_of(gpa)] == HOST_RW && !world.grants_little)
		write |= one_in(2);
	*entry = entry_leaf(memory_new(gpa & ~(size - 1), size), write);
}

/* The exporter */

static struct kvm_tdp_importer_ops *importer;
static void *importer_data;
static unsigned int telling;

struct gone {
	struct memory *memory;	/* NULL: only writing by @name */
	u32 name;
};

/* All that a call has taken, and what others had when it began. */
struct taking {
	bool is_under_way;
	struct gone gone[MAX_GONE];
	unsigned int nr;
	unsigned int unlinked[WINDOWS + 2];
	unsigned int nr_unlinked;
	u64 first;
	u64 last;
};

static struct taking takings[FIBERS];

static void taking_add(struct taking *taking, struct memory *memory, u32 name)
{
	if (taking->nr == MAX_GONE)
		die("takes too much at once");
	taking->gone[taking->nr++] = (struct gone){ memory, name };
}

static bool overlaps(const struct memory *memory, u64 first, u64 last)
{
	return memory->gpa <= last && memory->gpa + memory->size - 1 >= first;
}

static void widen(struct taking *taking, const struct memory *memory)
{
	taking->first = min(taking->first, memory->gpa);
	taking->last = max(taking->last, memory->gpa + memory->size - 1);
}

/* Of a leaf that others are about to tell parts of, too, each call tells all. */
static void take_from_others(struct taking *taking)
{
	unsigned int i, j;

	for (i = 0; i < FIBERS; i++) {
		if (!takings[i].is_under_way || &takings[i] == taking)
			continue;
		for (j = 0; j < takings[i].nr; j++) {
			const struct gone *gone = &takings[i].gone[j];
			struct memory *memory = names[gone->name].memory;

			if (memory->is_foreign || !overlaps(memory, taking->first, taking->last))
				continue;
			taking_add(taking, gone->memory, gone->name);
			widen(taking, memory);
		}
	}
}

static void take_entry(struct taking *taking, u64 *entry, bool write_only)
{
	u32 name = entry_name(*entry);
	struct memory *memory = names[name].memory;

	if (!*entry || (write_only && !entry_writes(*entry)))
		return;
	widen(taking, memory);
	taking_add(taking, write_only ? NULL : memory, name);
	*entry = write_only ? entry_leaf(name_new(memory), false) : 0;
}

/* A table that goes as a whole keeps its entries: whoever reads it finds them. */
static void take_table(struct taking *taking, u64 *entry)
{
	u64 *page = page_at(*entry);
	unsigned int i;

	for (i = 0; i < 512; i++)
		if (page[i])
			taking_add(taking, names[entry_name(page[i])].memory, entry_name(page[i]));
	taking->unlinked[taking->nr_unlinked++] = (page - pool[0]) / 512;
	*entry = 0;
}

static void take_window(struct taking *taking, u64 gpa, bool write_only)
{
	u64 *of_1g = entry_of_1g(gpa), *entry, *page, first, last;

	if (!*of_1g || *of_1g & LEAF) {
		take_entry(taking, of_1g, write_only);
		return;
	}
	entry = &page_at(*of_1g)[gpa / SZ_2M % 512];
	if (!*entry || *entry & LEAF) {
		take_entry(taking, entry, write_only);
		return;
	}
	first = max(gpa, taking->first);
	last = min(gpa + SZ_2M - 1, taking->last);
	if (!write_only && first == gpa && last == gpa + SZ_2M - 1) {
		take_table(taking, entry);
		return;
	}
	for (page = page_at(*entry); first <= last; first += SZ_4K)
		take_entry(taking, &page[first / SZ_4K % 512], write_only);
}

static void cells_check(u64 first, u64 last);

/* What was taken has another owner; where its tables were there is anything. */
static void reuse(struct taking *taking)
{
	unsigned int i, page;

	for (i = 0; i < taking->nr; i++) {
		if (taking->gone[i].memory)
			taking->gone[i].memory->is_foreign = true;
		else
			names[taking->gone[i].name].no_write = true;
	}
	cells_check(taking->first, taking->last);
	for (i = 0; i < nr_fibers && taking->nr_unlinked; i++)
		while (fibers[i].fiber.in_rcu)
			step_aside();
	for (i = 0; i < taking->nr_unlinked; i++) {
		page = taking->unlinked[i];
		memset(pool[page], 0xff, sizeof(pool[page]));
		pool_state[page] = PAGE_FREE;
	}
}

static void tell(u64 first, u64 size)
{
	struct kvm_tdp_importer_ops *ops = importer;

	if (!ops)
		return;
	telling++;
	world.self->first = first;
	world.self->last = first + size - 1;
	/* As under KVM's lock. */
	world.self->spins++;
	step();
	ops->invalidate(importer_data, first, size);
	world.self->spins--;
	world.self->first = ~0ULL;
	world.self->last = 0;
	telling--;
}

void host_takes(u64 first, u64 last, bool write_only)
{
	struct taking *taking = &takings[at_fiber];
	unsigned int i;

	taking->is_under_way = true;
	taking->nr = 0;
	taking->nr_unlinked = 0;
	taking->first = first & ~(SZ_4K - 1ULL);
	taking->last = last | (SZ_4K - 1);
	note("takes", taking->first, taking->last, write_only);
	take_from_others(taking);
	for (i = 0; i < WINDOWS; i++) {
		u64 gpa = cell_gpa(i * WINDOW_PAGES);

		if (gpa <= taking->last && gpa + SZ_2M - 1 >= taking->first)
			take_window(taking, gpa, write_only);
	}
	if (!write_only && taking->first <= GIB && taking->last >= LAST_GPA &&
	    *entry_of_1g(GIB)) {
		taking->unlinked[taking->nr_unlinked++] =
			(page_at(*entry_of_1g(GIB)) - pool[0]) / 512;
		*entry_of_1g(GIB) = 0;
	}
	if (one_in(64))
		tell(0, ULONG_MAX);
	else
		tell(taking->first, taking->last - taking->first + 1);
	note("took", taking->first, taking->last, taking->nr);
	taking->is_under_way = false;
	reuse(taking);
}

void host_takes_all(void)
{
	host_takes(0, LAST_GPA, false);
}

static int fault(struct kvm_tdp_fd *tdp_fd, struct mm_struct *mm, unsigned long gfn,
		 struct kvm_tdp_fault_type type)
{
	u64 gpa = (u64)gfn << PAGE_SHIFT;
	int cell = cell_of(gpa);

	(void)tdp_fd;
	might_sleep();
	world.nr_faults++;
	if (mm && mm != &vm_mm)
		return -EINVAL;
	if (world.nr_faults == world.kill_at)
		world.self->is_killed = true;
	if (cell < 0 || world.host[cell] == HOST_NONE)
		return -EFAULT;
	if (type.write && world.host[cell] == HOST_RO)
		return -EACCES;
	if (!world.host_takes_back)
		table_fill(gpa, type.write);
	if (world.host_swaps)
		host_takes(gpa ^ SZ_4K, gpa ^ SZ_4K, false);
	note("fault", gpa, type.write, 0);
	step();
	return 0;
}

static int register_importer(struct kvm_tdp_fd *tdp_fd, struct kvm_tdp_importer_ops *ops,
			     void *data)
{
	(void)tdp_fd;
	might_sleep();
	if (importer)
		die("registers twice");
	importer = ops;
	importer_data = data;
	return 0;
}

static void unregister_importer(struct kvm_tdp_fd *tdp_fd, struct kvm_tdp_importer_ops *ops)
{
	(void)tdp_fd;
	might_sleep();
	if (importer != ops)
		die("unregisters what is not registered");
	importer = NULL;
	while (telling)
		step_aside();
	/* Nobody tells of what goes now. */
	if (world.nr_mapped)
		die("%u pages are mapped, and nobody tells of them any more", world.nr_mapped);
}

static void *get_metadata(struct kvm_tdp_fd *tdp_fd)
{
	(void)tdp_fd;
	return world.is_ept ? (void *)&vmx : (void *)&svm;
}

static const struct kvm_exported_tdp_ops tdp_ops = {
	.register_importer = register_importer,
	.unregister_importer = unregister_importer,
	.fault = fault,
	.get_metadata = get_metadata,
};

static struct kvm_tdp_fd the_tdp_fd = { .ops = &tdp_ops };

struct kvm_tdp_fd *kvm_tdp_fd_get(int fd)
{
	if (fd)
		return ERR_PTR(-EBADF);
	world.tdp_refs++;
	return &the_tdp_fd;
}

void kvm_tdp_fd_put(struct kvm_tdp_fd *tdp_fd)
{
	(void)tdp_fd;
	world.tdp_refs--;
}

/* The IOMMU */

struct translation {
	u32 name;		/* 0: none */
	bool write;
	bool is_large;
};

static struct translation domain[CELLS], iotlb[CELLS];
static bool had_small[WINDOWS];
/* Taken out, and not yet waited for. */
static bool unsynced[CELLS];
static unsigned int nr_unsynced;

/* As of AMD's driver: one queue for all domains. */
static struct fiber *unit_lock;
static bool unit_needs_sync;
static u64 queued_first, queued_last;

static void check_hold_end(void)
{
	if (nr_unsynced)
		die("drops the lock before the IOMMU has forgotten %u pages", nr_unsynced);
	if (world.self->maps > HOLD_ENTRIES || world.self->unmaps > HOLD_ENTRIES)
		die("%u entries put in and %u taken out in a hold", world.self->maps,
		    world.self->unmaps);
	if (world.self->looks > HOLD_ENTRIES)
		die("%u windows are looked at in a hold", world.self->looks);
}

static void check_translation(const struct translation *t, unsigned int cell, const char *where)
{
	if (t->name && names[t->name].memory->is_foreign)
		die("%s has what is somebody else's at %#llx", where, cell_gpa(cell));
	if (t->name && t->write && names[t->name].no_write)
		die("%s lets write at %#llx what may not be", where, cell_gpa(cell));
}

/* After an invalidate of [first, last] has returned. */
static void cells_check(u64 first, u64 last)
{
	unsigned int i, cell;

	for_each_cell(cell, first, last) {
		check_translation(&domain[cell], cell, "the domain");
		check_translation(&iotlb[cell], cell, "the IOMMU's cache");
	}
	for (i = 0; i < nr_fibers; i++)
		if (fibers[i].latched && names[fibers[i].latched].memory->is_foreign)
			die("a device's access is under way to what is somebody else's");
}

static unsigned int check_range(u64 iova, size_t size)
{
	if (iova % SZ_4K || size % SZ_4K || !size || cell_of(iova) < 0 ||
	    cell_of(iova + size - 1) != cell_of(iova) + (int)(size / SZ_4K) - 1)
		die("[%#llx, %#llx) is not the guest's", iova, iova + size);
	shim_assert(world.self->spins, "the lock is held over changes of the domain");
	return cell_of(iova);
}

int iommu_map(struct iommu_domain *of, u64 iova, u64 hpa, size_t size, int prot, gfp_t gfp)
{
	unsigned int cell = check_range(iova, size), i;
	u32 name = hpa >> 30;
	struct translation t = {
		.name = name, .write = prot & IOMMU_WRITE, .is_large = size == SZ_2M,
	};

	if (of != &vm_domain || !(prot & IOMMU_READ) || !(prot & IOMMU_CACHE))
		die("maps for %#x", prot);
	if (gfp & __GFP_DIRECT_RECLAIM)
		die("sleeps to map");
	if ((size != SZ_4K && size != SZ_2M) || iova % size || hpa % size)
		die("maps %#zx at %#llx, to %#llx", size, iova, hpa);
	step();
	if (world.unit_fails)
		return -EINVAL;
	if (world.no_memory || (world.scarce && one_in(world.scarce)))
		return -ENOMEM;
	if (!name || name >= nr_names || (hpa ^ iova) & (GIB - 1) ||
	    !overlaps(names[name].memory, iova, iova) ||
	    !overlaps(names[name].memory, iova + size - 1, iova + size - 1))
		die("maps %#llx to %#llx, which is not what is there", iova, hpa);
	for (i = cell; i < cell + size / SZ_4K; i++) {
		if (domain[i].name)
			die("maps %#llx, where something is", cell_gpa(i));
		domain[i] = t;
		check_translation(&t, i, "a map");
	}
	if (size == SZ_2M && had_small[cell / WINDOW_PAGES])
		die("maps 2M at %#llx, where 4K were", iova);
	had_small[cell / WINDOW_PAGES] |= size == SZ_4K;
	note(t.write ? "map for writing" : "map", iova, size, name);
	world.nr_mapped += size / SZ_4K;
	world.nr_large += size == SZ_2M;
	world.self->maps++;
	step();
	return 0;
}

/* As some drivers it leaves the gather as it is. */
size_t iommu_unmap_fast(struct iommu_domain *of, u64 iova, size_t size,
			struct iommu_iotlb_gather *gather)
{
	unsigned int cell = check_range(iova, size), i;
	bool is_large = domain[cell].is_large;

	if (of != &vm_domain)
		die("unmaps in another domain");
	/* Before and after: others may look at a mark meanwhile. */
	step();
	if (is_large && (size != SZ_2M || iova % SZ_2M))
		die("unmaps [%#llx, %#llx) of 2M", iova, iova + size);
	for (i = cell; i < cell + size / SZ_4K; i++) {
		if (!domain[i].name || domain[i].is_large != is_large)
			die("unmaps %#llx as it is not", cell_gpa(i));
		domain[i] = (struct translation){ 0 };
		unsynced[i] = true;
		nr_unsynced++;
	}
	world.nr_unmaps++;
	note("unmap", iova, size, is_large);
	world.nr_mapped -= size / SZ_4K;
	world.nr_large -= is_large;
	world.self->unmaps += is_large ? 1 : size / SZ_4K;
	step();
	return size;
}

static void unit_lock_get(void)
{
	while (unit_lock)
		step_aside();
	unit_lock = world.self;
}

/* Until neither its cache nor a device has any of [first, last]. */
static void unit_completes(u64 first, u64 last)
{
	unsigned int i;

	for_each_cell(i, first, last)
		iotlb[i] = (struct translation){ 0 };
	step();
	for (i = 0; i < nr_fibers; i++)
		while (fibers[i].latched && cell_gpa(fibers[i].latched_cell) >= first &&
		       cell_gpa(fibers[i].latched_cell) <= last)
			step_aside();
	for_each_cell(i, first, last) {
		nr_unsynced -= unsynced[i];
		unsynced[i] = false;
	}
}

static void unit_waits(void)
{
	u64 first, last;

	if (!unit_needs_sync)
		return;
	unit_lock_get();
	unit_needs_sync = false;
	first = queued_first;
	last = queued_last;
	step();
	unit_completes(first, last);
	queued_first = ~0ULL;
	queued_last = 0;
	step();
	unit_lock = NULL;
}

static void unit_queues(u64 first, u64 last)
{
	unit_lock_get();
	queued_first = min(queued_first, first);
	queued_last = max(queued_last, last);
	unit_needs_sync = true;
	unit_lock = NULL;
	step();
}

void iommu_iotlb_sync(struct iommu_domain *of, struct iommu_iotlb_gather *gather)
{
	if (of != &vm_domain || gather->start > gather->end)
		die("a sync of nothing");
	world.nr_syncs++;
	note("sync", gather->start, gather->end, nr_unsynced);
	step();
	unit_queues(gather->start, gather->end);
	unit_waits();
}

void other_domain_syncs(void)
{
	unit_queues(~0ULL, 0);
	unit_waits();
}

bool device_access(u64 gpa, bool write)
{
	unsigned int cell = cell_of(gpa);
	struct translation *cached = &iotlb[cell];

	if (!cached->name)
		*cached = domain[cell];
	if (!cached->name || (write && !cached->write))
		return false;
	fibers[at_fiber].latched = cached->name;
	fibers[at_fiber].latched_cell = cell;
	step();
	if (names[fibers[at_fiber].latched].memory->is_foreign ||
	    (write && names[fibers[at_fiber].latched].no_write))
		die("a device %s what is somebody else's at %#llx",
		    write ? "writes" : "reads", gpa);
	fibers[at_fiber].latched = 0;
	return true;
}

bool domain_has(u64 gpa, bool write)
{
	const struct translation *t = &domain[cell_of(gpa)];

	return t->name && (!write || t->write);
}

bool domain_is_large(u64 gpa)
{
	return domain[cell_of(gpa)].is_large;
}

bool takes_some(u64 first, u64 last)
{
	unsigned int cell;

	for_each_cell(cell, first & PAGE_MASK, last) {
		u64 from = cell_gpa(cell), to = from + SZ_4K - 1;

		if (!domain[cell].name)
			continue;
		if (domain[cell].is_large) {
			from &= ~(SZ_2M - 1ULL);
			to = from + SZ_2M - 1;
		}
		if (from <= world.self->last && to >= world.self->first)
			return true;
	}
	return false;
}

void world_begin(u64 with_seed)
{
	unsigned int cell;

	seed = with_seed;
	rng = with_seed;
	nr_notes = 0;
	nr_names = 1;
	nr_memories = 0;
	world = (struct world){ .self = &fibers[0].fiber };
	fibers[0].fiber = (struct fiber){ .name = "main", .first = ~0ULL };
	for (cell = 0; cell < CELLS; cell++)
		world.host[cell] = HOST_RW;
	memset(domain, 0, sizeof(domain));
	memset(iotlb, 0, sizeof(iotlb));
	memset(had_small, 0, sizeof(had_small));
	unit_needs_sync = false;
	queued_first = ~0ULL;
	queued_last = 0;
	table_begin();
}

void world_end(void)
{
	if (world.nr_mapped || nr_allocated || world.tdp_refs || importer)
		die("left: %u pages mapped, %u allocations, %u TDP fds", world.nr_mapped,
		    nr_allocated, world.tdp_refs);
	if (vm_mm.count || other_mm.count)
		die("a reference on an mm is left");
}
