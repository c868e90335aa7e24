/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_GUEST_H
#define TESTS_VM_GUEST_H

/*
 * The guest's code, position independent, and its entry points.  Registers on
 * entry: rsi first byte, rdx one past the last, rcx generation, rdi stride, r10
 * what to add to an address to have its gpa.  On HLT: rax 0 if all was well; else
 * 1, and rsi says where.
 */
extern const char guest_code[], guest_code_end[];
extern const char guest_op_fill[], guest_op_check[], guest_op_touch[];
extern const char guest_op_call[], guest_op_spin[], guest_op_time[], guest_op_copy[];

/* The handler of SMIs (smm.h), and a guest that runs a guest (nested.h). */
extern const char guest_smm[], guest_smm_end[];
extern const char guest_l1_svm[], guest_l1_svm_end[];
extern const char guest_l1_vmx[], guest_l1_vmx_exit[], guest_l1_vmx_end[];

#endif /* TESTS_VM_GUEST_H */
