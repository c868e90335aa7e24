/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_COMPAT_HOST_H
#define _KTDP_COMPAT_HOST_H

#include <linux/pgtable.h>

#include "facts.h"

/* Up to 6.15 file systems on memory (DAX) mark their pages, some of them as special. */
#ifdef _PAGE_DEVMAP
#define KTDP_HOST_DEVMAP	_PAGE_DEVMAP
#else
#define KTDP_HOST_DEVMAP	0ULL
#endif

/* Are tables freed through RCU alone, not after interrupts to the mm's CPUs? */
#ifdef KTDP_HAS_RCU_TABLES
#define KTDP_HOST_HAS_RCU_TABLES	true
#else
#define KTDP_HOST_HAS_RCU_TABLES	false
#endif

#endif /* _KTDP_COMPAT_HOST_H */
