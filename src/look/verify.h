/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_LOOK_VERIFY_H
#define _KTDP_LOOK_VERIFY_H

#include "../tdp.h"

int ktdp_verify(struct kvm_exported_tdp *tdp, struct kvm_tdp_verify *arg);

#endif /* _KTDP_LOOK_VERIFY_H */
