/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_FAULT_H
#define _KTDP_FAULT_H

#include "tdp.h"

int ktdp_fault(struct kvm_exported_tdp *tdp, u64 gfn, bool write);
int ktdp_prefault(struct kvm_exported_tdp *tdp, struct kvm_tdp_prefault *arg);

#endif /* _KTDP_FAULT_H */
