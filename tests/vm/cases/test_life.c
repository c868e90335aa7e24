// SPDX-License-Identifier: GPL-2.0-only
/*
 * Births and deaths in every order: descriptors, VMs, processes, the module.
 * What is forgotten shows when the modules are unloaded at the end of a run.
 */
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bed.h"
#include "klog.h"
#include "sys.h"
#include "vmm.h"

#define SIZE	0x8000UL
#define WHOLE	(1UL << 40)
#define PATIENCE	20000

static struct bed bed;
static struct mem mem;

static void begin(void)
{
	mem_small(&mem, SIZE);
	bed_open(&bed);
	vm_map(&bed.vm, 1, GPA, &mem);
	if (guest_fill(&bed.vm, GPA, SIZE, GEN(1)) ||
	    dma_check(bed.dma, GPA, SIZE, GEN(1)))
		bail("the bed does not work");
}

static void end(void)
{
	bed_close(&bed);
	mem_free(&mem);
}

static void close_vcpu(void)
{
	/* The mapping holds the vCPU as well as the descriptor does. */
	munmap(bed.vm.run, bed.vm.run_size);
	close(bed.vm.vcpu);
}

static void close_vm(void)
{
	close(bed.vm.fd);
}

static void close_tdp(void)
{
	close(bed.tdp);
	bed.tdp = -1;
}

static void close_dma(void)
{
	close(bed.dma);
	bed.dma = -1;
}

/* What is still open still works, for the memory is there. */
static bool rest_works(void)
{
	int ret[2] = { 0 };

	must(madvise(mem.hva, SIZE, MADV_DONTNEED));
	if (bed.tdp >= 0)
		ret[0] = ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W);
	mem_fill(mem.hva, GPA, SIZE, GEN(2));
	if (bed.dma >= 0)
		ret[1] = dma_check(bed.dma, GPA, SIZE, GEN(2));
	if (ret[0] || ret[1])
		diag("prefault %d, engine %d", ret[0], ret[1]);
	return !ret[0] && !ret[1];
}

static void check_order(unsigned int order)
{
	static void (*const all[])(void) = {
		close_vcpu, close_vm, close_tdp, close_dma,
	};
	static const char names[] = "cvtd";
	unsigned int left[] = { 0, 1, 2, 3 }, n, pick;
	char text[5] = "";
	bool good = true;

	begin();
	for (n = 4; n; n--) {
		pick = order % n;
		order /= n;
		all[left[pick]]();
		text[4 - n] = names[left[pick]];
		for (; pick + 1 < n; pick++)
			left[pick] = left[pick + 1];
		good &= rest_works();
	}
	ok(good, "close in the order %s (vCPU, VM, TDP fd, DMA engine)", text);
	close(bed.vm.kvm);
	mem_free(&bed.vm.boot);
	mem_free(&mem);
}

static void test_orders(void)
{
	unsigned int order;

	for (order = 0; order < 24; order++)
		check_order(order);
}

static uint64_t root_of(int tdp)
{
	struct kvm_tdp_info info;

	return kvm_tdp_get_info(tdp, &info) ? 0 : info.root_hpa;
}

static void test_share(void)
{
	struct kvm_tdp_stats stats[2];
	struct vm other;
	int second, third;
	uint64_t root;

	begin();
	root = root_of(bed.tdp);
	second = kvm_tdp_create(bed.vm.fd, 0);
	ok(second >= 0, "a second TDP fd");
	ok(root, "there is a root");
	is(root_of(second), root, "it is the root of both");
	is(ktdp_prefault(second, GPA, SIZE, ACC_W), 0, "map through one");
	ok(ktdp_mapped(bed.tdp, GPA, SIZE), "seen through the other");
	stats[0] = ktdp_stats(bed.tdp);
	stats[1] = ktdp_stats(second);
	ok(!memcmp(&stats[0], &stats[1], sizeof(stats[0])), "counters are shared");
	vm_open(&other);
	third = kvm_tdp_create(other.fd, 0);
	ok(third >= 0, "TDP fd of another VM");
	ok(root_of(third) && root_of(third) != root, "has another root");
	ok(ktdp_absent(third, 0, WHOLE), "and maps nothing yet");
	close(bed.tdp);
	bed.tdp = second;
	is(root_of(second), root, "the root stays when the first fd is closed");
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "and all works");
	close(third);
	vm_close(&other);
	end();
}

