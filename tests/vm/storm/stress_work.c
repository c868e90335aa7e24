// SPDX-License-Identifier: GPL-2.0-only
/*
 * Those who use the memory: the guests on their vCPUs, the engines, and the
 * host itself.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stress.h"

/* What a guest's access ends with where there is no slot, or one to read. */
#define EXIT_MMIO	(1000 + KVM_EXIT_MMIO)

/* One page of one place, which is ours. */
struct job {
	struct worker *worker;
	struct place *place;
	struct arena *arena;
	size_t page;
	uint64_t gpa;
	char buf[PAGE_4K] __attribute__((aligned(8)));
};

static int vcpu_write(struct job *job, uint32_t gen)
{
	return guest_fill(job->worker->vm, job->gpa, PAGE_4K,
			  page_word(job->arena, job->page, gen) ^ job->gpa);
}

static int vcpu_read(struct job *job)
{
	struct worker *worker = job->worker;
	const char *box = worker->ward->box.hva + (worker->box - WARD_BOX);
	size_t i;
	int ret;

	ret = guest_copy(worker->vm, job->gpa, PAGE_4K, worker->box);
	for (i = 0; !ret && i < PAGE_4K; i++)
		job->buf[i] = box[i];
	return ret;
}

static int engine_put(struct job *job, uint32_t gen)
{
	page_fill(job->arena, job->page, gen, job->buf);
	return dma_write(job->worker->ward->dma, job->gpa, job->buf, PAGE_4K, 0);
}

static int engine_get(struct job *job)
{
	return dma_read(job->worker->ward->dma, job->gpa, job->buf, PAGE_4K, 0);
}

/*
 * The kernel copies, by way of a file, for that gives an error where an access of
 * ours would be the end: there may be no memory, or none to write to.
 */
static int host_file;

static int host_copy(void *to, void *from)
{
	ssize_t ret = pwrite(host_file, from, PAGE_4K, 0);

	if (ret == PAGE_4K)
		ret = pread(host_file, to, PAGE_4K, 0);
	return ret == PAGE_4K ? 0 : -EFAULT;
}

static int host_write(struct job *job, uint32_t gen)
{
	page_fill(job->arena, job->page, gen, job->buf);
	return host_copy(arena_hva(job->arena, job->page), job->buf);
}

static int host_read(struct job *job)
{
	return host_copy(job->buf, arena_hva(job->arena, job->page));
}

/* @write: NULL if they only read. */
struct manner {
	int (*write)(struct job *job, uint32_t gen);
	int (*read)(struct job *job);
};

static int edu_write(struct job *job, uint32_t gen)
{
	page_fill(job->arena, job->page, gen, job->buf);
	return edu_put(job->gpa, job->buf);
}

static int edu_read(struct job *job)
{
	return edu_get(job->gpa, job->buf);
}

/* Seldom, or all would be of what is held, or nothing. */
static int disk_read(struct job *job)
{
	if (dice_one_in(&job->worker->dice, 16))
		disk_hold(job->gpa);
	return disk_get(job->gpa, job->buf);
}

static const struct manner manner_vcpu = { vcpu_write, vcpu_read };
static const struct manner manner_engine = { engine_put, engine_get };
static const struct manner manner_host = { host_write, host_read };
static const struct manner manner_edu = { edu_write, edu_read };
static const struct manner manner_disk = { NULL, disk_read };

static void job_count(struct job *job, int ret, enum figure done)
{
	switch (ret) {
	case 0:
		count(done, 1);
		return;
	case EXIT_MMIO:
	case -EFAULT:
		count(FIG_MISSES, 1);
		return;
	case -EACCES:
	case -EAGAIN:
	case -EHWPOISON:
		count(FIG_REFUSED, 1);
		return;
	}
	diag("%s: %d at gpa %#llx", job->worker->name, ret,
	     (unsigned long long)job->gpa);
	count(FIG_BAD_ERRNO, 1);
}

