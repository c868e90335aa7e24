// SPDX-License-Identifier: GPL-2.0-only
#include "edu.h"

#include "pci.h"
#include "sys.h"
#include "tap.h"

#define BUFFER		0x40000
#define BUFFER_SIZE	4096	/* of which QEMU 7.2 allows all but the last 8 */
#define TRIES		20

/* Registers, and bits of the command. */
#define EDU_SOURCE	0x80
#define EDU_TARGET	0x88
#define EDU_COUNT	0x90
#define EDU_COMMAND	0x98
#define EDU_RUN		1
#define EDU_TO_MEMORY	2

const char *edu_name(void)
{
	static char name[32];

	if (!*name)
		pci_find("device", "0x11e8", name, sizeof(name));
	return name;
}

void edu_open(struct vfio *edu)
{
	must(vfio_bind(edu_name()));
	must(vfio_open(edu, edu_name(), VFIO_KVM_TDP_IOMMU));
}

void edu_move(const struct vfio *edu, uint64_t address, bool write, uint64_t length)
{
	uint64_t buffer = BUFFER + address % (BUFFER_SIZE / 2);
	unsigned int ms = 60000;

	vfio_write64(edu, EDU_SOURCE, write ? buffer : address);
	vfio_write64(edu, EDU_TARGET, write ? address : buffer);
	vfio_write64(edu, EDU_COUNT, length);
	vfio_write64(edu, EDU_COMMAND, EDU_RUN | (write ? EDU_TO_MEMORY : 0));
	while (vfio_read64(edu, EDU_COMMAND) & EDU_RUN)
		if (!sys_step(&ms))
			bail("a transfer does not end");
}

void edu_raw(const struct vfio *edu, uint64_t address, bool write)
{
	edu_move(edu, address, write, EDU_LENGTH);
}

int edu_once(const struct vfio *edu, uint64_t gpa, bool write)
{
	uint32_t flags = write ? KVM_TDP_VFIO_WRITE : KVM_TDP_VFIO_READ, id;
	int ret, tries;

	for (tries = 0; tries < TRIES; tries++) {
		ret = vfio_begin(edu, gpa, EDU_LENGTH, flags, &id);
		if (ret)
			return ret;
		edu_raw(edu, gpa, write);
		ret = vfio_done(edu, id);
		if (ret != -EAGAIN)
			break;
	}
	return ret;
}