static void test_again(void)
{
	int i, tdp, good = 0;

	begin();
	close_dma();
	close_tdp();
	vm_spin(&bed.vm, GPA, SIZE, GEN(1));
	for (i = 0; i < 30; i++) {
		tdp = kvm_tdp_create(bed.vm.fd, 0);
		good += tdp >= 0 && ktdp_counts_agree(tdp) &&
			!ktdp_prefault(tdp, GPA, SIZE, ACC_W) &&
			ktdp_mapped(tdp, GPA, SIZE);
		close(tdp);
	}
	vm_spin_stop(&bed.vm);
	is(good, 30, "create, map and close, again and again as the guest runs");
	is(guest_check(&bed.vm, GPA, SIZE, GEN(1)), 0, "guest's data is right");
	end();
}

static void test_dup(void)
{
	int copy;

	begin();
	copy = must(dup(bed.tdp));
	close_tdp();
	bed.tdp = copy;
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "a duplicate works alone");
	end();
}

/* A TDP fd in a process that never saw the VM. */
static void test_pass(void)
{
	int socks[2], tdp;
	pid_t pid;

	begin();
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks));
	pid = must(fork());
	if (!pid) {
		close(bed.tdp);
		close(bed.vm.fd);
		tdp = sys_recv_fd(socks[1]);
		_exit(tdp < 0 || ktdp_prefault(tdp, GPA, SIZE, ACC_W) ||
		      !ktdp_mapped(tdp, GPA, SIZE));
	}
	is(sys_send_fd(socks[0], bed.tdp), 0, "TDP fd sent over a socket");
	is(sys_wait_exit(pid, PATIENCE), 0, "its receiver maps the guest's memory");
	ok(ktdp_mapped(bed.tdp, GPA, SIZE), "which the sender sees");
	ok(bed_agrees(&bed, GPA, mem.hva, SIZE), "the sender's pages");
	close(socks[0]);
	close(socks[1]);
	end();
}

static void test_as_id(void)
{
	struct mem smm;
	int tdp;

	begin();
	mem_small(&smm, SIZE);
	tdp = kvm_tdp_create(bed.vm.fd, 1);
	ok(tdp >= 0, "TDP fd of SMM");
	ok(root_of(tdp) && root_of(tdp) != root_of(bed.tdp), "with a root of its own");
	is(ktdp_prefault(tdp, GPA, SIZE, ACC_R), -EFAULT, "normal memory is not SMM's");
	is(vm_slot(&bed.vm, 1 << 16 | 1, GPA, SIZE, smm.hva, 0), 0, "SMM memory");
	is(ktdp_prefault(tdp, GPA, SIZE, ACC_W), 0, "which can be mapped");
	is(ktdp_hpa(tdp, GPA), mem_hpa(smm.hva), "to the page of SMM");
	is(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W), 0, "as can normal memory");
	is(ktdp_hpa(bed.tdp, GPA), mem_hpa(mem.hva), "to its own page");
	must(madvise(smm.hva, SIZE, MADV_DONTNEED));
	ok(ktdp_absent(tdp, GPA, SIZE), "taking SMM's memory empties SMM's table");
	ok(ktdp_mapped(bed.tdp, GPA, SIZE), "and not the other");
	is(ktdp_prefault(tdp, GPA, SIZE, ACC_W), 0, "map again");
	is(vm_slot(&bed.vm, 1 << 16 | 1, 0, 0, NULL, 0), 0, "delete SMM's slot");
	ok(ktdp_absent(tdp, GPA, SIZE), "empties SMM's table");
	ok(ktdp_mapped(bed.tdp, GPA, SIZE), "and not the other");
	close(tdp);
	end();
	mem_free(&smm);
}

static void check_dead(const char *what, int tdp, int dma)
{
	uint64_t word;

	ok(ktdp_empties(tdp, PATIENCE), "%s: nothing is mapped", what);
	is(ktdp_prefault(tdp, GPA, PAGE_4K, ACC_R), -EPERM, "%s: fault", what);
	is(dma_read(dma, GPA, &word, 8, 0), -EPERM, "%s: engine reads", what);
	is(dma_write(dma, GPA, &word, 8, KVM_TDP_DMA_NOFAULT), -ENXIO,
	   "%s: engine holds nothing", what);
	ok(ktdp_counts_agree(tdp), "%s: counters agree", what);
	close(tdp);
	close(dma);
}

