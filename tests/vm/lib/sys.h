/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_SYS_H
#define TESTS_VM_SYS_H

/* What a test needs of the machine around it: knobs, swap, children. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Write or read a one-line file below /proc or /sys; 0 or -errno. */
int sys_write(const char *path, const char *text);
long sys_read_long(const char *path);

/* What there is to read at once; the test ends if there is no such file. */
void sys_read(const char *path, char *text, size_t size);

/* What /proc tells of a descriptor of this process; the test ends if nothing. */
void sys_fdinfo(int fd, char *text, size_t size);
/* Of these the number behind @name, which ends with a colon; the test ends if there is none. */
unsigned long sys_fdinfo_number(int fd, const char *name);

/*
 * Is the machine there for tests alone?  Where scripts/test-host runs them others use it,
 * and nothing may be done to all of it.
 */
bool sys_alone(void);

/* A shell's command; the test ends if it fails. */
void sys_run(const char *command);

/*
 * Can ftrace be switched off, when nobody has hooked anything for good?  From 7.3
 * on it cannot.
 */
#define SYS_FTRACE	"/proc/sys/kernel/ftrace_enabled"
bool sys_has_ftrace_switch(void);

/*
 * Switch it off, when the hooks have gone that were armed for the last TDP fd: they
 * go some seconds after it.  0 or -errno.
 */
int sys_ftrace_off(void);

/* At least @nr free huge pages of @page bytes; -ENOMEM if there are not. */
int sys_hugepages(size_t page, size_t nr);

/* Load a module if its sign @path is not there; the test ends if that fails. */
void sys_module(const char *name, const char *path);
/* The same for kvm_tdp, kvm_tdp_mem and kvm_tdp_dma. */
void sys_modules(void);

/* The file of kvm_tdp that is installed; load the module in such a file: 0 or -errno. */
int sys_module_open(void);
int sys_module_load(int fd);

/* Swap on zram, once per boot; the test ends if that fails. */
void sys_swap(void);

/* A real filesystem on a disk (zram), mounted; its directory. */
const char *sys_disk(void);

void sys_drop_caches(void);

/* Zeroed memory that child processes share; the test ends if there is none. */
void *sys_shared(size_t size);

/* Milliseconds of a clock that only goes on. */
uint64_t sys_now(void);

/*
 * Sleep for one of at most @ms milliseconds; false if none is left.  What may hang is
 * waited for in such steps: the clock goes on while the emulator of a busy machine
 * does not.
 */
bool sys_step(unsigned int *ms);

/* Wait at most @ms (see sys_step) for the child; its wait status, or -ETIMEDOUT. */
int sys_wait(pid_t pid, unsigned int ms);

/* The child's exit status (-ETIMEDOUT, -ECHILD if a signal ended it). */
int sys_wait_exit(pid_t pid, unsigned int ms);

/* The heap maps no memory from here on: there may be holes that are not its. */
void sys_heap_settle(void);

int sys_send_fd(int sock, int fd);
int sys_recv_fd(int sock);

int sys_pidfd_getfd(pid_t pid, int fd);
int sys_delete_module(const char *name);
/* Patient with a module of which something that was closed is still on its way out. */
int sys_unload(const char *name);

/* Drop or raise an effective capability of this thread. */
int sys_cap(int cap, bool on);

#endif /* TESTS_VM_SYS_H */
