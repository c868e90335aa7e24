// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "core.h"
#include "sparse.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

/* Pages that a userfaultfd handler has yet to bring are in no file either. */
static bool is_handled(const char *line)
{
	return !strncmp(line, "VmFlags:", 8) &&
	       (strstr(line, " um ") || strstr(line, " ui "));
}

bool mapping_parse(const char *line, struct mapping *mapping)
{
	uint64_t start, end, offset, inode;
	char mode;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*3c%c %" SCNx64 " %*x:%*x %" SCNu64,
		   &start, &end, &mode, &offset, &inode) != 5) {
		mapping->shared &= !is_handled(line);
		return false;
	}
	*mapping = (struct mapping){ start, end, offset, mode == 's' && inode };
	return true;
}

static bool add_mapping(struct sparse *sparse, const struct mapping *mapping)
{
	struct mapping *more;

	more = reallocarray(sparse->mappings, sparse->nr_mappings + 1, sizeof(*more));
	if (!more)
		return false;
	sparse->mappings = more;
	more[sparse->nr_mappings++] = *mapping;
	return true;
}

bool sparse_init(struct sparse *sparse, pid_t pid)
{
	struct mapping mapping = { 0 }, last;
	char *line = NULL, path[32];
	bool good = true;
	size_t size = 0;
	FILE *file;

	*sparse = (struct sparse){ .pid = pid, .fd = -1 };
	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	file = pid ? fopen(path, "re") : NULL;
	if (!file)
		return true;
	while (good && getline(&line, &size, file) > 0) {
		last = mapping;
		if (mapping_parse(line, &mapping) && last.end)
			good = add_mapping(sparse, &last);
	}
	if (good && mapping.end)
		good = add_mapping(sparse, &mapping);
	free(line);
	fclose(file);
	return good;
}

bool sparse_add(struct sparse *sparse, const struct kvm_tdp_slot *slot)
{
	struct kvm_tdp_slot *more;

	more = reallocarray(sparse->slots, sparse->nr_slots + 1, sizeof(*more));
	if (!more)
		return false;
	sparse->slots = more;
	more[sparse->nr_slots++] = *slot;
	return true;
}

void sparse_free(struct sparse *sparse)
{
	if (sparse->fd >= 0)
		close(sparse->fd);
	free(sparse->slots);
	free(sparse->mappings);
	*sparse = (struct sparse){ .fd = -1 };
}

/*
 * Of tmpfs alone, memfd and shared anonymous memory included: its data is what is in
 * memory or in swap. hugetlbfs has no holes to tell of.
 */
static int mapping_open(pid_t pid, const struct mapping *mapping)
{
	struct statfs fs;
	struct stat file;
	char path[80];
	int place, fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid,
		 mapping->start, mapping->end);
	/* Of a device the open alone may do something. */
	place = open(path, O_PATH | O_CLOEXEC);
	if (place < 0)
		return -1;
	fd = -1;
	if (!fstatfs(place, &fs) && fs.f_type == TMPFS_MAGIC &&
	    !fstat(place, &file) && S_ISREG(file.st_mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", place);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	close(place);
	return fd;
}

static const struct kvm_tdp_slot *slot_at(const struct sparse *sparse, uint64_t gpa)
{
	const struct kvm_tdp_slot *slot = sparse->slots;

	for (; slot < sparse->slots + sparse->nr_slots; slot++) {
		if (gpa >= slot->gpa && gpa - slot->gpa < slot->length)
			return slot->hva ? slot : NULL;
	}
	return NULL;
}

/* The first that ends behind @hva. */
static const struct mapping *mapping_at(const struct sparse *sparse, uint64_t hva)
{
	const struct mapping *mapping = sparse->mappings;

	for (; mapping < sparse->mappings + sparse->nr_mappings; mapping++) {
		if (hva < mapping->end)
			return mapping;
	}
	return NULL;
}

static void cut(uint64_t *length, uint64_t to)
{
	*length = *length < to ? *length : to;
}

bool sparse_at(struct sparse *sparse, uint64_t gpa, uint64_t *length)
{
	const struct kvm_tdp_slot *slot = slot_at(sparse, gpa);
	const struct mapping *mapping;
	off_t at, next;
	uint64_t hva;
	bool hole;

	if (!slot)
		return false;
	hva = slot->hva + (gpa - slot->gpa);
	cut(length, slot->gpa + slot->length - gpa);
	mapping = mapping_at(sparse, hva);
	if (!mapping)
		return false;
	cut(length, hva < mapping->start ? mapping->start - hva : mapping->end - hva);
	if (hva < mapping->start || !mapping->shared)
		return false;

	if (sparse->open != mapping) {
		if (sparse->fd >= 0)
			close(sparse->fd);
		sparse->fd = mapping_open(sparse->pid, mapping);
		sparse->open = mapping;
	}
	if (sparse->fd < 0)
		return false;

	at = mapping->offset + (hva - mapping->start);
	next = lseek(sparse->fd, at, SEEK_DATA);
	if (next < 0 && errno != ENXIO)
		return false;
	hole = next != at;
	if (!hole)
		next = lseek(sparse->fd, at, SEEK_HOLE);
	/* The end of a file may be in the midst of a page, which is data all the same. */
	if (next > at)
		cut(length, (next - at + CORE_PAGE - 1) & -CORE_PAGE);
	return hole;
}
