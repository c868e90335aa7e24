// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may do what, and what he is told: the nodes, descriptors that are passed
 * on, capabilities of user namespaces; and no host physical address, kernel
 * pointer or byte of somebody else's in anything that reaches a caller without
 * CAP_SYS_ADMIN.
 *
 * To be run with slub_debug=P init_on_alloc=0, so that what was not written is
 * known by its poison.
 */
#include <ctype.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bed.h"
#include "klog.h"
#include "kmod.h"
#include "nobody.h"
#include "sys.h"
#include "uapi.h"

#define SIZE		0x10000UL
#define PAGES		(SIZE / PAGE_4K)
#define READ_ONLY_GPA	(GPA + PAGE_1G)
#define HOLE		(GPA + SIZE)
#define RULES		"/etc/60-kvm_tdp.rules"
#define TRACING		"/sys/kernel/tracing/events/kvm_tdp/"

static struct bed bed;
static struct mem mem;
static int dev;

/* What must not be told: frames, by their address. */
static uint64_t secrets[PAGES + 1];

/* Written by children, told by the parent. */
static struct report {
	unsigned int checked, unexpected, leaks, changed;
	char what[160];
} *report;

static void begin(void)
{
	struct kvm_tdp_info info;
	size_t i;

	bed_open(&bed);
	/* Not private, which a fork takes out of the table. */
	mem_shared(&mem, SIZE);
	for (i = 0; i < PAGES; i++)
		mem_fill(mem.hva + i * 5 % PAGES * PAGE_4K, i, PAGE_4K, GEN(1));
	vm_map(&bed.vm, 1, GPA, &mem);
	must(vm_slot(&bed.vm, 2, READ_ONLY_GPA, SIZE, mem.hva, KVM_MEM_READONLY));
	must(ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W));
	dev = must(open("/dev/kvm_tdp", O_RDWR));
	must(kvm_tdp_get_info(bed.tdp, &info));
	secrets[PAGES] = info.root_hpa;
	for (i = 0; i < PAGES; i++)
		secrets[i] = mem_hpa(mem.hva + i * PAGE_4K);
	report = sys_shared(sizeof(*report));
}

static void end(void)
{
	munmap(report, sizeof(*report));
	close(dev);
	bed_close(&bed);
	mem_free(&mem);
}

static bool is_poison(uint64_t word)
{
	return word == 0x6b6b6b6b6b6b6b6b || word == 0x5a5a5a5a5a5a5a5a ||
	       word == 0xbbbbbbbbbbbbbbbb || word == 0xcccccccccccccccc;
}

/* The direct map, vmalloc, page structs; text and modules. */
static bool is_pointer(uint64_t word)
{
	return (word >= 0xffff800000000000 && word < 0xfffff00000000000) ||
	       (word >= 0xffffffff80000000 && word < 0xffffffffff000000);
}

static bool is_secret(uint64_t word)
{
	size_t i;

	if (is_poison(word) || is_pointer(word))
		return true;
	for (i = 0; i <= PAGES; i++) {
		if (secrets[i] && ((word & -PAGE_4K) == secrets[i] ||
				   word == secrets[i] / PAGE_4K))
			return true;
	}
	return false;
}

/* What of @bytes was not in @before is told; members are aligned. */
static bool has_secret(const void *bytes, const void *before, size_t size)
{
	uint64_t word;
	size_t at;

	for (at = 0; at + 8 <= size; at += 8) {
		memcpy(&word, bytes + at, 8);
		if (memcmp(bytes + at, before + at, 8) && is_secret(word))
			return true;
	}
	return false;
}

/* The nodes. */

static int open_node(void)
{
	return sys(open("/dev/kvm_tdp", O_RDWR));
}

static int open_engine(void)
{
	return sys(open("/dev/kvm_tdp_dma", O_RDWR));
}

static void check_mode(const char *node, unsigned int mode)
{
	struct stat st;

	must(stat(node, &st));
	ok(S_ISCHR(st.st_mode), "%s is a char device", node);
	is(st.st_mode & 07777, mode, "%s has mode %#o", node, mode);
	is(st.st_uid, 0, "%s is root's", node);
	is(st.st_gid, 0, "%s has no group but root's yet", node);
}

