/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LIBKVM_TDP_H
#define LIBKVM_TDP_H

/*
 * libkvm_tdp: the memory of running KVM guests, for programs.
 *
 *	int tdp = kvm_tdp_attach(pid, -1, 0);
 *	int mem = kvm_tdp_mem_open(tdp, pid, O_RDONLY);
 *
 *	kvm_tdp_mem_read(mem, gpa, buf, length, NULL);
 *
 * A VM is attached to by the number of its process, or by a VM fd of this one.  What
 * comes of it is a TDP fd, with which the table is read and filled; with that the guest's
 * memory is opened as a file, or given to a DMA engine.  All of these are file
 * descriptors, close-on-exec, and close() ends them, in any order.
 *
 * Functions that return int answer 0 (those that open something: a descriptor), or
 * -errno.  None prints, ends the process, or keeps anything between calls: threads may
 * call them at once.  Guest physical addresses (GPA) and lengths are in bytes.  The
 * ioctls behind them, with all their errors, are in linux/kvm_tdp.h,
 * linux/kvm_tdp_mem.h and linux/kvm_tdp_dma.h.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/kvm_tdp.h>
#include <linux/kvm_tdp_dma.h>
#include <linux/kvm_tdp_mem.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * VMs
 */

#define KVM_TDP_VMS_MAX		64

/**
 * struct kvm_tdp_vms - the VMs of a process
 * @nr: how many; more than KVM_TDP_VMS_MAX are not seen
 * @fds: of each a VM fd, in the table of that process, ascending
 */
struct kvm_tdp_vms {
	int nr;
	int fds[KVM_TDP_VMS_MAX];
};

/**
 * kvm_tdp_list_vms() - which VMs a process has
 * @pid: the process
 * @vms: is filled in; @vms->nr may be 0
 *
 * Return: 0; -ESRCH no such process; -EACCES no permission to look into it.
 */
int kvm_tdp_list_vms(pid_t pid, struct kvm_tdp_vms *vms);

/**
 * kvm_tdp_open_vm() - take a VM fd of another process
 * @pid: the process; it stays the same throughout, even if it ends meanwhile
 * @index: which of its VMs, as kvm_tdp_list_vms() has them; -1 the only one
 *
 * Return: a VM fd of this process, to be closed as soon as there is a TDP fd: it
 * keeps the VM.  -ESRCH no such process; -EINVAL @pid is a thread; -ENOENT no such VM;
 * -ENOTUNIQ it has several, and @index is -1; -EACCES, -EPERM no permission: it takes
 * that to ptrace the process.
 */
int kvm_tdp_open_vm(pid_t pid, int index);

/**
 * kvm_tdp_create() - export a VM's memory, or find it exported
 * @vm_fd: a VM fd of this process
 * @as_id: address space: 0; 1 for that of SMM
 *
 * Return: a TDP fd; -ENXIO the module kvm_tdp is not loaded; -EACCES no permission to
 * open /dev/kvm_tdp; else as KVM_CREATE_TDP_FD, see kvm_tdp_create_strerror().
 */
int kvm_tdp_create(int vm_fd, unsigned int as_id);

/**
 * kvm_tdp_attach() - kvm_tdp_open_vm() and kvm_tdp_create() in one
 *
 * Return: a TDP fd, or -errno of either.
 */
int kvm_tdp_attach(pid_t pid, int index, unsigned int as_id);

/*
 * The guest
 */

/**
 * typedef kvm_tdp_slot_fn - is told of a memslot
 * @slot: is good for this call only
 * @data: as given
 *
 * Return: 0 to go on; anything else ends the walk, which returns it.
 */
typedef int kvm_tdp_slot_fn(const struct kvm_tdp_slot *slot, void *data);

/**
 * kvm_tdp_read_slots() - where the guest has memory, in ascending order
 * @tdp: a TDP fd
 * @gpa: slots that end behind this address
 * @fn: is called for each
 * @data: is passed to @fn
 *
 * The VMM may change them meanwhile: each was there at some instant.
 *
 * Return: 0; what @fn returned; or -errno as KVM_TDP_READ_SLOTS.
 */
int kvm_tdp_read_slots(int tdp, uint64_t gpa, kvm_tdp_slot_fn *fn, void *data);

/**
 * kvm_tdp_get_importers() - the drivers that use the table
 * @tdp: a TDP fd
 * @importers: array to be filled in
 * @nr: its size, not 0; a kernel may tell of fewer
 *
 * Return: how many are written, or -errno as KVM_TDP_READ_IMPORTERS.
 */
int kvm_tdp_get_importers(int tdp, struct kvm_tdp_importer *importers, unsigned int nr);

/*
 * The table
 */

/**
 * kvm_tdp_get_info() - format, levels and root; constant
 * @tdp: a TDP fd
 * @info: is filled in
 */
int kvm_tdp_get_info(int tdp, struct kvm_tdp_info *info);

/**
 * kvm_tdp_get_stats() - counters of the table
 * @tdp: a TDP fd
 * @stats: is filled in
 */
int kvm_tdp_get_stats(int tdp, struct kvm_tdp_stats *stats);

/**
 * kvm_tdp_map_range() - have a range of guest memory mapped
 * @tdp: a TDP fd
 * @gpa: in: start; out: first byte not done.  A multiple of 4096.
 * @length: in: bytes; out: bytes left
 * @access: KVM_TDP_ACCESS_*, at least one
 *
 * Return: 0 all was done, each page at some instant; or why the page at @gpa was not,
 * see kvm_tdp_fault_strerror().  After -EAGAIN it may be called again.
 */
int kvm_tdp_map_range(int tdp, uint64_t *gpa, uint64_t *length, unsigned int access);

