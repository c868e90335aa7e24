/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef EXAMPLES_VFIO_H
#define EXAMPLES_VFIO_H

/*
 * A PCI device in a VFIO container whose addresses are a running guest's.  Functions
 * that return int answer 0, or -errno.
 */

#include <linux/kvm_tdp_vfio.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * struct vfio - a device
 * @container: of its group
 * @group: its group
 * @device: its fd
 * @bar: registers of BAR 0
 * @bar_size: bytes
 */
struct vfio {
	int container;
	int group;
	int device;
	volatile uint8_t *bar;
	size_t bar_size;
};

/* Have vfio-pci drive the device; @name as in /sys/bus/pci/devices. */
int vfio_bind(const char *name);

/**
 * vfio_open() - take a device that vfio-pci drives
 * @vfio: is filled in; to be closed if 0 is returned
 * @name: as in /sys/bus/pci/devices
 * @type: VFIO_KVM_TDP_IOMMU, or another type of container
 *
 * It may do DMA from here on, but can reach nothing.
 */
int vfio_open(struct vfio *vfio, const char *name, int type);
void vfio_close(struct vfio *vfio);

/*
 * Follow the guest of a TDP fd; @pid 0: of this process; @eventfd -1: none; @hits: a page
 * of bytes, by transfer (linux/kvm_tdp_vfio.h), or NULL.
 */
int vfio_attach(const struct vfio *vfio, int tdp_fd, pid_t pid, int eventfd, void *hits);
int vfio_detach(const struct vfio *vfio);

/* One transfer; @flags are KVM_TDP_VFIO_READ, _WRITE.  Done: 0, or -EAGAIN if it was hit. */
int vfio_begin(const struct vfio *vfio, uint64_t gpa, uint64_t length, uint32_t flags,
	       uint32_t *id);
int vfio_done(const struct vfio *vfio, uint32_t id);

/* Memory of this process, for the device. */
int vfio_map(const struct vfio *vfio, uint64_t iova, void *memory, size_t length,
	     uint32_t flags);
int vfio_unmap(const struct vfio *vfio, uint64_t iova);
int vfio_info(const struct vfio *vfio, struct kvm_tdp_vfio_info *info);

static inline uint32_t vfio_read32(const struct vfio *vfio, size_t at)
{
	return *(volatile uint32_t *)(vfio->bar + at);
}

static inline uint64_t vfio_read64(const struct vfio *vfio, size_t at)
{
	return *(volatile uint64_t *)(vfio->bar + at);
}

static inline void vfio_write32(const struct vfio *vfio, size_t at, uint32_t value)
{
	*(volatile uint32_t *)(vfio->bar + at) = value;
}

static inline void vfio_write64(const struct vfio *vfio, size_t at, uint64_t value)
{
	*(volatile uint64_t *)(vfio->bar + at) = value;
}

#endif /* EXAMPLES_VFIO_H */
