/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_CLI_H
#define KVM_TDP_CLI_H

#include <argp.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/kvm_tdp.h>
#include <linux/kvm_tdp_dma.h>

#define EXIT_USAGE	2

/* Subcommands: argv[0] is the name to use in messages. */
int cmd_list(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_map(int argc, char **argv);
int cmd_prefault(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_read(int argc, char **argv);
int cmd_write(int argc, char **argv);
int cmd_find(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_attach(int argc, char **argv);
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

#define VM_MAX	64

struct vm_list {
	int nr;
	int fds[VM_MAX];	/* in the other process */
};

/* 0, or -errno if the descriptors of @pid cannot be listed. */
int vm_list_read(pid_t pid, struct vm_list *list);
void vm_comm(pid_t pid, char *comm, size_t size);

/* A TDP fd, close-on-exec. Ends the process with a message on failure. */
int vm_create_tdp_fd(const struct vm_opts *opts);

/* Explain an errno of KVM_CREATE_TDP_FD in plain words. */
const char *create_strerror(int err);

/* tdp.c: the ioctls of a TDP fd; all end the process on failure */

void tdp_get_info(int tdp_fd, struct kvm_tdp_info *info);
void tdp_get_stats(int tdp_fd, struct kvm_tdp_stats *stats);

typedef void (*run_fn)(const struct kvm_tdp_run *run, void *data);

/* Calls @fn for each run of the range, joined; returns the bytes mapped. */
uint64_t tdp_read_map(int tdp_fd, uint64_t gpa, uint64_t length, run_fn fn,
		      void *data);

void tdp_verify(int tdp_fd, uint64_t gpa, uint64_t length,
		struct kvm_tdp_verify *verify);

/* Returns 0 when all is done, or -errno with *gpa and *length at what is left. */
int tdp_prefault(int tdp_fd, uint64_t *gpa, uint64_t *length,
		 unsigned int access);

/* dma.c: an engine of /dev/kvm_tdp_dma; opening ends the process on failure */

struct dma {
	int fd;
	int tdp_fd;
};

void dma_open(struct dma *dma, const struct vm_opts *opts);
void dma_close(struct dma *dma);

/* 0 or -errno; *done bytes were transferred in either case. */
int dma_read(struct dma *dma, uint64_t gpa, void *buf, size_t length,
	     size_t *done);
int dma_write(struct dma *dma, uint64_t gpa, const void *buf, size_t length,
	      size_t *done);
void dma_get_stats(struct dma *dma, struct kvm_tdp_dma_stats *stats);

/* Explain an errno of fault, prefault or the engine in plain words. */
const char *fault_strerror(int err);

/* out.c */

void __attribute__((format(printf, 1, 2), noreturn)) die(const char *fmt, ...);
void __attribute__((format(printf, 1, 2))) warn(const char *fmt, ...);

/* Write all, or end with a message. */
void out_bytes(const void *buf, size_t length);
void out_hexdump(uint64_t gpa, const void *buf, size_t length);

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
};

void json_array_begin(struct json_array *array);
void json_array_add(struct json_array *array, struct json_object *obj);
void json_array_end(struct json_array *array);

/* Flush stdout; a full disk or a closed pipe must not look like success. */
int out_finish(int status);

#endif /* KVM_TDP_CLI_H */
