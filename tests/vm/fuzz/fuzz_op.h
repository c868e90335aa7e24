/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_FUZZ_OP_H
#define TESTS_VM_FUZZ_OP_H

/* What is known of each ioctl of the uapi headers. */

#include "fuzz.h"

#define FUZZ_STRUCT_MAX	256

/* What a call is about, beside its struct. */
struct fuzz_call {
	struct fuzz_file *file;		/* that it is issued on */
	struct beast *other;		/* that the struct names; or NULL */
	struct spot data;		/* that it points to */
	int free_fd;			/* the lowest before the call */
};

struct fuzz_op {
	enum fuzz_kind kind;
	const char *name;
	unsigned int weight;
	enum file_kind on;
	unsigned long ioctl;
	size_t size;
	size_t first;		/* size when it was new; 0: it has not grown */
	size_t pointer;		/* offset, if it has one: never made up */
	uint32_t race;		/* words that may change meanwhile, by bit; no pointer */
	bool silent;		/* nothing is written back */
	const int *errors;	/* beside those of all; ends with 0 */

	/* A request that is mostly right. */
	void (*make)(void *arg, struct fuzz_call *call);
	/* Just before the call. */
	void (*prepare)(struct fuzz_call *call);
	/* Add each error that there is reason for, and 0 if it may succeed too. */
	void (*answers)(const void *arg, const struct fuzz_call *call,
			struct answers *right);
	/* Is the byte at @offset written, on success; on failure? */
	bool (*writes)(size_t offset);
	bool (*writes_failing)(size_t offset);
	/* What is known after; @after: what came back, or NULL. */
	void (*done)(const void *arg, const void *after, int ret,
		     struct fuzz_call *call);
};

#define OP(_kind, nr, _on, type) \
	.kind = FUZZ_ ## _kind, .name = #nr, .on = FILE_ ## _on, .ioctl = nr, \
	.size = sizeof(struct type)

/* Each ends with one that has no name. */
extern const struct fuzz_op tdp_ops[], dma_ops[], mem_ops[], vfio_ops[];

/* All of them; NULL at the end. */
const struct fuzz_op *fuzz_op_at(unsigned int nr);
const struct fuzz_op *fuzz_op_choose(void);

/* What they have in common. */
bool misaligned(uint64_t gpa, uint64_t length);
bool is_dead(const struct fuzz_call *call);
struct beast *beast_of(int fd);
void make_nothing(void *arg, struct fuzz_call *call);
bool writes_all_else(size_t offset);
void answers_flags(const void *arg, const struct fuzz_call *call,
		   struct answers *right);
/* Of what is attached. */
void answers_detach(const void *arg, const struct fuzz_call *call,
		    struct answers *right);
void answers_fd(int fd, enum file_kind kind, struct answers *right);
void answers_fault(const struct fuzz_call *call, uint64_t gpa, bool write,
		   struct answers *right);

#endif /* TESTS_VM_FUZZ_OP_H */
