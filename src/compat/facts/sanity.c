// SPDX-License-Identifier: GPL-2.0-only
/* This is a Linux that kvm_tdp can be built for, with headers that compile. */
#include <linux/kvm_host.h>
#include <linux/module.h>

#ifndef CONFIG_X86_64
#error "not x86-64"
#endif
#if !IS_ENABLED(CONFIG_HMM_MIRROR) || !defined(CONFIG_IOMMU_API)
#error "without HMM or IOMMUs"
#endif
#if !defined(CONFIG_DYNAMIC_FTRACE_WITH_ARGS) || !defined(CONFIG_KPROBES_ON_FTRACE)
#error "without ftrace or kprobes"
#endif
#ifndef CONFIG_KALLSYMS
#error "without names of functions"
#endif
