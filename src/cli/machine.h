/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_MACHINE_H
#define KVM_TDP_MACHINE_H

/* Reads files that describe this machine; their paths are absolute. */

#include <grp.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Tests have a tree of their own in the place of "/". */
extern const char *machine_root;

#define FILE_LINE	4096	/* as long as the flags of a CPU may be */

void machine_path(char path[PATH_MAX], const char *name);
bool machine_has(const char *name);

/* The first line, without its end; false, and "", if there is none. */
bool machine_line(const char *name, char line[FILE_LINE]);

/* The first line in which @text is. */
bool machine_find(const char *name, const char *text, char line[FILE_LINE]);

/* Is @word in @line, between blanks or its ends? */
bool line_has_word(const char *line, const char *word);

/* The file of a kernel module below @dir, compressed or not. */
bool machine_find_module(const char *dir, const char *module,
			 char path[PATH_MAX]);

/* A field of modinfo(8) of the file @path (as machine_find_module() has it). */
bool module_field(const char *path, const char *field, char line[FILE_LINE]);

bool machine_module_loaded(const char *module);

/* "Y" or "N", or as the file has it; "" if there is none. */
void machine_module_param(const char *module, const char *param,
			  char line[FILE_LINE]);

/*
 * Of /etc/group, by name or, without one, by number, and of /etc/passwd; NULL if
 * there is none. Good until the next call.
 */
const struct group *machine_group(const char *name, gid_t gid);
const char *machine_user(uid_t uid);

#endif /* KVM_TDP_MACHINE_H */
