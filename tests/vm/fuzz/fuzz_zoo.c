// SPDX-License-Identifier: GPL-2.0-only
/* Fds of every kind, what is known of the files behind them, and their ends. */
#include "fuzz.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys.h"

struct fuzz_vm fuzz_vms[FUZZ_VMS];
struct beast beasts[FUZZ_BEASTS];
static struct fuzz_file files[FUZZ_FILES];

enum file_kind beast_kind(const struct beast *beast)
{
	return beast && beast->file ? beast->file->kind : FILE_CLOSED;
}

struct fuzz_file *file_new(enum file_kind kind, struct fuzz_vm *vm,
			   unsigned int as_id)
{
	size_t i;

	for (i = 0; i < FUZZ_FILES; i++) {
		if (files[i].refs)
			continue;
		files[i] = (struct fuzz_file){
			.refs = 1, .kind = kind, .vm = vm, .as_id = as_id,
		};
		return &files[i];
	}
	bail("no room for a file");
}

/* A VM is known as long as there is a file that has to do with it. */
static void vms_sweep(void)
{
	size_t v, f;

	for (v = 0; v < FUZZ_VMS; v++) {
		if (!fuzz_vms[v].used)
			continue;
		for (f = 0; f < FUZZ_FILES; f++)
			if (files[f].refs && files[f].vm == &fuzz_vms[v])
				break;
		fuzz_vms[v].used = f < FUZZ_FILES;
	}
}

void file_put(struct fuzz_file *file)
{
	if (!file || --file->refs)
		return;
	if (file->kind == FILE_VFIO)
		box_close();
	vms_sweep();
}

struct fuzz_vm *vm_new(enum owner owner, pid_t pid)
{
	size_t i;

	for (i = 0; i < FUZZ_VMS; i++) {
		if (fuzz_vms[i].used)
			continue;
		memset(&fuzz_vms[i], 0, sizeof(fuzz_vms[i]));
		fuzz_vms[i].used = true;
		fuzz_vms[i].owner = owner;
		fuzz_vms[i].pid = pid;
		return &fuzz_vms[i];
	}
	return NULL;
}

struct beast *zoo_add(int fd, struct fuzz_file *file)
{
	struct beast *beast;

	for (beast = beasts; beast < beasts + FUZZ_BEASTS; beast++) {
		if (beast->used)
			continue;
		*beast = (struct beast){ .used = true, .fd = fd, .file = file };
		return beast;
	}
	close(fd);
	file_put(file);
	return NULL;
}

/* No fd of ours has this number any more. */
static void zoo_forget_closed(int fd)
{
	struct beast *beast;

	for (beast = beasts; beast < beasts + FUZZ_BEASTS; beast++)
		if (beast->used && !beast->file && beast->fd == fd)
			beast->used = false;
}

void zoo_adopt(int fd, enum file_kind kind, struct fuzz_vm *vm)
{
	zoo_forget_closed(fd);
	zoo_add(fd, file_new(kind, vm, 0));
}

void zoo_drop(struct beast *beast)
{
	struct fuzz_file *file = beast->file;

	beast->used = false;
	beast->file = NULL;
	if (!file)
		return;
	count_call(FUZZ_CLOSE, sys(close(beast->fd)));
	file_put(file);
}

static bool zoo_full(void)
{
	size_t i, nr = 0;

	for (i = 0; i < FUZZ_BEASTS; i++)
		nr += beasts[i].used;
	return nr > FUZZ_BEASTS - 8;
}

struct beast *zoo_any(void)
{
	struct beast *beast = &beasts[roll(FUZZ_BEASTS)];
	size_t i;

	for (i = 0; i < FUZZ_BEASTS && !beast->used; i++)
		beast = beast == beasts ? beasts + FUZZ_BEASTS - 1 : beast - 1;
	return beast;
}

struct beast *zoo_one(enum file_kind kind)
{
	struct beast *beast = &beasts[roll(FUZZ_BEASTS)];
	size_t i;

	for (i = 0; i < FUZZ_BEASTS; i++) {
		if (beast->used && beast_kind(beast) == kind)
			return beast;
		beast = beast == beasts ? beasts + FUZZ_BEASTS - 1 : beast - 1;
	}
	return NULL;
}

