// SPDX-License-Identifier: GPL-2.0-only
/* Page tables of user space are always freed through RCU (6.15), or maybe not. */
#ifndef KTDP_OTHERWISE
#include <linux/mm.h>
#include <asm/paravirt.h>

#ifndef CONFIG_MMU_GATHER_RCU_TABLE_FREE
#error "freed after interrupts to the CPUs that use the mm"
#endif

/* Up to 6.14 this name is taken, by what chooses at run time. */
static inline int paravirt_tlb_remove_table(int fact)
{
	return fact;
}
#endif
