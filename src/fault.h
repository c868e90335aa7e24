/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_FAULT_H
#define _KTDP_FAULT_H

#include "tdp.h"

int ktdp_fault(struct kvm_exported_tdp *tdp, u64 gfn, bool write);
int ktdp_fault_range(struct kvm_exported_tdp *tdp, unsigned long *gfn,
		     unsigned long *nr, bool write);

#endif /* _KTDP_FAULT_H */
