/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_LOOK_MAP_H
#define _KTDP_LOOK_MAP_H

#include "../tdp.h"

int ktdp_map_read(struct kvm_exported_tdp *tdp, struct kvm_tdp_map *map);

#endif /* _KTDP_LOOK_MAP_H */
