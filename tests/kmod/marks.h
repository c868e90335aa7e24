/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_TEST_MARKS_H
#define _KTDP_TEST_MARKS_H

/*
 * Instructions that do nothing, and that no compiler makes: what is between on and off
 * is counted by a plugin of the emulator (tests/profile), if it has that; next ends a
 * section.  For programs and modules.
 */

static inline void profile_on(void)
{
	asm volatile("xchgw %%bx, %%bx" : : : "memory");
}

static inline void profile_off(void)
{
	asm volatile("xchgw %%cx, %%cx" : : : "memory");
}

static inline void profile_next(void)
{
	asm volatile("xchgw %%dx, %%dx" : : : "memory");
}

#endif /* _KTDP_TEST_MARKS_H */
