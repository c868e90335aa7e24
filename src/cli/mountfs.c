// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "mountfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core.h"
#include "guest.h"
#include "image.h"
#include "kvm-tdp.h"

/* In one request: programs read in blocks of st_blksize. */
#define BLOCK		(1UL << 20)
/* Of names, which never change; of sizes nothing is kept. */
#define NAME_TIMEOUT	3600

static int guest_now(const struct mountfs *fs, pid_t pid, struct guest *guest)
{
	return guest_init(guest, fs->tdp, fs->mem, pid, 0, GPA_END);
}

static int make_raw(struct mountfs *fs, fuse_req_t req, struct image *image)
{
	struct guest guest;
	int err = guest_now(fs, 0, &guest);

	(void)req;
	if (!err && !image_raw(image, &guest.ram))
		err = -ENOMEM;
	guest_free(&guest);
	return err;
}

struct note_search {
	struct guest *guest;
	fuse_req_t req;
};

/* It may take long: whoever waits for it may be killed. */
static int look_in(const struct guest_part *part, void *data)
{
	struct note_search *search = data;

	guest_look_in(search->guest, part);
	if (search->guest->has_note)
		return 1;
	return fuse_req_interrupted(search->req) ? -EINTR : 0;
}

/* Where it was the last time, or else all memory is read, until it is found. */
static int find_note(struct mountfs *fs, fuse_req_t req, struct guest *guest)
{
	struct note_search search = { .guest = guest, .req = req };
	uint64_t gpa = __atomic_load_n(&fs->note_gpa, __ATOMIC_RELAXED);
	int ret;

	if (gpa)
		guest_look_at(guest, gpa);
	ret = guest->has_note ? 0 : guest_walk(guest, look_in, &search);
	if (guest->has_note)
		__atomic_store_n(&fs->note_gpa, guest->note_gpa, __ATOMIC_RELAXED);
	return ret < 0 ? ret : 0;
}

static int make_elf(struct mountfs *fs, fuse_req_t req, struct image *image)
{
	struct guest guest;
	int err = guest_now(fs, req ? fs->pid : 0, &guest);

	if (!err && req)
		err = find_note(fs, req, &guest);
	if (!err && !image_elf(image, &guest.ram, guest.note, guest_note_length(&guest),
			       &guest.map))
		err = -ENOMEM;
	guest_free(&guest);
	return err;
}

/* Not for all: where the VMM has its memory. */
static int make_slots(struct mountfs *fs, fuse_req_t req, struct image *image)
{
	char *text = NULL;
	size_t length;
	FILE *file = open_memstream(&text, &length);
	int err;

	(void)req;
	if (!file)
		return -ENOMEM;
	err = slots_print_json(fs->tdp, !fs->all, file);
	if (fclose(file) && !err)
		err = -ENOMEM;
	if (err)
		free(text);
	else
		image_text(image, text, length);
	return err;
}

/* Their inode numbers follow that of the directory. */
static const struct file {
	const char *name;
	/* For a request to open it; NULL: its size is all that is asked for. */
	int (*make)(struct mountfs *fs, fuse_req_t req, struct image *image);
} files[] = {
	{ "memory.raw", make_raw },
	{ "memory.elf", make_elf },
	{ "slots.json", make_slots },
};

#define NR_FILES	(sizeof(files) / sizeof(files[0]))
#define FIRST_INO	(FUSE_ROOT_ID + 1)

static const struct file *file_of(fuse_ino_t ino)
{
	return &files[ino - FIRST_INO];
}

/* What the VM answers becomes what a file answers. */
static int file_error(struct mountfs *fs, int err)
{
	/* Its process has ended, or has become another program. */
	if (err == -EPERM)
		eventfd_write(fs->stop, 1);
	return err == -EINTR || err == -ENOMEM ? -err : EIO;
}

static int attr_of(struct mountfs *fs, fuse_ino_t ino, struct stat *st)
{
	struct image image;
	int err;

	*st = (struct stat){
		.st_ino = ino,
		.st_mode = S_IFDIR | (fs->all ? 0555 : 0500),
		.st_nlink = 2,
		.st_uid = geteuid(),
		.st_gid = getegid(),
		.st_atim = fs->since,
		.st_mtim = fs->since,
		.st_ctim = fs->since,
	};
	if (ino == FUSE_ROOT_ID)
		return 0;
	err = file_of(ino)->make(fs, NULL, &image);
	if (err)
		return file_error(fs, err);
	st->st_mode = S_IFREG | (fs->all ? 0444 : 0400);
	st->st_nlink = 1;
	st->st_size = image.size;
	st->st_blksize = BLOCK;
	st->st_blocks = (image_data(&image) + 511) / 512;
	image_free(&image);
	return 0;
}

