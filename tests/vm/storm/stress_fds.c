// SPDX-License-Identifier: GPL-2.0-only
/* TDP fds that come and go, with importers, engines and whole VMs on them. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bed.h"
#include "stress.h"
#include "sys.h"

#define FD_PREFAULT	6		/* what keeps the tables full */
#define PIECE	(64 * PAGE_4K)

struct fds {
	struct worker *worker;
	struct ward *ward;	/* locked: its TDP stays */
	int kmod;
};

static int fds_create(const struct fds *fds)
{
	int tdp = kvm_tdp_create(fds->ward->vm.fd, 0);

	if (tdp < 0)
		return tdp;
	count(FIG_TDP_FDS, 1);
	close(tdp);
	return 0;
}

static int fds_create_smm(const struct fds *fds)
{
	int tdp = kvm_tdp_create(fds->ward->vm.fd, 1);

	if (tdp < 0)
		return tdp;
	count(FIG_TDP_FDS, 1);
	count_stats(tdp);
	close(tdp);
	return 0;
}

static int fds_dup(const struct fds *fds)
{
	int copy = sys(dup(fds->ward->tdp));

	if (copy < 0)
		return copy;
	ktdp_stats(copy);
	close(copy);
	return 0;
}

/* An engine of its own, which reads what happens to be there. */
static int fds_engine(const struct fds *fds, int tdp)
{
	uint64_t gpa = GPA + dice_roll(&fds->worker->dice, 512) * PAGE_4K;
	char buf[PAGE_4K];
	int dma = dma_open();
	int ret = kvm_tdp_dma_attach(dma, tdp);

	if (!ret) {
		count(FIG_IMPORTERS, 1);
		dma_read(dma, gpa, buf, sizeof(buf), 0);
	}
	close(dma);
	return ret;
}

static int fds_attach(const struct fds *fds)
{
	return fds_engine(fds, fds->ward->tdp);
}

static int fds_pass(const struct fds *fds)
{
	int socks[2], tdp = kvm_tdp_create(fds->ward->vm.fd, 0), ret;

	if (tdp < 0)
		return tdp;
	count(FIG_TDP_FDS, 1);
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks));
	must(sys_send_fd(socks[0], tdp));
	/* In the message alone, for a while. */
	close(tdp);
	tdp = must(sys_recv_fd(socks[1]));
	ret = fds_engine(fds, tdp);
	close(tdp);
	close(socks[0]);
	close(socks[1]);
	return ret;
}

static int fds_register(const struct fds *fds)
{
	int handle = kmod_get(fds->kmod, fds->ward->tdp), ret;

	if (handle < 0)
		return handle;
	ret = kmod_register(fds->kmod, handle, 0);
	if (!ret) {
		count(FIG_IMPORTERS, 1);
		usleep(dice_roll(&fds->worker->dice, 2000));
		if (kmod_unregister(fds->kmod, handle, 0))
			ret = -EBUSY;
	}
	kmod_put(fds->kmod, handle);
	return ret;
}

static int fds_prefault(const struct fds *fds)
{
	struct dice *dice = &fds->worker->dice;
	struct arena *arena;
	uint64_t gpa = hot_choose(dice, &arena) * PAGE_4K;

	gpa += ward_place(fds->ward, arena, dice)->gpa;
	return ktdp_prefault(fds->ward->tdp, gpa, PIECE,
			     dice_roll(dice, 2) ? ACC_W : ACC_R);
}

static int fds_map(const struct fds *fds)
{
	struct ktdp_map map;

	ktdp_read_map(fds->ward->tdp, GPA, WATCH_SIZE, &map);
	ktdp_free_map(&map);
	return 0;
}

/* A VM of the same memory, which lives for a moment. */
static int fds_vm(const struct fds *fds)
{
	struct dice *dice = &fds->worker->dice;
	struct vm vm = { .vcpu = -1 };
	struct arena *arena = &arenas[dice_roll(dice, nr_arenas)];
	int tdp, ret;

	vm.kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC));
	vm.fd = must(ioctl(vm.kvm, KVM_CREATE_VM, 0));
	vm_map(&vm, 1, arena->gpa, &arena->mem);
	tdp = kvm_tdp_create(vm.fd, 0);
	if (dice_roll(dice, 2)) {
		close(vm.fd);
		vm.fd = -1;
	}
	ret = tdp < 0 ? tdp : fds_engine(fds, tdp);
	if (!ret) {
		count(FIG_TDP_FDS, 1);
		ktdp_prefault(tdp, arena->gpa, PIECE, ACC_W);
		if (vm.fd >= 0 && dice_roll(dice, 2))
			vm_unmap(&vm, 1);
		count_stats(tdp);
	}
	if (tdp >= 0)
		close(tdp);
	vm_close(&vm);
	return ret;
}

struct act fd_acts[] = {
	{ .name = "fd: create, close" }, { .name = "fd: create of SMM, close" },
	{ .name = "fd: dup, close" }, { .name = "fd: engine" },
	{ .name = "fd: pass to another" }, { .name = "fd: importer" },
	{ .name = "fd: prefault" }, { .name = "fd: read the map" },
	{ .name = "fd: VM and TDP fd for a moment" },
};

const size_t nr_fd_acts = sizeof(fd_acts) / sizeof(fd_acts[0]);

static int (* const fds_do[])(const struct fds *fds) = {
	fds_create, fds_create_smm, fds_dup, fds_attach, fds_pass, fds_register,
	fds_prefault, fds_map, fds_vm,
};

void *storm_fds(void *arg)
{
	struct worker *worker = arg;
	struct fds fds = { .worker = worker, .kmod = kmod_open() };
	size_t nr;

	while (stress_step(worker)) {
		fds.ward = &wards[dice_roll(&worker->dice, NR_VMS)];
		nr = dice_roll(&worker->dice, 2) ? FD_PREFAULT :
		     dice_roll(&worker->dice, nr_fd_acts);
		pthread_rwlock_rdlock(&fds.ward->lock);
		act_count(&fd_acts[nr], fds_do[nr](&fds));
		pthread_rwlock_unlock(&fds.ward->lock);
		usleep(dice_roll(&worker->dice, 5000));
	}
	close(fds.kmod);
	return NULL;
}
