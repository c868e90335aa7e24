// SPDX-License-Identifier: GPL-2.0-only
/* The compiler is the one that built it; for a Linux that clang built, make CC=clang. */
#if defined(__clang__) != defined(CONFIG_CC_IS_CLANG)
#error "the other compiler"
#endif
