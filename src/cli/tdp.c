// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define BUSY_TRIES	50

const char *tdp_strerror(int err)
{
	if (err == ENOTTY || err == E2BIG)
		return "the loaded module is older than this program and cannot: kvm-tdp doctor";
	return strerror(err);
}

void tdp_get_info(int tdp, struct kvm_tdp_info *info)
{
	int err = kvm_tdp_get_info(tdp, info);

	if (err)
		die("reading the metadata: %s", tdp_strerror(-err));
}

void tdp_get_stats(int tdp, struct kvm_tdp_stats *stats)
{
	int err = kvm_tdp_get_stats(tdp, stats);

	if (err)
		die("reading the counters: %s", tdp_strerror(-err));
}

void tdp_read_slots(int tdp, uint64_t gpa, kvm_tdp_slot_fn *fn, void *data)
{
	int err = kvm_tdp_read_slots(tdp, gpa, fn, data);

	if (err < 0)
		die("reading the memory slots: %s", tdp_strerror(-err));
}

int tdp_get_importers(int tdp, struct kvm_tdp_importer *importers, unsigned int nr)
{
	int got = kvm_tdp_get_importers(tdp, importers, nr);

	if (got < 0)
		die("reading the importers: %s", tdp_strerror(-got));
	return got;
}

struct ram_walk {
	struct ram *ram;
	uint64_t gpa, end;
	uint32_t without;
};

static int add_slot(const struct kvm_tdp_slot *slot, void *data)
{
	struct ram_walk *walk = data;

	if (!(slot->flags & walk->without) &&
	    !ram_add(walk->ram, slot, walk->gpa, walk->end))
		die("%s", strerror(ENOMEM));
	return slot->gpa >= walk->end;
}

void tdp_read_ram(int tdp, const struct range_opts *range, uint32_t without,
		  struct ram *ram)
{
	struct ram_walk walk = {
		.ram = ram,
		.gpa = range->gpa,
		.end = range->has_length ? range->gpa + range->length : GPA_END,
		.without = without | KVM_TDP_SLOT_NOT_MAPPED,
	};

	*ram = (struct ram){ 0 };
	tdp_read_slots(tdp, range->gpa & -4096ULL, add_slot, &walk);
	if (!ram->nr)
		die("the guest has no RAM there");
}

void tdp_read_runs(int tdp, const struct range_opts *range, kvm_tdp_run_fn *fn,
		   void *data)
{
	int err = kvm_tdp_read_runs(tdp, range->gpa, range->length, fn, data);

	if (err)
		die("reading the map: %s", tdp_strerror(-err));
}

void tdp_verify(int tdp, const struct range_opts *range,
		struct kvm_tdp_verify *verify)
{
	int err = kvm_tdp_verify_range(tdp, range->gpa, range->length, verify);

	if (err)
		die("verifying at 0x%llx: %s",
		    (unsigned long long)verify->gpa, err == -EPERM ?
		    "no permission (takes CAP_SYS_ADMIN), or the VM's process is exiting" :
		    tdp_strerror(-err));
}

/* The host may be busy with a page for a while: wait, if it makes sense to. */
static bool try_again(int err, bool progress, int *tries)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	if (progress)
		*tries = 0;
	if (err != -EAGAIN || ++*tries == BUSY_TRIES)
		return false;
	nanosleep(&pause, NULL);
	return true;
}

int tdp_prefault(int tdp, uint64_t *gpa, uint64_t *length, unsigned int access)
{
	uint64_t before;
	int tries = 0, err;

	do {
		before = *length;
		err = kvm_tdp_map_range(tdp, gpa, length, access);
	} while (try_again(err, *length != before, &tries));
	return err;
}

bool tdp_is_gap(int err)
{
	return err == -EFAULT || err == -ENXIO || err == -EHWPOISON;
}

int tdp_open_mem(int tdp, pid_t pid, int flags)
{
	int mem = kvm_tdp_mem_open(tdp, pid, flags);

	if (mem == -ENXIO)
		die("/dev/kvm_tdp_mem: no such device; load the module: modprobe kvm_tdp_mem");
	if (mem == -EACCES || mem == -EPERM)
		die("the memory of process %d: no permission, or it only has the VM's descriptor; run as root",
		    pid);
	if (mem < 0)
		die("the memory of process %d: %s", pid, strerror(-mem));
	return mem;
}

int tdp_mem_read(int mem, uint64_t gpa, void *buf, size_t length, size_t *done)
{
	int tries = 0, err;
	size_t n;

	*done = 0;
	do {
		err = kvm_tdp_mem_read(mem, gpa + *done, buf + *done, length - *done, &n);
		*done += n;
	} while (try_again(err, n, &tries));
	return err;
}

int tdp_mem_read_gaps(int mem, uint64_t gpa, void *buf, size_t length, size_t *done,
		      uint64_t *gaps)
{
	size_t n, gap;
	int err;

	for (*done = 0; *done < length; *done += gap) {
		err = tdp_mem_read(mem, gpa + *done, buf + *done, length - *done, &n);
		*done += n;
		if (!err || !tdp_is_gap(err))
			return err;
		/* Of a page that goes bad in its midst, what is before that. */
		gap = 4096 - (gpa + *done) % 4096;
		gap = gap < length - *done ? gap : length - *done;
		memset(buf + *done, 0, gap);
		*gaps += gap;
	}
	return 0;
}

int tdp_mem_write(int mem, uint64_t gpa, const void *buf, size_t length, size_t *done)
{
	int tries = 0, err;
	size_t n;

	*done = 0;
	do {
		err = kvm_tdp_mem_write(mem, gpa + *done, buf + *done, length - *done, &n);
		*done += n;
	} while (try_again(err, n, &tries));
	return err;
}

static void die_dma(int err)
{
	if (err == ENXIO)
		die("/dev/kvm_tdp_dma: no such device; load the module: modprobe kvm_tdp_dma");
	if (err == EACCES || err == EPERM)
		die("/dev/kvm_tdp_dma: no permission; run as root");
	die("/dev/kvm_tdp_dma: %s", strerror(err));
}

int tdp_open_dma(int tdp)
{
	int dma = kvm_tdp_dma_open(), err;

	if (dma < 0)
		die_dma(-dma);
	err = kvm_tdp_dma_attach(dma, tdp);
	if (err)
		die("attaching a DMA engine: %s", strerror(-err));
	return dma;
}

void tdp_get_dma_stats(int dma, struct kvm_tdp_dma_stats *stats)
{
	int err = kvm_tdp_dma_get_stats(dma, stats);

	if (err)
		die("reading the engine's counters: %s", strerror(-err));
}
