/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_EXPORT_H
#define _KTDP_EXPORT_H

#include "tdp.h"

struct kvm_exported_tdp *ktdp_export_get(struct kvm *kvm, u32 as_id);
void ktdp_export_put(struct kvm_exported_tdp *tdp);
void ktdp_export_stats(struct kvm_exported_tdp *tdp, struct kvm_tdp_stats *st);
void ktdp_exports_stop(void);

#endif /* _KTDP_EXPORT_H */
