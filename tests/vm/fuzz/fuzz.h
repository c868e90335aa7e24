/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_FUZZ_H
#define TESTS_VM_FUZZ_H

/*
 * The fuzzer: one call after the other, well formed and not, of everything that
 * user space and importers can call, among fds of every kind.  For each call it
 * is known, from what the uapi headers say and what was done before, which
 * answers are right.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "dice.h"
#include "ktdp.h"
#include "mem.h"
#include "tap.h"

/* fuzz_dice.c: every choice that is made */
uint64_t roll(uint64_t sides);
bool one_in(uint64_t sides);
/* Numbers that code gets wrong, and any other. */
uint64_t odd_number(void);
/* One that is no address of ours, and that nobody can read or write. */
uint64_t odd_pointer(void);
/* A bit of @bits. */
uint32_t one_bit(unsigned int bits);

/* A step begins and ends; with a corpus, the step may be one of those again. */
void fuzz_step_begin(uint64_t seed, uint64_t step);
void fuzz_step_end(void);
size_t fuzz_corpus(void);

/* fuzz_cover.c: what a step reached in the modules, where the kernel tells */
bool cover_open(bool guided);
void cover_begin(void);
/* Something new was reached since cover_begin(). */
bool cover_end(void);
void cover_close(void);
void cover_print(void);
extern bool cover_guides;

/* fuzz_count.c: what was called and what it answered */
enum fuzz_kind {
	FUZZ_CREATE, FUZZ_INFO, FUZZ_PREFAULT, FUZZ_MAP, FUZZ_STATS, FUZZ_VERIFY,
	FUZZ_SLOTS_READ, FUZZ_IMPORTERS,
	FUZZ_ATTACH, FUZZ_DETACH, FUZZ_READ, FUZZ_WRITE, FUZZ_COPY, FUZZ_DMA_STATS,
	FUZZ_MEM_ATTACH, FUZZ_READV,
	FUZZ_VFIO_ATTACH, FUZZ_VFIO_DETACH, FUZZ_VFIO_BEGIN, FUZZ_VFIO_DONE,
	FUZZ_VFIO_MAP, FUZZ_VFIO_UNMAP, FUZZ_VFIO_INFO, FUZZ_VFIO_GROUP,
	FUZZ_PANE_MAP, FUZZ_PANE_UNMAP, FUZZ_PANE_PROTECT, FUZZ_PANE_ADVISE, FUZZ_PANE_REMAP,
	FUZZ_PANE_TOUCH,
	FUZZ_WRONG_NUMBER, FUZZ_WRONG_FILE, FUZZ_FILE_OP,
	FUZZ_GET, FUZZ_PUT, FUZZ_REGISTER, FUZZ_UNREGISTER, FUZZ_FAULT,
	FUZZ_METADATA,
	FUZZ_SLOT, FUZZ_CAP, FUZZ_RING, FUZZ_MEMORY, FUZZ_OPEN, FUZZ_DUP, FUZZ_CLOSE, FUZZ_PASS,
	FUZZ_CAPABILITY, FUZZ_FORK, FUZZ_EXEC, FUZZ_NEIGHBOUR, FUZZ_KILL,
	NR_FUZZ_KINDS
};

/* The answers that are right: 0 or -errno each. */
struct answers {
	unsigned int nr;
	int is[16];
};

void may(struct answers *answers, int answer);

void count_open(void);
/* A call was made; tell it if the answer is none of @right.  True if it is. */
bool judge(enum fuzz_kind kind, int ret, const struct answers *right);
void count_call(enum fuzz_kind kind, int ret);
/* Something is wrong, which is told with the step. */
void wrong(const char *fmt, ...) TAP_PRINTF(1, 2);
uint64_t nr_calls(void);
uint64_t nr_wrong(void);
uint64_t nr_answered(enum fuzz_kind kind, bool success);
const char *kind_name(enum fuzz_kind kind);
void count_print(void);
/* Where we are. */
void count_step(uint64_t seed, uint64_t step);

/* fuzz_window.c: where structs and buffers stand */
#define WINDOW_CALM	0xa5	/* what is there when nothing is going on */

struct spot {
	uint8_t *at;
	uint8_t *alias;		/* the same bytes, for us; NULL: there are none */
	size_t readable;	/* bytes from @at on */
	size_t writable;
	bool wild;		/* it changes while it is looked at */
};

void window_open(void);
/* For a struct of @size bytes. */
void window_choose(struct spot *spot, size_t size);
/* For a buffer of up to 8K. */
void window_choose_data(struct spot *spot);
void window_find(struct spot *spot, uint64_t address);
/* Put @length bytes there, or as much of it as there is room for. */
void window_put(struct spot *spot, const void *bytes, size_t length);
/* Nothing around [at, at + length) has changed. */
bool window_calm(const struct spot *spot, size_t length);
bool window_all_calm(void);
void window_close(void);
/* All as it was before. */
void window_clear(struct spot *spot, size_t length);
void window_reset(void);
/* Others change the struct of @words that may be, by bit, for some calls. */
void window_race(struct spot *spot, uint32_t words);
void window_race_end(struct spot *spot);

/* fuzz_zoo.c: fds of every kind */
enum file_kind {
	FILE_CLOSED, FILE_DEV, FILE_TDP, FILE_DMA, FILE_MEM, FILE_PROC_MEM,
	FILE_VM, FILE_VCPU, FILE_KVM,
	FILE_VFIO, FILE_CONTAINER,	/* with the device's group, and without */
	FILE_PIPE, FILE_EVENTFD, FILE_PROC, NR_FILE_KINDS
};

enum owner { OWNER_SELF, OWNER_OTHER, OWNER_DEAD };

