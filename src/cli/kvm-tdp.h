/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_CLI_H
#define KVM_TDP_CLI_H

#if !__has_include("json-c/json.h")
#error "kvm-tdp needs the headers of json-c: apt install libjson-c-dev"
#endif

#include <argp.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "../lib/libkvm_tdp.h"
#include "ram.h"

#define EXIT_USAGE	2

/* Subcommands: argv[0] is the name to use in messages. */
int cmd_list(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_slots(int argc, char **argv);
int cmd_importers(int argc, char **argv);
int cmd_map(int argc, char **argv);
int cmd_prefault(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_read(int argc, char **argv);
int cmd_write(int argc, char **argv);
int cmd_find(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_mount(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_attach(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_devices(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

/* opts.c: what most subcommands share */

struct vm_opts {
	pid_t pid;
	int vm;			/* index among the VMs of pid; -1: the only one */
	unsigned int as_id;
	bool json;
};

extern const struct argp vm_argp;	/* input: struct vm_opts */
/* The parser of a command that has no options beside its child's. */
error_t pass_input(int key, char *arg, struct argp_state *state);
/* Of commands that are about no VM; input: bool, is JSON wanted? */
extern const struct argp_child json_children[];

struct range_opts {
	uint64_t gpa;
	uint64_t length;
	bool has_gpa;
	bool has_length;
};

/* Beyond what a table of any format reaches. */
#define GPA_END		(1ULL << 57)

/* input: struct range_opts; checks that the range ends at GPA_END at most. */
extern const struct argp range_argp;
/* Of a command that takes both, in this order. */
extern const struct argp_child vm_range_children[];

/* Usage errors, to be called when the options have been parsed. */
void range_need_gpa(const struct range_opts *range, struct argp_state *state);
void range_need_pages(const struct range_opts *range, struct argp_state *state);

/* Parse the value of an option, or end with a usage error. */
uint64_t arg_size(const char *arg, const char *option,
		  struct argp_state *state);
unsigned int arg_number(const char *arg, unsigned int min, unsigned int max,
			const char *option, struct argp_state *state);

/* vm.c: VMs of other processes */

/* The one process of that name that has a VM. Ends the process with a message on failure. */
pid_t vm_named(const char *name);

/* Does the VM live in the memory of this process? @tdp: a TDP fd of it. */
bool vm_is_of(int tdp, pid_t pid);

/* A TDP fd, close-on-exec. Ends the process with a message on failure. */
int vm_create_tdp_fd(const struct vm_opts *opts);

/* If no other has a TDP fd of this table, say so, but not to those who want JSON. */
void vm_tell_new(const struct vm_opts *opts, int tdp);

/* tdp.c: the library's calls; all end the process with a message on failure */

void tdp_get_info(int tdp, struct kvm_tdp_info *info);
void tdp_get_stats(int tdp, struct kvm_tdp_stats *stats);
void tdp_read_slots(int tdp, uint64_t gpa, kvm_tdp_slot_fn *fn, void *data);
int tdp_get_importers(int tdp, struct kvm_tdp_importer *importers, unsigned int nr);
void tdp_read_runs(int tdp, const struct range_opts *range, kvm_tdp_run_fn *fn,
		   void *data);
void tdp_verify(int tdp, const struct range_opts *range,
		struct kvm_tdp_verify *verify);

/*
 * 0 when all is done, or -errno with *gpa and *length at what is left. That the host is
 * busy with the range is no verdict.
 */
int tdp_prefault(int tdp, uint64_t *gpa, uint64_t *length, unsigned int access);

/*
 * The guest's RAM in a range, by default all; but for slots with any of @without
 * (KVM_TDP_SLOT_*). That there is none is a failure.
 */
void tdp_read_ram(int tdp, const struct range_opts *range, uint32_t without,
		  struct ram *ram);

/* Text of an errno that an ioctl of a TDP fd returned; says if the loaded module is too old. */
const char *tdp_strerror(int err);

/* Is it only this page of a slot that cannot be had? It is skipped then. */
bool tdp_is_gap(int err);

/* The guest's memory; @flags: O_RDONLY or O_RDWR. */
int tdp_open_mem(int tdp, pid_t pid, int flags);
/* As the library's, but patient with a host that is busy. */
int tdp_mem_read(int mem, uint64_t gpa, void *buf, size_t length, size_t *done);
/* The same, with zeroes for what is a gap; *@gaps grows by their number. */
int tdp_mem_read_gaps(int mem, uint64_t gpa, void *buf, size_t length, size_t *done,
		      uint64_t *gaps);
int tdp_mem_write(int mem, uint64_t gpa, const void *buf, size_t length, size_t *done);
/* An engine that has the table. */
int tdp_open_dma(int tdp);
void tdp_get_dma_stats(int dma, struct kvm_tdp_dma_stats *stats);

/* cmd_slots.c */

/*
 * What "slots --json" prints, written to a file; @hva: with the VMM's addresses, as far as
 * the caller may see them. 0 or -errno.
 */
int slots_print_json(int tdp, bool hva, FILE *to);

/* cmd_prefault.c */

struct prefaulted {
	uint64_t mapped;
	uint64_t skipped;	/* RAM that cannot be */
};

/* Map the guest's RAM in a range, by default all. */
struct prefaulted prefault_ram(int tdp, const struct range_opts *range,
			       unsigned int access);

/* out.c */

void __attribute__((format(printf, 1, 2), noreturn)) die(const char *fmt, ...);
void __attribute__((format(printf, 1, 2))) warn(const char *fmt, ...);

/* Of CLOCK_MONOTONIC. */
uint64_t now_ns(void);

/*
 * How far it is, on standard error: a line that is drawn over, or on what is no terminal
 * one now and then. Clear it before stdout, which may be the same terminal, is written
 * to; messages do.
 */
void progress_begin(uint64_t total, bool on);
void progress_update(uint64_t done);
void progress_clear(void);

/* Write all, or end with a message. */
void out_bytes(const void *buf, size_t length);
void out_hexdump(uint64_t gpa, const void *buf, size_t length);

/*
 * Run a program that takes what is written to *@in, and writes to @out. @option is what
 * needs it, and @package has it; without it the process ends with a message.
 */
pid_t pipe_to(char *const argv[], int out, const char *option, const char *package, int *in);
/* Wait for its end; that it has failed ends the process with a message, too. */
void pipe_wait(pid_t pid, const char *program);

/* JSON: addresses and masks are strings ("0x..."), counts are numbers. */
void json_add_hex(struct json_object *obj, const char *key, uint64_t value);
void json_add_num(struct json_object *obj, const char *key, uint64_t value);
void json_add_str(struct json_object *obj, const char *key, const char *value);
void json_add_bytes(struct json_object *obj, const char *key, const void *buf,
		    size_t length);
void json_out(struct json_object *obj);	/* one line; drops the reference */

/* An array whose members are written as they come. */
struct json_array {
	bool json;		/* false: all calls do nothing */
	bool any;
	FILE *to;		/* NULL: standard output */
};

void json_array_begin(struct json_array *array);
void json_array_add(struct json_array *array, struct json_object *obj);
void json_array_end(struct json_array *array);

/* Flush stdout; a full disk or a closed pipe must not look like success. */
int out_finish(int status);

#endif /* KVM_TDP_CLI_H */