/**
 * typedef kvm_tdp_run_fn - is told of a run of like leaves
 * @run: is good for this call only
 * @data: as given
 *
 * Return: 0 to go on; anything else ends the walk, which returns it.
 */
typedef int kvm_tdp_run_fn(const struct kvm_tdp_run *run, void *data);

/**
 * kvm_tdp_read_runs() - what the table maps now, in ascending order
 * @tdp: a TDP fd
 * @gpa: start, a multiple of 4096
 * @length: bytes, a multiple of 4096; may reach beyond the table's last address
 * @fn: is called for each run; holes are left out, neighbours that are alike are one
 * @data: is passed to @fn
 *
 * The table changes meanwhile: each run was true at some instant.
 *
 * Return: 0; what @fn returned; or -errno as KVM_TDP_READ_MAP.
 */
int kvm_tdp_read_runs(int tdp, uint64_t gpa, uint64_t length, kvm_tdp_run_fn *fn,
		      void *data);

/**
 * kvm_tdp_verify_range() - hold the table against the host
 * @tdp: a TDP fd
 * @gpa: start, a multiple of 4096
 * @length: bytes, a multiple of 4096
 * @verify: the findings; if the call fails, those up to @verify->gpa
 *
 * Return: 0, also if something is wrong; -EPERM takes CAP_SYS_ADMIN; else as
 * KVM_TDP_VERIFY.
 */
int kvm_tdp_verify_range(int tdp, uint64_t gpa, uint64_t length,
			 struct kvm_tdp_verify *verify);

/*
 * Guest memory, as a file
 */

/**
 * kvm_tdp_mem_open() - open the memory of a guest
 * @tdp: a TDP fd; may be closed then
 * @pid: the process that has the VM
 * @flags: O_RDONLY or O_RDWR
 *
 * Return: a descriptor on which pread(), preadv() and, with O_RDWR, pwrite() take guest
 * physical addresses for offsets.  -ENXIO the module kvm_tdp_mem is not loaded; -ESRCH no
 * such process; -EPERM it takes the right to ptrace it; -EACCES that, or it is not that of
 * the VM, or no permission to open /dev/kvm_tdp_mem; -EINVAL @flags.
 */
int kvm_tdp_mem_open(int tdp, pid_t pid, int flags);

/**
 * kvm_tdp_mem_read() - read guest memory
 * @mem: from kvm_tdp_mem_open()
 * @gpa: start, of any alignment
 * @buf: where to
 * @length: bytes
 * @done: NULL, or is set to the bytes that were read, also when the call fails
 *
 * Return: 0 all of it; or why the byte after @done was not, see
 * kvm_tdp_fault_strerror(): -ENXIO no guest RAM there.
 */
int kvm_tdp_mem_read(int mem, uint64_t gpa, void *buf, size_t length, size_t *done);

/* The same the other way. */
int kvm_tdp_mem_write(int mem, uint64_t gpa, const void *buf, size_t length, size_t *done);

/**
 * kvm_tdp_mem_readv() - many reads in one system call
 * @mem: from kvm_tdp_mem_open()
 * @vecs: what to read, and where to
 * @nr: how many
 * @flags: KVM_TDP_MEM_NOWAIT or 0
 * @done: NULL, or is set to how many are complete, also when the call fails
 *
 * Return: 0 all; or why the one after @done is not, as KVM_TDP_MEM_READV.
 */
int kvm_tdp_mem_readv(int mem, const struct kvm_tdp_mem_vec *vecs, unsigned int nr,
		      unsigned int flags, unsigned int *done);

/*
 * Guest memory, through a DMA engine in software
 */

/**
 * kvm_tdp_dma_open() - an engine, not attached
 *
 * Return: its descriptor; -ENXIO the module kvm_tdp_dma is not loaded; -EACCES no
 * permission to open /dev/kvm_tdp_dma; -EPERM takes CAP_SYS_ADMIN.
 */
int kvm_tdp_dma_open(void);

/**
 * kvm_tdp_dma_attach() - give an engine a table to go by
 * @dma: an engine
 * @tdp: a TDP fd; may be closed then
 */
int kvm_tdp_dma_attach(int dma, int tdp);
int kvm_tdp_dma_detach(int dma);

/**
 * kvm_tdp_dma_read() - read guest memory
 * @dma: an attached engine
 * @gpa: start, of any alignment
 * @buf: where to
 * @length: bytes
 * @flags: KVM_TDP_DMA_NOFAULT or 0
 * @done: NULL, or is set to the bytes that were read, also when the call fails
 *
 * Return: 0 all of it; or why the byte after @done was not, see
 * kvm_tdp_fault_strerror().
 */
int kvm_tdp_dma_read(int dma, uint64_t gpa, void *buf, size_t length, unsigned int flags,
		     size_t *done);

/* The same the other way. */
int kvm_tdp_dma_write(int dma, uint64_t gpa, const void *buf, size_t length,
		      unsigned int flags, size_t *done);

/* From guest memory to guest memory; what overlaps is copied in ascending order. */
int kvm_tdp_dma_copy(int dma, uint64_t from, uint64_t to, size_t length,
		     unsigned int flags, size_t *done);

int kvm_tdp_dma_get_stats(int dma, struct kvm_tdp_dma_stats *stats);

/*
 * Errors in plain words, for people; @err is positive.
 */

/* Of kvm_tdp_create(). */
const char *kvm_tdp_create_strerror(int err);

/* Of kvm_tdp_map_range(), kvm_tdp_mem_read() and the engine. */
const char *kvm_tdp_fault_strerror(int err);

#ifdef __cplusplus
}
#endif

#endif /* LIBKVM_TDP_H */
