// SPDX-License-Identifier: GPL-2.0-only
/*
 * This release and the one before (scripts/vm-image old): each tool with the modules of the
 * other, and how one takes the other's place while it is used.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktdp.h"
#include "mem.h"
#include "sys.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x140000000UL
#define SIZE	(16 * PAGE_4K)
#define RANGE	"--gpa 0x140000000 --length 64K"
#define NEEDLE	"the needle in the guest"
#define NEW	"kvm-tdp"
#define OLD	"/old/kvm-tdp"

static struct vm vm;
static struct mem mem;
static char said[16384];

/* Shared, for system() forks, which takes private memory out of the table. */
static void begin(void)
{
	vm_open(&vm);
	mem_memfd(&mem, SIZE);
	vm_map(&vm, 1, GPA, &mem);
	strcpy(mem.hva, NEEDLE);
}

static void end(void)
{
	vm_close(&vm);
	mem_free(&mem);
}

static void load_old(void)
{
	must(sys_unload("kvm_tdp_dma"));
	must(sys_unload("kvm_tdp_mem"));
	must(sys_unload("kvm_tdp"));
	sys_run("insmod /old/kvm_tdp.ko && insmod /old/kvm_tdp_dma.ko");
}

static void load_new(void)
{
	sys_unload("kvm_tdp_dma");
	is(sys_unload("kvm_tdp"), 0, "the module of the release before goes");
	sys_modules();
}

static void read_said(void)
{
	sys_read("/tmp/said", said, sizeof(said));
}

/* Exit status of "PROGRAM COMMAND --pid PID ARGUMENT...", and what it @said. */
static int run(const char *program, const char *command, const char *arguments)
{
	char line[256];
	int status;

	snprintf(line, sizeof(line), "timeout 60 %s %s --pid %d %s >/tmp/said 2>&1 </dev/null",
		 program, command, getpid(), arguments);
	status = must(system(line));
	read_said();
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void good(const char *program, const char *command, const char *arguments,
		 const char *text)
{
	bool right = !run(program, command, arguments) && strstr(said, text);

	if (!ok(right, "%s %s tells '%s'", program, command, text))
		diag("%s", said);
}

/* It cannot, and says why in a line. */
static void lacks(const char *command, const char *arguments, const char *text)
{
	bool right = run(NEW, command, arguments) == 1 && strstr(said, text) &&
		     strchr(said, '\n') == said + strlen(said) - 1;

	if (!ok(right, "%s cannot, and says '%s'", command, text))
		diag("%s", said);
}

/* What both releases have. */
static void common(const char *program)
{
	good(program, "info", "", "NPT");
	good(program, "attach", "-- /bin/echo attached", "attached");
	good(program, "map", RANGE, "");
	good(program, "stat", "", "leaves_4k");
	good(program, "verify", RANGE, "");
}

static void test_old_module(void)
{
	char pid[16];

	load_old();
	snprintf(pid, sizeof(pid), "%d", getpid());
	ok(!system("kvm-tdp list >/tmp/said 2>&1"), "list");
	read_said();
	ok(strstr(said, pid), "has this process");
	common(NEW);
	lacks("slots", "", "is older than this program");
	lacks("importers", "", "is older than this program");
	lacks("prefault", RANGE, "is older than this program");
	lacks("map", "--prefault", "is older than this program");
	lacks("read", "--hex " RANGE, "/dev/kvm_tdp_mem");
	lacks("find", "'" NEEDLE "'", "/dev/kvm_tdp_mem");
	lacks("dump", "/tmp/core", "/dev/kvm_tdp_mem");
	ok(system("kvm-tdp doctor >/tmp/said 2>&1") != -1, "doctor");
	read_said();
	if (!ok(strstr(said, "another has been installed since"), "knows"))
		diag("%s", said);
	load_new();
}

static void test_new_module(void)
{
	common(OLD);
	good(OLD, "prefault", RANGE, "");
	good(OLD, "map", "--prefault " RANGE, "140000000");
	good(OLD, "read", "--hex " RANGE, "74 68 65 20 6e 65");
	good(OLD, "find", RANGE " '" NEEDLE "'", "140000000");
	good(OLD, "write", "--gpa 0x140000000 another", "");
	ok(!memcmp(mem.hva, "another", 7), "which is there");
}

/* It is not replaced while anybody has a TDP fd of it, which goes on working. */
static void test_in_use(void)
{
	int tdp, new = sys_module_open();

	load_old();
	tdp = must(kvm_tdp_create(vm.fd, 0));
	is(ktdp_prefault(tdp, GPA, SIZE, ACC_W), 0, "prefault, with the module of before");
	is(sys_delete_module("kvm_tdp"), -EWOULDBLOCK, "which stays");
	is(sys_module_load(new), -EEXIST, "the new one is not loaded beside it");
	is(madvise(mem.hva, SIZE, MADV_DONTNEED), 0, "MADV_DONTNEED");
	is(ktdp_prefault(tdp, GPA, SIZE, ACC_W), 0, "it goes on");
	close(tdp);
	close(new);
	load_new();
	tdp = must(kvm_tdp_create(vm.fd, 0));
	is(ktdp_prefault(tdp, GPA, SIZE, ACC_W), 0, "prefault, with the new one");
	close(tdp);
}

static const struct tap_case cases[] = {
	{ "old_module", test_old_module },
	{ "new_module", test_new_module },
	{ "in_use", test_in_use },
};

int main(int argc, char **argv)
{
	int ret;

	begin();
	ret = RUN_CASES(cases, argc, argv);
	end();
	return ret;
}