#define FUZZ_VMS	16
#define FUZZ_SLOTS	6
#define FUZZ_BEASTS	40
#define FUZZ_FILES	256	/* what is mapped has its file */

struct fuzz_slot {
	uint64_t gpa;
	size_t pages;		/* 0: not there */
	size_t first;		/* page of the RAM */
	uint32_t flags;
};

struct fuzz_vm {
	bool used;
	enum owner owner;
	bool neighbours;	/* its memory is not ours */
	pid_t pid;		/* of its owner; 0: this process */
	bool vcpu, ring;	/* it has one at least; a dirty ring */
	unsigned int changes;	/* of its slots */
	struct fuzz_slot slots[2][FUZZ_SLOTS];	/* by as_id */
};

/* An open file: what its fds share. */
struct fuzz_file {
	unsigned int refs;
	enum file_kind kind;
	struct fuzz_vm *vm;	/* or NULL; of an engine or guest memory: it is attached to */
	unsigned int as_id;
	uint32_t left;		/* of a TDP fd: importers that are registered for good */
};

struct beast {
	bool used;
	int fd;
	struct fuzz_file *file;	/* NULL: closed */
};

extern struct fuzz_vm fuzz_vms[FUZZ_VMS];
extern struct beast beasts[FUZZ_BEASTS];

void zoo_open(void);
void zoo_close(void);
/* There is one of each kind that calls need. */
void zoo_tend(void);
/* Any; one of a kind, or NULL. */
struct beast *zoo_any(void);
struct beast *zoo_one(enum file_kind kind);
/* The fd of one of a kind, mostly; @beast NULL if it is no fd of ours. */
int zoo_pick(enum file_kind kind, struct beast **beast);
enum file_kind beast_kind(const struct beast *beast);
struct beast *zoo_add(int fd, struct fuzz_file *file);
/* A file that is new to us. */
void zoo_adopt(int fd, enum file_kind kind, struct fuzz_vm *vm);
void zoo_drop(struct beast *beast);
struct fuzz_file *file_new(enum file_kind kind, struct fuzz_vm *vm,
			   unsigned int as_id);
void file_put(struct fuzz_file *file);
struct fuzz_vm *vm_new(enum owner owner, pid_t pid);
/* Another process may have used what it shares with us. */
void zoo_settle(void);
void fuzz_zoo(void);

/* fuzz_host.c: memslots, their log, and the memory behind them */
#define FUZZ_RAM_PAGES	256
/* What a table reaches. */
extern uint64_t fuzz_reach;

enum page_state { PAGE_RW, PAGE_RO, PAGE_NONE, PAGE_GONE };

void host_open(void);
void host_close(void);
/* A gpa, in a slot of the file's VM or not. */
uint64_t odd_gpa(const struct fuzz_file *file);
/* One that is in a slot, mostly. */
uint64_t host_gpa(const struct fuzz_file *file);
/* What a fault there may answer. */
void host_answers(const struct fuzz_vm *vm, unsigned int as_id, uint64_t gpa,
		  bool write, struct answers *right);
/* The page of the RAM that is there; FUZZ_RAM_PAGES: none, or a neighbour's. */
size_t host_page(const struct fuzz_vm *vm, unsigned int as_id, uint64_t gpa);
uint8_t *host_hva(size_t page);
bool host_writable(size_t page);
/* The fault there has to succeed; or may. */
bool host_grants(const struct fuzz_vm *vm, unsigned int as_id, uint64_t gpa,
		 bool write);
/* The slot of all RAM that every VM has at first. */
extern const struct fuzz_slot host_first;
int host_first_slot(int vm_fd, struct fuzz_vm *vm);
void fuzz_slot(void);
void fuzz_cap(void);
void fuzz_memory(void);

/*
 * fuzz_box.c: the container with a device in it, of which there is one, where the machine
 * has a device; and what the device's transfers have lost
 */
bool box_has_device(void);
/* The container, or -errno. */
int box_open(void);
/* Its last fd has gone. */
void box_close(void);
/* There will be none any more. */
void box_end(void);
/* In a child: the parent's device is none of its. */
void box_leave(void);
/* It becomes the file's; and the file's kind changes when the group leaves. */
void box_adopt(struct fuzz_file *file);
void fuzz_group(void);
/* Pages of the RAM are taken, or write access to them; a VM's slot goes; the VM. */
void box_lose_pages(size_t first, size_t nr, bool writes_only);
void box_lose_slot(const struct fuzz_vm *vm, unsigned int as_id, const struct fuzz_slot *slot);
void box_lose_vm(const struct fuzz_vm *vm);
/* What the IOMMU translates is what the host has there. */
void box_check(void);

/* fuzz_ioctl.c: the ioctls of the uapi headers */
void fuzz_ioctl(void);
void fuzz_wrong_number(void);
void fuzz_file_op(void);

/* fuzz_pane.c: guest memory that is mapped */
void panes_open(void);
void panes_close(void);
void panes_child(void);
void panes_check(void);
void fuzz_pane(void);

/* fuzz_importer.c: the importer ops */
void importers_open(void);
void importers_close(void);
void importers_settle(void);
/* Callbacks had the arguments and the context that they must have. */
void importers_check(void);
void fuzz_importer(void);

/* fuzz_process.c: who calls */
extern bool fuzz_in_child;
extern bool fuzz_is_admin, fuzz_may_ptrace;

void fuzz_capability(void);
void fuzz_process(void);
/* No other process lives. */
void process_settle(void);
/* The argument of a program that is executed to see what it has open. */
#define FUZZ_EXECED	"--execed"
int fuzz_execed(int fd);

/* fuzz.c */
void fuzz_one(void);

#endif /* TESTS_VM_FUZZ_H */
