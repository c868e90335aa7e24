/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_IMPORTER_H
#define _KTDP_IMPORTER_H

#include "tdp.h"

void ktdp_importers_init(struct kvm_exported_tdp *tdp);
int ktdp_importer_register(struct kvm_tdp_fd *tdp_fd,
			   struct kvm_tdp_importer_ops *ops, void *data);
void ktdp_importer_unregister(struct kvm_tdp_fd *tdp_fd,
			      struct kvm_tdp_importer_ops *ops);
void ktdp_importers_drop(struct kvm_tdp_fd *tdp_fd);
void ktdp_importers_invalidate(struct kvm_exported_tdp *tdp, unsigned long start,
			       unsigned long size, bool may_sleep);
void ktdp_importers_gone(struct kvm_exported_tdp *tdp);
u64 ktdp_importers_sent(struct kvm_exported_tdp *tdp);
unsigned int ktdp_importers_read(struct kvm_exported_tdp *tdp,
				 struct kvm_tdp_importer *to, unsigned int room);

#endif /* _KTDP_IMPORTER_H */
