/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LIBKVM_TDP_RUN_H
#define LIBKVM_TDP_RUN_H

#include <stdbool.h>

#include <linux/kvm_tdp.h>

/*
 * Append @next to @run if the two are one: same kind, adjacent in GPA space and, where
 * host addresses are shown, there too.
 */
bool run_join(struct kvm_tdp_run *run, const struct kvm_tdp_run *next);

#endif /* LIBKVM_TDP_RUN_H */
