/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_VM_PROOF_H
#define TESTS_VM_PROOF_H

/*
 * What the attacks on the rule of filling (src/notifier.c) share: a bed with an
 * importer that keeps a log, actors on CPUs of their own, stops to hold them at, and
 * the changes that the host or the VMM makes meanwhile.
 *
 * Three CPUs: the test's own, which is never held; the filler's (whoever fills
 * the table); and the host's, which may have to wait for a lock that the filler
 * holds, spinning.
 *
 * A filler that is held with interrupts off answers nobody who flushes its TLB: then
 * the host cannot come to the end of a change, as it cannot on the processor.
 *
 * Boot with nohz=off: from 6.9 on idle CPUs leave their timers to one that is not, the
 * held one, and work that is started by such a timer (of SRCU) would wait there.
 */

#include "actor.h"
#include "bed.h"
#include "kmod.h"

#define SIZE		(16 * PAGE_4K)
#define SPARE		(SIZE - PAGE_4K)	/* never touched before */
#define SLOT		1

/* Stops */
enum { FILLER, HOST, WATCH };

struct proof {
	struct bed bed;		/* tdp and dma are -1 until proof_attach() */
	struct mem mem;
	uint64_t hpa;		/* of its first page, at first */
	int kept[2];		/* a pipe that has that page when the host drops it */
	int kmod;
	int handle;
	struct actor filler, host, other;
	char title[96];
	struct kvm_tdp_stats before;
};

extern struct proof p;

#define T(text)		"%s: " text, p.title

/* Once per program, before anything else. */
void proof_start(void);
void proof_stop(void);

/*
 * A VM with a vCPU that the filler has run, and nobody else may while somebody
 * is held; memory of SIZE in slot 1 that the host has
 * filled (GEN(1), but for the spare page); with a TDP fd, or without.
 */
void proof_open_vm(void (*get)(struct mem *mem, size_t size), size_t size);
void proof_attach(void);
void proof_open(void);
void proof_close(void);

/* The same with a TDP fd made elsewhere. */
void proof_adopt(int tdp);

/* Arm; then have it run until it is held, or say that it is not. */
void proof_hold(int stop, struct actor *actor, const struct kmod_point *at);
void proof_run_to(int stop, struct actor *actor, int (*run)(void));
/* Let go, in time. */
void proof_go(int stop);
/* Count how often the actor comes by. */
void proof_watch(struct actor *actor, const struct kmod_point *at);
void proof_saw(unsigned int nr);

/*
 * Where the host may be held.  Our notifier, which comes first, has counted it as
 * busy, and not yet looked at the slots;
 */
extern const struct kmod_point point_counted;
/* has cleared, and not yet told; */
extern const struct kmod_point point_cleared;
/* has told the importers. */
extern const struct kmod_point point_told;
/* It is through, KVM's is not; nothing has changed yet. */
extern const struct kmod_point point_announced;
/* The host's page table has changed. */
extern const struct kmod_point point_made;
/* Our notifier knows of the end, KVM does not. */
extern const struct kmod_point point_half_ended;

/* Changes to the first page. */
struct change {
	const char *name;
	int (*make)(void);
	int fault;		/* what a fault for write answers then */
};

enum { DROP, REPLACE, UNMAP, PROTECT, NR_CHANGES };
extern const struct change changes[NR_CHANGES];

/* 0 or -errno, of the ioctls */
int slot_delete(void);
int slot_move(void);		/* to MOVED */
int slot_read_only(void);	/* the same, without write */
int slot_log(void);		/* dirty logging on */
int slot_unlog(void);
#define MOVED		(GPA + PAGE_2M)

/* Harvest the log: the bit of the first page, or -errno. */
int slot_harvest(void);

/* The first page: mapped as the host has it, not as it was before. */
void check_new(unsigned int gen);
/* ... not mapped. */
void check_absent(void);
/* All there is in the table is the host's. */
void check_agrees(void);
/* The importer was told of the first page since the last look. */
void check_told(void);

#endif /* TESTS_VM_PROOF_H */
