/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_NOTIFIER_H
#define _KTDP_NOTIFIER_H

#include "tdp.h"

int ktdp_notifier_register(struct kvm_exported_tdp *tdp);
void ktdp_notifier_unregister(struct kvm_exported_tdp *tdp);
void ktdp_notifier_stop(struct kvm_exported_tdp *tdp);
bool ktdp_notifier_is_busy(const struct kvm_exported_tdp *tdp,
			   unsigned long start, unsigned long end);
u64 ktdp_notifier_snapshot(const struct kvm_exported_tdp *tdp, unsigned long hva);
bool ktdp_notifier_retry(const struct kvm_exported_tdp *tdp, unsigned long hva,
			 u64 snapshot);

#endif /* _KTDP_NOTIFIER_H */
