// SPDX-License-Identifier: GPL-2.0-only
/* kvm-tdp against a VM of this process, which is the VMM. */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "corefile.h"
#include "ktdp.h"
#include "sys.h"
#include "tap.h"
#include "vm.h"

#define RAM_GPA		0x400000UL
#define RAM_SIZE	(6UL << 20)	/* more than one piece of a search */
#define HIGH_GPA	0x100000000UL	/* found only if holes are stepped over */
#define HIGH_SIZE	0x30000UL
#define TOTAL_SIZE	(VM_BOOT_SIZE + RAM_SIZE + HIGH_SIZE)
#define NEEDLE		"the needle in the guest"
#define TOLD		"/tmp/host-took-memory"
#define NOBODY		65534

static struct vm vm;
static struct mem ram, high;

static void begin(void)
{
	vm_open(&vm);
	/* Shared: cli() forks, which takes private memory out of the table. */
	mem_memfd(&ram, RAM_SIZE);
	mem_shared(&high, HIGH_SIZE);
	vm_map(&vm, 1, RAM_GPA, &ram);
	vm_map(&vm, 2, HIGH_GPA, &high);
}

static void end(void)
{
	vm_close(&vm);
	mem_free(&ram);
	mem_free(&high);
}

/* What the last call printed, errors included. */
static char out[65536];

static void cli_exec(uid_t uid, const char *command)
{
	if (uid)
		must(setuid(uid));
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(99);
}

static void cli_read(int fd)
{
	size_t n = 0;
	ssize_t ret;

	while (n < sizeof(out) - 1) {
		ret = read(fd, out + n, sizeof(out) - 1 - n);
		if (ret < 0 && errno == EINTR)	/* by the handler below */
			continue;
		if (ret <= 0)
			break;
		n += ret;
	}
	out[n] = 0;
}