static void test_nodes(void)
{
	check_mode("/dev/kvm_tdp", 0660);
	check_mode("/dev/kvm_tdp_mem", 0660);
	check_mode("/dev/kvm_tdp_dma", 0600);
	is(as_nobody(open_node), -EACCES, "nobody opens /dev/kvm_tdp");
	is(as_nobody(open_engine), -EACCES, "nobody opens /dev/kvm_tdp_dma");

	must(chown("/dev/kvm_tdp", 0, NOBODY));
	ok(as_nobody(open_node) > 0, "the group's members open /dev/kvm_tdp");
	must(chown("/dev/kvm_tdp", 0, 0));
	must(chmod("/dev/kvm_tdp_dma", 0666));
	is(as_nobody(open_engine), -EPERM,
	   "whatever its mode, nobody opens /dev/kvm_tdp_dma");
	is(as_ns_root(open_engine), -EPERM,
	   "nor does the root of a user namespace");
	must(chmod("/dev/kvm_tdp_dma", 0600));
}

/* The value of KEY=="VALUE" or KEY="VALUE" in a rule, of the length given. */
static bool rule_has(const char *rule, const char *key, const char *value)
{
	char item[64];

	snprintf(item, sizeof(item), "%s\"%s\"", key, value);
	return strstr(rule, item);
}

static void test_rule(void)
{
	char text[1024] = "", *rule = text;
	struct stat st;
	int fd = must(open(RULES, O_RDONLY));

	must(read(fd, text, sizeof(text) - 1));
	close(fd);
	while (*rule == '#')
		rule += strcspn(rule, "\n") + 1;
	ok(!strchr(rule, '\\') && strchr(rule, '\n') == strrchr(rule, '\n'),
	   "one rule");
	must(stat("/sys/class/misc/kvm_tdp", &st));
	ok(rule_has(rule, "SUBSYSTEM==", "misc"), "for the node's subsystem");
	ok(rule_has(rule, "KERNEL==", "kvm_tdp|kvm_tdp_mem"), "and the nodes' names");
	ok(rule_has(rule, "MODE=", "0660"), "the mode that the module gives it");
	ok(rule_has(rule, "GROUP=", "kvm"), "and the group of /dev/kvm");
}

/* User namespaces, and descriptors that are passed on. */

static int ask_for_hpa(void)
{
	struct kvm_tdp_info info;
	struct ktdp_map map;
	int told;

	must(kvm_tdp_get_info(bed.tdp, &info));
	ktdp_read_map(bed.tdp, GPA, SIZE, &map);
	told = info.root_hpa || map.nr != 1 || map.runs[0].hpa;
	ktdp_free_map(&map);
	return told;
}

static int export_vm(void)
{
	struct kvm_create_tdp_fd create = {
		.size = sizeof(create), .vm_fd = bed.vm.fd,
	};

	return sys(ioctl(dev, KVM_CREATE_TDP_FD, &create));
}

static int export_own_vm(void)
{
	struct kvm_create_tdp_fd create = { .size = sizeof(create) };

	create.vm_fd = must(ioctl(bed.vm.kvm, KVM_CREATE_VM, 0));
	return sys(ioctl(dev, KVM_CREATE_TDP_FD, &create));
}

static int prefault_all(void)
{
	return ktdp_prefault(bed.tdp, GPA, SIZE, ACC_W);
}

static int prefault_read_only(void)
{
	return ktdp_prefault(bed.tdp, READ_ONLY_GPA, PAGE_4K, ACC_W);
}

static int prefault_hole(void)
{
	return ktdp_prefault(bed.tdp, HOLE, PAGE_4K, ACC_R);
}

static int verify_all(void)
{
	struct kvm_tdp_verify verify;

	return kvm_tdp_verify_range(bed.tdp, 0, 1UL << 40, &verify);
}

static int read_by_engine(void)
{
	return dma_check(bed.dma, GPA, PAGE_4K, GEN(2));
}

static void test_passed(void)
{
	begin();
	is(ask_for_hpa(), 1, "root is told host physical addresses");
	is(as_nobody(ask_for_hpa), 0, "nobody with root's TDP fd is not");
	is(as_ns_root(ask_for_hpa), 0, "nor is the root of a user namespace");
	is(as_nobody(export_vm), -EIO, "nobody with root's VM and /dev/kvm_tdp");
	is(as_ns_root(export_vm), -EIO, "the root of a user namespace with both");
	is(as_nobody(export_own_vm), 0, "nobody exports a VM of his own");

	is(as_nobody(prefault_all), 0, "who has the TDP fd can fault in memory");
	is(as_nobody(prefault_read_only), -EACCES, "with the slot's access");
	is(as_nobody(prefault_hole), -EFAULT, "where there is a slot");
	is(verify_all(), 0, "root verifies the table");
	is(as_nobody(verify_all), -EPERM, "nobody with root's TDP fd may not");
	is(as_ns_root(verify_all), -EPERM, "nor may the root of a user namespace");
	is(guest_fill(&bed.vm, GPA, PAGE_4K, GEN(2)), 0, "the guest writes");
	is(as_nobody(read_by_engine), 0, "who has the engine's fd reads it");
	end();
}

