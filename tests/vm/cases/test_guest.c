// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tools themselves: what the other programs conclude from the guest's
 * answers holds only if the guest does what it says, and says when it cannot.
 */
#include <unistd.h>

#include "nested.h"
#include "smm.h"
#include "tap.h"
#include "vm.h"

#define LOW	0x400000UL
#define HIGH	0x180000000UL	/* beyond 4G */
#define SIZE	0x10000UL
#define GEN	0x5a5a000000000000UL

static struct vm vm;
static struct mem mem;

static void begin(uint64_t gpa)
{
	vm_open(&vm);
	vm_add_vcpu(&vm);
	mem_small(&mem, SIZE);
	vm_map(&vm, 1, gpa, &mem);
}

static void end(void)
{
	vm_close(&vm);
	mem_free(&mem);
}

static void test_patterns(uint64_t gpa)
{
	uint64_t *word;

	begin(gpa);
	is(guest_fill(&vm, gpa, SIZE, GEN), 0, "guest fills");
	ok(mem_check(mem.hva, gpa, SIZE, GEN), "host reads what it wrote");
	is(guest_check(&vm, gpa, SIZE, GEN), 0, "guest finds it right");
	is(guest_check(&vm, gpa, SIZE, GEN + 1), 1,
	   "guest finds another generation wrong");
	word = mem.hva + SIZE - 8;
	(*word)++;
	is(guest_check(&vm, gpa, SIZE, GEN), 1, "guest sees one wrong word");
	is(guest_touch(&vm, gpa, SIZE), 0, "guest touches");
	end();
}

static void test_low(void)
{
	test_patterns(LOW);
}

static void test_high(void)
{
	test_patterns(HIGH);
}

static void test_call(void)
{
	begin(LOW);
	*(unsigned char *)mem.hva = 0xc3;	/* ret */
	is(guest_call(&vm, LOW), 0, "guest calls into memory");
	*(unsigned char *)mem.hva = 0xf4;	/* hlt, with a pointer still in rax */
	is(guest_call(&vm, LOW), LOW, "and does so really");
	end();
}

static void test_gap(void)
{
	begin(LOW);
	is(guest_touch(&vm, LOW + SIZE, PAGE_4K), 1000 + KVM_EXIT_MMIO,
	   "a gap is MMIO to the guest");
	end();
}

static void test_spin(void)
{
	volatile uint64_t *word;
	uint64_t limit;

	begin(LOW);
	word = mem.hva;
	vm_spin(&vm, LOW, SIZE, GEN);
	for (limit = 0; limit < 5000 && *word != (LOW ^ GEN); limit++)
		usleep(1000);
	*word = 0;
	for (limit = 0; limit < 5000 && *word != (LOW ^ GEN); limit++)
		usleep(1000);
	vm_spin_stop(&vm);
	is(*word, LOW ^ GEN, "a spinning guest writes again and again");
	*word = 0;
	usleep(10000);
	is(*word, 0, "and not after it was stopped");
	end();
}

/* Two address spaces, different memory at the same place. */
static void test_smm(void)
{
	struct mem hidden;
	struct smm smm;

	begin(LOW);
	smm_open(&smm, &vm);
	mem_small(&hidden, SIZE);
	vm_map(&vm, VM_SMM_SLOT(1), LOW, &hidden);
	is(guest_fill(&vm, LOW, SIZE, GEN), 0, "guest fills");
	is(smm_fill(&smm, LOW, SIZE, ~GEN << 32), 0, "SMM fills");
	ok(mem_check(mem.hva, LOW, SIZE, GEN), "the guest's memory");
	ok(mem_check(hidden.hva, LOW, SIZE, ~GEN << 32), "SMM's memory");
	is(smm_touch(&smm, LOW, SIZE), 0, "SMM touches");
	is(guest_check(&vm, LOW, SIZE, GEN), 0, "guest goes on");
	vm_unmap(&vm, VM_SMM_SLOT(1));
	ok(smm_touch(&smm, LOW, SIZE), "SMM touches what is not there");
	end();
	smm_close(&smm);
	mem_free(&hidden);
}

static void test_nested_as(bool paging, const char *how)
{
	struct nested nested;

	begin(HIGH);
	nested_open(&nested, &vm, paging);
	is(nested_fill(&nested, HIGH, SIZE, GEN), 0, "L2 fills, %s", how);
	ok(mem_check(mem.hva, HIGH + NESTED_SHIFT, SIZE, GEN),
	   "host reads what it wrote at its own address");
	is(nested_check(&nested, HIGH, SIZE, GEN), 0, "L2 finds it right");
	is(guest_check(&vm, HIGH, SIZE, GEN), 1, "which L1 has elsewhere");
	is(guest_fill(&vm, HIGH, SIZE, GEN), 0, "L1 fills");
	is(nested_check(&nested, HIGH, SIZE, GEN), 1, "L2 sees that");
	is(nested_touch(&nested, HIGH, SIZE), 0, "L2 touches");
	is(nested_touch(&nested, 2 * PAGE_1G - NESTED_SHIFT, SIZE), 2,
	   "and not what L1 does not give it");
	end();
	nested_close(&nested);
}

static void test_nested(void)
{
	test_nested_as(true, "nested paging");
	test_nested_as(false, "shadow paging");
}

static const struct tap_case cases[] = {
	{ "low", test_low },
	{ "high", test_high },
	{ "call", test_call },
	{ "smm", test_smm },
	{ "nested", test_nested },
	{ "gap", test_gap },
	{ "spin", test_spin },
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
