// SPDX-License-Identifier: GPL-2.0-only
#include "run.h"

bool run_join(struct kvm_tdp_run *run, const struct kvm_tdp_run *next)
{
	if (run->gpa + run->length != next->gpa ||
	    run->access != next->access || run->level != next->level)
		return false;
	if ((run->hpa || next->hpa) && run->hpa + run->length != next->hpa)
		return false;
	run->length += next->length;
	return true;
}
