// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: ktdp-nvme DEVICE read|write PID GPA LENGTH BLOCK [COMMAND]
 *        ktdp-nvme DEVICE pin LENGTH
 *
 * Have an NVMe disk read blocks into the memory of a running guest, or write them from
 * it, by guest physical address.  DEVICE is its name in /sys/bus/pci/devices, PID the
 * process whose VM it is, $KVM_TDP_FD its TDP fd (kvm-tdp attach).  COMMAND is run once
 * the first transfer has begun, before the disk is told of it.
 *
 * "pin": what VFIO's type 1 does for so much memory, to compare.
 */
#include <err.h>
#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nvme.h"

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 0);

	if (!*text || *end)
		errx(2, "%s is no number", text);
	return value;
}

static void fail(int ret, const char *what)
{
	errno = -ret;
	err(1, "%s", what);
}

/* As nvme_rw(), and says what happens. */
static int transfer(struct nvme *nvme, uint64_t gpa, uint64_t length, uint64_t block,
		    bool to_guest, const char *command)
{
	uint32_t flags = to_guest ? KVM_TDP_VFIO_WRITE : KVM_TDP_VFIO_READ, id;
	int ret, done, tries;

	for (tries = 1; ; tries++) {
		ret = vfio_begin(&nvme->vfio, gpa, length, flags, &id);
		if (ret)
			return ret;
		if (tries == 1 && command && system(command))
			errx(1, "%s failed", command);
		ret = nvme_raw(nvme, gpa, length, block, to_guest);
		if (ret == -ETIMEDOUT)
			return ret;
		done = vfio_done(&nvme->vfio, id);
		printf("transfer %d: the disk says status %#x; %s\n", tries, nvme->status,
		       done ? "but the memory was taken away meanwhile: again" : "done");
		if (done != -EAGAIN)
			return done ? done : ret;
	}
}

static int move(const char *device, char **argv, int tdp_fd)
{
	bool to_guest = !strcmp(argv[0], "read");
	struct kvm_tdp_vfio_info info;
	struct nvme nvme;
	int ret;

	ret = nvme_open(&nvme, device);
	if (ret)
		fail(ret, device);
	ret = vfio_attach(&nvme.vfio, tdp_fd, number(argv[1]), -1, NULL);
	if (ret)
		fail(ret, "cannot follow the guest");
	ret = transfer(&nvme, number(argv[2]), number(argv[3]), number(argv[4]), to_guest,
		       argv[5]);
	if (ret)
		fail(ret, "transfer");
	ret = vfio_info(&nvme.vfio, &info);
	if (ret)
		fail(ret, "info");
	printf("the device reaches %llu KiB of the guest now, not pinned, and %llu KiB of queues, pinned\n",
	       info.mapped / 1024, info.own_bytes / 1024);
	nvme_close(&nvme);
	return 0;
}

static void show_locked(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[128];

	while (status && fgets(line, sizeof(line), status))
		if (!strncmp(line, "VmLck:", 6))
			printf("type 1: %s", line);
	if (status)
		fclose(status);
}

static int pin(const char *device, uint64_t length)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.size = length,
	};
	struct vfio vfio;
	void *memory;
	int ret;

	ret = vfio_open(&vfio, device, VFIO_TYPE1v2_IOMMU);
	if (ret)
		fail(ret, device);
	memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map.vaddr = (uintptr_t)memory;
	if (memory == MAP_FAILED || ioctl(vfio.container, VFIO_IOMMU_MAP_DMA, &map))
		err(1, "pin");
	show_locked();
	vfio_close(&vfio);
	return 0;
}

int main(int argc, char **argv)
{
	const char *fd = getenv("KVM_TDP_FD");
	int ret;

	if ((argc != 4 || strcmp(argv[2], "pin")) &&
	    ((argc != 7 && argc != 8) || (strcmp(argv[2], "read") && strcmp(argv[2], "write"))))
		errx(2, "usage: ktdp-nvme DEVICE read|write PID GPA LENGTH BLOCK [COMMAND] | DEVICE pin LENGTH");
	if (argc != 4 && !fd)
		errx(2, "no TDP fd: kvm-tdp attach --pid PID -- ktdp-nvme ...");
	ret = vfio_bind(argv[1]);
	if (ret)
		fail(ret, "vfio-pci");
	return argc == 4 ? pin(argv[1], number(argv[3])) : move(argv[1], argv + 2, number(fd));
}
