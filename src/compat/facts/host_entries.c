// SPDX-License-Identifier: GPL-2.0-only
/* The host's page table has the bits that it had; 7.3 calls userfaultfd's by another name. */
#include <linux/mm.h>
#include <linux/pgtable.h>

#include "../check.h"
#include "table/fmt_host.h"

#ifdef KTDP_OTHERWISE
#define _PAGE_BIT_UFFD	_PAGE_BIT_UFFD_WP
#endif

static_assert(KTDP_HOST_PRESENT == _PAGE_PRESENT);
static_assert(KTDP_HOST_WRITE == _PAGE_RW);
static_assert(KTDP_HOST_USER == _PAGE_USER);
static_assert(KTDP_HOST_SPECIAL == _PAGE_SPECIAL);
static_assert(BIT_ULL(_PAGE_BIT_UFFD) == KTDP_HOST_UFFD_WP);
static_assert(KTDP_HOST_NX == _PAGE_NX);
static_assert(KTDP_ENTRY_HUGE == _PAGE_PSE);
static_assert(KTDP_ENTRIES == PTRS_PER_PTE);
member_is(struct mm_struct, pgd, pgd_t *);
