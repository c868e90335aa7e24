/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_PCI_H
#define TESTS_VM_PCI_H

#include <stdbool.h>
#include <stddef.h>

/* The name of the first PCI device whose attribute @file begins with @value, if any. */
bool pci_find(const char *file, const char *value, char *name, size_t size);

#endif /* TESTS_VM_PCI_H */
