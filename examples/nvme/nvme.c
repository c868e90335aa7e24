// SPDX-License-Identifier: GPL-2.0-only
#include "nvme.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Registers, and bits of them. */
#define NVME_CAP	0x00
#define NVME_CC		0x14
#define NVME_CSTS	0x1c
#define NVME_AQA	0x24
#define NVME_ASQ	0x28
#define NVME_ACQ	0x30
#define NVME_DOORBELLS	0x1000
#define CC_ENABLE	1U
#define CC_SIZES	(6U << 16 | 4U << 20)	/* 64 bytes a command, 16 a completion */
#define CSTS_READY	1U

#define ADMIN_CREATE_SQ	0x01
#define ADMIN_CREATE_CQ	0x05
#define ADMIN_IDENTIFY	0x06
#define IO_WRITE	0x01
#define IO_READ		0x02

#define DEPTH		16
#define PAGE		4096UL
#define TIMEOUT		20	/* s */
#define TRIES		100

/* Pages of the driver's own memory. */
enum { ADMIN_SQ, ADMIN_CQ, IO_SQ, IO_CQ, PRPS, IDENTITY, DATA, HITS, NR_PAGES };
_Static_assert(NR_PAGES * PAGE == NVME_OWN_SIZE, "pages of the driver's own");

struct nvme_command {
	uint8_t opcode;
	uint8_t flags;
	uint16_t id;
	uint32_t namespace;
	uint64_t reserved[2];
	uint64_t prp1;
	uint64_t prp2;
	uint32_t words[6];
};

struct nvme_completion {
	uint32_t result;
	uint32_t reserved;
	uint16_t head;
	uint16_t queue;
	uint16_t id;
	uint16_t status;
};

static uint64_t iova_of(const struct nvme *nvme, int page)
{
	return nvme->iova + page * PAGE;
}

static void queue_init(struct nvme *nvme, struct nvme_queue *queue, int id, int commands,
		       int completions)
{
	*queue = (struct nvme_queue){
		.commands = (void *)(nvme->own + commands * PAGE),
		.completions = (void *)(nvme->own + completions * PAGE),
		.doorbell = NVME_DOORBELLS + 2 * id * nvme->stride,
		.phase = 1,
	};
}

static bool is_late(time_t *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!*since)
		*since = now.tv_sec;
	return now.tv_sec - *since > TIMEOUT;
}

static bool is_completed(const struct nvme_queue *queue)
{
	return (queue->completions[queue->head].status & 1) == queue->phase;
}

/* Whoever does not see the completion must not trust the device with the memory. */
static int submit(struct nvme *nvme, struct nvme_queue *queue, const struct nvme_command *command)
{
	time_t since = 0;

	queue->commands[queue->tail] = *command;
	queue->tail = (queue->tail + 1) % DEPTH;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	vfio_write32(&nvme->vfio, queue->doorbell, queue->tail);
	while (!is_completed(queue))
		if (is_late(&since) && !is_completed(queue))
			return -ETIMEDOUT;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	nvme->status = queue->completions[queue->head].status >> 1;
	queue->head = (queue->head + 1) % DEPTH;
	queue->phase ^= !queue->head;
	vfio_write32(&nvme->vfio, queue->doorbell + nvme->stride, queue->head);
	return nvme->status ? -EIO : 0;
}

static int wait_ready(struct nvme *nvme, uint32_t ready)
{
	time_t since = 0;

	while ((vfio_read32(&nvme->vfio, NVME_CSTS) & CSTS_READY) != ready)
		if (is_late(&since))
			return -ETIMEDOUT;
	return 0;
}

static int controller_start(struct nvme *nvme)
{
	int ret;

	nvme->stride = 4U << (vfio_read64(&nvme->vfio, NVME_CAP) >> 32 & 15);
	vfio_write32(&nvme->vfio, NVME_CC, 0);
	ret = wait_ready(nvme, 0);
	if (ret)
		return ret;
	queue_init(nvme, &nvme->admin, 0, ADMIN_SQ, ADMIN_CQ);
	queue_init(nvme, &nvme->io, 1, IO_SQ, IO_CQ);
	vfio_write32(&nvme->vfio, NVME_AQA, (DEPTH - 1) << 16 | (DEPTH - 1));
	vfio_write64(&nvme->vfio, NVME_ASQ, iova_of(nvme, ADMIN_SQ));
	vfio_write64(&nvme->vfio, NVME_ACQ, iova_of(nvme, ADMIN_CQ));
	vfio_write32(&nvme->vfio, NVME_CC, CC_ENABLE | CC_SIZES);
	return wait_ready(nvme, CSTS_READY);
}

static int create_queues(struct nvme *nvme)
{
	struct nvme_command completions = {
		.opcode = ADMIN_CREATE_CQ,
		.prp1 = iova_of(nvme, IO_CQ),
		.words = { (DEPTH - 1) << 16 | 1, 1 },	/* contiguous */
	};
	struct nvme_command commands = {
		.opcode = ADMIN_CREATE_SQ,
		.prp1 = iova_of(nvme, IO_SQ),
		.words = { (DEPTH - 1) << 16 | 1, 1 << 16 | 1 },
	};
	int ret = submit(nvme, &nvme->admin, &completions);

	return ret ? ret : submit(nvme, &nvme->admin, &commands);
}

/* Of the namespace: blocks, and the logarithm of their size. */
static int identify(struct nvme *nvme)
{
	struct nvme_command command = {
		.opcode = ADMIN_IDENTIFY,
		.namespace = 1,
		.prp1 = iova_of(nvme, IDENTITY),
	};
	const uint8_t *identity = nvme->own + IDENTITY * PAGE;
	int ret = submit(nvme, &nvme->admin, &command);
	uint32_t format;

	if (ret)
		return ret;
	memcpy(&nvme->blocks, identity, sizeof(nvme->blocks));
	memcpy(&format, identity + 128 + 4 * (identity[26] & 15), sizeof(format));
	nvme->block = 1U << (format >> 16 & 0xff);
	return 0;
}