static void fs_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mountfs *fs = fuse_req_userdata(req);
	struct fuse_entry_param entry = { .entry_timeout = NAME_TIMEOUT };
	size_t i = 0;
	int err;

	(void)parent;
	while (i < NR_FILES && strcmp(files[i].name, name))
		i++;
	entry.ino = FIRST_INO + i;
	err = i < NR_FILES ? attr_of(fs, entry.ino, &entry.attr) : ENOENT;
	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_entry(req, &entry);
}

static void fs_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct stat st;
	int err = attr_of(fuse_req_userdata(req), ino, &st);

	(void)info;
	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_attr(req, &st, 0);
}

/* The offset of an entry is that of the next. */
static void fs_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		       struct fuse_file_info *info)
{
	static const char *const dots[] = { ".", ".." };
	struct stat st = { 0 };
	size_t at = 0, need, i;
	char buf[1024];
	const char *name;

	(void)ino;
	(void)info;
	size = size < sizeof(buf) ? size : sizeof(buf);
	for (i = offset; i < NR_FILES + 2; i++) {
		name = i < 2 ? dots[i] : files[i - 2].name;
		st.st_ino = i < 2 ? FUSE_ROOT_ID : FIRST_INO + i - 2;
		st.st_mode = i < 2 ? S_IFDIR : S_IFREG;
		need = fuse_add_direntry(req, buf + at, size - at, name, &st, i + 1);
		if (need > size - at)
			break;
		at += need;
	}
	fuse_reply_buf(req, buf, at);
}

static void fs_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct mountfs *fs = fuse_req_userdata(req);
	struct image *image = malloc(sizeof(*image));
	int err;

	/* The mount is read-only, but can be mounted again in another way. */
	if ((info->flags & O_ACCMODE) != O_RDONLY)
		err = EROFS;
	else if (!image)
		err = ENOMEM;
	else
		err = file_of(ino)->make(fs, req, image);
	if (err) {
		free(image);
		fuse_reply_err(req, err < 0 ? file_error(fs, err) : err);
		return;
	}
	info->fh = (uintptr_t)image;
	info->direct_io = true;
	/* Whoever opened it may be gone: then nobody releases it. */
	if (fuse_reply_open(req, info)) {
		image_free(image);
		free(image);
	}
}

static void fs_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct image *image = (struct image *)(uintptr_t)info->fh;

	(void)ino;
	image_free(image);
	free(image);
	fuse_reply_err(req, 0);
}

/* As kvm-tdp dump has it: what cannot be read is zeroes. */
static int read_part(struct mountfs *fs, const struct image *image,
		     const struct image_part *part, void *buf, size_t length)
{
	uint64_t gaps = 0;
	size_t done;

	switch (part->kind) {
	case IMAGE_HEAD:
		memcpy(buf, image->head + part->at, length);
		return 0;
	case IMAGE_RAM:
		return tdp_mem_read_gaps(fs->mem, part->at, buf, length, &done, &gaps);
	default:
		memset(buf, 0, length);
		return 0;
	}
}

static void fs_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *info)
{
	struct mountfs *fs = fuse_req_userdata(req);
	const struct image *image = (const struct image *)(uintptr_t)info->fh;
	struct image_part part;
	char *buf = malloc(size);
	size_t at, length;
	int err = buf ? 0 : -ENOMEM;

	(void)ino;
	for (at = 0; !err && at < size; at += length) {
		part = image_at(image, offset + at);
		if (part.kind == IMAGE_END)
			break;
		length = part.length < size - at ? part.length : size - at;
		err = read_part(fs, image, &part, buf + at, length);
	}
	if (err)
		fuse_reply_err(req, file_error(fs, err));
	else
		fuse_reply_buf(req, buf, at);
	free(buf);
}

static void fs_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
		     struct fuse_file_info *info)
{
	int64_t to = image_seek((const struct image *)(uintptr_t)info->fh, offset, whence);

	(void)ino;
	if (to < 0)
		fuse_reply_err(req, -to);
	else
		fuse_reply_lseek(req, to);
}

const struct fuse_lowlevel_ops mountfs_ops = {
	.lookup = fs_lookup,
	.getattr = fs_getattr,
	.readdir = fs_readdir,
	.open = fs_open,
	.release = fs_release,
	.read = fs_read,
	.lseek = fs_lseek,
};