int zoo_pick(enum file_kind kind, struct beast **beast)
{
	static const int none[] = { -1, -100, 9999, 0x7fffffff, -0x7fffffff - 1 };

	*beast = NULL;
	switch (roll(32)) {
	case 0:
		return none[roll(sizeof(none) / sizeof(none[0]))];
	case 1:
	case 2:
		*beast = zoo_any();
		break;
	default:
		*beast = zoo_one(kind) ?: zoo_any();
		break;
	}
	return (*beast)->fd;
}

static bool zoo_has(enum file_kind kind)
{
	size_t i;

	for (i = 0; i < FUZZ_BEASTS; i++)
		if (beasts[i].used && beast_kind(&beasts[i]) == kind)
			return true;
	return false;
}

static int open_pipe(void)
{
	int fds[2];
	int ret = sys(pipe2(fds, O_CLOEXEC));

	if (ret)
		return ret;
	close(fds[1]);
	return fds[0];
}

static int open_vcpu(struct fuzz_vm **vm)
{
	struct beast *owner = zoo_one(FILE_VM);
	int fd;

	if (!owner || owner->file->vm->owner != OWNER_SELF)
		return -ENODEV;
	*vm = owner->file->vm;
	fd = sys(ioctl(owner->fd, KVM_CREATE_VCPU, roll(4)));
	(*vm)->vcpu |= fd >= 0;
	return fd;
}

static int open_vm(struct fuzz_vm **vm)
{
	struct beast *kvm = zoo_one(FILE_KVM);
	int fd;

	*vm = kvm && !fuzz_in_child ? vm_new(OWNER_SELF, 0) : NULL;
	if (!*vm)
		return -ENODEV;
	fd = sys(ioctl(kvm->fd, KVM_CREATE_VM, 0));
	if (fd < 0)
		bail("no VM: %d", fd);
	if (host_first_slot(fd, *vm))
		bail("no memslot");
	return fd;
}

static int open_tdp(struct fuzz_vm **vm)
{
	struct beast *owner = zoo_one(FILE_VM);

	if (!owner || owner->file->vm->owner != OWNER_SELF)
		return -ENODEV;
	*vm = owner->file->vm;
	return kvm_tdp_create(owner->fd, 0);
}