/* Exit status of "kvm-tdp ARGUMENTS", and what it printed in @out. */
static int cli_as(uid_t uid, const char *arguments)
{
	char command[1100];
	int pipes[2], status;
	pid_t pid;

	snprintf(command, sizeof(command), "exec 2>&1; kvm-tdp %s", arguments);
	must(pipe(pipes));
	pid = must(fork());
	if (!pid) {
		dup2(pipes[1], 1);
		close(pipes[0]);
		close(pipes[1]);
		cli_exec(uid, command);
	}
	close(pipes[1]);
	cli_read(pipes[0]);
	close(pipes[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The same, with "--pid" and this process put after the first word. */
static int TAP_PRINTF(1, 2) cli(const char *fmt, ...)
{
	char arguments[900], with_pid[1000];
	va_list ap;
	int word;

	va_start(ap, fmt);
	vsnprintf(arguments, sizeof(arguments), fmt, ap);
	va_end(ap);
	word = strcspn(arguments, " ");
	snprintf(with_pid, sizeof(with_pid), "%.*s --pid %d%s", word, arguments,
		 getpid(), arguments + word);
	return cli_as(0, with_pid);
}

/* The beginning, fit for a line of TAP. */
static const char *quote(const char *text)
{
	static char quoted[120];
	size_t i;

	for (i = 0; i < sizeof(quoted) - 1 && text[i]; i++)
		quoted[i] = text[i] < ' ' ? ' ' : text[i];
	quoted[i] = 0;
	return quoted;
}

static void has(const char *text)
{
	if (!ok(strstr(out, text), "prints '%s'", quote(text)))
		diag("printed: %s", quote(out));
}

static void has_not(const char *text)
{
	if (!ok(!strstr(out, text), "does not print '%s'", quote(text)))
		diag("printed: %s", quote(out));
}

static void is_printed(const char *text)
{
	if (!ok(!strcmp(out, text), "prints just '%s'", quote(text)))
		diag("printed: %s", quote(out));
}

static void test_errors(void)
{
	char text[64];

	begin();
	is(cli_as(0, "info --pid 999999"), 1, "no such process");
	has("kvm-tdp: process 999999: no such process");
	is(cli_as(0, "info --pid 1"), 1, "a process without a VM");
	has("kvm-tdp: process 1: has no VM");
	snprintf(text, sizeof(text), "info --pid %d", getpid());
	is(cli_as(NOBODY, text), 1, "without permission");
	has("run as root");
	is(cli_as(0, "info"), 2, "no pid");
	is(cli("frobnicate"), 2, "no such command");
	is(cli("info --frobnicate"), 2, "no such option");
	is(cli("info --vm 1"), 1, "no such VM");
	has("has no VM 1");
	is(cli("read --gpa 0x%lx --length 16", RAM_GPA + RAM_SIZE), 1,
	   "read a hole");
	has("no guest RAM there");
	is(cli("prefault --gpa 0x%lx --length 4K", RAM_GPA + RAM_SIZE), 1,
	   "prefault a hole");
	has("the guest has no RAM there");
	must(mprotect(high.hva, HIGH_SIZE, PROT_NONE));
	is(cli("prefault --gpa 0x%lx --length 64K", HIGH_GPA), 1,
	   "prefault what the VMM may not touch");
	has("0 mapped, 64K skipped\nkvm-tdp: none of it could be mapped\n");
	is(cli("info >/dev/full"), 1, "no room for the output");
	end();
}

static void test_list(void)
{
	struct vm second;
	char text[160];
	int twin, tdp;

	begin();
	twin = must(fcntl(vm.fd, F_DUPFD_CLOEXEC, 0));
	is(cli_as(0, "list"), 0, "list");
	snprintf(text, sizeof(text), "%7d   0  test_cli             0          -  -\n", getpid());
	has(text);
	snprintf(text, sizeof(text), "%7d   1  test_cli ", getpid());
	has_not(text);
	vm_add_vcpu(&vm);
	tdp = must(kvm_tdp_create(vm.fd, 0));
	must(ktdp_prefault(tdp, RAM_GPA, 0x10000, ACC_R));
	is(cli_as(0, "list"), 0, "list, with a TDP fd");
	snprintf(text, sizeof(text), "%7d   0  test_cli             1        64K  %d\n", getpid(),
		 getpid());
	has(text);
	close(tdp);
	must(prctl(PR_SET_NAME, "\033[31m\xc3\xbc"));
	is(cli_as(0, "list"), 0, "list, of one with a wild name");
	snprintf(text, sizeof(text), "%7d   0  ?[31m?? ", getpid());
	has(text);
	must(prctl(PR_SET_NAME, "test_cli"));

	vm_open(&second);
	is(cli_as(0, "list --json"), 0, "list, two VMs, JSON");
	snprintf(text, sizeof(text), "{ \"pid\": %d, \"vm\": 1, \"comm\": \"test_cli\", \"vcpus\": 1, \"mapped\": 0, \"holders\": [ ] }\n]\n",
		 getpid());
	has(text);
	is(cli("info"), 1, "which of two VMs?");
	has("has 2 VMs; choose one with --vm 0 to --vm 1");
	is(cli("prefault --vm 0 --gpa 0x%lx --length 4K", RAM_GPA), 0,
	   "the first has that memory");
	is(cli("prefault --vm 1 --gpa 0x%lx --length 4K", RAM_GPA), 1,
	   "the second has not");
	vm_close(&second);
	close(twin);
	end();
}

static void test_name(void)
{
	char text[160];
	pid_t twin;

	begin();
	is(cli_as(0, "info --pid test_cli"), 0, "a name in place of the number");
	has("levels  ");
	is(cli_as(0, "info --pid test_cl"), 1, "a name that none has");
	snprintf(text, sizeof(text), "has that name: %d test_cli\n", getpid());
	has(text);
	/* It has the VM's fd. */
	twin = must(fork());
	if (!twin) {
		pause();
		_exit(0);
	}
	is(cli_as(0, "info --pid test_cli"), 1, "a name of two");
	snprintf(text, sizeof(text), "more than one of the processes with a VM has that name: %d test_cli, %d test_cli\n",
		 getpid(), twin);
	has(text);
	kill(twin, SIGKILL);
	waitpid(twin, NULL, 0);
	end();
}

static void test_info(void)
{
	struct kvm_tdp_info info;
	char text[64];
	int tdp;

	begin();
	tdp = must(kvm_tdp_create(vm.fd, 0));
	must(kvm_tdp_get_info(tdp, &info));
	is(cli("info"), 0, "info");
	snprintf(text, sizeof(text), "root_hpa      0x%llx\n", info.root_hpa);
	has(text);
	has(info.type == KVM_TDP_FORMAT_NPT ? "format        NPT\n" :
					      "format        EPT\n");
	is(cli("info -j"), 0, "info, JSON");
	snprintf(text, sizeof(text), "\"root_hpa\": \"0x%llx\"", info.root_hpa);
	has(text);
	snprintf(text, sizeof(text), "\"levels\": %u,", info.level);
	has(text);
	is(cli("info --as-id 1 -j"), 0, "info, the other address space");
	has("\"as_id\": 1");
	snprintf(text, sizeof(text), "\"root_hpa\": \"0x%llx\"", info.root_hpa);
	has_not(text);
	close(tdp);
	end();
}

/* The raw map as it has to be. */
static void format_map(int tdp, char *text, size_t size)
{
	struct ktdp_map map;
	size_t i, n = 0;

	ktdp_read_map(tdp, 0, 1UL << 40, &map);
	for (i = 0; i < map.nr && n < size; i++)
		n += snprintf(text + n, size - n,
			      "0x%llx\t0x%llx\t%u\t%c%c%c\t0x%llx\n",
			      map.runs[i].gpa, map.runs[i].length,
			      map.runs[i].level,
			      map.runs[i].access & ACC_R ? 'r' : '-',
			      map.runs[i].access & ACC_W ? 'w' : '-',
			      map.runs[i].access & ACC_X ? 'x' : '-',
			      map.runs[i].hpa);
	ktdp_free_map(&map);
}

static void test_slots(void)
{
	char text[160];
	int tdp, dma;

	begin();
	must(vm_slot(&vm, 3, HIGH_GPA + PAGE_1G, PAGE_4K, ram.hva, KVM_MEM_READONLY));
	is(cli("slots"), 0, "slots");
	snprintf(text, sizeof(text), "0x000000400000-0x0000009fffff        6M  -             shmem    %p\n",
		 ram.hva);
	has(text);
	snprintf(text, sizeof(text), "        4K  ro            shmem    %p\n", ram.hva);
	has(text);
	is(cli("slots -j"), 0, "slots, JSON");
	snprintf(text, sizeof(text), "{ \"gpa\": \"0x100000000\", \"length\": %lu, \"flags\": [ ], \"backing\": \"shmem\", \"hva\": \"%p\" }",
		 HIGH_SIZE, high.hva);
	has(text);

	is(cli("importers"), 0, "importers");
	is_printed("no driver uses the table\n");
	tdp = must(kvm_tdp_create(vm.fd, 0));
	close(dma_open_on(tdp));
	is(cli("importers -j"), 0, "one that has gone, JSON");
	is_printed("[]\n");
	dma = dma_open_on(tdp);
	is(cli("importers"), 0, "importers");
	snprintf(text, sizeof(text), "kvm_tdp_dma               %7d  test_cli         0\n",
		 getpid());
	has(text);
	close(dma);
	close(tdp);
	end();
}

static void test_map(void)
{
	static char want[sizeof(out)];
	int tdp;

	begin();
	is(cli("map"), 0, "map of a table just made");
	has("nothing is mapped there");
	has("kvm-tdp: the table is new, and goes with this command; ");
	is(cli("stat"), 0, "stat of such a table");
	has("kvm-tdp: the table is new");
	is(cli("stat -j"), 0, "stat of such a table, JSON");
	has_not("new");
	is(cli("map --raw"), 0, "the same, raw");
	is_printed("");
	is(cli("map --json"), 0, "the same, JSON");
	is_printed("[]\n");
	is(cli("map --prefault | tail -n 1"), 0, "map --prefault");
	snprintf(want, sizeof(want), " %luK mapped\n", TOTAL_SIZE >> 10);
	has(want);
	is(cli("map --prefault --gpa 0x%lx --length 64K", HIGH_GPA), 0,
	   "map --prefault of a range");
	has("0x000100000000-");
	has(" 64K mapped\n");

	tdp = must(kvm_tdp_create(vm.fd, 0));
	memset(high.hva, 1, HIGH_SIZE);
	is(ktdp_prefault(tdp, HIGH_GPA, HIGH_SIZE, ACC_W), 0, "prefault");
	is(ktdp_prefault(tdp, RAM_GPA, 0x10000, ACC_R), 0, "prefault");
	format_map(tdp, want, sizeof(want));
	is(cli("map --raw"), 0, "map, raw");
	is_printed(want);
	is(cli("map --raw --gpa 0x%lx --length 4K", HIGH_GPA + 0x1000), 0,
	   "map of one page");
	has("0x100001000\t0x1000\t1\trw");
	close(tdp);
	end();
}

#define PICTURE	"/tmp/map.svg"

static void test_picture(void)
{
	char *before = strdup(getenv("PATH"));
	unsigned long mapped = 0, writable = 0;
	struct ktdp_map map;
	char text[160];
	size_t i;
	int tdp;

	begin();
	tdp = must(kvm_tdp_create(vm.fd, 0));
	memset(high.hva, 1, HIGH_SIZE);
	is(ktdp_prefault(tdp, HIGH_GPA, HIGH_SIZE, ACC_W), 0, "prefault");
	is(ktdp_prefault(tdp, RAM_GPA, 0x10000, ACC_R), 0, "prefault");
	ktdp_read_map(tdp, 0, 1UL << 40, &map);
	for (i = 0; i < map.nr; i++) {
		mapped += map.runs[i].length;
		writable += map.runs[i].access & ACC_W ? map.runs[i].length : 0;
	}
	ktdp_free_map(&map);

	is(cli("map --svg " PICTURE), 0, "map, a picture");
	is_printed("");
	sys_run("mkdir /tmp/picture && cp " PICTURE " /tmp/picture/svg");
	is(cli("info >/dev/null; cat " PICTURE), 0, "its file");
	snprintf(text, sizeof(text), ">VM of process %d (test_cli): 6.2M of memory, %luK of it mapped<",
		 getpid(), mapped >> 10);
	has(text);
	snprintf(text, sizeof(text), ">4K: %luK<", writable >> 10);
	has(text);
	has(">0x100000000</text>");
	has("</svg>\n");
	is(cli("map --svg - --gpa 0x%lx --length 64K", HIGH_GPA), 0, "of a range");
	has(">VM of process ");
	has(": 64K of memory, 64K of it mapped<");
	is(cli("map --svg - --gpa 0x%lx --length 64K", RAM_GPA + RAM_SIZE), 1, "of a hole");
	has("kvm-tdp: the guest has no memory there\n");
	is(cli("map --svg /nonexistent/svg"), 1, "no such directory");
	has("kvm-tdp: /nonexistent/svg: No such file or directory\n");
	is(cli("map --svg /dev/full"), 1, "no room for it");
	has("kvm-tdp: /dev/full: No space left on device\n");
	is(cli("map --svg - --raw"), 2, "two outputs");

	is(cli("map --png /tmp/picture/png"), 1, "PNG, without rsvg-convert");
	has("kvm-tdp: --png: there is no program rsvg-convert; install it: apt install librsvg2-bin\n");
	must(setenv("PATH", "/tmp/picture:/bin:/sbin", 1));
	sys_run("cd /tmp/picture; printf '#!/bin/sh\n[ $1 = -o ] && exec cat >$2' >rsvg-convert; chmod +x rsvg-convert");
	is(cli("map --png /tmp/picture/png && cmp /tmp/picture/svg /tmp/picture/png"), 0,
	   "rsvg-convert gets the picture");
	is_printed("");
	sys_run("printf '#!/bin/sh\n[ $# = 0 ] && exec cat' >/tmp/picture/rsvg-convert");
	is(cli("map --png - | cmp - /tmp/picture/svg"), 0, "to standard output");
	sys_run("printf '#!/bin/sh\nexit 3' >/tmp/picture/rsvg-convert");
	is(cli("map --png /tmp/picture/png"), 1, "rsvg-convert fails");
	has("kvm-tdp: rsvg-convert has failed\n");
	sys_run("rm -r /tmp/picture " PICTURE);
	must(setenv("PATH", before, 1));
	free(before);
	close(tdp);
	end();
}

static void test_prefault(void)
{
	char text[80];
	int tdp;

	begin();
	tdp = must(kvm_tdp_create(vm.fd, 0));
	is(cli("prefault --write"), 0, "prefault");
	snprintf(text, sizeof(text), "%luK mapped, 0 skipped\n", TOTAL_SIZE >> 10);
	is_printed(text);
	ok(ktdp_mapped(tdp, 0, VM_BOOT_SIZE), "slot 0 is mapped");
	ok(ktdp_mapped(tdp, RAM_GPA, RAM_SIZE), "slot 1 is mapped");
	ok(ktdp_mapped(tdp, HIGH_GPA, HIGH_SIZE), "slot 2 is mapped");
	ok(ktdp_access(tdp, HIGH_GPA) & ACC_W, "for writing");

	is(cli("prefault --gpa 0x%lx --length 4M -j", RAM_GPA - PAGE_2M),
	   0, "prefault of a range, JSON");
	has("{ \"mapped\": 2097152, \"skipped\": 0 }\n");
	is(cli("stat -j"), 0, "stat, JSON");
	snprintf(text, sizeof(text), "{ \"leaves_4k\": %llu,",
		 ktdp_stats(tdp).leaves[0]);
	has(text);
	is(cli("stat"), 0, "stat");
	has("slot_zaps           0\n");
	/* Slot 0 is private memory. */
	snprintf(text, sizeof(text), "mapped              %luK\n", (RAM_SIZE + HIGH_SIZE) >> 10);
	has(text);
	has_not("new");
	is(cli("verify"), 0, "verify");
	has("stale        0\n");
	has("the table is right\n");
	is(cli("verify -j --gpa 0x%lx --length 4K", RAM_GPA), 0, "verify, JSON");
	has("{ \"result\": \"right\", \"leaves\": 1, \"pages\": 1,");
	must(mprotect(ram.hva, 0x3000, PROT_NONE));
	is(cli("prefault --gpa 0x%lx --length 64K", RAM_GPA), 0,
	   "prefault of what has a hole in the VMM");
	is_printed("52K mapped, 12K skipped\n");
	must(mprotect(ram.hva, 0x3000, PROT_READ | PROT_WRITE));
	close(tdp);
	end();
}

static void test_read_write(void)
{
	begin();
	is(cli("write --gpa 0x%lx 'hello guest'", RAM_GPA + 0xffa), 0,
	   "write, across pages");
	is_printed("0x400ffa: 11 bytes written\n");
	ok(!memcmp(ram.hva + 0xffa, "hello guest", 12),
	   "it is in memory, and nothing after it");
	is(cli("read --gpa 0x%lx --length 11", RAM_GPA + 0xffa), 0, "read");
	is_printed("hello guest");
	is(cli("read --gpa 0x%lx --length 17 --hex", RAM_GPA + 0xffa), 0,
	   "hex dump");
	is_printed("000000400ffa  68 65 6c 6c 6f 20 67 75  65 73 74 00 00 00 00 00  |hello guest.....|\n"
		   "00000040100a  00                                                |.|\n");
	is(cli("read --gpa 0x%lx --length 3 -j", RAM_GPA + 0xffa), 0,
	   "read, JSON");
	is_printed("{ \"gpa\": \"0x400ffa\", \"length\": 3, \"hex\": \"68656c\" }\n");

	is(cli("write --gpa 0x%lx --file /bin/busybox -j", RAM_GPA), 0,
	   "write a file");
	is(cli("read --gpa 0x%lx --length $(stat -c %%s /bin/busybox) | cmp - /bin/busybox",
	       RAM_GPA), 0, "read it back");
	is_printed("");

	memcpy(high.hva + HIGH_SIZE - 4, "last", 4);
	is(cli("read --gpa 0x%lx --length 8", HIGH_GPA + HIGH_SIZE - 4), 1,
	   "read into a hole");
	has("lastkvm-tdp: reading at 0x100030000: no guest RAM there\n");
	is(cli("write --gpa 0x%lx 12345678", HIGH_GPA + HIGH_SIZE - 4), 1,
	   "write into a hole");
	ok(!memcmp(high.hva + HIGH_SIZE - 4, "1234", 4), "what fits is written");
	end();
}

/* Half of a match ends the RAM, the other begins the next. */
static void place_needles(void)
{
	const size_t half = strlen(NEEDLE) / 2;

	strcpy(ram.hva, NEEDLE);
	strcpy(ram.hva + (4UL << 20) - half, NEEDLE "\tfollows\n");
	memcpy(ram.hva + RAM_SIZE - half, NEEDLE, half);
	strcpy(high.hva, NEEDLE + half);
	memcpy(high.hva + HIGH_SIZE - strlen(NEEDLE), NEEDLE, strlen(NEEDLE));
}

static void test_find(void)
{
	begin();
	place_needles();
	is(cli("find '" NEEDLE "'"), 0, "find");
	is_printed("0x400000\n" "0x7ffff5\n" "0x10002ffe9\n");
	is(cli("find '" NEEDLE "' --max 1"), 0, "find one");
	is_printed("0x400000\n");
	is(cli("find needle --gpa 0x%lx --length 4M --context 100",
	       RAM_GPA + PAGE_2M), 0, "find in a range, with context");
	is_printed("0x7ffff9\tneedle in the guest\tfollows\n"
		   "0x9ffff9\tneedle \n");
	is(cli("find needle --gpa 4G --context 100 -j"), 0,
	   "find at the end of RAM, JSON");
	is_printed("[\n { \"gpa\": \"0x10002ffed\", \"text\": \"needle in the guest\" }\n]\n");
	is(cli("find 'no such needle'"), 1, "not found");
	has("not found in ");

	memcpy(ram.hva + (4UL << 20) + 100, "\xde\xad\x00\xefs\033\n", 7);
	is(cli("find --hex 'de ad ?? ef' --context 5"), 0, "find bytes");
	is_printed("0x800064\t....s\n");
	is(cli("find --regex 'needle i[a-z] (the|a) guest.' --context 100"), 0,
	   "find a regular expression");
	is_printed("0x7ffff9\tneedle in the guest\tfollows\n");
	is(cli("find --regex 'n{2}dle|follows$' -n 1 -j --context 1"), 0,
	   "find one of two, JSON");
	is_printed("[\n { \"gpa\": \"0x80000d\", \"text\": \"follows\" }\n]\n");
	is(cli("find --regex '('"), 2, "no regular expression");
	has("'(': Unmatched ");
	is(cli("find --hex 'de a'"), 2, "no bytes");
	has("--hex: 'de a' are no bytes");
	is(cli("find --hex --regex 00"), 2, "both");
	end();
}

#define DUMPS		"/tmp/dumps"
#define CORE		DUMPS "/core"

static uint64_t allocated(const struct mem *mem)
{
	struct stat st;

	must(fstat(mem->fd, &st));
	return st.st_blocks * 512;
}

static void dump_begin(void)
{
	begin();
	memset(ram.hva + PAGE_2M, 'r', PAGE_4K);
	memset(ram.hva + RAM_SIZE - PAGE_4K, 'e', PAGE_4K);
	memset(high.hva, 'h', HIGH_SIZE);
	sys_run("mkdir " DUMPS " && mount -t tmpfs dumps " DUMPS);
}

static void dump_end(void)
{
	sys_run("umount " DUMPS " && rmdir " DUMPS);
	end();
}

static void dump_has_left(const char *names)
{
	is(cli_as(0, "list >/dev/null; cd " DUMPS "; ls | xargs"), 0, "ls");
	is_printed(names);
}

/* Of one slot a part may not be touched, of another most was never allocated. */
static void test_dump(void)
{
	struct corefile core;
	uint64_t before;
	int tdp;

	dump_begin();
	tdp = must(kvm_tdp_create(vm.fd, 0));
	must(mprotect(high.hva + 0x4000, 0x3000, PROT_NONE));
	before = allocated(&ram);
	is(cli("dump " CORE), 0, "dump");
	has(" of guest memory in 3 segments, ");
	has("\n12K could not be read: ");
	has("\nno VMCOREINFO found\n");
	has(" was not stopped: ");
	is(allocated(&ram), before, "it has allocated nothing");
	is(cli_as(0, "list >/dev/null; stat -c %a " CORE), 0, "its mode");
	is_printed("600\n");

	corefile_open(&core, CORE);
	ok(core.size > TOTAL_SIZE && core.blocks < PAGE_2M, "what is zero takes no room");
	ok(!corefile_note(&core), "there is no note");
	is(memcmp(corefile_page(&core, HIGH_GPA + 0x4000), corefile_page(&core, RAM_GPA), 0x3000),
	   0, "what cannot be read is zero");
	must(mprotect(high.hva, HIGH_SIZE, PROT_READ | PROT_WRITE));
	memset(high.hva + 0x4000, 0, 0x3000);
	is(corefile_differs(&core, tdp, getpid()), 0, "all else is as the VMM has it");
	corefile_close(&core);

	is(cli("dump - >" CORE "2 && cmp " CORE " " CORE "2"), 0, "dump to standard output");
	has("no VMCOREINFO found\n");
	memset(ram.hva, 'x', 1);
	is(cli("dump " CORE " --force -j --gpa 0x%lx --length 8K", RAM_GPA), 0,
	   "dump of a range over another, JSON");
	is_printed("{ \"file\": \"" CORE "\", \"length\": 8192, \"segments\": 1, \"written\": 4096, \"unreadable\": 0, \"not_mapped\": 0, \"vmcoreinfo\": null, \"stopped\": false }\n");
	corefile_open(&core, CORE);
	is(core.nr_phdrs, 1, "one segment");
	is(core.phdrs[0].p_paddr, RAM_GPA, "its address");
	is(core.phdrs[0].p_filesz, 0x2000, "its size");
	is(memcmp(corefile_page(&core, RAM_GPA), ram.hva, 0x2000), 0, "its content");
	corefile_close(&core);

	is(cli("info >/dev/null; kill -STOP %d; kvm-tdp dump -p %d " CORE "3; kill -CONT %d",
	       getpid(), getpid(), getpid()), 0, "dump of a process that is stopped");
	has(" was stopped before and after\n");
	is(cli("dump " CORE "4 -q"), 0, "dump, quiet");
	is_printed("");
	is(cli("dump " CORE "5 --progress --gpa 0x%lx --length 64K", HIGH_GPA), 0, "dump, with progress");
	has("64K of guest memory in 1 segment, ");
	dump_has_left("core core2 core3 core4 core5\n");
	close(tdp);
	dump_end();
}

static void test_dump_errors(void)
{
	dump_begin();
	is(cli("dump"), 2, "no file");
	is(cli("dump " CORE " --gpa 1"), 2, "not a page");
	is(cli("dump - -j >/dev/null"), 2, "two outputs in one");
	is(cli("dump " CORE " --gpa 0x%lx --length 4K", RAM_GPA + RAM_SIZE), 1, "a hole");
	has("the guest has no RAM there\n");
	is(cli("dump " CORE "/core"), 1, "no directory");
	dump_has_left("\n");

	sys_run("echo precious >" CORE);
	is(cli("dump " CORE), 1, "there is a file");
	has("is there already; --force overwrites it\n");
	is(cli("dump --force /dev/null"), 1, "there is a device");
	has("/dev/null: is there, and no regular file\n");
	is(cli("dump --force --zstd " CORE), 1, "no zstd");
	has("there is no program zstd");
	must(mprotect(high.hva, HIGH_SIZE, PROT_NONE));
	is(cli("dump --force --gpa 4G " CORE), 1, "nothing can be read");
	has("none of the memory could be read\n");
	must(mprotect(high.hva, HIGH_SIZE, PROT_READ | PROT_WRITE));
	sys_run("mount -o remount,size=64k " DUMPS);
	is(cli("dump --force " CORE), 1, "no room");
	has("No space left on device\n");
	dump_has_left("core\n");
	is(cli_as(0, "list >/dev/null; cat " CORE), 0, "the file that was there");
	is_printed("precious\n");
	dump_end();
}

/* Scripts in its place. */
static void test_dump_zstd(void)
{
	static const char path[] = "/tmp/zstd:/bin:/sbin";
	char *before = strdup(getenv("PATH"));

	dump_begin();
	sys_run("mkdir /tmp/zstd && echo '#!/bin/sh' >/tmp/zstd/zstd && chmod +x /tmp/zstd/zstd");
	must(setenv("PATH", path, 1));
	is(cli("dump " CORE), 0, "dump");
	sys_run("echo 'echo $* && exec cat' >>/tmp/zstd/zstd");
	is(cli("dump " CORE ".zst --zstd"), 0, "dump, with zstd");
	is(cli("info >/dev/null; { echo -q -c; cat " CORE "; } | cmp " CORE ".zst"), 0,
	   "it gets all of it");
	sys_run("printf '#!/bin/sh\ncat >/dev/null; exit 3' >/tmp/zstd/zstd");
	is(cli("dump " CORE "2 --zstd"), 1, "zstd fails");
	has("zstd has failed\n");
	sys_run("printf '#!/bin/sh\nexit 0' >/tmp/zstd/zstd");
	is(cli("dump " CORE "2 --zstd"), 1, "zstd ends early");
	has("zstd: Broken pipe\n");
	sys_run("printf '#!/bin/sh\nkill -INT $PPID; sleep 1' >/tmp/zstd/zstd");
	ok(cli("dump " CORE "2 --zstd") != 0, "it is interrupted");
	dump_has_left("core core.zst\n");
	sys_run("rm -r /tmp/zstd");
	must(setenv("PATH", before, 1));
	free(before);
	dump_end();
}

/* The VMM gives memory back when it is told to. */
static void take_memory(int sig)
{
	int saved = errno;

	(void)sig;
	madvise(ram.hva, RAM_SIZE, MADV_DONTNEED);
	madvise(high.hva, HIGH_SIZE, MADV_REMOVE);
	mkdir(TOLD, 0700);
	errno = saved;
}

static int watch(uint64_t gpa, const char *more)
{
	rmdir(TOLD);
	return cli("watch --gpa 0x%lx %s --exec 'kill -USR1 %d; while ! [ -d " TOLD " ]; do sleep 0.1; done'",
		   gpa, more, getpid());
}

static void test_watch(void)
{
	begin();
	signal(SIGUSR1, take_memory);
	memset(ram.hva, 'r', RAM_SIZE);
	is(watch(RAM_GPA, ""), 0, "memory goes and comes back");
	has("invalidations: 0 -> ");
	has("faults: 1 -> 2\n");
	has("content: same\n");
	memset(high.hva, 'h', HIGH_SIZE);
	is(watch(HIGH_GPA, ""), 1, "memory is lost");
	has("content: changed\n");
	memset(high.hva, 'h', HIGH_SIZE);
	is(watch(HIGH_GPA, "--length 8K --expect any -j"), 0,
	   "memory is lost, as expected");
	has("\"content\": \"changed\" }\n");
	is(cli("watch --gpa 0x%lx --exec true", RAM_GPA), 1,
	   "nothing happens");
	has("no invalidation arrived");
	is(cli("watch --gpa 0x%lx --exec 'exit 3'", RAM_GPA), 1,
	   "the command fails");
	has("exit status 3");
	signal(SIGUSR1, SIG_DFL);
	end();
}

#define EVENTS		"/tmp/events"
#define INSTANCES	"/sys/kernel/tracing/instances"

/* "kvm-tdp events" of this process's VM, when it has begun; it prints to EVENTS. */
static pid_t events_begin(const char *options)
{
	char command[160], path[128];
	unsigned int ms = 60000;
	pid_t pid;

	snprintf(command, sizeof(command), "exec kvm-tdp events --pid %d %s >" EVENTS " 2>&1",
		 getpid(), options);
	pid = must(fork());
	if (!pid)
		cli_exec(0, command);
	snprintf(path, sizeof(path), INSTANCES "/kvm-tdp-%d/events/kvm_tdp/kvm_tdp_slot/enable",
		 pid);
	while (sys_read_long(path) != 1 && sys_step(&ms))
		;
	is(sys_read_long(path), 1, "events %s: it has begun", options);
	return pid;
}

static bool events_has(const char *text)
{
	FILE *file = fopen(EVENTS, "r");
	size_t n;

	must(file ? 0 : -errno);
	n = fread(out, 1, sizeof(out) - 1, file);
	out[n] = 0;
	fclose(file);
	return strstr(out, text);
}

static void events_wait(const char *text)
{
	unsigned int ms = 60000;

	while (!events_has(text) && sys_step(&ms))
		;
	has(text);
}

/* No tracing is left behind. */
static void events_gone(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), INSTANCES "/kvm-tdp-%d", pid);
	ok(access(path, F_OK), "its tracing has gone");
}

static void test_events(void)
{
	static const int signals[] = { SIGINT, SIGTERM };
	char text[160];
	size_t i;
	pid_t pid, killed;
	int tdp;

	begin();
	tdp = must(kvm_tdp_create(vm.fd, 0));
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		pid = events_begin("");
		must(ktdp_prefault(tdp, RAM_GPA + 0x5000, 0x1000, ACC_W));
		must(madvise(ram.hva + 0x5000, 0x1000, MADV_DONTNEED));
		is(ktdp_prefault(tdp, RAM_GPA + RAM_SIZE, 0x1000, ACC_R), -EFAULT,
		   "a fault for nothing");
		must(vm_slot(&vm, 3, HIGH_GPA + PAGE_1G, PAGE_4K, ram.hva, KVM_MEM_READONLY));
		must(vm_slot(&vm, 3, HIGH_GPA + PAGE_1G, PAGE_4K, ram.hva,
			     KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES));
		must(vm_slot(&vm, 3, HIGH_GPA + PAGE_2M, PAGE_4K, ram.hva,
			     KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES));
		must(vm_slot(&vm, 3, HIGH_GPA + PAGE_2M, 0, ram.hva, 0));
		events_wait("  0x000100200000-0x000100200fff  remove  slot 3  ro,log\n");
		has("  test_cli         invalidate  0x000000405000-0x000000405fff\n");
		has("  test_cli         fault       0x000000405000                 write  1 mapped\n");
		has("  test_cli         fault       0x000000a00000                 read   no guest RAM there\n");
		has("  test_cli         entry       0x000000405000-0x000000405fff  4K     set\n");
		has("  test_cli         entry       0x000000405000-0x000000405fff  4K     cleared\n");
		has("  test_cli         slot        0x000140000000-0x000140000fff  create  slot 3  ro\n");
		has("  slot        0x000140000000-0x000140000fff  flags   slot 3  ro,log\n");
		has("  slot        0x000140000000-0x000140000fff  remove  slot 3  ro,log\n");
		has("  slot        0x000100200000-0x000100200fff  move    slot 3  ro,log\n");
		must(kill(pid, signals[i]));
		is(sys_wait_exit(pid, 60000), 0, "a signal ends it");
		events_gone(pid);
	}

	pid = events_begin("-e invalidate -n 1 -j -e slot");
	must(ktdp_prefault(tdp, RAM_GPA + 0x7000, 0x1000, ACC_W));
	must(madvise(ram.hva + 0x7000, 0x1000, MADV_DONTNEED));
	is(sys_wait_exit(pid, 60000), 0, "it ends after an event");
	snprintf(text, sizeof(text), "\"pid\": %d, \"comm\": \"test_cli\", \"table\": ", getpid());
	ok(events_has(text), "the VM's process");
	has("\"event\": \"invalidate\", \"gpa\": \"0x407000\", \"length\": 4096 }\n");
	events_gone(pid);

	/* One that could not tidy up: the next does it. */
	killed = events_begin("");
	must(kill(killed, SIGKILL));
	sys_wait(killed, 60000);
	pid = events_begin("-n 1");
	events_gone(killed);
	must(ktdp_prefault(tdp, RAM_GPA, 0x1000, ACC_W));
	is(sys_wait_exit(pid, 60000), 0, "it ends after an event");
	events_gone(pid);
	is(cli_as(NOBODY, "events"), 1, "events, not root");
	has("run as root");
	must(umount("/sys/kernel/tracing"));
	is(cli_as(0, "events"), 1, "events without tracefs");
	has("no tracefs: mount -t tracefs ");
	sys_run("mount -t tracefs none /sys/kernel/tracing");
	is(cli_as(0, "events --pid 999999"), 1, "events of no process");
	close(tdp);
	end();
}