/* TDP fd and engine for a VM of another process. */
static void attach(struct vmm *vmm, int *tdp, int *dma)
{
	int fd = vmm_steal_fd(vmm);

	ok(fd >= 0, "take the VM fd");
	*tdp = kvm_tdp_create(fd, 0);
	ok(*tdp >= 0, "create a TDP fd for it");
	close(fd);
	*dma = dma_open();
	is(kvm_tdp_dma_attach(*dma, *tdp), 0, "attach an engine");
	is(dma_check(*dma, GPA, VMM_SIZE, VMM_GEN), 0,
	   "which reads what the guest wrote");
}

static void test_foreign(void)
{
	struct vmm vmm;
	int fd, tdp, dma;

	vmm_start(&vmm);
	fd = vmm_steal_fd(&vmm);
	ok(fd >= 0, "take the VM fd");
	is(sys_cap(CAP_SYS_PTRACE, false), 0, "drop CAP_SYS_PTRACE");
	is(kvm_tdp_create(fd, 0), -EIO, "without it no TDP fd of another's VM");
	is(sys_cap(CAP_SYS_PTRACE, true), 0, "raise it");
	attach(&vmm, &tdp, &dma);
	is(dma_fill(dma, GPA + VMM_SIZE / 2, PAGE_4K, GEN(4)), 0, "engine writes");
	is(dma_check(dma, GPA + VMM_SIZE / 2, PAGE_4K, GEN(4)), 0, "and reads");
	ok(vmm_kill(&vmm), "kill the VMM");
	is(kvm_tdp_create(fd, 0), -ENODEV, "then there is no other TDP fd");
	close(fd);
	check_dead("killed", tdp, dma);
}

/* A VMM's own child is not the VMM. */
static void test_inherited(void)
{
	pid_t pid;
	int ret;

	begin();
	pid = must(fork());
	if (!pid) {
		sys_cap(CAP_SYS_PTRACE, false);
		ret = kvm_tdp_create(bed.vm.fd, 0);
		_exit(ret == -EIO ? 0 : 1);
	}
	is(sys_wait_exit(pid, PATIENCE), 0, "EIO for a child with the VM fd");
	sys_cap(CAP_SYS_PTRACE, false);
	ret = kvm_tdp_create(bed.vm.fd, 0);
	ok(ret >= 0, "the VMM itself needs no capability");
	sys_cap(CAP_SYS_PTRACE, true);
	close(ret);
	end();
}

/* The VM outlives its process: there is nothing to export. */
static void test_create_dead(void)
{
	struct vmm vmm;
	int fd;

	vmm_start(&vmm);
	fd = vmm_steal_fd(&vmm);
	ok(fd >= 0, "take the VM fd");
	ok(vmm_kill(&vmm), "kill the VMM");
	is(kvm_tdp_create(fd, 0), -ENODEV, "no TDP fd of a dead process's VM");
	close(fd);
}

static void test_exit(void)
{
	struct vmm vmm;
	int tdp, dma;

	vmm_start(&vmm);
	attach(&vmm, &tdp, &dma);
	ok(vmm_exit(&vmm), "the VMM exits");
	check_dead("exit", tdp, dma);
}

static void test_exec(void)
{
	struct vmm vmm;
	int tdp, dma;

	vmm_start(&vmm);
	attach(&vmm, &tdp, &dma);
	ok(vmm_exec(&vmm), "the VMM becomes another program");
	check_dead("exec", tdp, dma);
	ok(vmm_kill(&vmm), "which can be killed");
}

struct killer {
	struct vmm *vmm;
	unsigned int delay;	/* us */
};

static void *killer_thread(void *arg)
{
	struct killer *killer = arg;

	usleep(killer->delay);
	kill(killer->vmm->pid, SIGKILL);
	return NULL;
}

/* Use the VM until it is gone; the error that said so. */
static int use_until_dead(int tdp, int dma, unsigned int *seed)
{
	char buf[2 * PAGE_4K] = { 0 };
	uint64_t gpa;
	int ret = 0;

	while (!ret) {
		gpa = GPA + rand_r(seed) % (VMM_SIZE - sizeof(buf));
		if (rand_r(seed) % 3 == 0)
			ret = ktdp_prefault(tdp, GPA, VMM_SIZE, ACC_W);
		else if (rand_r(seed) & 1)
			ret = dma_read(dma, gpa, buf, sizeof(buf), 0);
		else
			ret = dma_write(dma, gpa, buf, sizeof(buf), 0);
	}
	return ret;
}

