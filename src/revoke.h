/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_REVOKE_H
#define _KTDP_REVOKE_H

#include "tdp.h"

void ktdp_revoke(struct kvm_exported_tdp *tdp, u64 start, u64 end, bool write_only);
void ktdp_revoke_all(struct kvm_exported_tdp *tdp);

#endif /* _KTDP_REVOKE_H */