/* The value of the first "@key": behind @text, or -1. */
static double json_value(const char *text, const char *key)
{
	double value = -1;
	char quoted[64];

	snprintf(quoted, sizeof(quoted), "\"%s\": ", key);
	text = strstr(text, quoted);
	if (text)
		sscanf(text + strlen(quoted), "%lf", &value);
	return value;
}

static long fdinfo_id(int tdp)
{
	static char text[8192];
	const char *line;

	sys_fdinfo(tdp, text, sizeof(text));
	line = strstr(text, "kvm_tdp_id:\t");
	return line ? atol(line + strlen("kvm_tdp_id:\t")) : -1;
}

#define MODULE_USERS	"/sys/module/kvm_tdp/refcnt"

/* One fault after another, until the child, which prints to EVENTS, is done. */
static unsigned int fault_until_done(int tdp, pid_t pid)
{
	long users = sys_read_long(MODULE_USERS), most = users;
	unsigned int faults = 0;
	int status;

	while (!must(waitpid(pid, &status, WNOHANG))) {
		must(ktdp_prefault(tdp, RAM_GPA + faults++ % 64 * PAGE_4K, PAGE_4K, ACC_R));
		if (sys_read_long(MODULE_USERS) > most)
			most = sys_read_long(MODULE_USERS);
		usleep(10000);
	}
	is(status, 0, "top");
	is(most, users, "it takes no TDP fd meanwhile");
	return faults;
}

