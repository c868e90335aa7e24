// SPDX-License-Identifier: GPL-2.0-only
/* The importer ops, by way of /dev/ktdp_test. */
#include "fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kmod.h"

static int kmod;
static struct {
	struct fuzz_file *file;		/* NULL: not in use */
	uint32_t registered;		/* importers, by bit */
} handles[KTDP_TEST_HANDLES];

void importers_open(void)
{
	kmod = kmod_open();
}

void importers_close(void)
{
	close(kmod);
}

/* Is the importer registered with this TDP fd, through any handle? */
static bool is_registered(const struct fuzz_file *file, int importer)
{
	unsigned int i;

	for (i = 0; i < KTDP_TEST_HANDLES; i++)
		if (handles[i].file == file && handles[i].registered & 1U << importer)
			return true;
	return file->left & 1U << importer;
}

static int any_handle(void)
{
	unsigned int i, handle = roll(KTDP_TEST_HANDLES);

	for (i = 0; i < KTDP_TEST_HANDLES; i++) {
		if (handles[handle].file)
			return handle;
		handle = (handle + 1) % KTDP_TEST_HANDLES;
	}
	return -1;
}

static void get_one(void)
{
	struct ktdp_test_call call = { 0 };
	struct answers right = { 0 };
	struct beast *beast;
	unsigned int i;

	for (i = 0; i < KTDP_TEST_HANDLES && handles[i].file; i++)
		;
	if (i == KTDP_TEST_HANDLES)
		return;
	call.fd = zoo_pick(FILE_TDP, &beast);
	if (fcntl(call.fd, F_GETFD) < 0)
		may(&right, -EBADF);
	else if (beast_kind(beast) != FILE_TDP)
		may(&right, -EINVAL);
	else
		may(&right, 0);
	kmod_do(kmod, KTDP_TEST_GET, &call);
	judge(FUZZ_GET, call.ret, &right);
	if (call.ret)
		return;
	handles[call.handle].file = beast->file;
	handles[call.handle].registered = 0;
	beast->file->refs++;
}

static void put_one(int handle)
{
	struct ktdp_test_call call = { .handle = handle };
	struct fuzz_file *file = handles[handle].file;

	kmod_do(kmod, KTDP_TEST_PUT, &call);
	count_call(FUZZ_PUT, call.ret);
	file->left |= handles[handle].registered;
	handles[handle].file = NULL;
	file_put(file);
}

static int odd_importer(void)
{
	return (int)roll(KTDP_TEST_IMPORTERS + 2) - 2;
}

static uint32_t odd_object(void)
{
	static const uint32_t flags[] = {
		KTDP_TEST_NULL_TDP_FD, KTDP_TEST_EMPTY_TDP_FD,
	};

	return one_in(8) ? flags[roll(2)] : 0;
}

static void register_one(int handle)
{
	struct ktdp_test_call call = {
		.handle = handle, .importer = odd_importer(),
		.flags = odd_object(),
	};
	struct answers right = { 0 };

	if (call.importer < 0 || call.flags)
		may(&right, -EINVAL);
	else if (is_registered(handles[handle].file, call.importer))
		may(&right, -EBUSY);
	else
		may(&right, 0);
	kmod_do(kmod, KTDP_TEST_REGISTER, &call);
	judge(FUZZ_REGISTER, call.ret, &right);
	if (!call.ret)
		handles[handle].registered |= 1U << call.importer;
}

static void unregister_one(int handle)
{
	struct ktdp_test_call call = {
		.handle = handle, .importer = odd_importer(),
		.flags = odd_object(),
	};
	uint32_t bit = call.importer < 0 ? 0 : 1U << call.importer;

	/* The helper has to know by which handle it was registered. */
	if (bit && !(handles[handle].registered & bit) &&
	    is_registered(handles[handle].file, call.importer))
		return;
	kmod_do(kmod, KTDP_TEST_UNREGISTER, &call);
	count_call(FUZZ_UNREGISTER, call.ret);
	if (call.flags || !bit)
		return;
	handles[handle].registered &= ~bit;
	if (call.running_after)
		wrong("unregister: %u callbacks still run", call.running_after);
}

static int mm_of(const struct fuzz_vm *vm, bool *fits)
{
	int mm = vm->pid;

	if (one_in(8))
		mm = one_in(2) ? KTDP_TEST_MM_NULL : 1;
	*fits = mm == vm->pid || mm == KTDP_TEST_MM_NULL;
	return mm;
}

static void fault_one(int handle)
{
	static const uint32_t stray[] = { 0, KTDP_TEST_STRAY };
	const struct fuzz_file *file = handles[handle].file;
	struct ktdp_test_call call = {
		.handle = handle, .flags = odd_object(),
		.access = roll(8) * KTDP_TEST_READ | stray[roll(2)],
		.gfn = one_in(16) ? odd_number() : odd_gpa(file) / PAGE_4K,
	};
	struct answers right = { 0 };
	bool fits;

	if (file->vm->owner == OWNER_DEAD)
		return;		/* nobody has its mm */
	call.mm = mm_of(file->vm, &fits);
	if (one_in(256))
		call.context = 1 + roll(2);
	if (call.mm == KTDP_TEST_MM_NULL)
		call.context = KTDP_TEST_CALLER;
	if (!(call.access & ~KTDP_TEST_STRAY) || call.flags || !fits)
		may(&right, -EINVAL);
	else if (call.gfn >> 52)
		may(&right, -EFAULT);
	else
		host_answers(file->vm, file->as_id, call.gfn * PAGE_4K,
			     call.access & KTDP_TEST_WRITE, &right);
	kmod_do(kmod, KTDP_TEST_FAULT, &call);
	if (!judge(FUZZ_FAULT, call.ret, &right))
		wrong("fault: gfn %#llx, access %#x, mm %d, flags %u", call.gfn,
		      call.access, call.mm, call.flags);
}

static void metadata_one(int handle)
{
	struct ktdp_test_metadata md = {
		.handle = handle, .flags = odd_object(),
	};
	struct answers right = { 0 };

	may(&right, md.flags ? -EINVAL : 0);
	kmod_do(kmod, KTDP_TEST_METADATA, &md);
	judge(FUZZ_METADATA, md.ret, &right);
	if (!md.ret && (!md.root_hpa || md.level < 4 || md.level > 5))
		wrong("metadata: root %#llx, %d levels", md.root_hpa, md.level);
}

void fuzz_importer(void)
{
	int handle;

	if (fuzz_in_child)
		return;
	handle = any_handle();
	if (handle < 0 || one_in(24)) {
		get_one();
		return;
	}
	switch (roll(32)) {
	case 0:
		put_one(handle);
		break;
	case 1 ... 5:
		register_one(handle);
		break;
	case 6 ... 9:
		unregister_one(handle);
		break;
	case 10 ... 13:
		metadata_one(handle);
		break;
	default:
		fault_one(handle);
		break;
	}
}

void importers_check(void)
{
	struct kmod_told told;
	int importer;

	for (importer = 0; importer < KTDP_TEST_IMPORTERS; importer++) {
		told = kmod_told(kmod, importer, 0, PAGE_4K);
		if (told.nr && !told.well_formed)
			wrong("a callback was called as it must not be");
	}
}

void importers_settle(void)
{
	unsigned int handle;

	for (handle = 0; handle < KTDP_TEST_HANDLES; handle++)
		if (handles[handle].file)
			put_one(handle);
}
