/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_TEXT_H
#define KVM_TDP_TEXT_H

/* Text from and to numbers and runs. Pure: no I/O, no globals. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/kvm_tdp.h>

/* Decimal, 0x or 0 prefix, then K, M, G or T (powers of 1024). */
bool size_parse(const char *text, uint64_t *value);

/* The largest unit that shows the value exactly: 4K, 640K, 2M, 4097. */
#define SIZE_TEXT	24
const char *size_format(uint64_t value, char text[SIZE_TEXT]);

/* As it is read at a glance, in at most five characters: 999, 1.5K, 1023M. */
const char *size_round(uint64_t value, char text[SIZE_TEXT]);

const char *level_name(unsigned int level);

/* Of kvm_tdp_info.type. */
const char *format_name(unsigned int type);

/* "rwx", with '-' for what is not granted. */
#define ACCESS_TEXT	4
const char *access_format(unsigned int access, char text[ACCESS_TEXT]);

/* One line for scripts: gpa, length, level, access, hpa; tab-separated. */
#define RUN_TEXT	96
int run_format_raw(const struct kvm_tdp_run *run, char text[RUN_TEXT]);

/* One line for people; hpa is "-" if it is hidden. */
int run_format(const struct kvm_tdp_run *run, char text[RUN_TEXT]);

/* "6.1.0-56-cloud-amd64": as KERNEL_VERSION() has it. */
bool release_parse(const char *text, unsigned int *version);

/* Length of the printable prefix of @buf, tab counted in, at most @length. */
size_t printable_prefix(const uint8_t *buf, size_t length);

/* " 42%  430M of 1G  215M/s  0:00:02 left"; @done and @total in bytes. */
#define PROGRESS_TEXT	128
void progress_format(uint64_t done, uint64_t total, uint64_t ms,
		     char text[PROGRESS_TEXT]);

#endif /* KVM_TDP_TEXT_H */
