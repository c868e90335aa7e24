// SPDX-License-Identifier: GPL-2.0-only
#include "smm.h"

#include <string.h>
#include <sys/ioctl.h>

#include "guest.h"
#include "tap.h"

/* What a vCPU has out of reset: the handler's page, the last one saved state. */
#define SMRAM_GPA	0x30000UL
#define SMRAM_SIZE	0x10000UL
#define SMRAM_SLOT	VM_SMM_SLOT(500)
#define SMRAM_CODE	0x8000
#define SMRAM_ARGS	0x9000	/* the handler has it as a number */

struct smm_args {
	uint32_t next, end;	/* next: out: @end, if all was done */
	uint32_t fill;
	uint32_t gen_high;	/* the low half is 0 */
	uint32_t runs;		/* out: SMIs handled */
};

void smm_open(struct smm *smm, struct vm *vm)
{
	smm->vm = vm;
	mem_small(&smm->ram, SMRAM_SIZE);
	memcpy(smm->ram.hva + SMRAM_CODE, guest_smm, guest_smm_end - guest_smm);
	vm_map(vm, SMRAM_SLOT, SMRAM_GPA, &smm->ram);
}

void smm_close(struct smm *smm)
{
	mem_free(&smm->ram);
}

static int smm_do(struct smm *smm, uint64_t gpa, size_t size, bool fill,
		  uint64_t gen)
{
	volatile struct smm_args *args = smm->ram.hva + SMRAM_ARGS;
	uint32_t runs = args->runs;
	int ret;

	args->next = gpa;
	args->end = gpa + size;
	args->fill = fill;
	args->gen_high = gen >> 32;
	must(ioctl(smm->vm->vcpu, KVM_SMI));
	/* The guest itself has nothing to do. */
	ret = guest_touch(smm->vm, 0, 0);
	if (ret)
		return ret;
	if (args->runs != runs + 1 || args->next < args->end) {
		diag("SMI: handled %u times, up to %#x", args->runs - runs,
		     args->next);
		return 1;
	}
	return 0;
}

int smm_fill(struct smm *smm, uint64_t gpa, size_t size, uint64_t gen)
{
	return smm_do(smm, gpa, size, true, gen);
}

int smm_touch(struct smm *smm, uint64_t gpa, size_t size)
{
	return smm_do(smm, gpa, size, false, 0);
}
