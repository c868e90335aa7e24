/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_REVOKE_H
#define _KTDP_REVOKE_H

#include <linux/bits.h>

#include "tdp.h"

/* Only write access goes, not the leaves. */
#define KTDP_REVOKE_WRITE	BIT(0)
/* Importers may sleep. */
#define KTDP_REVOKE_MAY_SLEEP	BIT(1)

/* Ranges that were revoked, and importers are yet to be told of.  Zero, but for the flags. */
struct ktdp_taken {
	unsigned int flags;
	u64 start;		/* gfns, of which others are about to tell; and ours, in the end */
	u64 end;
	struct ktdp_revoke ours;
};

void ktdp_revoke_take(struct kvm_exported_tdp *tdp, u64 start, u64 end,
		      struct ktdp_taken *taken);
void ktdp_revoke_tell(struct kvm_exported_tdp *tdp, struct ktdp_taken *taken);
void ktdp_revoke(struct kvm_exported_tdp *tdp, u64 start, u64 end, unsigned int flags);
void ktdp_revoke_all(struct kvm_exported_tdp *tdp, unsigned int flags);

#endif /* _KTDP_REVOKE_H */
