// SPDX-License-Identifier: GPL-2.0-only
/* GUP is asked to take NUMA hints for faults (6.6), or does so by itself. */
#include <linux/mm.h>

#ifndef KTDP_OTHERWISE
int fact(void)
{
	return FOLL_HONOR_NUMA_FAULT;
}
#else
int fact(void)
{
	return 0;
}
#endif
