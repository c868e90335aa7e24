/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_NOBODY_H
#define TESTS_VM_NOBODY_H

/* Somebody with less rights, in a process of his own that has our descriptors. */

#define NOBODY	65534

/*
 * What @run returned there, from 0 to 127, or a negative errno of at least -127:
 * as a user without capabilities; as the one that has all capabilities in a user
 * namespace of its own.
 */
int as_nobody(int (*run)(void));
int as_ns_root(int (*run)(void));

#endif /* TESTS_VM_NOBODY_H */