static void test_top(void)
{
	char text[320];
	const char *second;
	unsigned int faults;
	int tdp, dma;
	long id;
	pid_t pid;

	begin();
	tdp = must(kvm_tdp_create(vm.fd, 0));
	id = fdinfo_id(tdp);
	close(tdp);
	is(cli_as(0, "top -b -n 2"), 0, "top");
	snprintf(text, sizeof(text), "%7d     -  test_cli              -       -       -       -       -       - ",
		 getpid());
	has(text);
	is(cli_as(0, "top -j -n 1"), 0, "top, JSON");
	has("\"comm\": \"test_cli\", \"vcpus\": 0, \"rss\": ");
	has("\"table\": null } ] }\n");
	tdp = must(kvm_tdp_create(vm.fd, 0));
	is(fdinfo_id(tdp), id + 1, "it has exported nothing");

	dma = dma_open_on(tdp);
	must(ktdp_prefault(tdp, HIGH_GPA, HIGH_SIZE, ACC_W));
	is(cli_as(0, "top -b -n 2"), 0, "top, with a TDP fd");
	snprintf(text, sizeof(text), "%7d %5ld  test_cli              -       -       -       -    192K    6.2M ",
		 getpid(), id + 1);
	has(text);
	snprintf(text, sizeof(text), "\n\n    PID TABLE  COMMAND         FAULT/S INVAL/S  FILL/S  DROP/S  MAPPED     RAM     RSS IMP       4K      2M    1G\n%7d %5ld  test_cli            0.0     0.0     0.0     0.0    192K    6.2M ",
		 getpid(), id + 1);
	has(text);
	has("   1       48       0     0\n");

	pid = must(fork());
	if (!pid)
		cli_exec(0, "exec kvm-tdp top -b -n 2 -j >" EVENTS);
	faults = fault_until_done(tdp, pid);
	snprintf(text, sizeof(text), "\"ram\": %lu,", TOTAL_SIZE);
	ok(events_has(text), "top -j: the VM's memory");
	has("\"interval\": null,");
	has("\"faults_per_s\": null");
	second = strstr(out, "\n") ? strstr(out, "\n") : out;
	ok(json_value(second, "interval") >= 0.9, "a second later");
	ok(json_value(second, "faults_per_s") > 0 &&
	   json_value(second, "faults_per_s") * json_value(second, "interval") <= 1.5 * faults,
	   "%.1f faults per second in %.3f s, of %u", json_value(second, "faults_per_s"),
	   json_value(second, "interval"), faults);
	ok(json_value(second, "invalidations_per_s") >= 0, "invalidations");
	ok(json_value(second, "eager_filled_per_s") == 0, "no vCPU has run");
	close(dma);
	close(tdp);

	is(cli_as(0, "top -n 1"), 1, "top, no terminal");
	has("no terminal; --batch and --json go without");
	end();
	is(cli_as(0, "top -b -n 1"), 0, "no VM");
	has_not("test_cli");
}

