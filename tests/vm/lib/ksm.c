// SPDX-License-Identifier: GPL-2.0-only
#include "ksm.h"

#include <stdio.h>

#include "mem.h"
#include "sys.h"
#include "tap.h"

#define PATIENCE	30000

void ksm_set(const char *knob, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/kernel/mm/ksm/%s", knob);
	if (sys_write(path, text))
		bail("%s: errno %d", path, errno);
}

void ksm_start(void)
{
	ksm_set("pages_to_scan", "1000");
	ksm_set("sleep_millisecs", "10");
	ksm_set("run", "1");
}

bool ksm_merges(const void *hva, size_t size)
{
	unsigned int ms = PATIENCE;
	size_t off;

	do {
		for (off = PAGE_4K; off < size; off += PAGE_4K)
			if (mem_hpa(hva + off) != mem_hpa(hva))
				break;
	} while (off < size && sys_step(&ms));
	return off >= size;
}
