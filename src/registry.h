/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_REGISTRY_H
#define _KTDP_REGISTRY_H

#include <linux/mutex.h>

#include "tdp.h"

extern struct mutex ktdp_registry_lock;

struct kvm_exported_tdp *ktdp_registry_find(struct kvm *kvm, u32 as_id);
void ktdp_registry_add(struct kvm_exported_tdp *tdp);
void ktdp_registry_del(struct kvm_exported_tdp *tdp);
void ktdp_registry_each(void (*fn)(struct kvm_exported_tdp *tdp));

typedef unsigned long (*ktdp_registry_fn)(struct kvm_exported_tdp *tdp,
					  unsigned long nr);
unsigned long ktdp_registry_try_each(ktdp_registry_fn fn, unsigned long nr);

#endif /* _KTDP_REGISTRY_H */
