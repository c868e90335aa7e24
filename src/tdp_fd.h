/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_TDP_FD_H
#define _KTDP_TDP_FD_H

#include "tdp.h"

int ktdp_fd_create(struct kvm_exported_tdp *tdp, struct file **filep);

#endif /* _KTDP_TDP_FD_H */