static int open_kind(enum file_kind kind, struct fuzz_vm **vm)
{
	switch (kind) {
	case FILE_DEV:
		return sys(open("/dev/kvm_tdp", O_RDWR | O_CLOEXEC));
	case FILE_DMA:
		return sys(open("/dev/kvm_tdp_dma", O_RDWR | O_CLOEXEC));
	case FILE_MEM:
		return sys(open("/dev/kvm_tdp_mem", O_RDWR | O_CLOEXEC));
	case FILE_PROC_MEM:
		return sys(open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
	case FILE_KVM:
		return sys(open("/dev/kvm", O_RDWR | O_CLOEXEC));
	case FILE_PIPE:
		return open_pipe();
	case FILE_EVENTFD:
		return sys(eventfd(0, EFD_CLOEXEC));
	case FILE_PROC:
		return sys(open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
	case FILE_VM:
		return open_vm(vm);
	case FILE_VCPU:
		return open_vcpu(vm);
	case FILE_TDP:
		return open_tdp(vm);
	case FILE_VFIO:
		return box_open();
	case FILE_CONTAINER:
		return sys(open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC));
	default:
		return -EINVAL;
	}
}

static void zoo_new(enum file_kind kind)
{
	struct fuzz_vm *vm = NULL;
	int fd = open_kind(kind, &vm);

	count_call(FUZZ_OPEN, fd < 0 ? fd : 0);
	if (kind == FILE_DMA && fd != -EPERM && !fuzz_is_admin)
		wrong("an engine was opened without CAP_SYS_ADMIN");
	if (fd < 0)
		return;
	zoo_adopt(fd, kind, vm);
	if (kind == FILE_VFIO && zoo_one(kind))
		box_adopt(zoo_one(kind)->file);
}

void zoo_tend(void)
{
	static const enum file_kind order[] = {
		FILE_KVM, FILE_DEV, FILE_VM, FILE_TDP, FILE_DMA, FILE_MEM, FILE_PROC_MEM,
		FILE_VFIO,
	};
	size_t i;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (!zoo_has(order[i]) &&
		    (order[i] != FILE_DMA || fuzz_is_admin) &&
		    (order[i] != FILE_VFIO || (box_has_device() && !fuzz_in_child)))
			zoo_new(order[i]);
}

/* A call was made for one more fd of a file; -errno: it failed. */
static void zoo_another(enum fuzz_kind call, int fd, struct fuzz_file *file)
{
	count_call(call, fd < 0 ? fd : 0);
	if (fd < 0)
		return;
	file->refs++;
	zoo_forget_closed(fd);
	zoo_add(fd, file);
}

static void zoo_dup(void)
{
	struct beast *beast = zoo_any();
	int fd;

	if (!beast->file)
		return;
	fd = sys(fcntl(beast->fd, F_DUPFD_CLOEXEC, roll(64)));
	zoo_another(FUZZ_DUP, fd, beast->file);
}

/* The last fd of a VM, of its tables, or of the device is costly to have anew. */
static bool is_precious(const struct beast *beast)
{
	enum file_kind kind = beast_kind(beast);
	size_t i, nr = 0;

	if (kind != FILE_VFIO && ((kind != FILE_VM && kind != FILE_TDP) ||
				  beast->file->vm->owner != OWNER_SELF))
		return false;
	for (i = 0; i < FUZZ_BEASTS; i++)
		nr += beasts[i].used && beast_kind(&beasts[i]) == kind &&
		      beasts[i].file->vm == beast->file->vm;
	return nr == 1;
}

static void zoo_close_one(void)
{
	struct beast *beast = zoo_any();
	int fd = beast->fd;

	if (is_precious(beast) && !one_in(24))
		return;
	if (!beast->file) {
		beast->used = false;
		return;
	}
	zoo_drop(beast);
	if (one_in(4) && fcntl(fd, F_GETFD) < 0)
		zoo_add(fd, NULL);
}

/* To ourselves, over a socket; or from ourselves, as a debugger would. */
static void zoo_pass(void)
{
	struct beast *beast = zoo_any();
	int socks[2], fd;

	if (!beast->file)
		return;
	if (one_in(2)) {
		fd = sys_pidfd_getfd(getpid(), beast->fd);
	} else {
		must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks));
		fd = sys_send_fd(socks[0], beast->fd) ?: sys_recv_fd(socks[1]);
		close(socks[0]);
		close(socks[1]);
	}
	zoo_another(FUZZ_PASS, fd, beast->file);
}

void fuzz_zoo(void)
{
	if (zoo_full()) {
		zoo_close_one();
		return;
	}
	if (one_in(32)) {
		fuzz_group();
		return;
	}
	switch (roll(8)) {
	case 0:
	case 1:
		zoo_close_one();
		break;
	case 2:
	case 3:
		zoo_dup();
		break;
	case 4:
		zoo_pass();
		break;
	case 5:
		if (one_in(16))
			zoo_new(one_in(2) ? FILE_VM : FILE_VCPU);
		break;
	default:
		zoo_new(roll(NR_FILE_KINDS));
		break;
	}
}

void zoo_settle(void)
{
	struct beast *beast;

	for (beast = beasts; beast < beasts + FUZZ_BEASTS; beast++) {
		if (!beast->used)
			continue;
		if (beast_kind(beast) == FILE_DMA) {
			kvm_tdp_dma_detach(beast->fd);
			beast->file->vm = NULL;
		} else if (beast_kind(beast) == FILE_MEM || beast_kind(beast) == FILE_VFIO) {
			zoo_drop(beast);
		}
	}
	vms_sweep();
}

void zoo_open(void)
{
	enum file_kind kind;

	zoo_tend();
	/* A VM can have a ring as long as it has no vCPU. */
	for (kind = FILE_DEV; kind < NR_FILE_KINDS; kind++)
		if (!zoo_one(kind) && kind != FILE_VCPU && kind != FILE_VFIO)
			zoo_new(kind);
}

void zoo_close(void)
{
	struct beast *beast;

	for (beast = beasts; beast < beasts + FUZZ_BEASTS; beast++)
		if (beast->used)
			zoo_drop(beast);
}