static void start_killer(struct killer *killer, pthread_t *thread)
{
	must(-pthread_create(thread, NULL, killer_thread, killer));
}

/* Killed at work. */
static void check_kill_in_use(int round, struct killer *killer, unsigned int *seed)
{
	pthread_t thread;
	int tdp, dma;

	attach(killer->vmm, &tdp, &dma);
	start_killer(killer, &thread);
	is(use_until_dead(tdp, dma, seed), -EPERM,
	   "round %d, killed after %u us of use", round, killer->delay);
	pthread_join(thread, NULL);
	ok(vmm_kill(killer->vmm), "round %d: the VMM is gone", round);
	check_dead("killed", tdp, dma);
}

/* Killed as its table is made: each step has its own name for that. */
static void check_kill_in_create(int round, struct killer *killer,
				 unsigned int *seed)
{
	int fd = vmm_steal_fd(killer->vmm), dma = dma_open(), tdp, ret;
	pthread_t thread;

	start_killer(killer, &thread);
	tdp = kvm_tdp_create(fd, 0);
	if (tdp < 0) {
		is(tdp, -ENODEV, "round %d, killed before create", round);
	} else {
		ret = kvm_tdp_dma_attach(dma, tdp);
		if (ret)
			is(ret, -ESRCH, "round %d, killed before attach", round);
		else
			is(use_until_dead(tdp, dma, seed), -EPERM,
			   "round %d, killed after attach", round);
	}
	pthread_join(thread, NULL);
	ok(vmm_kill(killer->vmm), "round %d: the VMM is gone", round);
	if (tdp >= 0) {
		ok(ktdp_empties(tdp, PATIENCE), "round %d: nothing is mapped", round);
		close(tdp);
	}
	close(fd);
	close(dma);
}

static void test_random_kill(void)
{
	const char *given = getenv("KTDP_SEED");
	unsigned int seed = given ? strtoul(given, NULL, 0) : 1;
	struct killer killer;
	struct vmm vmm;
	int round;

	diag("KTDP_SEED=%u", seed);
	for (round = 0; round < 16; round++) {
		vmm_start(&vmm);
		killer.vmm = &vmm;
		killer.delay = rand_r(&seed) % 40000;
		if (round & 1)
			check_kill_in_create(round, &killer, &seed);
		else
			check_kill_in_use(round, &killer, &seed);
	}
}

/* The hooks stand while a TDP fd does, and without them there is none. */
static void test_ftrace(void)
{
	bool has_switch = sys_has_ftrace_switch();

	begin();
	is(sys_write(SYS_FTRACE, "0"), has_switch ? -EBUSY : -EOPNOTSUPP,
	   "hooks in use cannot be switched off");
	if (!has_switch) {
		end();
		return;
	}
	close_dma();
	close_tdp();
	is(sys_ftrace_off(), 0, "hooks not in use can");
	is(kvm_tdp_create(bed.vm.fd, 0), -EBUSY, "then there is no TDP fd");
	is(sys_write(SYS_FTRACE, "1"), 0, "switched on again");
	bed.tdp = kvm_tdp_create(bed.vm.fd, 0);
	ok(bed.tdp >= 0, "there is one");
	end();
}

static void test_unload(void)
{
	int copy;

	begin();
	is(sys_delete_module("kvm_tdp_dma"), -EWOULDBLOCK,
	   "kvm_tdp_dma stays while an engine is open");
	is(sys_delete_module("kvm_tdp"), -EWOULDBLOCK,
	   "kvm_tdp stays while an importer needs it");
	close_dma();
	is(sys_unload("kvm_tdp_dma"), 0, "kvm_tdp_dma goes without engines");
	is(sys_unload("kvm_tdp_mem"), 0, "kvm_tdp_mem goes without files");
	is(sys_delete_module("kvm_tdp"), -EWOULDBLOCK,
	   "kvm_tdp stays while a TDP fd is open");
	copy = must(dup(bed.tdp));
	close_tdp();
	is(sys_delete_module("kvm_tdp"), -EWOULDBLOCK,
	   "and while a duplicate is");
	is(ktdp_prefault(copy, GPA, SIZE, ACC_W), 0, "which works all the time");
	close(copy);
	is(sys_unload("kvm_tdp"), 0, "kvm_tdp goes, though the VM lives");
	is(guest_fill(&bed.vm, GPA, SIZE, GEN(3)), 0, "and runs on");
	vm_unmap(&bed.vm, 1);
	vm_map(&bed.vm, 1, GPA, &mem);
	is(guest_check(&bed.vm, GPA, SIZE, GEN(3)), 0, "as do its memslots");
	sys_modules();
	end();
	begin();
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "loaded again, all works");
	end();
}