static void test_attach(void)
{
	begin();
	is(cli("attach -- sh -c 'readlink /proc/self/fd/$KVM_TDP_FD; exit 7'"),
	   7, "attach: exit status of the command");
	has("kvm_tdp");
	is(cli("attach sh -c 'kvm-tdp prefault --pid %d --gpa 0x%lx --length 64K >/dev/null; kvm-tdp map --pid %d'",
	       getpid(), HIGH_GPA, getpid()), 0, "the table is kept");
	has("64K mapped");
	is(cli("attach /nonexistent"), 127, "no such command");
	end();
}

/* They stay a little longer than the TDP fds of the cases before. */
static void wait_for_hooks(void)
{
	int tries = 600;

	while (!system("grep -q ktdp_hook_ /sys/kernel/tracing/enabled_functions") &&
	       tries--)
		usleep(100000);
}

static void test_doctor(void)
{
	int tdp;

	begin();
	wait_for_hooks();
	is(cli_as(0, "doctor"), 0, "doctor, where all is well");
	has("ok     kernel  ");
	has("ok     kvm  ");
	has("ok     tdp  ");
	has("ok     module        kvm_tdp is loaded\n");
	has("ok     mem           kvm_tdp_mem is loaded");
	has("tdp-fd        created: ");
	has_not("armed");
	has_not("wrong");
	tdp = must(kvm_tdp_create(vm.fd, 0));
	is(cli_as(0, "doctor"), 0, "doctor, with a TDP fd");
	has(", armed: there is a TDP fd, or was some seconds ago\n");
	close(tdp);

	must(sys_write("/sys/module/kvm_tdp/parameters/eager", "0"));
	is(cli_as(0, "doctor"), 0, "doctor, without eager fill");
	has("note   tdp-fd        created: ");
	has("eager fill off; ");
	must(sys_write("/sys/module/kvm_tdp/parameters/eager", "1"));

	if (sys_has_ftrace_switch()) {
		must(sys_ftrace_off());
		is(cli_as(0, "doctor"), 1, "doctor, without ftrace");
		has("wrong  hooks         kernel.ftrace_enabled=0; ");
		has("-      tdp-fd        refused: see hooks\n");
		must(sys_write(SYS_FTRACE, "1"));
	}
	is(cli_as(0, "doctor -j"), 0, "doctor, cured, JSON");
	has("[\n { \"check\": \"kernel\", \"state\": \"ok\", ");
	end();
}