int nvme_take(struct nvme *nvme, const char *name, int type)
{
	int ret;

	memset(nvme, 0, sizeof(*nvme));
	ret = vfio_open(&nvme->vfio, name, type);
	if (ret)
		return ret;
	nvme->own = mmap(NULL, NVME_OWN_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (nvme->own == MAP_FAILED) {
		nvme->own = NULL;
		nvme_close(nvme);
		return -ENOMEM;
	}
	return 0;
}

int nvme_start(struct nvme *nvme, uint64_t iova)
{
	int ret;

	nvme->iova = iova;
	nvme->data = nvme->own + DATA * PAGE;
	nvme->hits = nvme->own + HITS * PAGE;
	nvme->data_iova = iova_of(nvme, DATA);
	ret = controller_start(nvme);
	if (!ret)
		ret = create_queues(nvme);
	return ret ? ret : identify(nvme);
}

int nvme_open(struct nvme *nvme, const char *name)
{
	struct kvm_tdp_vfio_info info;
	int ret = nvme_take(nvme, name, VFIO_KVM_TDP_IOMMU);

	if (ret)
		return ret;
	ret = vfio_info(&nvme->vfio, &info);
	if (!ret)
		ret = vfio_map(&nvme->vfio, info.own_first, nvme->own, NVME_OWN_SIZE,
			       KVM_TDP_VFIO_READ | KVM_TDP_VFIO_WRITE);
	if (!ret)
		ret = nvme_start(nvme, info.own_first);
	if (ret)
		nvme_close(nvme);
	return ret;
}

void nvme_close(struct nvme *nvme)
{
	if (nvme->vfio.bar) {
		vfio_write32(&nvme->vfio, NVME_CC, 0);
		wait_ready(nvme, 0);
	}
	vfio_close(&nvme->vfio);
	if (nvme->own)
		munmap(nvme->own, NVME_OWN_SIZE);
	nvme->own = NULL;
}

int nvme_raw(struct nvme *nvme, uint64_t gpa, uint64_t length, uint64_t block, bool to_guest)
{
	uint64_t *prps = (void *)(nvme->own + PRPS * PAGE), i;
	struct nvme_command command = {
		.opcode = to_guest ? IO_READ : IO_WRITE,
		.namespace = 1,
		.prp1 = gpa,
		.words = { block, block >> 32, length / nvme->block - 1 },
	};

	if (!length || length > NVME_MAX || (gpa | length) % PAGE || length % nvme->block)
		return -EINVAL;
	for (i = 1; i < length / PAGE; i++)
		prps[i - 1] = gpa + i * PAGE;
	if (length == 2 * PAGE)
		command.prp2 = prps[0];
	else if (length > 2 * PAGE)
		command.prp2 = iova_of(nvme, PRPS);
	return submit(nvme, &nvme->io, &command);
}

static int begin_held(struct nvme *nvme)
{
	return vfio_begin(&nvme->vfio, nvme->held.gpa, nvme->held.length,
			  KVM_TDP_VFIO_READ | KVM_TDP_VFIO_WRITE, &nvme->held.id);
}

int nvme_hold(struct nvme *nvme, uint64_t gpa, uint64_t length)
{
	int ret;

	if (nvme->held.length)
		return -EBUSY;
	nvme->held.gpa = gpa;
	nvme->held.length = length;
	ret = begin_held(nvme);
	if (ret)
		nvme->held.length = 0;
	return ret;
}

void nvme_release(struct nvme *nvme)
{
	if (nvme->held.length)
		vfio_done(&nvme->vfio, nvme->held.id);
	nvme->held.length = 0;
}

/* The look at the hits comes after that at the completion, see submit(). */
static int rw_held(struct nvme *nvme, uint64_t gpa, uint64_t length, uint64_t block,
		   bool to_guest)
{
	int ret, begun, tries;

	for (tries = 0; tries < TRIES; tries++) {
		ret = nvme_raw(nvme, gpa, length, block, to_guest);
		if (ret == -ETIMEDOUT ||
		    !__atomic_load_n(&nvme->hits[nvme->held.id], __ATOMIC_ACQUIRE))
			return ret;
		nvme->again++;
		vfio_done(&nvme->vfio, nvme->held.id);
		begun = begin_held(nvme);
		if (begun) {
			nvme->held.length = 0;
			return begun;
		}
	}
	return -EAGAIN;
}

int nvme_rw(struct nvme *nvme, uint64_t gpa, uint64_t length, uint64_t block, bool to_guest)
{
	uint32_t flags = to_guest ? KVM_TDP_VFIO_WRITE : KVM_TDP_VFIO_READ, id;
	int ret, done, tries;

	if (gpa >= nvme->held.gpa && gpa - nvme->held.gpa < nvme->held.length &&
	    length <= nvme->held.gpa + nvme->held.length - gpa)
		return rw_held(nvme, gpa, length, block, to_guest);
	for (tries = 0; tries < TRIES; tries++) {
		ret = vfio_begin(&nvme->vfio, gpa, length, flags, &id);
		if (ret)
			return ret;
		ret = nvme_raw(nvme, gpa, length, block, to_guest);
		if (ret == -ETIMEDOUT)
			return ret;	/* it may still be at it */
		done = vfio_done(&nvme->vfio, id);
		if (done != -EAGAIN)
			return done ? done : ret;
		/* What the disk says of it does not count. */
		nvme->again++;
	}
	return -EAGAIN;
}
