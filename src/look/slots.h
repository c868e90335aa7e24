/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_LOOK_SLOTS_H
#define _KTDP_LOOK_SLOTS_H

#include "../tdp.h"

u64 ktdp_slots_size(struct kvm_exported_tdp *tdp);
int ktdp_slots_read(struct kvm_exported_tdp *tdp, struct kvm_tdp_slots *slots);

#endif /* _KTDP_LOOK_SLOTS_H */
