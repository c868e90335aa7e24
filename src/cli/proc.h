/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_PROC_H
#define KVM_TDP_PROC_H

/* What /proc tells of one process. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PROC_VALUE	256

/*
 * What stands behind "@key:" and blanks in a file such as status or fdinfo; false, and "",
 * if there is no such file or line. @path: as printf() has it.
 */
bool __attribute__((format(printf, 3, 4)))
proc_field(char value[PROC_VALUE], const char *key, const char *path, ...);

/* Its name, fit for terminals and JSON; "?" if it is gone. */
void vm_comm(pid_t pid, char *comm, size_t size);

/* The process of a thread, such as KVM says has made a VM; if it is gone: the same. */
pid_t vm_process(pid_t thread);

/* Are all of its threads stopped, by a signal or a tracer? */
bool vm_is_stopped(pid_t pid);

#endif /* KVM_TDP_PROC_H */
