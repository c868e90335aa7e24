/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_SEED_H
#define _KTDP_SEED_H

#include "tdp.h"

void ktdp_seed(struct kvm_exported_tdp *tdp);

#endif /* _KTDP_SEED_H */