/* What ioctls answer. */

static uint8_t data[2 * SIZE], none[2 * SIZE];

union arg {
	uint8_t bytes[512];
	struct kvm_create_tdp_fd create;
	struct kvm_tdp_info info;
	struct kvm_tdp_prefault prefault;
	struct kvm_tdp_map map;
	struct kvm_tdp_stats stats;
	struct kvm_tdp_verify verify;
	struct kvm_tdp_dma_rw rw;
	struct kvm_tdp_dma_copy copy;
	struct kvm_tdp_dma_stats dma;
};

#define REQ(number, on, member) \
	.name = #number, .nr = number, .fd = &(on), \
	.size = sizeof(((union arg *)0)->member), .arg.member
#define DATA	((uintptr_t)data)

static const struct request {
	const char *name;
	int *fd;
	unsigned long nr;
	size_t size;
	int want;
	union arg arg;		/* but for its size */
} requests[] = {
	{ REQ(KVM_CREATE_TDP_FD, dev, create) = { .vm_fd = -1 }, .want = -EBADF },
	{ REQ(KVM_CREATE_TDP_FD, dev, create) = { .vm_fd = 0 }, .want = -EINVAL },
	{ REQ(KVM_CREATE_TDP_FD, dev, create) = { .mode = 1 }, .want = -EINVAL },
	{ REQ(KVM_TDP_GET_INFO, bed.tdp, info) = { .flags = 0 } },
	{ REQ(KVM_TDP_GET_INFO, bed.tdp, info) = { .flags = 1 }, .want = -EINVAL },
	{ REQ(KVM_TDP_GET_STATS, bed.tdp, stats) = { .flags = 0 } },
	{ REQ(KVM_TDP_GET_STATS, bed.tdp, stats) = { .flags = 1 },
	  .want = -EINVAL },
	{ REQ(KVM_TDP_PREFAULT, bed.tdp, prefault) = {
		.gpa = GPA, .length = SIZE, .access = ACC_W } },
	{ REQ(KVM_TDP_PREFAULT, bed.tdp, prefault) = {
		.gpa = GPA, .length = 2 * SIZE, .access = ACC_W } },
	{ REQ(KVM_TDP_PREFAULT, bed.tdp, prefault) = {
		.gpa = HOLE, .length = SIZE, .access = ACC_W }, .want = -EFAULT },
	{ REQ(KVM_TDP_PREFAULT, bed.tdp, prefault) = {
		.gpa = GPA + 1, .length = SIZE, .access = ACC_W }, .want = -EINVAL },
	{ REQ(KVM_TDP_PREFAULT, bed.tdp, prefault) = {
		.gpa = READ_ONLY_GPA, .length = SIZE, .access = ACC_W },
	  .want = -EACCES },
	{ REQ(KVM_TDP_READ_MAP, bed.tdp, map) = {
		.length = 1UL << 40, .runs = DATA, .nr_runs = 100 } },
	{ REQ(KVM_TDP_READ_MAP, bed.tdp, map) = {
		.length = 1UL << 40, .runs = DATA, .nr_runs = 1 } },
	{ REQ(KVM_TDP_READ_MAP, bed.tdp, map) = {
		.gpa = HOLE, .length = SIZE, .runs = DATA, .nr_runs = 100 } },
	{ REQ(KVM_TDP_READ_MAP, bed.tdp, map) = {
		.length = 1UL << 40, .runs = DATA }, .want = -EINVAL },
	{ REQ(KVM_TDP_READ_MAP, bed.tdp, map) = {
		.length = 1UL << 40, .runs = 8, .nr_runs = 100 }, .want = -EFAULT },
	{ REQ(KVM_TDP_VERIFY, bed.tdp, verify) = { .length = 1UL << 40 },
	  .want = -EPERM },
	{ REQ(KVM_TDP_VERIFY, bed.tdp, verify) = { .length = 1 }, .want = -EINVAL },
	{ REQ(KVM_TDP_DMA_READ, bed.dma, rw) = {
		.gpa = GPA, .buf = DATA, .length = SIZE } },
	{ REQ(KVM_TDP_DMA_READ, bed.dma, rw) = {
		.gpa = HOLE - 100, .buf = DATA, .length = 200 }, .want = -EFAULT },
	{ REQ(KVM_TDP_DMA_READ, bed.dma, rw) = {
		.gpa = HOLE, .buf = DATA, .length = 200 }, .want = -EFAULT },
	{ REQ(KVM_TDP_DMA_READ, bed.dma, rw) = {
		.flags = KVM_TDP_DMA_NOFAULT, .gpa = HOLE, .buf = DATA,
		.length = 200 }, .want = -ENXIO },
	{ REQ(KVM_TDP_DMA_READ, bed.dma, rw) = {
		.gpa = GPA, .buf = 8, .length = 200 }, .want = -EFAULT },
	{ REQ(KVM_TDP_DMA_READ, bed.dma, rw) = {
		.gpa = GPA, .buf = DATA, .length = -1 }, .want = -EINVAL },
	{ REQ(KVM_TDP_DMA_COPY, bed.dma, copy) = {
		.src_gpa = GPA, .dst_gpa = HOLE - 100, .length = 200 },
	  .want = -EFAULT },
	{ REQ(KVM_TDP_DMA_STATS, bed.dma, dma) = { .flags = 0 } },
	{ REQ(KVM_TDP_DMA_STATS, bed.dma, dma) = { .flags = 1 }, .want = -EINVAL },
};