/* As tests/kmod/args.c makes it: with an argument more, or no more. */
static void load_anew(bool more)
{
	is(sys_unload("kvm_tdp_dma"), 0, "kvm_tdp_dma goes");
	is(sys_unload("kvm_tdp_mem"), 0, "kvm_tdp_mem goes");
	is(sys_unload("kvm_tdp"), 0, "kvm_tdp goes");
	if (more)
		sys_module("ktdp_args", "/sys/module/ktdp_args");
	else
		is(sys_unload("ktdp_args"), 0, "ktdp_args goes");
	sys_modules();
}

static void check_eager(const char *what, unsigned int want)
{
	struct kvm_tdp_info info;

	begin();
	is(kvm_tdp_get_info(bed.tdp, &info), 0, "%s: info", what);
	is(info.eager, want, "%s: eager fill", what);
	ok(bed_works(&bed, GPA, mem.hva, SIZE, 2), "%s: all works", what);
	end();
}

/* KVM's tracepoint is left alone if it has another prototype. */
static void test_prototype(void)
{
	if (access("/proc/sys/kernel/unprivileged_bpf_disabled", F_OK)) {
		skip("prototype", "BPF");
		return;
	}
	load_anew(true);
	check_eager("another prototype", KVM_TDP_EAGER_NONE);
	load_anew(false);
	check_eager("the prototype", KVM_TDP_EAGER_ON);
}

static bool has_debugfs(int vm_fd)
{
	char path[80];

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d", getpid(), vm_fd);
	return !access(path, F_OK);
}

/*
 * KVM names a VM's directory by the number of its fd, and removes it with the VM,
 * which a TDP fd keeps.  So one with the same number, made meanwhile, has none.
 */
static void test_debugfs(void)
{
	int klog = klog_open(), vm, tdp;

	begin();
	ok(has_debugfs(bed.vm.fd), "a VM has a directory in debugfs");
	close_vcpu();
	close_vm();
	ok(has_debugfs(bed.vm.fd), "which stays as long as its TDP fd");
	vm = must(ioctl(bed.vm.kvm, KVM_CREATE_VM, 0));
	is(vm, bed.vm.fd, "another VM has the same number");
	is(klog_count(klog, "debugfs: duplicate directory"), 1,
	   "and no directory, as KVM says");
	tdp = kvm_tdp_create(vm, 0);
	ok(tdp >= 0, "it can be exported");
	close(tdp);
	close(vm);
	ok(has_debugfs(bed.vm.fd), "the directory is the first one's");
	close_dma();
	close_tdp();
	ok(!has_debugfs(bed.vm.fd), "and goes with its TDP fd");
	vm = must(ioctl(bed.vm.kvm, KVM_CREATE_VM, 0));
	ok(has_debugfs(vm), "the next VM has one again");
	close(vm);
	close(klog);
	close(bed.vm.kvm);
	mem_free(&bed.vm.boot);
	mem_free(&mem);
}

static const struct tap_case cases[] = {
	{ "orders", test_orders },
	{ "share", test_share },
	{ "again", test_again },
	{ "dup", test_dup },
	{ "pass", test_pass },
	{ "as_id", test_as_id },
	{ "foreign", test_foreign },
	{ "inherited", test_inherited },
	{ "create_dead", test_create_dead },
	{ "exit", test_exit },
	{ "exec", test_exec },
	{ "random_kill", test_random_kill },
	{ "ftrace", test_ftrace },
	{ "debugfs", test_debugfs },
	{ "unload", test_unload },
	{ "prototype", test_prototype },
};

int main(int argc, char **argv)
{
	vmm_main(argc, argv);
	return RUN_CASES(cases, argc, argv);
}
