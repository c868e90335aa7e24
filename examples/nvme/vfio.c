// SPDX-License-Identifier: GPL-2.0-only
#include "vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int sysfs_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int vfio_bind(const char *name)
{
	char path[128];
	int ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", name);
	ret = sysfs_write(path, "vfio-pci");
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind", name);
	ret = sysfs_write(path, name);
	if (ret && ret != -ENOENT)
		return ret;
	return sysfs_write("/sys/bus/pci/drivers_probe", name);
}

static int group_open(const char *name)
{
	char path[128], link[256];
	const char *number;
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", name);
	length = readlink(path, link, sizeof(link) - 1);
	if (length < 0)
		return -errno;
	link[length] = '\0';
	number = strrchr(link, '/');
	snprintf(path, sizeof(path), "/dev/vfio/%.16s", number ? number + 1 : link);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int region(const struct vfio *vfio, uint32_t index, struct vfio_region_info *info)
{
	*info = (struct vfio_region_info){ .argsz = sizeof(*info), .index = index };
	return ioctl(vfio->device, VFIO_DEVICE_GET_REGION_INFO, info) ? -errno : 0;
}

static int set_master(const struct vfio *vfio)
{
	struct vfio_region_info config;
	uint16_t command;
	off_t at;
	int ret = region(vfio, VFIO_PCI_CONFIG_REGION_INDEX, &config);

	if (ret)
		return ret;
	at = config.offset + PCI_COMMAND;
	if (pread(vfio->device, &command, sizeof(command), at) != sizeof(command))
		return -EIO;
	command |= PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	return pwrite(vfio->device, &command, sizeof(command), at) == sizeof(command) ? 0 : -EIO;
}

static int map_bar(struct vfio *vfio)
{
	struct vfio_region_info bar;
	int ret = region(vfio, VFIO_PCI_BAR0_REGION_INDEX, &bar);
	void *at;

	if (ret)
		return ret;
	at = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, vfio->device, bar.offset);
	if (at == MAP_FAILED)
		return -errno;
	vfio->bar = at;
	vfio->bar_size = bar.size;
	return 0;
}

int vfio_open(struct vfio *vfio, const char *name, int type)
{
	int ret;

	*vfio = (struct vfio){ .container = -1, .group = -1, .device = -1 };
	vfio->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	ret = vfio->container < 0 ? -errno : 0;
	if (!ret) {
		vfio->group = group_open(name);
		ret = vfio->group < 0 ? vfio->group : 0;
	}
	if (!ret && (ioctl(vfio->group, VFIO_GROUP_SET_CONTAINER, &vfio->container) ||
		     ioctl(vfio->container, VFIO_SET_IOMMU, type)))
		ret = -errno;
	if (!ret) {
		vfio->device = ioctl(vfio->group, VFIO_GROUP_GET_DEVICE_FD, name);
		ret = vfio->device < 0 ? -errno : 0;
	}
	if (!ret)
		ret = map_bar(vfio);
	if (!ret)
		ret = set_master(vfio);
	if (ret)
		vfio_close(vfio);
	return ret;
}

void vfio_close(struct vfio *vfio)
{
	if (vfio->bar)
		munmap((void *)vfio->bar, vfio->bar_size);
	if (vfio->device >= 0)
		close(vfio->device);
	if (vfio->group >= 0)
		close(vfio->group);
	if (vfio->container >= 0)
		close(vfio->container);
	vfio->bar = NULL;
	vfio->device = -1;
	vfio->group = -1;
	vfio->container = -1;
}

static int call(const struct vfio *vfio, unsigned long op, void *arg)
{
	return ioctl(vfio->container, op, arg) < 0 ? -errno : 0;
}

int vfio_attach(const struct vfio *vfio, int tdp_fd, pid_t pid, int eventfd, void *hits)
{
	struct kvm_tdp_vfio_attach arg = {
		.size = sizeof(arg),
		.tdp_fd = tdp_fd,
		.pid = pid,
		.eventfd = eventfd,
		.hits = (uintptr_t)hits,
	};

	return call(vfio, KVM_TDP_VFIO_ATTACH, &arg);
}

int vfio_detach(const struct vfio *vfio)
{
	struct kvm_tdp_vfio_detach arg = { .size = sizeof(arg) };

	return call(vfio, KVM_TDP_VFIO_DETACH, &arg);
}

int vfio_begin(const struct vfio *vfio, uint64_t gpa, uint64_t length, uint32_t flags,
	       uint32_t *id)
{
	struct kvm_tdp_vfio_io io = { .gpa = gpa, .length = length, .flags = flags };
	struct kvm_tdp_vfio_ios arg = {
		.size = sizeof(arg),
		.ios = (uintptr_t)&io,
		.nr = 1,
	};
	int ret = call(vfio, KVM_TDP_VFIO_BEGIN, &arg);

	*id = io.id;
	return ret;
}

int vfio_done(const struct vfio *vfio, uint32_t id)
{
	struct kvm_tdp_vfio_io io = { .id = id };
	struct kvm_tdp_vfio_ios arg = {
		.size = sizeof(arg),
		.ios = (uintptr_t)&io,
		.nr = 1,
	};
	int ret = call(vfio, KVM_TDP_VFIO_DONE, &arg);

	if (ret)
		return ret;
	return io.flags & KVM_TDP_VFIO_HIT ? -EAGAIN : 0;
}

int vfio_map(const struct vfio *vfio, uint64_t iova, void *memory, size_t length,
	     uint32_t flags)
{
	struct kvm_tdp_vfio_map arg = {
		.size = sizeof(arg),
		.flags = flags,
		.iova = iova,
		.vaddr = (uintptr_t)memory,
		.length = length,
	};

	return call(vfio, KVM_TDP_VFIO_MAP, &arg);
}

int vfio_unmap(const struct vfio *vfio, uint64_t iova)
{
	struct kvm_tdp_vfio_unmap arg = { .size = sizeof(arg), .iova = iova };

	return call(vfio, KVM_TDP_VFIO_UNMAP, &arg);
}

int vfio_info(const struct vfio *vfio, struct kvm_tdp_vfio_info *info)
{
	*info = (struct kvm_tdp_vfio_info){ .size = sizeof(*info) };
	return call(vfio, KVM_TDP_VFIO_INFO, info);
}