/* Bytes that the answer puts into @data. */
static size_t answer_size(const struct request *req, const union arg *arg)
{
	if (req->nr == KVM_TDP_READ_MAP && !req->want)
		return arg->map.nr_runs * sizeof(struct kvm_tdp_run);
	if (req->nr == KVM_TDP_DMA_READ)
		return arg->rw.done;
	return 0;
}

static void report_on(unsigned int *count, const struct request *req,
		      const char *what, int ret)
{
	if (!report->what[0])
		snprintf(report->what, sizeof(report->what), "%s, number %zu: %s (%d)",
			 req->name, (size_t)(req - requests), what, ret);
	++*count;
}

static void request(const struct request *req, uint8_t fill)
{
	union arg arg, before;
	size_t answer;
	int ret;

	memset(data, fill, sizeof(data));
	memset(&arg, fill, sizeof(arg));
	memcpy(&arg, &req->arg, req->size);
	arg.info.size = req->size;
	before = arg;
	ret = sys(ioctl(*req->fd, req->nr, &arg));
	if (ret != req->want)
		report_on(&report->unexpected, req, "not what was expected", ret);
	answer = answer_size(req, &arg);
	/* Guest memory, which DMA_READ is for, has the guest's pattern. */
	if (has_secret(&arg, &before, sizeof(arg)) ||
	    has_secret(data, none, answer))
		report_on(&report->leaks, req, "a secret", ret);
	if (answer > sizeof(data) ||
	    !uapi_all_are(data + answer, fill, sizeof(data) - answer))
		report_on(&report->changed, req, "bytes beyond the answer", ret);
	/* The engine tells what was done, also when it failed. */
	if (ret && *req->fd == bed.dma)
		arg.rw.done = before.rw.done;
	if (memcmp(arg.bytes + req->size, before.bytes + req->size,
		   sizeof(arg) - req->size) ||
	    (ret && memcmp(&arg, &before, sizeof(arg))))
		report_on(&report->changed, req, "bytes not the answer's", ret);
	report->checked++;
}

static int request_all(void)
{
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		request(&requests[i], 0xa5);
		request(&requests[i], 0x3c);
	}
	return 0;
}

static void test_answers(void)
{
	begin();
	is(as_nobody(request_all), 0, "nobody asks everything");
	is(report->checked, 2 * sizeof(requests) / sizeof(requests[0]),
	   "and has all the answers");
	is(report->unexpected, 0, "those that were expected");
	is(report->leaks, 0, "without a secret");
	is(report->changed, 0, "no other byte is written");
	if (report->what[0])
		diag("first: %s", report->what);
	memset(report, 0, sizeof(*report));
	request_all();
	ok(report->leaks, "root is told: the secrets are known when seen");
	end();
}

/* /proc/PID/fdinfo, tracepoints, the kernel log. */

static char fdinfo_path[64];

static int read_fdinfo(void)
{
	static char text[8192];
	int fd = sys(open(fdinfo_path, O_RDONLY));
	int ret;

	if (fd < 0)
		return fd;
	ret = sys(read(fd, text, sizeof(text) - 1));
	close(fd);
	return ret < 0 ? ret : 0;
}

/* Each number in the text, decimal or hexadecimal. */
static bool text_has_secret(const char *text)
{
	char *after;

	while (*text) {
		if (!isxdigit(*text)) {
			text++;
			continue;
		}
		if (is_secret(strtoull(text, &after, 10)) ||
		    is_secret(strtoull(text, &after, 16)))
			return true;
		text = after;
	}
	return false;
}

