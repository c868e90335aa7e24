// SPDX-License-Identifier: GPL-2.0-only
/* get_user_pages_remote() has no argument for VMAs (6.5), or has. */
#include <linux/mm.h>

#ifndef KTDP_OTHERWISE
long fact(struct mm_struct *mm, int *locked)
{
	return get_user_pages_remote(mm, 0, 1, 0, NULL, locked);
}
#else
long fact(struct mm_struct *mm, int *locked)
{
	return get_user_pages_remote(mm, 0, 1, 0, NULL, NULL, locked);
}
#endif