static void put(const char *path, const char *text)
{
	int fd = must(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));

	must(write(fd, text, strlen(text)));
	close(fd);
}

/* Whose is /dev/kvm? Nobody's group is root's. */
static void test_doctor_nodes(void)
{
	struct stat before;

	must(stat("/dev/kvm", &before));
	must(chown("/dev/kvm", 0, 36));
	must(chmod("/dev/kvm", 0600));
	is(cli_as(NOBODY, "doctor"), 1, "there is no group kvm");
	has("wrong  /dev/kvm      0:36 0600: not for you, and there is no group kvm; ");
	has("-      tdp-fd        not tried\n");
	put("/etc/group", "root:x:0:\nkvm:x:36:\n");
	is(cli_as(NOBODY, "doctor"), 1, "not the group's");
	has("wrong  /dev/kvm      0:kvm 0600: not for you, nor for the group kvm; ");
	must(chmod("/dev/kvm", 0660));
	must(chown("/dev/kvm_tdp", 0, 36));
	is(cli_as(NOBODY, "doctor"), 1, "not in the group");
	has("who are not in the group kvm; adduser 65534 kvm");
	has("-      /dev/kvm_tdp  0:kvm 0660: see /dev/kvm\n");
	must(chown("/dev/kvm_tdp", 0, 0));
	put("/etc/passwd", "nobody:x:65534:0::/:/bin/sh\n");
	put("/etc/group", "root:x:0:\nkvm:x:36:somebody,nobody\n");
	is(cli_as(NOBODY, "doctor"), 1, "in the group, but not yet");
	has("you came into the group kvm after you had logged in; ");
	put("/etc/group", "kvm:x:0:\n");
	must(chown("/dev/kvm", 0, 0));
	is(cli_as(NOBODY, "doctor"), 0, "in the group");
	has("ok     /dev/kvm      0:kvm 0660: yours; you are in the group kvm\n");
	has("ok     /dev/kvm_tdp  0:kvm 0660: yours; you are in the group kvm\n");
	has("tdp-fd        created: ");
	unlink("/etc/group");
	unlink("/etc/passwd");
	must(chown("/dev/kvm", before.st_uid, before.st_gid));
	must(chmod("/dev/kvm", before.st_mode & 07777));
}

static const struct tap_case cases[] = {
	{ "errors", test_errors },
	{ "list", test_list },
	{ "name", test_name },
	{ "info", test_info },
	{ "slots", test_slots },
	{ "map", test_map },
	{ "picture", test_picture },
	{ "prefault", test_prefault },
	{ "read-write", test_read_write },
	{ "find", test_find },
	{ "dump", test_dump },
	{ "dump-errors", test_dump_errors },
	{ "dump-zstd", test_dump_zstd },
	{ "watch", test_watch },
	{ "events", test_events },
	{ "top", test_top },
	{ "attach", test_attach },
	{ "doctor", test_doctor },
	{ "doctor-nodes", test_doctor_nodes },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