static int own_fdinfo_tells(void)
{
	char text[8192];

	sys_fdinfo(bed.tdp, text, sizeof(text));
	if (!strstr(text, "kvm_tdp_leaves_4k:\t16\n"))
		return 2;
	return text_has_secret(text);
}

static void test_fdinfo(void)
{
	begin();
	snprintf(fdinfo_path, sizeof(fdinfo_path), "/proc/%d/fdinfo/%d", getpid(),
		 bed.tdp);
	is(read_fdinfo(), 0, "root reads a TDP fd's fdinfo");
	is(as_nobody(read_fdinfo), -EACCES, "nobody reads root's");
	is(as_nobody(own_fdinfo_tells), 0, "nor is there a secret in his own");
	end();
}

static int trace_entries(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr),
		.sample_type = PERF_SAMPLE_RAW, .sample_period = 1,
		.config = report->checked,
	};
	int fd = sys(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));

	return fd < 0 ? fd : 0;
}

static int read_tracepoint(void)
{
	return sys(open(TRACING "kvm_tdp_set_entry/id", O_RDONLY));
}

static void test_tracepoints(void)
{
	begin();
	/* As upstream has it; Debian's default allows still less. */
	must(sys_write("/proc/sys/kernel/perf_event_paranoid", "1"));
	report->checked = sys_read_long(TRACING "kvm_tdp_set_entry/id");
	is(trace_entries(), 0, "root may trace entries, which are addresses");
	is(as_nobody(trace_entries), -EPERM, "nobody may not");
	is(as_nobody(read_tracepoint), -EACCES, "nor see the tracepoints");
	end();
}

/* The engine complains about an entry; an entry is an address. */
static void test_log(void)
{
	int klog = klog_open(), kmod = kmod_open(), handle, leaks = 0, lines = 0;
	uint64_t bad = 1ULL << 11, word;
	const char *text;

	begin();
	handle = must(kmod_get(kmod, bed.tdp));
	is(kmod_poke(kmod, handle, GPA / PAGE_4K, bad), 1, "spoil an entry");
	is(dma_read(bed.dma, GPA, &word, 8, KVM_TDP_DMA_NOFAULT), -EIO,
	   "the engine refuses it");
	is(kmod_poke(kmod, handle, GPA / PAGE_4K, bad), 1, "mend it");
	as_nobody(request_all);
	kmod_put(kmod, handle);
	close(kmod);
	end();
	while ((text = klog_next(klog))) {
		lines += !!strstr(text, "kvm_tdp");
		if (!text_has_secret(text))
			continue;
		diag("kernel log: %s", text);
		leaks++;
	}
	is(lines, 1, "the engine says so in the kernel log");
	is(leaks, 0, "no line there has a secret");
	close(klog);
}

static int audit_kmod;

static int no_slot(const struct kvm_tdp_slot *slot, void *unused)
{
	return 0;
}

static int no_run(const struct kvm_tdp_run *run, void *unused)
{
	return 0;
}

/* Calls of capable(), which has a no in the audit log: of what may be shown, and refused. */
static int show_all(void)
{
	const struct kmod_point at = { .symbol = "capable", .skip = KMOD_COUNT_ONLY };
	unsigned int shown, refused;
	struct kvm_tdp_verify verify;
	struct kvm_tdp_info info;

	kmod_stop(audit_kmod, 0, &at, gettid());
	must(kvm_tdp_get_info(bed.tdp, &info));
	ktdp_stats(bed.tdp);
	must(kvm_tdp_read_runs(bed.tdp, GPA, SIZE, no_run, NULL));
	must(kvm_tdp_read_slots(bed.tdp, 0, no_slot, NULL));
	shown = kmod_passes(audit_kmod, 0);
	kvm_tdp_verify_range(bed.tdp, GPA, SIZE, &verify);
	refused = kmod_passes(audit_kmod, 0) - shown;
	kmod_unstop(audit_kmod, 0);
	return 10 * shown + refused;
}

static void test_audit(void)
{
	audit_kmod = kmod_open();
	begin();
	is(as_nobody(show_all), 1, "only what is refused is for the audit log");
	end();
	close(audit_kmod);
}

static const struct tap_case cases[] = {
	{ "nodes", test_nodes },
	{ "rule", test_rule },
	{ "passed", test_passed },
	{ "answers", test_answers },
	{ "fdinfo", test_fdinfo },
	{ "tracepoints", test_tracepoints },
	{ "log", test_log },
	{ "audit", test_audit },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