static void job_write(struct job *job, const struct manner *manner)
{
	struct place *place = job->place;
	struct page_write write = page_write_begin(job->arena, job->page);
	uint32_t epoch = __atomic_load_n(&place->epoch, __ATOMIC_SEQ_CST);
	int ret;

	ret = manner->write(job, write.gen);
	page_write_end(job->arena, job->page, write, ret);
	page_event(job->arena, job->page, job->worker->name, "write", ret);
	/* Of what the host writes, no log of a guest's knows. */
	if (!ret && manner != &manner_host)
		__atomic_store_n(&place->written[job->page], epoch,
				 __ATOMIC_RELEASE);
	job_count(job, ret, FIG_WRITES);
}

static void job_read(struct job *job, const struct manner *manner)
{
	int ret = manner->read(job);

	if (!ret)
		page_check(job->arena, job->page, job->buf, job->worker->name,
			   job->gpa);
	job_count(job, ret, FIG_READS);
}

static void job_at(struct job *job, struct place *place, size_t page)
{
	job->place = place;
	job->arena = place->arena;
	job->page = page;
	job->gpa = __atomic_load_n(&place->gpa, __ATOMIC_ACQUIRE) + page * PAGE_4K;
}

/* Some page that nobody has. */
static bool job_find(struct job *job)
{
	struct dice *dice = &job->worker->dice;
	struct arena *arena;
	size_t page = hot_choose(dice, &arena);

	job_at(job, ward_place(job->worker->ward, arena, dice), page);
	return page_try(&arena->pages[page]);
}

static void work_once(struct worker *worker, const struct manner *manner)
{
	struct job job = { .worker = worker };

	if (!job_find(&job))
		return;
	if (manner->write && dice_roll(&worker->dice, 2))
		job_write(&job, manner);
	else
		job_read(&job, manner);
	page_leave(&job.arena->pages[job.page]);
}

void *work_vcpu(void *arg)
{
	struct worker *worker = arg;

	while (stress_step(worker))
		work_once(worker, &manner_vcpu);
	return NULL;
}

/* The engine of a table that is made anew at times, and seeded. */
void *work_engine(void *arg)
{
	struct worker *worker = arg;
	struct ward *ward = worker->ward;

	while (stress_step(worker)) {
		if (ward->nr && dice_one_in(&worker->dice, 1000)) {
			pthread_rwlock_wrlock(&ward->lock);
			ward_detach(ward);
			ward_attach(ward);
			pthread_rwlock_unlock(&ward->lock);
		}
		pthread_rwlock_rdlock(&ward->lock);
		work_once(worker, &manner_engine);
		pthread_rwlock_unlock(&ward->lock);
	}
	return NULL;
}

static void work_device(struct worker *worker, const struct manner *manner)
{
	while (stress_step(worker)) {
		pthread_rwlock_rdlock(&worker->ward->lock);
		work_once(worker, manner);
		pthread_rwlock_unlock(&worker->ward->lock);
	}
}

void *work_edu(void *arg)
{
	work_device(arg, &manner_edu);
	return NULL;
}

void *work_disk(void *arg)
{
	work_device(arg, &manner_disk);
	return NULL;
}

void *work_host(void *arg)
{
	struct worker *worker = arg;

	host_file = must(memfd_create("host", MFD_CLOEXEC));
	while (stress_step(worker)) {
		work_once(worker, &manner_host);
		usleep(1000);
	}
	return NULL;
}

void work_sweep(struct worker *worker)
{
	const struct manner *manner = worker->vm ? &manner_vcpu : &manner_engine;
	struct job job = { .worker = worker };
	int i;
	size_t page;

	for (i = 0; i < (int)nr_places(); i++) {
		struct place *place = &worker->ward->places[i];

		for (page = 0; page < place->arena->nr; page++) {
			job_at(&job, place, page);
			job_read(&job, manner);
		}
	}
}
