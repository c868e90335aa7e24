// SPDX-License-Identifier: GPL-2.0-only
#include "proof.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dirty.h"

struct proof p;

/* KVM's notifier is older than ours, so it comes second. */
const struct kmod_point point_announced = {
	.symbol = "kvm:kvm_mmu_notifier_invalidate_range_start",
};

const struct kmod_point point_counted = {
	.symbol = "kvm_tdp:ktdp_kvm_walk_hva_range",
};

const struct kmod_point point_cleared = {
	.symbol = "kvm_tdp:ktdp_table_revoke", .at_return = true,
};

const struct kmod_point point_told = {
	.symbol = "kvm_tdp:ktdp_kvm_walk_hva_range", .at_return = true,
};

const struct kmod_point point_half_ended = {
	.symbol = "kvm:kvm_mmu_notifier_invalidate_range_end",
};

const struct kmod_point point_made = {
	.symbol = "__mmu_notifier_invalidate_range_end",
};

/* The heap must not grow, or shrink, while somebody holds mmap_lock. */
static void heap_settle(void)
{
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	free(memset(malloc(1 << 20), 1, 1 << 20));
}

void proof_start(void)
{
	heap_settle();
	actor_bind(0);
	actor_start(&p.filler, 1);
	actor_start(&p.host, 2);
	actor_start(&p.other, 0);
}

void proof_stop(void)
{
	actor_stop(&p.filler);
	actor_stop(&p.host);
	actor_stop(&p.other);
}

/*
 * KVM has its code and tables mapped then, and knows the vCPU's thread: for
 * another it would wait for an RCU grace period, and so for whoever is held.
 */
static int guest_boot(void)
{
	return guest_touch(&p.bed.vm, GPA + SPARE, 0);
}

void proof_open_vm(void (*get)(struct mem *mem, size_t size), size_t size)
{
	get(&p.mem, size);
	mem_fill(p.mem.hva, GPA, SPARE, GEN(1));
	p.hpa = mem_hpa(p.mem.hva);
	vm_open(&p.bed.vm);
	vm_add_vcpu(&p.bed.vm);
	vm_map(&p.bed.vm, SLOT, GPA, &p.mem);
	must(pipe(p.kept));
	p.bed.tdp = -1;
	p.bed.dma = -1;
	p.kmod = kmod_open();
	actor_begin(&p.filler, guest_boot);
	if (actor_end(&p.filler))
		bail("the guest does not run");
}

void proof_adopt(int tdp)
{
	if (tdp < 0)
		bail("no TDP fd: %d", tdp);
	p.bed.tdp = tdp;
	p.bed.dma = dma_open_on(tdp);
	p.handle = kmod_get(p.kmod, tdp);
	is(kmod_register(p.kmod, p.handle, 0), 0, T("register"));
	p.before = ktdp_stats(tdp);
}

void proof_attach(void)
{
	proof_adopt(kvm_tdp_create(p.bed.vm.fd, 0));
}

void proof_open(void)
{
	proof_open_vm(mem_small, SIZE);
	proof_attach();
}

void proof_close(void)
{
	check_agrees();
	ok(ktdp_counts_agree(p.bed.tdp), T("leaves are counted"));
	close(p.kept[0]);
	close(p.kept[1]);
	close(p.kmod);
	bed_close(&p.bed);
	mem_free(&p.mem);
}

void proof_hold(int stop, struct actor *actor, const struct kmod_point *at)
{
	kmod_stop(p.kmod, stop, at, actor->tid);
}

void proof_run_to(int stop, struct actor *actor, int (*run)(void))
{
	actor_begin(actor, run);
	ok(kmod_is_stopped(p.kmod, stop, ACTOR_PATIENCE), T("%s is held"),
	   stop == FILLER ? "filler" : "host");
}

void proof_go(int stop)
{
	ok(kmod_go(p.kmod, stop), T("%s was held until now"),
	   stop == FILLER ? "filler" : "host");
}

void proof_watch(struct actor *actor, const struct kmod_point *at)
{
	struct kmod_point count = *at;

	count.skip = KMOD_COUNT_ONLY;
	kmod_stop(p.kmod, WATCH, &count, actor->tid);
}

void proof_saw(unsigned int nr)
{
	if (!kmod_has_passed(p.kmod, WATCH, nr, ACTOR_PATIENCE))
		ok(false, T("came by"));
}

/*
 * A pipe has the page that is given back: it cannot come back as the new one, and
 * stays a page that could be mapped by who does not know.
 */
static void host_keep(void)
{
	struct iovec page = { p.mem.hva, PAGE_4K };

	must(vmsplice(p.kept[1], &page, 1, 0));
}

static void host_fill_new(void)
{
	mem_fill(p.mem.hva, GPA, PAGE_4K, GEN(2));
}

static int host_drop(void)
{
	int ret;

	host_keep();
	ret = sys(madvise(p.mem.hva, PAGE_4K, MADV_DONTNEED));
	host_fill_new();
	return ret;
}

static int host_replace(void)
{
	void *hva;

	host_keep();
	hva = mmap(p.mem.hva, PAGE_4K, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	host_fill_new();
	return hva == MAP_FAILED ? -errno : 0;
}

static int host_unmap(void)
{
	host_keep();
	return sys(munmap(p.mem.hva, PAGE_4K));
}

static int host_protect(void)
{
	return sys(mprotect(p.mem.hva, PAGE_4K, PROT_READ));
}

const struct change changes[NR_CHANGES] = {
	[DROP] = { "drop", host_drop, 0 },
	[REPLACE] = { "replace", host_replace, 0 },
	[UNMAP] = { "unmap", host_unmap, -EFAULT },
	[PROTECT] = { "protect", host_protect, -EACCES },
};

int slot_delete(void)
{
	return vm_slot(&p.bed.vm, SLOT, 0, 0, NULL, 0);
}

int slot_move(void)
{
	return vm_slot(&p.bed.vm, SLOT, MOVED, p.mem.size, p.mem.hva, 0);
}

int slot_read_only(void)
{
	int ret = slot_delete();

	return ret ? ret : vm_slot(&p.bed.vm, SLOT, GPA, p.mem.size, p.mem.hva,
				   KVM_MEM_READONLY);
}

int slot_log(void)
{
	return vm_slot(&p.bed.vm, SLOT, GPA, p.mem.size, p.mem.hva,
		       KVM_MEM_LOG_DIRTY_PAGES);
}

int slot_unlog(void)
{
	return vm_slot(&p.bed.vm, SLOT, GPA, p.mem.size, p.mem.hva, 0);
}

int slot_harvest(void)
{
	struct set set = set_of(0, 0);
	int ret = log_get(&p.bed.vm, SLOT, set.words);

	return ret ? ret : set_has(&set, 0);
}

void check_new(unsigned int gen)
{
	uint64_t hpa = ktdp_hpa(p.bed.tdp, GPA);

	ok(hpa && hpa == mem_hpa(p.mem.hva), T("the page is the host's"));
	ok(hpa != p.hpa, T("and not what it was"));
	is(dma_check(p.bed.dma, GPA, PAGE_4K, GEN(gen)), 0, T("its data"));
}

void check_absent(void)
{
	ok(ktdp_absent(p.bed.tdp, GPA, PAGE_4K), T("the page is not mapped"));
}

void check_agrees(void)
{
	ok(bed_agrees(&p.bed, GPA, p.mem.hva, p.mem.size),
	   T("what is mapped is the host's"));
}

void check_told(void)
{
	ok(kmod_covered(p.kmod, 0, GPA, PAGE_4K), T("the importer was told"));
}
